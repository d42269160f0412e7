"""The numbers behind an alarm as a list: what each is, with its unit, and where it leads."""

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.looks.evidence import Evidence
from gateway.board.numbers import size_text
from gateway.board.parts.cells import (
    energy_text,
    number_text,
    place_href,
    place_text,
    power_text,
    share_text,
)
from gateway.board.parts.headings import heading
from gateway.board.words import said

SHARES = frozenset(
    {
        *("coverage", "cause_confidence", "excess", "free_share", "time_above"),
        *("imbalance", "copper_loss_saved", "out_now", "out_then"),
    }
)
# The end of a name is its unit (docs/energy.md, docs/transport.md); longer ends first.
UNITS = {
    "_wh_per_day": "Wh/d",
    "_wh": "Wh",
    "_w": "W",
    "_pu": "pu",
    "_v": "V",
    "_kg": "kg",
    "_kmh": "km/h",
    "_nats": "nat",
    "_bytes": "B",
    "_kva": "kVA",
    "_kvar": "kvar",
    "_s": "s",
    "_m": "m",
}


def draw_facts(
    frame: Frame, alarm: AlarmLine, evidence: Evidence, titles: Mapping[str, str]
) -> None:
    """Draw the card."""
    words = frame.words
    with ui.element("section").classes("card"):
        heading(words["evidence"])
        with ui.element("dl").classes("facts"):
            for name, value in evidence.facts:
                _draw_fact(frame, name, value, titles)
        api = f"/api/v1/{alarm.domain}/alarms?kind={alarm.kind}&place={alarm.place}"
        ui.link(words["as_json"], api).classes("export")


def _draw_fact(frame: Frame, name: str, value: Any, titles: Mapping[str, str]) -> None:  # noqa: ANN401  # JSON
    with ui.element("dt"):
        ui.label(said(frame.words, "fact", name))
    with ui.element("dd"):
        place = _place_of(name, value)
        if place:
            ui.link(place_text(frame, place, titles), place_href(frame, place))
        else:
            ui.label(fact_text(name, value, frame.words))


def fact_text(name: str, value: Any, words: Mapping[str, str]) -> str:  # noqa: ANN401  # JSON
    """Return a fact as people read it: the end of its name is its unit."""
    if isinstance(value, bool):
        return words["yes" if value else "no"]
    if isinstance(value, list):
        return ", ".join(said(words, "fact", str(one)) for one in value) or "–"
    if not isinstance(value, int | float):
        return said(words, "fact", str(value))
    if name in SHARES:
        return share_text(value)
    for ending, unit in UNITS.items():
        if name.endswith(ending):
            return _in_unit(value, unit)
    return number_text(value)


def _in_unit(value: float, unit: str) -> str:
    if unit in {"Wh", "Wh/d"}:
        return energy_text(value) + ("/d" if unit == "Wh/d" else "")
    if unit == "B":
        return size_text(int(value))
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
