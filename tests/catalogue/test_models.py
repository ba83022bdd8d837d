"""Every path of every entry is in the official SDK's models, spelled as it is there."""

from typing import Any

import pytest

from taskhook.providers.model import Provider
from tests.catalogue import sdk
from tests.catalogue.rows import each, merged, rows
from tests.catalogue.shapes import Missing, Shape, compiled, walk

OF_AN_ITEM = (
    "status", "failed_if", "partial_if", "message", "reason", "error_code", "resource", "resources", "result",
    "started_at", "finished_at", "type",
)  # fmt: skip


def has_a_model(provider: Provider) -> bool:
    """API 2.0 comes from before there were models."""
    return provider.style != "v2"


def missing(expression: str, shape: Shape) -> str | None:
    try:
        walk(compiled(expression), shape)
    except Missing as error:
        return f"{expression}: {error}"
    return None


def item(provider: Provider) -> Shape:
    """What the paths of an entry begin at: the answer, what ``at`` names, or the items of it."""
    shape = sdk.answer_shape(provider)
    if provider.at is not None:
        shape = walk(compiled(provider.at.expression), shape)
    return shape.item or shape


@each(choose=has_a_model)
def test_every_path_is_in_the_sdks_model(name: str) -> None:
    provider, entry = rows()[name], merged(name)
    shape = item(provider)
    paths: list[Any] = [entry[key] for key in OF_AN_ITEM if key in entry]
    paths += provider.where
    paths += [path.expression for path in provider.progress or ()]
    assert [fault for path in paths if (fault := missing(path, shape))] == []


@each(choose=lambda provider: has_a_model(provider) and provider.at is not None)
def test_the_task_is_at_an_object_or_a_list_of_them(name: str) -> None:
    assert item(rows()[name]).members is not None


@each(choose=lambda provider: provider.paging is not None)
def test_the_number_of_items_is_in_the_sdks_model(name: str) -> None:
    provider = rows()[name]
    assert provider.paging is not None
    shape = walk(compiled(provider.paging.total.expression), sdk.answer_shape(provider))
    assert shape.leaf == "int"


@each(choose=lambda provider: has_a_model(provider) and provider.resources is not None)
def test_resources_have_an_id_and_a_status(name: str) -> None:
    provider = rows()[name]
    assert provider.resources is not None
    found = walk(compiled(provider.resources.expression), item(provider))
    assert found.item is not None
    assert found.item.members is not None
    assert set(found.item.members()) == {"id", "status"}


@each(choose=has_a_model)
def test_whole_numbers_are_words_where_the_model_says_int(name: str) -> None:
    """``failed = ["3"]`` for a number would work, and tell a reader something that is not so."""
    provider, entry = rows()[name], merged(name)
    leaf = walk(compiled(provider.status.expression), item(provider)).leaf
    words = [word for listed in entry["states"].values() for word in listed]
    if leaf == "str":
        assert [word for word in words if not isinstance(word, str)] == []
    if leaf == "int":
        assert [word for word in words if not isinstance(word, int)] == []


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("Status", None),
        ("State", "State: State is none of Status, Items"),
        ("Items[].Name", None),
        ("Items[].Nam", "Items[].Nam: Nam is none of Name, Count"),
        ("Items.Name", "Items.Name: Name is none of the members of a list"),
        ("Items[0].Count", None),
        ("Status[0]", "Status[0]: items of a str"),
        ("Items[?Count > `1`].Name | [0]", None),
        ("Items[?Coun > `1`].Name", "Items[?Coun > `1`].Name: Coun is none of Name, Count"),
        ("Status || Items[0].Name", None),
        ("Items[].{id: Name, status: Cont}", "Items[].{id: Name, status: Cont}: Cont is none of Name, Count"),
        ("max_by(Items, &Count).Name", None),
        ("max_by(Items, &Cout).Name", "max_by(Items, &Cout).Name: Cout is none of Name, Count"),
        ("!Missing", "!Missing: Missing is none of Status, Items"),
        ("length(Items[?Name == 'a'])", None),
    ],
)
def test_a_path_that_no_model_has_is_found(expression: str, fault: str | None) -> None:
    inner = Shape(members=lambda: {"Name": Shape(leaf="str"), "Count": Shape(leaf="int")})
    outer = Shape(members=lambda: {"Status": Shape(leaf="str"), "Items": Shape(item=inner)})
    assert missing(expression, outer) == fault
