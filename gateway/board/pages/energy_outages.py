"""Outages: who has no power now and where, and what the year's figures will say of it."""

from collections.abc import Mapping, Sequence

from nicegui import ui

from gateway.board import seen
from gateway.board.alarm_table import AlarmTable
from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.looks.lines import MONTH_MS, Line
from gateway.board.looks.marks import Mark, marks_of
from gateway.board.numbers import grouped
from gateway.board.parts.cells import (
    number_text,
    place_column,
    place_href,
    value_column,
)
from gateway.board.parts.figures import Figures
from gateway.board.parts.sitemap import SiteMap
from gateway.board.parts.tables import Column, Looks, Table
from gateway.board.parts.when import span_text

GRID = frozenset({"substation", "transformer", "cabinet", "concentrator"})
WHOLE = "grid:all"


def is_outage(one: AlarmLine) -> bool:
    """Return whether an alarm is about power, or about a link that is no power."""
    return one.domain == "energy" and one.kind.endswith("_outage")


class Outages:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame = frame
        keys = dict.fromkeys(("outages_open", "dark_now", "links_open", "saidi", "saifi"), "")
        self._figures = Figures(frame.words, keys)
        self._map = SiteMap(frame, lambda place: ui.navigate.to(place_href(frame, place)), GRID)
        self._below = ui.element("div").classes("stack")
        self._tables: tuple[Table[AlarmLine], Table[Line]] | None = None
        self._seen: tuple[object, ...] = ()
        frame.follow(self._refresh, 2.0)

    async def _refresh(self) -> None:
        frame = self._frame
        sites, fleet = await seen.sites(frame), await seen.fleet(frame)
        opened = await seen.open_alarms(frame)
        standing = [one for one in opened if is_outage(one) and one.is_called]

        def look() -> Sequence[Mark]:
            return marks_of(sites, standing, fleet, {})

        await self._map.show(sites, await frame.see("outage marks", look, 2.0))
        found = [one for one in await seen.alarms_of_span(frame) if is_outage(one)]
        dark = await seen.open_interruptions(frame)
        months = await seen.lines(frame, "energy", "reliability", 2 * MONTH_MS)
        if self._tables is None:
            with self._below:
                self._tables = self._draw_tables(sites.titles)
        self._tables[0].show(found)  # each time: it says how long ago
        if self._seen == (found, dark, months):
            return
        self._seen = (found, dark, months)
        self._show_figures(standing, dark, months)
        self._tables[1].explain("reliability_calm" if sites.points else "reliability_none")
        self._tables[1].show(
            months, span_text(months[0], frame.words, frame.zone) if months else ""
        )

    def _show_figures(
        self, standing: Sequence[AlarmLine], dark: int, months: Sequence[Line]
    ) -> None:
        words = self._frame.words
        links = sum(one.kind == "comms_outage" for one in standing)
        power, now = len(standing) - links, words["now"]
        self._figures["outages_open"].show(grouped(power), "", now, "tone-bad" * bool(power))
        self._figures["dark_now"].show(grouped(dark), "", now, "tone-bad" * bool(dark))
        self._figures["links_open"].show(grouped(links), "", now)
        whole = next((one for one in months if one.place == WHOLE), None)
        values: Mapping[str, float] = whole.values if whole is not None else {}
        note = (
            span_text(whole, words, self._frame.zone) if whole is not None else words["month_none"]
        )
        for key, name, unit in (("saidi", "saidi_min", "min"), ("saifi", "saifi", "")):
            self._figures[key].show(number_text(values.get(name), unit, 2), "", note)

    def _draw_tables(self, titles: Mapping[str, str]) -> tuple[Table[AlarmLine], Table[Line]]:
        frame, words = self._frame, self._frame.words
        columns: list[Column[Line]] = [
            place_column(frame, titles),
            value_column("customers", "customers", number_text),
            value_column("sustained", "sustained", number_text),
            value_column("momentary", "momentary", number_text),
            value_column(
                "customer_minutes", "customer_minutes", lambda v: number_text(v, "min", 0)
            ),
            value_column("saidi", "saidi_min", lambda v: number_text(v, "min", 2)),
            value_column("saifi", "saifi", lambda v: number_text(v, "", 3)),
            value_column("caidi", "caidi_min", lambda v: number_text(v, "min", 1)),
        ]
        return (
            AlarmTable(frame, titles, Looks("outages", "outages_none", is_in_words=True)),
            Table(words, columns, Looks("reliability", "reliability_none", "customer_minutes")),
        )


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Outages(frame, query)
