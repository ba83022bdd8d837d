"""Plays chat services, as faithfully as their documentation and those who use them tell: the receiver serves this.

| path | plays |
|---|---|
| `/slack-api/chat.postMessage`, `/slack-api/chat.update` | Slack's methods: want a bearer token, remember messages |
| `/discord`, `/discord/...` | a webhook: 204, with `?wait=true` 200 and the message; `PATCH .../messages/ID` edits it |
| `/teams` | a workflow: 202 before anybody has looked at the card |
| `/dingtalk`, `/dingtalk/...` | a robot: HTTP 200 with an `errcode`; checks keyword, sign, size, type |
| `/feishu`, `/feishu/...` | a bot: HTTP 200 with a `code`; checks keyword, sign, size, type |
| `/wecom`, `/wecom/...` | a robot: HTTP 200 with an `errcode`; checks type and bytes |
| `/dingtalk/310000`, `/feishu/19021`, `/wecom/45009`, ... | always that code, in the words of that service |
| `/dingtalk/310000/sign`, `/dingtalk/310000/ip` | the other two meanings of 310000 |
| `/discord/404`, `/teams/413`, ... | always that status, in the words of that service; 429 with a time to wait |
| `/slack-api/invalid_auth/chat.postMessage`, ... | always that error; `ratelimited` is a 429 |

A service with a limit counts the messages that it has taken from each robot (Slack: in each channel) in a window that
slides, and answers those above it with its own code. What DingTalk does besides, to be silent for ten minutes, is not
played. The signatures are written from the documents' formulas, and not with the code that they are to check.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from local.simulator.loopback import Reply, Request, json_reply, text_reply

TOOLS = ("slack-api", "discord", "teams", "dingtalk", "feishu", "wecom")
TRUE_LIMITS: Mapping[str, tuple[int, float]] = {
    "slack-api": (1, 1.0),
    "discord": (5, 2.0),
    "teams": (4, 1.0),
    "dingtalk": (20, 60.0),
    "feishu": (100, 60.0),
    "wecom": (20, 60.0),
}
"""Messages and seconds. Discord's differ from day to day; its headers name them."""

CLOCK_SECONDS = 3600
"""How far a signature's time may be from now."""

DINGTALK_BYTES = 20_000
FEISHU_BYTES = 20 * 1024
TEAMS_BYTES = 28 * 1024
WECOM_BYTES = {"text": 2048, "markdown": 4096}

type Payload = dict[str, Any]
type Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A message in a channel, as it stands. ``thread`` is the id of the message that it replies to."""

    tool: str
    channel: str
    id: str
    payload: Payload
    thread: str | None = None
    edits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the owner of a robot has set. ``limit``: so many messages in so many seconds."""

    secret: str | None = None
    keyword: str | None = None
    limit: tuple[int, float] | None = None


