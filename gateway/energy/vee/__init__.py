"""VEE: validation by the twenty rules, estimation by the ladder, editing by people.

``run`` judges one window of many meters and is a function of its job alone: run again with late
data, or over other windows that begin at local midnights, it gives the same slots. A process
that keeps it going does this:

1. Each time an interval has closed, run the window from the local midnight to now, with the
   ``Carry`` of that midnight and the ``History``; store the ``Intervals``.
2. When the day is complete, keep ``intervals.midnights[-1]`` as the carry of the next midnight
   and ``remember(job, intervals)`` as the history. Keep the carries of ``ladder.late_days``.
3. After that, where late data came, run its meters (``take``) again from the midnight of its day
   to now; where ``reach_back`` names meters, whose gap began before the window and is now closed,
   from the midnight of their last good register. ``put`` the midnights and what ``remember``
   gives into the rows of these meters.
4. What differs from the stored slots is ``lineage.changes``.

``tests/unit/energy/test_energy_flow.py`` does just that.
"""

from typing import NamedTuple

import numpy as np

from gateway.energy.vee import grading, marks, sequence
from gateway.energy.vee.grading import GUESSES
from gateway.energy.vee.ladder import Estimate, Steps, estimate
from gateway.energy.vee.settle import Settled, capability_wh, dated, settle
from gateway.energy.vee.types import (
    MS_PER_H,
    NEVER_MS,
    PROVISIONAL,
    Carry,
    Days,
    Edit,
    Exchange,
    Extra,
    History,
    Intervals,
    Job,
    Method,
)
from gateway.model import BoolArray, FloatArray, IntArray, Reason
from gateway.validate import Status

__all__ = [
    "GUESSES",
    "MS_PER_H",
    "NEVER_MS",
    "Carry",
    "Days",
    "Edit",
    "Exchange",
    "Extra",
    "History",
    "Intervals",
    "Job",
    "Method",
    "reach_back",
    "remember",
    "run",
]


class _Known(NamedTuple):
    """Slots before estimation."""

    measured_wh: FloatArray
    known_wh: FloatArray  # with the edits
    is_edited: BoolArray
    is_verified: BoolArray
    is_too_much: BoolArray


class _Along(NamedTuple):
    """What is counted along the slots."""

    settled: Settled
    lengths: sequence.Runs
    guessed_run: IntArray
    measured_wh: FloatArray


class _DayVerdict(NamedTuple):
    """Of every complete day, (meters, days)."""

    is_odd: BoolArray
    is_good: BoolArray


def run(job: Job) -> Intervals:
    """Validate and estimate one window."""
    first_day = int(job.calendar.day(job.window.mark_ms()[:1])[0])
    past = job.history.before(first_day, job.policy.ladder.depth_days)
    job, days = job._replace(history=past), Days.of(job.window, job.calendar)
    exchanges = dated(job.window, job.extra.exchanges)
    settled = settle(job, job.window.import_wh, exchanges, is_estimated=True)
    exported = settle(job, job.window.export_wh, [one.of_export() for one in exchanges])
    steps, export_steps = Steps.of(settled), Steps.of(exported)
    export_wh = _export_wh(job, export_steps)
    known = _known(job, steps)
    lengths = sequence.runs(job, _with_certain_zeros(known.measured_wh, steps))
    clock, is_off_time = marks.time_sync(job)
    reasons = grading.carried(job.window) | clock[:, 1:]
    reasons |= settled.reasons[:, 1:] | exported.reasons[:, 1:]
    reasons |= _of_marks(job, known.measured_wh, export_wh)
    reasons |= _of_use(job, days, known, lengths)
    held = grading.held(job.window, reasons) & ~known.is_verified
    of_days = _judge_days(job, days, settled, known.measured_wh, held | _dark(job))
    reasons |= np.where(days.spread(of_days.is_odd, reasons.shape), int(Reason.HIGH_LOW), 0)
    estimated = _told(job, known) or estimate(job, days, known.known_wh, of_days.is_good, steps)
    is_overruled = known.is_edited & np.isfinite(known.measured_wh)
    summed = np.where(is_overruled, known.measured_wh, estimated.value_wh)
    reasons |= sequence.sum_check(job, days, summed, settled)
    is_guessed = np.isin(estimated.method, GUESSES)
    guessed_run = sequence.run_lengths(is_guessed, job.carry.estimated_run)
    reasons |= sequence.prolonged(job, guessed_run)
    reasons |= _of_gaps(job, _is_gap(known, estimated), estimated.value_wh)
    along = _Along(settled, lengths, guessed_run, known.measured_wh)
    method = grading.methods(job.window, estimated.method, known.is_edited)
    verdict = grading.Verdict(reasons, method, known.is_verified, is_off_time[:, 1:])
    return Intervals(
        job.window.device_index,
        job.window.start_ms,
        job.window.interval_ms,
        estimated.value_wh,
        export_wh,
        grading.grade(job.window, verdict, estimated.value_wh, steps.total_wh),
        reasons,
        method.astype(np.int8),
        _is_final(estimated, known),
        np.where(np.isfinite(settled.count_wh), job.window.import_wh, np.nan),
        days.number,
        of_days.is_good,
        tuple(_carry(job, along, stop) for stop in days.stops()),
        _carry(job, along, job.window.slots),
        _sources(job, method),
        None if job.extra.clock_offset_ms is None else job.extra.clock_offset_ms[:, 1:],
    )


