"""Losses: what came in and is not accounted for, with its coverage; and who is suspected."""

from collections.abc import Mapping, Sequence

from nicegui import ui

from gateway.board import seen
from gateway.board.alarm_table import AlarmTable
from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.looks.lines import Line
from gateway.board.numbers import grouped
from gateway.board.parts.cells import (
    NOTHING,
    energy_text,
    kwh_text,
    place_text,
    share_cell,
    share_text,
    value_column,
)
from gateway.board.parts.figures import Figures
from gateway.board.parts.headings import heading
from gateway.board.parts.plots import Series, bars, chart, put
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.parts.when import day_text, span_text

BACK_MS = 8 * 86_400_000
KINDS = frozenset({"loss", "wrong_transformer", "use_while_disconnected", "feed_in"})
_KILO = 1000.0


class Losses:
    """The page; the place whose days are drawn stands in the address."""

    def __init__(self, frame: Frame, query: dict[str, str]) -> None:
        self._frame, words = frame, frame.words
        self._chosen = query.get("place", "")
        keys = dict.fromkeys(("loss_alarms", "loss_share", "loss_unexplained", "loss_judged"), "")
        self._figures = Figures(words, keys)
        self._above = ui.element("div").classes("stack")
        with ui.element("section").classes("card") as self._card:
            with ui.element("div").classes("filters"):
                heading(words["loss_days"])
                self._title = ui.label().classes("caption")
            self._chart = chart({}, words["loss_days"])
            self._cover = ui.label().classes("caption")
        self._below = ui.element("div").classes("stack")
        self._tables: tuple[Table[AlarmLine], Table[Line]] | None = None
        self._titles: Mapping[str, str] = {}
        self._seen: tuple[object, ...] = ()
        frame.follow(self._refresh, 5.0)

    async def _refresh(self) -> None:
        frame = self._frame
        days = await seen.lines(frame, "energy", "balance", BACK_MS)
        alarms = [one for one in await seen.open_alarms(frame) if one.kind in KINDS]
        chosen = self._chosen or next(
            (one.place for one in alarms if one.kind == "loss"),
            max(days, key=_unexplained).place if days else "",
        )
        course = await seen.lines_of_span(frame, "energy", "balance", chosen) if chosen else ()
        if self._tables is None:
            self._titles = (await seen.sites(frame)).titles
            self._tables = self._draw_tables()
        self._tables[0].show(alarms)  # each time: it says how long ago
        if self._seen == (days, alarms, course):
            return
        self._seen = (days, alarms, course)
        self._show_figures(days, alarms)
        self._show_course(chosen, course)
        self._tables[1].show(days, span_text(days[0], frame.words, frame.zone) if days else "")

    def _show_figures(self, days: Sequence[Line], alarms: Sequence[AlarmLine]) -> None:
        words = self._frame.words
        note = span_text(days[0], words, self._frame.zone) if days else words["day_none"]
        count = sum(one.kind == "loss" and one.is_called for one in alarms)
        self._figures["loss_alarms"].show(
            grouped(count), "", words["now"], "tone-bad" * bool(count)
        )
        # of transformers: what a feeder lost holds what its transformers lost
        low = [one for one in days if one.level == "transformer"]
        came = sum(float(one.values.get("in_wh") or 0) for one in low)
        lost = sum(float(one.values.get("loss_wh") or 0) for one in low)
        known = [float(one.values.get("coverage") or 0) for one in low]
        cover = share_text(sum(known) / len(known) if known else None, 0)
        covered = words["covered"].format(share=cover)
        share = lost / came if came else None
        self._figures["loss_share"].show(
            share_text(share), energy_text(lost), f"{note} · {covered}"
        )
        judged = [one for one in low if one.values.get("residual_wh") is not None]
        rest = sum(float(one.values["residual_wh"]) for one in judged)
        text = energy_text(rest) if judged else "–"
        self._figures["loss_unexplained"].show(text, "", f"{note} · {covered}")
        self._figures["loss_judged"].show(
            grouped(len(judged)), f"/ {grouped(len(low))}", words["loss_judged_what"]
        )

    def _show_course(self, chosen: str, course: Sequence[Line]) -> None:
        words = self._frame.words
        self._card.visible = bool(course)
        self._title.set_text(place_text(self._frame, chosen, self._titles))
        if not course:
            return
        drawn = [
            Series(words[word], [_kwh(one, key) for one in course], stack=key)
            for word, key in (
                ("lost_energy", "loss_wh"),
                ("technical", "technical_wh"),
                ("unexplained", "residual_wh"),
            )
        ]
        put(
            self._chart,
            bars(drawn, "kWh", [day_text(one.from_ms, self._frame.zone)[5:] for one in course]),
        )
        lowest = min(float(one.values.get("coverage") or 0) for one in course)
        self._cover.set_text(words["loss_cover_note"].format(share=share_text(lowest, 0)))

    def _draw_tables(self) -> tuple[Table[AlarmLine], Table[Line]]:
        frame, words = self._frame, self._frame.words
        with self._above:
            looks = Looks("loss_open", "loss_none_open", is_in_words=True)
            more = [Column("first_suspect", self._suspect)]
            told = AlarmTable(frame, self._titles, looks, more)
        with self._below:
            looks = Looks("loss_table", "loss_none", "unexplained", searches=True)
            days = Table(words, self._columns(), looks, lambda one: one.name)
        return told, days

    def _suspect(self, one: AlarmLine) -> Cell:
        suspects = one.evidence.get("suspects") or ()
        if not suspects:
            return NOTHING
        first = str(suspects[0]["device"])
        return Cell(first, href=self._frame.url("/devices", device=first))

    def _columns(self) -> list[Column[Line]]:
        frame, good = self._frame, self._frame.policy.good_coverage

        def place(one: Line) -> Cell:
            text = place_text(frame, one.place, self._titles)
            return Cell(text, href=frame.url(frame.path, place=one.place))

        def share(one: Line) -> float | None:
            came, lost = one.values.get("in_wh"), one.values.get("loss_wh")
            return lost / came if came and lost is not None else None

        def covered(one: Line) -> Cell:
            return share_cell(one.values.get("coverage"), good_from=good, decimals=1)

        return [
            Column("place", place, lambda one: one.place),
            value_column("came_in", "in_wh", kwh_text),
            value_column("lost_energy", "loss_wh", kwh_text),
            Column("loss_percent", lambda one: Cell(share_text(share(one))), share, is_number=True),
            Column("coverage", covered, lambda one: one.values.get("coverage")),
            value_column("technical", "technical_wh", kwh_text),
            value_column("unexplained", "residual_wh", kwh_text),
        ]


def _unexplained(one: Line) -> float:
    return float(one.values.get("residual_wh") or 0.0)


def _kwh(one: Line, key: str) -> float | None:
    value = one.values.get(key)
    return None if value is None else round(value / _KILO, 3)


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Losses(frame, query)
