"""The id out of a document, and what may be on standard input at all."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taskhook_cli.cloud_output import cloud_error, read_output
from taskhook_cli.errors import CommandError
from taskhook_cli.picking import is_path, members, pick

NAMES = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
IDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30) | st.integers(0, 2**64)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(path=st.lists(NAMES, min_size=1, max_size=3, unique=True), id=IDS, upper=st.booleans(), wrapped=st.booleans())
def test_an_id_is_found_in_any_spelling_and_below_a_wrapper(
    path: list[str], id: str | int, upper: bool, wrapped: bool
) -> None:
    assume("response" not in path)
    document: Any = id
    for name in reversed(path):
        document = {name.upper() if upper else name: document, "Other": {"x": 1}}
    found = pick({"Response": document} if wrapped else document, [".".join(path)])
    assert found is not None
    assert found.values == (id,)
    assert found.below == ("Response" if wrapped else None)


@given(document=JSON, path=st.sampled_from(["a.b", "Data[].TaskId", "[0]", "join('/', [a, b])", "*.*", "sum(@)"]))
def test_whatever_is_picked_is_a_list_of_ids(document: Any, path: str) -> None:
    found = pick(document, [path])
    assert found is None or all(isinstance(one, (str, int)) and one is not True for one in found.values)


@pytest.mark.parametrize(("paths", "document", "values", "where"), [
    (["TaskId", "RequestId"], {"RequestId": "r", "TaskId": "t"}, ("t",), "TaskId"),
    (["TaskId", "RequestId"], {"RequestId": "r", "TaskId": None}, ("r",), "RequestId"),
    (["TaskId", "RequestId"], {"RequestId": "r", "TaskId": ""}, ("r",), "RequestId"),
    (["TaskId"], {"taskid": "other", "TaskId": "t"}, ("t",), "TaskId"),
    (["Tasks[].Id"], {"tasks": [{"id": 1}, {"ID": 2}]}, (1, 2), "Tasks[].Id"),
    (["Set[*].Ids[]"], {"Set": [{"Ids": ["a", "b"]}, {"Ids": ["c"]}]}, ("a", "b", "c"), "Set[*].Ids[]"),
    (["join('/', [ClusterId, OperationId])"], {"ClusterId": "c", "OperationId": "o"}, ("c/o",),
     "join('/', [ClusterId, OperationId])"),
    (["Tasks[?Kind=='Copy'].Id"], {"TASKS": [{"kind": "Copy", "ID": 1}, {"kind": "copy", "id": 2}]}, (1,),
     "Tasks[?Kind=='Copy'].Id"),
    (["TaskId"], {"body": {"taskId": "t"}}, ("t",), "body.TaskId"),
])  # fmt: skip
def test_paths_as_providers_have_them(paths: list[str], document: Any, values: tuple[Any, ...], where: str) -> None:
    found = pick(document, paths)
    assert found is not None
    assert (found.values, found.where) == (values, where)


@pytest.mark.parametrize("value", [None, "", " ", True, 1.5, {}, [], [None], ["a", None], [{"a": 1}], {"a": "b"}])
def test_what_is_no_id_is_not_picked(value: Any) -> None:
    assert pick({"TaskId": value}, ["TaskId"]) is None


def test_an_expression_that_is_none_finds_nothing() -> None:
    assert not is_path("a[[")
    assert pick({"a": 1}, ["a[[", "sum(a)", "nope(@)"]) is None


def test_members_of_a_wrapper_are_named_too() -> None:
    assert members({"Response": {"A": 1}, "B": 2}) == ["Response", "B", "Response.A"]
    assert members([1]) == []


@given(st.binary(max_size=300))
def test_any_input_is_read_or_refused_in_words(data: bytes) -> None:
    try:
        output = read_output(data)
    except CommandError:
        return
    assert bool(output.ids) != bool(output.documents)
    assert all(not any(one.isspace() for one in id) for id in output.ids)


@given(
    st.lists(st.dictionaries(st.text(max_size=5), IDS | st.lists(IDS), max_size=3), min_size=1, max_size=4),
    st.sampled_from(["", "\n", " \r\n"]),
)
def test_documents_one_after_the_other_are_those_that_were_written(documents: list[Any], between: str) -> None:
    text = between.join(json.dumps(one) for one in documents)
    assert list(read_output(text.encode()).documents) == documents


@given(JSON)
def test_any_document_is_judged(document: Any) -> None:
    assert cloud_error(document) is None or str(cloud_error(document)).startswith("the cloud refused")


GOOD = [
    {"RequestId": "r"}, {"Code": "200", "Message": "OK"}, {"code": 0, "message": ""}, {"Code": "X"}, [], 3, None,
    {"Message": "hello"}, {"Success": True, "Code": "Odd", "Message": "m"},
    {"success": "true", "Code": 1, "Message": ""},
    {"Error": None}, {"Error": {}}, {"Response": {"RequestId": "r"}}, {"HttpStatusCode": 200},
    {"Code": {"a": 1}, "Message": "m"},
]  # fmt: skip
BAD = [
    {"Error": {"Code": "A", "Message": "m"}}, {"error": "text"}, {"Response": {"Error": {"Code": "A"}}},
    {"Code": "A", "Message": None}, {"Code": 400, "Message": "m"}, {"Success": False}, {"success": "false"},
    {"HttpStatusCode": 404}, {"body": {"Code": "A", "Message": "m"}},
]  # fmt: skip


@pytest.mark.parametrize("document", GOOD, ids=str)
def test_a_call_that_was_taken_is_no_error(document: Any) -> None:
    assert cloud_error(document) is None


@pytest.mark.parametrize("document", BAD, ids=str)
def test_a_call_that_failed_is_an_error(document: Any) -> None:
    assert cloud_error(document) is not None
