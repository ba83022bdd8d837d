"""`make bench`: what the claims about performance are made of."""

import argparse
import os
import platform

from benchmarks import catalogue, deliveries, egress, footprint, front_door, poll, sender, throughput
from benchmarks.cost import __main__ as cost
from benchmarks.limits import __main__ as limits
from benchmarks.page import __main__ as page

SIZES = (10, 100, 1000, 5000)
_ALWAYS = {
    "footprint": footprint.main,
    "catalogue": catalogue.main,
    "poll": poll.main,
    "front_door": front_door.main,
    "egress": egress.main,
    "sender": sender.main,
    "page": page.main,
    "limits": limits.main,
}
WHICH = (*_ALWAYS, "throughput", "deliveries", "cost")


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
    for name, measure in _ALWAYS.items():
        if options.which in (None, name):
            measure()
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
