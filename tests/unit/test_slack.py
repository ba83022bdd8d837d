import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from taskhook import destinations
from taskhook.destinations import Destination, Verdict, answers, slack, slack_blocks, wording
from taskhook.destinations.model import Language
from taskhook.destinations.slack_blocks import FULL, SMALL
from taskhook.states import State
from taskhook.task import Problem, Resource, Task
from tests.chat import (
    START,
    all_tasks,
    answer,
    build,
    languages,
    length,
    many,
    partly_failed,
    relaxed,
    running,
    sent,
    some_tasks,
    start_of,
    units,
)

URL = "https://hooks.slack.com/services/T0SECRET1/B0SECRET2/s3cr3ts3cr3ts3cr3t"
OPS = Destination(name="ops", type="slack", url=URL)
ZH = Language.CHINESE
DATE = re.compile(r"<!date\^[0-9]+\^\{date_short_pretty\} \{time\}\|[0-9TZ:-]+>")

type MakeTask = Callable[..., Task]


@pytest.fixture
def make_task() -> MakeTask:
    return build


@pytest.fixture
def failed() -> Task:
    return partly_failed()


def markup(task: Task) -> str:
    return json.dumps(slack_blocks.blocks(task), ensure_ascii=False)


# --- the message -----------------------------------------------------------------------------------------------------


def test_a_success_reads_at_a_glance(make_task: MakeTask) -> None:
    assert slack_blocks.text(make_task()).splitlines() == [
        "✅ Succeeded: Create listener for shop.example",
        "Task 55c85074-3e7f-4c6d-864f-673660d4f8de (tencent.clb, ap-guangzhou, account prod)",
        "Took 3 min 20 s",
    ]


def test_a_bad_end_says_why_what_to_do_and_what_failed(failed: Task) -> None:
    assert slack_blocks.text(failed).splitlines() == [
        "⚠️ Partly failed: Create listener for shop.example",
        "Task 55c85074-3e7f-4c6d-864f-673660d4f8de (tencent.clb, ap-guangzhou, account prod)",
        "Took 3 min",
        "Why: Quota: no &lt;b&gt;more&lt;/b&gt; &amp; done",
        "What to do: Ask for a higher quota.",
        "2 of 3 did not succeed:",
        "• cpm-2 failed",
        "• cpm-3 running",
    ]


def test_the_same_in_chinese(failed: Task) -> None:
    assert slack_blocks.text(failed, ZH).splitlines() == [
        "⚠️ 部分失败：Create listener for shop.example",
        "任务 55c85074-3e7f-4c6d-864f-673660d4f8de（tencent.clb，ap-guangzhou，账号 prod）",
        "用时 3 分钟",
        "原因：Quota：no &lt;b&gt;more&lt;/b&gt; &amp; done",
        "处理建议：Ask for a higher quota.",
        "3 个资源中有 2 个未成功：",
        "• cpm-2 失败",
        "• cpm-3 进行中",
    ]


def test_the_blocks_hold_the_same(failed: Task) -> None:
    header, facts, reason, bad, footer = slack_blocks.blocks(failed)
    assert header["text"] == {"type": "plain_text", "text": "⚠️ Partly failed: Create listener for shop.example"}
    assert [field["text"] for field in facts["fields"]] == [
        "*Provider*\ntencent.clb, ap-guangzhou",
        "*Account*\nprod",
        "*Task*\n`55c85074-3e7f-4c6d-864f-673660d4f8de`",
        "*Took*\n3 min",
    ]
    assert reason["text"]["text"] == (
        "*Why:* Quota: no &lt;b&gt;more&lt;/b&gt; &amp; done\n*What to do:* Ask for a higher quota."
    )
    assert bad["text"]["text"] == "*2 of 3 did not succeed*\n• `cpm-2` failed\n• `cpm-3` running"
    (context,) = footer["elements"]
    assert context["text"] == (
        "Finished <!date^1795000180^{date_short_pretty} {time}|2026-11-18T11:09:40Z>"
        " · polled 12 times · provider state `2`"
    )


def test_the_language_is_that_of_the_destination(failed: Task) -> None:
    for form in destinations.forms(OPS):
        assert "部分失败：" in sent(form(replace(OPS, language=ZH), failed, START))["text"]
    blocks = sent(slack.request(replace(OPS, language=ZH), failed, START))["blocks"]
    assert blocks[2]["text"]["text"].startswith("*原因：* Quota：no")
    assert "Why" not in json.dumps(blocks)


