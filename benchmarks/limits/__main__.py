"""`python -m benchmarks.limits`: one rate limit for thousands of executions.

Simulated designs and docs/polling-herd.png, then a race of processes; with ``--real``, taskhook's own looks instead."""

import argparse
import os

from benchmarks.limits import plot, race, real, simulated

REAL_TASKS, REAL_SECONDS = 5000, 240.0


def main() -> None:
    os.environ["TABLE"] = "tasks"
    print(plot.draw(simulated.main()).name)
    race.main()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--real", action="store_true", help="taskhook's own looks against a provider that counts")
    parser.add_argument("--tasks", type=int, default=REAL_TASKS, help="with --real: in flight (default 5000)")
    parser.add_argument("--within", type=float, default=simulated.HERD, help="with --real: come in (default 60 s)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=REAL_SECONDS,
        help=f"with --real: of the steady part (default {REAL_SECONDS:g})",
    )
    options = parser.parse_args()
    if options.real:
        real.main(options.tasks, options.within, options.seconds)
    else:
        main()
