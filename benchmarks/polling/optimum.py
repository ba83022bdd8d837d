"""The cheapest schedule there is for a known law, by dynamic programming over a grid of ages:
W(t) = min over s > t of [S(t) + integral over (t, s] of (s - u) / worth(u) dF(u) + W(s)], in looks."""

from collections.abc import Callable

import numpy as np

from benchmarks.polling.shapes import DEADLINE, Floats, Law

_POINTS = 1000


def optimum(law: Law, worth: Callable[[Floats], Floats]) -> list[float]:
    """Ages of its looks, the last at the deadline. ``worth``: seconds of lag that one look is worth, by age."""
    grid = _grid(law)
    below = np.array([law.cdf(at) for at in grid])
    middle = (grid[1:] + grid[:-1]) / 2
    mass = np.diff(below) / worth(middle)
    ended = np.concatenate([[0.0], np.cumsum(mass)])
    moment = np.concatenate([[0.0], np.cumsum(mass * middle)])
    rest = np.zeros(len(grid))
    following = np.zeros(len(grid), dtype=int)
    for here in range(len(grid) - 2, -1, -1):
        later = slice(here + 1, None)
        costs = grid[later] * (ended[later] - ended[here]) - (moment[later] - moment[here]) + rest[later]
        best = int(np.argmin(costs))
        rest[here], following[here] = 1 - below[here] + costs[best], here + 1 + best
    looks, at = [], 0
    while at < len(grid) - 1:
        at = int(following[at])
        looks.append(float(grid[at]))
    return looks


def _grid(law: Law) -> Floats:
    """Half of the points spread evenly over log(age), half over what the law makes likely."""
    wide = np.geomspace(0.1, DEADLINE, 20 * _POINTS)
    below = np.array([law.cdf(float(at)) for at in wide])
    likely = np.interp(np.linspace(0, below[-1], _POINTS), below, wide)
    return np.unique(np.concatenate([[0.0], likely, np.geomspace(0.1, DEADLINE, _POINTS)]))
