"""Detector health: who is not believed, why, and what is to be done about it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from gateway.board import seen
from gateway.board.alarm_table import AlarmTable
from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.looks.lines import Line
from gateway.board.numbers import grouped
from gateway.board.parts.cells import (
    NOTHING,
    number_text,
    place_column,
    place_href,
    place_text,
    share_cell,
    share_text,
    value_column,
)
from gateway.board.parts.figures import Figures
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.parts.when import span_text
from gateway.board.words import named, said

BACK_MS = 3 * 86_400_000
WORK_MS = 86_400_000
GOOD = "good"
FEW_NAMES = 5  # of a work item; its place names the others
_BESIDE = frozenset({"lane_unused", "toll_reader_failed", "scale_drift"})


def is_of_detector(one: AlarmLine) -> bool:
    """Return whether an alarm is about a detector."""
    return one.kind.startswith(("detector_", "roadside_")) or one.kind in _BESIDE


class Detectors:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame = frame
        keys = dict.fromkeys(("detectors_good", "detectors_poor", "detectors_alarms"), "")
        self._figures = Figures(frame.words, keys)
        self._below = ui.element("div").classes("stack")
        self._tables: tuple[Table[AlarmLine], Table[Mapping[str, Any]], Table[Line]] | None = None
        self._seen: tuple[object, ...] = ()
        frame.follow(self._refresh, 2.0)

    async def _refresh(self) -> None:
        frame = self._frame
        days = await seen.lines(frame, "transport", "detectors", BACK_MS)
        work = await seen.lines(frame, "transport", "work", WORK_MS)
        alarms = [one for one in await seen.open_alarms(frame) if is_of_detector(one)]
        if self._tables is None:
            titles = (await seen.sites(frame)).titles
            with self._below:
                self._tables = self._draw_tables(titles)
        told, items, names = self._tables
        told.show(alarms)  # each time: it says how long ago
        now = (days, work, alarms)
        if self._seen == now:
            return
        self._seen = now
        self._show_figures(days, alarms)
        items.show(list(work[0].values.get("items", ())) if work else [])
        names.show(days, span_text(days[0], frame.words, frame.zone) if days else "")

    def _show_figures(self, days: Sequence[Line], alarms: Sequence[AlarmLine]) -> None:
        words = self._frame.words
        statuses = Counter(str(one.values.get("status")) for one in days)
        total, poor = f"/ {grouped(len(days))}", len(days) - statuses[GOOD]
        note = span_text(days[0], words, self._frame.zone) if days else words["day_none"]
        self._figures["detectors_good"].show(grouped(statuses[GOOD]), total, note)
        worst = ", ".join(
            f"{grouped(count)} {said(words, 'status', name)}"
            for name, count in statuses.most_common(4)
            if name != GOOD
        )
        self._figures["detectors_poor"].show(grouped(poor), total, worst)
        self._figures["detectors_alarms"].show(
            grouped(sum(one.is_called for one in alarms)), "", words["now"]
        )

    def _draw_tables(
        self, titles: Mapping[str, str]
    ) -> tuple[Table[AlarmLine], Table[Mapping[str, Any]], Table[Line]]:
        frame, words = self._frame, self._frame.words
        told = AlarmTable(frame, titles, Looks("alarms_open", "well", is_in_words=True))
        items = Table(words, self._work_columns(titles), Looks("work", "work_none"))
        looks = Looks("detector_days", "detector_days_none", "status", searches=True)
        return told, items, Table(words, self._columns(titles), looks, lambda one: one.name)

    def _work_columns(self, titles: Mapping[str, str]) -> list[Column[Mapping[str, Any]]]:
        frame = self._frame

        def place(one: Mapping[str, Any]) -> Cell:
            where = str(one.get("place") or "")
            text = place_text(frame, where, titles)
            return Cell(text, href=place_href(frame, where)) if where else NOTHING

        def action(one: Mapping[str, Any]) -> Cell:
            return Cell(named(frame.words, str(one.get("action") or "–")))

        def devices(one: Mapping[str, Any]) -> Cell:
            names = one.get("devices") or []
            return Cell(
                ", ".join(map(str, names[:FEW_NAMES])) + (" …" if names[FEW_NAMES:] else "")
            )

        return [
            Column("place", place, lambda one: str(one.get("place"))),
            Column("action", action, lambda one: str(one.get("action"))),
            Column("devices", devices),
        ]

    def _columns(self, titles: Mapping[str, str]) -> list[Column[Line]]:
        words = self._frame.words

        def status(one: Line) -> Cell:
            value = str(one.values.get("status"))
            return Cell(said(words, "status", value), "" if value == GOOD else "warn")

        def sampled(one: Line) -> Cell:
            expected = one.values.get("expected") or 0
            share = one.values.get("samples", 0) / expected if expected else None
            return share_cell(share, good_from=1.0, decimals=0)

        return [
            place_column(self._frame, titles, "device"),
            Column("status", status, lambda one: one.values.get("status") != GOOD),
            Column("samples", sampled, lambda one: one.values.get("samples")),
            value_column("expected", "expected", number_text),
            value_column("zero_occupancy", "zero_occupancy", share_text),
            value_column("high_occupancy", "high_occupancy", share_text),
            value_column("covered_without_count", "covered_without_count", share_text),
        ]


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Detectors(frame, query)
