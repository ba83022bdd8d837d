"""openapi.json is what the code makes, says all that the contract promises, and every answer keeps to it."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema_rs import Draft202012Validator

from local.openapi.document import PATH, text
from local.openapi.operations import OPERATIONS
from taskhook.api.problem import FieldError, ProblemError, invalid
from taskhook.providers.listing import listing
from taskhook.task import Task, deliveries_view
from taskhook.timeline import timeline
from tests.strategies import tasks

DOCUMENT: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
CONTRACT = {
    ("post", "/tasks"): {200, 202, 413, 422, 429},
    ("post", "/tasks/batch"): {207},
    ("get", "/tasks/{id}"): {200, 404},
    ("get", "/tasks"): {200},
    ("delete", "/tasks/{id}"): {200, 409},
    ("get", "/tasks/{id}/deliveries"): {200},
    ("post", "/tasks/{id}/deliveries/{destination}"): {202},
    ("get", "/destinations"): {200},
    ("put", "/destinations/{name}"): {200},
    ("delete", "/destinations/{name}"): {204},
    ("post", "/destinations/{name}/test"): {202},
    ("get", "/providers"): {200},
    ("get", "/openapi.json"): {200},
    ("get", "/health"): {200},
    ("get", "/"): {200},
}
"""What the service promises: each call, and what it answers."""


@cache
def validator(name: str) -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema, validate_formats=True)


def said(kept: Draft202012Validator, value: Any) -> list[str]:
    return [f"{error.instance_path}: {error.message}" for error in kept.iter_errors(value)]


def test_the_document_is_what_the_code_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABLE", "tasks")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "taskhook")
    assert PATH.read_text("utf-8") == text(), "it is old: run `make docs`"


def test_the_contract_is_kept() -> None:
    for (method, path), statuses in CONTRACT.items():
        said = DOCUMENT["paths"][path][method]["responses"]
        assert {str(one) for one in statuses} <= set(said), (method, path)


def test_every_call_is_described_and_has_a_name_of_its_own() -> None:
    calls = [call for path in DOCUMENT["paths"].values() for call in path.values()]
    assert len(calls) == len(OPERATIONS)
    assert len({call["operationId"] for call in calls}) == len(calls)
    assert all(call["summary"] for call in calls)


def test_only_open_calls_need_no_key() -> None:
    free = {path for path, calls in DOCUMENT["paths"].items() for call in calls.values() if call.get("security") == []}
    assert free == {"/", "/docs", "/health", "/openapi.json"}
    assert DOCUMENT["security"] == [{"key": []}]


def test_every_problem_is_described_with_its_type() -> None:
    for status, answer in DOCUMENT["components"]["responses"].items():
        (kind,) = answer["content"]
        assert kind == "application/problem+json"
        example = answer["content"][kind]["example"]
        assert example["status"] == int(status)
        assert said(validator("Problem"), example) == []


def test_every_example_keeps_to_its_schema() -> None:
    seen = 0
    for path in DOCUMENT["paths"].values():
        for call in path.values():
            for answer in call["responses"].values():
                content = answer.get("content", {}).get("application/json", {})
                if "example" in content:
                    seen += 1
                    name = content["schema"]["$ref"].rpartition("/")[2]
                    assert said(validator(name), content["example"]) == [], call["operationId"]
            if "requestBody" in call:
                content = call["requestBody"]["content"]["application/json"]
                reference = json.dumps(content["schema"]).split("schemas/")[1].split('"')[0]
                assert said(validator(reference), content["example"]) == [], call["operationId"]
    assert seen >= 6
    request = DOCUMENT["components"]["schemas"]["TaskRequest"]
    assert said(validator("TaskRequest"), request["examples"][0]) == []


def test_every_reference_leads_somewhere() -> None:
    raw = PATH.read_text("utf-8")
    parts = DOCUMENT["components"]
    for reference in {one.split('"')[1] for one in raw.split('"$ref": ')[1:]}:
        _, _, kind, name = reference.split("/")
        assert name in parts[kind]


@given(tasks)
@settings(max_examples=60)
def test_every_task_keeps_to_the_document(task: Task) -> None:
    shown = json.loads(json.dumps(task.view()))
    assert said(validator("Task"), {**shown, "id": "a" * 26}) == []
    told = json.loads(json.dumps({"deliveries": deliveries_view(task, {})}))
    for attempt in (attempt for one in told["deliveries"] for attempt in one["log"]):
        attempt["verdict"] = "delivered"  # the strategy makes up words
    assert said(validator("Deliveries"), told) == []
    story = {"timeline": [one.view() for one in timeline(task)]}
    assert said(validator("Timeline"), story) == []


def test_the_catalogue_keeps_to_the_document() -> None:
    assert said(validator("Providers"), listing({"tencent.x": "nonsense"})) == []


def test_problems_keep_to_the_document() -> None:
    for error in (ProblemError(404, "x"), invalid([FieldError("a", "b")])):
        assert said(validator("Problem"), error.body()) == []
