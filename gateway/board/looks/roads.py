"""Roads as a board shows them: corridors from the registry, their course over time and way."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.board.looks.lines import Line, Lines
from gateway.board.looks.sites import KM_PER_DEGREE
from gateway.registry import Registry
from gateway.registry.entries import Node, NodeKind, Place
from gateway.store.derived import DerivedReader

BIN_MS = 300_000  # of series ``state``
MOST_COLUMNS = 288  # a day of them; what a card is wide enough for
LEVELS = "ABCDEF"


class Stop(NamedTuple):
    """A station of a corridor."""

    place: str
    title: str
    km: float | None  # from the first station; None where it has no place


class Corridor(NamedTuple):
    """A road in the direction of travel."""

    place: str
    title: str
    stops: Sequence[Stop]
    sections: frozenset[str]  # places


class SpaceTime(NamedTuple):
    """A corridor over time: a cell is the worst five minutes of a station within a column."""

    begins_ms: Sequence[int]  # of columns
    column_ms: int
    cells: Sequence[tuple[int, int, int, float | None]]  # column, row, level 0 to 5, km/h
    known: int  # of so many five minutes of all stations
    possible: int


def corridors_of(registry: Registry | None, now_ms: int) -> Sequence[Corridor]:
    """Return the corridors in the order of the file, their stations in that of travel."""
    if registry is None:
        return ()
    sections: dict[str, list[str]] = {}
    for node in registry.nodes(NodeKind.SECTION):
        if (above := _parent(node, now_ms)) is not None:
            sections.setdefault(above, []).append(node.id)
    stations: dict[str, list[Node]] = {}
    for node in registry.nodes(NodeKind.STATION):
        if (above := _parent(node, now_ms)) is not None:
            stations.setdefault(above, []).append(node)
    return [
        Corridor(
            f"corridor:{node.id}",
            node.title or node.id,
            _stops([one for name in sections.get(node.id, ()) for one in stations.get(name, ())]),
            frozenset(f"section:{name}" for name in sections.get(node.id, ())),
        )
        for node in registry.nodes(NodeKind.CORRIDOR)
    ]


def space_time(derived: DerivedReader, corridor: Corridor, from_ms: int, to_ms: int) -> SpaceTime:
    """Return the course of a corridor."""
    lines = Lines(derived, "transport")
    span_ms = to_ms - from_ms
    column_ms = BIN_MS * math.ceil(span_ms / (MOST_COLUMNS * BIN_MS))
    first_ms = from_ms - from_ms % column_ms
    count = (to_ms - first_ms) // column_ms + 1
    worst: dict[tuple[int, int], tuple[int, float | None]] = {}
    known = 0
    for row, stop in enumerate(corridor.stops):
        told = [
            *lines.between("state", first_ms - 2 * BIN_MS, to_ms, stop.place),
            # what no quarter of an hour has told yet: of each hour the newest five minutes
            *lines.between("live", to_ms - 7_200_000, to_ms + 1, stop.place),
        ]
        for begin_ms, level, speed_kmh in _bins(told):
            known += 1
            column = (begin_ms - first_ms) // column_ms
            if 0 <= column < count and level >= worst.get((column, row), (-1, None))[0]:
                worst[column, row] = (level, speed_kmh)
    cells = [(column, row, level, kmh) for (column, row), (level, kmh) in sorted(worst.items())]
    begins = [first_ms + k * column_ms for k in range(count)]
    return SpaceTime(
        begins, column_ms, cells, known, len(corridor.stops) * max(1, span_ms // BIN_MS)
    )


def _bins(told: Sequence[Line]) -> list[tuple[int, int, float | None]]:
    """Return begin, level and speed of each five minutes that has a level."""
    found = []
    for one in told:
        levels, speeds = one.values.get("level_of_service"), one.values.get("speed_kmh")
        if not isinstance(levels, list):  # one bin, up to the end
            levels, speeds, begin_ms = [levels], [speeds], one.to_ms - BIN_MS
        else:
            begin_ms = one.from_ms
        for k, (level, speed_kmh) in enumerate(zip(levels, speeds or [], strict=False)):
            if level in LEVELS if isinstance(level, str) and level else False:
                found.append((begin_ms + k * BIN_MS, LEVELS.index(level), speed_kmh))
    return found


def corridor_of(corridors: Sequence[Corridor], place: str) -> Corridor | None:
    """Return the corridor that a corridor, section or station is part of."""
    for one in corridors:
        if place == one.place or place in one.sections:
            return one
        if any(place == stop.place for stop in one.stops):
            return one
    return None


def by_level(roads: Mapping[str, Line]) -> dict[str, int]:
    """Return how many stations have each level of service now."""
    counts = dict.fromkeys((*LEVELS, ""), 0)
    for one in roads.values():
        if one.level == "station":
            counts[str(one.values.get("level_of_service") or "")] += 1
    return counts


def _stops(nodes: Sequence[Node]) -> list[Stop]:
    stops, km, before = [], 0.0, None
    for node in nodes:
        place = node.place[0] if node.place else None
        if place is not None and before is not None:
            km += _distance_km(before, place)
        before = place or before
        stops.append(
            Stop(f"station:{node.id}", node.title or node.id, None if place is None else km)
        )
    return stops


def _distance_km(a: Place, b: Place) -> float:
    east = (b.lon - a.lon) * math.cos(math.radians((a.lat + b.lat) / 2))
    return math.hypot(east, b.lat - a.lat) * KM_PER_DEGREE


def _parent(node: Node, now_ms: int) -> str | None:
    return next((one.id for one in node.parent if one.holds(now_ms)), None)
