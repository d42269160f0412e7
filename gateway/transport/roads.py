"""The road as the registry tells it, row for row with the lanes that send."""

from collections.abc import Iterable
from itertools import pairwise
from math import asin, cos, nan, radians, sin, sqrt
from typing import NamedTuple

import numpy as np

from gateway.model import IntArray
from gateway.registry import Node, NodeKind, Registry, Standing
from gateway.transport.series import NOWHERE, Road, RoadClass

_EARTH_KM = 6371.0


class Lane(NamedTuple):
    """A detector that sends lanes."""

    device_index: int
    device: str


class _Place(NamedTuple):
    station: str
    section: int
    at: tuple[float, float] | None  # latitude, longitude


def road_of(lanes: Iterable[Lane], registry: Registry | None, now_ms: int) -> Road:
    """Return the road of some lanes.

    All stations of the registry are in it, those without a lane that sends as well. A lane that
    the registry does not know is a station of its own, which nothing is before or behind.

    Args:
        lanes: detectors; their order does not matter.
        registry: None where no file says anything.
        now_ms: the moment of which the registry is asked.
    """
    ours = sorted(lanes)
    sections, corridor_of, kinds, corridors = _sections(registry, now_ms)
    places = _stations(registry, sections, now_ms)
    number = {one.station: place for place, one in enumerate(places)}
    lane, station = [], []
    for one in ours:
        found = _standing(registry, one.device, now_ms)
        node = None if found is None else found.parent(NodeKind.STATION)
        name = one.device if node is None else node.id
        if name not in number:
            number[name] = len(places)
            places.append(_Place(name, NOWHERE, None))
        station.append(number[name])
        lane.append(found.lane.number if found is not None and found.lane is not None else 0)
    upstream, downstream = _neighbours(places, corridor_of)
    return Road(
        _ints([one.device_index for one in ours]),
        tuple(one.device for one in ours),
        _ints(lane),
        _ints(station),
        tuple(one.station for one in places),
        _ints([one.section for one in places]),
        upstream,
        downstream,
        np.array(_kilometres(places, upstream), np.float64),
        np.bincount(_ints(station), minlength=len(places)).astype(np.int64),
        tuple(sections),
        _ints(corridor_of),
        _ints(kinds),
        corridors,
    )


def _sections(
    registry: Registry | None, now_ms: int
) -> tuple[dict[str, int], list[int], list[int], tuple[str, ...]]:
    """Return sections by name, and of each its corridor and kind; names of the corridors."""
    if registry is None:
        return {}, [], [], ()
    corridors = {node.id: place for place, node in enumerate(registry.nodes(NodeKind.CORRIDOR))}
    numbers: dict[str, int] = {}
    above: list[int] = []
    kinds: list[int] = []
    for node in registry.nodes(NodeKind.SECTION):
        numbers[node.id] = len(numbers)
        parent = _parent(node, now_ms)
        above.append(corridors.get(parent, NOWHERE))
        kinds.append(int(RoadClass[(node.road_class or "unknown").upper()]))
    return numbers, above, kinds, tuple(corridors)


def _stations(registry: Registry | None, sections: dict[str, int], now_ms: int) -> list[_Place]:
    if registry is None:
        return []
    found = []
    for node in registry.nodes(NodeKind.STATION):
        place = next((one for one in node.place if one.holds(now_ms)), None)
        at = None if place is None else (place.lat, place.lon)
        found.append(_Place(node.id, sections.get(_parent(node, now_ms), NOWHERE), at))
    return sorted(found, key=lambda one: (one.section == NOWHERE, one.section))  # stable


def _parent(node: Node, now_ms: int) -> str:
    return next((link.id for link in node.parent if link.holds(now_ms)), "")


def _standing(registry: Registry | None, device: str, now_ms: int) -> Standing | None:
    if registry is None or registry.device(device) is None:
        return None
    return registry.at(device, now_ms)


def _neighbours(places: list[_Place], corridor_of: list[int]) -> tuple[IntArray, IntArray]:
    """Return the station before and behind each, along its corridor."""
    upstream = np.full(len(places), NOWHERE, np.int64)
    downstream = upstream.copy()
    chains: dict[int, list[int]] = {}
    for place, one in enumerate(places):
        if one.section != NOWHERE and corridor_of[one.section] != NOWHERE:
            chains.setdefault(corridor_of[one.section], []).append(place)
    for chain in chains.values():
        for before, behind in pairwise(chain):
            upstream[behind], downstream[before] = before, behind
    return upstream, downstream


def _kilometres(places: list[_Place], upstream: IntArray) -> list[float]:
    """Return how far down its corridor each station is; stations come in the order of travel."""
    km: list[float] = []
    for place, one in enumerate(places):
        before = int(upstream[place])
        if one.at is None:
            km.append(nan)
        elif before == NOWHERE:
            km.append(0.0 if one.section != NOWHERE else nan)
        else:
            other = places[before].at
            km.append(nan if other is None else km[before] + _distance_km(other, one.at))
    return km


def _distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the way over the sphere (haversine): no road between stations is much longer."""
    low, high = radians(one[0]), radians(other[0])
    east = radians(other[1] - one[1])
    half = sin((high - low) / 2) ** 2 + cos(low) * cos(high) * sin(east / 2) ** 2
    return 2 * _EARTH_KM * asin(sqrt(half))


def _ints(values: list[int]) -> IntArray:
    return np.array(values, np.int64)
