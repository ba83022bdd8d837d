"""`make bench`: what the claims about performance are made of."""

import argparse
import os
import platform

from benchmarks import catalogue, footprint, poll, throughput

SIZES = (10, 100, 1000, 5000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "which", nargs="?", choices=("footprint", "catalogue", "poll", "throughput"), help="only this one"
    )
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help="numbers of tasks (default 10,100,1000,5000)")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores\n")
    if options.which in (None, "footprint"):
        footprint.main()
    if options.which in (None, "catalogue"):
        catalogue.main()
    if options.which in (None, "poll"):
        poll.main()
    if options.which in (None, "throughput"):
        throughput.main(options.sizes)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(part) for part in text.split(",")))


if __name__ == "__main__":
    main()
