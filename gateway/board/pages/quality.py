"""Data quality: what may be believed, what is missing, and who to ask."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nicegui import ui

from gateway.board import seen
from gateway.board.frame import Frame
from gateway.board.looks.grades import (
    GRADES,
    DayShare,
    Grades,
    Lack,
    days_of,
    grades_of,
    lacks_of,
)
from gateway.board.looks.lines import Lines
from gateway.board.numbers import grouped
from gateway.board.parts.cells import number_text, share_text
from gateway.board.parts.figures import Figures
from gateway.board.parts.headings import heading
from gateway.board.parts.plots import TONE_COLOURS, WHOLE, Series, bars, chart, put
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.parts.when import day_text, moment_text
from gateway.board.reasons import meanings
from gateway.board.words import TONES
from gateway.model import Quality
from gateway.views.fleet import DeviceState, Fleet

FRESH_S = 10.0
MOST_SHOWN_DAYS = 31
HALF_HOUR_MS = 1_800_000
MEASURED = frozenset({"raw", "valid", "recovered", "verified"})


class Reasoned(NamedTuple):
    """A reason and how many devices' newest readings have it."""

    meaning: str
    devices: int


class QualityPage:
    """The page."""

    def __init__(self, frame: Frame, _query: dict[str, str]) -> None:
        self._frame, words = frame, frame.words
        keys = dict.fromkeys(
            ("quality_believed", "quality_poor", "quality_lost", "quality_gaps"), ""
        )
        self._figures = Figures(words, keys)
        with ui.element("div").classes("columns even"):
            self._now, self._no_now = self._draw_chart("quality_now")
            self._days, self._no_days = self._draw_chart("quality_days")
        with ui.element("div").classes("columns even"):
            reasons: list[Column[Reasoned]] = [
                Column("reason", lambda one: Cell(one.meaning), lambda one: one.meaning),
                Column(
                    "devices",
                    lambda one: Cell(grouped(one.devices)),
                    lambda one: one.devices,
                    is_number=True,
                ),
            ]
            self._reasons = Table(words, reasons, Looks("quality_reasons", "well"))
            self._lacks = Table(
                words,
                self._lack_columns(),
                Looks("quality_missing", "well", "missing_readings", searches=True),
                lambda one: one.device,
            )
        self._seen: tuple[object, ...] = ()
        frame.follow(self._refresh, 2.0)

    async def _refresh(self) -> None:
        frame, sight = self._frame, self._frame.hold.sight
        fleet = await seen.fleet(frame)
        grades = await frame.see("grades", lambda: grades_of(fleet), 2.0)
        lacks = await frame.see(
            "lacks", lambda: lacks_of(sight.store.streams(), fleet.names), FRESH_S
        )
        days = await frame.see(("grade days", frame.place.span), self._look_at_days, FRESH_S)
        self._show_figures(fleet, grades, lacks)
        over_ms = sight.clock() // HALF_HOUR_MS * HALF_HOUR_MS + HALF_HOUR_MS
        said = frame.words["quality_days_none"].format(time=moment_text(over_ms, frame.zone)[11:16])
        self._no_days.set_text(said)
        if self._seen == (grades, lacks, days):
            return
        self._seen = (grades, lacks, days)
        self._show_now(grades)
        self._show_days(days)
        lang = frame.place.lang
        self._reasons.show(
            [Reasoned(meanings(bit, lang)[0], count) for bit, count in grades.reasons]
        )
        self._lacks.show(lacks)

    def _look_at_days(self) -> Sequence[DayShare]:
        sight, span_ms = self._frame.hold.sight, self._frame.place.span_ms
        now, lines = sight.clock(), Lines(sight.derived, "energy")
        found: list[DayShare] = []
        # day by day: a month of 10,000 meters is more than one look should hold at once
        for back in range(min(MOST_SHOWN_DAYS, span_ms // 86_400_000 + 2), 0, -1):
            end_ms = now + 1 - (back - 1) * 86_400_000
            found += days_of(lines.between("days", end_ms - 86_400_000, end_ms))
        return found

    def _show_figures(self, fleet: Fleet, grades: Grades, lacks: Sequence[Lack]) -> None:
        words, now = self._frame.words, self._frame.words["now"]
        total: Counter[str] = Counter()
        for counts in grades.by_sector.values():
            total.update(counts)
        count = sum(total.values())
        good = sum(total[one] for one in MEASURED)
        share = good / count if count else None
        self._figures["quality_believed"].show(share_text(share), f"/ {grouped(count)}", now)
        poor = total["suspect"] + total["failed"] + total["missing"]
        self._figures["quality_poor"].show(grouped(poor), f"/ {grouped(count)}", now)
        lost = sum(one.state is DeviceState.LOST for one in fleet.devices)
        self._figures["quality_lost"].show(grouped(lost), f"/ {grouped(len(fleet.devices))}", now)
        missing = sum(one.missing for one in lacks)
        note = words["quality_gaps_what"].format(count=grouped(len(lacks)))
        self._figures["quality_gaps"].show(grouped(missing), "", note)

    def _show_now(self, grades: Grades) -> None:
        words = self._frame.words
        sectors = list(grades.by_sector)
        drawn = [
            Series(
                words[TONES[quality].word],
                [_share(grades.by_sector[one], name) for one in sectors],
                TONE_COLOURS[_tone(quality)],
                WHOLE,
            )
            for quality, name in zip(Quality, GRADES, strict=True)
            if any(grades.by_sector[one].get(name) for one in sectors)
        ]
        self._now.visible, self._no_now.visible = bool(drawn), not drawn
        put(self._now, bars(drawn, "%", [words[one] for one in sectors]))

    def _show_days(self, days: Sequence[DayShare]) -> None:
        words = self._frame.words
        names = [name for name in GRADES if any(one.slots.get(name) for one in days)]
        drawn = [
            Series(
                words[TONES[Quality(GRADES.index(name))].word],
                [_share(one.slots, name) for one in days],
                TONE_COLOURS[_tone(Quality(GRADES.index(name)))],
                WHOLE,
            )
            for name in names
        ]
        self._days.visible, self._no_days.visible = bool(drawn), not drawn
        put(
            self._days,
            bars(drawn, "%", [day_text(one.from_ms, self._frame.zone)[5:] for one in days]),
        )

    def _draw_chart(self, key: str) -> tuple[ui.echart, ui.label]:
        """Draw a chart, and what is said in its place where there is nothing to draw."""
        words = self._frame.words
        with ui.element("section").classes("card"):
            heading(words[key])
            ui.label(words[f"{key}_what"]).classes("caption")
            none = ui.label(words[f"{key}_none"]).classes("hint")
            drawn = chart({}, words[key])
            drawn.visible = none.visible = False
            return drawn, none

    def _lack_columns(self) -> list[Column[Lack]]:
        frame = self._frame
        return [
            Column(
                "device",
                lambda one: Cell(one.device, href=frame.url("/devices", device=one.device)),
                lambda one: one.device,
            ),
            Column(
                "missing_readings",
                lambda one: Cell(grouped(one.missing)),
                lambda one: one.missing,
                is_number=True,
            ),
            Column(
                "ranges",
                lambda one: Cell(number_text(one.ranges)),
                lambda one: one.ranges,
                is_number=True,
            ),
        ]


def _share(counts: Mapping[str, int], name: str) -> float:
    total = sum(counts.values())
    return round(100 * counts.get(name, 0) / total, 2) if total else 0.0


def _tone(quality: Quality) -> str:
    return {"good": "good", "warn": "warn", "bad": "bad"}.get(TONES[quality].colour, "quiet")


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    QualityPage(frame, query)
