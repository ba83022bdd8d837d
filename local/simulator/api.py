"""What the styles of API share: a request is admitted or refused in the provider's own words, and answered."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from local.simulator.credentials import Cloud, Credential
from local.simulator.lives import Dialect, Fault
from local.simulator.loopback import Reply, Request
from local.simulator.matching import Given, Mismatch
from local.simulator.rows import Row
from local.simulator.sts import AssumeRole


class Refused(Exception):
    """The provider's answer to a request that it does not serve. ``status`` is the HTTP status it comes with."""

    def __init__(
        self, code: str | int, message: str, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request whose signature and parameters are in order.

    ``tasks``: by its id, the parts of each by name. ``ids`` counts those that were sent, an id that came twice too.
    ``skip`` counts the items on the pages before the one it asks for.
    """

    tasks: Mapping[str, Mapping[str, str]]
    ids: int
    credential: Credential
    region: str | None
    skip: int


class Style(Protocol):
    """How some APIs are signed and spoken. Every method may raise :class:`Refused`."""

    @property
    def cloud(self) -> Cloud: ...

    def authenticate(self, request: Request, now: float) -> Credential:
        """The credential that signed the request."""

    def find(self, request: Request) -> Row | AssumeRole:
        """What the request is for, judged by what it says of itself only."""

    def given(self, request: Request, row: Row | None) -> Given:
        """Its parameters; ``row`` is None for STS. May raise :class:`Mismatch` too."""

    def mismatch(self, mismatch: Mismatch) -> Refused:
        """How this style says that a parameter is unknown, missing or wrong."""

    def fault(self, kind: Fault, row: Row | None = None) -> Refused:
        """How this style says THROTTLED, INTERNAL, REFUSED and NOT_FOUND."""

    def refusal(self, refused: Refused, request: Request) -> Reply: ...

    def reply(self, body: Mapping[str, Any], dialect: Dialect = Dialect.PLAIN) -> Reply: ...


def request_id() -> str:
    return str(uuid.uuid4())
