"""Voltage: who gets what the norm promises, who does not, and since when."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from gateway.board import seen
from gateway.board.alarm_table import AlarmTable
from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.looks.lines import Line
from gateway.board.numbers import duration_text, grouped
from gateway.board.parts.cells import (
    number_text,
    place_column,
    share_cell,
    share_text,
    value_column,
)
from gateway.board.parts.figures import Figures
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.parts.when import moment_text, span_text
from gateway.board.words import said

WEEK_BACK_MS = 21 * 86_400_000
KINDS = frozenset({"undervoltage", "overvoltage"})
Tables = tuple[Table[AlarmLine], Table[Line], Table[Line], Table[Line]]


class Voltage:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame = frame
        keys = dict.fromkeys(("volts_open", "volts_keep", "volts_lowest", "volts_highest"), "")
        self._figures = Figures(frame.words, keys)
        self._below = ui.element("div").classes("stack")
        self._tables: Tables | None = None
        self._seen: tuple[object, ...] = ()
        frame.follow(self._refresh, 5.0)

    async def _refresh(self) -> None:
        frame = self._frame
        weeks = await seen.lines(frame, "energy", "compliance", WEEK_BACK_MS)
        runs = await seen.lines_of_span(frame, "energy", "violations")
        alarms = [one for one in await seen.open_alarms(frame) if one.kind in KINDS]
        if self._tables is None:
            titles = (await seen.sites(frame)).titles
            with self._below:
                self._tables = self._draw_tables(titles)
        told, places, poor, times = self._tables
        told.show(alarms)  # each time: it says how long ago
        if self._seen == (weeks, runs, alarms):
            return
        self._seen = (weeks, runs, alarms)
        meters = [one for one in weeks if one.level == "device"]
        note = span_text(weeks[0], frame.words, frame.zone) if weeks else ""
        self._show_figures(meters, alarms, note)
        places.show([one for one in weeks if one.level != "device"], note)
        poor.show([one for one in meters if keeps(one) is False], note)
        times.show(runs)

    def _show_figures(self, meters: Sequence[Line], alarms: Sequence[AlarmLine], note: str) -> None:
        words = self._frame.words
        judged = [one for one in meters if keeps(one) is not None]
        kept = sum(keeps(one) is True for one in judged)
        share = kept / len(judged) if judged else None
        count = sum(one.is_called for one in alarms)
        self._figures["volts_open"].show(
            grouped(count), "", words["now"], "tone-warn" * bool(count)
        )
        total = f"{grouped(kept)} / {grouped(len(judged))}"
        self._figures["volts_keep"].show(share_text(share), total, note)
        for key, name, pick in (
            ("volts_lowest", "lowest_pu", min),
            ("volts_highest", "highest_pu", max),
        ):
            known = [float(v) for one in meters if (v := one.values.get(name)) is not None]
            self._figures[key].show(_pu(_picked(known, pick)), "", note)

    def _draw_tables(self, titles: Mapping[str, str]) -> Tables:
        frame, words = self._frame, self._frame.words
        looks = Looks("volts_places", "volts_none", "share_inside", is_descending=False)
        poor = Looks("volts_poor", "well", "share_inside", is_descending=False, searches=True)
        times = Looks("violations", "violations_none", "since", searches=True)
        return (
            AlarmTable(frame, titles, Looks("alarms_open", "well", is_in_words=True)),
            Table(words, self._columns(titles, has_meters=True), looks),
            Table(words, self._columns(titles), poor, lambda one: one.name),
            Table(words, self._run_columns(titles), times, lambda one: one.name),
        )

    def _columns(
        self, titles: Mapping[str, str], *, has_meters: bool = False
    ) -> list[Column[Line]]:
        words, good = self._frame.words, self._frame.policy.good_coverage

        def verdict(one: Line) -> Cell:
            found = keeps(one)
            word = "unknown" if found is None else "kept" if found else "broken"
            return Cell(
                words[f"norm_{word}"], "" if found else "plain" if found is None else "warn"
            )

        def part(key: str) -> Callable[[Line], Any]:
            return lambda one: weakest(one).get(key)

        columns = [
            place_column(self._frame, titles),
            Column("norm", verdict, keeps),
            Column(
                "share_inside",
                lambda one: share_cell(weakest(one).get("share")),
                part("share"),
            ),
            Column(
                "coverage",
                lambda one: share_cell(weakest(one).get("coverage"), good_from=good, decimals=0),
                part("coverage"),
            ),
            value_column("lowest", "lowest_pu", _pu),
            value_column("highest", "highest_pu", _pu),
        ]
        if has_meters:
            columns.append(value_column("meters", "meters", number_text))
        return columns

    def _run_columns(self, titles: Mapping[str, str]) -> list[Column[Line]]:
        words = self._frame.words

        def kind(one: Line) -> Cell:
            return Cell(said(words, "kind", _kind(one)))

        return [
            place_column(self._frame, titles, "device"),
            Column("alarm_kind", kind, _kind),
            Column(
                "since",
                lambda one: Cell(moment_text(one.from_ms, self._frame.zone)),
                lambda one: one.from_ms,
            ),
            Column(
                "lasted",
                lambda one: Cell(duration_text(one.to_ms - one.from_ms)),
                lambda one: one.to_ms - one.from_ms,
            ),
            value_column("worst", "worst_pu", _pu),
        ]


def weakest(one: Line) -> Mapping[str, Any]:
    """Return the rule of the norm that a line of ``compliance`` keeps least."""
    rules = (one.values.get("rules") or {}).values()
    return min(
        rules, key=lambda rule: (rule.get("holds") is not False, rule.get("share") or 0), default={}
    )


def keeps(one: Line) -> bool | None:
    """Return whether a place keeps every rule; None where too little is known."""
    verdicts = [rule.get("holds") for rule in (one.values.get("rules") or {}).values()]
    if any(verdict is False for verdict in verdicts):
        return False
    return True if verdicts and all(verdicts) else None


def _kind(one: Line) -> str:
    kind = str(one.values.get("kind") or "")
    return {"under": "undervoltage", "over": "overvoltage"}.get(kind, kind)


def _picked(known: Sequence[float], pick: Callable[[Sequence[float]], float]) -> float | None:
    return pick(known) if known else None


def _pu(value: float | None) -> str:
    return number_text(value, "pu", 3)


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Voltage(frame, query)
