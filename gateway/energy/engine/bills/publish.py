"""From what VEE found of a day to the lines that are kept: intervals, lineage, determinants."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from gateway.energy import vee
from gateway.energy.billing import (
    Absent,
    BillingPolicy,
    Determinants,
    close,
    edged,
    either,
    of_day,
    without,
)
from gateway.energy.calendar import DAY_MS
from gateway.energy.edits import EditBook
from gateway.energy.engine.days.kin import Kin, by_day
from gateway.energy.engine.days.pieces import Piece, month_of
from gateway.energy.engine.days.remembered import DayMemo
from gateway.energy.engine.findings.bodies import (
    as_told,
    determinants_bodies,
    intervals_bodies,
    is_continued,
    lineage_body,
    read_back,
)
from gateway.energy.engine.findings.series import DAYS, DETERMINANTS, DOMAIN, INTERVALS, LINEAGE
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.series import Window
from gateway.energy.vee.lineage import Change, changes
from gateway.model import BoolArray, IntArray
from gateway.ports import Result

_BY_CHECK = vee.Method.CHECK_METER.name.lower()
WAIT_INTERVALS = 2  # a reading that is not there yet is estimated only after so many


class Recalling(Protocol):
    """``store.derived.DerivedReader``."""

    def lines(
        self, domain: str, series: str, from_ms: int, places: Iterable[str]
    ) -> dict[str, Result]:
        """Return the lines of a series that begin at one moment."""


class Publisher:
    """Makes lines; what is stored already in the same words is left out.

    Args:
        recall: what was told before.
        roster: names of devices.
        policies: tariffs and cycles.
        edits: what people said of slots.
    """

    def __init__(
        self, recall: Recalling, roster: Roster, policies: EnergyPolicies, edits: EditBook
    ) -> None:
        self._edits = edits
        self._recall, self._roster, self._policies = recall, roster, policies

    def places(self, device_index: IntArray) -> list[str]:
        """Return the places of devices."""
        return [f"device:{self._roster.name(index)}" for index in device_index.tolist()]

    def memo(
        self,
        piece: Piece,
        window: Window,
        found: vee.Intervals,
        is_complete: bool,  # noqa: FBT001
    ) -> DayMemo:
        """Return what is to be kept of a day."""
        policies = self._policies
        shares = policies.shares(found.slot_ms(), found.interval_ms)
        billing = policies.billing_at(found.start_ms)
        figures = of_day(found, window, piece.day, policies.calendar, shares, billing)
        figures = edged(figures, found, self._roster.absences(found.device_index))
        per_day = DAY_MS // found.interval_ms
        energy = np.zeros((len(found.device_index), per_day), np.float32)
        energy[:, : found.slots] = np.nan_to_num(found.import_wh)
        export = np.zeros_like(energy)
        export[:, : found.slots] = np.nan_to_num(found.export_wh)
        method = np.full(energy.shape, int(vee.Method.UNKNOWN), np.int8)
        method[:, : found.slots] = found.method
        is_good = found.is_good_day[:, 0] if found.is_good_day.shape[1] else energy[:, 0] < 0
        made = (energy, export, method, is_good, found.carry, figures)
        return DayMemo(piece.day, found.device_index, is_complete, *made)

    def intervals(self, found: vee.Intervals, now_ms: int) -> list[Result]:
        """Return the slots of each meter as far as they can be told, and what became of them."""
        places = self.places(found.device_index)
        stored = self._recall.lines(DOMAIN, INTERVALS, found.start_ms, places)
        shown = _shown(found, now_ms)
        results = []
        stops = shown.tolist()
        bodies = intervals_bodies(found, stops, self._roster.name)
        for name, stop, body in zip(places, stops, bodies, strict=True):
            end_ms = found.start_ms + stop * found.interval_ms
            line = Result(INTERVALS, name, found.start_ms, end_ms, body)
            if stop and stored.get(name) != line:
                results.append(line)
        rows = self._unlike(found, results, stored)
        return results + self._lineage(found, rows, stored, shown, now_ms)

    def again_ms(self, found: vee.Intervals, now_ms: int) -> int:
        """Return when the last slots of a day that is over can be told, 0 if they are."""
        end_ms = found.start_ms + (found.slots + WAIT_INTERVALS) * found.interval_ms
        return end_ms if now_ms < end_ms and (_shown(found, now_ms) < found.slots).any() else 0

    def _unlike(
        self, found: vee.Intervals, lines: Sequence[Result], stored: dict[str, Result]
    ) -> IntArray:
        """Return the meters of new lines in which more is new than slots that were measured."""
        end_ms = found.start_ms + found.slots * found.interval_ms
        names = [self._roster.name(index) for index in found.device_index.tolist()]
        fresh = {line.place: line for line in lines}
        said = {row for row, _ in self._edits.of(names, found.start_ms, end_ms)}
        rows = []
        for row, name in enumerate(names):
            line = fresh.get(f"device:{name}")
            if line is None:
                continue
            old = stored.get(line.place)
            if row in said or old is None or not is_continued(old.body, line.body):
                rows.append(row)
        return np.array(rows, np.int64)

    def _lineage(
        self,
        found: vee.Intervals,
        rows: IntArray,
        stored: dict[str, Result],
        shown: IntArray,
        now_ms: int,
    ) -> list[Result]:
        if not len(rows):
            return []
        part = _rows_of(found, rows)
        part = replace(part, import_wh=as_told(part.import_wh))  # what is not told has not changed
        places = self.places(part.device_index)
        bodies = [stored[name].body if name in stored else None for name in places]
        span = (part.start_ms, part.interval_ms, part.slots)
        old = read_back(bodies, part.device_index, *span)
        until_ms = {
            int(index): part.start_ms + int(shown[row]) * part.interval_ms
            for index, row in zip(part.device_index.tolist(), rows.tolist(), strict=True)
        }
        by_slot: dict[tuple[int, int], list[Change]] = {}
        end_ms = part.start_ms + part.slots * part.interval_ms
        names = [self._roster.name(index) for index in part.device_index.tolist()]
        said = edits_of(self._edits, names, part.start_ms, end_ms)
        for change in self._sourced(part, changes(old, part, said, now_ms)):
            if change.slot_ms < until_ms[change.device_index]:
                by_slot.setdefault((change.slot_ms, change.device_index), []).append(change)
        results = []
        for (slot_ms, index), steps in by_slot.items():
            name = f"device:{self._roster.name(index)}"
            known = self._recall.lines(DOMAIN, LINEAGE, slot_ms, [name]).get(name)
            body = lineage_body(None if known is None else known.body, steps)
            results.append(Result(LINEAGE, name, slot_ms, slot_ms + part.interval_ms, body))
        return results

    def _sourced(self, found: vee.Intervals, steps: Iterable[Change]) -> Iterator[Change]:
        """Yield changes, those to the value of a check meter with its name."""
        rows = {index: row for row, index in enumerate(found.device_index.tolist())}
        for step in steps:
            slot = (step.slot_ms - found.start_ms) // found.interval_ms
            if found.check_index is None or step.rule != _BY_CHECK:
                yield step
                continue
            source = int(found.check_index[rows[step.device_index], slot])
            yield step._replace(why=f"check meter {self._roster.name(source)}")

    def figures(
        self, piece: Piece, memo: DayMemo, past: dict[int, DayMemo], kin: Kin
    ) -> tuple[list[Result], BoolArray]:
        """Return the day's determinants and those of its month so far, and who is ready."""
        rollover_varh = min(map(self._roster.reactive_rollover_varh, {piece.profile, *kin}))
        first, stop = month_of(memo.day)
        is_check = self._is_check(memo.device_index)
        own, others = past.values(), [one for days in kin.values() for one in days.values()]
        known = [*others, *own] if self._roster.is_told(piece.profile) else [*own, *others]
        of_month = [
            without(one, is_check(one.day))
            for one in by_day(known, memo.device_index)
            if first <= one.day < stop and one.day != memo.day and one.rates == memo.figures.rates
        ]
        day, cycle = [memo.figures], [*of_month, without(memo.figures, is_check(memo.day))]
        of_day = close(day, memo.day, memo.day + 1, rollover_varh, self._billing(memo.day + 1))
        is_out = self._roster.absences(memo.device_index).is_out(self._policies.calendar)
        of_cycle = close(
            *(cycle, first, stop, rollover_varh, self._billing(stop)), either(is_out, is_check)
        )
        is_billed = ~np.all([is_check(day) for day in range(first, stop)], axis=0)
        noon_ms = self._policies.calendar.start_ms(memo.day) + DAY_MS // 2
        is_billed &= ~self._roster.is_instrument(memo.device_index, piece.profile, noon_ms)
        lines = self._lines(DAYS, memo, of_day)
        lines += self._lines(DETERMINANTS, memo, of_cycle, is_billed)
        return lines, of_cycle.is_ready

    def _is_check(self, device_index: IntArray) -> Absent:
        """Return what tells of a day who checked another meter: the main one is billed."""
        pairs, calendar = self._roster.pairs, self._policies.calendar
        return lambda day: pairs.is_check(device_index, calendar.start_ms(day) + DAY_MS // 2)

    def _billing(self, stop_day: int) -> BillingPolicy:
        return self._policies.billing_at(self._policies.calendar.start_ms(stop_day) - 1)

    def _lines(
        self, series: str, memo: DayMemo, found: Determinants, is_told: BoolArray | None = None
    ) -> list[Result]:
        calendar = self._policies.calendar
        begin_ms, end_ms = calendar.start_ms(found.first_day), calendar.start_ms(found.stop_day)
        chosen = [True] * len(memo.device_index) if is_told is None else is_told.tolist()
        told = zip(
            *(self.places(memo.device_index), determinants_bodies(found), chosen), strict=True
        )
        return [
            Result(series, name, begin_ms, end_ms, body) for name, body, is_one in told if is_one
        ]


def edits_of(book: EditBook, names: Sequence[str], from_ms: int, to_ms: int) -> list[vee.Edit]:
    """Return what people said of slots, row by row of ``names``."""
    return [
        vee.Edit(row, line.slot_ms, line.value_wh, line.who, line.when_ms, line.why)
        for row, line in book.of(names, from_ms, to_ms)
    ]


def _shown(found: vee.Intervals, now_ms: int) -> IntArray:
    """Return how many slots of each meter are told: a reading may still be under way."""
    is_good = np.isfinite(found.register_wh)
    is_good[:, 1:] |= np.isfinite(found.import_wh) & ~np.isin(found.method, vee.GUESSES)
    newest = found.slots - np.argmax(is_good[:, ::-1], axis=1)
    newest = np.where(is_good.any(axis=1), newest, 0)
    late = (now_ms - found.start_ms) // found.interval_ms - WAIT_INTERVALS
    shown: IntArray = np.minimum(found.slots, np.maximum(newest, max(late, 0)))
    return shown


def _rows_of(found: vee.Intervals, rows: IntArray) -> vee.Intervals:
    return replace(
        found,
        device_index=found.device_index[rows],
        import_wh=found.import_wh[rows],
        export_wh=found.export_wh[rows],
        quality=found.quality[rows],
        reasons=found.reasons[rows],
        method=found.method[rows],
        is_final=found.is_final[rows],
        register_wh=found.register_wh[rows],
        is_good_day=found.is_good_day[rows],
        carry=found.carry.take(rows),
        check_index=None if found.check_index is None else found.check_index[rows],
        clock_offset_ms=None if found.clock_offset_ms is None else found.clock_offset_ms[rows],
    )
