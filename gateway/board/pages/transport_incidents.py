"""Incidents: what stands in the way, what did, and where jams begin again and again."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nicegui import ui

from gateway.board import seen
from gateway.board.alarm_table import AlarmTable
from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.looks.lines import Line
from gateway.board.numbers import duration_text, grouped
from gateway.board.pages.transport_detectors import is_of_detector
from gateway.board.parts.cells import number_text, place_href, place_text
from gateway.board.parts.figures import Figures
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.parts.when import day_text


class Head(NamedTuple):
    """Where a jam began."""

    station: str
    from_ms: int
    to_ms: int
    extent_km: float | None
    delay_veh_h: float | None


class Incidents:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame = frame
        keys = dict.fromkeys(("incidents_open", "incidents_span", "incidents_length"), "")
        self._figures = Figures(frame.words, keys)
        self._below = ui.element("div").classes("stack")
        self._tables: tuple[Table[AlarmLine], Table[Head]] | None = None
        self._seen: tuple[object, ...] = ()
        frame.follow(self._refresh, 2.0)

    async def _refresh(self) -> None:
        frame = self._frame
        found = [
            one
            for one in await seen.alarms_of_span(frame)
            if one.domain == "transport" and not is_of_detector(one)
        ]
        days = await seen.lines_of_span(frame, "transport", "congestion")
        if self._tables is None:
            titles = (await seen.sites(frame)).titles
            with self._below:
                self._tables = self._draw_tables(titles)
        self._tables[0].show(found)  # each time: it says how long ago
        if self._seen == (found, days):
            return
        self._seen = (found, days)
        self._show_figures(found)
        self._tables[1].show(heads_of(days))

    def _show_figures(self, found: Sequence[AlarmLine]) -> None:
        words, now = self._frame.words, self._frame.hold.sight.clock()
        span = words[f"span_{self._frame.place.span}"]
        still = sum(one.is_called for one in found)
        true = [one for one in found if not one.is_withdrawn]
        lengths = sorted((one.cleared_ms or now) - one.raised_ms for one in true)
        self._figures["incidents_open"].show(
            grouped(still), "", words["now"], "tone-bad" if still else ""
        )
        self._figures["incidents_span"].show(grouped(len(true)), "", span)
        middle = duration_text(lengths[len(lengths) // 2]) if lengths else "–"
        self._figures["incidents_length"].show(middle, "", words["median_of"].format(span=span))

    def _draw_tables(self, titles: Mapping[str, str]) -> tuple[Table[AlarmLine], Table[Head]]:
        frame = self._frame
        told = AlarmTable(frame, titles, Looks("incidents", "incidents_none", is_in_words=True))

        def place(one: Head) -> Cell:
            where = f"station:{one.station}"
            return Cell(place_text(frame, where, titles), href=place_href(frame, where))

        columns: list[Column[Head]] = [
            Column("station", place, lambda one: one.station),
            Column(
                "day", lambda one: Cell(day_text(one.from_ms, frame.zone)), lambda one: one.from_ms
            ),
            Column(
                "lasted",
                lambda one: Cell(duration_text(one.to_ms - one.from_ms)),
                lambda one: one.to_ms - one.from_ms,
            ),
            Column(
                "extent",
                lambda one: Cell(number_text(one.extent_km, "km", 1)),
                lambda one: one.extent_km,
                is_number=True,
            ),
            Column(
                "delay",
                lambda one: Cell(number_text(one.delay_veh_h, "veh·h", 1)),
                lambda one: one.delay_veh_h,
                is_number=True,
            ),
        ]
        return told, Table(frame.words, columns, Looks("bottlenecks", "bottlenecks_none", "delay"))


def heads_of(days: Sequence[Line]) -> list[Head]:
    """Return the bottlenecks of lines of ``congestion``."""
    told: list[Mapping[str, Any]] = [
        one for day in days for one in day.values.get("bottlenecks", ())
    ]
    return [
        Head(
            *(str(one["station"]), int(one["from_ms"]), int(one["to_ms"])),
            *(one.get("extent_km"), one.get("delay_veh_h")),
        )
        for one in told
    ]


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Incidents(frame, query)
