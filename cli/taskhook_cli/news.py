"""News as a webhook gets it: the same members, from a task as the API shows it."""

import json
from typing import Any

from taskhook_cli.times import rfc3339


def news(task: dict[str, Any], now: float) -> dict[str, Any]:
    """docs/api.md, Deliveries: the task without its deliveries."""
    happened = task.get("observed_at") or rfc3339(now)
    data = {name: value for name, value in task.items() if name != "deliveries"}
    return {"type": f"task.{task.get('state')}", "timestamp": happened, "data": data}


def encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"
