"""One series alone: values far from what it was just before (standard normal deviate, Dudek 1974).

The second opinion where there is no neighbour: the last station of a corridor, or a series that
somebody else sends (travel times, occupancies). Median and median absolute deviation stand for
mean and standard deviation, so that a jam does not become usual by its own values.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray
from gateway.transport.incidents.policy import Deviation

_NORMAL = 1.4826  # standard deviation of a normal law over its median absolute deviation


class Run(NamedTuple):
    """Values that deviate, one after the other."""

    begin: int
    end: int  # not part of it
    worst: float


def deviations(values: FloatArray, sign: int, rule: Deviation) -> list[Run]:
    """Return the runs of values too high (``sign`` +1) or too low (−1).

    A value is compared with ``history`` values before it, those that deviated left out. A run is of
    ``values`` or more; a single value must deviate further, by ``alone``.

    Args:
        values: in order of time, NaN not measured.
        sign: which side is bad: +1 for occupancy and travel time, −1 for speed.
        rule: thresholds.
    """
    usual: list[float] = []
    runs: list[Run] = []
    odd: list[tuple[int, float]] = []  # of the run under way: place, by how many deviations
    for at, value in enumerate(values.tolist()):
        if np.isnan(value):
            continue
        far = _deviation(value, usual, sign, rule) if len(usual) == rule.history else 0.0
        if far > rule.deviations:
            odd.append((at, far))
            continue
        usual = [*usual, value][-rule.history :]
        runs += _run(values, odd, sign, rule)
        odd = []
    return runs + _run(values, odd, sign, rule)


def _deviation(value: float, usual: list[float], sign: int, rule: Deviation) -> float:
    """Return by how many deviations a value is on the bad side, at least ``least_share`` each."""
    middle = float(np.median(usual))
    spread = _NORMAL * float(np.median(np.abs(np.array(usual) - middle)))
    unit = max(spread, rule.least_share * abs(middle) / rule.deviations)
    return sign * (value - middle) / unit if unit else 0.0


def _run(values: FloatArray, odd: list[tuple[int, float]], sign: int, rule: Deviation) -> list[Run]:
    if not odd or (len(odd) < rule.values and max(far for _, far in odd) <= rule.alone):
        return []
    part = values[[at for at, _ in odd]]
    return [Run(odd[0][0], odd[-1][0] + 1, float(part.max() if sign > 0 else part.min()))]
