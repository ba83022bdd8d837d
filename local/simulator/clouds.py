"""The simulated clouds without a socket: one function from a request to a reply."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from local.simulator import api3, bdrc, bm
from local.simulator.api import Admitted, Api, RateLimiter, Refused
from local.simulator.credentials import KNOWN, Credential
from local.simulator.lives import HANG_SECONDS, LIVES, Answer, Course, Fault, Life, life_of, table
from local.simulator.log import Entry, RequestLog, as_json
from local.simulator.loopback import Reply, Request, json_reply, text_reply

TRAP = "/_trap"
_SCOPE_SERVICE = re.compile(r"Credential=[^/]+/[^/]+/([a-z0-9]+)/tc3_request")
_IN_OWN_WORDS = frozenset({Fault.THROTTLED, Fault.THROTTLED_CHARSET, Fault.INTERNAL, Fault.REFUSED, Fault.NOT_FOUND})


class Clouds:
    """Judges each request, keeps each task's course, and remembers everything in ``log``.

    ``rate_limits``: whether the documented limits are enforced. ``clock`` gives Unix time; the tests turn it by hand.
    """

    def __init__(
        self,
        accounts: Iterable[Credential] = KNOWN,
        *,
        rate_limits: bool = False,
        hang_seconds: float = HANG_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        accounts = tuple(accounts)
        self.log = RequestLog()
        self._bm = bm.Bm(accounts)
        self._bdrc = bdrc.Bdrc(accounts)
        self._api3 = {name: api3.Api3(service, accounts) for name, service in api3.SERVICES.items()}
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

    def respond(self, request: Request) -> Reply:
        api = self._api_of(request)
        if api is None:
            return self._for_people(request)
        now = self._clock()
        try:
            admitted = api.admit(request, now)
            self._check_rate(api, admitted, now)
        except Refused as refused:
            return self._refuse(api, request, refused, now)
        return self._live(api, request, admitted, now)

    def _api_of(self, request: Request) -> Api | None:
        if request.path == bm.PATH:
            return self._bm
        if request.path.startswith(bdrc.PREFIX):
            return self._bdrc
        if request.path == api3.PATH:
            scope = _SCOPE_SERVICE.search(request.headers.get("authorization", ""))
            by_action = {one.service.action: name for name, one in self._api3.items()}
            name = scope[1] if scope else by_action.get(request.headers.get("x-tc-action", ""))
            return self._api3.get(name or "", self._api3["clb"])
        return None

    def _check_rate(self, api: Api, admitted: Admitted, now: float) -> None:
        if self._limiter is None or api.limit is None:
            return
        if not self._limiter.allows(f"{api.name} {admitted.credential.key_id}", api.limit, now):
            raise api.fault(Fault.THROTTLED)

    def _refuse(self, api: Api, request: Request, refused: Refused, now: float) -> Reply:
        reply = api.refusal(refused, request)
        self._note(api.name, request, reply, now, verdict=f"refused {refused.code}")
        return reply

    def _live(self, api: Api, request: Request, admitted: Admitted, now: float) -> Reply:
        with self._lock:
            course = self._course(api, admitted.task_id, now)
            says, moment = course.advance(now)
            poll = course.polls
        if isinstance(says, Answer):
            reply = api.answer(says, moment, admitted)
            verdict = f"answered {says.outcome}"
        else:
            reply = self._go_wrong(api, request, says, admitted, now)
            verdict = f"fault {says}"
        self._note(api.name, request, reply, now, verdict=verdict, poll=poll, admitted=admitted)
        return reply

    def _course(self, api: Api, task_id: str, now: float) -> Course:
        key = (api.name, task_id)
        if key not in self._courses:
            self._courses[key] = Course(life=self._scripts.get(task_id) or life_of(task_id), born=now)
        return self._courses[key]

    def _go_wrong(self, api: Api, request: Request, kind: Fault, admitted: Admitted, now: float) -> Reply:
        if kind in _IN_OWN_WORDS:
            plain = Fault.THROTTLED if kind is Fault.THROTTLED_CHARSET else kind
            reply = api.refusal(api.fault(plain), request)
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
        poll: int = 0,
        admitted: Admitted | None = None,
    ) -> None:
        self.log.add(
            Entry(
                api=api,
                task_id=admitted.task_id if admitted else None,
                at=now,
                verdict=verdict,
                poll=poll,
                status=0 if reply.hangup or reply.reset else reply.status,
                method=request.method,
                key_id=admitted.credential.key_id if admitted else None,
                region=admitted.region if admitted else None,
            )
        )

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
