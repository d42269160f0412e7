"""The rungs, from the best neighbour down to the detector's own past."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.aggregate.folding import ratio
from gateway.transport.aggregate.lanes import grades
from gateway.transport.impute.learning import (
    Learned,
    hour_of_week,
    lines,
    means_of_kind,
    observed,
)
from gateway.transport.impute.pairs import Pairs
from gateway.transport.policy import Impute
from gateway.transport.series import Bins, Method, Road

_HIGHEST = (np.inf, 1.0, np.inf)  # of count, occupancy, speed


def impute(found: Bins, road: Road, pairs: Pairs, learned: Learned, policy: Impute) -> Bins:
    """Return bins with every gap filled that anything can be said of; the rest is unchanged.

    ``method`` is the lowest rung that any of count, occupancy and speed of a bin stands on.
    A count that the running counter told stays; then only occupancy and speed are estimated.
    """
    has_none = np.flatnonzero((~np.isfinite(found.count) | _is_told(found)).any(axis=1))
    if not len(has_none):
        return found
    columns = (found.count, found.occupancy, found.speed_kmh)
    method = found.method.copy()
    filled: list[FloatArray] = []
    for number, (column, measured) in enumerate(zip(columns, observed(found), strict=True)):
        rungs = _rungs(number, measured, (road, pairs, learned), policy, has_none)
        rungs.append((Method.TIME_OF_WEEK, _own_past(found, learned, number, policy, has_none)))
        value = column[has_none]
        want = (found.method[has_none] == Method.NOTHING) | _is_told(found)[has_none]
        rung = np.where(want & ~np.isfinite(value), int(Method.NOTHING), 0).astype(np.int8)
        for name, estimate in rungs:
            take = (rung == Method.NOTHING) & np.isfinite(estimate)
            value = np.where(take, np.clip(estimate, 0.0, _HIGHEST[number]), value)
            rung[take] = int(name)
        filled.append(_put(column, has_none, value))
        method[has_none] = _worse(method[has_none], rung, number)
    count, occupancy, speed = filled
    is_new = method != found.method
    quality = np.where(is_new, grades(method), found.quality)
    space = np.where(is_new & ~np.isfinite(found.space_kmh), speed, found.space_kmh)
    return replace(
        found,
        count=count,
        occupancy=occupancy,
        speed_kmh=speed,
        space_kmh=space,
        method=method,
        quality=quality,
    )


def _is_told(found: Bins) -> BoolArray:
    """Return where a count was recovered, and nothing else."""
    told: BoolArray = (found.method == Method.RECOVERED) & ~np.isfinite(found.occupancy)
    return told


def _worse(method: NDArray[np.int8], rung: NDArray[np.int8], number: int) -> NDArray[np.int8]:
    """Return the lower rung; the count decides whether anything is known at all."""
    if number == 0:
        return np.where(method == Method.NOTHING, rung, method).astype(np.int8)
    is_estimate = (method != Method.NOTHING) & (rung != Method.NOTHING) & (rung > 0)
    return np.where(is_estimate, np.maximum(method, rung), method).astype(np.int8)


def _rungs(
    number: int,
    measured: FloatArray,
    known: tuple[Road, Pairs, Learned],
    policy: Impute,
    rows: IntArray,
) -> list[tuple[Method, FloatArray]]:
    """Return the estimates of rows by the road around them, best first."""
    road, pairs, learned = known
    of_pairs = lines(learned.pairs[number], policy.min_bins)
    whole = lines(learned.whole[number], policy.min_bins)
    kind = means_of_kind(measured, road)[rows]
    by_whole = whole.slope[rows, None] * kind + whole.intercept[rows, None]
    by_whole[~whole.is_known[rows]] = np.nan
    speaks = measured[pairs.source]
    told = of_pairs.slope[:, None] * speaks + of_pairs.intercept[:, None]
    told[~of_pairs.is_known] = np.nan
    local, regional = pairs.is_local, ~pairs.is_local
    return [
        (Method.LOCAL, _median(told, pairs, local, rows)),
        (Method.REGIONAL, _median(told, pairs, regional, rows)),
        (Method.GLOBAL, by_whole),
        (Method.LOCAL_AVERAGE, _mean(speaks, pairs, local, rows)),
        (Method.REGIONAL_AVERAGE, _mean(speaks, pairs, regional, rows)),
    ]


def _median(told: FloatArray, pairs: Pairs, chosen: BoolArray, rows: IntArray) -> FloatArray:
    """Return the median of what the chosen sources of each row say, NaN where none does."""
    stacked = np.sort(_stacked(told, pairs, chosen, rows), axis=1)  # NaN goes last
    number = np.isfinite(stacked).sum(axis=1)
    low, high = np.maximum(number - 1, 0) // 2, number // 2
    high = np.minimum(high, stacked.shape[1] - 1)
    pick = np.take_along_axis
    ends = [pick(stacked, place[:, None], 1)[:, 0] for place in (low, high)]
    middle: FloatArray = (ends[0] + ends[1]) / 2
    return np.where(number > 0, middle, np.nan)


def _mean(told: FloatArray, pairs: Pairs, chosen: BoolArray, rows: IntArray) -> FloatArray:
    stacked = _stacked(told, pairs, chosen, rows)
    is_there = np.isfinite(stacked)
    return ratio(np.where(is_there, stacked, 0.0).sum(axis=1), is_there.sum(axis=1))


def _stacked(told: FloatArray, pairs: Pairs, chosen: BoolArray, rows: IntArray) -> FloatArray:
    """Return what is said of each row, (rows, sources, slots), NaN where there are fewer."""
    place = np.full(int(max(rows.max(), pairs.target.max(initial=0))) + 1, -1)
    place[rows] = np.arange(len(rows))
    picked = np.flatnonzero(chosen & (place[pairs.target] >= 0))
    row = place[pairs.target[picked]]  # ascending, as pairs are
    first = np.searchsorted(row, np.arange(len(rows)))
    rank = np.arange(len(row)) - first[row]
    found = np.full((len(rows), int(rank.max(initial=0)) + 1, told.shape[1]), np.nan)
    found[row, rank] = told[picked]
    return found


def _own_past(
    found: Bins, learned: Learned, number: int, policy: Impute, rows: IntArray
) -> FloatArray:
    """Return the mean of the hour of the week of each row."""
    hour = hour_of_week(found.slot_ms())
    weight, total = learned.week[number][:, rows].astype(np.float64)
    mean: FloatArray = np.where(weight >= policy.min_weeks_bins, ratio(total, weight), np.nan)
    return mean[:, hour]


def _put(column: FloatArray, rows: IntArray, values: FloatArray) -> FloatArray:
    filled = column.copy()
    filled[rows] = values
    return filled
