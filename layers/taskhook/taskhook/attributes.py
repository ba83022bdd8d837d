"""DynamoDB's way to write a value: a mapping from the name of its type to the value.

boto3 has the same for all types, at the price of importing boto3, which costs a cold start a fifth of its time.
"""

from collections.abc import Mapping
from typing import Any


def to_attribute(value: Any) -> dict[str, Any]:
    """``{"S": "text"}`` and so on, for what JSON knows. Raises TypeError for anything else."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": str(value)}
        case int() | float():
            return {"N": repr(value)}
        case Mapping():
            return {"M": {name: to_attribute(item) for name, item in value.items()}}
        case list() | tuple():
            return {"L": [to_attribute(item) for item in value]}
    raise TypeError(f"{type(value).__name__} has no place in an item")


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """The inverse. A whole number comes back as an int, as DynamoDB does not keep the point."""
    ((kind, value),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return _number(value)
        case "M":
            return {name: from_attribute(item) for name, item in value.items()}
        case "L":
            return [from_attribute(item) for item in value]
    return value


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
