"""`taskhook verify`: whether a received webhook is genuine."""

import sys
import time
from pathlib import Path

import click
from standardwebhooks import Webhook

from taskhook_cli.context import Duration, output_options
from taskhook_cli.documents import read_file, read_input
from taskhook_cli.environment import environment
from taskhook_cli.errors import UsageFault
from taskhook_cli.exits import Exit
from taskhook_cli.out import Out
from taskhook_cli.signature import HEADERS, ID, SIGNATURE, TIMESTAMP, TOLERANCE, webhook
from taskhook_cli.signature import verify as check


@click.command(
    epilog="""\b
Examples:
  taskhook verify body.json --headers headers.txt
  taskhook verify --id msg_1 --timestamp 1790000000 --signature 'v1,...' < body.json
  taskhook verify body.json --headers headers.txt --secret-file secret.txt --tolerance 30d

\b
The secret comes from TASKHOOK_WEBHOOK_SECRET, --secret-file or a prompt; several, while one is rotated,
with blanks or line breaks between. Exit status: 0 genuine, 1 not, 2 bad usage.
"""
)
@click.argument("body", default="-", type=click.Path(allow_dash=True, dir_okay=False))
@click.option("--headers", "headers_file", type=click.Path(path_type=Path), help="A file with the received headers.")
@click.option("--id", "id", help="The header webhook-id, where there is no file.")
@click.option("--timestamp", help="The header webhook-timestamp.")
@click.option("--signature", help="The header webhook-signature; may hold several.")
@click.option("--secret-file", type=click.Path(path_type=Path), help="A file with the secret, or with several.")
@click.option("--tolerance", type=Duration(), default=TOLERANCE, show_default="5m", help="How old it may be.")
@output_options
def verify(
    out: Out,
    body: str,
    headers_file: Path | None,
    id: str | None,
    timestamp: str | None,
    signature: str | None,
    secret_file: Path | None,
    tolerance: int,
) -> Exit:
    """Check a webhook that was received: its body from BODY or standard input, exactly as it came."""
    given = dict(zip((ID, TIMESTAMP, SIGNATURE), (id, timestamp, signature), strict=True))
    headers = _headers(headers_file) | {name: value for name, value in given.items() if value is not None}
    secrets = _secrets(secret_file, from_stdin=body == "-")
    content = read_input(body, "the body of the webhook")
    verdict = check(content, headers, secrets, now=time.time(), tolerance=tolerance)
    if out.json:
        out.record({"valid": verdict.valid, "reason": verdict.reason, "message": verdict.text})
    elif verdict.valid:
        out.say(verdict.text)
    else:
        out.warn(verdict.text)
    return Exit.OK if verdict.valid else Exit.REFUSED


def _headers(path: Path | None) -> dict[str, str]:
    """Only those that matter; lines such as that of the request itself are passed over."""
    if path is None:
        return {}
    lines = read_file(path, "--headers").decode("utf-8", "replace").splitlines()
    pairs = ((name.strip().lower(), value.strip()) for name, colon, value in (line.partition(":") for line in lines))
    return {name: value for name, value in pairs if name in HEADERS}


def _secrets(path: Path | None, *, from_stdin: bool) -> list[Webhook]:
    """There is no option for the secret itself: other users of a machine see the options of every process."""
    if path is not None:
        text = read_file(path, "--secret-file").decode("utf-8", "replace")
    else:
        text = environment().webhook_secret or _asked(from_stdin)
    found = [webhook(one) for one in text.split()]
    if not found:
        raise UsageFault("the secret is empty")
    for number, one in enumerate(found, 1):
        if one is None:
            raise UsageFault(f"secret {number} of {len(found)} is not whole: whsec_ and then base64")
    return [one for one in found if one is not None]


def _asked(from_stdin: bool) -> str:
    if from_stdin or not sys.stdin.isatty():
        raise UsageFault("there is no secret: set TASKHOOK_WEBHOOK_SECRET or give --secret-file")
    return str(click.prompt("Secret", hide_input=True, err=True))
