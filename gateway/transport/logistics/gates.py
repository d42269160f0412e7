"""Gates of a port or a depot: who came, who left, how full the yard is, how long they stayed."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.logistics.policy import LogisticsPolicy

_CLASSES = 5
_HOUR_MS = 3_600_000


class Moves(NamedTuple):
    """Passages of a yard's gates in order of time."""

    time_ms: IntArray
    is_in: BoolArray
    kind: IntArray  # class code of the profiles: 0 unknown, 1 motorcycle … 5 long
    tag: IntArray  # keyed hash, −1 where there is none


class GateCounts(NamedTuple):
    """Passages by period: (periods,) in and out, (classes + unknown, periods) of both."""

    came: IntArray
    left: IntArray
    by_class: IntArray


class Yard(NamedTuple):
    """Vehicles in the yard at the end of each period."""

    vehicles: FloatArray
    missed: FloatArray  # entries that must have been missed up to then: nobody leaves an empty yard
    is_full: BoolArray


class Stays(NamedTuple):
    """Visits whose entry and exit are of one tag, in order of exit."""

    entered_ms: IntArray
    left_ms: IntArray

    def dwell_h(self) -> FloatArray:
        """Return how long each stayed."""
        hours: FloatArray = (self.left_ms - self.entered_ms) / _HOUR_MS
        return hours


def gate_counts(moves: Moves, start_ms: int, period_ms: int, periods: int) -> GateCounts:
    """Count passages in periods that follow each other."""
    period = (moves.time_ms - start_ms) // period_ms
    inside = (period >= 0) & (period < periods)

    def count(which: BoolArray) -> IntArray:
        return np.bincount(period[which & inside], minlength=periods).astype(np.int64)

    by_class = np.stack([count(moves.kind == kind) for kind in range(_CLASSES + 1)])
    return GateCounts(count(moves.is_in), count(~moves.is_in), by_class)


def yard(counts: GateCounts, vehicles: float, places: float, policy: LogisticsPolicy) -> Yard:
    """Return how full the yard was.

    Args:
        counts: of the periods.
        vehicles: in the yard at their begin.
        places: there are; infinity where that is not known.
        policy: when it is full.
    """
    plain = vehicles + np.cumsum(counts.came - counts.left)
    missed = np.maximum.accumulate(np.maximum(-plain, 0.0))
    inside = plain + missed
    return Yard(inside, missed, inside >= policy.yard_full_share * places)


def stays(moves: Moves, policy: LogisticsPolicy) -> Stays:
    """Match each exit with the last entry of the same tag; an entry is used once."""
    tagged = np.flatnonzero(moves.tag >= 0)
    order = tagged[np.lexsort((moves.time_ms[tagged], moves.tag[tagged]))]
    first, then = order[:-1], order[1:]
    pair = (moves.tag[first] == moves.tag[then]) & moves.is_in[first] & ~moves.is_in[then]
    pair &= moves.time_ms[then] - moves.time_ms[first] <= policy.longest_dwell_h * _HOUR_MS
    entered, left = moves.time_ms[first[pair]], moves.time_ms[then[pair]]
    by_exit = np.lexsort((entered, left))
    return Stays(entered[by_exit], left[by_exit])
