"""Estimation: what stands in a slot whose two registers are not both there.

The total of a gap between two good registers is known and is kept to the last digit; only its
shape is estimated. It is spread over the slots whose use is not known otherwise (load profile,
edit): up to some hours as the same hours of other days divided such a total (``patterns``), else
in the shape of like days, and evenly where habits are not known; slots without power get nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.energy.calendar import DAY_MS
from gateway.energy.vee.patterns import Gaps, Past, patterns
from gateway.energy.vee.sequence import newest
from gateway.energy.vee.settle import Settled
from gateway.energy.vee.types import Days, Job, Method
from gateway.model import BoolArray, FloatArray, IntArray


class Steps(NamedTuple):
    """Every slot's place between good registers, (meters, slots)."""

    before: IntArray  # newest good mark at or before the slot's beginning, -1 none
    after: IntArray  # next good mark at or behind its end, -1 none
    total_wh: FloatArray  # between the two; NaN where it is not known

    @classmethod
    def of(cls, settled: Settled) -> "Steps":
        """Return them for registers."""
        is_good = np.isfinite(settled.count_wh)
        place = np.arange(is_good.shape[1])
        before = np.maximum.accumulate(np.where(is_good, place, -1), axis=1)[:, :-1]
        end = len(place)
        behind = np.where(is_good, place, end)[:, ::-1]
        after = np.minimum.accumulate(behind, axis=1)[:, ::-1][:, 1:]
        after = np.where(after == end, -1, after)
        total = _at(settled.count_wh, after) - _at(settled.count_wh, before)
        is_one = _at(settled.segment, after) == _at(settled.segment, before)
        is_known = (before >= 0) & (after >= 0) & is_one
        return cls(before, after, np.where(is_known, total, np.nan))

    def measured_wh(self) -> FloatArray:
        """Return what the registers on both sides of a slot tell, NaN where one is missing."""
        is_single = self.after - self.before == 1
        return np.where(is_single, self.total_wh, np.nan)


class Estimate(NamedTuple):
    """Values of all slots, and how those came about that were missing."""

    value_wh: FloatArray
    method: IntArray
    is_final: BoolArray


def estimate(
    job: Job, days: Days, known_wh: FloatArray, is_fit: BoolArray, steps: Steps
) -> Estimate:
    """Fill the slots that are NaN in ``known_wh``.

    Args:
        job: the run.
        days: its complete days.
        known_wh: (meters, slots), measured or edited.
        is_fit: (meters, complete days) that may serve as like days.
        steps: where the registers are.
    """
    value = known_wh.copy()
    method = np.full(value.shape, int(Method.MEASURED), np.int64)
    is_final = np.ones(value.shape, np.bool_)
    row, slot = np.nonzero(np.isnan(known_wh))
    if not len(row):
        return Estimate(value, method, is_final)
    past = _past(job, days, known_wh, is_fit, np.unique(row))
    mean, shape = _habits(job, past, steps, (row, slot))
    scaled, how = _scaled(job, known_wh, steps, (row, slot), shape)
    check = np.full(len(row), np.nan)
    if job.extra.check_wh is not None:
        check = job.extra.check_wh[row, slot]
    is_scaled, is_checked, lit = np.isfinite(scaled), np.isfinite(check), _lit(job, row, slot)
    mean = np.where(lit == 0, 0.0, mean * lit)  # nothing: also where no day is like it
    chosen = np.where(is_scaled, scaled, np.where(is_checked, check, mean))
    guess = np.where(lit == 0, int(Method.NO_POWER), int(Method.LIKE_DAY))
    how = np.where(is_scaled, how, np.where(is_checked, int(Method.CHECK_METER), guess))
    value[row, slot] = chosen
    method[row, slot] = np.where(np.isfinite(chosen), how, int(Method.UNKNOWN))
    # a register came, and could not say: what the check meter showed is the last word
    is_closed = np.isfinite(check) & (steps.before[row, slot] >= 0) & (steps.after[row, slot] >= 0)
    is_final[row, slot] = is_scaled | is_closed
    return Estimate(value, method, is_final)


def _scaled(
    job: Job,
    known_wh: FloatArray,
    steps: Steps,
    places: tuple[IntArray, IntArray],
    shape: FloatArray,
) -> tuple[FloatArray, IntArray]:
    """Return the gap's register total spread over its slots (NaN where unknown), and the method."""
    row, slot = places
    before, after = steps.before[row, slot], steps.after[row, slot]
    _, gap = np.unique(row * (known_wh.shape[1] + 1) + before, return_inverse=True)
    rest = steps.total_wh[row, slot] - _known_within(known_wh, row, before, after)
    lit = _lit(job, row, slot)
    lit[np.bincount(gap, lit)[gap] == 0] = 1.0  # the register counted: it was not dark throughout
    even, like = lit, lit * np.nan_to_num(shape)
    is_shaped = np.bincount(gap, np.isnan(shape))[gap] == 0
    is_shaped &= np.bincount(gap, like)[gap] > 0
    weight = np.where(is_shaped, like, even)
    spread = np.maximum(rest, 0.0) * weight / np.bincount(gap, weight)[gap]
    return spread, np.where(is_shaped, int(Method.LIKE_DAY_SCALED), int(Method.FLAT_SCALED))


def _lit(job: Job, row: IntArray, slot: IntArray) -> FloatArray:
    """Return in what part of some slots something could be used."""
    lit = job.lit()
    return np.ones(len(row)) if lit is None else lit[row, slot]


