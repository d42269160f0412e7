"""How much of the road somebody looks at (942.III.4.g: all expressways)."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray
from gateway.transport.series import NOWHERE, Road


class Reach(NamedTuple):
    """Kilometres of one corridor."""

    length_km: float
    covered_km: float

    @property
    def share(self) -> float:
        """Return how much of it is covered; NaN of a corridor without a length."""
        return self.covered_km / self.length_km if self.length_km > 0 else float("nan")


def coverage(road: Road, is_healthy: BoolArray, reach_km: float) -> list[Reach]:
    """Return for each corridor how much of it has a healthy station within reach.

    Args:
        road: corridors, measured from their first station to their last.
        is_healthy: (stations,).
        reach_km: along the road, either way.
    """
    corridor = np.append(road.corridor, NOWHERE)[road.section]
    return [
        _reach(road.km[corridor == one], is_healthy[corridor == one], reach_km)
        for one in range(len(road.corridors))
    ]


def _reach(km: FloatArray, is_healthy: BoolArray, reach_km: float) -> Reach:
    known = np.isfinite(km)
    if not known.any():
        return Reach(0.0, 0.0)
    first, last = float(km[known].min()), float(km[known].max())
    covered, until = 0.0, first
    for at in np.sort(km[known & is_healthy]).tolist():
        begin, end = max(at - reach_km, until), min(at + reach_km, last)
        covered += max(0.0, end - begin)
        until = max(until, end)
    return Reach(last - first, covered)
