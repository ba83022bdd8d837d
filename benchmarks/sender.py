"""How many pieces of news one process sends in a second, and what that takes, beside what others use for it."""

import datetime
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.footprint import run
from benchmarks.installed import peers
from benchmarks.report import met, table
from benchmarks.sending import SENDERS
from local.settings import REPOSITORY

ROUNDS = 3
PLAIN, TLS = 800, 240
THREADS = 8
OURS = "taskhook"

type Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """``scheme``: over what. All of ``count`` are sent by ``threads`` together."""

    scheme: str
    count: int
    threads: int


WAYS = {
    "one by one": Way(scheme="http", count=PLAIN, threads=1),
    f"{THREADS} threads": Way(scheme="http", count=PLAIN, threads=THREADS),
    "TLS": Way(scheme="https", count=TLS, threads=1),
    f"TLS, {THREADS} threads": Way(scheme="https", count=TLS, threads=THREADS),
}

type Measured = dict[str, dict[str, dict[str, float]]]
"""By sender and way, medians of what ``sending`` prints."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="taskhook-bench-") as folder, peers() as environment:
        certificate = _certificate(Path(folder))
        trusting = {**environment, "REQUESTS_CA_BUNDLE": str(certificate)}
        with _receiver(trusting) as plain, _receiver(trusting, str(certificate)) as tls:
            urls = {"http": f"http://127.0.0.1:{plain}/hook", "https": f"https://127.0.0.1:{tls}/hook"}
            measured = {
                way: _medians([_round(trusting, urls[how.scheme], how) for _ in range(ROUNDS)])
                for way, how in WAYS.items()
            }
            bare = _probe(trusting, "nothing", urls["http"], Way(scheme="http", count=1, threads=1))["peak"]
    _print(measured, bare)


def _round(environment: Environment, url: str, how: Way) -> dict[str, dict[str, float]]:
    return {name: _probe(environment, name, url, how) for name in SENDERS}


def _probe(environment: Environment, name: str, url: str, how: Way) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.sending", "send", name, url, str(how.count), str(how.threads)]
    found: dict[str, float] = json.loads(run(command, env=environment, cwd=REPOSITORY))
    return found


def _medians(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        name: {key: statistics.median(one[name][key] for one in rounds) for key in rounds[0][name]}
        for name in rounds[0]
    }


def _print(measured: Measured, bare: float) -> None:
    first = next(iter(WAYS))
    header = ("sender", *(f"{way} /s" for way in WAYS), "CPU ms each", "TLS: CPU ms", "peak MB", "first, CPU ms")
    rows = [
        (
            name,
            *(f"{measured[way][name]['rate']:,.0f}" for way in WAYS),
            f"{1000 * measured[first][name]['cpu']:.2f}",
            f"{1000 * measured['TLS'][name]['cpu']:.2f}",
            f"{(measured['TLS'][name]['peak'] - bare) / 1e6:.1f}",
            f"{1000 * measured[first][name]['ready']:,.0f}",
        )
        for name in SENDERS
    ]
    print(f"Sending, medians of {ROUNDS} fresh processes each, taking turns; memory above the bare interpreter\n")
    print(table(header, rows), "\n")
    print(table(("", "ratio", "aim", "met"), list(_aims(measured, bare))), "\n")


def _aims(measured: Measured, bare: float) -> Iterator[tuple[str, ...]]:
    for peer in ("requests.post", "Apprise"):
        for way, found in measured.items():
            ratio = found[OURS]["rate"] / found[peer]["rate"]
            yield f"as many a second as {peer}, {way}", f"{ratio:.2f}", ">= 1.00", met(ratio >= 1)
        ratio = (measured["TLS"][OURS]["peak"] - bare) / (measured["TLS"][peer]["peak"] - bare)
        yield f"less memory than {peer}", f"{ratio:.2f}", "< 1.00", met(ratio < 1)


@contextmanager
def _receiver(environment: Environment, *certificate: str) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.sending", "receive", *certificate]
    with subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def _certificate(folder: Path) -> Path:
    """Key and certificate of 127.0.0.1 in one file, which is also what its callers trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "taskhook benchmark")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "receiver.pem"
    file.write_bytes(key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
    return file


if __name__ == "__main__":
    main()
