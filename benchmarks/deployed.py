"""What template.yaml says, for benchmarks that do not go by what local/ sets for a machine with few processes."""

from functools import cache
from typing import Any

from local.settings import REPOSITORY


@cache
def _template() -> dict[str, Any]:
    from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]  # knows !Ref and its kind

    parsed: dict[str, Any] = yaml_parse((REPOSITORY / "template.yaml").read_text(encoding="utf-8"))
    return parsed


def default(parameter: str) -> str:
    return str(_template()["Parameters"][parameter]["Default"])


def properties(resource: str) -> dict[str, Any]:
    found: dict[str, Any] = _template()["Resources"][resource]["Properties"]
    return found
