"""Level of service: how each station is now, how many are slow, and where."""

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from gateway.board import seen
from gateway.board.frame import Frame
from gateway.board.looks.lines import Line
from gateway.board.looks.marks import LEVEL_TONES
from gateway.board.looks.roads import by_level
from gateway.board.numbers import age_text, grouped
from gateway.board.parts.cells import (
    number_text,
    place_column,
    place_href,
    share_cell,
    share_text,
    value_column,
)
from gateway.board.parts.figures import Figures
from gateway.board.parts.sitemap import SiteMap
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.words import said

STATIONS = frozenset({"station"})
HALF = 0.5  # of the intervals of a bin: below, the others stand for more than they are


class Service:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame = frame
        self._rows: Sequence[Line] = ()
        self._table: Table[Line] | None = None
        keys = dict.fromkeys(("stations_slow", "stations_full", "stations_known", "flow_now"), "")
        self._figures = Figures(frame.words, keys)
        self._map = SiteMap(frame, lambda place: ui.navigate.to(place_href(frame, place)), STATIONS)
        self._below = ui.element("div")
        frame.follow(self._refresh, 2.0)

    async def _refresh(self) -> None:
        frame = self._frame
        states, sites = await seen.roads(frame), await seen.sites(frame)
        await self._map.show(sites, await seen.marks(frame))
        rows = [one for one in states.values() if one.level == "station"]
        self._show_figures(rows, by_level(states))
        if self._table is None:
            with self._below:
                looks = Looks("service_now", "service_none", "level_of_service", searches=True)
                columns = self._columns(sites.titles)
                self._table = Table(frame.words, columns, looks, lambda one: one.name)
        if rows != self._rows:
            self._rows = rows
            self._table.show(rows)
        has_stations = any(one.kind == "station" for one in sites.points)
        self._table.explain("service_soon" if has_stations else "service_none")

    def _show_figures(self, rows: Sequence[Line], counts: dict[str, int]) -> None:
        words, total = self._frame.words, f"/ {grouped(len(rows))}"
        full = counts["F"]
        slow = sum(
            bool(one.values.get("slow_now")) or one.values.get("level_of_service") in LEVEL_TONES
            for one in rows
        )
        self._figures["stations_slow"].show(grouped(slow), total, words["stations_slow_what"])
        self._figures["stations_full"].show(grouped(full), total, words["stations_full_what"])
        measured = sum(one.values.get("method") == "observed" for one in rows)
        self._figures["stations_known"].show(grouped(measured), total, words["stations_known_what"])
        flow = sum(float(one.values.get("flow_veh_h") or 0.0) for one in rows)
        mean = flow / len(rows) if rows else None
        self._figures["flow_now"].show(number_text(mean, "veh/h", 0), "", words["flow_now_what"])

    def _columns(self, titles: Any) -> list[Column[Line]]:  # noqa: ANN401
        frame = self._frame

        def level(one: Line) -> Cell:
            value = one.values.get("level_of_service")
            if one.values.get("slow_now"):
                return Cell(f"{value or '–'} · {frame.words['slow_now']}", "bad")
            return Cell(value or "–", LEVEL_TONES.get(value or "", ""))

        def age(one: Line) -> Cell:
            return Cell(age_text(frame.hold.sight.clock() - one.to_ms, frame.words))

        def method(one: Line) -> Cell:
            value = str(one.values.get("method") or "nothing")
            return Cell(said(frame.words, "method", value), "" if value == "observed" else "warn")

        def observed(one: Line) -> Cell:
            return share_cell(one.values.get("observed"), good_from=HALF, decimals=0)

        return [
            place_column(frame, titles, "station"),
            Column("level_of_service", level, _urgency),
            value_column("speed", "speed_kmh", lambda v: number_text(v, "km/h", 0)),
            value_column("flow", "flow_veh_h", lambda v: number_text(v, "veh/h", 0)),
            value_column("occupancy", "occupancy", share_text),
            value_column("density", "density_veh_km_lane", lambda v: number_text(v, "veh/km", 1)),
            Column("method", method, lambda one: one.values.get("method")),
            Column("observed", observed, lambda one: one.values.get("observed")),
            Column("as_of", age, lambda one: one.to_ms),
        ]


def _urgency(one: Line) -> tuple[bool, str] | None:
    """Return by what levels are sorted: what has just become slow is worse than any of them."""
    level, is_slow = one.values.get("level_of_service"), bool(one.values.get("slow_now"))
    return (is_slow, str(level or "")) if level or is_slow else None


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Service(frame, query)