def test_a_success_has_no_reason_and_no_list(make_task: MakeTask) -> None:
    done = make_task(message="all done", resources=(Resource(id="cpm-1", state=State.SUCCEEDED),))
    assert [block["type"] for block in slack_blocks.blocks(done)] == ["header", "section", "context"]
    assert "Why" not in slack_blocks.text(done)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.SUCCEEDED, "✅ Succeeded: "),
        (State.FAILED, "❌ Failed: "),
        (State.PARTIAL, "⚠️ Partly failed: "),
        (State.CANCELED, "🚫 Canceled: "),
        (State.TIMED_OUT, "⏰ Still not finished at the deadline: "),
        (State.LOST, "🔭 Lost sight of: "),
    ],
)
def test_the_outcome_comes_first(state: State, words: str, make_task: MakeTask) -> None:
    task = make_task(state=state)
    assert slack_blocks.text(task).startswith(words)
    assert slack_blocks.blocks(task)[0]["text"]["text"].startswith(words)


def test_a_task_without_a_title_is_called_by_provider_and_id(make_task: MakeTask) -> None:
    assert slack_blocks.text(make_task(title=None, task_id="4711")).startswith("✅ Succeeded: tencent.clb 4711\n")
    assert slack_blocks.text(make_task(title=" \n", task_id="4711")).startswith("✅ Succeeded: tencent.clb 4711\n")


def test_a_span_that_makes_no_sense_is_left_out(make_task: MakeTask) -> None:
    assert len(slack_blocks.text(make_task(finished_at=START - 5)).splitlines()) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"error": Problem(code="E1", message="boom")}, "Why: E1: boom"),
        ({"error": Problem(code="E1", message="E1")}, "Why: E1"),
        ({"message": "boom", "provider_state": "FAIL"}, "Why: FAIL: boom"),
        ({"provider_state": "FAIL"}, "Why: FAIL: the provider gives no reason"),
        ({}, "Why: failed: the provider gives no reason"),
    ],
)
def test_a_failure_always_has_a_reason(changes: dict[str, Any], reason: str, make_task: MakeTask) -> None:
    assert reason in slack_blocks.text(make_task(state=State.FAILED, **changes)).splitlines()


def test_polled_once_reads_well(make_task: MakeTask) -> None:
    assert "polled once" in markup(make_task(polls=1))


def test_a_task_that_goes_on_says_how_far_it_is_and_nothing_of_an_end() -> None:
    task = running(resources=(Resource(id="cpm-1", state=State.RUNNING),), finished_at=None)
    assert slack_blocks.text(task).splitlines() == [
        "⏳ Still running: Create listener for shop.example",
        "Task 55c85074-3e7f-4c6d-864f-673660d4f8de (tencent.clb, ap-guangzhou, account prod)",
        "Progress ▓▓▓▓░░░░░░ 45 %",
        "Expected to end 2026-11-18 11:16:40 UTC",
    ]
    assert [block["type"] for block in slack_blocks.blocks(task)] == ["header", "section", "context"]
    assert "Noticed" not in markup(task)


def test_nobody_can_be_notified_by_a_providers_message(make_task: MakeTask) -> None:
    task = make_task(
        state=State.FAILED, title="<!channel> & <@U1>", error=Problem(code="<!here>", message="<http://x|y>")
    )
    shown = markup(task) + slack_blocks.text(task)
    assert "<" not in shown.replace("<!date^", "", 1).replace("Z>", "Z", 1)
    assert all(element["verbatim"] for element in slack_blocks.blocks(task)[1]["fields"])


def test_the_last_resort_is_text_only_and_short(failed: Task) -> None:
    assert sent(slack.plain(OPS, failed)) == {"text": slack_blocks.text(failed)}
    long = build(state=State.FAILED, error=Problem(code="E", message="m" * 5000, hint="h" * 5000), title="t" * 5000)
    assert len(sent(slack.plain(OPS, long))["text"]) < 1500


def test_the_second_form_is_well_below_the_limits() -> None:
    bad = tuple(Resource(id=f"cpm-{number:04}", state=State.FAILED) for number in range(500))
    long = build(state=State.FAILED, error=Problem(code="E", message="m" * 5000, hint="h" * 5000), resources=bad)
    full, smaller = (length(form(OPS, long, START)) for form in (slack.request, slack.smaller))
    assert smaller < full / 2
    assert smaller < slack_blocks.LONGEST_SECTION * 1.5


