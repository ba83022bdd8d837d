import base64
import json
import unicodedata
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from taskhook.destinations import answers
from taskhook.destinations.model import Destination, Verdict
from taskhook.http import Answer

NOW = 1_795_000_000.0
KEY = "whsec_" + "QUJD" * 11
HOOK = Destination(
    name="ops",
    type="webhook",
    url="https://example.com/hook/T0SECRET1/s3cr3t%20path?token=s3cr3tquery&team=payments",
    secrets=(KEY,),
    headers={"Authorization": "Bearer hunter2hunter2"},
)


def answer(status: int = 200, body: str | bytes = b"", retry_after: str | None = None) -> Answer:
    headers = CaseInsensitiveDict({"retry-after": retry_after} if retry_after is not None else {})
    content = body.encode() if isinstance(body, str) else body
    return Answer(status=status, headers=headers, body=content, truncated=False, elapsed=0.1)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1.0),
        (" 30 ", 30.0),
        ("1.5", 1.5),
        ("604800", 604800.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW + 90), 90.0),
        ("Thu, 01 Jan 2099 00:00:00 GMT", None),
        (formatdate(NOW - 90, usegmt=True), None),
        ("604801", 604800.0),
        ("1795000000", None),
        ("0", None),
        ("-5", None),
        ("+5", None),
        ("5s", None),
        ("٣", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("9" * 500, None),
        ("", None),
        ("soon", None),
        ("Fri, 99 Foo 2026 10:00:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_read_leniently(value: str | None, seconds: float | None) -> None:
    assert answers.wait_asked(answer(429, retry_after=value), NOW) == seconds


@given(st.text())
def test_no_retry_after_breaks_anything(value: str) -> None:
    wait = answers.wait_asked(answer(429, retry_after=value), NOW)
    assert wait is None or 0 < wait <= answers.LONGEST_WAIT


def judged(status: int, body: str = "", retry_after: str | None = None) -> tuple[Verdict, str, float | None]:
    judgment = answers.judgment(HOOK, answer(status, body, retry_after), NOW, answers.row(status))
    return judgment.verdict, judgment.detail, judgment.retry_after


def test_a_judgment_says_it_in_words_and_quotes_the_receiver() -> None:
    assert judged(404, "No such\nhook") == (
        Verdict.DEAD,
        'HTTP 404: the receiver does not know this URL: store the right one. It said: "No such hook"',
        None,
    )


def test_a_wait_counts_only_where_there_is_another_attempt() -> None:
    assert judged(429, retry_after="7")[2] == 7.0
    assert judged(500, retry_after="7")[2] == 7.0
    assert judged(200, retry_after="7")[2] is None
    assert judged(410, retry_after="7")[2] is None


@pytest.mark.parametrize(
    ("status", "named", "code"),
    [(200, None, None), (0, None, None), (404, None, "HTTP 404"), (200, "310000", "310000"), (404, "gone", "gone")],
)
def test_a_code_is_the_receivers_own_else_the_status(status: int, named: str | None, code: str | None) -> None:
    assert answers.judgment(HOOK, answer(status), NOW, answers.row(status), code=named).code == code


def test_a_code_is_short_and_shows_no_secret() -> None:
    judgment = answers.judgment(HOOK, answer(404), NOW, answers.row(404), code="T0SECRET1\n" + "x" * 500)
    assert judgment.code is not None
    assert judgment.code.startswith("*** xx")
    assert len(judgment.code) == answers.LONGEST_CODE


def test_a_judgment_says_it_in_chinese_where_somebody_wrote_it() -> None:
    assert answers.judgment(HOOK, answer(404, "No hook"), NOW, answers.row(404)).detail_zh == (
        "HTTP 404：接收方没有这个 URL：请存入正确的 URL。对方回答：“No hook”"
    )
    assert answers.judgment(HOOK, answer(404, "No hook"), NOW, (Verdict.DEAD, "no")).detail_zh == ""


@pytest.mark.parametrize("status", [*answers.STATUSES, 100, 200, 302, 418, 500, 999, 0])
def test_every_status_is_explained_in_both_languages(status: int) -> None:
    assert all(answers.row(status))
    assert len(answers.row(status)) == 3


def test_what_a_record_of_one_type_holds_is_no_more_shown_than_the_rest() -> None:
    own = {"token": "xoxb-s3cr3t", "channel": "#deployments", "at": ["somebody"], "short": "abc"}
    bot = Destination(name="b", type="slack_bot", url="https://example.com/api/", own=own)
    said = "xoxb-s3cr3t may not post to #deployments, says abc"
    assert answers.quote(bot, answer(400, said)) == "*** may not post to #deployments, says abc"


@pytest.mark.parametrize(
    ("body", "members"),
    [
        ('{"ok": true, "ts": "1.2"}', {"ok": True, "ts": "1.2"}),
        ('{"ok": true, "ts": "1.', {"ok": True}),
        ('{"ok": true, "ts": 1', {"ok": True}),
        ('{"ok": true, "message": {"ok": false, "ts"', {"ok": True}),
        ('{"a\\"b": [1, {"c": 2}], "d": "e", ', {'a"b': [1, {"c": 2}], "d": "e"}),
        ('{"ok": tr', {}),
        ('["ok", ', {}),
        ("<html>", {}),
        ("", {}),
    ],
)
def test_the_beginning_of_a_long_answer_is_read_as_far_as_it_goes(body: str, members: dict[str, Any]) -> None:
    assert answers.json_object(replace(answer(200, body), truncated=True)) == members


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.none())), st.data())
def test_what_was_read_of_an_object_is_true(members: dict[str, Any], data: st.DataObject) -> None:
    body = json.dumps(members)
    assert answers.json_object(answer(200, body)) == members
    part = body[: data.draw(st.integers(0, len(body)))]
    found = answers.json_object(replace(answer(200, part), truncated=True))
    assert all(members[name] == value for name, value in found.items())


