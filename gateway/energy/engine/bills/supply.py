"""When meters could count: with power, and while there was a meter; and what follows for slots.

Both come from elsewhere than its readings: interruptions from the watch of outages, absences and
noted registers from the registry.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from gateway.energy import vee
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.findings.series import DOMAIN, INTERRUPTIONS
from gateway.energy.engine.grid.protocol import Protocol as Notes
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.series import Window
from gateway.model import BoolArray, FloatArray, IntArray, Quality, Reason
from gateway.ports import Result

# no register vouches for these
_UNSURE = tuple(
    int(one)
    for one in (
        vee.Method.CHECK_METER,
        vee.Method.LIKE_DAY,
        vee.Method.UNKNOWN,
        vee.Method.NO_POWER,
    )
)
_LINES_AT_ONCE = 10_000
_USUAL_MS = 2 * DAY_MS  # hardly an outage is longer: what began earlier is asked for by meter
_LONGEST_MS = 31 * DAY_MS
_WHOLE = 1 - 1e-9


class Recalling(Protocol):
    """``store.derived.DerivedReader``."""

    def results(
        self, domain: str, asked: Result, limit: int, after: tuple[int, str] = ...
    ) -> Sequence[Result]:
        """Return lines of a series that begin within a time."""


class Supply(NamedTuple):
    """Of a window; None where nothing was missing."""

    is_outage: BoolArray | None  # slots wholly within an interruption
    lit: FloatArray | None  # part of a slot with power and a meter


class Supplies:
    """Knows it.

    Args:
        recall: the interruptions.
        roster: names, and when meters were in service.
        heard_ms: newest reading of each device.
    """

    def __init__(self, recall: Recalling, roster: Roster, heard_ms: Mapping[int, int]) -> None:
        self._recall, self._roster, self._heard_ms = recall, roster, heard_ms

    def of(self, window: Window) -> Supply:
        """Return the supply of the meters of a window."""
        slot_ms, interval_ms = window.slot_ms(), window.interval_ms
        dark = np.zeros((window.meters, window.slots))
        for row, begin_ms, end_ms in self._interruptions(window):
            dark[row] += overlap(slot_ms, interval_ms, (begin_ms, end_ms))
        lit = 1.0 - dark
        absences = self._roster.absences(window.device_index)
        for row, begin_ms, end_ms in absences.within(window.start_ms, window.end_ms):
            lit[row] -= overlap(slot_ms, interval_ms, (begin_ms, end_ms))
        is_outage = dark >= _WHOLE
        return Supply(
            is_outage if is_outage.any() else None,
            np.maximum(lit, 0.0) if (lit < 1).any() else None,
        )

    def in_service(self, found: vee.Intervals) -> vee.Intervals:
        """Return slots with what the registry says of the begin and the end of meters' service.

        Slots of which no meter was there for a moment are nothing, and not open. Those before a
        meter was taken down, up to which no register reaches, are as good as they will get. What a
        register shows stands all the same: where it speaks of another time, the registry errs.
        """
        found_ms = found.start_ms + found.slots * found.interval_ms
        until_ms = max(self._roster.now_ms, found_ms)
        absences = self._roster.absences(found.device_index)
        known = list(absences.within(found.start_ms, until_ms))
        if not known:
            return found
        is_out = np.zeros(found.method.shape, np.bool_)
        is_over, is_cut = is_out.copy(), is_out.copy()
        slot_ms, is_unsure = found.slot_ms(), np.isin(found.method, _UNSURE)
        stop_ms = slot_ms + found.interval_ms
        for row, begin_ms, end_ms in known:
            is_out[row] |= (slot_ms >= begin_ms) & (stop_ms <= end_ms)
            is_last = (slot_ms < begin_ms) & (begin_ms < stop_ms)
            is_first = (slot_ms < end_ms) & (end_ms < stop_ms)
            is_cut[row] |= is_last | is_first
            heard_ms = self._heard_ms.get(int(found.device_index[row]), 0)
            if begin_ms <= found_ms or heard_ms <= found_ms:  # else there may be registers between
                shown_ms = _shown_ms(found, row, begin_ms)
                is_before = (shown_ms <= slot_ms) & (slot_ms < begin_ms)
                is_over[row] |= is_before & (begin_ms <= self._roster.now_ms)
            is_over[row] |= is_first & np.isfinite(found.register_wh[row, 1:])
        is_out &= is_unsure
        is_over &= is_unsure & ~is_out
        return _closed(_nothing(found, is_out), is_over, is_cut)

    def _interruptions(self, window: Window) -> Iterator[tuple[int, int, int]]:
        """Yield row, begin and end of interruptions; one that lasts ends with the window."""
        rows = {self._roster.name(i): row for row, i in enumerate(window.device_index.tolist())}
        usual_ms = window.start_ms - _USUAL_MS
        told = list(self._told("", usual_ms, window.end_ms))
        # whose power is gone since long has no register at the begin
        dark = np.flatnonzero(np.isnan(window.import_wh[:, 0])).tolist()
        for index in window.device_index[dark].tolist():
            place = f"device:{self._roster.name(index)}"
            told += self._told(place, window.start_ms - _LONGEST_MS, usual_ms)
        for one in told:
            row = rows.get(one.place.removeprefix("device:"))
            if row is not None and "withdrawn" not in one.body:
                is_open = one.to_ms <= one.from_ms
                yield row, one.from_ms, window.end_ms if is_open else one.to_ms

    def _told(self, place: str, from_ms: int, to_ms: int) -> Iterator[Result]:
        asked, after = Result(INTERRUPTIONS, place, from_ms, to_ms, ""), (-1, "")
        while lines := self._recall.results(DOMAIN, asked, _LINES_AT_ONCE, after):
            yield from lines
            after = lines[-1].from_ms, lines[-1].place


def overlap(slot_ms: IntArray, interval_ms: int, span: tuple[int, int]) -> FloatArray:
    """Return what part of each slot lies within a span."""
    begin_ms, end_ms = span
    first = np.maximum(slot_ms, begin_ms)
    inside: FloatArray = np.minimum(slot_ms + interval_ms, end_ms) - first
    return np.maximum(inside, 0) / interval_ms


def write_down(notes: Notes, window: Window) -> None:
    """Write noted registers at their marks, in place, where no reading is."""
    for one in notes.shown:
        mark = (one.time_ms - window.start_ms) // window.interval_ms
        if not 0 <= mark <= window.slots or np.isfinite(window.import_wh[one.row, mark]):
            continue
        window.import_wh[one.row, mark] = one.import_wh
        window.quality[one.row, mark] = int(Quality.EDITED)  # by a person, on paper or here
        fed_in_wh = float(np.fmax.reduce(window.export_wh[one.row], initial=-1.0))
        is_mute = np.isnan(one.export_wh) and fed_in_wh == 0  # who never fed in did not then
        window.export_wh[one.row, mark] = 0.0 if is_mute else one.export_wh


def within(notes: Notes, window: Window) -> list[vee.Exchange]:
    """Return the exchanges of a window; one at its first mark may be behind what is shown there."""
    return [one for one in notes.exchanges if window.start_ms <= one.time_ms <= window.end_ms]


def _shown_ms(found: vee.Intervals, row: int, begin_ms: int) -> int:
    """Return when a meter last showed its register before an absence, the begin if not within."""
    marks = found.start_ms + found.interval_ms * np.flatnonzero(np.isfinite(found.register_wh[row]))
    return int(marks[marks <= begin_ms].max(initial=found.start_ms))


def _nothing(found: vee.Intervals, is_out: BoolArray) -> vee.Intervals:
    return replace(
        found,
        import_wh=np.where(is_out, np.nan, found.import_wh),
        export_wh=np.where(is_out, 0.0, found.export_wh),
        quality=np.where(is_out, int(Quality.MISSING), found.quality),
        reasons=np.where(is_out, 0, found.reasons),
        method=np.where(is_out, int(vee.Method.ABSENT), found.method).astype(np.int8),
        is_final=found.is_final | is_out,
    )


def _closed(found: vee.Intervals, is_over: BoolArray, is_cut: BoolArray) -> vee.Intervals:
    """Return slots of which those are final behind which nothing comes any more."""
    told = np.where(is_over, found.reasons & ~int(Reason.PROLONGED_ESTIMATION), found.reasons)
    fed_in_wh = np.where(is_over & np.isnan(found.export_wh), 0.0, found.export_wh)
    return replace(
        found,
        export_wh=np.where(_feeds_in(found)[:, None], found.export_wh, fed_in_wh),
        reasons=np.where(is_over | is_cut, told | int(Reason.METER_EXCHANGE), told),
        is_final=found.is_final | is_over,
    )


def _feeds_in(found: vee.Intervals) -> BoolArray:
    """Return who has fed in as far as the slots tell; of the others nothing is unknown."""
    return np.asarray(np.any(np.nan_to_num(found.export_wh) > 0, axis=1))
