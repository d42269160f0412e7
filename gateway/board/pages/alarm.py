"""One alarm: what it says, the numbers behind it, and the readings of those concerned."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from gateway.board import seen
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
    power_text,
    share_text,
)
from gateway.board.parts.figures import hint
from gateway.board.parts.readings import ReadingChart
from gateway.board.parts.spacetime import SpaceTimeCard
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.parts.when import moment_text
from gateway.board.words import said

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
        self._root = ui.element("div").classes("stack")
        self._alarm: AlarmLine | None = None
        self._titles: Mapping[str, str] = {}
        frame.follow(self._refresh, 5.0)

    async def _refresh(self) -> None:
        frame, hold = self._frame, self._frame.hold
        alarm = await frame.see(("alarm", self._id), lambda: hold.alarms.find(self._id), 2.0)
        self._none.visible = alarm is None
        if alarm is None or alarm == self._alarm:
            return
        self._alarm = alarm
        self._titles = (await seen.sites(frame)).titles
        self._root.clear()
        evidence = evidence_of(alarm)
        with self._root:
            self._draw_head(alarm)
            with ui.element("div").classes("columns even"):
                self._draw_facts(evidence)
                self._draw_tables(evidence)
        await self._draw_course(alarm, evidence)

    def _draw_head(self, alarm: AlarmLine) -> None:
        frame, words = self._frame, self._frame.words
        now = frame.hold.sight.clock()
        with ui.element("section").classes("card headline"):
            with ui.element("div").classes("filters title"):
                label = ui.label(kind_text(frame, alarm)).classes("heading")
                label.props("role=heading aria-level=1")
                tone = SEVERITY_TONES.get(alarm.severity, "warn") if alarm.is_open else "plain"
                severity = SEVERITY_WORDS.get(alarm.severity, "warning")
                ui.label(words[f"severity_{severity}"]).classes(f"tone {tone}")
                word = "withdrawn" if alarm.is_withdrawn else "open" if alarm.is_open else "cleared"
                ui.label(words[f"alarm_{word}"]).classes("tone plain")
            ui.link(
                place_text(frame, alarm.place, self._titles), place_href(frame, alarm.place)
            ).classes("where")
            ui.label(said(words, "about", alarm.kind)).classes("caption")
            told = [
                words["raised_at"].format(
                    time=moment_text(alarm.raised_ms), age=age_text(now - alarm.raised_ms, words)
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

    def _draw_facts(self, evidence: Evidence) -> None:
        words = self._frame.words
        with ui.element("section").classes("card"):
            ui.label(words["evidence"]).classes("heading").props("role=heading aria-level=2")
            with ui.element("dl").classes("facts"):
                for name, value in evidence.facts:
                    with ui.element("dt"):
                        ui.label(said(words, "fact", name))
                    with ui.element("dd"):
                        self._draw_value(name, value)
            if self._alarm is not None:
                api = f"/api/v1/{self._alarm.domain}/alarms?kind={self._alarm.kind}"
                ui.link(words["as_json"], f"{api}&place={self._alarm.place}").classes("export")

    def _draw_value(self, name: str, value: Any) -> None:  # noqa: ANN401  # JSON
        place = _place_of(name, value)
        if place:
            text = place_text(self._frame, place, self._titles)
            ui.link(text, place_href(self._frame, place))
        else:
            ui.label(fact_text(name, value, self._frame.words))

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
            Column("device", lambda one: Cell(one.device, href=frame.url("/devices", device=one.device))),
            Column("hidden", lambda one: Cell(energy_text(one.hidden_wh)), is_number=True),
            Column("share_hidden", lambda one: Cell(share_text(one.share, 0)), is_number=True),
            Column("sigmas", lambda one: Cell(number_text(one.sigmas, "σ", 1)), is_number=True),
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
            corridor = next((found for one in places if (found := corridor_of(corridors, one))), None)
            if corridor is not None:
                course = await seen.course(frame, corridor, (span[0], span[1] - span[1] % 300_000))
                with self._root:
                    SpaceTimeCard(frame.words).show(corridor, course)
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


def fact_text(name: str, value: Any, words: Mapping[str, str]) -> str:  # noqa: ANN401  # JSON
    """Return a fact as people read it: the end of its name is its unit."""
    if isinstance(value, bool):
        return words["yes" if value else "no"]
    if isinstance(value, list):
        return ", ".join(said(words, "fact", str(one)) for one in value) or "–"
    if not isinstance(value, int | float):
        return said(words, "fact", str(value))
    if name in {"coverage", "available", "cause_confidence", "excess"}:
        return share_text(value)
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return _in_unit(value, unit)
    return number_text(value)


_UNITS = {
    "_wh_per_day": "Wh/d",
    "_wh": "Wh",
    "_w": "W",
    "_pu": "pu",
    "_v": "V",
    "_kg": "kg",
    "_kmh": "km/h",
    "_nats": "nat",
    "_m": "m",
}


def _in_unit(value: float, unit: str) -> str:
    if unit in {"Wh", "Wh/d"}:
        return energy_text(value) + ("/d" if unit == "Wh/d" else "")
    if unit == "W":
        return power_text(value, "W")
    return number_text(value, unit, 3 if unit == "pu" else None)


def _place_of(name: str, value: Any) -> str:  # noqa: ANN401  # JSON
    """Return the place that a fact names, "" for any other fact."""
    if not isinstance(value, str):
        return ""
    if name in {"station", "after_station"}:
        return f"station:{value}"
    if name in {"registered", "seems_at"}:
        return value if ":" in value else f"transformer:{value}"
    return ""


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    AlarmPage(frame, query)
