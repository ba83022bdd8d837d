import html
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from taskhook import destinations
from taskhook.destinations import Destination, Verdict, answers, slack, wording
from taskhook.http import Answer
from taskhook.states import State
from taskhook.task import Problem, Resource, Task

URL = "https://hooks.slack.com/services/T0SECRET1/B0SECRET2/s3cr3ts3cr3ts3cr3t"
OPS = Destination(name="ops", type="slack", url=URL)
START = 1_795_000_000.0

type MakeTask = Callable[..., Task]


def build(**changes: Any) -> Task:
    known: dict[str, Any] = {
        "id": "abc",
        "provider": "tencent.clb.DescribeTaskStatus",
        "account": "prod",
        "region": "ap-guangzhou",
        "task_id": "55c85074-3e7f-4c6d-864f-673660d4f8de",
        "submitted_at": START,
        "deadline": START + 86400,
        "state": State.SUCCEEDED,
        "title": "Create listener for shop.example",
        "observed_at": START + 200.0,
        "polls": 12,
    }
    return Task(**{**known, **changes})


@pytest.fixture
def make_task() -> MakeTask:
    return build


@pytest.fixture
def failed() -> Task:
    return build(
        state=State.PARTIAL,
        provider_state="2",
        started_at=START + 10.0,
        finished_at=START + 190.0,
        error=Problem(code="Quota", message="no <b>more</b> & done", hint="Ask for a higher quota."),
        resources=(
            Resource(id="cpm-1", state=State.SUCCEEDED),
            Resource(id="cpm-2", state=State.FAILED),
            Resource(id="cpm-3", state=State.RUNNING),
        ),
    )


def payload(request: requests.Request) -> dict[str, Any]:
    body = request.prepare().body
    assert isinstance(body, bytes)
    message: dict[str, Any] = json.loads(body)
    return message


def markup(task: Task) -> str:
    return json.dumps(slack.blocks(task), ensure_ascii=False)


# --- the message -----------------------------------------------------------------------------------------------------


def test_a_success_reads_at_a_glance(make_task: MakeTask) -> None:
    assert slack.text(make_task()).splitlines() == [
        "✅ Succeeded: Create listener for shop.example",
        "Task 55c85074-3e7f-4c6d-864f-673660d4f8de (tencent.clb, ap-guangzhou, account prod)",
        "Took 3 min 20 s",
    ]


def test_a_bad_end_says_why_what_to_do_and_what_failed(failed: Task) -> None:
    assert slack.text(failed).splitlines() == [
        "⚠️ Partly failed: Create listener for shop.example",
        "Task 55c85074-3e7f-4c6d-864f-673660d4f8de (tencent.clb, ap-guangzhou, account prod)",
        "Took 3 min",
        "Why: Quota: no &lt;b&gt;more&lt;/b&gt; &amp; done",
        "What to do: Ask for a higher quota.",
        "2 of 3 did not succeed:",
        "• cpm-2 failed",
        "• cpm-3 running",
    ]


def test_the_blocks_hold_the_same(failed: Task) -> None:
    header, facts, reason, bad, footer = slack.blocks(failed)
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
        "Finished <!date^1795000190^{date_short_pretty} {time}|2026-11-18T11:09:50Z>"
        " · polled 12 times · provider state `2`"
    )


def test_a_success_has_no_reason_and_no_list(make_task: MakeTask) -> None:
    done = make_task(message="all done", resources=(Resource(id="cpm-1", state=State.SUCCEEDED),))
    assert [block["type"] for block in slack.blocks(done)] == ["header", "section", "context"]
    assert "Why" not in slack.text(done)


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
    assert slack.text(task).startswith(words)
    assert slack.blocks(task)[0]["text"]["text"].startswith(words)


def test_every_state_has_words_of_its_own() -> None:
    assert wording.OUTCOMES.keys() == set(State)
    assert "ail" not in wording.OUTCOMES[State.LOST][1]
    ends = [words for state, words in wording.OUTCOMES.items() if state.terminal]
    assert len(set(ends)) == len(ends)


