"""Every file of the catalogue is sound, and what is wrong with a file is said with its line.

The parser always says it, the schema where a schema can see it.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped, unused-ignore]

from taskhook.errors import CatalogueError
from taskhook.providers import catalogue, entry, refusals
from taskhook.states import State

FILES = sorted(catalogue.BUILT_IN.glob("*/*.toml"))
SCHEMA = json.loads((catalogue.BUILT_IN / "schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

SOUND = """\
title   = "Things"
version = "2020-01-01"
usual   = "DescribeThing"
sdk     = "alibabacloud-thing20200101 1.0.0"

[hosts]
"thing.aliyuncs.com" = "cn-hangzhou cn-shanghai"

[DescribeThing]
task_id   = "{Owner?}/{TaskId}"
patterns  = { TaskId = "t-[a-z0-9]+" }
found     = "`TaskId` in the answer of MakeThing"
example   = "me/t-1"
request   = "GET"
send      = { Owner = "{Owner}", TaskId = "{TaskId}", PageSize = 50 }
region    = "optional"
host      = "thing.aliyuncs.com"
pages     = { size = 50, number = "PageNumber", total = "TotalCount" }
at        = "Things"
where     = { Id = "{TaskId}" }
status    = "Status"
states    = { running = ["Running", 1], succeeded = ["Done"], failed = ["Broken"], partial = ["Partly"] }
twice     = ["Broken"]
failed_if = "Progress == `-1`"
progress  = "Progress / 100"
type      = "Kind"
errors    = { not_found = ["InvalidThing"] }
rate      = "20/s"
hint      = "Look at it."

[ListThings]
task_id   = "{TaskId}"
found     = "`TaskId` in the answers of MakeThings"
send      = { TaskIds = ["{TaskId}"] }
at        = "Items"
where     = { ItemId = "{TaskId}" }
status    = "ItemStatus"
states    = { running = ["On"], succeeded = ["Off"] }
batch     = { most = 10 }

