import html
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from taskhook import destinations
from taskhook.destinations import Destination, Verdict, slack, slack_blocks, slack_bot, spans, wording
from taskhook.destinations.model import Language, Live
from taskhook.states import State
from taskhook.task import Delivery, Task
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
    start_of,
    tasks,
)

TOKEN = "xoxb-111111111111-222222222222-s3cr3ts3cr3ts3cr3t"
RECORD = {"type": "slack_bot", "token": TOKEN, "channel": "C0123456789"}
POSTED = {"channel": "C0123456789", "ts": "1503435956.000247"}
LIVE = cast(Live, slack_bot.CHANNEL.live)


def parsed(**changes: Any) -> Destination:
    return destinations.parse("ops", json.dumps({**RECORD, **changes}), allow_private=True)


BOT = parsed()


def known(task: Task, message: Mapping[str, str] | None = POSTED) -> Task:
    """With the message that shows it."""
    return task.with_delivery("ops", Delivery(message=message))


# --- the message -----------------------------------------------------------------------------------------------------


def test_a_message_is_posted_with_the_bots_token() -> None:
    prepared = slack_bot.request(BOT, build(), START).prepare()
    assert (prepared.method, prepared.url) == ("POST", "https://slack.com/api/chat.postMessage")
    assert prepared.headers["Authorization"] == f"Bearer {TOKEN}"
    assert prepared.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/api", "http://127.0.0.1:9000/api/"])
def test_slack_may_be_elsewhere(url: str) -> None:
    other = parsed(url=url)
    assert slack_bot.request(other, build(), START).url == "http://127.0.0.1:9000/api/chat.postMessage"
    assert slack_bot.edit(other, known(running()), START).url == "http://127.0.0.1:9000/api/chat.update"


