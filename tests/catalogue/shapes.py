"""What an official SDK says an object looks like, and whether a path or a value fits it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jmespath


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An object with members, a list of items, a map from any key to a value, or a leaf with the name of its type."""

    members: Callable[[], Mapping[str, "Shape"]] | None = None
    item: "Shape | None" = None
    value: "Shape | None" = None
    leaf: str = "any"


LEAF = Shape()
SAME = ("sort", "sort_by", "reverse", "not_null")
ONE_OF = ("max_by", "min_by", "max", "min")


class Missing(Exception):
    """The SDK's model has no such member."""


def compiled(expression: str) -> Any:
    return jmespath.compile(expression).parsed


def walk(node: Any, shape: Shape) -> Shape:
    """What a JMESPath finds in an object of this shape. Raises Missing where the model has no such member."""
    kind, children = node["type"], node.get("children", [])
    if kind == "field":
        return _member(shape, node["value"])
    if kind == "function_expression":
        return _function(node["value"], children, shape)
    return _STEPS[kind](children, shape)


def _one_after_the_other(children: list[Any], shape: Shape) -> Shape:
    for child in children:
        shape = walk(child, shape)
    return shape


def _side_by_side(children: list[Any], shape: Shape) -> list[Shape]:
    return [walk(child, shape) for child in children]


def _flattened(children: list[Any], shape: Shape) -> Shape:
    inner = walk(children[0], shape)
    return inner if inner.item is None or inner.item.item is None else inner.item


def _filtered(children: list[Any], shape: Shape) -> Shape:
    item = _item(walk(children[0], shape))
    walk(children[2], item)
    return Shape(item=walk(children[1], item))


def _made(children: list[Any], shape: Shape) -> Shape:
    members = {child["value"]: walk(child["children"][0], shape) for child in children}
    return Shape(members=lambda: members)


def _compared(children: list[Any], shape: Shape) -> Shape:
    _side_by_side(children, shape)
    return LEAF


_STEPS: Mapping[str, Callable[[list[Any], Shape], Shape]] = {
    "current": lambda children, shape: shape,
    "identity": lambda children, shape: shape,
    "literal": lambda children, shape: LEAF,
    "subexpression": _one_after_the_other,
    "index_expression": _one_after_the_other,
    "pipe": _one_after_the_other,
    "index": lambda children, shape: _item(shape),
    "slice": lambda children, shape: Shape(item=_item(shape)),
    "flatten": _flattened,
    "projection": lambda children, shape: Shape(item=walk(children[1], _item(walk(children[0], shape)))),
    "value_projection": lambda children, shape: Shape(item=walk(children[1], _value(walk(children[0], shape)))),
    "filter_projection": _filtered,
    "multi_select_dict": _made,
    "multi_select_list": lambda children, shape: Shape(item=_compared(children, shape)),
    "comparator": _compared,
    "not_expression": _compared,
    "or_expression": lambda children, shape: _side_by_side(children, shape)[0],
    "and_expression": lambda children, shape: _side_by_side(children, shape)[-1],
}


def _function(name: str, arguments: list[Any], shape: Shape) -> Shape:
    """Arguments in a row; ``&Name`` is about the items of the list beside it."""
    found = [walk(one, shape) for one in arguments if one["type"] != "expref"]
    for one in arguments:
        if one["type"] == "expref":
            walk(one["children"][0], _item(next(other for other in found if other.item is not None)))
    if name == "values" and found[0].value is not None:
        return Shape(item=found[0].value)
    if name in SAME and found:
        return found[0]
    if name in ONE_OF and found:
        return _item(found[0])
    return LEAF


def _member(shape: Shape, name: str) -> Shape:
    members = shape.members() if shape.members is not None else {}
    if name not in members:
        raise Missing(f"{name} is none of {', '.join(members) or 'the members of a ' + _kind(shape)}")
    return members[name]


def _item(shape: Shape) -> Shape:
    if shape.item is None:
        raise Missing(f"items of a {_kind(shape)}")
    return shape.item


def _value(shape: Shape) -> Shape:
    if shape.value is None:
        raise Missing(f"values of a {_kind(shape)}")
    return shape.value


def _kind(shape: Shape) -> str:
    if shape.item is not None:
        return "list"
    return "object" if shape.members is not None else shape.leaf


TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}


def misfits(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """Where a value that is sent is not what the model takes."""
    if shape.members is not None:
        members = shape.members()
        if not isinstance(value, dict):
            yield f"{path} is an object"
            return
        for name, one in value.items():
            here = f"{path}.{name}" if path else name
            if name not in members:
                yield f"{here} is not in the model"
            else:
                yield from misfits(one, members[name], here)
    elif shape.item is not None:
        if not isinstance(value, list):
            yield f"{path} is a list"
            return
        for one in value:
            yield from misfits(one, shape.item, f"{path}[]")
    elif shape.leaf in TYPES and (
        not isinstance(value, TYPES[shape.leaf]) or (isinstance(value, bool) and shape.leaf != "bool")
    ):
        yield f"{path} is a {shape.leaf}, not {value!r}"
