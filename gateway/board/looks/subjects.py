"""What a maintenance window may be about: a device, a place, a sector, everything."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

EVERYTHING = "all"
MOST_OFFERED = 12  # more nobody reads through; a further letter makes them fewer


class Subject(NamedTuple):
    """One of them."""

    place: str  # "feeder:f-2", "sector:water", "all"
    title: str


def subjects_of(
    titles: Mapping[str, str], devices: Iterable[str], sectors: Mapping[str, str], everything: str
) -> Iterator[Subject]:
    """Yield everything that work can be planned for: wide things first.

    Args:
        titles: of the places of the registry.
        devices: names of all devices.
        sectors: name and title.
        everything: title of all of it.
    """
    yield Subject(EVERYTHING, everything)
    yield from (Subject(f"sector:{name}", title) for name, title in sectors.items())
    yield from (
        Subject(place, title) for place, title in titles.items() if not place.startswith("device:")
    )
    for name in devices:
        yield Subject(f"device:{name}", titles.get(f"device:{name}", name))


def offer(wanted: str, known: Iterable[Subject]) -> list[Subject]:
    """Return some that have what was typed in their name or title."""
    low = wanted.strip().casefold()
    found = (one for one in known if low in one.place or low in one.title.casefold())
    return list(islice(found, MOST_OFFERED))


def subject_of(text: str, known: Iterable[Subject]) -> str:
    """Return the place that was meant: named whole, or by its bare name or title; "" for none.

    A name that two things have means neither.
    """
    wanted = text.strip().casefold()
    found = set()
    if not wanted:  # an empty field must not mean everything
        return ""
    for one in known:
        if one.place == wanted:
            return one.place
        if wanted in {one.place.partition(":")[2], one.title.casefold()}:
            found.add(one.place)
    return found.pop() if len(found) == 1 else ""
