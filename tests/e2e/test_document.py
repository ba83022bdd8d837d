"""The document and the API agree: schemathesis calls everything with everything, on the deployed stack."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.conftest import World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
FUZZ = "fuzz-hook"
"""The one destination that these calls may change."""


@pytest.fixture(scope="module")
def api(world: World) -> Iterator[Any]:
    schema = schemathesis.openapi.from_url(f"{world.stack.url}/openapi.json")
    schema.config.update(base_url=world.stack.url, headers={"x-api-key": world.stack.api_key})
    record = {"type": "webhook", "url": world.rx.url("/hook/fuzz")}
    assert world.call("PUT", f"/destinations/{FUZZ}", json=record).status_code == 200
    known = [world.post("tencent.clb", f"quick-fuzz-{number}", notify=[FUZZ])["id"] for number in range(3)]

    @schema.hook
    def map_path_parameters(context: Any, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        """Half of the calls are about something that is there; and none is about what other tests need."""
        if parameters is None:
            return None
        if "id" in parameters and len(parameters["id"]) % 2:
            parameters["id"] = known[len(parameters["id"]) % 3]
        for name in ("name", "destination"):
            if name in parameters:
                parameters[name] = FUZZ if len(parameters[name]) % 2 else f"fuzz-{parameters[name]}"
        return parameters

    @schema.hook
    def map_query(context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
        if query and isinstance(query.get("wait"), int) and query["wait"] > 1:
            query["wait"] = 1
        return query

    yield schema
    world.call("DELETE", f"/destinations/{FUZZ}")


everything = schemathesis.pytest.from_fixture("api")


@everything.parametrize()
@settings(
    max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
@pytest.mark.timeout(300)
def test_every_call_answers_as_the_document_says(case: Any) -> None:
    # Of many tasks each is refused on its own, and the call is not.
    many = [negative_data_rejection] if case.path == "/tasks/batch" else []
    case.call_and_validate(checks=CHECKS, excluded_checks=many, timeout=60)
