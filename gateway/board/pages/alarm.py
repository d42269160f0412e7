"""One alarm: what it says, the numbers behind it, and the readings of those concerned."""

from collections.abc import Mapping, Sequence

from nicegui import ui

from gateway.board import seen
from gateway.board.acknowledging import Acknowledging, seen_text
from gateway.board.frame import Frame
from gateway.board.looks.alarms import SEVERITY_TONES, SEVERITY_WORDS, AlarmLine
from gateway.board.looks.evidence import Evidence, Suspect, Weight, evidence_of
from gateway.board.looks.roads import corridor_of
from gateway.board.numbers import age_text, duration_text
from gateway.board.parts.cells import (
    energy_text,
    kind_text,
    number_text,
    place_href,
    place_text,
    share_text,
)
from gateway.board.parts.facts import draw_facts
from gateway.board.parts.figures import hint
from gateway.board.parts.headings import heading
from gateway.board.parts.history import draw_history
from gateway.board.parts.readings import ReadingChart
from gateway.board.parts.spacetime import SpaceTimeCard
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.parts.when import moment_text
from gateway.board.words import said
from gateway.store.alarms import Happening

AROUND_MS = 3 * 3_600_000  # shown before and after
MOST_SHOWN_MS = 3 * 86_400_000
# what a kind is about, as a column of the profiles; others show what a device shows first
COLUMNS = {"undervoltage": ("u", "u1"), "overvoltage": ("u", "u1"), "detector": ("occ", "count")}


