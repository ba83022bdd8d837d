from typing import Any

import pytest

from taskhook import destinations
from taskhook.destinations import feishu
from taskhook.destinations.model import Destination, Language, Verdict
from taskhook.states import State
from tests.chat import START
from tests.chat_tasks import answer, build, failed, payload

URL = "https://open.feishu.cn/open-apis/bot/v2/hook/t0k3n"
OPS = Destination(name="ops", type="feishu", url=URL)
CHINESE = Destination(name="ops", type="feishu", url=URL, language=Language.CHINESE)


def plain_text(content: str) -> dict[str, str]:
    return {"tag": "plain_text", "content": content}


# --- the message -----------------------------------------------------------------------------------------------------


def test_the_card_reads_at_a_glance() -> None:
    message = payload(feishu.request(OPS, failed(), START))
    assert message["msg_type"] == "interactive"
    assert message["card"]["header"] == {
        "template": "orange",
        "title": plain_text("⚠️ Partly failed: Create listener for shop.example"),
    }
    facts, reasons, bad, _, note = message["card"]["elements"]
    assert [field["text"]["content"] for field in facts["fields"]] == [
        "Provider\ntencent.clb, ap-guangzhou",
        "Account\nprod",
        "Task\n55c85074-3e7f",
        "Took\n3 min 20 s",
    ]
    assert reasons["text"] == plain_text(
        "Why: Quota_Exceeded: no ＜b＞more＜/b＞ & done\nWhat to do: Ask for a higher quota."
    )
    assert bad["text"] == plain_text("2 of 3 did not succeed:\n• cpm_2 failed\n• cpm-3 running")
    assert note["elements"] == [
        plain_text("Noticed 2026-11-18 11:10:00 UTC · seen within 50 s · polled 12 times · provider state 2")
    ]


@pytest.mark.parametrize("state", [state for state in State if state.terminal and state is not State.STOPPED])
def test_every_end_has_a_colour(state: State) -> None:
    header = payload(feishu.request(OPS, build(state=state), START))["card"]["header"]
    assert header["template"] == feishu.COLORS[state]


def test_the_smaller_card_has_one_text() -> None:
    (element,) = payload(feishu.small(OPS, build(), START))["card"]["elements"]
    assert element["text"]["content"].splitlines() == [
        "Provider: tencent.clb, ap-guangzhou",
        "Account: prod",
        "Task: 55c85074-3e7f",
        "Took: 3 min 20 s",
    ]


def test_the_last_form_is_text() -> None:
    message = payload(feishu.plain(CHINESE, build(), START))
    assert message == {
        "msg_type": "text",
        "content": {
            "text": "✅ 成功：Create listener for shop.example\n云服务：tencent.clb，ap-guangzhou\n账号：prod\n"
            "任务：55c85074-3e7f\n用时：3 分 20 秒"
        },
    }


def test_many_tasks_are_one_card() -> None:
    card = payload(feishu.digest(CHINESE, [build(), failed()], START))["card"]
    assert card["header"] == {"template": "red", "title": plain_text("2 个任务已结束：1 个部分失败，1 个成功")}
    assert card["elements"][0]["text"]["content"].splitlines() == [
        "⚠️ 部分失败：Create listener for shop.example（tencent.clb，ap-guangzhou，任务 55c85074-3e7f）",
        "✅ 成功：Create listener for shop.example（tencent.clb，ap-guangzhou，任务 55c85074-3e7f）",
    ]
    assert payload(feishu.digest(OPS, [build()], START))["card"]["header"]["template"] == "green"


# --- the signature ---------------------------------------------------------------------------------------------------

SIGNED = Destination(name="ops", type="feishu", url=URL, secrets=("demo",))


@pytest.mark.parametrize("form", feishu.CHANNEL.forms)
def test_every_form_carries_the_signature_of_the_known_answer(form: Any) -> None:
    message = payload(form(SIGNED, build(), 1599360473.9))
    assert message["timestamp"] == "1599360473"
    assert message["sign"] == "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="


def test_without_a_secret_nothing_is_signed() -> None:
    assert payload(feishu.request(OPS, build(), START)).keys() == {"msg_type", "card"}


# --- the record ------------------------------------------------------------------------------------------------------


def faults(url: str, **record: Any) -> list[str]:
    found = destinations.check({"type": "feishu", "url": url, **record}, allow_private=False, resolve=False)
    return [fault.message for fault in found]


@pytest.mark.parametrize("host", ["open.feishu.cn", "open.larksuite.com", "open.larkoffice.com"])
def test_bots_of_feishu_and_lark_are_accepted(host: str) -> None:
    assert faults(f"https://{host}/open-apis/bot/v2/hook/5f3c", secret="abc", keyword="告警") == []


@pytest.mark.parametrize(
    "url",
    [
        "https://open.feishu.cn/open-apis/bot/v2/hook/",
        "https://open.feishu.cn/open-apis/bot/hook/5f3c",
        "https://www.feishu.cn/flow/api/trigger-webhook/5f3c",
        "https://www.larksuite.com/open-apis/bot/v2/hook/5f3c",
    ],
)
def test_another_url_of_feishu_takes_no_messages(url: str) -> None:
    (message,) = faults(url)
    assert "https://open.feishu.cn/open-apis/bot/v2/hook/..." in message
    assert "5f3c" not in message


def test_a_host_that_only_ends_alike_is_somebody_else() -> None:
    assert faults("https://notfeishu.cn/any") == []


# --- the answer ------------------------------------------------------------------------------------------------------

D, T, S, C, X = Verdict.DELIVERED, Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.BAD_CONTENT, Verdict.DEAD


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ({"code": 0, "msg": "success", "data": {}}, D),
        ({"StatusCode": 0, "StatusMessage": "success"}, D),
        ({"StatusCode": 0, "StatusMessage": "success", "code": 0}, D),
        ({"code": 19001, "StatusCode": 0}, X),
        ({"code": None, "StatusCode": 0}, S),
        ({"code": 11232, "msg": "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]"}, T),
        ({"code": 9499, "msg": "Bad Request"}, C),
        ({"code": 9499, "msg": "too many request: Frequency limited"}, T),
        ({"code": 9499}, C),
        ({"code": 11310, "msg": "card contains too many tables"}, C),
        ({"code": 19001, "msg": "param invalid: incoming webhook access token invalid"}, X),
        ({"code": 19002, "msg": "params error, msg_type need"}, C),
        ({"code": 19021, "msg": "sign match fail or timestamp is not within one hour from current time"}, X),
        ({"code": 19022, "msg": "Ip Not Allowed"}, X),
        ({"code": 19024, "msg": "Key Words Not Found"}, X),
        ({"code": 19036, "msg": "card too large"}, C),
        ({"code": 2200, "msg": "Internal Error"}, S),
    ],
)
def test_each_answer_has_its_verdict(body: Any, verdict: Verdict) -> None:
    assert feishu.judge(OPS, answer(body), START).verdict is verdict


def test_every_row_is_tested() -> None:
    tested = test_each_answer_has_its_verdict.pytestmark[0].args[1]
    assert {body.get("code") for body, _ in tested} >= feishu.CODES.keys()


def test_a_wrong_signature_is_explained_in_both_languages() -> None:
    judgment = feishu.judge(OPS, answer({"code": 19021, "msg": "sign match fail"}), START)
    assert '"secret"' in judgment.detail
    assert "签名密钥" in judgment.detail_zh
