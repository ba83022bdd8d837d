"""Every entry reads its provider's words as its table says, everything else never as a success."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hypothesis import given, settings

from taskhook.http import Answer
from taskhook.providers import asking, reading, refusals
from taskhook.providers.model import Observation, Provider, Refusal, Table, Trouble
from taskhook.states import State
from tests.catalogue.answers import (
    NOTHING,
    answer,
    holding,
    is_list,
    item,
    look,
    refused,
    refusing,
    seen,
    trouble,
    wrapped,
)
from tests.catalogue.rows import case, each, merged, prepared, question, rows, sample_id
from tests.strategies import json_values

TABLES = {"tc3": refusals.TENCENT_V3, "v2": refusals.TENCENT_V2, "rpc": refusals.ALIBABA, "roa": refusals.ALIBABA}
THROTTLED = {
    "tc3": ["RequestLimitExceeded", "RequestLimitExceeded.UinLimitExceeded"],
    "v2": ["4400", "InvalidRequest.LimitExceeded"],
    "rpc": ["Throttling", "Throttling.User"],
    "roa": ["Throttling.Api"],
}


def written(name: str) -> Iterator[tuple[Any, State]]:
    """The words of an entry as its author wrote them."""
    for state, words in merged(name)["states"].items():
        for word in words:
            yield word, State(state)


WORDS = [case(name, word, state, id=f"{name}-{word}") for name in rows() for word, state in written(name)]


@pytest.mark.parametrize(("name", "word", "state"), WORDS)
def test_a_word_means_what_the_table_says(name: str, word: Any, state: State) -> None:
    provider = rows()[name]
    spellings = [word, str(word), str(word).upper(), str(word).lower(), f" {word} "]
    if str(word).lstrip("-").isdigit():
        spellings += [int(word), float(word)]
    for spelled in spellings:
        found = seen(provider, [spelled])
        assert (found.state, found.known) == (state, True)
        assert found.provider_state == reading.word(spelled)
    twice = {str(one).casefold() for one in merged(name).get("twice", [])}
    assert seen(provider, [word]).passing is (str(word).casefold() in twice)


NO_WORDS: tuple[Any, ...] = ("no-such-word", "", " ", 98765, -98765, 0.5, None, NOTHING, True, False, [], {}, ["x"])
NO_ANSWERS = (
    (b"<html><body>Bad Gateway</body></html>", 502),
    (b"<html><body>Welcome</body></html>", 200),
    (b"", 200),
    (b"", 500),
    (b'{"Response": {"Status": ', 200),
    (b"[]", 200),
    (b"null", 503),
    (b"{}", 500),
    (b"\xff\xfe", 200),
)


@each()
def test_what_is_no_word_of_the_table_is_running_and_unknown(name: str) -> None:
    for came in NO_WORDS:
        found = seen(rows()[name], [came])
        assert (came, found.state, found.known) == (came, State.RUNNING, False)
        assert (found.result, found.finished_at, found.error) == (None, None, None)


@each()
@settings(deadline=None, max_examples=30)
@given(value=json_values)
def test_whatever_comes_only_a_word_of_the_table_ends_a_task(name: str, value: Any) -> None:
    provider = rows()[name]
    parts = item(provider, value)
    outcome = look(provider, answer(holding(provider, [parts] if is_list(provider) else parts)))
    if isinstance(outcome, Observation) and outcome.state is not State.RUNNING:
        words = {str(word).casefold(): state for word, state in written(name)}
        assert words[str(reading.word(value)).casefold()] is outcome.state


@each()
@settings(deadline=None, max_examples=30)
@given(body=json_values)
def test_whatever_json_comes_is_no_success(name: str, body: Any) -> None:
    outcome = look(rows()[name], answer(body))
    assert isinstance(outcome, Refusal) or outcome.state is State.RUNNING


@each(choose=lambda provider: provider.at is not None)
def test_where_nothing_is_there_is_no_such_task(name: str) -> None:
    provider = rows()[name]
    nothing: tuple[Any, ...] = (NOTHING, None, [], {}, "")
    for place in nothing:
        assert (place, trouble(provider, holding(provider, place))) == (place, Trouble.NOT_FOUND)


@each(choose=lambda provider: bool(provider.where))
def test_what_is_about_another_task_is_not_taken_for_this_one(name: str) -> None:
    provider = rows()[name]
    done = next(word for word, state in written(name) if state is State.SUCCEEDED)
    going = next(word for word, state in written(name) if state is State.RUNNING)
    other = item(provider, done, of=sample_id(provider, 7))
    assert trouble(provider, holding(provider, [other])) is Trouble.NOT_FOUND
    outcome = look(provider, answer(holding(provider, [other, item(provider, going), other])))
    assert isinstance(outcome, Observation)
    assert (outcome.state, outcome.known) == (State.RUNNING, True)


@each(choose=lambda provider: provider.at is not None)
def test_a_list_is_one_task(name: str) -> None:
    provider = rows()[name]
    if not is_list(provider):
        return
    word = {state: word for word, state in written(name)}
    done = word[State.SUCCEEDED]
    assert seen(provider, [done, done]).state is State.SUCCEEDED
    assert seen(provider, [done, word[State.RUNNING]]).state is State.RUNNING
    assert seen(provider, [done, "no-such-word"]).known is False
    assert seen(provider, [done, "no-such-word"]).state is State.RUNNING
    for bad in {State.FAILED, State.CANCELED} & word.keys():
        assert seen(provider, [done, word[bad]]).state is State.PARTIAL
        assert seen(provider, [word[bad], word[bad]]).state is bad
        assert seen(provider, [word[bad], word[State.RUNNING]]).state is State.RUNNING


@each(choose=lambda provider: provider.paging is not None)
def test_later_pages_are_looked_at_before_a_task_has_ended(name: str) -> None:
    provider = rows()[name]
    paging = provider.paging
    assert paging is not None
    word = {state: word for word, state in written(name)}
    total = paging.size + 1
    first = holding(provider, [item(provider, word[State.SUCCEEDED])] * paging.size, total=total)
    last = holding(provider, [item(provider, word[State.FAILED])], total=total)
    asked: list[requests.Request] = []

    def send(request: requests.Request) -> Answer:
        asked.append(request)
        return answer(last if len(asked) > 1 else first)

    outcome = asking.look(provider, question(provider), send)
    assert isinstance(outcome, Observation)
    assert outcome.state is State.PARTIAL
    second = sent_parameters(provider, asked[1])
    name_of_page, value = (paging.offset, paging.size) if paging.offset else (paging.number, 2)
    assert (len(asked), second[str(name_of_page)]) == (2, value)


def sent_parameters(provider: Provider, request: requests.Request) -> dict[str, Any]:
    if provider.cloud == "tencent":
        return dict(request.json or {})
    return {name: int(value) for name, value in dict(request.params).items() if str(value).isdigit()}


def rows_of(provider: Provider) -> Table:
    return {**TABLES[provider.style], **provider.errors}


@each()
def test_an_error_is_the_refusal_that_its_table_says(name: str) -> None:
    provider = rows()[name]
    for code, row in rows_of(provider).items():
        found = refused(provider, *refusing(provider, code))
        assert (code, found.trouble, found.problem.hint) == (code, row.trouble, row.hint)
        assert (found.problem.code, found.problem.message) == (code, "because")


@each()
def test_an_error_beside_a_success_is_no_success(name: str) -> None:
    provider = rows()[name]
    done = item(provider, next(word for word, state in written(name) if state is State.SUCCEEDED))
    body = holding(provider, [done] if is_list(provider) else done)
    assert isinstance(look(provider, answer(body)), Observation)
    beside, status = refusing(provider, "4000" if provider.style == "v2" else "InternalError", beside=body)
    assert isinstance(look(provider, answer(beside, status)), Refusal)


@each()
def test_throttling_is_told_from_everything_else(name: str) -> None:
    provider = rows()[name]
    for code in THROTTLED[provider.style]:
        assert trouble(provider, *refusing(provider, code)) is Trouble.THROTTLED
    assert trouble(provider, b"slow down", 429) is Trouble.THROTTLED


@each()
def test_what_is_no_answer_is_asked_for_again(name: str) -> None:
    for body, status in NO_ANSWERS:
        assert (body, trouble(rows()[name], body, status)) == (body, Trouble.TRANSIENT)


@each()
def test_a_success_that_was_cut_off_or_has_an_error_status_is_none(name: str) -> None:
    provider = rows()[name]
    done = item(provider, next(word for word, state in written(name) if state is State.SUCCEEDED))
    body = holding(provider, [done] if is_list(provider) else done)
    assert trouble(provider, body, truncated=True) is Trouble.TRANSIENT
    assert trouble(provider, body, 500) is Trouble.TRANSIENT


@each()
def test_a_failure_says_why_and_what_to_do(name: str) -> None:
    provider = rows()[name]
    for word, state in written(name):
        error = seen(provider, [word]).error
        assert (error is not None) is (state in (State.FAILED, State.PARTIAL))
        assert error is None or (error.code and error.message and error.hint)


# What data says by conditions, and what code says.


@pytest.mark.parametrize(
    ("failed", "succeeded", "state"),
    [(0, 3, State.SUCCEEDED), (1, 2, State.PARTIAL), (3, 0, State.FAILED), ("0", "3", State.SUCCEEDED),
     ("1", "2", State.PARTIAL), ("3", "0", State.FAILED), (None, None, State.SUCCEEDED)],
)  # fmt: skip
@pytest.mark.xdist_group("alibaba.ecs")
def test_ecs_is_decided_by_its_counts(failed: Any, succeeded: Any, state: State) -> None:
    provider = rows()["alibaba.ecs.DescribeTaskAttribute"]
    body = {"TaskStatus": "Finished", "FailedCount": failed, "SuccessCount": succeeded}
    outcome = look(provider, answer(wrapped(provider, body)))
    assert isinstance(outcome, Observation)
    assert outcome.state is state
    going = look(provider, answer(wrapped(provider, {**body, "TaskStatus": "Processing"})))
    assert isinstance(going, Observation)
    assert going.state is State.RUNNING


@pytest.mark.xdist_group("alibaba.hbr")
@pytest.mark.parametrize(("progress", "state"), [(-1, State.FAILED), (100, State.SUCCEEDED), (None, State.SUCCEEDED)])
def test_hbr_has_failed_where_its_progress_is_less_than_nothing(progress: Any, state: State) -> None:
    provider = rows()["alibaba.hbr.DescribeTask"]
    body = {"Description": "completed", "Progress": progress}
    outcome = look(provider, answer(wrapped(provider, body)))
    assert isinstance(outcome, Observation)
    assert outcome.state is state


@each(choose=lambda provider: provider.code == "media")
@pytest.mark.parametrize(
    ("task", "state", "known"),
    [
        ({"ErrCode": 0, "ErrCodeExt": ""}, State.SUCCEEDED, True),
        ({"ErrCode": 0, "ErrCodeExt": "SUCCESS"}, State.SUCCEEDED, True),
        ({"ErrCode": 70000, "ErrCodeExt": "InternalError", "Message": "no"}, State.FAILED, True),
        ({"ErrCode": 0, "ErrCodeExt": "InternalError"}, State.FAILED, True),
        ({"Status": "FINISH"}, State.RUNNING, False),
        (None, State.RUNNING, False),
    ],
)
def test_a_media_task_that_has_ended_is_judged_by_its_codes(name: str, task: Any, state: State, known: bool) -> None:
    provider = rows()[name]
    body = {"Status": "FINISH", "TaskType": "EditMedia", "EditMediaTask": task}
    outcome = look(provider, answer(wrapped(provider, body)))
    assert isinstance(outcome, Observation)
    assert (outcome.state, outcome.known) == (state, known)


@each(choose=lambda provider: provider.code == "bm")
@pytest.mark.parametrize("member", ["instanceIds", "resourceIds"])
def test_machines_are_shown_with_their_states(name: str, member: str) -> None:
    provider = rows()[name]
    machines = [{"instanceId": "cpm-1", "status": 1}, {"instanceId": "cpm-2", "status": 2}]
    outcome = look(provider, answer(wrapped(provider, {"status": 3, member: machines})))
    assert isinstance(outcome, Observation)
    assert [(one.id, one.state) for one in outcome.resources] == [("cpm-1", State.SUCCEEDED), ("cpm-2", State.FAILED)]


def test_a_url_never_holds_a_secret() -> None:
    for provider in rows().values():
        request = prepared(provider, question(provider))
        query = parse_qs(urlsplit(str(request.url)).query)
        assert "not-a-real-secret" not in json.dumps([request.url, query, dict(request.headers)])