@dataclass(slots=True)
class Channels:
    """What all services remember. Its methods may be called by several threads."""

    clock: Clock
    lock: threading.Lock = field(default_factory=threading.Lock)
    messages: dict[tuple[str, str], Posted] = field(default_factory=dict)
    taken: dict[tuple[str, str], deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def post(self, tool: str, channel: str, payload: Payload, thread: str | None = None) -> Posted:
        with self.lock:
            number = len(self.messages) + 1
            id = f"{int(self.clock())}.{number:06d}" if tool == "slack-api" else str(10**18 + number)
            message = Posted(tool=tool, channel=channel, id=id, payload=payload, thread=thread)
            self.messages[tool, id] = message
            return message

    def edit(self, tool: str, id: str, payload: Payload) -> Posted | None:
        with self.lock:
            found = self.messages.get((tool, id))
            if found:
                found = replace(found, payload=payload, edits=found.edits + 1)
                self.messages[tool, id] = found
            return found

    def wait(self, tool: str, robot: str, limit: tuple[int, float] | None) -> float:
        """0.0, and the message is counted; or the seconds until there is room for another."""
        if limit is None:
            return 0.0
        most, seconds = limit
        now = self.clock()
        with self.lock:
            times = self.taken[tool, robot]
            while times and times[0] <= now - seconds:
                times.popleft()
            if len(times) >= most:
                return times[0] + seconds - now
            times.append(now)
        return 0.0


class Chats:
    """All services at once. The arguments map names of ``TOOLS``; ``token`` is the only one that Slack then takes."""

    def __init__(
        self,
        *,
        secrets: Mapping[str, str] | None = None,
        keywords: Mapping[str, str] | None = None,
        limits: Mapping[str, tuple[int, float]] | None = None,
        token: str | None = None,
        clock: Clock = time.time,
    ) -> None:
        self._channels = Channels(clock)
        self._token = token
        self._rules = {
            tool: Rules(
                secret=(secrets or {}).get(tool), keyword=(keywords or {}).get(tool), limit=(limits or {}).get(tool)
            )
            for tool in TOOLS
        }

    def posted(self, tool: str) -> list[Posted]:
        """The messages in the channels of one service, as people see them now."""
        with self._channels.lock:
            return [one for one in self._channels.messages.values() if one.tool == tool]

    def plays(self, request: Request) -> bool:
        return _tool(request) in TOOLS

    def verify(self, request: Request) -> bool | None:
        """Whether the signature is right; None where none is asked for."""
        secret = self._rules[_tool(request)].secret
        check = _SIGNATURES.get(_tool(request))
        return check(request, secret, self._channels.clock()) if check and secret else None

    def respond(self, request: Request) -> Reply:
        tool = _tool(request)
        rules = self._rules[tool]
        if tool == "slack-api":
            return _slack(request, self._channels, rules, self._token)
        if fault := _FAULT.match(request.path):
            return _ERRORS[tool](fault["code"], fault["more"])
        if request.method == "PATCH":
            return _discord_edit(request, self._channels) if tool == "discord" else text_reply("no", status=405)
        wrong = _CHECKS[tool](request, rules, self.verify(request))
        if wrong:
            return wrong
        wait = self._channels.wait(tool, _robot(request), rules.limit)
        return _BUSY[tool](wait) if wait else _taken(tool, request, self._channels)


def _tool(request: Request) -> str:
    return request.path.split("/")[1]


def _robot(request: Request) -> str:
    query = request.query
    return query.get("access_token") or query.get("key") or request.path


_FAULT = re.compile(r"/[a-z-]+/(?P<code>-?\d+)(?:/(?P<more>[a-z]+))?(?:/|$)")


def _payload(request: Request) -> Payload | None:
    try:
        found = json.loads(request.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _part(payload: Payload, name: str) -> Payload:
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


# --- signatures ------------------------------------------------------------------------------------------------------


def _dingtalk_sign(request: Request, secret: str, now: float) -> bool:
    """By the document: sign = urlEncode(base64(HmacSHA256(key: secret, message: milliseconds + "\\n" + secret)))."""
    # Decoded once, as their gateway does: a sign that was encoded twice does not match.
    milliseconds = request.query.get("timestamp", "")
    if not milliseconds.isascii() or not milliseconds.isdigit() or abs(int(milliseconds) / 1000 - now) > CLOCK_SECONDS:
        return False
    message = (milliseconds + "\n" + secret).encode("utf-8")
    expected = base64.b64encode(hmac.new(secret.encode("utf-8"), message, digestmod=hashlib.sha256).digest())
    return hmac.compare_digest(expected, request.query.get("sign", "").encode())


def _feishu_sign(request: Request, secret: str, now: float) -> bool:
    """By the document: sign = base64(HmacSHA256(key: seconds + "\\n" + secret, message: none)), in the body."""
    payload = _payload(request) or {}
    seconds = str(payload.get("timestamp", ""))
    if not seconds.isascii() or not seconds.isdigit() or abs(int(seconds) - now) > CLOCK_SECONDS:
        return False
    key = (seconds + "\n" + secret).encode("utf-8")
    expected = base64.b64encode(hmac.new(key, digestmod=hashlib.sha256).digest())
    return hmac.compare_digest(expected, str(payload.get("sign", "")).encode())


_SIGNATURES: Mapping[str, Callable[[Request, str, float], bool]] = {
    "dingtalk": _dingtalk_sign,
    "feishu": _feishu_sign,
}


# --- answers ---------------------------------------------------------------------------------------------------------

_DINGTALK_WORDS = {
    "-1": "系统繁忙",
    "40035": "缺少参数 json",
    "43004": "无效的HTTP HEADER Content-Type",
    "130101": "send too fast, exceed 20 times per minute",
    "300005": "token is not exist",
    "310000": "keywords not in content, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]",
    "400013": "群已被解散",
    "400101": "access_token不存在",
    "400102": "机器人已停用",
    "400106": "机器人不存在",
    "460101": "message too long, exceed 20000 bytes",
}
_DINGTALK_REFUSALS = {
    "sign": "description:机器人发送签名不匹配;solution:请确认签名和生成签名的时间戳必须都放在调用的网址中;",
    "ip": "ip 127.0.0.1 not in whitelist, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]",
}
_FEISHU_WORDS = {
    "9499": "Bad Request",
    "11232": "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]",
    "11310": "card contains too many tables",
    "19001": "param invalid: incoming webhook access token invalid",
    "19002": "params error, msg_type need",
    "19021": "sign match fail or timestamp is not within one hour from current time",
    "19022": "Ip Not Allowed",
    "19024": "Key Words Not Found",
    "19036": "card content too large",
}
_WECOM_WORDS = {
    "-1": "system busy",
    "40008": "invalid message type",
    "40058": "invalid Request Parameter",
    "44004": "empty content",
    "45009": "api freq out of limit",
    "47001": "data format error",
    "93000": "invalid webhook url",
}
_TEAMS_CODES = {
    "400": "TriggerInputSchemaMismatch",
    "401": "DirectApiAuthorizationRequired",
    "404": "WorkflowNotFound",
    "413": "RequestEntityTooLarge",
}
_DISCORD_CODES = {400: 50035, 401: 50027, 403: 50013, 404: 10015}
_DISCORD_WORDS = {400: "Invalid Form Body", 401: "Invalid Webhook Token", 404: "Unknown Webhook"}


def _dingtalk_error(code: str, more: str | None = None) -> Reply:
    words = _DINGTALK_REFUSALS.get(more or "") or _DINGTALK_WORDS.get(code, "error")
    return json_reply({"errcode": int(code), "errmsg": words})


def _feishu_error(code: str, more: str | None = None) -> Reply:
    words = _FEISHU_WORDS["11232"] if more == "limited" else _FEISHU_WORDS.get(code, "error")
    return json_reply({"code": int(code), "data": {}, "msg": words})


def _wecom_error(code: str, more: str | None = None) -> Reply:
    words = (more + ". " if more else "") + _WECOM_WORDS.get(code, "error")
    hint = "hint: [1795000000123456789012345], from ip: 127.0.0.1"
    about = f"more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
    return json_reply({"errcode": int(code), "errmsg": f"{words}, {hint}, {about}"})


def _discord_error(code: str, more: str | None = None) -> Reply:
    status = int(code)
    if status == 429:
        return _discord_busy(1.0)
    words = _DISCORD_WORDS.get(status, f"{status}: error")
    return json_reply({"message": words, "code": _DISCORD_CODES.get(status, 0)}, status=status)


def _teams_error(code: str, more: str | None = None) -> Reply:
    if code == "429":
        return _teams_busy(1.0)
    error = {"code": _TEAMS_CODES.get(code, "InternalServerError"), "message": "The request failed."}
    return json_reply({"error": error}, status=int(code))


def _discord_busy(wait: float) -> Reply:
    headers = {"Retry-After": str(_whole(wait)), "X-RateLimit-Remaining": "0", "X-RateLimit-Scope": "shared"}
    words = {"message": "You are being rate limited.", "retry_after": round(wait, 3), "global": False}
    return json_reply(words, status=429, headers=headers)


def _teams_busy(wait: float) -> Reply:
    words = {"error": {"code": "RequestRateTooLarge", "message": "Rate limit is exceeded."}}
    return json_reply(words, status=429, headers={"Retry-After": str(_whole(wait))})


def _whole(seconds: float) -> int:
    return max(1, int(seconds + 0.999))


type Error = Callable[[str, str | None], Reply]

_ERRORS: Mapping[str, Error] = {
    "discord": _discord_error,
    "teams": _teams_error,
    "dingtalk": _dingtalk_error,
    "feishu": _feishu_error,
    "wecom": _wecom_error,
}
_BUSY: Mapping[str, Callable[[float], Reply]] = {
    "discord": _discord_busy,
    "teams": _teams_busy,
    "dingtalk": lambda _: _dingtalk_error("130101"),
    "feishu": lambda _: _feishu_error("11232"),
    "wecom": lambda _: _wecom_error("45009"),
}


def _taken(tool: str, request: Request, channels: Channels) -> Reply:
    message = channels.post(tool, _robot(request), _payload(request) or {})
    match tool:
        case "discord" if request.query.get("wait") in ("true", "1", ""):
            return json_reply({"id": message.id, "channel_id": "42", **message.payload})
        case "discord":
            return Reply(status=204)
        case "teams":
            return Reply(status=202)
        case "feishu":
            return json_reply({"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"})
    return json_reply({"errcode": 0, "errmsg": "ok"})


# --- what each service looks at --------------------------------------------------------------------------------------


def _check_dingtalk(request: Request, rules: Rules, verified: bool | None) -> Reply | None:
    payload = _payload(request)
    if "json" not in request.headers.get("content-type", ""):
        return _dingtalk_error("43004")
    if verified is False:
        return _dingtalk_error("310000", "sign")
    if payload is None or payload.get("msgtype") not in ("text", "markdown"):
        return _dingtalk_error("40035")
    if len(request.body) > DINGTALK_BYTES:
        return _dingtalk_error("460101")
    if not render(payload).strip():
        return _dingtalk_error("40035")
    return _dingtalk_error("310000") if (rules.keyword or "") not in render(payload) else None


def _check_feishu(request: Request, rules: Rules, verified: bool | None) -> Reply | None:
    payload = _payload(request)
    if payload is None or len(request.body) > FEISHU_BYTES:
        return _feishu_error("9499")
    if verified is False:
        return _feishu_error("19021")
    if payload.get("msg_type") not in ("text", "interactive") or not render(payload).strip():
        return _feishu_error("19002")
    return _feishu_error("19024") if (rules.keyword or "") not in render(payload) else None


def _check_wecom(request: Request, rules: Rules, verified: bool | None) -> Reply | None:
    payload = _payload(request)
    if payload is None:
        return _wecom_error("47001")
    kind = str(payload.get("msgtype"))
    if kind not in WECOM_BYTES:
        return _wecom_error("40008")
    content = _part(payload, kind).get("content")
    if not isinstance(content, str) or not content.strip():
        return _wecom_error("44004")
    if len(content.encode()) > WECOM_BYTES[kind]:
        return _wecom_error("40058", f"{kind}.content exceed max length {WECOM_BYTES[kind]}")
    return None


def _check_discord(request: Request, rules: Rules, verified: bool | None) -> Reply | None:
    payload = _payload(request)
    if payload is None or not _fits_discord(payload):
        return _discord_error("400")
    if not payload.get("content") and not payload.get("embeds"):
        return json_reply({"message": "Cannot send an empty message", "code": 50006}, status=400)
    return None


def _fits_discord(payload: Payload) -> bool:
    embeds = payload.get("embeds", [])
    texts = [text for embed in embeds for text in _embed_texts(embed)]
    return (
        _size(payload.get("content")) <= 2000
        and len(embeds) <= 10
        and all(_size(embed.get("title")) <= 256 for embed in embeds)
        and all(_size(embed.get("description")) <= 4096 for embed in embeds)
        and all(len(embed.get("fields", [])) <= 25 for embed in embeds)
        and all(
            0 < _size(one.get("name")) <= 256 and 0 < _size(one.get("value")) <= 1024
            for embed in embeds
            for one in embed.get("fields", [])
        )
        and sum(map(_size, texts)) <= 6000
    )


def _embed_texts(embed: Payload) -> list[str]:
    fields = [str(one.get(part, "")) for one in embed.get("fields", []) for part in ("name", "value")]
    footer = str(_part(embed, "footer").get("text", ""))
    return [str(embed.get("title") or ""), str(embed.get("description") or ""), *fields, footer]


def _size(text: Any) -> int:
    """In UTF-16, which is the longer way to count."""
    return len(text.encode("utf-16-le")) // 2 if isinstance(text, str) else 0


def _check_teams(request: Request, rules: Rules, verified: bool | None) -> Reply | None:
    """A workflow answers before it looks into the card; what it cannot take at all it says at once."""
    if len(request.body) > TEAMS_BYTES:
        return _teams_error("413")
    payload = _payload(request)
    attachments = (payload or {}).get("attachments")
    if not isinstance(attachments, list) or not attachments:
        return _teams_error("400")
    return None


type Check = Callable[[Request, Rules, bool | None], Reply | None]

_CHECKS: Mapping[str, Check] = {
    "discord": _check_discord,
    "teams": _check_teams,
    "dingtalk": _check_dingtalk,
    "feishu": _check_feishu,
    "wecom": _check_wecom,
}


def _discord_edit(request: Request, channels: Channels) -> Reply:
    wrong = _check_discord(request, Rules(), None)
    if wrong:
        return wrong
    message = channels.edit("discord", request.path.rpartition("/messages/")[2], _payload(request) or {})
    if not message:
        return json_reply({"message": "Unknown Message", "code": 10008}, status=404)
    return json_reply({"id": message.id, "channel_id": "42", **message.payload})


# --- Slack's methods -------------------------------------------------------------------------------------------------


def _slack(request: Request, channels: Channels, rules: Rules, token: str | None) -> Reply:
    *faults, method = request.path.split("/")[2:]
    if faults:
        return _slack_error(faults[0])
    payload = _payload(request) or {}
    wrong = _slack_caller(request, token) or _slack_content(payload)
    if wrong:
        return _slack_error(wrong)
    match method:
        case "chat.postMessage":
            return _slack_post(payload, channels, rules)
        case "chat.update":
            return _slack_update(payload, channels)
    return _slack_error("unknown_method")


def _slack_error(word: str, wait: float = 1.0) -> Reply:
    if word in ("ratelimited", "rate_limited"):
        return json_reply({"ok": False, "error": word}, status=429, headers={"Retry-After": str(_whole(wait))})
    return json_reply({"ok": False, "error": word})


def _slack_caller(request: Request, token: str | None) -> str | None:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.casefold() != "bearer" or not given:
        return "not_authed"
    good = given == token if token else given.startswith("xoxb-")
    return None if good else "invalid_auth"


def _slack_content(payload: Payload) -> str | None:
    blocks = payload.get("blocks") or []
    if not payload.get("channel"):
        return "channel_not_found"
    if not payload.get("text") and not blocks:
        return "no_text"
    if _size(payload.get("text")) > 40_000:
        return "msg_too_long"
    return None if len(blocks) <= 50 and all(map(_fits_slack, blocks)) else "invalid_blocks"


def _fits_slack(block: Payload) -> bool:
    fields = block.get("fields", [])
    most = {"header": 150, "section": 3000}.get(str(block.get("type")), 12_000)
    return (
        _size(_part(block, "text").get("text")) <= most
        and len(fields) <= 10
        and all(0 < _size(one.get("text")) <= 2000 for one in fields)
    )


def _slack_post(payload: Payload, channels: Channels, rules: Rules) -> Reply:
    channel = _channel_id(str(payload["channel"]))
    wait = channels.wait("slack-api", channel, rules.limit)
    if wait:
        return _slack_error("ratelimited", wait)
    message = channels.post("slack-api", channel, payload, payload.get("thread_ts"))
    return json_reply({"ok": True, "channel": channel, "ts": message.id, "message": _slack_message(message)})


def _slack_update(payload: Payload, channels: Channels) -> Reply:
    if str(payload["channel"]).startswith("#"):
        return _slack_error("channel_not_found")  # an edit wants the id
    message = channels.edit("slack-api", str(payload.get("ts")), payload)
    if not message:
        return _slack_error("message_not_found")
    return json_reply({"ok": True, "channel": message.channel, "ts": message.id, "text": payload.get("text")})


def _slack_message(message: Posted) -> Payload:
    thread = {"thread_ts": message.thread} if message.thread else {}
    return {"type": "message", "text": message.payload.get("text", ""), "ts": message.id, **thread}


def _channel_id(channel: str) -> str:
    """Slack names a channel by its id, whatever it was called in the request."""
    if not channel.startswith("#"):
        return channel
    return "C" + hashlib.sha256(channel.encode()).hexdigest()[:10].upper()


# --- for people ------------------------------------------------------------------------------------------------------


def render(payload: Payload) -> str:
    """All the text that a message of any service but Slack shows, in the order in which people read it."""
    return "\n".join(_texts(payload))


def _texts(part: Any) -> list[str]:
    match part:
        case {"msgtype": "markdown", "markdown": {"title": str(title), "text": str(text)}}:
            return [text] if text.removeprefix("### ").startswith(title) else [title, text]
        case {"msgtype": "text", "text": {"content": str(text)}}:
            return [text]
        case {"msgtype": "markdown", "markdown": {"content": str(text)}}:
            return [text]
        case {"msg_type": "text", "content": {"text": str(text)}} | {"tag": "plain_text" | "lark_md", "content": text}:
            return [str(text)]
        case {"type": "TextBlock" | "TextRun", "text": str(text)}:
            return [text]
        case {"name": str(name), "value": str(value)} | {"title": str(name), "value": str(value)}:
            return [f"{name}: {value}"]
        case dict():
            plain = [str(part[name]) for name in ("content", "title", "description") if isinstance(part.get(name), str)]
            return plain + [text for one in part.values() if isinstance(one, dict | list) for text in _texts(one)]
        case list():
            return [text for one in part for text in _texts(one)]
    return []
