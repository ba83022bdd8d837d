"""What is true of every group robot."""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook import destinations
from taskhook.destinations import answers, dingtalk, feishu, robots, wecom, wording
from taskhook.destinations.model import Channel, Destination, Language, Verdict
from taskhook.destinations.text import ELLIPSIS, one_line
from taskhook.states import State
from taskhook.task import Problem, Resource, Task
from tests.chat import START, languages, words
from tests.chat_tasks import all_forms, answer, build, failed, hostile, sent, shown, tasks

TOKEN = "t0k3nt0k3nt0k3n"
SECRET = "SECs3cr3ts3cr3ts3cr3t"
URLS = {
    "dingtalk": f"https://oapi.dingtalk.com/robot/send?access_token={TOKEN}",
    "feishu": f"https://open.feishu.cn/open-apis/bot/v2/hook/{TOKEN}",
    "wecom": f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={TOKEN}",
}
MODULES = {"dingtalk": dingtalk, "feishu": feishu, "wecom": wecom}
CHANNELS: Mapping[str, Channel] = {name: module.CHANNEL for name, module in MODULES.items()}
MOST = {"dingtalk": 18_000, "feishu": 18_000, "wecom": 5_000}
SUCCESS = {"dingtalk": {"errcode": 0}, "feishu": {"code": 0}, "wecom": {"errcode": 0}}

keywords = words.map(one_line).filter(robots._usable)
kinds = st.sampled_from(sorted(CHANNELS))
every_kind = pytest.mark.parametrize("kind", CHANNELS)


def destination(kind: str, language: Language = Language.ENGLISH, **own: Any) -> Destination:
    secrets = () if kind == "wecom" else (SECRET,)
    return Destination(name="ops", type=kind, url=URLS[kind], secrets=secrets, language=language, own=own)


def seen(kind: str, body: bytes) -> str:
    """What people see: the mark of a headline taken away, and DingTalk's escapes undone."""
    text = shown(body).removeprefix("### ")
    return re.sub(r"\\([\\_*])", r"\1", text) if kind == "dingtalk" and b'"msgtype":"markdown"' in body else text


def as_shown(kind: str, text: str) -> str:
    safe = {"dingtalk": dingtalk._neutral, "feishu": feishu._safe, "wecom": wecom._safe}[kind]
    return safe(one_line(text))


# --- the message -----------------------------------------------------------------------------------------------------


@given(kinds, tasks, languages)
def test_every_form_fits_and_is_smaller_than_the_one_before(kind: str, task: Task, language: Language) -> None:
    sizes = [len(body) for body in all_forms(CHANNELS[kind], destination(kind, language), task)]
    assert sizes[0] <= MOST[kind]
    assert sizes == sorted(sizes, reverse=True)


@given(kinds, tasks, languages)
def test_outcome_title_and_task_id_survive_every_cut(kind: str, task: Task, language: Language) -> None:
    start = wording.outcome(task, language) + wording.colon(language)
    title = as_shown(kind, wording.title(task, language)[:20].rstrip())
    for body in all_forms(CHANNELS[kind], destination(kind, language), task):
        text = seen(kind, body)
        assert text.startswith(start)
        assert text[len(start) :].startswith(title[:10].rstrip())
        assert as_shown(kind, task.task_id) in text


@given(kinds, tasks, languages)
def test_messages_have_no_controls_and_nothing_that_turns_text_around(
    kind: str, task: Task, language: Language
) -> None:
    for body in all_forms(CHANNELS[kind], destination(kind, language), task):
        text = shown(body)
        assert not [char for char in text if unicodedata.category(char) == "Cc" and char != "\n"]
        assert "\u202e" not in text


@given(kinds, st.lists(tasks, min_size=1, max_size=8), languages, keywords)
def test_a_digest_fits_and_begins_with_the_worst(kind: str, some: list[Task], language: Language, keyword: str) -> None:
    digest = CHANNELS[kind].digest
    assert digest is not None
    body = sent(digest(destination(kind, language, keyword=keyword), some, START))
    assert len(body) <= MOST[kind]
    headline, *lines = [line for line in seen(kind, body).splitlines() if line]
    assert headline == wording.digest(some, language).headline
    worst = min(some, key=wording._rank)
    assert lines[0].startswith(wording.outcome(worst, language))
    if len(worst.task_id) <= wording._TASK_ID:
        assert as_shown(kind, worst.task_id) in lines[0]


@every_kind
@pytest.mark.parametrize("language", Language)
def test_a_digest_counts_what_it_leaves_out(kind: str, language: Language) -> None:
    digest = CHANNELS[kind].digest
    assert digest is not None
    many = [build(task_id=f"id-{number:04}") for number in range(500)]
    lines = shown(sent(digest(destination(kind, language), many, START))).splitlines()
    told = [line for line in lines if "id-" in line]
    (left,) = [line for line in lines if line.startswith(ELLIPSIS)]
    assert len(told) + int(re.findall(r"\d+", left)[0]) == 500
    assert len(told) > 20


