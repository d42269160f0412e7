"""Rules that look along the slots: V10 to V14, V20 and the sums of V08."""

from typing import NamedTuple

import numpy as np

from gateway.energy.calendar import MIN_PER_DAY
from gateway.energy.vee import constant
from gateway.energy.vee.settle import Settled
from gateway.energy.vee.types import Days, Job
from gateway.model import BoolArray, FloatArray, IntArray, Reason

_THIRD = 3  # the spike is compared with the third highest


def spike(job: Job, days: Days, import_wh: FloatArray) -> IntArray:
    """V10: the highest slot of a day, where it stands out from the third highest."""
    bits = np.zeros(import_wh.shape, np.int64)
    if days.per_day < _THIRD or not len(days.number):
        return bits
    policy = job.policy.spike
    cube = days.cube(np.where(np.isfinite(import_wh), import_wh, -1.0))
    top = np.sort(np.partition(cube, days.per_day - _THIRD, axis=2)[:, :, -_THIRD:], axis=2)
    third, highest = top[:, :, 0], top[:, :, 2]
    is_spike = (highest - third > policy.excess * third) & (third >= 0)
    is_spike &= highest > policy.floor_w * job.slot_h
    row, day = np.nonzero(is_spike)
    slot = days.first + day * days.per_day + cube[row, day].argmax(axis=1)
    bits[row, slot] = int(Reason.SPIKE)
    return bits


def high_low(job: Job, days: Days, total_wh: FloatArray, is_fit: BoolArray) -> BoolArray:
    """V11: return (meters, days) whose total is far from the mean of the last days of their type.

    Args:
        job: with the history before the window.
        days: the complete days of the window.
        total_wh: (meters, days), NaN where not known.
        is_fit: (meters, days) that may themselves be compared with later on.
    """
    policy = job.policy.high_low
    past = job.history
    number = np.concatenate([past.day, days.number])
    kind = job.calendar.day_type(number)
    totals = np.concatenate([past.energy_wh.sum(axis=2, dtype=np.float64), total_wh], axis=1)
    is_good = np.concatenate([past.is_good, is_fit & np.isfinite(total_wh)], axis=1)
    found = np.zeros(total_wh.shape, np.bool_)
    for place in range(len(days.number)):
        day = len(past.day) + place
        like = np.flatnonzero(kind[:day] == kind[day])
        chosen = newest(is_good[:, like], policy.days)
        is_enough = chosen.sum(axis=1) == policy.days
        mean = np.where(chosen, totals[:, like], 0.0).sum(axis=1) / policy.days
        total = totals[:, day]
        is_off = (total < policy.low * mean) | (total > policy.high * mean)
        found[:, place] = is_off & is_enough
        is_good[:, day] &= ~found[:, place]
    return found


def newest(is_candidate: BoolArray, count: int) -> BoolArray:
    """Return the last ``count`` True of each row."""
    from_end = np.cumsum(is_candidate[:, ::-1], axis=1)[:, ::-1]
    chosen: BoolArray = is_candidate & (from_end <= count)
    return chosen


class Runs(NamedTuple):
    """Lengths of runs at each slot, those before the window counted."""

    zero: IntArray
    flat: IntArray
    live: IntArray  # always the same, and the gauges vouch for it


def runs(job: Job, import_wh: FloatArray) -> Runs:
    """Return how long each meter has used nothing, and how long always the same."""
    resolution = job.meters.resolution_wh[:, None]
    before = np.concatenate([job.carry.last_wh[:, None], import_wh[:, :-1]], axis=1)
    is_same = np.abs(import_wh - before) < resolution / 2
    is_same &= import_wh > job.policy.flat_line.floor_resolutions * resolution
    flat = run_lengths(is_same, np.maximum(job.carry.flat_run - 1, 0)) + 1
    is_zero = import_wh == 0
    live = run_lengths(constant.vouched(job, import_wh, is_same), job.carry.live_run)
    return Runs(run_lengths(is_zero, job.carry.zero_run), np.where(is_same, flat, 1), live)


def run_lengths(holds: BoolArray, carried: IntArray) -> IntArray:
    """Return at each slot how many in a row hold, up to and with it."""
    place = np.arange(holds.shape[1])
    broken = np.maximum.accumulate(np.where(holds, -1, place), axis=1)
    return place - broken + np.where((broken < 0), carried[:, None], 0)


def zero(job: Job, length: IntArray, is_excused: BoolArray) -> IntArray:
    """V12: no use for longer than a day, though connected and supplied."""
    most = job.policy.zero.hours / job.slot_h
    return np.where((length > most) & ~is_excused, int(Reason.ZERO), 0)


def flat_line(job: Job, lengths: Runs, import_wh: FloatArray) -> IntArray:
    """V14: always the same use; marked from the slot at which the run is long enough.

    Not where the load is constant indeed: the gauges vouch for as many slots, or people have.
    """
    least = job.policy.flat_line.intervals
    # the first of a run has none like it before: one less can be vouched for
    is_flat = (lengths.flat >= least) & (lengths.live < least - 1)
    is_flat &= ~constant.accepted(job, is_flat, import_wh)
    return np.where(is_flat, int(Reason.FLAT_LINE), 0)


def prolonged(job: Job, length: IntArray) -> IntArray:
    """V20: estimated for more than some days."""
    slots_per_day = MIN_PER_DAY / 60 / job.slot_h
    is_long = length > job.policy.prolonged.days * slots_per_day
    return np.where(is_long, int(Reason.PROLONGED_ESTIMATION), 0)


def sum_check(job: Job, days: Days, import_wh: FloatArray, settled: Settled) -> IntArray:
    """V08: the slots of each complete day, and of the window, against the registers at the ends."""
    bits = np.zeros(import_wh.shape, np.int64)
    starts = [days.first + place * days.per_day for place in range(len(days.number))]
    spans = [(start, start + days.per_day) for start in starts] + [(0, import_wh.shape[1])]
    for first, stop in spans:
        used = settled.count_wh[:, stop] - settled.count_wh[:, first]
        used[settled.segment[:, stop] != settled.segment[:, first]] = np.nan
        summed = import_wh[:, first:stop].sum(axis=1)[:, None]
        is_off = is_off_sum(job, summed, used[:, None])[:, 0]
        bits[is_off, first:stop] = int(Reason.SUM_CHECK)
    return bits


def is_off_sum(job: Job, summed_wh: FloatArray, register_wh: FloatArray) -> BoolArray:
    """Return whether sums of slots, (meters, spans), contradict what the registers say."""
    policy = job.policy.sum_check
    most = np.maximum(
        policy.resolutions * job.meters.resolution_wh[:, None], policy.share * register_wh
    )
    is_off: BoolArray = np.abs(summed_wh - register_wh) > most
    return is_off
