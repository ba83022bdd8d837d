from typing import Any

import pytest

from taskhook import destinations
from taskhook.destinations import dingtalk
from taskhook.destinations.model import Destination, Language, Verdict
from tests.chat import START
from tests.chat_tasks import answer, build, failed, payload

URL = "https://oapi.dingtalk.com/robot/send?access_token=t0k3n"
OPS = Destination(name="ops", type="dingtalk", url=URL)
CHINESE = Destination(name="ops", type="dingtalk", url=URL, language=Language.CHINESE)


# --- the message -----------------------------------------------------------------------------------------------------


def test_a_bad_end_says_why_what_to_do_and_what_failed() -> None:
    message = payload(dingtalk.request(OPS, failed(), START))
    assert message["msgtype"] == "markdown"
    assert message["at"] == {"isAtAll": False}
    assert message["markdown"]["title"] == "⚠️ Partly failed: Create listener for shop.example"
    assert message["markdown"]["text"].split("\n") == [
        "### ⚠️ Partly failed: Create listener for shop.example",
        "",
        "**Provider**: tencent.clb, ap-guangzhou  ",
        "**Account**: prod  ",
        "**Task**: 55c85074-3e7f  ",
        "**Took**: 3 min 20 s  ",
        r"**Why**: Quota\_Exceeded: no ＜b＞more＜/b＞ & done  ",
        "**What to do**: Ask for a higher quota.  ",
        "**2 of 3 did not succeed**:  ",
        r"• cpm\_2 failed  ",
        "• cpm-3 running  ",
        "Noticed 2026-11-18 11:10:00 UTC · seen within 50 s · polled 12 times · provider state 2",
    ]


def test_the_smaller_form_has_no_circumstances() -> None:
    text = payload(dingtalk.small(OPS, failed(), START))["markdown"]["text"]
    assert "• cpm-3 running" in text
    assert "polled" not in text


def test_the_last_form_is_text_in_which_names_can_be_copied() -> None:
    message = payload(dingtalk.plain(CHINESE, failed(), START))
    assert message["msgtype"] == "text"
    assert message["text"]["content"].split("\n") == [
        "⚠️ 部分失败：Create listener for shop.example",
        "云服务：tencent.clb，ap-guangzhou",
        "账号：prod",
        "任务：55c85074-3e7f",
        "用时：3 分 20 秒",
        "原因：Quota_Exceeded：no ＜b＞more＜/b＞ & done",
        "处理建议：Ask for a higher quota.",
        "3 个资源中有 2 个未成功：",
        "• cpm_2 失败",
        "• cpm-3 进行中",
    ]


def test_many_tasks_are_one_message() -> None:
    message = payload(dingtalk.digest(OPS, [build(), failed(), build(task_id="b_2")], START))
    assert message["markdown"] == {
        "title": "3 tasks ended: 1 partly failed, 2 succeeded",
        "text": "### 3 tasks ended: 1 partly failed, 2 succeeded\n\n"
        "⚠️ Partly failed: Create listener for shop.example (tencent.clb, ap-guangzhou, task 55c85074-3e7f)  \n"
        "✅ Succeeded: Create listener for shop.example (tencent.clb, ap-guangzhou, task 55c85074-3e7f)  \n"
        r"✅ Succeeded: Create listener for shop.example (tencent.clb, ap-guangzhou, task b\_2)",
    }


# --- the signature ---------------------------------------------------------------------------------------------------

SIGNED = Destination(name="ops", type="dingtalk", url=URL, secrets=("this is secret",))


def test_the_signature_is_that_of_the_known_answer() -> None:
    assert dingtalk.signed(SIGNED, 1577262236.757) == (
        f"{URL}&timestamp=1577262236757&sign=hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"
    )


@pytest.mark.parametrize("form", dingtalk.CHANNEL.forms)
def test_the_signature_is_encoded_once_on_the_wire(form: Any) -> None:
    url = str(form(SIGNED, build(), 1577262236.757).prepare().url)
    assert url.endswith("&sign=hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D")
    assert url.startswith(f"{URL}&timestamp=")


def test_every_message_is_signed_anew_from_the_stored_url() -> None:
    first, second = (dingtalk.request(SIGNED, build(), START + later).url for later in (0.0, 60.0))
    assert first != second
    assert first.count("sign=") == second.count("sign=") == 1


