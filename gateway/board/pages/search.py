"""Search: devices, places and alarms by any part of their names."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.board import seen
from gateway.board.frame import Frame
from gateway.board.looks.alarms import AlarmLine
from gateway.board.parts.cells import kind_text, place_href, place_text
from gateway.board.parts.tables import Cell, Column, Looks, Table
from gateway.board.words import said
from gateway.views.fleet import Fleet

MOST_FOUND = 500  # whoever finds more has to ask more precisely


class Found(NamedTuple):
    """One thing."""

    what: str
    name: str
    href: str


def find(wanted: str, frame: Frame, fleet: Fleet, titles: Mapping[str, str]) -> list[Found]:
    """Return devices and places whose name or title has the words in it."""
    words, low = frame.words, wanted.casefold()
    if not low:
        return []
    found = [
        Found(words["device"], one.name, frame.url("/devices", device=one.name))
        for one in fleet.devices
        if low in one.name or low in titles.get(f"device:{one.name}", "").casefold()
    ]
    found += [
        Found(
            said(words, "level", place.partition(":")[0]),
            place_text(frame, place, titles),
            place_href(frame, place),
        )
        for place, title in titles.items()
        if not place.startswith("device:")
        and (low in place.partition(":")[2] or low in title.casefold())
    ]
    return found[:MOST_FOUND]


def find_alarms(wanted: str, frame: Frame, alarms: Sequence[AlarmLine]) -> list[Found]:
    """Return alarms of a kind or place that has the words in it."""
    low = wanted.casefold()
    return [
        Found(
            frame.words["alarm_kind"],
            f"{kind_text(frame, one)} · {one.place.partition(':')[2]}",
            frame.url("/alarm", id=one.id),
        )
        for one in alarms
        if low and (low in kind_text(frame, one).casefold() or low in one.place)
    ][:MOST_FOUND]


class Search:
    """The page."""

    def __init__(self, frame: Frame, query: dict[str, str]) -> None:
        self._frame = frame
        self._wanted = query.get("q", "").strip()
        columns: list[Column[Found]] = [
            Column("found_what", lambda one: Cell(one.what), lambda one: one.what),
            Column("found_name", lambda one: Cell(one.name, href=one.href), lambda one: one.name),
        ]
        self._table = Table(frame.words, columns, Looks("found", "found_none"))
        frame.follow(self._refresh, 5.0)

    async def _refresh(self) -> None:
        frame = self._frame
        fleet, sites = await seen.fleet(frame), await seen.sites(frame)
        found = find(self._wanted, frame, fleet, sites.titles)
        found += find_alarms(self._wanted, frame, await seen.open_alarms(frame))
        self._table.show(found, f"“{self._wanted}”")


def draw(frame: Frame, query: dict[str, str]) -> None:
    """Draw the page."""
    Search(frame, query)
