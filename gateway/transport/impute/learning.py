"""Regressions between lanes, kept as sums: what is older weighs less."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.impute.pairs import Pairs
from gateway.transport.policy import Impute
from gateway.transport.series import Bins, Road, RoadClass

WEEK_H = 168
QUANTITIES = 3  # count, occupancy, speed
_SUMS = 5  # n, x, y, xx, xy
_HOUR_MS = 3_600_000


class Learned(NamedTuple):
    """Sums over the bins of the past."""

    pairs: FloatArray  # (quantities, sums, pairs)
    whole: FloatArray  # (quantities, sums, lanes): against the mean of all of its kind of road
    week: NDArray[np.float32]  # (quantities, 2, lanes, 168): weight and sum by hour of the week

    @classmethod
    def nothing(cls, pairs: int, lanes: int) -> "Learned":
        """Return what a first day begins with."""
        return cls(
            np.zeros((QUANTITIES, _SUMS, pairs)),
            np.zeros((QUANTITIES, _SUMS, lanes)),
            np.zeros((QUANTITIES, 2, lanes, WEEK_H), np.float32),
        )


class Lines(NamedTuple):
    """y = slope x + intercept."""

    slope: FloatArray
    intercept: FloatArray
    is_known: BoolArray


def learn(learned: Learned, day: Bins, road: Road, pairs: Pairs, policy: Impute) -> Learned:
    """Return what is known after a further day.

    Args:
        learned: of the days before.
        day: bins of lanes; only the measured ones are taken.
        road: rows as those of the bins.
        pairs: of that road.
        policy: how fast old days are forgotten.
    """
    days = day.slots * day.hours / 24
    keep = 0.5 ** (days / policy.half_life_days)
    columns = observed(day)
    hour = hour_of_week(day.slot_ms())
    kept = Learned(learned.pairs * keep, learned.whole * keep, learned.week * np.float32(keep))
    for number, values in enumerate(columns):
        kept.pairs[number] += _sums(values[pairs.source], values[pairs.target])
        kept.whole[number] += _sums(means_of_kind(values, road), values)
        is_there = np.isfinite(values)
        filled = np.where(is_there, values, 0.0)
        for one in np.unique(hour).tolist():
            kept.week[number, 0, :, one] += is_there[:, hour == one].sum(axis=1)
            kept.week[number, 1, :, one] += filled[:, hour == one].sum(axis=1)
    return kept


def lines(sums: FloatArray, min_bins: float) -> Lines:
    """Return the least-squares lines of sums, (sums, n) → (n,)."""
    n, x, y, xx, xy = sums
    spread = n * xx - x * x
    is_known = (n >= min_bins) & (spread > 1e-9 * np.maximum(n * xx, 1e-12))
    slope = np.divide(n * xy - x * y, spread, out=np.zeros(len(n)), where=is_known)
    intercept = np.divide(y - slope * x, n, out=np.zeros(len(n)), where=is_known)
    return Lines(slope, intercept, is_known)


def observed(found: Bins) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return count, occupancy and speed where they were measured, NaN elsewhere."""
    is_seen = found.is_observed()
    one, two, three = (
        np.where(is_seen, column, np.nan)
        for column in (found.count, found.occupancy, found.speed_kmh)
    )
    return one, two, three


def means_of_kind(values: FloatArray, road: Road) -> FloatArray:
    """Return for each lane and bin the mean of what the lanes of its kind of road measured."""
    kind = road.class_of_lanes()
    found = np.full(values.shape, np.nan)
    for one in RoadClass:
        rows = kind == int(one)
        if rows.any():
            is_there = np.isfinite(values[rows])
            number = is_there.sum(axis=0)
            total = np.where(is_there, values[rows], 0.0).sum(axis=0)
            blank = np.full(len(number), np.nan)
            found[rows] = np.divide(total, number, out=blank, where=number > 0)
    return found


def hour_of_week(time_ms: IntArray) -> IntArray:
    """Return the hour of the week in UTC: where a week is cut does not matter."""
    hours: IntArray = time_ms // _HOUR_MS % WEEK_H
    return hours


def _sums(x: FloatArray, y: FloatArray) -> FloatArray:
    is_both = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(is_both, x, 0.0), np.where(is_both, y, 0.0)
    one, two = "ij,ij->i", "ij->i"
    return np.stack(
        [
            is_both.sum(axis=1).astype(float),
            np.einsum(two, x),
            np.einsum(two, y),
            np.einsum(one, x, x),
            np.einsum(one, x, y),
        ]
    )
