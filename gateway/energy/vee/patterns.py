"""The shape of a short gap: how the same hours of other days divided a like total.

A mean of days blurs what homes do in bursts: whoever cooked in one of two half hours rarely cooked
in both. So each past day is asked for the same hours, and half an hour to either side; those that
used about as much as the register says of the gap count, and of each slot the median is taken.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.energy.calendar import DAY_MS
from gateway.energy.vee.policy import Ladder
from gateway.energy.vee.types import MS_PER_H, Job
from gateway.model import BoolArray, FloatArray, IntArray

_CHUNK = 1000  # gaps at once: 35 days x 3 x 12 slots of them are 10 MB


class Past(NamedTuple):
    """Days that some meters have behind them, in the window and before it."""

    rows: IntArray  # of the window, ascending
    energy_wh: NDArray[np.float32]  # (rows, days, slots of a day)
    is_good: BoolArray  # (rows, days)
    day: IntArray  # (days,)


class Gaps(NamedTuple):
    """Closed gaps of one length."""

    row: IntArray  # of the window
    first: IntArray  # slot
    total_wh: FloatArray  # what the registers say
    else_share: FloatArray  # (gaps, slots): its shape where no day is like it, 1 in all


def patterns(job: Job, past: Past, gaps: Gaps) -> FloatArray:
    """Return the shape of each gap, (gaps, slots); NaN where too few days are known."""
    shape = np.full(gaps.else_share.shape, np.nan)
    for begin in range(0, len(gaps.row), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        shape[part] = _chunk(job, past, Gaps._make(column[part] for column in gaps))
    return shape


def _chunk(job: Job, past: Past, gaps: Gaps) -> FloatArray:
    policy, (count, slots) = job.policy.ladder, gaps.else_share.shape
    place = np.searchsorted(past.rows, gaps.row)
    begin_ms = job.window.start_ms + gaps.first * job.window.interval_ms
    day = job.calendar.day(begin_ms)
    is_before = past.is_good[place] & (past.day[None, :] < day[:, None])
    is_like = job.calendar.day_type(past.day)[None, :] == job.calendar.day_type(day)[:, None]
    of_day = np.where(is_before, np.where(is_like, 1.0, policy.pattern_other_weight), 0.0)
    used = _windows(job, past, place, begin_ms, slots)
    weight = of_day[:, None, :] * _nearness(job, policy)[None, :, None]
    total = used.sum(axis=3)
    floor_wh = policy.pattern_floor_w * job.slot_h * slots
    off = np.log((total + floor_wh) / (gaps.total_wh + floor_wh)[:, None, None])
    weight = weight * np.exp(-0.5 * (off / policy.pattern_width) ** 2)
    share = np.divide(used, total[..., None], out=np.zeros_like(used), where=total[..., None] > 0)
    shares = np.concatenate([share.reshape(count, -1, slots), gaps.else_share[:, None]], axis=1)
    weights = np.concatenate([weight.reshape(count, -1), np.ones((count, 1))], axis=1)
    median = _weighted_median(shares, weights)
    median[is_before.sum(axis=1) < policy.pattern_days] = np.nan
    return median


def _shifts(job: Job) -> IntArray:
    """Return by how many slots the same hours of other days may be earlier or later."""
    half = max(round(0.5 * MS_PER_H / job.window.interval_ms), 1)
    return np.array([-half, 0, half])


def _nearness(job: Job, policy: Ladder) -> FloatArray:
    return np.where(_shifts(job) == 0, 1.0, policy.pattern_shift_weight)


def _windows(job: Job, past: Past, place: IntArray, begin_ms: IntArray, slots: int) -> FloatArray:
    """Return the same hours of all days, (gaps, shifts, days, slots); a day is a ring here."""
    per_day = past.energy_wh.shape[2]
    slot = (begin_ms - job.calendar.start_ms(0)) % DAY_MS // job.window.interval_ms
    at = (slot[:, None, None] + _shifts(job)[None, :, None] + np.arange(slots)) % per_day
    days = np.arange(past.energy_wh.shape[1])[None, None, :, None]
    found = past.energy_wh[place[:, None, None, None], days, at[:, :, None, :]]
    return np.asarray(np.maximum(found, 0.0), np.float64)


def _weighted_median(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the median over the second of three axes, weights (first, second)."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    running = np.cumsum(np.take_along_axis(weights[:, :, None], order, axis=1), axis=1)
    half = (running >= running[:, -1:, :] / 2).argmax(axis=1)
    return np.asarray(np.take_along_axis(ordered, half[:, None, :], axis=1)[:, 0, :])
