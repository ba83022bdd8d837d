"""Puts the document together: requests from the routes of the functions, answers from the models beside this.

    PYTHONPATH=layers/taskhook python -m local.openapi.document        (as `make docs` does)

writes functions/show/openapi.json, which is served as it is; a test holds it to what this makes.
"""

import importlib
import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from local.openapi import answers, examples
from local.openapi.operations import ALWAYS, HEADERS, OPERATIONS, PROBLEMS, TAGS, Operation
from local.settings import REPOSITORY

PATH = REPOSITORY / "functions/show/openapi.json"
FUNCTIONS = ("submit", "show", "destinations")
_REF = "#/components/schemas/{model}"
_UNCHECKED = re.compile(r"Unchecked_(\w+?)_(?=\W|$)")
_POWERTOOLS = ("HTTPValidationError", "ResponseValidationError", "ValidationError")
_PROBLEM = "application/problem+json"
_ONCE = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes a repeated request answer what the first one did, without doing it again",
    "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$", "maxLength": 255},
}


def document() -> dict[str, Any]:
    """The whole document. Raises KeyError where a route and the operations beside this do not agree."""
    from taskhook import __version__

    routes = [_routes(name) for name in FUNCTIONS]
    schemas = {name: schema for one in routes for name, schema in one["components"]["schemas"].items()}
    paths: dict[str, dict[str, Any]] = {}
    for one in routes:
        for path, calls in one["paths"].items():
            for method, call in calls.items():
                paths.setdefault(path, {})[method] = _operation(method, call, OPERATIONS[method, path])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "taskhook",
            "version": __version__,
            "summary": "Tells people when a cloud job is done",
            "description": "Post the id of an asynchronous task; when the task ends, your destinations hear of it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "./", "description": "Beside this document"}],
        "security": [{"key": []}],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items()],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": dict(sorted({**_requests(schemas), **_answers()}.items())),
            "responses": {str(status): _problem(status, words) for status, words in PROBLEMS.items()},
        },
    }


def _routes(function: str) -> dict[str, Any]:
    """As Powertools describes them: the parameters and bodies that it validates."""
    app = importlib.import_module(f"functions.{function}.app").app
    text = app.get_openapi_json_schema(title="taskhook", version="1")
    found: dict[str, Any] = json.loads(_UNCHECKED.sub(r"\1", text))
    return found


def _operation(method: str, call: dict[str, Any], operation: Operation) -> dict[str, Any]:
    parameters = [_parameter(one) for one in call.get("parameters", [])]
    if method == "post":
        parameters.append(_ONCE)
    if method == "get" and not any(one["name"] == "If-None-Match" for one in parameters):
        parameters.append({"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}})
    problems = sorted(
        {*operation.problems, *(() if operation.open else ALWAYS), *((422, 409) if method == "post" else ())}
    )
    made = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": call["summary"],
        "description": operation.about,
        "parameters": parameters,
        "requestBody": _with_example(call.get("requestBody"), operation.id),
        "responses": {
            **{str(status): _answer(method, status, operation) for status in operation.answers},
            **({"304": {"description": "Nothing has changed", "headers": _headers("ETag")}} if method == "get" else {}),
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in problems},
        },
        "security": [] if operation.open else None,
    }
    return {name: value for name, value in made.items() if value not in (None, "")}


def _with_example(body: dict[str, Any] | None, operation: str) -> dict[str, Any] | None:
    if body is None:
        return None
    content = body["content"]["application/json"]
    return {**body, "content": {"application/json": {**content, "example": examples.REQUESTS[operation]}}}


def _parameter(one: dict[str, Any]) -> dict[str, Any]:
    """Headers in their usual spelling; what may be left out is not null where it is given."""
    schema = {name: value for name, value in one["schema"].items() if name not in ("title", "description")}
    given = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    schema = given[0] if len(given) == 1 else schema
    name = "If-None-Match" if one["name"] == "if-none-match" else one["name"]
    return {**one, "name": name, "schema": schema}


def _answer(method: str, status: int, operation: Operation) -> dict[str, Any]:
    words, held = operation.answers[status]
    names = (*operation.headers.get(status, ()), *(("ETag",) if method == "get" else ()))
    made: dict[str, Any] = {"description": words}
    if names:
        made["headers"] = _headers(*names)
    if held == "text/html":
        made["content"] = {"text/html": {"schema": {"type": "string"}}}
    elif held == "Document":
        made["content"] = {"application/json": {"schema": {"type": "object"}}}
    elif held is not None:
        name = held if isinstance(held, str) else held.__name__
        content: dict[str, Any] = {"schema": {"$ref": _REF.format(model=name)}}
        if (example := examples.EXAMPLES.get((operation.id, status))) is not None:
            content["example"] = example
        made["content"] = {"application/json": content}
    return made


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in names}


def _problem(status: int, words: str) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": _REF.format(model="Problem")}}
    if status in examples.PROBLEMS:
        content["example"] = examples.PROBLEMS[status]
    return {"description": words, "content": {_PROBLEM: content}}


def _requests(schemas: dict[str, Any]) -> dict[str, Any]:
    """Without what Powertools adds for validation errors of its own, which nobody gets here."""
    return {name: schema for name, schema in schemas.items() if name not in _POWERTOOLS}


def _answers() -> dict[str, Any]:
    models = [(one, "serialization") for one in _models()]
    _, made = models_json_schema(models, ref_template=_REF)  # type: ignore[arg-type]
    options = [{"$ref": _REF.format(model=name)} for name in ("Destination", "BrokenDestination")]
    return {**made["$defs"], "AnyDestination": {"anyOf": options}}


def _models() -> Iterator[type[BaseModel]]:
    for value in vars(answers).values():
        if isinstance(value, type) and issubclass(value, answers.Answer) and value is not answers.Answer:
            yield value


def text() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "taskhook")
    os.environ.setdefault("TABLE", "tasks")
    PATH.write_text(text(), "utf-8")
    print(f"{PATH.relative_to(REPOSITORY)}: {PATH.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
