"""What cells show: numbers with their units, shares, ages, places that lead on."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.looks.lines import Line
from gateway.board.numbers import HARD, NARROW
from gateway.board.parts.tables import Cell, Column
from gateway.board.words import said

NOTHING = Cell("–")
_ALL = "all"  # the grid as a whole has no name of its own
_KILO = 1000.0
_LONG = 10_000.0  # from here on people say it in the next larger unit
_FEW = 100.0  # below, a decimal tells something


def number_text(value: float | None, unit: str = "", decimals: int | None = None) -> str:
    """Return a number with its unit; without ``decimals`` as many as tell something."""
    if value is None:
        return "–"
    if decimals is None:
        decimals = 0 if abs(value) >= _FEW or float(value).is_integer() else 1
    text = f"{value:,.{decimals}f}".replace(",", NARROW)
    return f"{text}{HARD}{unit}" if unit else text


def energy_text(value_wh: float | None) -> str:
    """Return energy in Wh, kWh or MWh."""
    return _scaled(value_wh, ("Wh", "kWh", "MWh", "GWh"))


def kwh_text(value_wh: float | None) -> str:
    """Return energy in kWh: in a column that is compared line by line there is one unit."""
    return number_text(None if value_wh is None else value_wh / _KILO, "kWh")


def power_text(value: float | None, unit: str = "VA") -> str:
    """Return power in its unit, or thousands of it."""
    return _scaled(value, (unit, f"k{unit}", f"M{unit}"))


def _scaled(value: float | None, units: tuple[str, ...]) -> str:
    if value is None:
        return "–"
    step = 0
    while abs(value) >= _LONG and step < len(units) - 1:
        value, step = value / _KILO, step + 1
    return number_text(value, units[step])


def share_text(value: float | None, decimals: int = 1) -> str:
    """Return a share as per cent."""
    return "–" if value is None else number_text(100 * value, "%", decimals)


def share_cell(value: float | None, *, good_from: float | None = None, decimals: int = 1) -> Cell:
    """Return a share with its bar; below ``good_from`` it has a colour."""
    if value is None:
        return NOTHING
    is_poor = good_from is not None and value < good_from
    return Cell(share_text(value, decimals), "warn" if is_poor else "", bar=value)


def place_text(frame: Frame, place: str, titles: Mapping[str, str]) -> str:
    """Return a place as people say it: its title, or what it is and its name."""
    level, _, name = place.partition(":")
    title = titles.get(place, "")
    if title and title != name:
        return f"{title} ({name})"
    if name == _ALL:
        return said(frame.words, "level", level)
    return name if level in {"device", ""} else f"{said(frame.words, 'level', level)} {name}"


def place_href(frame: Frame, place: str) -> str:
    """Return the page of a place; a device has one of its own."""
    level, _, name = place.partition(":")
    if level == "device":
        return frame.url("/devices", device=name)
    return frame.url("/place", name=place)


def place_column(frame: Frame, titles: Mapping[str, str], word: str = "place") -> Column[Line]:
    """Return the column of a line's place."""
    return Column(
        word,
        lambda one: Cell(place_text(frame, one.place, titles), href=place_href(frame, one.place)),
        lambda one: one.place,
    )


def value_column(
    word: str, key: str, text: Callable[[Any], str], *, bar: bool = False
) -> Column[Line]:
    """Return the column of a number of a line."""

    def cell(one: Line) -> Cell:
        value = one.values.get(key)
        return Cell(text(value), bar=value if bar else None)

    return Column(word, cell, lambda one: one.values.get(key), is_number=True)


def kind_text(frame: Frame, one: AlarmLine) -> str:
    """Return what an alarm is about."""
    return said(frame.words, "kind", one.kind)