def test_the_news_is_that_of_a_webhook_and_calls_nobody() -> None:
    body = sent(slack_bot.request(BOT, partly_failed(), START))
    plain = Destination(name="ops", type="slack", url="https://hooks.slack.com/services/a/b/c")
    assert {"text": body["text"], "blocks": body["blocks"]} == sent(slack.request(plain, partly_failed(), START))
    assert {name: body[name] for name in body.keys() - {"text", "blocks"}} == {
        "channel": "C0123456789",
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_the_end_is_a_reply_that_the_whole_channel_sees() -> None:
    body = sent(slack_bot.request(parsed(channel="#deployments"), known(partly_failed()), START))
    assert (body["channel"], body["thread_ts"], body["reply_broadcast"]) == (*POSTED.values(), True)


@pytest.mark.parametrize(
    "task", [build(), known(build(), None), build().with_delivery("other", Delivery(message=POSTED))]
)
def test_without_a_message_to_reply_to_it_stands_alone(task: Task) -> None:
    body = sent(slack_bot.request(BOT, task, START))
    assert body["channel"] == "C0123456789"
    assert not body.keys() & {"thread_ts", "reply_broadcast"}


@pytest.mark.parametrize("form", [slack_bot.smaller, slack_bot.plain])
def test_only_the_first_form_is_a_reply(form: Any) -> None:
    body = sent(form(BOT, known(build()), START))
    assert body["channel"] == "C0123456789"
    assert not body.keys() & {"thread_ts", "reply_broadcast"}


def test_a_digest_stands_alone() -> None:
    body = sent(slack_bot.digest(BOT, [known(one) for one in many(400)], START))
    assert "thread_ts" not in body
    assert body["text"] == slack_blocks.digest_text(many(400), Language.ENGLISH)
    assert body["blocks"] == slack_blocks.digest_blocks(many(400), Language.ENGLISH)


@given(all_tasks, languages, st.booleans())
@relaxed
def test_every_form_is_valid_and_keeps_outcome_title_and_task_id(task: Task, language: Language, reply: bool) -> None:
    bot = replace(BOT, language=language)
    told = known(task) if reply else task
    requests = [form(bot, told, START) for form in (*destinations.forms(bot), LIVE.post, LIVE.edit)]
    for body in map(sent, requests):
        for block in Block.parse_all(body.get("blocks", [])):
            block.validate_json()
        seen = html.unescape(body["text"])
        assert seen.startswith(
            wording.outcome(task, language) + wording.colon(language) + start_of(wording.title(task))
        )
        assert task.task_id in seen
    sizes = [length(one) for one in requests[:3]]
    assert sizes == sorted(sizes, reverse=True)


# --- a message that is edited ----------------------------------------------------------------------------------------


def test_a_message_that_was_posted_is_the_one_that_is_edited() -> None:
    task = running()
    first = sent(LIVE.post(parsed(channel="#deployments"), task, START))
    assert first["channel"] == "#deployments"
    message = LIVE.posted(answer(200, json.dumps({"ok": True, **POSTED, "message": first})))
    assert message == POSTED
    later = LIVE.edit(BOT, known(replace(task, progress=0.8), message), START)
    assert later.url == "https://slack.com/api/chat.update"
    assert {name: sent(later)[name] for name in POSTED} == POSTED
    assert "thread_ts" not in sent(later)


def test_it_shows_how_far_the_task_is_and_when_it_should_end() -> None:
    header, facts, footer = sent(LIVE.post(BOT, running(provider_state="1"), START))["blocks"]
    assert header["text"]["text"] == "⏳ Still running: Create listener for shop.example"
    assert [field["text"] for field in facts["fields"]] == [
        "*Provider*\ntencent.clb, ap-guangzhou",
        "*Account*\nprod",
        "*Task*\n`55c85074-3e7f-4c6d-864f-673660d4f8de`",
        "*Progress*\n▓▓▓▓░░░░░░ 45 %",
        "*Expected to end*\n<!date^1795000600^{date_short_pretty} {time}|2026-11-18T11:16:40Z>",
    ]
    assert footer["elements"][0]["text"] == "polled 12 times · provider state `1`"


def test_what_nobody_knows_is_not_shown() -> None:
    _, facts, _ = sent(LIVE.post(BOT, running(progress=None, estimate=None), START))["blocks"]
    assert len(facts["fields"]) == 3


def test_the_last_edit_shows_the_end() -> None:
    body = sent(LIVE.edit(BOT, known(partly_failed()), START))
    assert body["blocks"] == slack_blocks.blocks(partly_failed())


def test_it_speaks_chinese() -> None:
    text = sent(LIVE.post(replace(BOT, language=Language.CHINESE), running(), START))["text"]
    assert text.startswith("⏳ 仍在进行：Create")
    assert "进度 ▓▓▓▓░░░░░░ 45 %\n预计结束于 2026-11-18 19:16:40（北京时间）" in text


@pytest.mark.parametrize(
    ("done", "shown"),
    [
        (0.0, "░░░░░░░░░░ 0 %"),
        (0.999, "▓▓▓▓▓▓▓▓▓░ 99 %"),
        (1.0, "▓▓▓▓▓▓▓▓▓▓ 100 %"),
        (7.0, "▓▓▓▓▓▓▓▓▓▓ 100 %"),
        (-1.0, "░░░░░░░░░░ 0 %"),
    ],
)
def test_a_bar_is_full_only_at_the_end(done: float, shown: str) -> None:
    assert spans.bar(done) == shown


@given(st.floats())
def test_a_bar_has_ten_parts_whatever_is_said(done: float) -> None:
    assert len(spans.bar(done).split()[0]) == 10


@pytest.mark.parametrize(
    "body",
    [
        "",
        "ok",
        "[]",
        '{"ok":true}',
        '{"ok":true,"channel":"C1"}',
        '{"ok":true,"ts":"1.2"}',
        '{"ok":true,"channel":"C1","ts":1.2}',
        '{"ok":true,"channel":"","ts":"1.2"}',
        '{"ok":false,"channel":"C1","ts":"1.2"}',
        '{"ok":"true","channel":"C1","ts":"1.2"}',
        '{"channel":"C1","ts":"1.2"}',
    ],
)
def test_what_names_no_message_is_none(body: str) -> None:
    assert LIVE.posted(answer(200, body)) is None


def test_a_long_answer_names_the_message_at_its_beginning() -> None:
    body = json.dumps({"ok": True, **POSTED, "message": {"text": "x" * 9000}})[:4096]
    assert LIVE.posted(answer(200, body, truncated=True)) == POSTED
    assert slack_bot.judge(BOT, answer(200, body, truncated=True), START).verdict is Verdict.DELIVERED


@given(st.text() | st.dictionaries(st.text(), st.text() | st.none()).map(json.dumps))
def test_no_answer_breaks_anything(body: str) -> None:
    assert LIVE.posted(answer(200, body)) is None
    assert slack_bot.judge(BOT, answer(200, body), START).verdict is not Verdict.DELIVERED


# --- the record ------------------------------------------------------------------------------------------------------


def faults(**changes: Any) -> list[tuple[str, str]]:
    record = {name: value for name, value in {**RECORD, **changes}.items() if value is not None}
    return [(one.field, one.message) for one in destinations.check(record, allow_private=False, resolve=False)]


@pytest.mark.parametrize("channel", ["C0123456789", "G0123456789", "D0123456789", "#deployments", "#运维-告警"])
def test_channels_are_named_by_id_or_name(channel: str) -> None:
    assert faults(channel=channel) == []


@pytest.mark.parametrize("channel", [None, "", 7, [], "deployments", "#", "# x", "#a b", "#<!here>", "#" + "a" * 81])
def test_other_channels_are_refused(channel: Any) -> None:
    ((field, message),) = faults(channel=channel)
    assert field == "channel"
    assert "#deployments" in message


@pytest.mark.parametrize(
    "token",
    [None, "", 7, "xoxb-", "s3cr3ts3cr3t", "xoxp-1-2-s3cr3t", "xoxe.xoxb-1-s3cr3t", TOKEN + "\n", "Bearer " + TOKEN],
)
def test_other_tokens_are_refused_and_not_shown(token: Any) -> None:
    ((field, message),) = faults(token=token)
    assert field == "token"
    assert "xoxb-..." in message
    assert "s3cr3t" not in message


def test_a_url_is_not_needed_and_must_be_that_of_an_api() -> None:
    assert BOT.url == "https://slack.com/api/"
    assert faults(url="https://slack-gov.com/api/") == []
    assert "type slack" in faults(url="https://hooks.slack.com/services/T1/B1/s3cr3t")[0][1]
    assert "query" in faults(url="https://slack.com/api/?token=s3cr3t")[0][1]


def test_a_destination_shows_no_token() -> None:
    assert TOKEN not in repr(BOT)


# --- the answer ------------------------------------------------------------------------------------------------------

D, T, S, C, X = Verdict.DELIVERED, Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.BAD_CONTENT, Verdict.DEAD
GOOD = json.dumps({"ok": True, **POSTED, "message": {"text": "x"}})


def refusal(word: str) -> str:
    return json.dumps({"ok": False, "error": word})


TABLE = [
    (200, GOOD, D),
    (200, '{"ok":true}', D),
    (200, '{"ok":true,"warning":"missing_charset"}', D),
    (200, "ok", S),
    (200, "", S),
    (204, "", S),
    (200, "<!DOCTYPE html><html>Sign in</html>", S),
    (200, '{"ok":false}', S),
    (200, '{"ok":1}', S),
    (200, '{"ok":"true"}', S),
    (200, '{"success":true}', S),
    (200, '["ok"]', S),
    (200, GOOD[:-1], S),
    (200, "[" * 10_000, S),
    (200, refusal("an_error_of_tomorrow"), S),
    (200, '{"ok":false,"error":["not_in_channel"]}', S),
    (302, GOOD, X),
    (400, GOOD, C),
    (401, "", X),
    (403, "", X),
    (404, "", X),
    (410, "", X),
    (413, "", C),
    (429, "", T),
    (429, GOOD, T),
    (429, refusal("not_in_channel"), T),
    (500, GOOD, S),
    (502, "<html>", S),
    (503, "", S),
    (0, GOOD, S),
    *((200, refusal(word), X) for word in ["not_in_channel", "channel_not_found", "is_archived", "invalid_auth"]),
    *((200, refusal(word), X) for word in ["not_authed", "token_revoked", "token_expired", "account_inactive"]),
    *((200, refusal(word), X) for word in ["missing_scope", "restricted_action", "ekm_access_denied"]),
    *((200, refusal(word), X) for word in ["cant_update_message", "edit_window_closed"]),
    *((200, refusal(word), C) for word in ["invalid_blocks", "msg_too_long", "msg_blocks_too_long", "no_text"]),
    *((200, refusal(word), C) for word in ["cannot_reply_to_message", "message_not_found"]),
    *((200, refusal(word), T) for word in ["ratelimited", "rate_limited"]),
    *((200, refusal(word), S) for word in ["internal_error", "fatal_error", "service_unavailable"]),
    *((200, refusal(word), S) for word in ["request_timeout", "team_added_to_org"]),
    *((500, refusal(word), row[0]) for word, row in slack_bot.ERRORS.items()),
]


@pytest.mark.parametrize(("status", "body", "verdict"), TABLE)
def test_each_answer_has_its_verdict(status: int, body: str, verdict: Verdict) -> None:
    judgment = slack_bot.judge(BOT, answer(status, body), START)
    assert judgment.verdict is verdict
    assert judgment.detail.startswith(f"HTTP {status}: ")
    assert judgment.detail_zh.startswith(f"HTTP {status}：")


@pytest.mark.parametrize("word", slack_bot.ERRORS)
def test_the_code_is_slacks_own_word(word: str) -> None:
    assert slack_bot.judge(BOT, answer(200, refusal(word)), START).code == word


def test_the_code_tells_an_edit_that_can_never_be_made() -> None:
    assert slack_bot.ERRORS.keys() >= slack_bot.NO_EDIT
    judgment = slack_bot.judge(BOT, answer(200, refusal("message_not_found")), START)
    assert judgment.code in slack_bot.NO_EDIT


@pytest.mark.parametrize(
    ("word", "hint", "hint_zh"),
    [
        ("not_in_channel", "/invite", "/invite"),
        ("channel_not_found", "/invite", "/invite"),
        ("missing_scope", "chat:write", "chat:write"),
        ("token_expired", "rotation off", "轮换"),
        ("is_archived", "unarchive", "取消归档"),
    ],
)
def test_a_refusal_says_what_to_do(word: str, hint: str, hint_zh: str) -> None:
    judgment = slack_bot.judge(BOT, answer(200, refusal(word)), START)
    assert hint in judgment.detail
    assert hint_zh in judgment.detail_zh


def test_slack_is_asked_again_when_it_says() -> None:
    limited = answer(429, refusal("ratelimited"), {"Retry-After": "30"})
    assert slack_bot.judge(BOT, limited, START).retry_after == 30.0


@pytest.mark.parametrize("said", [TOKEN, f"Bearer {TOKEN}", TOKEN.upper()])
def test_a_judgment_shows_no_token(said: str) -> None:
    for body in (said, refusal(said), json.dumps({"ok": False, "error": "invalid_auth", "token": said})):
        shown = repr(slack_bot.judge(BOT, answer(200, body), START))
        assert "s3cr3t" not in shown.casefold()


@given(st.integers(0, 999), tasks)
@relaxed
def test_the_echo_of_a_message_decides_nothing(status: int, task: Task) -> None:
    body = json.dumps({"ok": False, "message": sent(slack_bot.request(BOT, task, START))})
    assert slack_bot.judge(BOT, answer(status, body), START).verdict is not Verdict.DELIVERED


def test_states_that_end_have_no_progress() -> None:
    for state in State:
        if state.terminal:
            text = slack_blocks.text(running(state=state, observed_at=START + 1))
            assert "▓" not in text
