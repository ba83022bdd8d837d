"""`make bench`: what the claims about performance are made of."""

import argparse
import os
import platform

from benchmarks import catalogue, deliveries, egress, footprint, page, poll, sender, throughput
from benchmarks.cost import __main__ as cost
from benchmarks.limits import __main__ as limits

SIZES = (10, 100, 1000, 5000)
WHICH = ("footprint", "catalogue", "poll", "egress", "sender", "page", "limits", "throughput", "deliveries", "cost")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "which", nargs="?", choices=WHICH, help="only this one; deliveries and cost, which take long, only so"
    )
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help="numbers of tasks (default 10,100,1000,5000)")
    deliveries.arguments(parser)
    cost.arguments(parser)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores\n")
    if options.which in (None, "footprint"):
        footprint.main()
    if options.which in (None, "catalogue"):
        catalogue.main()
    if options.which in (None, "poll"):
        poll.main()
    if options.which in (None, "egress"):
        egress.main()
    if options.which in (None, "sender"):
        sender.main()
    if options.which in (None, "page"):
        page.main()
    if options.which in (None, "limits"):
        limits.main()
    if options.which in (None, "throughput"):
        throughput.main(options.sizes)
    if options.which == "deliveries":
        deliveries.main(options.farm, options.rounds, options.workers)
    if options.which == "cost":
        cost.main(options.tasks, options.minutes)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(part) for part in text.split(",")))


if __name__ == "__main__":
    main()
