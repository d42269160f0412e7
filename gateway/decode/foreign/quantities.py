"""Which column of which profile a quantity of a self-describing format is (``quantities.toml``).

Nothing is guessed: a quantity whose name or unit is not in the table has no place. A message none
of whose quantities has one goes to quarantine, for ``infragate map suggest``.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from gateway.decode.foreign.telegrams import converter
from gateway.decode.linear import Converter
from gateway.profiles import Profile

_NOT_WORD = re.compile(r"[^a-z0-9]+")
_OBIS = re.compile(r"(?:(\d{1,3}-\d{1,3}):)?(\d{1,3}\.\d{1,3}\.\d{1,3})(?:\*255)?\Z", re.ASCII)
_PARTS = re.compile(r"[/:]")
_MAX_PLACES = 65_536  # names of senders, remembered; begun anew beyond it


class Place(NamedTuple):
    """Where a quantity goes."""

    profile: Profile
    at: int  # of the value in a row ``[dt, value…, status]``
    convert: Converter


class _Table(NamedTuple):
    order: Sequence[str]
    units: Mapping[str, str]
    columns: Mapping[str, tuple[str, str]]  # by name
    by_unit: Mapping[str, tuple[str, str]]


@cache
def _table() -> _Table:
    raw = tomllib.loads(
        files("gateway.decode.foreign").joinpath("quantities.toml").read_text("utf-8")
    )
    columns = {name: _split(place) for place, names in raw["column"].items() for name in names}
    by_unit = {unit: _split(place) for unit, place in raw["unit"].items()}
    return _Table(raw["profiles"]["order"], raw["units"], columns, by_unit)


def _split(place: str) -> tuple[str, str]:
    profile, _, column = place.partition(".")
    return profile, column


class Quantities:
    """Finds places and remembers them. One for each room."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._table = _table()
        self._all = profiles
        self._profiles = [profiles[name] for name in self._table.order if name in profiles]
        self._by_name = {profile.name: profile for profile in self._profiles}
        self._by_obis = {
            column.obis: (profile, column.name)
            for profile in reversed(self._profiles)
            for column in profile.columns
            if column.obis is not None
        }
        self._places: dict[tuple[str, str], Place | None] = {}

    def place(self, name: str, unit: str) -> Place | None:
        """Return where a quantity goes, None where it has no place here."""
        key = name, unit
        if key not in self._places:
            if len(self._places) >= _MAX_PLACES:
                self._places.clear()
            self._places[key] = self._find(name, unit)
        return self._places[key]

    def column(self, profile: str, name: str, unit: str) -> Place | None:
        """Return the place of a column that is known, for values in ``unit``."""
        found = self._all.get(profile)  # also of profiles that no name alone points at
        return None if found is None else self._placed(found, name, unit)

    def _find(self, name: str, unit: str) -> Place | None:
        found = self._of_code(name)
        if found is not None:
            return self._placed(*found, unit)
        word = _NOT_WORD.sub("_", _PARTS.split(name)[-1].lower()).strip("_")
        for profile in self._profiles:
            if profile.column_index(word) is not None:
                return self._placed(profile, word, unit)
        stem, known_unit = self._unit_of(word, unit)
        target = self._table.columns.get(stem) or self._table.columns.get(word)
        if target is None:
            target, known_unit = self._table.by_unit.get(unit), unit
        if target is None or not known_unit or target[0] not in self._by_name:
            return None
        return self._placed(self._by_name[target[0]], target[1], known_unit)

    def _of_code(self, name: str) -> tuple[Profile, str] | None:
        match = _OBIS.search(name)
        return None if match is None else self._by_obis.get(f"{match[1] or '1-0'}:{match[2]}")

    def _unit_of(self, word: str, unit: str) -> tuple[str, str]:
        """Return the name without a unit at its end, and the unit; "" where nobody says it."""
        stem, _, end = word.rpartition("_")
        if end not in self._table.units:
            return word, unit
        return stem, unit or self._table.units[end]

    def _placed(self, profile: Profile, name: str, unit: str) -> Place | None:
        index = profile.column_index(name)
        if index is None:
            return None
        column = profile.columns[index]
        spelled = self._table.units.get(unit, unit) or column.unit
        convert = converter(spelled, column.unit, column.scale)
        if convert is None:
            return None
        return Place(profile, index + 1, convert)
