"""The one door to the service: timeouts, no redirects, a bounded answer, and a bounded number of new tries."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from taskhook_cli import __version__
from taskhook_cli.config import Target, is_loopback
from taskhook_cli.errors import CommandError, FieldFault, Refused, Unreachable
from taskhook_cli.retry import backoff, is_passing, retry_after
from taskhook_cli.safe import short

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
"""For a whole answer, beside the time that the service was asked to wait."""
MOST_BYTES = 32 << 20
PATIENCE = 30.0
"""Seconds of failures that a command of one request bears."""
LONGEST_SEGMENT = 2000
"""Characters. A gateway refuses longer addresses, in words that help nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``tries`` is how many requests were made for it: beyond one, an earlier one may have done its work unseen."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    tries: int = 1

    def json(self) -> dict[str, Any]:
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise CommandError("the answer is not taskhook's: no JSON object. Is the address the right one?")
        return found

    @property
    def etag(self) -> str | None:
        return self.headers.get("ETag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. ``wait`` is how long the service may take on purpose; ``busy`` are statuses to try again."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    busy: frozenset[int] = frozenset()


_SILENT = (requests.exceptions.Timeout, TimeoutError)
_BROKEN = (
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
"""Of requests' errors, those that may be gone in a moment. All of them are OSErrors."""


class _Failure(Exception):
    """No usable answer this time. The text is for people."""

    def __init__(self, text: str, *, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait


@dataclass(slots=True)
class Client:
    """May be used by several threads. ``trouble`` hears of every failure that will be tried again."""

    target: Target
    trouble: Callable[[str], None] = lambda text: None
    patience: float = PATIENCE
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    rng: Random = field(default_factory=SystemRandom)
    _own: threading.local = field(default_factory=threading.local, repr=False)

    def send(self, call: Call, *, patience: float | None = None) -> Answer:
        """Raises Refused for a final no, and Unreachable when failures have gone on for ``patience`` seconds."""
        began, tries, allowed = self.clock(), 0, self.patience if patience is None else patience
        while True:
            tries += 1
            started = self.clock()
            try:
                return self._checked(self._exchange(call, tries))
            except _Failure as failure:
                fault = failure
            # The time in which a request is under way counts only when it has failed.
            began = started if tries == 1 else began
            wait = backoff(failures=tries, rng=self.rng, retry_after=fault.wait)
            if self.clock() + wait - began > allowed:
                raise Unreachable(f"{fault}; given up after {_times(tries)}") from None
            self.trouble(f"{fault}; trying again in {wait:.0f} s")
            self.sleep(wait)

    def _checked(self, answer: Answer) -> Answer:
        if answer.status < 300 or answer.status == 304:
            return answer
        if answer.status < 400:
            to = short(urlsplit(answer.headers.get("Location", "")).netloc, 100)
            text = f"{self.target.host} redirects{' to ' * bool(to)}{to}, and no redirect is followed with a key: "
            raise Refused(answer.status, text + "put the right address into the configuration")
        refused = refusal(answer)
        refused.tries = answer.tries
        raise refused

    def _exchange(self, call: Call, tries: int) -> Answer:
        try:
            answer = self._once(call, tries)
        except _SILENT:
            raise _Failure(f"{self.target.host} did not answer in time") from None
        except requests.exceptions.SSLError:
            raise _Failure(f"{self.target.host}: its certificate cannot be checked, or TLS failed") from None
        except _BROKEN:
            raise _Failure(f"{self.target.host} cannot be reached") from None
        except (requests.exceptions.RequestException, ValueError) as error:
            # Its text may show headers. ValueError: urllib3's own, of an address that requests has let pass.
            raise CommandError(f"the request to {self.target.host} cannot be made: {type(error).__name__}") from None
        except OSError:
            raise _Failure(f"{self.target.host} cannot be reached") from None
        if is_passing(answer.status) or answer.status in call.busy:
            wait = retry_after(answer.headers, time.time())
            raise _Failure(f"{self.target.host} answered {answer.status}{_said(answer)}", wait=wait)
        if answer.status == 200 and not answer.body:
            raise _Failure(f"the answer of {self.target.host} broke off")  # headers that end early are taken for whole
        return answer

    def _once(self, call: Call, tries: int) -> Answer:
        deadline = time.monotonic() + CONNECT_SECONDS + ANSWER_SECONDS + call.wait
        url = self.target.url + call.path + ("?" + urlencode(call.query) if call.query else "")
        headers = {"x-api-key": self.target.key.reveal(), "accept": "application/json", **call.headers}
        with self._session().request(
            call.method,
            url,
            json=call.body,
            headers=headers,
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS + call.wait),
            allow_redirects=False,
            stream=True,
        ) as response:
            body = _bounded(response, deadline)
            return Answer(
                status=response.status_code, headers=CaseInsensitiveDict(response.headers), body=body, tries=tries
            )

    def _session(self) -> requests.Session:
        """One for each thread: a session of requests is not made for several."""
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = requests.Session()
            session.headers["User-Agent"] = f"taskhook-cli/{__version__}"
            session.auth = _as_it_is  # else requests would look for a password in netrc
            # A proxy is for the way out: a plain request to this machine would hand it the key.
            session.trust_env = not is_loopback(urlsplit(self.target.url).hostname or "")
        return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _bounded(response: requests.Response, deadline: float) -> bytes:
    body = bytearray()
    for piece in response.iter_content(65_536):
        body += piece
        if len(body) > MOST_BYTES:
            raise _Failure("the answer is too long")
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body)


def _said(answer: Answer) -> str:
    try:
        detail = json.loads(answer.body)["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return f" ({short(detail, 200)})" if isinstance(detail, str) and detail else ""


def _times(count: int) -> str:
    return "one try" if count == 1 else f"{count} tries"


def refusal(answer: Answer) -> Refused:
    """The service's no, in its own words."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    return problem(found if isinstance(found, dict) else {}, answer.status)


def problem(found: Mapping[str, Any], status: int) -> Refused:
    """From a problem's members, however few there are."""
    said = found.get("detail") or found.get("title") or found.get("message")
    detail = _here(said if isinstance(said, str) else f"the service answered {status}")
    listed = found.get("errors")
    faults = [
        FieldFault(str(one.get("field", "")), _here(str(one.get("message", ""))))
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    ]
    return Refused(status, detail, faults)


def _here(text: str) -> str:
    """The service speaks of its calls; here they are commands."""
    for kind in ("destinations", "providers"):
        text = text.replace(f"GET /{kind} lists", f"`taskhook {kind}` lists")
    return text


def segment(text: str, what: str) -> str:
    """One piece of a path. Dots alone would be taken for steps in it by everything on the way."""
    if text in ("", ".", ".."):
        raise CommandError(f"'{text}' is no {what}")
    if len(quoted := quote(text.encode("utf-8", "surrogateescape"), safe="")) > LONGEST_SEGMENT:
        raise CommandError(f"no {what} is that long: {len(text)} characters")
    return quoted
