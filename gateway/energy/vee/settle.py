"""V06 and V07: a column of registers as one rising count, whatever the meters went through.

Rollover, reset and exchange are continued; a reading that cannot be is left out. Which of two
readings that contradict each other is wrong, the next one decides: if it goes on from the new
one, the register really stands elsewhere and only the step there is unknown; if not, the new one
was a single bad reading. The last reading of a window has no next one and waits as failed.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gateway.energy.series import Window
from gateway.energy.vee.types import Exchange, Job
from gateway.model import BoolArray, FloatArray, IntArray, Quality, Reason
from gateway.validate import Status
from gateway.validate.rules import verdict_on_fall

_EXCHANGE, _RESET = int(Reason.METER_EXCHANGE), int(Reason.REGISTER_RESET)
_CHANGED = _EXCHANGE | _RESET


class Settled(NamedTuple):
    """Registers that add up, (meters, marks)."""

    count_wh: FloatArray  # rises by what was used since the first good mark; NaN where not known
    segment: IntArray  # marks of one segment may be subtracted from each other
    reasons: IntArray  # of each mark


class _Limits(NamedTuple):
    """What bounds the steps of one meter."""

    per_slot_wh: float
    slack_wh: float
    rollover_wh: float
    is_estimated: bool  # what is missing of this register is estimated, rather than left unknown

    def allows(self, step_wh: float, slots: int) -> bool:
        return 0 <= step_wh <= self.per_slot_wh * slots + self.slack_wh


def capability_wh(job: Job) -> FloatArray:
    """Return the most that each meter can count in a slot."""
    meters = job.meters
    most_w = meters.nominal_v * meters.max_current_a * meters.phase_count
    capability: FloatArray = most_w * job.slot_h * job.policy.capability.margin
    return capability


def dated(window: Window, exchanges: Iterable[Exchange]) -> list[Exchange]:
    """Return exchanges by time; one at a mark at which still the old meter was read is later."""
    return sorted((_behind_reading(window, one) for one in exchanges), key=lambda one: one.time_ms)


def _behind_reading(window: Window, exchange: Exchange) -> Exchange:
    mark, beside = divmod(exchange.time_ms - window.start_ms, window.interval_ms)
    if beside or not 0 <= mark <= window.slots:
        return exchange
    shown = float(window.import_wh[exchange.row, mark])
    is_old = abs(shown - exchange.old_final_wh) < abs(shown - _or_zero(exchange.new_start_wh))
    return exchange._replace(time_ms=exchange.time_ms + 1) if is_old else exchange


def settle(
    job: Job,
    register_wh: FloatArray,
    exchanges: Iterable[Exchange],
    *,
    is_estimated: bool = False,
) -> Settled:
    """Return the registers as a rising count.

    Args:
        job: the window it is from.
        register_wh: (meters, marks), import or export.
        exchanges: what of it the meters showed that were exchanged.
        is_estimated: what is missing of it is estimated: import.
    """
    window, meters = job.window, job.meters
    is_known = np.isfinite(register_wh) & (register_wh >= 0)
    is_known &= (window.status & int(Status.DATA_NOT_VALID)) == 0
    is_known &= window.quality != int(Quality.MISSING)
    reasons = np.zeros(register_wh.shape, np.int64)
    is_negative = np.isfinite(register_wh) & (register_wh < 0)
    reasons[is_negative] = int(Reason.REGISTER_BACKWARDS)
    count = np.where(is_known, register_wh, np.nan)
    segment = np.zeros(register_wh.shape, np.int64)
    limit = capability_wh(job)
    slack = job.policy.capability.slack_resolutions * meters.resolution_wh
    step, span = _steps(count, is_known)
    is_odd = (step < 0) | (step > limit[:, None] * span + slack[:, None])
    is_odd |= is_known & ((window.reasons & _CHANGED) != 0)
    of_row = _by_row(exchanges)
    for row in sorted({*np.flatnonzero(is_odd.any(axis=1)).tolist(), *of_row}):
        bounds = (float(limit[row]), float(slack[row]), float(meters.rollover_wh[row]))
        limits = _Limits(*bounds, is_estimated)
        walk = _Walk(job, count[row], window.reasons[row], limits, of_row.get(row, []))
        count[row], segment[row], found = walk.result()
        reasons[row] |= found
    return Settled(count, segment, reasons)


def _steps(count: FloatArray, is_known: BoolArray) -> tuple[FloatArray, IntArray]:
    """Return for each known mark the rise since the known mark before, and how many slots."""
    place = np.arange(count.shape[1])
    newest = np.maximum.accumulate(np.where(is_known, place, 0), axis=1)
    before = np.zeros_like(newest)
    before[:, 1:] = newest[:, :-1]
    step = count - np.take_along_axis(count, before, axis=1)
    return np.where(np.isnan(step), 0.0, step), place - before


def _by_row(exchanges: Iterable[Exchange]) -> dict[int, list[Exchange]]:
    found: dict[int, list[Exchange]] = {}
    for exchange in exchanges:
        found.setdefault(exchange.row, []).append(exchange)
    return found


class _Walk:
    """One meter whose registers do not simply rise, mark by mark."""

    def __init__(
        self,
        job: Job,
        shown: FloatArray,
        reasons: IntArray,
        limits: _Limits,
        exchanges: list[Exchange],
    ) -> None:
        # lists: a numpy scalar at a time is four times slower, and all meters may glitch at once
        self._shown: list[float] = shown.tolist()
        self._reasons: list[int] = reasons.tolist()
        self._limits = limits
        self._mark_ms: list[int] = job.window.mark_ms().tolist() if exchanges else []
        self._exchanges = exchanges
        self._count = [math.nan] * len(shown)
        self._segment = [0] * len(shown)
        self._found = [0] * len(shown)
        self._newest_segment = 0

    def result(self) -> tuple[FloatArray, IntArray, IntArray]:
        """Return count, segment and reasons of every mark."""
        known = [mark for mark, value in enumerate(self._shown) if not math.isnan(value)]
        good = -1
        for place, mark in enumerate(known):
            if good < 0:
                self._accept(mark, mark, self._shown[mark])
                good = mark
                continue
            following = known[place + 1] if place + 1 < len(known) else -1
            if self._judge(good, mark, following):
                good = mark
        segment = np.maximum.accumulate(np.array(self._segment, np.int64))
        return np.array(self._count), segment, np.array(self._found, np.int64)

    def _judge(self, good: int, mark: int, following: int) -> bool:
        """Return whether the mark counts, having the last one that did and the one behind."""
        step, event = self._step(good, mark)
        if not event and self._limits.allows(step, mark - good):
            self._accept(good, mark, self._count[good] + step)
            return True
        goes_on, goes_round = self._outlook(good, mark, following)
        is_glitch = event != 0 and goes_round and not goes_on  # an event that was undone at once
        if self._limits.allows(step, mark - good) and not is_glitch:
            self._found[mark] |= event
            if event == _EXCHANGE and self._is_unknown(good, mark):
                self._begin(mark)
            else:
                self._accept(good, mark, self._count[good] + step)
            return True
        is_fall = self._shown[mark] < self._shown[good]
        self._found[mark] |= int(Reason.REGISTER_BACKWARDS if is_fall else Reason.CAPABILITY)
        if not goes_on or goes_round:
            return False
        self._begin(mark)
        return True

    def _begin(self, mark: int) -> None:
        """Let a new count begin: what was used up to here no register tells."""
        self._newest_segment += 1
        self._segment[mark] = self._newest_segment
        self._accept(mark, mark, self._shown[mark])

    def _passed(self, good: int, mark: int) -> list[Exchange]:
        """Return the exchanges between two marks."""
        if not self._exchanges:
            return []
        after_ms, until_ms = self._mark_ms[good], self._mark_ms[mark]
        return [one for one in self._exchanges if after_ms < one.time_ms <= until_ms]

    def _is_unknown(self, good: int, mark: int) -> bool:
        """Return whether a meter was gone for longer than a slot and nobody noted its end.

        Within a slot what the new one counted stands for it; for hours it would be far too little.
        """
        if not self._limits.is_estimated or mark - good == 1:
            return False
        passed = self._passed(good, mark)
        return not passed or any(math.isnan(one.old_final_wh) for one in passed)

    def _outlook(self, good: int, mark: int, following: int) -> tuple[bool, bool]:
        """Return whether the mark behind goes on from this one, and from the one before."""
        if following < 0:
            return False, False
        goes_on = self._limits.allows(self._step(mark, following)[0], following - mark)
        return goes_on, self._limits.allows(self._step(good, following)[0], following - good)

    def _step(self, good: int, mark: int) -> tuple[float, int]:
        """Return what was used between two marks and which event explains it."""
        before, now = self._shown[good], self._shown[mark]
        passed = self._passed(good, mark)
        if passed:
            return _used(passed, before, now), _EXCHANGE
        told = self._reasons[mark]
        if told & _EXCHANGE and not self._limits.allows(now - before, mark - good):
            # Without a protocol only what the new meter counted is known.
            return now, _EXCHANGE
        if now >= before:
            return now - before, 0
        verdict = verdict_on_fall(
            before,
            now,
            self._limits.rollover_wh,
            is_new_boot=bool(told & _RESET),
        )
        if verdict is Reason.ROLLOVER:
            return now - before + self._limits.rollover_wh, int(verdict)
        if verdict is Reason.REGISTER_RESET:
            return now, int(verdict)
        return now - before, 0

    def _accept(self, good: int, mark: int, count: float) -> None:
        self._count[mark] = count
        self._segment[mark] = max(self._segment[mark], self._segment[good])


def _used(exchanges: Iterable[Exchange], before_wh: float, now_wh: float) -> float:
    """Return what all meters counted; nothing of an old one's end that was not noted."""
    used_wh, begin_wh = 0.0, before_wh
    for one in exchanges:
        used_wh += 0.0 if math.isnan(one.old_final_wh) else one.old_final_wh - begin_wh
        begin_wh = _or_zero(one.new_start_wh)
    return used_wh + now_wh - begin_wh


def _or_zero(wh: float) -> float:
    return 0.0 if math.isnan(wh) else wh
