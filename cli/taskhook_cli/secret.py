"""The API key, which nothing shows by accident: not a repr, not a traceback, not a log."""

import re
from dataclasses import dataclass, field

_VISIBLE = re.compile(r"[\x21-\x7e]{1,512}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    _value: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _VISIBLE.fullmatch(self._value):
            # From outside of the value: an HTTP library would quote a key with a line break in its own error.
            raise ValueError("an API key has 1 to 512 visible ASCII characters and no blank")

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return "(API key)"
