"""The simulated clouds without a socket: one function from a request to a reply."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.simulator import alibaba, answering, bm, sts, tc3, v2
from local.simulator.answering import Told
from local.simulator.api import Admitted, Refused, Style
from local.simulator.credentials import KNOWN, Credential, Keyring
from local.simulator.identity import completed, identified, written
from local.simulator.limits import RateLimiter
from local.simulator.lives import HANG_SECONDS, LIVES, Answer, Course, Fault, Life, Moment, life_of, table
from local.simulator.log import Asked, Entry, RequestLog, as_json
from local.simulator.loopback import Reply, Request, json_reply, text_reply
from local.simulator.matching import Mismatch
from local.simulator.rows import Row, every
from local.simulator.sts import AssumeRole

FOR_PEOPLE = "/_"
TRAP = "/_trap"
_IN_OWN_WORDS = frozenset({Fault.THROTTLED, Fault.THROTTLED_CHARSET, Fault.INTERNAL, Fault.REFUSED, Fault.NOT_FOUND})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a task's life says to its ``poll``-th poll."""

    says: Answer | Fault
    moment: Moment
    poll: int


class Clouds:
    """Judges each request, keeps each task's course, and remembers everything in ``log``.

    ``own``: entries beside those built in, as TOML by service (``tencent.clb``). ``rate_limits``: whether the
    documented limits are enforced. ``clock`` gives Unix time; the tests turn it by hand.
    """

    def __init__(
        self,
        accounts: Iterable[Credential] = KNOWN,
        *,
        own: Mapping[str, str] | None = None,
        rate_limits: bool = False,
        hang_seconds: float = HANG_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        rows = every(own or {})
        self.log = RequestLog()
        self._keyring = Keyring(accounts)
        self._v2 = v2.V2(rows, self._keyring)
        self._tc3 = tc3.Tc3(rows, self._keyring)
        self._alibaba = alibaba.Alibaba(rows, self._keyring)
        self._limiter = RateLimiter() if rate_limits else None
        self._hang_seconds = hang_seconds
        self._clock = clock
        self._scripts: dict[str, Life] = {}
        self._courses: dict[tuple[str, str], Course] = {}
        self._lock = threading.Lock()

    def script(self, task_id: str | int, life: Life | str) -> None:
        """Gives a task a life of its own, whatever its id says; it begins anew with the next poll."""
        with self._lock:
            self._scripts[str(task_id)] = LIVES[life] if isinstance(life, str) else life
            for key in [key for key in self._courses if key[1] == str(task_id)]:
                del self._courses[key]

    def admit(self, credential: Credential) -> None:
        """Accepted from now on."""
        self._keyring.admit(credential)

    def revoke(self, credential: Credential) -> None:
        """Refused as an unknown key from now on."""
        self._keyring.revoke(credential)

    def respond(self, request: Request) -> Reply:
        style = self._style_of(request)
        if style is None:
            return self._for_people(request)
        now = self._clock()
        found = _found(style, request)
        name = style.cloud if isinstance(found, Refused) else found.name
        try:
            return self._serve(style, found, request, now)
        except Mismatch as mismatch:
            refused = style.mismatch(mismatch)
        except Refused as error:
            refused = error
        reply = style.refusal(refused, request)
        self._note(name, request, reply, now, verdict=f"refused {refused.code}")
        return reply

    def _style_of(self, request: Request) -> Style | None:
        if request.path.startswith(FOR_PEOPLE):
            return None
        if request.path == v2.PATH:
            return self._v2
        if self._alibaba.is_for(request):
            return self._alibaba
        return self._tc3 if request.path == tc3.PATH else None

    def _serve(self, style: Style, found: Row | AssumeRole | Refused, request: Request, now: float) -> Reply:
        credential = style.authenticate(request, now)
        if isinstance(found, Refused):
            raise found
        if not credential.allowed:
            raise style.fault(Fault.REFUSED)
        if isinstance(found, AssumeRole):
            return self._issue(style, found, request, credential, now)
        admitted = self._admitted(style, found, request, credential, now)
        self._check_rate(style, found, credential, now)
        return self._live(style, found, request, admitted, now)

    def _issue(self, style: Style, api: AssumeRole, request: Request, credential: Credential, now: float) -> Reply:
        given = style.given(request, None)
        issued = sts.assumed(api, given.parameters, now, typed=given.first is None)
        if issued is None:
            raise Refused(*sts.REFUSALS[api.cloud], status=403 if api.cloud == "alibaba" else 200)
        self.admit(issued)
        reply = style.reply(sts.told(api, given.parameters, issued))
        self._note(api.name, request, reply, now, verdict="answered issued", key_id=credential.key_id)
        return reply

    def _admitted(self, style: Style, row: Row, request: Request, credential: Credential, now: float) -> Admitted:
        given = style.given(request, row)
        sent, skip = identified(row.provider, given, now)
        with self._lock:
            each = [completed(row.provider.task_id, values, self._scripts) for values in sent]
        return Admitted(
            tasks={written(row.provider.task_id, values): values for values in each},
            ids=len(each),
            credential=credential,
            region=given.region,
            skip=skip,
        )

    def _check_rate(self, style: Style, row: Row, credential: Credential, now: float) -> None:
        if self._limiter is None or row.limit is None:
            return
        if not self._limiter.allows(f"{row.provider.name} {credential.key_id}", row.limit, now):
            raise style.fault(Fault.THROTTLED)

    def _live(self, style: Style, row: Row, request: Request, admitted: Admitted, now: float) -> Reply:
        with self._lock:
            seen = {task_id: self._look(row, task_id, admitted.skip, now) for task_id in admitted.tasks}
        if len(seen) > 1:
            row = row.of_several
        fault = answering.spoilt(row, [one.says for one in seen.values()])
        if fault is None:
            told = [
                Told(values=admitted.tasks[task_id], answer=one.says, moment=one.moment)
                for task_id, one in seen.items()
                if isinstance(one.says, Answer)
            ]
            reply = style.reply(_body(row, told, admitted.skip), answering.dialect(told))
        else:
            reply = self._go_wrong(style, row, request, fault)
        asked = tuple(
            Asked(task_id=task_id, verdict=_verdict(fault or one.says), poll=one.poll) for task_id, one in seen.items()
        )
        self._note(
            row.name, request, reply, now, verdict=", ".join(dict.fromkeys(one.verdict for one in asked)),
            asked=asked, ids=admitted.ids, key_id=admitted.credential.key_id, region=admitted.region,
        )  # fmt: skip
        return reply

    def _look(self, row: Row, task_id: str, skip: int, now: float) -> _Seen:
        course = self._course(row, task_id, now)
        # The later pages of an answer belong to the poll that asked for the first.
        says, moment = course.advance(now) if skip == 0 else course.again(now)
        return _Seen(says=says, moment=moment, poll=course.polls)

    def _course(self, row: Row, task_id: str, now: float) -> Course:
        key = (row.provider.name, task_id)
        if key not in self._courses:
            self._courses[key] = Course(life=self._scripts.get(task_id) or life_of(task_id), born=now)
        return self._courses[key]

    def _go_wrong(self, style: Style, row: Row, request: Request, kind: Fault) -> Reply:
        nothing = answering.nothing(row) if kind is Fault.NOT_FOUND else None
        if nothing is not None:
            return style.reply(nothing)
        if kind in _IN_OWN_WORDS:
            plain = Fault.THROTTLED if kind is Fault.THROTTLED_CHARSET else kind
            reply = style.refusal(style.fault(plain, row), request)
            charset = {"Content-Type": "application/json; charset=utf-8"} if kind is Fault.THROTTLED_CHARSET else {}
            return Reply(status=reply.status, body=reply.body, headers=dict(reply.headers) | charset)
        if kind is Fault.HANG:
            return Reply(hangup=True, delay=self._hang_seconds)
        if kind is Fault.REDIRECT:
            return Reply(status=302, headers={"Location": f"http://{request.host}{TRAP}"})
        return _BROKEN[kind]

    def _note(
        self,
        api: str,
        request: Request,
        reply: Reply,
        now: float,
        *,
        verdict: str,
        asked: tuple[Asked, ...] = (),
        ids: int = 0,
        key_id: str | None = None,
        region: str | None = None,
    ) -> None:
        status = 0 if reply.hangup or reply.reset else reply.status
        task_id, poll = (asked[0].task_id, asked[0].poll) if len(asked) == 1 else (None, 0)
        self.log.add(
            Entry(
                api=api, task_id=task_id, at=now, verdict=verdict, poll=poll, status=status, method=request.method,
                key_id=key_id, region=region, ids=ids, asked=asked,
            )
        )  # fmt: skip

    def _for_people(self, request: Request) -> Reply:
        match request.path:
            case "/_lives":
                return text_reply(table())
            case "/_log" if task_id := request.query.get("task_id"):
                return json_reply(as_json(self.log.of(task_id)))
            case "/_log":
                return json_reply(self.log.summary())
        api = "trap" if request.path == TRAP else "unknown"
        reply = text_reply("Nothing here. Try /_lives or /_log\n", status=404)
        self._note(api, request, reply, self._clock(), verdict=f"{api} {request.path}")
        return reply


def _found(style: Style, request: Request) -> Row | AssumeRole | Refused:
    """What is asked for, or why it is nothing: said only to those whose signature is in order."""
    try:
        return style.find(request)
    except Refused as refused:
        return refused


def _body(row: Row, told: Sequence[Told], skip: int) -> dict[str, Any]:
    if row.provider.code == "bm":
        return bm.data(told[0].answer)
    return answering.body(row, told, skip)


def _verdict(says: Answer | Fault) -> str:
    return f"answered {says.outcome}" if isinstance(says, Answer) else f"fault {says}"


_JSON = {"Content-Type": "application/json"}
_HALF = b'{"Response": {"Status": 0, "RequestId": "3c1f'  # a hasty reader would call this a success
_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in to the network.</body></html>"
_BROKEN: Mapping[Fault, Reply] = {
    Fault.UNAVAILABLE: text_reply("upstream connect error or disconnect/reset before headers", status=503),
    Fault.HTML: Reply(body=_PAGE, headers={"Content-Type": "text/html; charset=utf-8"}),
    Fault.MALFORMED: Reply(body=_HALF + b"\n", headers=_JSON),
    Fault.TRUNCATED: Reply(body=_HALF, headers=_JSON, claims=40),
    Fault.EMPTY: Reply(headers=_JSON),
    Fault.RESET: Reply(reset=True),
}
