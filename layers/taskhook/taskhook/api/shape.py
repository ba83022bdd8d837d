"""What pydantic says of a body, a query or a header, in this API's own words and paths."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from taskhook.api.problem import FieldError

_TEXT = "must be a text"
_WORDS = {
    "missing": "is required",
    "string_type": _TEXT,
    "string_too_short": "is empty",
    "string_pattern_mismatch": "has characters that are not taken",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
}
"""By the type of pydantic's error; what has numbers in it is below."""


def faults(model: type[BaseModel], document: Mapping[str, Any]) -> list[FieldError]:
    """Everything that is wrong with a document's shape; no message shows a value."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=True)
        return fields(found, document, known=tuple(model.model_fields))
    return []


def fields(
    errors: Sequence[Mapping[str, Any]], document: Mapping[str, Any] | None = None, *, known: Sequence[str] = ()
) -> list[FieldError]:
    """One fault for each field, however many of its alternatives have refused it."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for error in errors:
        extra = error["type"] == "extra_forbidden"
        found.setdefault(str(error["loc"][0])[:100] if extra else path(error["loc"]), []).append(error)
    unknown = f"is not known; the fields are {', '.join(known)}"
    return [FieldError(field, _words(field, group, document or {}) or unknown) for field, group in found.items()]


def path(loc: Sequence[str | int]) -> str:
    """``tasks[3].title`` of ("tasks", 3, "title"); the names of alternatives, which pydantic adds, are left out."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier() and part not in _ALTERNATIVES:
            text += f".{part}" if text else part
    return text


_ALTERNATIVES = frozenset({"str", "int", "float", "dict", "list", "none"})


def _words(field: str, errors: Sequence[Mapping[str, Any]], document: Mapping[str, Any]) -> str:
    kinds = {str(error["type"]) for error in errors}
    if document.get(field, ...) is None and "missing" not in kinds:
        return "must not be null"
    if {"string_type", "int_type"} <= kinds:
        return "must be a text or a whole number"
    error = errors[0]
    if error["type"] == "extra_forbidden":
        return ""
    context = error.get("ctx") or {}
    match error["type"]:
        case "string_too_long":
            return f"has too many characters; at most {context['max_length']} are taken"
        case "greater_than_equal" | "less_than_equal":
            return f"must be {_LIMIT[error['type']]} {context['ge' if 'ge' in context else 'le']}"
        case "too_short" | "too_long":
            counted = "at least {min_length}" if "min_length" in context else "at most {max_length}"
            return f"must have {counted.format(**context)} of them"
        case "enum" | "literal_error":
            return f"must be one of {context['expected'].replace(' or ', ', ').replace(chr(39), '')}"
    return _WORDS.get(str(error["type"]), "is not as it must be")


_LIMIT = {"greater_than_equal": "at least", "less_than_equal": "at most"}