class AlarmPage:
    """The page."""

    def __init__(self, frame: Frame, query: dict[str, str]) -> None:
        self._frame = frame
        self._id = query.get("id", "")
        self._none = hint(frame.words["alarm_unknown"])
        self._acknowledging = Acknowledging(frame)
        self._root = ui.element("div").classes("stack")
        self._shown: tuple[AlarmLine | None, Sequence[Happening]] = (None, ())
        self._titles: Mapping[str, str] = {}
        frame.follow(self._refresh)

    async def _refresh(self) -> None:
        frame, hold = self._frame, self._frame.hold

        def look() -> tuple[AlarmLine | None, Sequence[Happening]]:
            return hold.alarms.find(self._id), hold.sight.alarms.history(self._id)

        alarm, history = shown = await frame.see(("alarm", self._id), look)
        self._none.visible = alarm is None
        if alarm is None or shown == self._shown:
            return
        self._shown = shown
        self._titles = (await seen.sites(frame)).titles
        self._root.clear()
        evidence = evidence_of(alarm)
        with self._root:
            self._draw_head(alarm)
            with ui.element("div").classes("columns even"):
                with ui.element("div").classes("stack"):
                    draw_facts(frame, alarm, evidence, self._titles)
                    draw_history(frame, history)
                self._draw_tables(evidence)
        await self._draw_course(alarm, evidence)

    def _draw_head(self, alarm: AlarmLine) -> None:
        frame, words = self._frame, self._frame.words
        now = frame.hold.sight.clock()
        with ui.element("section").classes("card headline"):
            with ui.element("div").classes("filters title"):
                heading(kind_text(frame, alarm), level=1)
                tone = SEVERITY_TONES.get(alarm.severity, "warn") if alarm.is_called else "plain"
                severity = SEVERITY_WORDS.get(alarm.severity, "warning")
                ui.label(words[f"severity_{severity}"]).classes(f"tone {tone}")
                ui.label(words[f"alarm_{alarm.state}"]).classes("tone plain")
                title = f"{kind_text(frame, alarm)}, {place_text(frame, alarm.place, self._titles)}"
                self._acknowledging.draw(alarm, title)
                if alarm.domain != "gateway":
                    there = frame.url("/alarms/maintenance", subject=alarm.place)
                    ui.link(words["window_here"], there).classes("export")
            ui.link(
                place_text(frame, alarm.place, self._titles), place_href(frame, alarm.place)
            ).classes("where")
            ui.label(said(words, "about", alarm.kind)).classes("caption")
            told = [
                words["raised_at"].format(
                    time=moment_text(alarm.raised_ms, frame.zone),
                    age=age_text(now - alarm.raised_ms, words),
                ),
                words["found_after"].format(
                    delay=duration_text(max(0, alarm.found_ms - alarm.raised_ms))
                ),
                words["confidence_of"].format(share=share_text(alarm.confidence, 0)),
            ]
            if alarm.cleared_ms:
                lasted = duration_text(alarm.cleared_ms - alarm.raised_ms)
                told.insert(1, words["cleared_after"].format(delay=lasted))
            ui.label(" · ".join(told)).classes("caption")
            if alarm.is_open and alarm.is_suppressed:
                self._draw_why_quiet(alarm)
            if alarm.seen.at_ms:
                ui.label(seen_text(frame, alarm)).classes("caption")

    def _draw_why_quiet(self, alarm: AlarmLine) -> None:
        frame, words = self._frame, self._frame.words
        if alarm.cause:
            there = frame.url("/alarm", id=alarm.cause)
            ui.link(words["follows_from"], there).classes("where caption")
        else:
            ui.label(words["in_window"]).classes("caption")

    def _draw_tables(self, evidence: Evidence) -> None:
        frame, words = self._frame, self._frame.words
        with ui.element("div").classes("stack"):
            if evidence.suspects:
                found = Table(words, self._suspect_columns(), Looks("suspects", "well"))
                found.show(evidence.suspects)
            if evidence.weights:
                weights = Table(words, _weight_columns(words), Looks("weights", "well"))
                weights.show(evidence.weights, words["weights_what"])
            if evidence.devices:
                columns: list[Column[str]] = [
                    Column(
                        "device",
                        lambda one: Cell(one, href=frame.url("/devices", device=one)),
                        str,
                    )
                ]
                looks = Looks("concerned", "well", searches=True, page_rows=10)
                Table(words, columns, looks).show(evidence.devices)

    def _suspect_columns(self) -> list[Column[Suspect]]:
        frame, words = self._frame, self._frame.words

        def reasons(one: Suspect) -> Cell:
            return Cell(", ".join(said(words, "why", reason) for reason in one.reasons))

        return [
            Column(
                "device",
                lambda one: Cell(one.device, href=frame.url("/devices", device=one.device)),
            ),
            Column("hidden", lambda one: Cell(energy_text(one.hidden_wh)), is_number=True),
            Column("share_hidden", lambda one: Cell(share_text(one.share, 0)), is_number=True),
            Column(
                "sigmas",
                lambda one: Cell(number_text(one.sigmas, frame.words["sigma"], 1)),
                is_number=True,
            ),
            Column("reasons", reasons),
        ]

    async def _draw_course(self, alarm: AlarmLine, evidence: Evidence) -> None:
        frame = self._frame
        now = frame.hold.sight.clock()
        end_ms = min(now, (alarm.cleared_ms or now) + AROUND_MS)
        span = (max(alarm.raised_ms - AROUND_MS, end_ms - MOST_SHOWN_MS), end_ms)
        if alarm.domain == "transport" and evidence.stations:
            places = (alarm.place, *(f"station:{one}" for one in evidence.stations))
            corridors = await seen.corridors(frame)
            corridor = next(
                (found for one in places if (found := corridor_of(corridors, one))), None
            )
            if corridor is not None:
                course = await seen.course(frame, corridor, (span[0], span[1] - span[1] % 300_000))
                with self._root:
                    SpaceTimeCard(frame.words, frame.zone).show(corridor, course)
                return
        devices: Sequence[str] = [one.device for one in evidence.suspects] or evidence.devices
        if devices:
            wanted = next((v for key, v in COLUMNS.items() if alarm.kind.startswith(key)), ())
            with self._root:
                card = ReadingChart(frame, devices[0], wanted)
            await card.show(*span, alarm.raised_ms, alarm.cleared_ms)


def _weight_columns(words: Mapping[str, str]) -> list[Column[Weight]]:
    def side(one: Weight) -> Cell:
        return Cell(words["speaks_for" if one.nats > 0 else "speaks_against"])

    return [
        Column("fact", lambda one: Cell(said(words, "fact", one.name))),
        Column("times", lambda one: Cell(number_text(one.times)), is_number=True),
        Column("nats", lambda one: Cell(number_text(one.nats, "nat", 1)), is_number=True),
        Column("speaks", side),
    ]


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    AlarmPage(frame, query)