@every_kind
def test_no_text_becomes_more_than_text(kind: str) -> None:
    digest = CHANNELS[kind].digest
    assert digest is not None
    bodies = [
        *all_forms(CHANNELS[kind], destination(kind), hostile()),
        sent(digest(destination(kind), [hostile()], START)),
    ]
    for body in bodies:
        assert not re.search(r"[<>\[\]]|@all|@所有人|&lt;", shown(body))
        if b'"msgtype":"markdown"' in body:
            # Our own labels are bold, and DingTalk has escapes.
            assert not re.search(r"[*`]", re.sub(r"\\\*|(?m:^)\*\*[^*]+\*\*", "", shown(body)))


@every_kind
def test_the_worst_text_still_fits(kind: str) -> None:
    digest = CHANNELS[kind].digest
    assert digest is not None
    for char in ("汉", "😀", "\\", '"', "_", "*", "<", "@all ", "&lt;", "e\u0301"):
        long = char * 5000
        task = failed(
            title=long,
            account=long,
            region=long,
            task_id=long,
            provider_state=long,
            error=Problem(code=long, message=long, hint=long),
            resources=(Resource(id=long, state=State.TIMED_OUT),) * 20,
            polls=10**6,
        )
        for language in Language:
            told = destination(kind, language, keyword="字" * robots.LONGEST_KEYWORD)
            bodies = [*all_forms(CHANNELS[kind], told, task), sent(digest(told, [task] * 20, START))]
            assert max(map(len, bodies)) <= MOST[kind]


@every_kind
@pytest.mark.parametrize("language", Language)
def test_a_success_says_no_reason(kind: str, language: Language) -> None:
    for body in all_forms(CHANNELS[kind], destination(kind, language), build(message="all done")):
        assert wording.label("why", language) not in shown(body)
        assert "all done" not in shown(body)


@every_kind
def test_a_task_that_runs_says_how_far_it_is(kind: str) -> None:
    task = build(state=State.RUNNING, progress=0.459, resources=(Resource(id="cpm-1", state=State.RUNNING),))
    text = shown(all_forms(CHANNELS[kind], destination(kind), task)[1])
    assert "Progress" in text
    assert "45 %" in text
    assert "did not succeed" not in text
    assert "Took" not in text


@pytest.mark.parametrize("kind", ["dingtalk", "feishu"])
def test_the_keyword_is_added_where_it_is_missing(kind: str) -> None:
    task = failed()
    digest = CHANNELS[kind].digest
    assert digest is not None
    for wanted, added in [("告警", True), ("监控_x", True), ("Partly failed", False)]:
        told = destination(kind, keyword=wanted)
        for body in all_forms(CHANNELS[kind], told, task):
            assert shown(body).count(wanted) == 1
            assert shown(body).endswith(wanted) is added
        assert wanted.lower() in shown(sent(digest(told, [task], START))).lower()


# --- the record ------------------------------------------------------------------------------------------------------


def faults(kind: str, **record: Any) -> list[tuple[str, str]]:
    found = destinations.check(
        {"type": kind, "url": URLS[kind], **record}, allow_private=record.pop("private", False), resolve=False
    )
    return [(fault.field, fault.message) for fault in found]


@every_kind
def test_a_plain_record_is_accepted(kind: str) -> None:
    assert faults(kind) == []
    assert faults(kind, language="zh", rate="10/min") == []


@every_kind
@pytest.mark.parametrize("url", ["https://proxy.example.com/any/path?x=1", "https://proxy.example.com:8443/"])
def test_a_proxy_may_have_any_path(kind: str, url: str) -> None:
    assert faults(kind, url=url) == []


@pytest.mark.parametrize("kind", ["dingtalk", "feishu"])
@pytest.mark.parametrize("keyword", ["告警", "[P1]", "task hook", "x" * 50])
def test_keywords_are_accepted(kind: str, keyword: str) -> None:
    assert faults(kind, keyword=keyword) == []


@pytest.mark.parametrize("kind", ["dingtalk", "feishu"])
@pytest.mark.parametrize("keyword", ["", " ", "a\nb", " a", "x" * 51, "<at>", 5, ["a"], True])
def test_other_keywords_are_refused_without_showing_them(kind: str, keyword: Any) -> None:
    ((field, message),) = faults(kind, keyword=keyword)
    assert field == "keyword"
    assert "one of the robot's keywords" in message


@pytest.mark.parametrize("kind", ["dingtalk", "feishu"])
@pytest.mark.parametrize("secret", ["", "SEC two", "SEC\n", "密钥", "SEC" + "x" * 200, 5, {}])
def test_other_secrets_are_refused_without_showing_them(kind: str, secret: Any) -> None:
    ((field, message),) = faults(kind, secret=secret)
    assert field == "secret"
    assert "security settings" in message
    assert "two" not in message


