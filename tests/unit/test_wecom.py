from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook import destinations
from taskhook.destinations import wecom
from taskhook.destinations.model import Destination, Language, Verdict
from taskhook.task import Task
from tests.chat import START, languages
from tests.chat_tasks import answer, build, failed, payload, tasks

URL = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=t0k3n"
OPS = Destination(name="ops", type="wecom", url=URL)
CHINESE = Destination(name="ops", type="wecom", url=URL, language=Language.CHINESE)


# --- the message -----------------------------------------------------------------------------------------------------


def test_a_bad_end_says_why_what_to_do_and_what_failed() -> None:
    message = payload(wecom.request(CHINESE, failed(), START))
    assert message["msgtype"] == "markdown"
    assert message["markdown"]["content"].split("\n") == [
        "### ⚠️ 部分失败：Create listener for shop.example",
        "**云服务**：tencent.clb，ap-guangzhou",
        "**账号**：prod",
        "**任务**：55c85074-3e7f",
        "**用时**：3 分 20 秒",
        "**原因**：Quota_Exceeded：no ＜b＞more＜/b＞ & done",
        "**处理建议**：Ask for a higher quota.",
        "**3 个资源中有 2 个未成功**：",
        "• cpm_2 失败",
        "• cpm-3 进行中",
        "发现于 2026-11-18 19:10:00（北京时间） · 50 秒内发现 · 查询 12 次 · 云服务状态 2",
    ]


def test_the_last_form_is_text() -> None:
    assert payload(wecom.plain(OPS, build(), START)) == {
        "msgtype": "text",
        "text": {
            "content": "✅ Succeeded: Create listener for shop.example\nProvider: tencent.clb, ap-guangzhou\n"
            "Account: prod\nTask: 55c85074-3e7f\nTook: 3 min 20 s"
        },
    }


def test_many_tasks_are_one_message() -> None:
    assert payload(wecom.digest(OPS, [build(), failed()], START))["markdown"]["content"].splitlines() == [
        "### 2 tasks ended: 1 partly failed, 1 succeeded",
        "⚠️ Partly failed: Create listener for shop.example (tencent.clb, ap-guangzhou, task 55c85074-3e7f)",
        "✅ Succeeded: Create listener for shop.example (tencent.clb, ap-guangzhou, task 55c85074-3e7f)",
    ]


def content(message: dict[str, Any]) -> bytes:
    kind = message["msgtype"]
    return str(message[kind]["content"]).encode()


@given(tasks, languages)
def test_no_content_has_more_bytes_than_wecom_takes(task: Task, language: Language) -> None:
    told = Destination(name="ops", type="wecom", url=URL, language=language)
    assert len(content(payload(wecom.request(told, task, START)))) <= wecom.LONGEST_MARKDOWN
    assert len(content(payload(wecom.small(told, task, START)))) <= wecom.LONGEST_MARKDOWN
    assert len(content(payload(wecom.plain(told, task, START)))) <= wecom.LONGEST_TEXT


@given(st.lists(tasks, min_size=1, max_size=8), languages)
def test_no_digest_has_more_bytes_than_wecom_takes(some: list[Task], language: Language) -> None:
    told = Destination(name="ops", type="wecom", url=URL, language=language)
    assert len(content(payload(wecom.digest(told, some, START)))) <= wecom.LONGEST_MARKDOWN


# --- the record ------------------------------------------------------------------------------------------------------


def faults(url: str, **record: Any) -> list[tuple[str, str]]:
    found = destinations.check({"type": "wecom", "url": url, **record}, allow_private=False, resolve=False)
    return [(fault.field, fault.message) for fault in found]


@pytest.mark.parametrize(
    "path",
    [
        "/cgi-bin/webhook/send",
        "/cgi-bin/webhook/send?key=",
        "/cgi-bin/message/send?key=s3c",
        "/cgi-bin/webhook/upload_media?key=s3c&type=file",
    ],
)
def test_another_url_of_wecom_takes_no_messages(path: str) -> None:
    ((field, message),) = faults(f"https://qyapi.weixin.qq.com{path}")
    assert field == "url"
    assert "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=..." in message
    assert "s3c" not in message


@pytest.mark.parametrize("field", ["secret", "keyword"])
def test_there_is_nothing_to_sign_with(field: str) -> None:
    ((named, message),) = faults(URL, **{field: "x"})
    assert named == field
    assert "is not known" in message


# --- the answer ------------------------------------------------------------------------------------------------------

D, T, S, C, X = Verdict.DELIVERED, Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.BAD_CONTENT, Verdict.DEAD


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(0, D), (-1, S), (40008, C), (40058, C), (44004, C), (45002, C), (45009, T), (93000, X), (41001, S)],
)
@pytest.mark.parametrize("said", ["ok", "invalid webhook url", "api freq out of limit"])
def test_the_code_decides_and_the_words_beside_it_never(code: int, verdict: Verdict, said: str) -> None:
    assert wecom.judge(OPS, answer({"errcode": code, "errmsg": said}), START).verdict is verdict


def test_every_row_is_tested() -> None:
    marks = test_the_code_decides_and_the_words_beside_it_never.pytestmark  # type: ignore[attr-defined]
    assert {code for mark in marks for code, *_ in mark.args[1]} >= wecom.CODES.keys()
