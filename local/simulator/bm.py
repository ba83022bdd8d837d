"""Tencent BM, API 2.0: ``DescriptionOperationResult`` at ``/v2/index.php``."""

import hmac
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from QcloudApi.common.sign import Sign

from local.simulator.api import Admitted, Keyring, Limit, Once, Refused
from local.simulator.credentials import Credential
from local.simulator.lives import Answer, Dialect, Fault, Moment, Outcome
from local.simulator.loopback import Reply, Request, json_reply

PATH = "/v2/index.php"
ACTION = "DescriptionOperationResult"
WINDOW_SECONDS = 300

# The numbers are documented. The words beside them are not for this API; newer pages of the family add such words.
_WORDS: Mapping[str | int, str] = MappingProxyType(
    {
        4000: "InvalidParameter",
        4100: "AuthFailure",
        4200: "AuthFailure.RequestExpired",
        4300: "UnauthorizedOperation",
        4400: "InvalidRequest.LimitExceeded",
        4500: "AuthFailure.ReplayAttack",
        5000: "ResourceNotFound",
        6000: "InternalError",
        6100: "InvalidAction",
        10001: "InvalidParameter",
    }
)
_STATUS = MappingProxyType(
    {
        Outcome.CREATED: 4,
        Outcome.RUNNING: 4,
        Outcome.SUCCEEDED: 1,
        Outcome.FAILED: 2,
        Outcome.PARTIAL: 3,
        Outcome.CANCELED: 2,
        Outcome.EXPIRED: 2,
        Outcome.UNKNOWN: 9,
    }
)


class Bm:
    name = "tencent.bm"
    limit = Limit(requests=100, seconds=60)

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._keyring = Keyring(credentials, "tencent")
        self._nonces = Once(2 * WINDOW_SECONDS)

    def admit(self, request: Request, now: float) -> Admitted:
        params = _params(request)
        credential = self._authenticate(request, params, now)
        if params.get("Action") != ACTION:
            raise Refused(6100, f"The action {params.get('Action')!r} does not exist")
        if not credential.allowed:
            raise self.fault(Fault.REFUSED)
        return Admitted(task_id=_task_id(params), credential=credential, region=params.get("Region"))

    def _authenticate(self, request: Request, params: Mapping[str, str], now: float) -> Credential:
        for name in ("Action", "Timestamp", "Nonce"):
            if not params.get(name):
                raise Refused(4000, f"The parameter {name} is missing")
        credential = self._keyring.get(params.get("SecretId", ""))
        if credential is None:
            raise Refused(4100, "The SecretId does not exist")
        if not _signed(request, params, credential):
            raise Refused(4100, "The signature does not match")
        if (params.get("Token") or None) != credential.token:
            raise Refused(4100, "The token is missing or wrong")
        if credential.expired:
            raise Refused(4200, "The token has expired")
        self._check_replay(params, now)
        return credential

    def _check_replay(self, params: Mapping[str, str], now: float) -> None:
        timestamp, nonce = params["Timestamp"], params["Nonce"]
        if not (timestamp.isdigit() and nonce.isdigit() and int(nonce) > 0):
            raise Refused(4000, "Timestamp and Nonce are positive integers")
        if abs(now - int(timestamp)) > WINDOW_SECONDS:
            raise Refused(4500, "The timestamp is more than 5 minutes off")
        if not self._nonces.is_first(f"{params['SecretId']} {nonce} {timestamp}", now):
            raise Refused(4500, "The nonce was used before")

    def refusal(self, refused: Refused, request: Request) -> Reply:
        payload = {"code": refused.code, "message": refused.message, "codeDesc": _WORDS.get(refused.code, "Unknown")}
        return json_reply(payload, status=refused.status, headers=refused.headers)

    def fault(self, kind: Fault) -> Refused:
        return {
            Fault.THROTTLED: Refused(4400, "Too many requests: 100 per minute"),
            Fault.INTERNAL: Refused(6000, "Internal error, please try again later"),
            Fault.REFUSED: Refused(4300, "CAM denies this action"),
            Fault.NOT_FOUND: Refused(5000, "The task does not exist"),
        }[kind]

    def answer(self, answer: Answer, moment: Moment, admitted: Admitted) -> Reply:
        number: Any = str if answer.dialect is Dialect.STRINGS else int
        data = {"status": number(_overall(answer))} | _machines(answer, number)
        if answer.dialect is Dialect.BLANKS:
            data = {f"{name} ": value for name, value in data.items()}
        return json_reply({"code": number(0), "message": "OK", "data": data})


def _params(request: Request) -> dict[str, str]:
    """From the query of a GET or the form of a POST: the two are never mixed."""
    if request.method == "GET":
        return request.query
    if request.method == "POST" and request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    raise Refused(4000, "GET with a query, or POST with a form")


def _signed(request: Request, params: Mapping[str, str], credential: Credential) -> bool:
    unsigned = {name: value for name, value in params.items() if name != "Signature"}
    expected = Sign(credential.key_id, credential.secret).make(
        request.host, PATH, unsigned, request.method, params.get("SignatureMethod", "HmacSHA1")
    )
    return hmac.compare_digest(expected.encode(), params.get("Signature", "").encode())


def _task_id(params: Mapping[str, str]) -> str:
    task_id = params.get("taskId")
    if not task_id:
        raise Refused(4000, "The parameter taskId is missing")
    if not (task_id.isascii() and task_id.isdigit()):
        raise Refused(10001, "taskId is an integer")
    return task_id


def _overall(answer: Answer) -> int:
    if answer.outcome is not Outcome.RUNNING:
        return _STATUS[answer.outcome]
    said = {outcome for _, outcome in answer.machines}
    some_succeeded, some_failed = Outcome.SUCCEEDED in said, Outcome.FAILED in said
    return {(False, False): 4, (True, False): 5, (False, True): 6, (True, True): 7}[some_succeeded, some_failed]


def _machines(answer: Answer, number: Any) -> dict[str, Any]:
    """Per machine, under either documented name and in every documented shape."""
    blank = " " if answer.dialect is Dialect.BLANKS else ""
    items = [
        {f"instanceId{blank}": machine + blank, f"status{blank}": number(_STATUS[outcome])}
        for machine, outcome in answer.machines
    ]
    match answer.dialect:
        case Dialect.RESOURCE_IDS:
            return {"resourceIds": items}
        case Dialect.OBJECT:
            return {"resourceIds": items[0] if items else {}}
        case Dialect.KEYED:
            return {"resourceIds": {item["instanceId"]: item for item in items}}
        case Dialect.NULLS:
            return {"resourceIds": None, "instanceIds": None}
        case _:
            return {"instanceIds": items}
