"""Validation: one grade and its reasons for every reading, a batch at a time.

A reading is compared with the one before it *in time*: in its own batch, or the newest that the
memory holds. Late data is compared within its batch only; the sectors judge it again over the
store. A reason bit is named after its rule of the VEE catalogue, V01-V20, as in ``model.Reason``.

How the grades come about, worst first:

=========  ==================================================================================
MISSING    no column was measured
FAILED     a register ran backwards; the device says DATA_NOT_VALID
SUSPECT    no clock (stamped by the gateway), more than physically possible, stuck, CLOCK_INVALID
           or CRITICAL_ERROR
RECOVERED  came late or on the backlog lane; the device says RECOVERED_VALUE
VALID      everything else, also after a rollover, a reset or an exchange of the meter
=========  ==================================================================================
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntFlag

import numpy as np

from gateway.model import (
    BoolArray,
    DecodedBatch,
    FloatArray,
    IntArray,
    Quality,
    ReadingBatch,
    Reason,
)
from gateway.ports import LatestRow
from gateway.profiles import Profile
from gateway.validate.memory import NEVER, Memory
from gateway.validate.rules import CAPABILITY_SLACK, FLAT_LINE_RUN, Rules, verdict_on_fall

Exchanged = Callable[[int, int, int], bool]
"""(device index, after ms, up to ms) → whether the registry dates a meter exchange between."""


class Status(IntFlag):
    """The AMR profile status byte of the meter world, bit for bit."""

    CRITICAL_ERROR = 1
    CLOCK_INVALID = 2
    DATA_NOT_VALID = 4
    DAYLIGHT_SAVING = 8
    CLOCK_ADJUSTED = 32
    RECOVERED_VALUE = 64
    POWER_DOWN = 128


_ILL = int(Status.CRITICAL_ERROR | Status.CLOCK_INVALID | Status.DATA_NOT_VALID)
_CLOCK = int(Status.CLOCK_INVALID | Status.CLOCK_ADJUSTED)
_SUSPECT = int(Status.CRITICAL_ERROR | Status.CLOCK_INVALID)


@dataclass(slots=True)
class _Sequence:
    """The readings of a batch that are the first of their device and time, sorted by both."""

    row: IntArray  # place in the batch
    slot: IntArray
    time_ms: IntArray
    values: FloatArray
    boot: IntArray
    has_before: BoolArray
    follows_memory: BoolArray  # the one before is the memory's, not that of the batch
    before_ms: IntArray
    before: FloatArray  # NaN where there is none


class Validator:
    """Grades batches and remembers the newest reading of each device and profile."""

    def __init__(self, profiles: Mapping[str, Profile], exchanged: Exchanged) -> None:
        self._rules = {name: Rules.of(profile) for name, profile in profiles.items()}
        self._memories = {
            name: Memory(name, len(profile.columns)) for name, profile in profiles.items()
        }
        self._exchanged = exchanged

    def grade(self, batch: DecodedBatch) -> ReadingBatch:
        """Return the readings with grade and reasons; ``screen`` has set VALID or RECOVERED."""
        rows = batch.readings
        if not len(rows):
            return rows
        rules, memory = self._rules[rows.profile], self._memories[rows.profile]
        nulls = _mark_each(batch, rules)
        slots = memory.slots(rows.device_index)
        sequence = _sequence(batch, slots, memory, is_series=rules.is_series)
        self._check_registers(batch, sequence, rules, memory)
        run = _runs(sequence, memory, rules)
        if not rules.is_sparse:
            rows.reasons[sequence.row[run >= FLAT_LINE_RUN]] |= int(Reason.FLAT_LINE)
        _grade(rows, nulls)
        newest = np.flatnonzero(
            np.append(sequence.slot[1:] != sequence.slot[:-1], True)[: len(sequence.slot)]
            & (sequence.time_ms > memory.time_ms[sequence.slot])
        )
        memory.remember(
            sequence.slot[newest], rows, sequence.row[newest], sequence.boot[newest], run[newest]
        )
        return rows

    def latest_rows(self) -> list[LatestRow]:
        """Return what a checkpoint must keep, each change once."""
        return [row for memory in self._memories.values() for row in memory.dirty_rows()]

    def restore(self, rows: Iterable[LatestRow]) -> None:
        """Go on from the rows of the last checkpoint; those of vanished profiles are left."""
        by_profile: dict[str, list[LatestRow]] = {}
        for row in rows:
            by_profile.setdefault(row.profile, []).append(row)
        for profile, group in by_profile.items():
            if profile in self._memories:
                self._memories[profile].restore(group)

    def _check_registers(
        self, batch: DecodedBatch, sequence: _Sequence, rules: Rules, memory: Memory
    ) -> None:
        if not len(rules.registers):
            return
        rise = sequence.values[:, rules.registers] - sequence.before[:, rules.registers]
        span_ms = (sequence.time_ms - sequence.before_ms).astype(np.float64)
        is_fall = rise < 0
        is_leap = rise > span_ms[:, None] * rules.rate_per_ms + CAPABILITY_SLACK
        is_leap &= ~batch.is_stamped[sequence.row, None]  # a stamped time says nothing of spans
        reasons = batch.readings.reasons
        for place in np.flatnonzero((is_fall | is_leap).any(axis=1)).tolist():
            row, slot = int(sequence.row[place]), sequence.slot[place]
            device = int(batch.readings.device_index[row])
            if self._exchanged(
                device, int(sequence.before_ms[place]), int(sequence.time_ms[place])
            ):
                reasons[row] |= int(Reason.METER_EXCHANGE)
                continue
            if is_leap[place].any():
                reasons[row] |= int(Reason.CAPABILITY)
            booted = (
                memory.boot[slot] if sequence.follows_memory[place] else sequence.boot[place - 1]
            )
            for register in np.flatnonzero(is_fall[place]).tolist():
                column = rules.registers[register]
                reasons[row] |= int(
                    verdict_on_fall(
                        float(sequence.before[place, column]),
                        float(sequence.values[place, column]),
                        float(rules.rollover[register]),
                        is_new_boot=bool(sequence.boot[place] != booted),
                    )
                )


def _mark_each(batch: DecodedBatch, rules: Rules) -> BoolArray:
    """Set the bits that a reading earns by itself; return where nothing was measured."""
    rows = batch.readings
    reasons, status = rows.reasons, rows.status
    is_null = np.isnan(rows.values)
    is_told = is_null.all(axis=1) if rules.is_sparse else is_null.any(axis=1)
    reasons |= np.where(is_told, int(Reason.NULL_VALUE), 0)
    reasons |= np.where(batch.is_stamped, int(Reason.NO_CLOCK), 0)
    reasons |= np.where(batch.is_registered, 0, int(Reason.UNREGISTERED))
    if status.any():
        reasons |= np.where(status & _ILL, int(Reason.DEVICE_STATUS), 0)
        reasons |= np.where(status & _CLOCK, int(Reason.TIME_SYNC), 0)
        idle = rows.values[:, rules.idle]
        is_idle = ((idle == 0) | np.isnan(idle)).all(axis=1) & (idle == 0).any(axis=1)
        is_outage = is_idle & ((status & int(Status.POWER_DOWN)) != 0)
        reasons |= np.where(is_outage, int(Reason.OUTAGE_AGREE), 0)
    is_nothing: BoolArray = np.logical_and.reduce(is_null, axis=1)
    return is_nothing


def _sequence(
    batch: DecodedBatch, slots: IntArray, memory: Memory, *, is_series: bool
) -> _Sequence:
    rows = batch.readings
    order = np.argsort(slots, kind="stable")
    slot, time_ms = slots[order], rows.time_ms[order]
    is_same = slot[1:] == slot[:-1]
    if np.any(is_same & (time_ms[1:] < time_ms[:-1])):
        order = np.lexsort((rows.time_ms, slots))
        slot, time_ms = slots[order], rows.time_ms[order]
    memory_ms = memory.time_ms[slot]
    is_repeat = np.zeros(len(slot), np.bool_)
    is_repeat[1:] = is_same & (time_ms[1:] == time_ms[:-1])
    is_shadow = is_repeat | (time_ms == memory_ms)
    if is_shadow.any():
        if is_series:
            _mark_conflicts(rows, order, is_repeat, is_shadow, memory.values[slot])
        kept = np.flatnonzero(~is_shadow)
        order, slot, time_ms, memory_ms = order[kept], slot[kept], time_ms[kept], memory_ms[kept]
    values = rows.values[order]
    before, before_ms = np.empty_like(values), np.empty_like(time_ms)
    before[1:], before_ms[1:] = values[:-1], time_ms[:-1]
    is_first = np.ones(len(slot), np.bool_)
    is_first[1:] = slot[1:] != slot[:-1]
    follows = (time_ms > memory_ms) & (memory_ms > NEVER)
    follows[1:] &= is_first[1:] | (time_ms[:-1] < memory_ms[1:])
    has_before = follows | ~is_first
    before[~has_before] = np.nan
    before_ms[~has_before] = time_ms[~has_before]
    before[follows] = memory.values[slot[follows]]
    before_ms[follows] = memory_ms[follows]
    boot = batch.boot[order]
    return _Sequence(order, slot, time_ms, values, boot, has_before, follows, before_ms, before)


def _mark_conflicts(
    rows: ReadingBatch,
    order: IntArray,
    is_repeat: BoolArray,
    is_shadow: BoolArray,
    newest: FloatArray,
) -> None:
    """Mark readings whose device and time another one had before, with other values."""
    first = np.maximum.accumulate(np.where(is_repeat, 0, np.arange(len(order))))
    for place in np.flatnonzero(is_shadow).tolist():
        # the first of this time: in the memory, unless it is in the batch itself
        is_in_batch = not is_shadow[first[place]]
        other = rows.values[order[first[place]]] if is_in_batch else newest[place]
        if not np.array_equal(rows.values[order[place]], other, equal_nan=True):
            rows.reasons[order[place]] |= int(Reason.CONFLICT)


def _runs(sequence: _Sequence, memory: Memory, rules: Rules) -> IntArray:
    """Return for each reading how many in a row, itself included, have the same gauges."""
    now, before = sequence.values[:, rules.gauges], sequence.before[:, rules.gauges]
    is_equal = (now == before) | (np.isnan(now) & np.isnan(before))
    is_stuck = is_equal.all(axis=1) & (np.abs(now) > 0).any(axis=1) & sequence.has_before
    place = np.arange(len(is_stuck))
    goes_on = is_stuck & ~sequence.follows_memory
    anchor = np.maximum.accumulate(np.where(goes_on, 0, place))
    start = np.where(is_stuck, memory.run[sequence.slot] + 1, 1)
    return start[anchor] + place - anchor


def _grade(rows: ReadingBatch, nothing: BoolArray) -> None:
    quality, reasons, status = rows.quality, rows.reasons, rows.status
    suspect = int(Reason.NO_CLOCK | Reason.CAPABILITY | Reason.FLAT_LINE)
    is_recovered = (status & int(Status.RECOVERED_VALUE)) != 0
    quality[is_recovered] = Quality.RECOVERED
    quality[((reasons & suspect) != 0) | ((status & _SUSPECT) != 0)] = Quality.SUSPECT
    is_failed = (reasons & int(Reason.REGISTER_BACKWARDS)) != 0
    is_failed |= (status & int(Status.DATA_NOT_VALID)) != 0
    quality[is_failed] = Quality.FAILED
    quality[nothing] = Quality.MISSING
