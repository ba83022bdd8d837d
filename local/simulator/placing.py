"""JMESPath backwards: a value is put where an expression would find it.

Only paths can be turned around: names, ``[0]``, ``[]`` and ``[*]`` (a list of one), ``*`` (an object of one member),
and conditions on these. Of anything richer (functions, ``||``, selections) the first path in it is taken; where there
is none, nothing is put.
"""

from collections.abc import Mapping
from typing import Any

import jmespath

type Node = Mapping[str, Any]
type Steps = tuple[str | int, ...]

_OPPOSITE = {"eq": "ne", "ne": "eq", "lt": "gte", "gte": "lt", "gt": "lte", "lte": "gt"}
_MIRRORED = {"eq": "eq", "ne": "ne", "lt": "gt", "gt": "lt", "lte": "gte", "gte": "lte"}
ANY_MEMBER = "simulated"
_LISTS = ("projection", "filter_projection", "value_projection")


def parsed(expression: str) -> Node:
    node: Node = jmespath.compile(expression).parsed
    return node


def put(into: Any, expression: str, value: Any) -> Any:
    """``into`` with the value where the expression finds it; unchanged where the expression cannot be turned around."""
    steps = path(parsed(expression))
    return into if steps is None else placed(into, steps, value)


def placed(into: Any, steps: Steps, value: Any) -> Any:
    if not steps:
        return {**into, **value} if isinstance(into, dict) and isinstance(value, dict) else value
    first, rest = steps[0], steps[1:]
    if isinstance(first, str):
        members = dict(into) if isinstance(into, dict) else {}
        members[first] = placed(members.get(first), rest, value)
        return members
    items = list(into) if isinstance(into, list) else []
    number = max(first, 0)  # [-1] is the last: the first of a list of one
    items += [{}] * (number + 1 - len(items))
    items[number] = placed(items[number], rest, value)
    return items


def is_path(node: Node) -> bool:
    """Whether the expression is nothing but a path."""
    return node["type"] in ("field", "subexpression", "index_expression", "identity", "current")


def literal(node: Node) -> Any:
    return node["value"] if node["type"] == "literal" else None


def path(node: Node) -> Steps | None:
    """The steps to what an expression finds first, None where there is no path in it."""
    kind, children = node["type"], node["children"]
    match kind:
        case "field":
            return (node["value"],)
        case "index":
            return (node["value"],)
        case "identity" | "current":
            return ()
        case "subexpression" | "index_expression" | "pipe":
            return _joined(children)
        case "flatten":
            return path(children[0])
        case _ if kind in _LISTS:
            left, right = path(children[0]), path(children[1])
            item = ANY_MEMBER if kind == "value_projection" else 0
            return (*left, item, *right) if left is not None and right is not None else None
        case "literal":
            return None
        case _:
            return next((found for child in children if (found := path(child))), None)


def _joined(children: list[Node]) -> Steps | None:
    """A pipe or an index behind a list of ours picks its only item, which the list's own step has reached already."""
    steps: Steps = ()
    for child in children:
        more = path(child)
        if more is None:
            return None
        if more[:1] == (0,) and steps and children[0]["type"] in _LISTS:
            more = more[1:]
        steps += more
    return steps


def listing(expression: str) -> tuple[Steps, dict[str, Steps]] | None:
    """``X[].{id: A, status: B}`` as the way to X and the ways from its items to each member, None for anything else."""
    node = parsed(expression)
    if node["type"] not in _LISTS or node["children"][1]["type"] != "multi_select_dict":
        return None
    place = path(node["children"][0])
    members = {pair["value"]: path(pair["children"][0]) for pair in node["children"][1]["children"]}
    known = {name: steps for name, steps in members.items() if steps is not None}
    return (place, known) if place is not None else None


def holding(into: Any, expression: str, *, truth: bool = True) -> Any:
    """``into`` changed so that the condition holds, or does not."""
    return _holding(into, parsed(expression), truth=truth)


def _holding(into: Any, node: Node, *, truth: bool) -> Any:
    kind, children = node["type"], node["children"]
    match kind:
        case "not_expression":
            return _holding(into, children[0], truth=not truth)
        case "and_expression" | "or_expression":
            one_is_enough = (kind == "or_expression") == truth
            for child in children[:1] if one_is_enough else children:
                into = _holding(into, child, truth=truth)
            return into
        case "comparator":
            return _compared(into, node, truth=truth)
        case "function_expression" if node["value"] in ("contains", "starts_with", "ends_with"):
            steps, value = path(children[0]), literal(children[1])
            return placed(into, steps, value if truth else "") if steps else into
        case _:
            steps = path(node)
            return placed(into, steps, truth) if steps else into


def _compared(into: Any, node: Node, *, truth: bool) -> Any:
    left, right = node["children"]
    operator = node["value"]
    if left["type"] == "literal":
        left, right, operator = right, left, _MIRRORED[operator]
    steps = path(left)
    if steps is None or right["type"] != "literal":
        return into
    return placed(into, steps, _other(right["value"], operator if truth else _OPPOSITE[operator]))


def _other(value: Any, operator: str) -> Any:
    """A value that compares so with this one."""
    if operator in ("eq", "gte", "lte"):
        return value
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value - 1 if operator == "lt" else value + 1
    return f"not {value}" if value else "something"