def test_a_task_without_a_title_is_called_by_provider_and_id(make_task: MakeTask) -> None:
    assert slack.text(make_task(title=None, task_id="4711")).startswith("✅ Succeeded: tencent.clb 4711\n")
    assert slack.text(make_task(title=" \n", task_id="4711")).startswith("✅ Succeeded: tencent.clb 4711\n")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "Took 3 min 20 s"),
        ({"started_at": START + 100}, "Took 1 min 40 s"),
        ({"finished_at": START + 60}, "Took 1 min"),
        ({"started_at": START - 3600, "finished_at": START - 60}, "Took 59 min"),
        ({"state": State.LOST, "started_at": START + 100}, "Watched for 3 min 20 s"),
        ({"state": State.TIMED_OUT}, "Watched for 3 min 20 s"),
    ],
)
def test_how_long_it_took(changes: dict[str, Any], line: str, make_task: MakeTask) -> None:
    assert slack.text(make_task(**changes)).splitlines()[2] == line


@pytest.mark.parametrize("changes", [{"finished_at": START - 5}, {"observed_at": None}])
def test_a_span_that_makes_no_sense_is_left_out(changes: dict[str, Any], make_task: MakeTask) -> None:
    assert wording.took(make_task(**changes)) is None
    assert len(slack.text(make_task(**changes)).splitlines()) == 2


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
    assert reason in slack.text(make_task(state=State.FAILED, **changes)).splitlines()


def test_polled_once_reads_well(make_task: MakeTask) -> None:
    assert "polled once" in markup(make_task(polls=1))


def test_nobody_can_be_notified_by_a_providers_message(make_task: MakeTask) -> None:
    task = make_task(
        state=State.FAILED, title="<!channel> & <@U1>", error=Problem(code="<!here>", message="<http://x|y>")
    )
    shown = markup(task) + slack.text(task)
    assert "<" not in shown.replace("<!date^", "", 1).replace("Z>", "Z", 1)
    assert all(element["verbatim"] for element in slack.blocks(task)[1]["fields"])


def test_the_last_resort_is_text_only_and_short(failed: Task) -> None:
    assert payload(slack.plain(OPS, failed)) == {"text": slack.text(failed)}
    many = build(state=State.FAILED, error=Problem(code="E", message="m" * 5000, hint="h" * 5000), title="t" * 5000)
    assert len(payload(slack.plain(OPS, many))["text"]) < 1500


# --- laws ------------------------------------------------------------------------------------------------------------

words = st.text(max_size=60) | st.text(
    alphabet="ab <&>*_`~\n@é\u0301😀\u200d👍🏽🇩🇪שלוםمرحبا\u202e汉字\ud83d", max_size=60
)
long_words = st.builds(lambda text, times: text * times, words, st.sampled_from([1, 1, 3, 100, 400]))
ids = st.from_regex(r"[A-Za-z0-9<&][A-Za-z0-9._:<&-]{0,120}", fullmatch=True)
problems = st.builds(Problem, code=long_words, message=long_words, hint=st.none() | long_words)
resources = st.lists(st.builds(Resource, id=long_words, state=st.sampled_from(State)), max_size=6)
tasks = st.builds(
    build,
    state=st.sampled_from([state for state in State if state.terminal]),
    title=st.none() | long_words,
    task_id=ids,
    account=long_words,
    region=st.none() | long_words,
    provider_state=st.none() | long_words,
    message=st.none() | long_words,
    error=st.none() | problems,
    resources=st.builds(lambda some, times: tuple(some * times), resources, st.sampled_from([1, 50])),
    polls=st.integers(0, 10**6),
)
relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def all_texts(blocks: list[dict[str, Any]]) -> list[str]:
    objects = [
        one for block in blocks for one in (block.get("text"), *block.get("fields", ()), *block.get("elements", ()))
    ]
    return [one["text"] for one in objects if one]