# --- many tasks ------------------------------------------------------------------------------------------------------


def test_a_digest_tells_the_failures_first() -> None:
    message = sent(slack.digest(OPS, many(3), START))
    assert message["text"].splitlines() == [
        "3 tasks ended: 1 failed, 2 succeeded",
        "❌ Failed: The bad one (tencent.clb, ap-guangzhou, task bad-1)",
        "✅ Succeeded: Machine 0 (tencent.clb, ap-guangzhou, task good-0)",
        "✅ Succeeded: Machine 1 (tencent.clb, ap-guangzhou, task good-1)",
    ]
    header, section = message["blocks"]
    assert "\n".join([header["text"]["text"], section["text"]["text"]]) == message["text"]


def test_a_digest_that_cannot_hold_all_keeps_the_failures_and_counts_the_rest() -> None:
    message = sent(slack.digest(OPS, many(400), START))
    for shown in (message["text"], message["blocks"][1]["text"]["text"]):
        assert "The bad one" in shown
    lines = [line for block in message["blocks"][1:] for line in block["text"]["text"].splitlines()]
    assert lines[-1] == f"… and {400 - len(lines) + 1} more"
    assert len(lines) > 80


def test_a_digest_in_chinese() -> None:
    message = sent(slack.digest(replace(OPS, language=ZH), many(400), START))
    assert message["text"].startswith("400 个任务已结束：1 个失败，399 个成功\n❌ 失败：The bad one（")
    assert message["text"].splitlines()[-1].startswith("…另有 ")


@given(some_tasks, languages)
@relaxed
def test_no_digest_is_beyond_slacks_limits(tasks: list[Task], language: Language) -> None:
    message = sent(slack.digest(replace(OPS, language=language), tasks, START))
    valid(message["blocks"])
    assert units(message["text"]) <= slack_blocks.LONGEST_TEXT
    shown = "\n".join(all_texts(message["blocks"]))
    assert units(shown) + units(message["text"]) <= slack_blocks.LONGEST_MESSAGE
    for text in (shown, message["text"]):
        assert html.escape(html.unescape(text), quote=False) == text
        assert f"{len(tasks)} " in text.splitlines()[0]
        first = wording.digest(tasks, language).lines[0]
        assert start_of(first) in html.unescape(text)


# --- laws ------------------------------------------------------------------------------------------------------------


def all_texts(blocks: list[dict[str, Any]]) -> list[str]:
    objects = [
        one for block in blocks for one in (block.get("text"), *block.get("fields", ()), *block.get("elements", ()))
    ]
    return [one["text"] for one in objects if one]


def valid(blocks: list[dict[str, Any]]) -> None:
    """By Slack's own library; it counts code points, Slack perhaps more."""
    for parsed in Block.parse_all(blocks):
        parsed.validate_json()
    assert len(blocks) <= slack_blocks.MOST_BLOCKS
    most = {"header": slack_blocks.LONGEST_HEADER, "section": slack_blocks.LONGEST_SECTION}
    for block in blocks:
        if "text" in block:
            assert 0 < units(block["text"]["text"]) <= most[block["type"]]
        assert all(0 < units(field["text"]) <= slack_blocks.LONGEST_FIELD for field in block.get("fields", ()))
        assert len(block.get("fields", ())) <= 10
        assert len(block.get("elements", ())) <= 10


@given(all_tasks, languages, st.sampled_from([FULL, SMALL]))
@relaxed
def test_no_message_is_beyond_slacks_limits(task: Task, language: Language, room: slack_blocks.Room) -> None:
    blocks = slack_blocks.blocks(task, language, room)
    valid(blocks)
    shown = slack_blocks.text(task, language, room.text)
    assert units(shown) <= slack_blocks.LONGEST_TEXT
    assert sum(map(units, all_texts(blocks))) + units(shown) <= slack_blocks.LONGEST_MESSAGE


@given(all_tasks, languages)
@relaxed
def test_outcome_title_and_task_id_are_never_lost(task: Task, language: Language) -> None:
    destination = replace(OPS, language=language)
    for form in destinations.forms(OPS):
        message = sent(form(destination, task, START))
        texts = [message["text"], *(["\n".join(all_texts(message["blocks"]))] if "blocks" in message else [])]
        for shown in texts:
            seen = html.unescape(shown)
            head = wording.outcome(task, language) + wording.colon(language)
            assert seen.startswith(head + start_of(wording.title(task)))
            assert task.task_id in seen or task.task_id.replace("`", "'") in seen


