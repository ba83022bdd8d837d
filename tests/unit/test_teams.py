import json
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from taskhook import destinations
from taskhook.destinations import Destination, Verdict, answers, teams, wording
from taskhook.destinations.model import Language
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
)

WORKFLOW = "https://default0a1b.73.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows"
URL = f"{WORKFLOW}/0a1b2c/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Frun&sv=1.0&sig=s3cr3ts3cr3t"
OPS = Destination(name="ops", type="teams", url=URL)
ZH = Language.CHINESE


def elements(request: requests.Request) -> list[dict[str, Any]]:
    (attachment,) = sent(request)["attachments"]
    body: list[dict[str, Any]] = attachment["content"]["body"]
    return body


def shown(request: requests.Request) -> list[str]:
    """Line by line; backslashes that only escape are not seen."""
    return [
        "".join(run["text"] for run in one["inlines"])
        if one["type"] == "RichTextBlock"
        else re.sub(r"\\([\\*_~`|<>\[\]()!#+-])", r"\1", one["text"])
        for one in elements(request)
    ]


# --- the message -----------------------------------------------------------------------------------------------------


def test_a_message_is_one_adaptive_card() -> None:
    message = sent(teams.request(OPS, build(), START))
    (attachment,) = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert (attachment["content"]["type"], attachment["content"]["version"]) == ("AdaptiveCard", "1.4")


def test_what_a_trigger_may_require_is_there() -> None:
    (attachment,) = sent(teams.request(OPS, build(), START))["attachments"]
    assert attachment["contentUrl"] is None


def test_a_bad_end_says_why_what_to_do_and_what_failed() -> None:
    assert shown(teams.request(OPS, partly_failed(), START)) == [
        "⚠️ Partly failed: Create listener for shop.example",
        "Provider: tencent.clb, ap-guangzhou",
        "Account: prod",
        "Task: 55c85074-3e7f-4c6d-864f-673660d4f8de",
        "Took: 3 min",
        "Why: Quota: no <b>more</b> & done",
        "What to do: Ask for a higher quota.",
        "2 of 3 did not succeed",
        "• cpm-2 failed",
        "• cpm-3 running",
        "Finished 2026-11-18 11:09:40 UTC · polled 12 times · provider state 2",
    ]


def test_the_same_in_chinese() -> None:
    chinese = replace(OPS, language=ZH)
    assert shown(teams.request(chinese, partly_failed(), START))[:2] == [
        "⚠️ 部分失败：Create listener for shop.example",
        "云服务：tencent.clb，ap-guangzhou",
    ]
    assert shown(teams.plain(chinese, partly_failed(), START))[0].startswith("⚠️ 部分失败：Create")


def test_the_last_resort_is_text_that_wraps() -> None:
    assert shown(teams.plain(OPS, partly_failed(), START)) == [
        "⚠️ Partly failed: Create listener for shop.example",
        "Task 55c85074-3e7f-4c6d-864f-673660d4f8de · tencent.clb, ap-guangzhou",
        "Quota: no <b>more</b> & done",
        "2 of 3 did not succeed",
    ]
    assert all(one["wrap"] is True for one in elements(teams.plain(OPS, partly_failed(), START)))


def test_a_task_that_goes_on_says_how_far_it_is_and_nothing_of_an_end() -> None:
    lines = shown(teams.request(OPS, running(), START))
    assert lines[4:] == [
        "Progress: ▓▓▓▓░░░░░░ 45 %",
        "Expected to end: 2026-11-18 11:16:40 UTC",
        "polled 12 times",
    ]


@pytest.mark.parametrize("text", ["[click](https://evil.example)", "![x](https://evil.example/x.png)", "**b** _i_ - l"])
def test_text_of_others_is_no_markdown(text: str) -> None:
    task = build(title=text, state=State.FAILED, error=Problem(code="", message=text))
    # Runs of text know no Markdown at all.
    assert {one["type"] for one in elements(teams.request(OPS, task, START))} == {"RichTextBlock"}
    for one in elements(teams.plain(OPS, task, START))[::2]:
        assert not re.search(r"(?<!\\)[\[\]()*_!]", one["text"])


