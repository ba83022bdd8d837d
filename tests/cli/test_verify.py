"""`taskhook verify`: genuine or not, and in which of the ways it is wrong."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from taskhook_cli.signature import HEADERS, Verdict, verify, webhook
from tests.cli.conftest import Run, Start

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "dGhpcyBpcyBhIHNlY3JldCBvZiB0aGUgdGVzdHM="
NOW = 1_614_265_400.0
# The known answer of the specification's own libraries.
BODY = b'{"test": 2432232314}'
MOMENT = datetime.fromtimestamp(1_614_265_330, UTC)
SIGNED = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def secrets(*texts: str) -> list[Webhook]:
    return [found for text in texts if (found := webhook(text))]


def check(body: bytes = BODY, *, now: float = NOW, by: tuple[str, ...] = (SECRET,), **headers: str) -> Verdict:
    given = {**SIGNED, **{f"webhook-{name}": value for name, value in headers.items()}}
    return verify(body, given, secrets(*by), now=now, tolerance=300)


def test_the_known_answer_is_genuine() -> None:
    assert check().valid
    assert "70 s ago" not in check().text
    assert "1 min 10 s ago" in check().text


WRONG = [
    ("too_old", {"now": NOW + 301}),
    ("too_new", {"now": NOW - 500}),
    ("mismatch", {"by": (OTHER,)}),
    ("mismatch", {"body": BODY.replace(b"2", b"3")}),
    ("mismatch", {"id": "msg_other"}),
    ("mismatch", {"timestamp": "1614265331"}),
    ("mismatch", {"body": b"\xff"}),
    ("mismatch", {"timestamp": "999999999999"}),
    ("body_changed", {"body": BODY + b"\n"}),
    ("body_changed", {"body": BODY + b"\r\n"}),
    ("body_changed", {"body": b"\xef\xbb\xbf" + BODY}),
    ("header_missing", {"id": ""}),
    ("header_missing", {"timestamp": ""}),
    ("header_missing", {"signature": ""}),
    ("header_wrong", {"timestamp": "yesterday"}),
    ("header_wrong", {"timestamp": "-5"}),
    ("header_wrong", {"timestamp": "9" * 40}),
    ("header_wrong", {"signature": "v2,abc"}),
    ("header_wrong", {"signature": "v1"}),
    ("mismatch", {"signature": "v1,not-base64"}),
    ("mismatch", {"signature": "v1,ü"}),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "changes"), WRONG)
def test_each_way_to_be_wrong_has_its_word(reason: str, changes: dict[str, object]) -> None:
    assert check(**changes).reason == reason  # type: ignore[arg-type]


def test_a_body_that_was_written_anew_is_recognized() -> None:
    body = b'{"a":1,"b":["x"]}'
    signature = secrets(SECRET)[0].sign("m", MOMENT, body.decode())
    headers = {"webhook-id": "m", "webhook-timestamp": "1614265330", "webhook-signature": signature}
    pretty = json.dumps(json.loads(body), indent=2).encode()
    verdict = verify(pretty, headers, secrets(SECRET), now=NOW, tolerance=300)
    assert verdict.reason == "body_changed"
    assert "written anew" in verdict.text


def test_any_signature_by_any_secret_will_do_while_one_is_rotated() -> None:
    several = "v1,AAAA v2,BBBB " + SIGNED["webhook-signature"]
    verdict = check(signature=several, by=(OTHER, SECRET))
    assert verdict.valid
    assert "secret 2 of 2" in verdict.text


@given(at=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_any_changed_bit_breaks_it(at: int, bit: int) -> None:
    changed = bytearray(BODY)
    changed[at] ^= 1 << bit
    assert not check(bytes(changed)).valid


@given(st.fixed_dictionaries({name: st.text() for name in HEADERS}), st.binary(max_size=50))
def test_nothing_that_is_received_breaks_the_check(headers: dict[str, str], body: bytes) -> None:
    assert not verify(body, headers, secrets(SECRET), now=NOW, tolerance=300).valid


RAW = "POST /hook HTTP/1.1\r\nHost: x\r\n" + "".join(f"{name.title()}: {value}\r\n" for name, value in SIGNED.items())
ENV: dict[str, str | None] = {"TASKHOOK_WEBHOOK_SECRET": SECRET, "TASKHOOK_URL": None}


def test_headers_from_a_file_and_the_body_from_standard_input(run: Run, tmp_path: Path) -> None:
    (tmp_path / "headers").write_bytes(RAW.encode())
    result = run("verify", "--headers", "headers", "--tolerance", "9999d", stdin=BODY, env=ENV)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    old = run("verify", "--headers", "headers", "--json", stdin=BODY, env=ENV)
    assert old.exit_code == 1
    assert json.loads(old.stdout)["reason"] == "too_old"


def test_headers_by_options_and_the_secret_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{OTHER}\n{SECRET}\n")
    (tmp_path / "body").write_bytes(BODY)
    id, timestamp, signature = (SIGNED[name] for name in HEADERS)
    result = run("verify", "body", "--id", id, "--timestamp", timestamp, "--signature", signature,
                 "--secret-file", "secret", "--tolerance", "9999d")  # fmt: skip
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("secret", ["whsec_!", "", "whsec_", "a"])
def test_a_secret_that_is_none_is_bad_usage_and_not_quoted(run: Run, secret: str) -> None:
    result = run("verify", "--id", "m", stdin=BODY, env={"TASKHOOK_WEBHOOK_SECRET": secret})
    assert result.exit_code == 2
    assert SECRET not in result.stderr


def test_there_is_no_option_for_a_secret(run: Run) -> None:
    for option in ("--secret", "--api-key", "--key"):
        assert run("verify", option, "x").exit_code == 2


def test_a_tool_of_its_own_needs_no_service(start: Start) -> None:
    process = start("verify", "--id", "m", env={"TASKHOOK_WEBHOOK_SECRET": SECRET, "TASKHOOK_URL": "nonsense"})
    _, errors = process.communicate(BODY.decode(), timeout=60)
    assert process.returncode == 1
    assert "webhook-timestamp and webhook-signature missing" in errors
    assert os.sep not in errors