@given(all_tasks, languages)
@relaxed
def test_every_message_can_be_sent_and_is_escaped(task: Task, language: Language) -> None:
    for form in destinations.forms(OPS):
        body = sent(form(replace(OPS, language=language), task, START))
        assert json.dumps(body, ensure_ascii=False).encode()
        for text in [body["text"], *all_texts(body.get("blocks", []))]:
            bare = DATE.sub("", text)
            assert "<" not in bare
            assert ">" not in bare
            assert html.escape(html.unescape(bare), quote=False) == bare


@given(all_tasks, languages)
@relaxed
def test_each_form_is_no_larger_than_the_one_before(task: Task, language: Language) -> None:
    sizes = [length(form(replace(OPS, language=language), task, START)) for form in destinations.forms(OPS)]
    assert sizes == sorted(sizes, reverse=True)


@given(st.integers(0, 200))
@relaxed
def test_resources_that_do_not_fit_are_counted(count: int) -> None:
    bad = tuple(Resource(id=f"cpm-{n:04}", state=State.FAILED) for n in range(count))
    shown = slack_blocks.text(build(state=State.FAILED, resources=bad)).splitlines()
    listed = [line for line in shown if line.startswith("• ")]
    left = [line for line in shown if line.startswith("… and ")]
    assert len(listed) + sum(int(line.split()[2]) for line in left) == count


# --- the record ------------------------------------------------------------------------------------------------------


def faults(url: str, *, allow_private: bool = False) -> list[str]:
    record = {"type": "slack", "url": url}
    return [fault.message for fault in destinations.check(record, allow_private=allow_private, resolve=False)]


@pytest.mark.parametrize(
    "url",
    [
        URL,
        URL.replace("slack.com", "slack-gov.com"),
        "https://mattermost.example.com/hooks/abc",
        "https://chat.example.com:8443/hooks/a/b",
    ],
)
def test_urls_of_slack_and_its_like_are_accepted(url: str) -> None:
    assert faults(url) == []


@pytest.mark.parametrize("part", ["triggers", "workflows"])
def test_a_workflow_is_no_incoming_webhook(part: str) -> None:
    (message,) = faults(f"https://hooks.slack.com/{part}/T1/2/3")
    assert "incoming webhook" in message


def test_a_local_receiver_needs_permission() -> None:
    assert faults("http://127.0.0.1:9000/slack")
    assert faults("http://127.0.0.1:9000/slack", allow_private=True) == []


# --- the answer ------------------------------------------------------------------------------------------------------

D, T, S, C, X = Verdict.DELIVERED, Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.BAD_CONTENT, Verdict.DEAD
PAGE = "<!DOCTYPE html><html><body>Sign in</body></html>"
TABLE = [
    (200, "ok", D),
    (200, "ok\n", D),
    (200, '{"ok":true}', D),
    (200, '{"success":true}', D),
    (200, "", S),
    (204, "", S),
    (200, PAGE, S),
    (200, "OK!", S),
    (200, "not ok", S),
    (200, "<html>ok</html>", S),
    (200, '"ok"', S),
    (200, "null", S),
    (200, "[]", S),
    (200, '["ok"]', S),
    (200, '{"ok":1}', S),
    (200, '{"ok":"true"}', S),
    (200, '{"ok":false}', S),
    (200, '{"success":false,"error":"x"}', S),
    (200, '{"ok":false,"error":"invalid_blocks"}', C),
    (200, '{"ok":false,"error":"channel_not_found"}', X),
    (200, '{"ok":false,"error":"brand_new_error"}', S),
    (200, '{"ok":true,"error":"channel_not_found"}', X),
    (200, '{"ok":tr', S),
    (200, "no_text", C),
    (200, "[" * 10_000, S),
    (301, "ok", X),
    (302, "", X),
    (302, PAGE, X),
    (308, "", X),
    (400, "invalid_payload", C),
    (400, "invalid_blocks", C),
    (400, "no_text", C),
    (400, "what?", C),
    (400, "ok", C),
    (401, "", X),
    (403, "action_prohibited", X),
    (403, "invalid_token", X),
    (403, "", X),
    (403, "ok", X),
    (404, "channel_not_found", X),
    (404, "no_service", X),
    (404, "no_team", X),
    (404, "", X),
    (408, "", S),
    (410, "channel_is_archived", X),
    (410, "", X),
    (413, "", C),
    (429, "", T),
    (429, "ok", T),
    (429, "channel_not_found", T),
    (429, '{"retry_after":1,"ok":false,"error":"rate_limited"}', T),
    (500, "rollup_error", S),
    (500, "no_text", C),
    (500, "ok", S),
    (502, "", S),
    (502, PAGE, S),
    (503, "", S),
    (503, "ratelimited", T),
    (504, "<html>", S),
    (0, "ok", S),
    *((404, word, row[0]) for word, row in slack.ERRORS.items()),
    *((200, json.dumps({"ok": False, "error": word}), row[0]) for word, row in slack.ERRORS.items()),
]