# --- laws ------------------------------------------------------------------------------------------------------------


@given(all_tasks, languages)
@relaxed
def test_every_form_is_within_limits_and_keeps_outcome_title_and_task_id(task: Task, language: Language) -> None:
    ops = replace(OPS, language=language)
    written = [form(ops, task, START) for form in destinations.forms(ops)]
    for request in written:
        body = request.prepare().body
        assert isinstance(body, bytes)
        assert len(body) <= teams.LONGEST_BODY
        lines = shown(request)
        assert lines[0].startswith(
            wording.outcome(task, language) + wording.colon(language) + start_of(wording.title(task))
        )
        assert task.task_id in "\n".join(lines)
    sizes = [length(one) for one in written]
    # Never larger, but for the words that say how much was left out.
    assert all(after <= before + len("… and 1000 more") for before, after in pairwise(sizes))


@given(all_tasks, languages)
@relaxed
def test_no_line_is_empty(task: Task, language: Language) -> None:
    for form in destinations.forms(OPS):
        assert all(line for line in shown(form(replace(OPS, language=language), task, START)))


@given(all_tasks)
@relaxed
def test_the_last_resort_has_no_markdown(task: Task) -> None:
    for one in elements(teams.plain(OPS, task, START)):
        assert not re.search(r"[\[\]*_`~<>]", re.sub(r"\\.", "", one["text"]))


@given(some_tasks, languages)
@relaxed
def test_every_digest_is_within_limits(tasks: list[Task], language: Language) -> None:
    request = teams.digest(replace(OPS, language=language), tasks, START)
    body = request.prepare().body
    assert isinstance(body, bytes)
    assert len(body) <= teams.LONGEST_BODY
    headline, first, *_ = shown(request)
    assert f"{len(tasks)} " in headline
    assert first.startswith(start_of(wording.digest(tasks, language).lines[0]))


def test_a_digest_that_cannot_hold_all_keeps_the_failures_and_counts_the_rest() -> None:
    headline, *lines = shown(teams.digest(OPS, many(400), START))
    assert headline == "400 tasks ended: 1 failed, 399 succeeded"
    assert lines[0] == "❌ Failed: The bad one (tencent.clb, ap-guangzhou, task bad-1)"
    assert lines[-1] == f"… and {400 - len(lines) + 1} more"


def test_resources_that_do_not_fit_are_counted() -> None:
    bad = tuple(Resource(id=f"cpm-{number:04}", state=State.FAILED) for number in range(300))
    lines = shown(teams.request(OPS, build(state=State.FAILED, resources=bad), START))
    listed = [line for line in lines if line.startswith("• ")]
    assert f"… and {300 - len(listed)} more" in lines


# --- the record ------------------------------------------------------------------------------------------------------


def faults(url: str, *, allow_private: bool = False) -> list[str]:
    record = {"type": "teams", "url": url}
    return [fault.message for fault in destinations.check(record, allow_private=allow_private, resolve=False)]


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://prod-11.westeurope.logic.azure.com:443/workflows/0a1b/triggers/manual/paths/invoke?sig=s3cr3t",
        "https://proxy.example.com/teams",
        "https://webhook.office.com.example.org/x",
        "https://outlook.office.com.example.org/webhook/x",
    ],
)
def test_urls_of_workflows_are_accepted(url: str) -> None:
    assert faults(url) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://contoso.webhook.office.com/webhookb2/s3cr3t/IncomingWebhook/s3cr3t/s3cr3t",
        "https://webhook.office.com/webhookb2/s3cr3t",
        "https://CONTOSO.webhook.office.com./webhookb2/s3cr3t",
        "https://outlook.office.com/webhook/s3cr3t/IncomingWebhook/s3cr3t",
        "https://outlook.office365.com/webhook/s3cr3t",
    ],
)
def test_the_connectors_of_old_are_refused_with_what_to_do(url: str) -> None:
    (message,) = faults(url)
    assert "Workflows" in message
    assert "s3cr3t" not in message


