"""What a value might be, by its name and unit: proposals for people, never used on live data.

The words are in ``gateway/policies/foreign/names.toml``.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import Field

from gateway.errors import ConfigError
from gateway.policies import Part, Policy, load_policies
from gateway.profiles import Column, Profile
from gateway.units import conversion

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|\d+")
_PIECE = re.compile(r"[^A-Za-z0-9%]+")


class Quantity(Part):
    """A kind of value."""

    words: tuple[str, ...] = Field(min_length=1)
    column: str  # "profile.column"
    unit: str | None = None  # where the name says none; default: the column's own
    units: tuple[str, ...] = ()  # only with one of these; "" = none is said


class Names(Policy):
    """The whole file."""

    times: tuple[str, ...]
    units: dict[str, str]
    quantity: tuple[Quantity, ...]


class Guess(NamedTuple):
    """A column that a value may belong to."""

    profile: str
    column: str
    unit: str


def load_names() -> Names:
    """Return the newest edition of the words."""
    return load_policies("foreign", Names).editions("names")[-1]


def words_of(name: str) -> list[str]:
    """Return the words of a name, in small letters."""
    return [word.lower() for word in _WORD.findall(name)]


def guess(
    name: str, said: str | None, profiles: Mapping[str, Profile], names: Names
) -> Guess | None:
    """Return what a value may be, None where its name says nothing.

    Args:
        name: of the value, with the keys above it.
        said: its unit, where the payload or a discovery message says it.
        profiles: all profiles.
        names: the words.
    """
    words = words_of(name)
    tail = _PIECE.split(name)[-1].lower()  # "kW" is one piece and two words
    unit = said or names.units.get(tail) or (names.units.get(words[-1], "") if words else "")
    for quantity in names.quantity:
        profile_name, _, column_name = quantity.column.partition(".")
        profile = profiles[profile_name]
        column = profile.columns[profile.column_index(column_name) or 0]
        if not set(quantity.words) <= set(words):
            continue
        if quantity.units and unit not in quantity.units:
            continue
        wanted = unit or quantity.unit or column.unit
        if _fits(wanted, column):
            return Guess(profile_name, column_name, wanted)
    return None


def _fits(unit: str, column: Column) -> bool:
    try:
        conversion(unit, column.unit)
    except ConfigError:
        return False
    return True