@given(st.text() | st.binary(), st.booleans())
def test_no_answer_breaks_the_reading(body: str | bytes, truncated: bool) -> None:
    content = body.encode(errors="replace") if isinstance(body, str) else body
    assert isinstance(answers.json_object(replace(answer(200, content), truncated=truncated)), dict)


def test_a_page_is_not_quoted() -> None:
    assert (
        judged(502, "  <!DOCTYPE html><p>Bad gateway</p>")[1]
        == "HTTP 502: the receiver is in trouble; taskhook tries again"
    )


@pytest.mark.parametrize(
    "said",
    [
        HOOK.url,
        "POST /hook/T0SECRET1/s3cr3t%20path?token=s3cr3tquery&team=payments not found",
        "no route for /hook/t0secret1/S3CR3T path",
        '{"path":"\\/hook\\/T0SECRET1\\/s3cr3t path"}',
        "unknown token s3cr3tquery",
        f"wrong key {KEY}",
        f"wrong key {KEY.removeprefix('whsec_')}",
        "bad Authorization: Bearer hunter2hunter2",
        "bad token hunter2hunter2",
        "bad token hunter2\x00hunter2",
        "x" * 90 + "T0SECRET1",
    ],
)
def test_what_is_quoted_shows_no_secret(said: str) -> None:
    detail = judged(400, said)[1].casefold()
    assert not [one for one in ("t0secret", "s3cr3t", "qujd", "hunter2") if one in detail]


def test_plain_words_of_a_url_stay_readable() -> None:
    n8n = Destination(name="n", type="webhook", url="https://n8n.example/webhook/6c9f7b1e-1234")
    said = 'The requested webhook "POST 6c9f7b1e-1234" is not registered.'
    assert answers.quote(n8n, answer(404, said)) == 'The requested webhook "POST ***" is not registered.'


@given(st.text() | st.binary(), st.integers(100, 599))
def test_a_detail_is_short_and_has_no_controls(body: str | bytes, status: int) -> None:
    content = body.encode(errors="replace") if isinstance(body, str) else body
    detail = answers.judgment(HOOK, answer(status, content), NOW, answers.row(status)).detail
    assert len(detail) <= answers.LONGEST_DETAIL
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in detail)


tokens = st.text(alphabet="abcdefghijkABCDEFGHIJK0123456789-_", min_size=8, max_size=40)


@given(tokens, tokens, st.text(max_size=60), st.text(max_size=60))
def test_no_token_survives_in_a_quote(path: str, query: str, before: str, after: str) -> None:
    destination = Destination(name="d", type="webhook", url=f"https://example.com/v1/{path}?key={query}")
    for token in (path, query):
        if token.casefold() not in (before + after).casefold():
            assert token not in answers.quote(
                destination, answer(400, f"{before}{token}{after}".encode(errors="replace"))
            )


@pytest.mark.parametrize(
    "written",
    [
        'Mk"Pa\\ss/66',
        json.dumps('Mk"Pa\\ss/66'),
        json.dumps('Mk"Pa\\ss/66').replace("/", "\\/"),
        "Mk%22Pa%5Css%2F66",
        "Mk&quot;Pa\\ss/66",
        base64.b64encode(b'Mk"Pa\\ss/66').decode(),
    ],
)
def test_a_secret_is_blotted_out_however_a_receiver_writes_it(written: str) -> None:
    own = {"auth": {"type": "basic", "username": "somebody", "password": 'Mk"Pa\\ss/66'}}
    to = Destination(name="ops", type="webhook", url="https://example.com/", own=own)
    said = answers.redact(to, f'{{"got": {written}}}')
    assert "Pa" not in said
    assert said.startswith('{"got": ')
