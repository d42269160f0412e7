"""What a value might be, by its name and unit.

Proposals for people; of live data only for what Home Assistant discovery names with its unit.

The words are in ``gateway/policies/foreign/names.toml``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from pydantic import Field

from gateway.errors import ConfigError
from gateway.policies import Part, Policy, load_policies
from gateway.profiles import Column, Profile
from gateway.units import conversion

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d*|\d+")
_SHORT = 4  # "gas" is no plural
_PIECE = re.compile(r"[^A-Za-z0-9%]+")


Row = Annotated[tuple[str, ...], Field(min_length=1)]  # words, one after another


class Quantity(Part):
    """A kind of value."""

    words: tuple[str, ...] = Field(min_length=1)
    column: str  # "profile.column"
    unit: str | None = None  # where the name says none; default: the column's own
    units: tuple[str, ...] = ()  # only with one of these; "" = none is said
    without: tuple[str, ...] = ()  # not with one of these words
    aside: tuple[Row, ...] = ()  # what names a thing, its words do not count


class Names(Policy):
    """The whole file."""

    times: tuple[str, ...]
    states: tuple[tuple[str, str], ...]  # what a device says when it is there, and when not
    units: dict[str, str]
    quantity: tuple[Quantity, ...]


class Guess(NamedTuple):
    """A column that a value may belong to."""

    profile: str
    column: str
    unit: str
    is_said: bool  # the unit, by the name or beside it
    rest: tuple[str, ...]  # words of the name that are of no quantity


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
    known = _known(words)
    tail = _PIECE.split(name)[-1].lower()  # "kW" is one piece and two words
    unit = said or names.units.get(tail) or (names.units.get(words[-1], "") if words else "")
    for quantity in names.quantity:
        profile_name, _, column_name = quantity.column.partition(".")
        profile = profiles[profile_name]
        column = profile.columns[profile.column_index(column_name) or 0]
        counted = _known(_left(words, quantity.aside)) if quantity.aside else known
        if not set(quantity.words) <= counted or not known.isdisjoint(quantity.without):
            continue
        if quantity.units and unit not in quantity.units:
            continue
        wanted = unit or quantity.unit or column.unit
        if _fits(wanted, column):
            plural = {f"{word}s" for word in quantity.words}
            of_unit = words_of(_PIECE.split(name)[-1]) if tail in names.units else []
            taken = {*quantity.words, *plural, *of_unit}
            rest = (one for one in words if one not in taken)
            return Guess(profile_name, column_name, wanted, bool(unit), tuple(rest))
    return None


def _known(words: Sequence[str]) -> set[str]:
    return {*words, *(word[:-1] for word in words if len(word) > _SHORT)}  # "temperatures"


def _left(words: Sequence[str], aside: Sequence[tuple[str, ...]]) -> list[str]:
    """Return words but those that stand in a row of the given ones, in the plural as well."""
    left = list(words)
    for row in aside:
        at = 0
        while at + len(row) <= len(left):
            here = left[at : at + len(row)]
            if all(word in {one, f"{one}s"} for one, word in zip(row, here, strict=True)):
                del left[at : at + len(row)]
            else:
                at += 1
    return left


def _fits(unit: str, column: Column) -> bool:
    try:
        conversion(unit, column.unit)
    except ConfigError:
        return False
    return True
