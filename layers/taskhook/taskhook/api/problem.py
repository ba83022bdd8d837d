"""Problem details (RFC 9457): what is wrong, where, and what is allowed, in words."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """A field by its path (``notify[1].url``, the empty path is the body itself) and what is wrong with it."""

    field: str
    message: str


class ProblemError(Exception):
    """An answer that is not what the caller wished for."""

    def __init__(self, status: int, detail: str, errors: list[FieldError] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors or []

    def body(self) -> dict[str, Any]:
        problem: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            problem["errors"] = [{"field": one.field, "message": one.message} for one in self.errors]
        return problem


def invalid(errors: list[FieldError], *, query: bool = False) -> ProblemError:
    """422 with every fault at once. ``query``: nothing would have been stored anyway."""
    count = len(errors)
    words = "1 field is not as it must be" if count == 1 else f"{count} fields are not as they must be"
    return ProblemError(422, f"{words}." if query else f"{words}; nothing was stored.", errors)