@pytest.mark.parametrize(("status", "body", "verdict"), TABLE)
def test_each_answer_has_its_verdict(status: int, body: str, verdict: Verdict) -> None:
    judgment = slack.judge(OPS, answer(status, body), START)
    assert judgment.verdict is verdict
    assert judgment.detail.startswith(f"HTTP {status}: ")
    assert judgment.detail_zh.startswith(f"HTTP {status}：")


def test_the_statuses_of_the_table_are_all_tested() -> None:
    assert slack.STATUSES.keys() <= {status for status, _, _ in TABLE}


def test_what_begins_as_a_confirmation_and_goes_on_is_one() -> None:
    body = '{"ok":true,"message":{"text":"' + "x" * 100
    assert slack.judge(OPS, answer(200, body, truncated=True), START).verdict is D
    assert slack.judge(OPS, answer(200, body), START).verdict is S


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, "ok", None),
        (200, PAGE, None),
        (404, "no_service", "no_service"),
        (200, '{"ok":false,"error":"invalid_blocks"}', "invalid_blocks"),
        (200, '{"ok":false,"error":"brand_new_error"}', "brand_new_error"),
        (429, "", "HTTP 429"),
        (429, "channel_not_found", "HTTP 429"),
        (429, '{"ok":false,"error":"rate_limited"}', "rate_limited"),
        (410, "", "HTTP 410"),
        (500, "oh dear", "HTTP 500"),
    ],
)
def test_the_code_is_slacks_own_word(status: int, body: str, code: str | None) -> None:
    assert slack.judge(OPS, answer(status, body), START).code == code


def test_a_dead_channel_is_explained() -> None:
    judgment = slack.judge(OPS, answer(410, "channel_is_archived"), START)
    assert judgment.detail == (
        "HTTP 410: the channel is archived: unarchive it, or make a new incoming webhook and store its URL. "
        'It said: "channel_is_archived"'
    )
    assert judgment.detail_zh == (
        "HTTP 410：频道已归档：请取消归档，或新建 Incoming Webhook 并保存其 URL。对方回答：“channel_is_archived”"
    )


@pytest.mark.parametrize(
    ("body", "header", "wait"),
    [
        ('{"retry_after":3}', None, 3.0),
        ('{"retry_after":3}', "7", 7.0),
        ('{"retry_after":0.25}', None, 0.25),
        ('{"retry_after":-3}', None, None),
        ('{"retry_after":"3"}', None, None),
        ('{"retry_after":1e400}', None, None),
        ('{"retry_after":NaN}', None, None),
        ('{"retry_after":' + "9" * 400 + "}", None, None),
        ("", "30", 30.0),
        ("", None, None),
    ],
)
def test_slack_is_asked_again_when_it_says(body: str, header: str | None, wait: float | None) -> None:
    headers = {"Retry-After": header} if header else {}
    assert slack.judge(OPS, answer(429, body, headers), START).retry_after == wait


@pytest.mark.parametrize("said", [URL, "no such /services/T0SECRET1/B0SECRET2/s3cr3ts3cr3ts3cr3t", "T0SECRET1"])
def test_a_judgment_shows_no_secret(said: str) -> None:
    for body in (said, json.dumps({"ok": False, "error": said})):
        judgment = slack.judge(OPS, answer(404, body), START)
        assert "SECRET" not in repr(judgment)
        assert "s3cr3t" not in repr(judgment)
        assert len(judgment.detail) <= answers.LONGEST_DETAIL
        assert len(judgment.detail_zh) <= answers.LONGEST_DETAIL


@given(st.integers(0, 999), st.text())
def test_nothing_but_a_confirmation_is_delivered(status: int, body: str) -> None:
    verdict = slack.judge(OPS, answer(status, body), START).verdict
    assert verdict is not Verdict.DELIVERED or (200 <= status < 300 and body.strip() == "ok")