def _known_within(
    known_wh: FloatArray, row: IntArray, before: IntArray, after: IntArray
) -> FloatArray:
    """Return what is known already of the slots between two marks."""
    rows, place = np.unique(row, return_inverse=True)
    running = np.zeros((len(rows), known_wh.shape[1] + 1))
    np.cumsum(np.nan_to_num(known_wh[rows]), axis=1, out=running[:, 1:])
    within: FloatArray = (
        running[place, np.maximum(after, 0)] - running[place, np.maximum(before, 0)]
    )
    return within


def _habits(
    job: Job, past: Past, steps: Steps, places: tuple[IntArray, IntArray]
) -> tuple[FloatArray, FloatArray]:
    """Return what like days used in each missing slot, and the shape for its gap's total.

    NaN is no shape: a short gap of a meter whose habits are not known is spread evenly.
    """
    row, slot = places
    before, after = steps.before[row, slot], steps.after[row, slot]
    hours, is_closed = (after - before) * job.slot_h, np.isfinite(steps.total_wh[row, slot])
    mean, shape = np.full(len(row), np.nan), np.full(len(row), np.nan)
    asks = np.flatnonzero((hours > job.policy.ladder.flat_h) | ~is_closed)
    if len(asks):
        mean[asks], shape[asks] = _like_days(job, past, (row[asks], slot[asks]))
    # whole gaps only: of one that is partly known the total is not that of its hours
    _, first, count = np.unique(
        row * (len(steps.total_wh[0]) + 1) + before, return_index=True, return_counts=True
    )
    length = (after - before)[first]
    is_whole = is_closed[first] & (count == length) & (slot[first] == before[first])
    is_whole &= hours[first] <= job.policy.ladder.pattern_h
    for slots in np.unique(length[is_whole]).tolist():
        at = first[is_whole & (length == slots)]
        into = at[:, None] + np.arange(slots)
        total = steps.total_wh[row[at], slot[at]]
        found = patterns(job, past, Gaps(row[at], slot[at], total, _share(shape[into])))
        shape[into] = np.where(np.isfinite(found), found, shape[into])
    return mean, shape


def _share(shape: FloatArray) -> FloatArray:
    """Return shapes (gaps, slots) that make 1 in all, even ones where there is none."""
    total = shape.sum(axis=1, keepdims=True)
    even = np.full_like(shape, 1 / shape.shape[1])
    is_any = np.isfinite(total) & (total > 0)
    return np.asarray(np.divide(shape, total, out=even, where=is_any))


def _like_days(
    job: Job, past: Past, places: tuple[IntArray, IntArray]
) -> tuple[FloatArray, FloatArray]:
    """Return for each missing slot what like days used, and what has their shape.

    The first is the mean of the nearest good days of the same type, or of any where there is
    none of it; NaN without good days. The second leans on the other types too: more days blur a
    shape less than a few noisy ones do, while their level has no say in it.
    """
    row, slot = places
    rows, place = np.unique(row, return_inverse=True)
    chosen = np.searchsorted(past.rows, rows)
    energy, is_good, number = past.energy_wh[chosen], past.is_good[chosen], past.day
    kind = job.calendar.day_type(number)
    time_ms = job.window.start_ms + slot * job.window.interval_ms
    of_day = job.calendar.day(time_ms)
    slot_of_day = (time_ms - job.calendar.start_ms(0)) % DAY_MS // job.window.interval_ms
    mean, shape = np.full(len(row), np.nan), np.full(len(row), np.nan)
    for day in np.unique(of_day).tolist():
        here = of_day == day
        is_before = is_good & (number < day)
        is_like = kind == job.calendar.day_type(np.array([day]))
        of_rows = _profiles(job, energy, is_before, is_like)
        at = place[here], slot_of_day[here]
        mean[here], shape[here] = of_rows[0][at], of_rows[1][at]
    return mean, shape


def _profiles(
    job: Job, energy: NDArray[np.float32], is_before: BoolArray, is_like: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return mean and shape of a day, (meters, slots of a day), from the days before it."""
    policy = job.policy.ladder
    like = newest(is_before & is_like, policy.like_days)
    other = newest(is_before & ~is_like, policy.like_days)
    counts = np.stack([like.sum(axis=1), other.sum(axis=1)], axis=1)[:, :, None]
    sums = np.stack([like, other], axis=1).astype(np.float32) @ energy
    means = np.where(counts > 0, sums.astype(np.float64) / np.maximum(counts, 1), np.nan)
    like_mean, other_mean = means[:, 0], means[:, 1]
    is_any = counts[:, 0] > 0
    mean = np.where(is_any, like_mean, other_mean)
    level = mean.sum(axis=1) / np.maximum(other_mean.sum(axis=1), 1.0)
    leaning = np.nan_to_num(other_mean * level[:, None]) * policy.other_weight * counts[:, 1]
    return mean, np.where(is_any, mean * counts[:, 0] + leaning, mean)


def _past(job: Job, days: Days, known_wh: FloatArray, is_fit: BoolArray, rows: IntArray) -> Past:
    """Return history and complete days of the window of some meters together."""
    past = job.history.take(rows)
    if not len(days.number):
        return Past(rows, past.energy_wh, past.is_good, past.day)
    cube = np.nan_to_num(days.cube(known_wh[rows])).astype(np.float32)
    energy = np.concatenate([past.energy_wh, cube], axis=1)
    is_good = np.concatenate([past.is_good, is_fit[rows]], axis=1)
    return Past(rows, energy, is_good, np.concatenate([past.day, days.number]))


def _at(values: FloatArray | IntArray, marks: IntArray) -> FloatArray:
    row = np.arange(len(marks))[:, None]
    return values[row, np.maximum(marks, 0)].astype(np.float64)
