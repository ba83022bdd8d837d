"""The real template, deployed by SAM CLI on the emulator, with simulated providers and real receivers on loopback."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from local.chats import TRUE_LIMITS
from local.process import free_port
from local.receiver import Message, Receiver
from local.run import serving
from local.settings import Settings
from local.simulator import ALIBABA, TENCENT, TENCENT_EXPIRED, Credential, Simulator
from local.stack import Stack

SECRET = "whsec_" + "dGhpcyBpcyBhIHNlY3JldCBvZiB0aGUgdGVzdHM="
CHAT_LIMITS = TRUE_LIMITS
"""The chat tools refuse more messages than they take, in their own ways."""
BOT_TOKEN = "xoxb-" + "simulated-bot-token"
ENDED = ("succeeded", "failed", "partial", "canceled", "timed_out", "lost", "stopped")

OVER_THE_LIMIT = ("refused RequestLimitExceeded", "refused 4400", "refused Throttling.User")
"""What the simulator says to one request too many; throttling that a task's life asks for is a ``fault``."""

QUICK_PARAMETERS = {
    "DeliveryAttempts": "3",
    "ProviderPatienceSeconds": "45",
}

LONGEST_FIRST = (
    "test_watching", "test_kills", "test_accounts", "test_cli", "test_delivering", "test_catalogue",
    "test_destinations", "test_document", "test_silence", "test_page",
)  # fmt: skip
"""Files of a minute or two. Each worker takes whole files, in this order, and the short ones at the end: whatever
long one came last, the others would wait for it. What breaks things for those who follow comes after them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


OLD_KEY = Credential("tencent", "AKIDsimulatedOldKey0000000000000000", "simulatedOldSecret00000000000000")
NEW_KEY = Credential("tencent", "AKIDsimulatedNewKey0000000000000000", "simulatedNewSecret00000000000000")


def role(credential: Credential, arn: str, url: str) -> dict[str, Any]:
    """An account without a key: its role is assumed by the key of the account that is named like its cloud."""
    return {
        "cloud": credential.cloud,
        "role_arn": arn,
        "source_account": credential.cloud,
        "endpoints": credential.account(url)["endpoints"],
    }


def config_for(sim: Simulator, rx: Receiver) -> dict[str, dict[str, dict[str, Any]]]:
    webhook = {"type": "webhook", "secret": SECRET}
    return {
        "keys": {
            "team": {"accounts": ["tencent-role"], "destinations": ["slack"], "rate": 100, "burst": 100},
            "few": {"daily_quota": 3},
            "leaver": {},
        },
        "accounts": {
            "tencent": TENCENT.account(sim.url),
            "alibaba": ALIBABA.account(sim.url),
            "expired": TENCENT_EXPIRED.account(sim.url),
            "rotated": OLD_KEY.account(sim.url),
            "tencent-role": role(TENCENT, "qcs::cam::uin/100000000001:roleName/taskhook", sim.url),
            "alibaba-role": role(ALIBABA, "acs:ram::1234567890123456:role/taskhook", sim.url),
            "forbidden-role": role(ALIBABA, "acs:ram::1234567890123456:role/forbidden", sim.url),
        },
        "destinations": {
            "default": {**webhook, "url": rx.url("/hook")},
            "slack": {"type": "slack", "url": rx.url("/slack")},
            "down": {**webhook, "url": rx.url("/hook/down")},
            "shaky": {**webhook, "url": rx.url("/hook/down/1")},
            "slow": {**webhook, "url": rx.url("/hook/slow/2")},
            "busy": {**webhook, "url": rx.url("/hook/429/1")},
            "paused": {**webhook, "url": rx.url("/hook/503/1")},
            "gone": {**webhook, "url": rx.url("/hook/gone")},
            "redirect": {**webhook, "url": rx.url("/hook/redirect")},
            "drip": {**webhook, "url": rx.url("/hook/drip")},
            "nobody": {**webhook, "url": f"http://127.0.0.1:{free_port()}/"},
            "no-service": {"type": "slack", "url": rx.url("/slack/no_service")},
            "removed": {"type": "slack", "url": rx.url("/slack/no_service")},
            "failures": {**webhook, "url": rx.url("/hook"), "filter": {"states": ["failed", "lost"]}},
            "leaving": {**webhook, "url": rx.url("/hook/gone")},
            "unheard": {**webhook, "url": rx.url("/hook/down/99"), "escalate": {"to": "oncall", "after_seconds": 3}},
            "oncall": {"type": "slack", "url": rx.url("/slack"), "language": "zh"},
            "bot": {"type": "slack_bot", "url": rx.url("/slack-api/"), "token": BOT_TOKEN, "channel": "C0123456789"},
            "robot": {"type": "dingtalk", "url": rx.url("/dingtalk?access_token=robot"), "language": "zh"},
            "discord": {"type": "discord", "url": rx.url("/discord/api/webhooks/1/discord-token")},
            "teams": {"type": "teams", "url": rx.url("/teams")},
            "feishu": {"type": "feishu", "url": rx.url("/feishu/open-apis/bot/v2/hook/feishu-token"), "language": "zh"},
            "wecom": {"type": "wecom", "url": rx.url("/wecom?key=wecom-key")},
            "events": {**webhook, "url": rx.url("/hook"), "format": "cloudevents", "progress": True},
        },
    }


@dataclass(frozen=True)
class World:
    """A running installation and everybody around it."""

    sim: Simulator
    rx: Receiver
    stack: Stack

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"x-api-key": self.stack.api_key, **options.pop("headers", {})}
        return requests.request(method, self.stack.url + path, headers=headers, timeout=60, **options)

    def post(self, provider: str, task_id: str | int, **more: Any) -> dict[str, Any]:
        """Post a task that must be taken."""
        region = {} if provider == "tencent.bm" else {"region": "cn-shanghai" if "bdrc" in provider else "ap-guangzhou"}
        answer = self.call("POST", "/tasks", json={"provider": provider, "task_id": task_id, **region, **more})
        assert answer.status_code in (200, 202), answer.text
        task: dict[str, Any] = answer.json()
        return task

    def get(self, id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/tasks/{id}")
        assert answer.status_code == 200, answer.text
        task: dict[str, Any] = answer.json()
        return task

    def wait(self, id: str, until: Callable[[dict[str, Any]], bool], seconds: float = 90) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while not until(task := self.get(id)):
            assert time.monotonic() < deadline, f"still {task}"
            time.sleep(0.25)
        return task

    def ended(self, id: str, seconds: float = 90) -> dict[str, Any]:
        return self.wait(id, lambda task: task["state"] in ENDED, seconds)

    def settled(self, id: str, seconds: float = 90) -> dict[str, Any]:
        """Ended, and every destination has been told or given up."""
        return self.wait(id, lambda task: task["state"] in ENDED and "pending" not in deliveries(task), seconds)

    def news_of(self, id: str, path: str = "/hook") -> list[Message]:
        """The webhooks on this path that speak of a task, whatever was answered."""
        return [one for one in self.rx.messages if one.path == path and one.json["data"]["id"] == id]

    def slack_of(self, text: str) -> list[Message]:
        return [one for one in self.rx.messages if one.path == "/slack" and text in one.body.decode()]

    def messages_on(self, queue_output: str) -> list[str]:
        queue = self.stack.outputs()[queue_output]
        sqs = self.stack.client("sqs")
        return [one["Body"] for one in _drain(sqs, queue)]


def _drain(sqs: Any, queue: str) -> Iterator[Mapping[str, Any]]:
    while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=1).get("Messages"):
        yield from batch
        for one in batch:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])


def deliveries(task: Mapping[str, Any]) -> list[str]:
    return [one["state"] for one in task["deliveries"]]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One installation for all tests that do not break it. The functions' IAM roles are enforced."""
    home: Path = tmp_path_factory.mktemp("home")
    before = os.environ.get("AUTH")
    os.environ["AUTH"] = "true"
    try:
        with (
            Simulator(rate_limits=True) as sim,
            Receiver(secret=SECRET, chat_token=BOT_TOKEN, chat_limits=CHAT_LIMITS) as rx,
        ):
            settings = Settings(home=home, port=0)
            with serving(settings, config=config_for(sim, rx), parameters=QUICK_PARAMETERS) as stack:
                yield World(sim, rx, stack)
            # Whatever the tests did: no provider's limit was ever exceeded.
            assert [one for one in sim.log if one.verdict in OVER_THE_LIMIT] == []
    finally:
        os.environ.pop("AUTH")
        if before is not None:
            os.environ["AUTH"] = before
