import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import taskhook
from taskhook import destinations
from taskhook.destinations import TYPES, Destination, Fault, Verdict
from taskhook.errors import ConfigError
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Task

KEY = "whsec_" + "QUJD" * 11
SLACK_URL = "https://hooks.slack.com/services/T0SECRET1/B0SECRET2/s3cr3ts3cr3ts3cr3t"
HOOK_URL = "https://example.com/hook/s3cr3tpath?token=s3cr3tquery"
SECRETS = ("SECRET", "s3cr3t", "QUJD", "hunter2hunter2")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
members = st.sampled_from(["type", "url", "secret", "headers"]) | st.text()
types = st.sampled_from([*TYPES, "slakc", "email"])
urls = st.text() | st.from_regex(r"https?://[a-z0-9.\[\]:@%-]{0,30}(/.*)?", fullmatch=True)
records = st.dictionaries(members, types | urls | json_values, max_size=6)


def check(record: Any, *, allow_private: bool = False) -> list[Fault]:
    return destinations.check(record, allow_private=allow_private, resolve=False)


def fields(record: Any) -> list[str]:
    return [fault.field for fault in check(record)]


@pytest.fixture
def parse() -> Callable[..., Destination]:
    def make(record: Any, *, allow_private: bool = False) -> Destination:
        return destinations.parse("ops", json.dumps(record), allow_private=allow_private)

    return make


# --- records ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        {"type": "slack", "url": SLACK_URL},
        {"type": "slack", "url": "https://mattermost.example.com/hooks/abc"},
        {"type": "webhook", "url": HOOK_URL},
        {"type": "webhook", "url": HOOK_URL, "secret": KEY},
        {"type": "webhook", "url": HOOK_URL, "secret": None, "headers": None},
        {"type": "webhook", "url": HOOK_URL, "secret": KEY, "headers": {"Authorization": "Bearer abc"}},
    ],
)
def test_a_good_record_has_no_faults(record: dict[str, Any]) -> None:
    assert check(record) == []


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, ["type"]),
        ({"type": None}, ["type"]),
        ({"type": ["slack"]}, ["type"]),
        ({"type": "email", "url": 1}, ["type"]),
        ({"type": "slack"}, ["url"]),
        ({"type": "slack", "url": 7}, ["url"]),
        ({"type": "slack", "url": SLACK_URL, "secret": KEY}, ["secret"]),
        ({"type": "slack", "url": "https://hooks.slack.com/triggers/T1/2/3"}, ["url"]),
        ({"type": "webhook", "url": "http://example.com", "secret": "abc", "header": {}}, ["header", "url", "secret"]),
        ({"type": "webhook", "url": HOOK_URL, "headers": ["a"]}, ["headers"]),
        ([], [""]),
        ("slack", [""]),
    ],
)
def test_every_fault_is_named_at_once(record: Any, expected: list[str]) -> None:
    assert fields(record) == expected


def test_an_unknown_type_names_the_nearest_one() -> None:
    (fault,) = check({"type": "Slakc"})
    assert fault.message == f"must be one of {', '.join(TYPES)}; did you mean slack?"


def test_an_unknown_field_is_told_what_there_is() -> None:
    (fault,) = check({"type": "webhook", "url": HOOK_URL, "token": "s3cr3t"})
    assert fault == Fault(
        field="token",
        message="is not known: a destination of type webhook has type, url, secret, headers, auth, format, "
        "language, rate, progress, paused, filter, escalate",
    )


@given(records | json_values)
def test_check_never_raises(record: Any) -> None:
    assert all(isinstance(fault, Fault) for fault in check(record))


@given(records)
def test_what_has_no_faults_can_be_parsed_and_nothing_else_breaks(record: dict[str, Any]) -> None:
    try:
        parsed = destinations.parse("ops", json.dumps(record), allow_private=False)
    except ConfigError:
        assert check(record)
    else:
        assert parsed.type in TYPES


def test_a_parsed_destination_has_its_keys_one_by_one(parse: Callable[..., Destination]) -> None:
    record = {"type": "webhook", "url": HOOK_URL, "secret": f"{KEY} {KEY}", "headers": {"X-Team": "payments"}}
    assert parse(record) == Destination(
        name="ops", type="webhook", url=HOOK_URL, secrets=(KEY, KEY), headers={"X-Team": "payments"}
    )


@pytest.mark.parametrize("extra", [{"secret": 7}, {"headers": [1]}, {"note": "by Ann"}])
def test_keys_that_a_type_does_not_have_are_left_alone(
    extra: dict[str, Any], parse: Callable[..., Destination]
) -> None:
    parsed = parse({"type": "slack", "url": SLACK_URL, **extra})
    assert (parsed.secrets, parsed.headers) == ((), {})


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"slack"', "[" * 100_000])
def test_what_is_no_object_cannot_be_parsed(text: str) -> None:
    with pytest.raises(ConfigError, match="destination 'ops' is not"):
        destinations.parse("ops", text, allow_private=False)


# --- secrets ---------------------------------------------------------------------------------------------------------

FAULTY = [
    {"type": "slack", "url": SLACK_URL + "#x"},
    {"type": "slack", "url": SLACK_URL.replace("https", "http")},
    {"type": "slack", "url": SLACK_URL.replace("/services/", "/workflows/")},
    {"type": "webhook", "url": "https://user:hunter2hunter2@example.com/s3cr3t"},
    {"type": "webhook", "url": "https://example.com:99999/s3cr3t"},
    {"type": "webhook", "url": "https://[::1/s3cr3t"},
    {"type": "webhook", "url": "https://exa mple.com/s3cr3t"},
    {"type": "webhook", "url": HOOK_URL, "secret": KEY[:-20]},
    {"type": "webhook", "url": HOOK_URL, "headers": {"Authorization: hunter2hunter2": "x", "X": "s3cr3t\n"}},
    {"type": "webhook", "url": HOOK_URL, "headers": {"A": "s3cr3t" * 1000}},
    {"type": "s3cr3t", "url": HOOK_URL},
]