def remember(job: Job, intervals: Intervals) -> History:
    """Return the history with the complete days of a window added, bounded in depth."""
    ladder = job.policy.ladder
    days, depth = Days.of(job.window, job.calendar), ladder.depth_days + ladder.late_days
    if not len(days.number):
        return job.history
    past = job.history.before(int(days.number[0]), depth)
    day = np.concatenate([past.day, days.number])
    cube = np.nan_to_num(days.cube(intervals.import_wh)).astype(np.float32)
    energy = np.concatenate([past.energy_wh, cube], axis=1)
    is_good = np.concatenate([past.is_good, intervals.is_good_day], axis=1)
    return History(day[-depth:], energy[:, -depth:], is_good[:, -depth:])


def reach_back(intervals: Intervals, carry: Carry) -> tuple[IntArray, IntArray]:
    """Return the rows whose gap began before the window and ends in it, and since when (ms).

    Args:
        intervals: of the run.
        carry: with which the window began.
    """
    is_good = np.isfinite(intervals.register_wh)
    is_open = ~is_good[:, 0] & is_good.any(axis=1) & (carry.known_ms > NEVER_MS)
    rows = np.flatnonzero(is_open)
    return rows, carry.known_ms[rows]


def _sources(job: Job, method: IntArray) -> IntArray | None:
    if job.extra.check_index is None:
        return None
    return np.where(method == int(Method.CHECK_METER), job.extra.check_index, -1)


def _known(job: Job, steps: Steps) -> _Known:
    measured = steps.measured_wh()
    is_too_much = np.zeros(measured.shape, np.bool_)
    if job.extra.interval_wh is not None:
        profile = job.extra.interval_wh
        is_too_much = (profile > capability_wh(job)[:, None]) | (profile < 0)
        measured = np.where(np.isfinite(profile) & ~is_too_much, profile, measured)
    known = measured.copy()
    is_edited, is_verified = np.zeros(known.shape, np.bool_), np.zeros(known.shape, np.bool_)
    for edit in sorted(job.extra.edits, key=lambda one: one.when_ms):
        slot = (edit.slot_ms - job.window.start_ms) // job.window.interval_ms
        if 0 <= slot < known.shape[1]:
            place = edit.row, slot
            is_edited[place] = edit.value_wh is not None
            is_verified[place] = edit.value_wh is None
            known[place] = measured[place] if edit.value_wh is None else edit.value_wh
    return _Known(measured, known, is_edited, is_verified, is_too_much)


def _export_wh(job: Job, steps: Steps) -> FloatArray:
    if job.extra.interval_export_wh is not None:
        return job.extra.interval_export_wh
    return np.asarray(steps.total_wh / np.maximum(steps.after - steps.before, 1))


def _is_gap(known: _Known, estimated: Estimate) -> BoolArray:
    is_gap: BoolArray = np.isnan(known.measured_wh) | (estimated.method == int(Method.PARTLY))
    return is_gap


def _told(job: Job, known: _Known) -> Estimate | None:
    """Return slots as a file tells them, None where there are registers."""
    method = job.extra.interval_method
    if method is None:
        return None
    method = np.where(np.isfinite(known.measured_wh), method, int(Method.UNKNOWN))
    is_final = np.isfinite(known.known_wh) & ~np.isin(method, PROVISIONAL)
    return Estimate(known.known_wh, method, is_final)


