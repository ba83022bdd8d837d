"""What the four clients of the peer have in common."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """``endpoint`` is a base URL, empty for the provider's own."""

    key_id: str
    key_secret: str
    region: str = ""
    endpoint: str = ""

    @property
    def protocol(self) -> str:
        return urlsplit(self.endpoint).scheme or "https"

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).netloc


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The provider's own word for the status, what that means, and what it says besides."""

    word: str
    state: str
    message: str | None = None
