"""API keys beside the default one, on the emulator: made as an operator makes them on AWS, from a table.

Each has a usage plan of its own, for its rate, burst and quota, and a record that says what it may do.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.settings import STACK_NAME
from local.stack import Stack

_PLAN = ("rate", "burst", "daily_quota")
_GENEROUS = 10_000


def sync_keys(stack: Stack, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Make what the tables name and remove what they no longer do; each key's value by its name.

    A key keeps its value for as long as it stays in the file.
    """
    client = stack.client("apigateway")
    known = dict(_of_ours(client.get_paginator("get_api_keys").paginate(includeValues=True)))
    plans = dict(_of_ours(client.get_paginator("get_usage_plans").paginate()))
    for name in known.keys() - tables.keys():
        client.delete_api_key(apiKey=known[name]["id"])
        stack.client("ssm").delete_parameters(Names=[_record(known[name]["id"])])
    for name in plans.keys() - tables.keys():
        client.delete_usage_plan(usagePlanId=plans[name]["id"])
    values = {}
    for name, table in tables.items():
        key = known.get(name) or client.create_api_key(name=f"{_PREFIX}{name}", enabled=True)
        _plan(stack, client, key["id"], name, table, plans.get(name))
        record = {"name": name, **{member: value for member, value in table.items() if member not in _PLAN}}
        stack.client("ssm").put_parameter(
            Name=_record(key["id"]), Value=json.dumps(record), Type="String", Overwrite=True
        )
        values[name] = str(key["value"])
    return values


_PREFIX = f"{STACK_NAME}-key-"


def _of_ours(pages: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The default key and plan belong to the template, and have other names."""
    for page in pages:
        for one in page["items"]:
            if one["name"].startswith(_PREFIX):
                yield one["name"].removeprefix(_PREFIX), one


def _record(id: str) -> str:
    return f"/{STACK_NAME}/keys/{id}"


def _plan(stack: Stack, client: Any, key: str, name: str, table: Mapping[str, Any], known: Any) -> None:
    """The plan is made anew: that is simpler than to find out what has changed, and nothing else uses it."""
    if known is not None:
        client.delete_usage_plan(usagePlanId=known["id"])
    outputs = stack.outputs()
    quota = {"quota": {"limit": table["daily_quota"], "period": "DAY"}} if "daily_quota" in table else {}
    plan = client.create_usage_plan(
        name=f"{_PREFIX}{name}",
        apiStages=[{"apiId": outputs["ApiId"], "stage": outputs["ApiStage"]}],
        throttle={"rateLimit": float(table.get("rate", _GENEROUS)), "burstLimit": int(table.get("burst", _GENEROUS))},
        **quota,
    )
    client.create_usage_plan_key(usagePlanId=plan["id"], keyId=key, keyType="API_KEY")


def plan_faults(table: Mapping[str, Any]) -> Iterator[str]:
    for name in _PLAN:
        value = table.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            yield f'"{name}" must be a whole number from 1'


def rights(table: Mapping[str, Any]) -> dict[str, Any]:
    """What is the product's to judge."""
    return {name: value for name, value in table.items() if name not in _PLAN}
