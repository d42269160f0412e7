"""From what VEE found of a day to the lines that are kept: intervals, lineage, determinants."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from gateway.energy import vee
from gateway.energy.billing import DayFigures, close, of_day
from gateway.energy.calendar import DAY_MS
from gateway.energy.edits import EditBook
from gateway.energy.engine.pieces import Piece, month_of
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.engine.remembered import DayMemo, figures_of
from gateway.energy.engine.roster import Roster
from gateway.energy.engine.telling import (
    determinants_bodies,
    intervals_bodies,
    lineage_body,
    read_back,
)
from gateway.energy.series import Window
from gateway.energy.vee.lineage import Change, changes
from gateway.model import BoolArray, IntArray
from gateway.ports import Result

WAIT_INTERVALS = 2  # a reading that is not there yet is estimated only after so many
DOMAIN = "energy"
INTERVALS, LINEAGE, DAYS, DETERMINANTS = "intervals", "lineage", "days", "determinants"
INTERRUPTIONS = "interruptions"


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
        for name, stop, body in zip(places, stops, intervals_bodies(found, stops), strict=True):
            end_ms = found.start_ms + stop * found.interval_ms
            line = Result(INTERVALS, name, found.start_ms, end_ms, body)
            if stop and stored.get(name) != line:
                results.append(line)
        fresh = {one.place for one in results}
        rows = np.array([k for k, name in enumerate(places) if name in fresh], np.int64)
        return results + self._lineage(found, rows, stored, shown, now_ms)

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
        for change in changes(old, part, said, now_ms):
            if change.slot_ms < until_ms[change.device_index]:
                by_slot.setdefault((change.slot_ms, change.device_index), []).append(change)
        results = []
        for (slot_ms, index), steps in by_slot.items():
            name = f"device:{self._roster.name(index)}"
            known = self._recall.lines(DOMAIN, LINEAGE, slot_ms, [name]).get(name)
            body = lineage_body(None if known is None else known.body, steps)
            results.append(Result(LINEAGE, name, slot_ms, slot_ms + part.interval_ms, body))
        return results

    def figures(self, memo: DayMemo, past: dict[int, DayMemo]) -> tuple[list[Result], BoolArray]:
        """Return the day's determinants and those of its month so far, and who is ready."""
        first, stop = month_of(memo.day)
        of_month = [
            figures_of(one, memo.device_index)
            for one in past.values()
            if first <= one.day < stop
            and one.day != memo.day
            and one.figures.rates == memo.figures.rates
        ]
        results, _ = self._closed(DAYS, memo, [memo.figures], (memo.day, memo.day + 1))
        of_cycle, is_ready = self._closed(
            DETERMINANTS, memo, [*of_month, memo.figures], (first, stop)
        )
        return results + of_cycle, is_ready

    def _closed(
        self, series: str, memo: DayMemo, days: Sequence[DayFigures], span: tuple[int, int]
    ) -> tuple[list[Result], BoolArray]:
        calendar = self._policies.calendar
        begin_ms, end_ms = calendar.start_ms(span[0]), calendar.start_ms(span[1])
        never = np.full(len(memo.device_index), np.inf)
        found = close(days, *span, never, self._policies.billing_at(end_ms - 1))
        lines = [
            Result(series, name, begin_ms, end_ms, body)
            for name, body in zip(
                self.places(memo.device_index), determinants_bodies(found), strict=True
            )
        ]
        return lines, found.is_ready


def edits_of(book: EditBook, names: Sequence[str], from_ms: int, to_ms: int) -> list[vee.Edit]:
    """Return what people said of slots, row by row of ``names``."""
    return [
        vee.Edit(row, line.slot_ms, line.value_wh, line.who, line.when_ms, line.why)
        for row, line in book.of(names, from_ms, to_ms)
    ]


def _shown(found: vee.Intervals, now_ms: int) -> IntArray:
    """Return how many slots of each meter are told: a reading may still be under way."""
    is_good = np.isfinite(found.register_wh)
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
    )