@every_kind
def test_a_record_becomes_a_destination_whose_secrets_are_apart(kind: str) -> None:
    secret = {} if kind == "wecom" else {"secret": SECRET, "keyword": "告警"}
    parsed = destinations.parse("ops", json.dumps({"type": kind, "url": URLS[kind], **secret}), allow_private=False)
    assert parsed.secrets == (() if kind == "wecom" else (SECRET,))
    assert parsed.own == ({} if kind == "wecom" else {"keyword": "告警"})
    assert SECRET not in repr(parsed)


# --- the answer ------------------------------------------------------------------------------------------------------

NOT_CONFIRMED: list[Any] = [
    "",
    "ok",
    "<html><body>ok</body></html>",
    "[" * 10_000,
    {},
    [],
    [{"errcode": 0, "code": 0}],
    None,
    0,
    "null",
    '"0"',
    {"errcode": "0", "code": "0"},
    {"errcode": None, "code": None},
    {"errcode": False, "code": False},
    {"errcode": 0.0, "code": 0.0},
    {"errcode": [0], "code": [0]},
    {"errmsg": "ok", "msg": "success"},
    b"\x1f\x8b\x08\x00",
    b"\xff\xfe",
]


@every_kind
@pytest.mark.parametrize("body", NOT_CONFIRMED, ids=repr)
def test_what_does_not_confirm_is_in_doubt(kind: str, body: Any) -> None:
    judgment = CHANNELS[kind].judge(destination(kind), answer(body), START)
    assert judgment.verdict is Verdict.TRANSIENT
    assert "check the URL" in judgment.detail
    assert "请检查" in judgment.detail_zh
    assert judgment.code is None


@every_kind
@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (301, Verdict.DEAD),
        (302, Verdict.DEAD),
        (400, Verdict.BAD_CONTENT),
        (401, Verdict.DEAD),
        (403, Verdict.DEAD),
        (404, Verdict.DEAD),
        (413, Verdict.BAD_CONTENT),
        (429, Verdict.THROTTLED),
        (500, Verdict.TRANSIENT),
        (502, Verdict.TRANSIENT),
        (503, Verdict.TRANSIENT),
        (504, Verdict.TRANSIENT),
        (0, Verdict.TRANSIENT),
    ],
)
def test_success_counts_only_where_the_status_says_so_too(kind: str, status: int, verdict: Verdict) -> None:
    assert CHANNELS[kind].judge(destination(kind), answer(SUCCESS[kind], status), START).verdict is verdict


@every_kind
@pytest.mark.parametrize("code", [1, 999999, -2, 10**30])
def test_an_unknown_code_is_shown_and_tried_again(kind: str, code: int) -> None:
    judgment = CHANNELS[kind].judge(destination(kind), answer({"errcode": code, "code": code}), START)
    assert judgment.verdict is Verdict.TRANSIENT
    assert judgment.code == str(code)
    assert str(code) in judgment.detail
    assert str(code) in judgment.detail_zh


ROWS = [(kind, code) for kind, module in MODULES.items() for code in module.CODES]


@pytest.mark.parametrize(("kind", "code"), ROWS)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_known_code_counts_whatever_the_status(kind: str, code: int, status: int) -> None:
    judgment = CHANNELS[kind].judge(destination(kind), answer({"errcode": code, "code": code}, status), START)
    verdict, words, *chinese = MODULES[kind].CODES[code]
    assert judgment.verdict is verdict
    assert judgment.code == str(code)
    # The words are there to the end: what to do stands last.
    assert judgment.detail.startswith(f"HTTP {status}: {code}: {words}")
    assert judgment.detail_zh.startswith(f"HTTP {status}：{code}：{chinese[0]}")


@pytest.mark.parametrize(("kind", "code"), ROWS)
def test_the_words_of_every_row_fit(kind: str, code: int) -> None:
    assert len(MODULES[kind].CODES[code][1]) <= answers.LONGEST_DETAIL - len("HTTP 200: 310000: …")


@every_kind
@pytest.mark.parametrize("said", [TOKEN, SECRET, f"no such robot {TOKEN}", "URL"])
def test_a_judgment_shows_no_secret(kind: str, said: str) -> None:
    text = URLS[kind] if said == "URL" else said
    for status, body in [(200, {"errcode": 7, "code": 7, "errmsg": text, "msg": text}), (404, text), (200, text)]:
        judgment = CHANNELS[kind].judge(destination(kind, keyword="告警"), answer(body, status), START)
        everything = f"{judgment.detail}{judgment.detail_zh}{judgment.code}"
        assert TOKEN not in everything
        assert SECRET not in everything or kind == "wecom"
        assert len(judgment.detail) <= answers.LONGEST_DETAIL


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(kinds, st.integers(0, 999), st.binary() | st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_nothing_but_a_confirmation_is_delivered(kind: str, status: int, body: Any) -> None:
    judgment = CHANNELS[kind].judge(destination(kind), answer(body, status), START)
    said = body if isinstance(body, dict) else {}
    good = 200 <= status < 300 and 0 in (said.get("errcode"), said.get("code"), said.get("StatusCode"))
    assert judgment.verdict is not Verdict.DELIVERED or good
