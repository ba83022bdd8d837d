"""What every entry says of itself, and how the files look."""

import re
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from taskhook.providers import catalogue
from taskhook.providers.model import Provider
from tests.catalogue.rows import each, files, merged, rows, sample_id

ROOT = Path(__file__).parents[2]
PINS = {
    name.casefold(): version
    for file in ("local.txt", "dev.txt")
    for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)$", (ROOT / "requirements" / file).read_text("utf-8"))
}


def sources() -> list[Path]:
    return sorted(catalogue.BUILT_IN.glob("*/*.toml"))


def entries(text: str) -> dict[str, list[str]]:
    """The lines of each entry, those of its comments among it; the head is not one."""
    found: dict[str, list[str]] = {}
    name = None
    for line in text.splitlines():
        header = re.match(r"\[([A-Z]\w*)\]", line)
        name = header[1] if header else name
        if name is not None and line.strip():
            found.setdefault(name, []).append(line)
    return found


@each()
def test_an_entry_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    provider = rows()[name]
    assert provider.title.strip()
    assert provider.task_id.found.strip()
    assert provider.source.strip()
    assert merged(name).get("title"), "the service's name is not a title"
    assert provider.task_id.canonical(sample_id(provider)) is not None


@each(choose=lambda provider: "sdk" in merged(provider.name))
def test_the_sdk_that_an_entry_was_taken_from_is_the_one_that_tests_use(name: str) -> None:
    provider, named = rows()[name], merged(name)["sdk"]
    found = re.fullmatch(r"([a-z0-9-]+) ([0-9.]+)(?:, ([a-z0-9]+)/v([0-9]{8}))?", named)
    assert found is not None, "must be like 'tencentcloud-sdk-python 3.1.195, clb/v20180317'"
    assert PINS.get(found[1]) == found[2]
    version = (provider.version or "").replace("-", "")
    if provider.style == "tc3":
        assert (found[1], found[4]) == ("tencentcloud-sdk-python", version)
    if provider.cloud == "alibaba":
        assert found[1].endswith(version)


@each()
def test_an_entry_repeats_nothing_of_its_head(name: str) -> None:
    service, _, action = name.rpartition(".")
    tables = files()[service].tables
    assert [key for key, value in tables[action].items() if tables.get(key) == value] == []


@each()
def test_an_entry_says_nothing_that_goes_without_saying(name: str) -> None:
    provider, action = rows()[name], name.rpartition(".")[2]
    entry: dict[str, Any] = merged(name)
    assert entry.get("action") != action
    assert entry.get("service") != provider.account_service
    assert entry.get("style") != {"tencent": "tc3", "alibaba": "rpc"}[provider.cloud]
    assert entry.get("request") != "POST"
    plain = {part.name: f"{{{part.name}}}" for part in provider.task_id.parts}
    assert entry.get("send") != plain, "'send' says what is sent without it"


@pytest.mark.parametrize("path", sources(), ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_file_is_laid_out_like_the_others(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "\t" not in text
    assert [line for line in text.splitlines() if len(line) > 160 or line != line.rstrip()] == []
    head = re.findall(r"(?m)^(\w+) *=", re.split(r"(?m)^\[", text, maxsplit=1)[0])
    order = [key for key in ("title", "version", "usual", "sdk") if key in head]
    assert [key for key in head if key in order] == order


@pytest.mark.parametrize("path", sources(), ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_usual_is_said_where_there_is_a_choice(path: Path) -> None:
    file = files()[f"{path.parent.name}.{path.stem}"]
    assert ("usual" in file.tables) is (len(file.actions) > 1)
    if "usual" in file.tables:
        assert file.tables["usual"] == file.actions[0], "the usual one comes first"


def test_no_api_is_listed_twice() -> None:
    def api(provider: Provider) -> tuple[str, str, str | None, str]:
        return provider.cloud, provider.service, provider.version, provider.action

    counted = Counter(api(provider) for provider in rows().values())
    assert [one for one, count in counted.items() if count > 1] == []
    folded = Counter(name.casefold() for name in rows())
    assert max(folded.values()) == 1


def test_an_entry_is_a_few_lines() -> None:
    lengths = [len(lines) for path in sources() for lines in entries(path.read_text("utf-8")).values()]
    assert len(lengths) == len(rows())
    assert median(lengths) <= 12
    assert max(lengths) <= 40
