"""What `tccli` or `aliyun` printed: JSON documents, plain ids, or the words of a call that has failed."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from taskhook_cli.errors import CommandError
from taskhook_cli.safe import short

MOST_BYTES = 16 << 20
LONGEST_ID = 4096

type Value = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Either documents or plain ids."""

    documents: tuple[Any, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudError:
    """A call that failed, in the cloud's words. Its RequestId is no task."""

    code: str | None
    message: str | None
    request_id: str | None

    def __str__(self) -> str:
        said = ": ".join(part for part in (self.code, self.message) if part) or "no reason was given"
        return f"the cloud refused the call: {said}" + (f" (RequestId {self.request_id})" if self.request_id else "")


_FAILURE_WORDS = re.compile(
    r"TencentCloudSDKException|SDK\.(?:Server|Client)?Error|ServerException|ErrorCode:|^\s*(?:error|usage|traceback)\b"
    r"|^\s*\[?(?:error|fatal|exception)\b|command not found",
    re.IGNORECASE | re.MULTILINE,
)


def read_output(data: bytes) -> Output:
    """Raises CommandError where it is neither JSON nor a list of ids, with the beginning of what it is."""
    text = data.decode("utf-8-sig", errors="replace").strip()
    if not text:
        raise CommandError(
            "standard input is empty: the command before the pipe has printed nothing, and has probably failed"
        )
    documents = _documents(text)
    if documents is not None:
        return Output(documents=tuple(documents))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if _FAILURE_WORDS.search(text):
        raise CommandError("standard input is no answer but an error; nothing was submitted:\n" + _beginning(lines))
    if wrong := next((line for line in lines if not _is_id(line)), None):
        raise CommandError(
            f"standard input is neither JSON nor a list of task ids, one a line: '{short(wrong, 120)}' is no id"
        )
    return Output(ids=tuple(dict.fromkeys(lines)))


def _beginning(lines: list[str]) -> str:
    return "\n".join(f"  {short(line, 300)}" for line in lines[:6])


def _is_id(line: str) -> bool:
    return len(line) <= LONGEST_ID and not re.search(r"[\s\x00-\x1f\x7f\ufffd{}\[\]\"]", line)


def _documents(text: str) -> list[Any] | None:
    """One or several JSON objects or lists, one after the other; None for anything else."""
    try:
        found = list(_one_by_one(text))
    except (ValueError, RecursionError):
        return None
    plain = any(not isinstance(one, (dict, list)) for one in found)
    return None if plain else found


def _one_by_one(text: str) -> Iterator[Any]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        document, end = decoder.raw_decode(text, at)
        yield document
        at = end
        while at < len(text) and text[at].isspace():
            at += 1


# --- an answer that says no ------------------------------------------------------------------------------------------

_GOOD_CODES = {"", "0", "200", "201", "202", "ok", "success", "succeeded", "accepted"}


def cloud_error(document: Any) -> CloudError | None:
    """None for an answer of a call that was taken."""
    if not isinstance(document, dict):
        return None
    here = {str(name).lower(): value for name, value in document.items()}
    for inner in (here.get("response"), here.get("body")):
        if isinstance(inner, dict) and (found := cloud_error(inner)):
            return found
    return _tencent(here) or _alibaba(here)


def _tencent(here: dict[str, Any]) -> CloudError | None:
    error = here.get("error")
    if not error:
        return None
    inner = {str(name).lower(): value for name, value in error.items()} if isinstance(error, dict) else {}
    message = inner.get("message") if inner else error
    return CloudError(code=_word(inner.get("code")), message=_word(message), request_id=_word(here.get("requestid")))


def _alibaba(here: dict[str, Any]) -> CloudError | None:
    """Code and Message are also in good answers of some APIs, with a code that says so."""
    code, message, success = here.get("code"), here.get("message"), here.get("success")
    wrong = (success is False or str(success).lower() == "false") or _http_failed(here)
    if not wrong:
        said = code is not None and not isinstance(code, (dict, list)) and str(code).lower() not in _GOOD_CODES
        wrong = said and str(success).lower() != "true" and "message" in here
    if not wrong:
        return None
    reason = _word(message or here.get("errormessage") or here.get("codedesc"))
    return CloudError(
        code=_word(code or here.get("errorcode")), message=reason, request_id=_word(here.get("requestid"))
    )


def _http_failed(here: dict[str, Any]) -> bool:
    status = here.get("httpstatuscode", here.get("statuscode"))
    return isinstance(status, int) and not isinstance(status, bool) and status >= 400


def _word(value: Any) -> str | None:
    return short(value, 500) if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else None