@pytest.mark.parametrize("record", FAULTY)
def test_faults_show_no_secret(record: dict[str, Any], parse: Callable[..., Destination]) -> None:
    shown = repr(check(record))
    assert "Fault" in shown
    assert not [secret for secret in SECRETS if secret in shown]
    with pytest.raises(ConfigError) as refused:
        parse(record)
    assert not [secret for secret in SECRETS if secret in str(refused.value)]
    assert refused.value.__cause__ is None


def test_a_destination_shows_no_secret(parse: Callable[..., Destination]) -> None:
    headers = {"Authorization": "Bearer hunter2hunter2"}
    shown = repr(parse({"type": "webhook", "url": HOOK_URL, "secret": KEY, "headers": headers}))
    assert shown.startswith("Destination(name='ops', type='webhook'")
    assert not any(secret in shown for secret in ("hunter2", KEY, HOOK_URL))


# --- labels ----------------------------------------------------------------------------------------------------------


def test_a_label_names_type_and_host_and_nothing_secret() -> None:
    label = destinations.label({"type": "slack", "url": SLACK_URL})
    assert re.fullmatch("slack-hooks.slack.com-[0-9a-f]{8}", label)


def test_a_label_depends_on_everything_but_the_order() -> None:
    record = {"type": "webhook", "url": HOOK_URL, "secret": KEY}
    assert destinations.label(record) == destinations.label(dict(reversed(record.items())))
    assert destinations.label(record) != destinations.label({**record, "secret": KEY + "="})
    assert destinations.label(record) != destinations.label({**record, "url": HOOK_URL + "&"})


@given(records)
def test_a_label_is_safe_in_a_path(record: dict[str, Any]) -> None:
    label = destinations.label(record)
    assert 9 <= len(label) <= destinations.LONGEST_LABEL
    assert quote(label, safe="") == label
    assert label.strip(".") == label


# --- dispatch --------------------------------------------------------------------------------------------------------

RECORDS: dict[str, dict[str, Any]] = {
    "dingtalk": {"type": "dingtalk", "url": "https://oapi.dingtalk.com/robot/send?access_token=s3cr3ts3cr3t"},
    "discord": {"type": "discord", "url": "https://discord.com/api/webhooks/1/s3cr3ts3cr3t"},
    "feishu": {"type": "feishu", "url": "https://open.feishu.cn/open-apis/bot/v2/hook/s3cr3ts3cr3t"},
    "slack": {"type": "slack", "url": SLACK_URL},
    "slack_bot": {"type": "slack_bot", "token": "xoxb-s3cr3ts3cr3t", "channel": "C0123456789"},
    "teams": {"type": "teams", "url": "https://example.com/workflows/s3cr3t?sig=s3cr3t"},
    "webhook": {"type": "webhook", "url": HOOK_URL, "secret": KEY},
    "wecom": {"type": "wecom", "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=s3cr3ts3cr3t"},
}
TASK = Task(
    id="t",
    provider="tencent.clb.DescribeTaskStatus",
    account="tencent",
    region="ap-guangzhou",
    task_id="55c85074",
    submitted_at=1_700_000_000.0,
    deadline=1_700_086_400.0,
    state=State.SUCCEEDED,
    observed_at=1_700_000_200.0,
)


def test_every_type_is_tested_here() -> None:
    assert tuple(sorted(RECORDS)) == TYPES


@pytest.mark.parametrize("type", TYPES)
def test_every_type_makes_a_request_and_judges_answers(type: str, parse: Callable[..., Destination]) -> None:
    destination = parse(RECORDS[type])
    request = destinations.forms(destination)[0](destination, TASK, 1_700_000_300.0)
    prepared = request.prepare()
    assert prepared.method == "POST"
    assert (prepared.url or "").startswith(destination.url.partition("?")[0])
    assert prepared.headers["Content-Type"].startswith("application/json")
    down = Answer(status=500, headers={}, body=b"", truncated=False, elapsed=0.1)
    assert destinations.judge(destination, down, 0.0).verdict is Verdict.TRANSIENT


def test_only_chat_can_say_it_plainer(parse: Callable[..., Destination]) -> None:
    slack = parse(RECORDS["slack"])
    chat = destinations.forms(slack)[-1](slack, TASK, 0.0)
    assert chat is not None
    assert list(chat.json or ()) == ["text"]
    assert len(destinations.forms(parse(RECORDS["webhook"]))) == 1


def test_a_type_is_imported_when_it_is_needed() -> None:
    code = (
        "import sys, taskhook.destinations as d;"
        "loaded = lambda *names: [name for name in names if name in sys.modules];"
        "channels = [f'taskhook.destinations.{type}' for type in d.TYPES];"
        "print(loaded(*channels));"
        "d.check({'type': 'slack'}, allow_private=False);"
        "print(loaded(*channels));"
        "print(loaded('boto3', 'botocore', 'pydantic', 'aws_lambda_powertools'))"
    )
    layer = str(Path(taskhook.__file__).parent.parent)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=layer)
    assert ran.stdout.split("\n")[:3] == ["[]", "['taskhook.destinations.slack']", "[]"]
