"""Tolls: how each lane works, hour by hour: tags, reads, exceptions, times; and scales."""

from collections.abc import Mapping, Sequence

from nicegui import ui

from gateway.board import seen
from gateway.board.frame import Frame
from gateway.board.looks.lines import Line
from gateway.board.numbers import age_text, grouped
from gateway.board.parts.cells import (
    number_text,
    place_column,
    share_text,
    value_column,
)
from gateway.board.parts.figures import Figures
from gateway.board.parts.headings import heading
from gateway.board.parts.plots import Series, chart, lines, put
from gateway.board.parts.tables import Cell, Column, Looks, Table

BACK_MS = 2 * 86_400_000


class Tolls:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame, words = frame, frame.words
        keys = dict.fromkeys(("passages", "etc_share", "read_rate", "toll_uptime"), "")
        self._figures = Figures(words, keys)
        with ui.element("section").classes("card") as self._card:
            heading(words["tolls_course"])
            self._chart = chart({}, words["tolls_course"])
        self._below = ui.element("div").classes("stack")
        self._tables: tuple[Table[Line], Table[Line]] | None = None
        self._seen: tuple[object, ...] = ()
        frame.follow(self._refresh, 5.0)

    async def _refresh(self) -> None:
        frame = self._frame
        hours = await seen.lines(frame, "transport", "tolls", BACK_MS)
        scales = await seen.lines(frame, "transport", "weighing", BACK_MS)
        course = await seen.lines_of_span(frame, "transport", "tolls")
        if self._tables is None:
            titles = (await seen.sites(frame)).titles
            with self._below:
                self._tables = self._draw_tables(titles)
        if self._seen == (hours, scales, course):
            return
        self._seen = (hours, scales, course)
        self._show_figures(hours)
        self._show_course(course)
        self._tables[0].show(hours, self._age(hours))
        self._tables[1].show(scales, self._age(scales))

    def _age(self, told: Sequence[Line]) -> str:
        if not told:
            return ""
        now = self._frame.hold.sight.clock()
        words = self._frame.words
        return words["hour_ended"].format(age=age_text(max(0, now - told[0].to_ms), words))

    def _show_figures(self, hours: Sequence[Line]) -> None:
        note = self._age(hours)
        passages = sum(float(one.values.get("passages") or 0) for one in hours)
        self._figures["passages"].show(grouped(round(passages)), "", note)
        for key, name in (("etc_share", "etc_share"), ("read_rate", "read_rate")):
            self._figures[key].show(share_text(weighted(hours, name)), "", note)
        known = [float(v) for one in hours if (v := one.values.get("uptime")) is not None]
        uptime = sum(known) / len(known) if known else None
        self._figures["toll_uptime"].show(share_text(uptime), "", note)

    def _show_course(self, course: Sequence[Line]) -> None:
        words, now = self._frame.words, self._frame.hold.sight.clock()
        by_hour: dict[int, list[Line]] = {}
        for one in course:
            by_hour.setdefault(one.from_ms, []).append(one)
        self._card.visible = bool(by_hour)
        drawn = [
            Series(
                words[name],
                [[at, _percent(weighted(told, name))] for at, told in sorted(by_hour.items())],
            )
            for name in ("etc_share", "read_rate")
        ]
        span = (now - self._frame.place.span_ms, now)
        put(self._chart, lines(drawn, "%", span, self._frame.zone))

    def _draw_tables(self, titles: Mapping[str, str]) -> tuple[Table[Line], Table[Line]]:
        frame, words = self._frame, self._frame.words

        def faults(one: Line) -> Cell:
            count = sum((one.values.get("faults") or {}).values())
            return Cell(grouped(count), "warn" if count else "")

        lanes = [
            place_column(frame, titles, "device"),
            value_column("passages", "passages", number_text),
            value_column("etc_share", "etc_share", share_text),
            value_column("read_rate", "read_rate", share_text),
            value_column("exceptions", "exception_rate", share_text),
            value_column("class_mismatch", "class_mismatch_share", share_text),
            value_column("p95", "transaction_p95_ms", lambda v: number_text(v, "ms", 0)),
            value_column("toll_uptime", "uptime", share_text),
        ]
        scales: list[Column[Line]] = [
            place_column(frame, titles, "device"),
            value_column("vehicles", "vehicles", number_text),
            value_column("sound", "sound", number_text),
            value_column("overloaded", "overloaded", number_text),
            value_column("gross", "gross_t", lambda v: number_text(v, "t", 0)),
            Column(
                *("faults", faults, lambda one: sum((one.values.get("faults") or {}).values())),
                is_number=True,
            ),
        ]
        return (
            Table(words, lanes, Looks("tolls", "tolls_none", "read_rate", is_descending=False)),
            Table(words, scales, Looks("scales", "scales_none")),
        )


def weighted(told: Sequence[Line], name: str) -> float | None:
    """Return the mean of a share over lanes, by their passages."""
    pairs = [
        (float(one.values["passages"]), float(value))
        for one in told
        if (value := one.values.get(name)) is not None and one.values.get("passages")
    ]
    total = sum(weight for weight, _ in pairs)
    return sum(weight * value for weight, value in pairs) / total if total else None


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Tolls(frame, query)
