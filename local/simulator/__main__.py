"""``python -m local.simulator --port N``: the simulated clouds for people, until Ctrl-C."""

import argparse
import signal
import threading
from collections.abc import Sequence

from local.simulator import KNOWN, Simulator
from local.simulator.credentials import PREFIX
from local.simulator.lives import table


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m local.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=8600, help="loopback port (default 8600; 0: any free one)")
    parser.add_argument("--rate-limits", action="store_true", help="enforce the documented rate limits")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        simulator = Simulator(port=options.port, rate_limits=options.rate_limits)
    except OSError as error:
        parser.exit(1, f"Port {options.port} cannot be used: {error.strerror}. Choose another with --port.\n")
    with simulator:
        print(_greeting(simulator.url), flush=True)
        stop.wait()


def _greeting(url: str) -> str:
    keys = "".join(
        f"  {known.cloud:<9}{known.key_id:<38}{known.secret:<36}{known.token or ''}".rstrip() + "\n" for known in KNOWN
    )
    places = f"Simulated clouds on {url}  (/_lives, /_log; for Alibaba {url}{PREFIX}<service>)"
    return f"{places}\n\nCredentials:\n{keys}\n{table()}"


if __name__ == "__main__":
    main()