@pytest.mark.parametrize("query", ["", "?api-version=1", "?api-version=1&sig="])
def test_a_workflow_that_would_want_a_login_is_refused(query: str) -> None:
    (message,) = faults(f"{WORKFLOW}/0a1b2c/triggers/manual/paths/invoke{query}")
    assert "sig=" in message


def test_a_local_receiver_needs_permission() -> None:
    assert faults("http://127.0.0.1:9000/teams")
    assert faults("http://127.0.0.1:9000/teams", allow_private=True) == []


# --- the answer ------------------------------------------------------------------------------------------------------

A, T, S, C, X = Verdict.ACCEPTED, Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.BAD_CONTENT, Verdict.DEAD


def refusal(code: str) -> str:
    return json.dumps({"error": {"code": code, "message": "No."}})


TABLE = [
    (202, "", A),
    (200, "", A),
    (200, "1", A),
    (200, '{"status":"ok"}', A),
    (204, "", A),
    (200, "<!DOCTYPE html><html>Sign in</html>", S),
    (202, " \n<html>", S),
    (302, "", X),
    (400, "", C),
    (400, refusal("TriggerInputSchemaMismatch"), C),
    (400, refusal("WorkflowTriggerIsNotEnabled"), X),
    (400, refusal("BrandNew"), C),
    (400, '{"error":"WorkflowTriggerIsNotEnabled"}', C),
    (400, '{"error":{"code":[]}}', C),
    (400, '["error"]', C),
    (401, "", X),
    (401, refusal("DirectApiAuthorizationRequired"), X),
    (403, "", X),
    (404, "", X),
    (410, "", X),
    (413, "", C),
    (429, "", T),
    (429, refusal("WorkflowTriggerIsNotEnabled"), T),
    (500, "", S),
    (502, refusal("NoResponse"), S),
    (503, "", S),
    (504, "", S),
    (0, "", S),
    *((400, refusal(code), row[0]) for code, row in teams.ERRORS.items()),
]


@pytest.mark.parametrize(("status", "body", "verdict"), TABLE)
def test_each_answer_has_its_verdict(status: int, body: str, verdict: Verdict) -> None:
    judgment = teams.judge(OPS, answer(status, body), START)
    assert judgment.verdict is verdict
    assert judgment.detail.startswith(f"HTTP {status}: ")
    assert judgment.detail_zh.startswith(f"HTTP {status}：")


def test_the_statuses_of_the_table_are_all_tested() -> None:
    assert teams.STATUSES.keys() <= {status for status, _, _ in TABLE}


def test_the_code_is_that_of_the_workflow_where_it_has_one() -> None:
    assert teams.judge(OPS, answer(400, refusal("BrandNew")), START).code == "BrandNew"
    assert teams.judge(OPS, answer(404, ""), START).code == "HTTP 404"
    assert teams.judge(OPS, answer(202, ""), START).code is None


def test_teams_is_asked_again_when_it_says() -> None:
    assert teams.judge(OPS, answer(429, "", {"Retry-After": "30"}), START).retry_after == 30.0


@pytest.mark.parametrize("said", [URL, "bad signature s3cr3ts3cr3t", refusal("s3cr3ts3cr3t")])
def test_a_judgment_shows_no_secret(said: str) -> None:
    judgment = teams.judge(OPS, answer(401, said), START)
    assert "s3cr3t" not in repr(judgment)
    assert max(len(judgment.detail), len(judgment.detail_zh)) <= answers.LONGEST_DETAIL


@given(st.integers(0, 999), st.text() | st.dictionaries(st.text(), st.text()).map(json.dumps))
def test_nothing_is_ever_delivered_for_certain(status: int, body: str) -> None:
    verdict = teams.judge(OPS, answer(status, body), START).verdict
    assert verdict is not Verdict.DELIVERED
    assert verdict is not A or 200 <= status < 300