def test_a_url_without_a_query_gets_one() -> None:
    proxy = Destination(name="ops", type="dingtalk", url="https://proxy.example/ding", secrets=("SECx",))
    assert dingtalk.signed(proxy, START).startswith("https://proxy.example/ding?timestamp=1795000000000&sign=")


def test_without_a_secret_nothing_is_signed() -> None:
    assert dingtalk.request(OPS, build(), START).url == URL


# --- the record ------------------------------------------------------------------------------------------------------


def faults(**record: Any) -> list[tuple[str, str]]:
    found = destinations.check({"type": "dingtalk", "url": URL, **record}, allow_private=False, resolve=False)
    return [(fault.field, fault.message) for fault in found]


@pytest.mark.parametrize(
    "path",
    [
        "/robot/sends?access_token=x",
        "/?access_token=x",
        "/robot/send",
        "/robot/send?a=x",
        "/robot/send?access_token=",
    ],
)
def test_another_url_of_dingtalk_takes_no_messages(path: str) -> None:
    ((field, message),) = faults(url=f"https://oapi.dingtalk.com{path}")
    assert field == "url"
    assert "https://oapi.dingtalk.com/robot/send?access_token=..." in message


def test_a_url_that_is_signed_already_would_be_refused_in_an_hour() -> None:
    ((field, message),) = faults(url=f"{URL}&timestamp=1&sign=s3cr3t")
    assert field == "url"
    assert '"secret"' in message
    assert "s3cr3t" not in message


def test_a_secret_begins_with_sec() -> None:
    assert faults(secret="SECabc") == []
    ((field, message),) = faults(secret="hunter2")
    assert field == "secret"
    assert "begins with SEC" in message
    assert "hunter2" not in message


def test_a_proxy_may_have_a_secret_of_its_own() -> None:
    assert faults(url="https://proxy.example.com/ding", secret="hunter2") == []


# --- the answer ------------------------------------------------------------------------------------------------------

D, T, S, C, X = Verdict.DELIVERED, Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.BAD_CONTENT, Verdict.DEAD


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (0, D),
        (-1, S),
        (130101, T),
        (410100, T),
        (300005, X),
        (310000, X),
        (400013, X),
        (400101, X),
        (400102, X),
        (400106, X),
        (40035, C),
        (43004, C),
        (101002, C),
        (430101, C),
        (430102, C),
        (430104, C),
        (460101, C),
        (88, S),
    ],
)
def test_each_code_has_its_verdict(code: int, verdict: Verdict) -> None:
    judgment = dingtalk.judge(OPS, answer({"errcode": code, "errmsg": "any"}), START)
    assert judgment.verdict is verdict


def test_every_row_is_tested() -> None:
    tested = test_each_code_has_its_verdict.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {code for code, _ in tested} >= dingtalk.CODES.keys()


KEYWORD, SIGN, ADDRESS = "requires a keyword", "signature is not right", "IP addresses only"


@pytest.mark.parametrize(
    ("said", "meaning", "chinese"),
    [
        ("keywords not in content, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]", KEYWORD, "关键词"),
        ("description:机器人发送关键词不匹配;solution:请检查签名;", KEYWORD, "关键词"),
        ("sign not match, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]", SIGN, "签名"),
        ("invalid timestamp, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]", SIGN, "签名"),
        ("description:机器人发送签名不匹配;solution:请确认签名和生成签名的时间戳必须都放在调用的网址中;", SIGN, "签名"),
        ("description:机器人发送签名过期;solution:签名生成时间和发送时间请保持在 timestampms 以内;", SIGN, "签名"),
        ("ip 203.0.113.7 not in whitelist, more: [https://ding-doc.dingtalk.com/]", ADDRESS, "出口 IP"),
        ("description:ip不在白名单中;solution:请检查关键词;", ADDRESS, "出口 IP"),
        ("something else", "security settings", "安全设置"),
        (None, "security settings", "安全设置"),
    ],
)
def test_310000_means_three_things(said: str | None, meaning: str, chinese: str) -> None:
    judgment = dingtalk.judge(OPS, answer({"errcode": 310000, "errmsg": said}), START)
    assert judgment.verdict is X
    assert judgment.code == "310000"
    assert meaning in judgment.detail
    assert chinese in judgment.detail_zh.split("。")[0]


def test_a_missing_keyword_is_explained() -> None:
    judgment = dingtalk.judge(OPS, answer({"errcode": 310000, "errmsg": "keywords not in content"}), START)
    assert judgment.detail.startswith(
        'HTTP 200: 310000: the robot requires a keyword: add one of its keywords to the destination as "keyword". It'
    )
