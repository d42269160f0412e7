"""Load: which transformers and feeders are at their limits, since when, and what would help."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nicegui import ui

from gateway.board import seen
from gateway.board.frame import Frame
from gateway.board.looks.lines import Line
from gateway.board.numbers import grouped
from gateway.board.parts.cells import (
    number_text,
    place_text,
    power_text,
    share_cell,
    share_text,
    value_column,
)
from gateway.board.parts.facts import fact_text
from gateway.board.parts.figures import Figures
from gateway.board.parts.headings import heading
from gateway.board.parts.plots import Series, bars, chart, put
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.parts.when import day_text, span_text
from gateway.board.words import said

BACK_MS = 8 * 86_400_000
WEEK_BACK_MS = 21 * 86_400_000
RATING_PU, HIGH_PU = "1", "1.2"  # keys of ``share_of_time_above_pu``


class Advice(NamedTuple):
    """One thing that would help a place."""

    place: str
    what: str
    rank: int
    coverage: float | None
    evidence: Mapping[str, Any]


class Load:
    """The page; the place whose days are drawn stands in the address."""

    def __init__(self, frame: Frame, query: dict[str, str]) -> None:
        self._frame, words = frame, frame.words
        self._chosen = query.get("place", "")
        keys = dict.fromkeys(("load_above", "load_high", "load_reverse", "load_covered"), "")
        self._figures = Figures(words, keys)
        with ui.element("section").classes("card") as self._card:
            with ui.element("div").classes("filters"):
                heading(words["load_days"])
                self._title = ui.label().classes("caption")
            self._chart = chart({}, words["load_days"])
        self._below = ui.element("div").classes("stack")
        self._tables: tuple[Table[Line], Table[Advice]] | None = None
        self._titles: Mapping[str, str] = {}
        self._seen: tuple[object, ...] = ()
        frame.follow(self._refresh, 5.0)

    async def _refresh(self) -> None:
        frame = self._frame
        days = await seen.lines(frame, "energy", "load", BACK_MS)
        weeks = await seen.lines(frame, "energy", "advice", WEEK_BACK_MS)
        chosen = self._chosen or (max(days, key=_peak).place if days else "")
        course = await seen.lines_of_span(frame, "energy", "load", chosen) if chosen else ()
        if self._tables is None:
            self._titles = (await seen.sites(frame)).titles
            with self._below:
                self._tables = self._draw_tables()
        if self._seen == (days, weeks, course):
            return
        self._seen = (days, weeks, course)
        self._show_figures(days)
        self._show_course(chosen, course)
        self._tables[0].show(days, span_text(days[0], frame.words, frame.zone) if days else "")
        self._tables[1].show(
            advice_of(weeks), span_text(weeks[0], frame.words, frame.zone) if weeks else ""
        )

    def _show_figures(self, days: Sequence[Line]) -> None:
        words, total = self._frame.words, f"/ {grouped(len(days))}"
        note = span_text(days[0], words, self._frame.zone) if days else words["day_none"]
        above = sum(_peak(one) > 1 for one in days)
        self._figures["load_above"].show(grouped(above), total, note, "tone-warn" * bool(above))
        high = sum(bool(_above(one, HIGH_PU)) for one in days)
        self._figures["load_high"].show(grouped(high), total, note, "tone-bad" * bool(high))
        back = sum((one.values.get("reverse_peak_w") or 0) > 0 for one in days)
        self._figures["load_reverse"].show(grouped(back), total, note)
        known = [float(one.values.get("coverage") or 0) for one in days]
        mean = sum(known) / len(known) if known else None
        self._figures["load_covered"].show(share_text(mean, 0), "", note)

    def _show_course(self, chosen: str, course: Sequence[Line]) -> None:
        words = self._frame.words
        self._card.visible = bool(course)
        self._title.set_text(place_text(self._frame, chosen, self._titles))
        if not course:
            return
        drawn = [
            Series(words["peak"], [_percent(one.values.get("peak_pu")) for one in course]),
            Series(words["loading"], [_percent(one.values.get("loading_pu")) for one in course]),
        ]
        put(
            self._chart,
            bars(drawn, "%", [day_text(one.from_ms, self._frame.zone)[5:] for one in course]),
        )

    def _draw_tables(self) -> tuple[Table[Line], Table[Advice]]:
        words = self._frame.words
        looks = Looks("load_table", "load_none", "peak", searches=True)
        told = Table(words, self._columns(), looks, lambda one: one.name)
        return told, Table(words, self._advice_columns(), Looks("advice", "advice_none"))

    def _columns(self) -> list[Column[Line]]:
        frame, good = self._frame, self._frame.policy.good_coverage

        def place(one: Line) -> Cell:
            text = place_text(frame, one.place, self._titles)
            return Cell(text, href=frame.url(frame.path, place=one.place))

        def peak(one: Line) -> Cell:
            value = one.values.get("peak_pu")
            if value is None:
                return Cell("–")  # of no known rating
            tone = "bad" if _above(one, HIGH_PU) else "warn" if value > 1 else ""
            return Cell(share_text(value, 0), tone, bar=value)

        def above(one: Line) -> Cell:
            return Cell(share_text(_above(one, RATING_PU)))

        def covered(one: Line) -> Cell:
            return share_cell(one.values.get("coverage"), good_from=good, decimals=0)

        return [
            Column("place", place, lambda one: one.place),
            Column("peak", peak, lambda one: one.values.get("peak_pu"), is_number=True),
            value_column("peak_power", "peak_va", power_text),
            value_column("loading", "loading_pu", lambda v: share_text(v, 0)),
            Column("time_above", above, lambda one: _above(one, RATING_PU), is_number=True),
            value_column("load_factor", "load_factor", lambda v: number_text(v, "", 2)),
            value_column("power_factor", "power_factor", lambda v: number_text(v, "", 2)),
            value_column("imbalance", "imbalance", lambda v: share_text(v, 0)),
            value_column("reverse", "reverse_peak_w", lambda v: power_text(v, "W")),
            Column("coverage", covered, lambda one: one.values.get("coverage")),
        ]

    def _advice_columns(self) -> list[Column[Advice]]:
        frame, words = self._frame, self._frame.words

        def place(one: Advice) -> Cell:
            text = place_text(frame, one.place, self._titles)
            return Cell(text, href=frame.url("/place", name=one.place))

        def numbers(one: Advice) -> Cell:
            told = (
                f"{said(words, 'fact', k)} {fact_text(k, v, words)}"
                for k, v in one.evidence.items()
            )
            return Cell(", ".join(told))

        return [
            Column("rank", lambda one: Cell(str(one.rank)), lambda one: -one.rank),
            Column("place", place, lambda one: one.place),
            Column("advice_what", lambda one: Cell(said(words, "advise", one.what))),
            Column("evidence", numbers),
            Column("coverage", lambda one: share_cell(one.coverage, decimals=0)),
        ]


def advice_of(weeks: Sequence[Line]) -> list[Advice]:
    """Return what would help, the most helpful first."""
    found = [
        Advice(
            *(line.place, str(one["what"]), int(one["rank"])),
            *(one.get("coverage"), one.get("evidence", {})),
        )
        for line in weeks
        for one in line.values.get("advice", ())
    ]
    return sorted(found, key=lambda one: one.rank)


def _peak(one: Line) -> float:
    return float(one.values.get("peak_pu") or 0.0)


def _above(one: Line, share: str) -> float | None:
    found: float | None = (one.values.get("share_of_time_above_pu") or {}).get(share)
    return found


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 1)


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Load(frame, query)
