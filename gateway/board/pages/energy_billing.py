"""Billing readiness: which meters have a bill, which do not, and what they wait for."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nicegui import ui

from gateway.board import seen
from gateway.board.frame import Frame
from gateway.board.looks.lines import MONTH_MS, Line, Lines
from gateway.board.numbers import grouped
from gateway.board.parts.cells import (
    kwh_text,
    number_text,
    place_column,
    share_text,
    value_column,
)
from gateway.board.parts.figures import Figures
from gateway.board.parts.headings import heading
from gateway.board.parts.plots import Series, bars, chart, put
from gateway.board.parts.tables import Column, Looks, Table
from gateway.board.parts.when import day_text, span_text

FRESH_S = 30.0  # 10,000 lines are read at once
YEAR_MS = 366 * 86_400_000


class Bills(NamedTuple):
    """The newest month of all meters."""

    first: Line | None
    meters: int
    ready: int
    open_slots: int  # meters that have some
    held_slots: int
    missing_days: int
    waiting: Sequence[Line]


def bills_of(lines: Sequence[Line]) -> Bills:
    """Sum up lines of ``determinants`` of one month."""

    def have(name: str) -> int:
        return sum(bool(one.values.get(name)) for one in lines)

    return Bills(
        lines[0] if lines else None,
        len(lines),
        have("is_billing_ready"),
        *(have("open_slots"), have("held_slots"), have("missing_days")),
        [one for one in lines if not one.values.get("is_billing_ready")],
    )


class Billing:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame, words = frame, frame.words
        keys = dict.fromkeys(("bills_ready", "bills_open", "bills_held", "bills_days"), "")
        self._figures = Figures(words, keys)
        self._export = ui.link(words["bills_export"], "").classes("export")
        with ui.element("section").classes("card") as self._card:
            heading(words["bills_curve"])
            self._chart = chart({}, words["bills_curve"])
        self._below = ui.element("div").classes("stack")
        self._table: Table[Line] | None = None
        self._seen: tuple[object, ...] = ()
        frame.follow(self._refresh, 5.0)

    async def _refresh(self) -> None:
        frame, sight = self._frame, self._frame.hold.sight

        def look() -> Bills:
            lines = Lines(sight.derived, "energy")
            return bills_of(lines.newest("determinants", sight.clock(), 2 * MONTH_MS, MONTH_MS))

        bills = await frame.see("bills", look, FRESH_S)
        months = await frame.see("months", self._look_at_months, FRESH_S)
        if self._table is None:
            titles = (await seen.sites(frame)).titles
            with self._below:
                looks = Looks("bills_waiting", "bills_none", "open_slots", searches=True)
                columns = self._columns(titles)
                self._table = Table(frame.words, columns, looks, lambda one: one.name)
        if self._seen == (bills, months):
            return
        self._seen = (bills, months)
        self._show_figures(bills)
        self._show_curve(months)
        self._table.show(bills.waiting)

    def _look_at_months(self) -> Sequence[Line]:
        sight = self._frame.hold.sight
        now = sight.clock()
        return Lines(sight.derived, "energy").between("readiness", now - YEAR_MS, now + 1)

    def _show_figures(self, bills: Bills) -> None:
        words, total = self._frame.words, f"/ {grouped(bills.meters)}"
        note = (
            span_text(bills.first, words, self._frame.zone)
            if bills.first is not None
            else words["month_none"]
        )
        share = bills.ready / bills.meters if bills.meters else None
        of = f"{grouped(bills.ready)} {total}" if bills.meters else ""
        self._figures["bills_ready"].show(share_text(share), of, note)
        for key, count in (
            ("bills_open", bills.open_slots),
            ("bills_held", bills.held_slots),
            ("bills_days", bills.missing_days),
        ):
            self._figures[key].show(grouped(count), total, words[f"{key}_what"])
        self._export.visible = bills.first is not None
        if bills.first is not None:
            month = day_text(bills.first.from_ms, self._frame.zone)[:7]
            self._export.props["href"] = f"/api/v1/energy/export/determinants?month={month}"
            self._export.update()

    def _show_curve(self, months: Sequence[Line]) -> None:
        self._card.visible = bool(months)
        if not months:
            return
        hours = max((one.values.get("hours_after_end") or [] for one in months), key=len)
        drawn = [
            Series(
                day_text(one.from_ms, self._frame.zone)[:7],
                [round(100 * share, 1) for share in one.values.get("share_ready") or []],
            )
            for one in months[-6:]
        ]
        put(self._chart, bars(drawn, "%", [f"{hour} h" for hour in hours]))

    def _columns(self, titles: Mapping[str, str]) -> list[Column[Line]]:
        return [
            place_column(self._frame, titles, "device"),
            value_column("open_slots", "open_slots", number_text),
            value_column("held_slots", "held_slots", number_text),
            value_column("missing_days", "missing_days", number_text),
            value_column("imported", "import_wh", kwh_text),
        ]


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Billing(frame, query)