[GetThing]
style   = "roa"
task_id = "{TaskId:int}"
found   = "`TaskId` in the answer of MakeThing"
request = "GET /things/{TaskId}"
status  = "status"
docs    = "https://example.com/things"
states.running   = ["going"]
states.succeeded = ["done"]
"""

BOTH, PARSER = True, False
"""Whether the schema can see it, too."""

BROKEN: list[tuple[str, str, str, str, bool]] = [
    # what is replaced, by what, a text on the line that is named, a text in the reason, who sees it
    ('title   = "Things"', "title = 1", "title =", "'title'", BOTH),
    (
        'title   = "Things"',
        'titel = "Things"',
        "titel",
        "'titel' is not a key of an entry; did you mean 'title'?",
        BOTH,
    ),
    ('version = "2020-01-01"', 'version = "2020"', "version", "'version'", BOTH),
    ('version = "2020-01-01"', "version = 2020-01-01", "version", "'version'", BOTH),
    ('version = "2020-01-01"\n', "", "[DescribeThing]", "'version' is missing", PARSER),
    ('usual   = "DescribeThing"', 'usual = "DescribeThings"', "usual", "'usual'", PARSER),
    ('found     = "`TaskId` in', 'finds = "`TaskId` in', "finds", "'finds'", BOTH),
    ('found     = "`TaskId` in the answer of MakeThing"\n', "", "[DescribeThing]", "'found' is missing", PARSER),
    ('found     = "`TaskId` in the answer of MakeThing"', 'found = " "', "found = ", "'found'", BOTH),
    ('task_id   = "{Owner?}/{TaskId}"', 'task_id = "TaskId"', "task_id = ", "{TaskId}", BOTH),
    ('task_id   = "{Owner?}/{TaskId}"', 'task_id = "{Owner}/{TaskId?}"', "task_id = ", "task id", BOTH),
    ('task_id   = "{Owner?}/{TaskId}"', 'task_id = "{TaskId}/{TaskId}"', "task_id = ", "task id", PARSER),
    ('task_id   = "{Owner?}/{TaskId}"', 'task_id = "{Owner?}/{region}"', "task_id = ", "'region'", PARSER),
    ('task_id   = "{Owner?}/{TaskId}"', 'task_id = "{Extra?}/{Owner}/{TaskId}"', "task_id = ", "'Extra'", PARSER),
    ('"t-[a-z0-9]+"', '"t-["', "patterns", "regular expression", PARSER),
    ('{ TaskId = "t-[a-z0-9]+" }', '{ Task = "t-[a-z0-9]+" }', "patterns", "'Task'", PARSER),
    ('{ TaskId = "t-[a-z0-9]+" }', '"t-[a-z0-9]+"', "patterns", "'patterns'", BOTH),
    ('example   = "me/t-1"', 'example = "me/x-1"', "example", "example", PARSER),
    ('request   = "GET"', 'request = "PUT"', "request = ", "'GET", BOTH),
    ('request   = "GET"', 'request = "GET /things"', "request = ", "path", PARSER),
    ('request = "GET /things/{TaskId}"', 'request = "GET"', 'request = "GET"', "'request'", PARSER),
    ('request = "GET /things/{TaskId}"', 'request = "GET /things/{Task}"', "{Task}", "{Task}", PARSER),
    ('style   = "roa"', 'style = "soap"', "soap", "'style'", BOTH),
    ('style   = "roa"', 'style = "roa"\nsignature = "md5"', "signature", "'signature'", BOTH),
    ('request   = "GET"', 'signature = "hmac-sha1"', "signature", "roa", PARSER),
    ('style   = "roa"', 'style = "tc3"', "style", "'style'", PARSER),
    ('TaskId = "{TaskId}", PageSize', 'TaskId = "{Task}", PageSize', "send", "{Task}", PARSER),
    (
        'send      = { Owner = "{Owner}", TaskId = "{TaskId}", PageSize = 50 }',
        'send = "TaskId"',
        "send",
        "'send'",
        BOTH,
    ),
    ("PageSize = 50 }", "PageSize = 20 }", "pages", "'send'", PARSER),
    ('region    = "optional"', 'region = "maybe"', "region", "'region'", BOTH),
    ('host      = "thing.aliyuncs.com"', 'host = "https://thing.aliyuncs.com/"', "host = ", "'host'", BOTH),
    ('host      = "thing.aliyuncs.com"', 'host = "thing.{region}.aliyuncs.com"', "region ", "'region'", PARSER),
    ('host      = "thing.aliyuncs.com"', 'host = "{zone}.aliyuncs.com"', "host = ", "{zone}", PARSER),
    ('"thing.aliyuncs.com" = "cn-hangzhou cn-shanghai"', '"thing" = "cn-hangzhou"', "[hosts]", "'thing'", BOTH),
    ('= "cn-hangzhou cn-shanghai"', '= ["cn-hangzhou"]', "[hosts]", "regions", BOTH),
    ('number = "PageNumber", total', "total", "pages", "'number'", BOTH),
    ('number = "PageNumber", total', 'number = "PageNumber", offset = "Offset", total', "pages", "'number'", BOTH),
    ('number = "PageNumber", total = "TotalCount"', 'number = "PageNumber"', "pages", "JMESPath", BOTH),
    ("size = 50, number", 'size = "50", number', "pages", "size", BOTH),
    ('at        = "Things"\n', "", "where", "'at'", PARSER),
    ('at        = "Things"', 'at = "Things["', "at = ", "not a JMESPath", PARSER),
    ('where     = { Id = "{TaskId}" }', "where = { Id = 1 }", "where", "'Id'", BOTH),
    ('where     = { Id = "{TaskId}" }', 'where = { Id = "{Id}" }', "where", "{Id}", PARSER),
    ('where     = { ItemId = "{TaskId}" }\n', "", "batch", "'where'", PARSER),
    ("most = 10 }", "most = 10, join = '' }", "batch", "most", BOTH),
    ("pages     = {", "batch = { most = 10 }\npages     = {", "batch", "in one list", PARSER),
    ('status    = "Status"\n', "", "[DescribeThing]", "'status' is missing", PARSER),
    ('status    = "Status"', 'status = "Status."', "status = ", "not a JMESPath", PARSER),
    ('status    = "Status"', 'status = ["Status"]', "status = ", "'status'", BOTH),
    ('succeeded = ["Done"]', 'success = ["Done"]', "states ", "'success'", BOTH),
    ('succeeded = ["Done"]', 'succeeded = "Done"', "states ", "'succeeded'", BOTH),
    ('succeeded = ["Done"]', "succeeded = []", "states ", "'succeeded'", BOTH),
    ('succeeded = ["Done"]', "succeeded = [true]", "states ", "status word", BOTH),
    ('succeeded = ["Done"]', "succeeded = [1.5]", "states ", "status word", BOTH),
    ('succeeded = ["Done"]', 'succeeded = ["done", "RUNNING"]', "states ", "two states", PARSER),
    (', succeeded = ["Done"]', "", "states ", "'succeeded'", BOTH),
    ('twice     = ["Broken"]', 'twice = "Broken"', "twice", "'twice'", BOTH),
    ('twice     = ["Broken"]', 'twice = ["Running"]', "twice", "'running'", PARSER),
    ('failed_if = "Progress == `-1`"', "failed_if = true", "failed_if", "'failed_if'", BOTH),
    ('progress  = "Progress / 100"', 'progress = "Progress"', "progress = ", "of how much", BOTH),
    ("most = 10", "most = 1", "batch", "most", BOTH),
    ("most = 10", "most = 10, least = 1", "batch", "most", BOTH),
    ("not_found = [", "notfound = [", "errors", "'notfound'", BOTH),
    ('["InvalidThing"]', '"InvalidThing"', "errors", "'not_found'", BOTH),
    ('rate      = "20/s"', 'rate = "20 per second"', "rate", "'rate'", BOTH),
    ('hint      = "Look at it."', 'code = "os"', "code", "'code'", BOTH),
    ('docs    = "https://example.com/things"', "docs = 1", "docs", "'docs'", BOTH),
    ('sdk     = "alibabacloud-thing20200101 1.0.0"\n', "", "[DescribeThing]", "'sdk'", PARSER),
    ('states.running   = ["going"]', "states.running = 1", "states.running", "'running'", BOTH),
]


def faults(text: str, service: str = "alibaba.thing") -> list[CatalogueError]:
    return catalogue.faults(catalogue.parsed(service, text, where="thing.toml"))


def schema_faults(text: str) -> list[str]:
    return [
        error.message
        for error in VALIDATOR.iter_errors(dict(catalogue.parsed("alibaba.thing", text, where="t").tables))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_every_file_is_sound(path: Path) -> None:
    file = catalogue.parsed(f"{path.parent.name}.{path.stem}", path.read_text("utf-8"), where=path.name)
    assert [str(one) for one in catalogue.faults(file)] == []
    assert [error.message for error in VALIDATOR.iter_errors(dict(file.tables))] == []


def test_the_example_is_sound() -> None:
    assert faults(SOUND) == []
    assert schema_faults(SOUND) == []


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason", "both"), BROKEN, ids=[f"{new[:40]}-{n}" for n, (_, new, *_) in enumerate(BROKEN)]
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, line: str, reason: str, both: bool) -> None:
    assert SOUND.count(old) >= 1
    text = SOUND.replace(old, new, 1)
    found = faults(text)
    assert found, "the parser takes it"
    assert reason in found[0].reason
    assert line in text.splitlines()[found[0].line - 1]
    assert bool(schema_faults(text)) is both


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = [\n", 2), ("a = 1\na = 2\n", 2), ("[A]\nx = 1\n\n[A]\n", 4), ("a = \n", 1), ("=\n", 1)],
)
def test_what_is_no_toml_is_said_with_its_line(text: str, line: int) -> None:
    with pytest.raises(CatalogueError) as caught:
        catalogue.parsed("alibaba.thing", text, where="thing.toml")
    assert caught.value.line == line


def test_a_file_without_an_entry_is_none() -> None:
    assert "no entry" in faults('title = "Things"\n')[0].reason


def test_an_unknown_cloud_is_refused() -> None:
    assert "azure" in faults(SOUND, service="azure.thing")[0].reason


def test_a_broken_entry_leaves_the_others_alone() -> None:
    file = catalogue.parsed("alibaba.thing", SOUND.replace('status    = "Status"\n', ""), where="thing.toml")
    assert [one.reason.split(":")[0] for one in catalogue.faults(file)] == ["alibaba.thing.DescribeThing"]
    assert file.provider("GetThing").path == "/things/{TaskId}"


def test_an_entry_wins_over_the_head() -> None:
    file = catalogue.parsed("alibaba.thing", SOUND.replace("[GetThing]\n", '[GetThing]\ntitle = "One"\n'), where="t")
    assert [file.provider(action).title for action in file.actions] == ["Things", "Things", "One"]


def test_a_constant_of_the_schema_is_that_of_the_parser() -> None:
    keys: dict[str, Any] = SCHEMA["$defs"]["keys"]["properties"]
    assert set(keys) == entry.ENTRY_KEYS
    assert set(SCHEMA["properties"]) == entry.ENTRY_KEYS | entry.FILE_KEYS
    assert tuple(keys["code"]["enum"]) == entry.CODE
    assert set(keys["style"]["enum"]) == {style for styles in entry.STYLES.values() for style in styles}
    assert set(keys["states"]["properties"]) == {state.value for state in entry.ENDINGS}
    assert set(keys["errors"]["properties"]) == set(refusals.KINDS)
    assert all(State(state) for state in keys["states"]["properties"])


def test_every_key_has_a_description_and_is_documented() -> None:
    guide = (Path(__file__).parents[2] / "docs/add-a-provider.md").read_text("utf-8")
    documented = set(re.findall(r"`([a-z_]+)`", " ".join(re.findall(r"(?m)^\| (`.*?) \|", guide)))) | {"usual", "sdk"}
    for key, value in {**SCHEMA["properties"], **SCHEMA["$defs"]["keys"]["properties"]}.items():
        assert "description" in value or "$ref" in value
        assert key in documented