def _with_certain_zeros(measured_wh: FloatArray, steps: Steps) -> FloatArray:
    """Return the slots, also those of a gap over which the register did not move."""
    return np.where(np.isnan(measured_wh) & (steps.total_wh == 0), 0.0, measured_wh)


def _of_marks(job: Job, measured_wh: FloatArray, export_wh: FloatArray) -> IntArray:
    """Return the bits of V09, V15 to V17 and V19."""
    bits = marks.tou_sum(job) | marks.phase_consistency(job) | marks.power_factor(job)
    bits |= marks.neighbour_voltage(job, measured_wh)
    return bits[:, 1:] | marks.reverse(job, export_wh)


def _dark(job: Job) -> BoolArray:
    if job.extra.is_outage is None:
        return np.zeros((job.window.meters, job.window.slots), np.bool_)
    return job.extra.is_outage


def _of_use(job: Job, days: Days, known: _Known, lengths: sequence.Runs) -> IntArray:
    """Return the bits of V07 (load profile), V10, V12, V13, V14 and V18."""
    use = known.measured_wh
    told = job.extra.is_disconnected
    is_off = ~job.meters.is_connected[:, None] if told is None else told
    is_down = (job.window.status[:, 1:] & int(Status.POWER_DOWN)) != 0
    is_true_zero = (use == 0) & is_down
    is_excused = is_off | is_true_zero
    lit = job.lit()
    for excuse in (None if lit is None else lit == 0, job.extra.is_feed_in):
        if excuse is not None:
            is_excused = is_excused | excuse
    bits = np.where(is_true_zero, int(Reason.OUTAGE_AGREE), 0)
    bits |= np.where(known.is_too_much, int(Reason.CAPABILITY), 0)
    bits |= np.where(is_off & (use > 0), int(Reason.INACTIVE_USE), 0)
    bits |= sequence.zero(job, lengths.zero, is_excused)
    bits |= sequence.flat_line(job, lengths, use)
    return bits | sequence.spike(job, days, use)


def _of_gaps(job: Job, is_gap: BoolArray, value_wh: FloatArray) -> IntArray:
    """Return the bits of V04, and of V18 where a gap is nothing since there was no power."""
    bits = np.where(is_gap, int(Reason.GAP), 0)
    bits |= np.where(is_gap & _dark(job) & (value_wh == 0), int(Reason.OUTAGE_AGREE), 0)
    return bits


def _judge_days(
    job: Job, days: Days, settled: Settled, measured_wh: FloatArray, is_held: BoolArray
) -> _DayVerdict:
    """V11, and which complete days may serve as like days."""
    edges = days.first + days.per_day * np.arange(len(days.number) + 1)
    if not len(days.number):
        nothing = np.zeros((len(measured_wh), 0), np.bool_)
        return _DayVerdict(nothing, nothing)
    total = np.diff(settled.count_wh[:, edges], axis=1)
    total[np.diff(settled.segment[:, edges], axis=1) != 0] = np.nan
    lit = job.lit()
    if lit is not None:  # a day with less light is like no other, and shown to nobody
        total[days.cube(lit < 1).any(axis=2)] = np.nan
    summed = days.cube(measured_wh).sum(axis=2)
    is_good = days.cube(np.isfinite(measured_wh) & ~is_held).all(axis=2)
    is_good &= ~sequence.is_off_sum(job, summed, total)
    is_odd = sequence.high_low(job, days, np.where(np.isnan(total), summed, total), is_good)
    return _DayVerdict(is_odd, is_good & ~is_odd)


def _is_final(estimated: Estimate, known: _Known) -> BoolArray:
    final: BoolArray = estimated.is_final | known.is_edited | known.is_verified
    return final & np.isfinite(estimated.value_wh)


def _carry(job: Job, along: _Along, stop: int) -> Carry:
    """Return the state of the mark ``stop``: what a window needs that begins there."""
    is_good = np.isfinite(along.settled.count_wh[:, : stop + 1])
    newest = stop - np.argmax(is_good[:, ::-1], axis=1)
    newest_ms = job.window.start_ms + newest * job.window.interval_ms
    return Carry(
        along.lengths.zero[:, stop - 1],
        along.lengths.flat[:, stop - 1],
        along.guessed_run[:, stop - 1],
        along.measured_wh[:, stop - 1],
        np.where(is_good.any(axis=1), newest_ms, job.carry.known_ms),
        along.lengths.live[:, stop - 1],
    )