@given(tasks)
@relaxed
def test_no_message_is_beyond_slacks_limits(task: Task) -> None:
    blocks = slack.blocks(task)
    for parsed in Block.parse_all(blocks):
        parsed.validate_json()
    header, facts, *sections, footer = blocks
    assert 0 < units(header["text"]["text"]) <= slack.LONGEST_HEADER
    assert all(0 < units(field["text"]) <= slack.LONGEST_FIELD for field in facts["fields"])
    assert len(facts["fields"]) <= 10
    assert all(0 < units(section["text"]["text"]) <= slack.LONGEST_SECTION for section in sections)
    assert 0 < units(footer["elements"][0]["text"]) <= slack.LONGEST_SECTION
    shown = slack.text(task)
    assert units(shown) <= slack.LONGEST_TEXT
    assert sum(map(units, all_texts(blocks))) + units(shown) <= slack.LONGEST_MESSAGE


@given(tasks)
@relaxed
def test_outcome_title_and_task_id_are_never_lost(task: Task) -> None:
    start = wording.title(task)[:20]
    plain = payload(slack.plain(OPS, task))["text"]
    for shown in ("\n".join(all_texts(slack.blocks(task))), slack.text(task), plain):
        seen = html.unescape(shown)
        assert seen.startswith(wording.outcome(task) + ": ")
        assert seen[len(wording.outcome(task)) + 2 :].startswith(start.rstrip()[:10].rstrip())
        assert task.task_id in seen


@given(tasks)
@relaxed
def test_every_message_can_be_sent_and_is_escaped(task: Task) -> None:
    body = payload(slack.request(OPS, task, START))
    assert body["text"].encode()
    for text in [body["text"], *all_texts(body["blocks"])[:-1]]:
        assert "<" not in text
        assert ">" not in text
        assert html.escape(html.unescape(text), quote=False) == text


@given(st.integers(0, 200))
@relaxed
def test_resources_that_do_not_fit_are_counted(count: int) -> None:
    bad = tuple(Resource(id=f"cpm-{n:04}", state=State.FAILED) for n in range(count))
    shown = slack.text(build(state=State.FAILED, resources=bad)).splitlines()
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
TABLE = [
    (200, "ok", D),
    (200, "ok\n", D),
    (200, '{"ok":true}', D),
    (200, '{"success":true}', D),
    (200, "", S),
    (204, "", S),
    (200, "OK!", S),
    (200, "not ok", S),
    (200, "<html>ok</html>", S),
    (200, '"ok"', S),
    (200, '{"ok":1}', S),
    (200, '{"ok":false}', S),
    (200, '{"ok":false,"error":"invalid_blocks"}', C),
    (200, '{"ok":false,"error":"channel_not_found"}', X),
    (200, "no_text", C),
    (200, "[" * 10_000, S),
    (301, "ok", X),
    (302, "", X),
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
    (503, "", S),
    (503, "ratelimited", T),
    (504, "<html>", S),
    (0, "ok", S),
    *((404, word, verdict) for word, (verdict, _) in slack.ERRORS.items()),
]


def answer(status: int, body: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status=status, headers=headers or {}, body=body.encode(), truncated=False, elapsed=0.1)


@pytest.mark.parametrize(("status", "body", "verdict"), TABLE)
def test_each_answer_has_its_verdict(status: int, body: str, verdict: Verdict) -> None:
    judgment = slack.judge(OPS, answer(status, body), START)
    assert judgment.verdict is verdict
    assert judgment.detail.startswith(f"HTTP {status}: ")


def test_the_statuses_of_the_table_are_all_tested() -> None:
    assert slack.STATUSES.keys() <= {status for status, _, _ in TABLE}


def test_a_dead_channel_is_explained() -> None:
    detail = slack.judge(OPS, answer(410, "channel_is_archived"), START).detail
    assert detail == (
        "HTTP 410: the channel is archived: unarchive it, or make a new incoming webhook and store its URL. "
        'It said: "channel_is_archived"'
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
    detail = slack.judge(OPS, answer(404, said), START).detail
    assert "SECRET" not in detail
    assert "s3cr3t" not in detail
    assert len(detail) <= answers.LONGEST_DETAIL


@given(st.integers(0, 999), st.text())
def test_nothing_but_a_confirmation_is_delivered(status: int, body: str) -> None:
    verdict = slack.judge(OPS, answer(status, body.encode(errors="replace").decode()), START).verdict
    assert verdict is not Verdict.DELIVERED or (200 <= status < 300 and body.strip() == "ok")
