from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from local.journal import Image, Item, Journal


def image(partition: str, item: Item | None) -> Image:
    return Image("arn", "id", partition, "__no_sort__", item)


def replayed(journal: Journal) -> dict[str, Item | None]:
    return {image.partition: image.item for image in journal.images()}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Journal]]:
    """Opens the journal of the test's folder, as each start of the emulator does."""
    with ExitStack() as journals:
        yield lambda: journals.enter_context(closing(Journal(tmp_path)))


def test_what_was_appended_is_read_back_in_order(opened: Callable[[], Journal]) -> None:
    journal = opened()
    journal.append([image("a", {"n": {"N": "1"}}), image("b", {"s": {"S": "中文 \u2028"}})])
    journal.append([image("a", None)])
    assert list(journal.images()) == [
        image("a", {"n": {"N": "1"}}),
        image("b", {"s": {"S": "中文 \u2028"}}),
        image("a", None),
    ]


@pytest.mark.parametrize("torn", [b'[["arn","id","b",', b"[", b"\xe4\xb8", b'[["arn"]]', b"3"])
def test_a_torn_end_takes_nothing_with_it(opened: Callable[[], Journal], tmp_path: Path, torn: bytes) -> None:
    journal = opened()
    journal.append([image("a", {})])
    journal.close()
    [path] = tmp_path.glob("journal-*.jsonl")
    path.write_bytes(path.read_bytes() + torn)
    after = opened()
    after.append([image("c", {})])
    assert list(after.images()) == [image("a", {}), image("c", {})]


def test_a_transaction_is_torn_as_a_whole(opened: Callable[[], Journal], tmp_path: Path) -> None:
    journal = opened()
    journal.append([image("a", {}), image("b", {})])
    journal.close()
    [path] = tmp_path.glob("journal-*.jsonl")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert replayed(opened()) in ({}, {"a": {}, "b": {}})


def test_a_write_between_rotation_and_compaction_is_kept(opened: Callable[[], Journal]) -> None:
    journal = opened()
    journal.append([image("a", {"v": {"N": "1"}})])
    number = journal.rotate()
    journal.append([image("b", {"v": {"N": "2"}})])
    journal.compact(number, [image("a", {"v": {"N": "1"}})])
    assert replayed(opened()) == {"a": {"v": {"N": "1"}}, "b": {"v": {"N": "2"}}}


def test_an_interrupted_compaction_loses_nothing(opened: Callable[[], Journal]) -> None:
    journal = opened()
    journal.append([image("a", {})])
    number = journal.rotate()
    journal.append([image("b", {})])

    def interrupted() -> object:
        yield image("a", {})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.compact(number, interrupted())  # type: ignore[arg-type]
    assert replayed(opened()) == {"a": {}, "b": {}}


def test_compaction_leaves_one_image_of_an_item_and_no_older_file(
    opened: Callable[[], Journal], tmp_path: Path
) -> None:
    journal = opened()
    for value in range(50):
        journal.append([image("a", {"v": {"N": str(value)}})])
    grown = journal.bytes_since_base
    journal.compact(journal.rotate(), [image("a", {"v": {"N": "49"}})])
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["base", "journal"]
    assert journal.bytes_since_base == 0
    assert journal.base_bytes < grown / 10
    assert replayed(opened()) == {"a": {"v": {"N": "49"}}}
