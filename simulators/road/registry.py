"""The road as the operator's registry knows it, and which cabinet each device hangs on."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from simulators.city.frame import LANES_PER_CABINET, DeviceRow, NodeRow, Tie, cabinet_name
from simulators.road.layout import Layout, Station

_TITLE = {"ur": "Arterial", "ex": "Expressway", "na": "National road", "ga": "Container gate"}
_CLASS = {"gate": "national"}  # what the registry calls the road of a port


class Powered(NamedTuple):
    """Devices of a profile in the order of their numbers, and the cabinet of each."""

    names: tuple[str, ...]
    cabinets: tuple[int, ...]


def node_rows(layout: Layout) -> Iterator[NodeRow]:
    """Return corridors, sections and stations."""
    known: set[str] = set()
    for station, link in zip(layout.stations, layout.network.links, strict=True):
        if station.corridor not in known:
            known.add(station.corridor)
            title = f"{_TITLE[station.corridor[:2]]} {station.corridor[-2:]}"
            yield NodeRow(station.corridor, "corridor", title)
        kind = _CLASS.get(link.road, link.road)
        above, here = (Tie(station.corridor),), (Tie(station.section),)
        yield NodeRow(station.section, "section", parents=above, road_class=kind)
        yield NodeRow(station.id, "station", parents=here, place=station.place)
    for cabinet, place in sorted({s.cabinet: s.place for s in reversed(layout.stations)}.items()):
        yield NodeRow(modem(cabinet), "concentrator", "Modem of a roadside cabinet", place=place)


def modem(cabinet: int) -> str:
    """Return the modem by which all devices of a cabinet speak."""
    return f"modem-{cabinet + 1:04}"


def device_rows(layout: Layout, loop_ms: int, sky_ms: int, *, is_fed: bool) -> Iterator[DeviceRow]:
    """Return all devices, station by station; fed ones live from their cabinet."""
    cabinet_of = {
        name: cabinet
        for of in powered(layout).values()
        for name, cabinet in zip(of.names, of.cabinets, strict=True)
    }
    for row in _rows(layout, loop_ms, sky_ms):
        cabinet = cabinet_of[row.id]
        yield replace(row, uplink=modem(cabinet), supply=cabinet_name(cabinet) if is_fed else "")


def _rows(layout: Layout, loop_ms: int, sky_ms: int) -> Iterator[DeviceRow]:
    for station, link in zip(layout.stations, layout.network.links, strict=True):
        tie, place = (Tie(station.id),), station.place
        for at, name in enumerate(station.loops):
            lane = (link.lanes - at, "out")  # from the median
            yield DeviceRow(name, "transport", "tl1", loop_ms, parents=tie, place=place, lane=lane)
        events = ((station.radar, "pv1"), *((t, "etc1") for t in station.tolls))
        for name, profile in (*events, (station.scale, "wim1")):
            if name:
                yield DeviceRow(name, "transport", profile, 0, parents=tie, place=place)
        if station.sky:
            yield DeviceRow(station.sky, "env", "env1", sky_ms, parents=tie, place=place)


def powered(layout: Layout) -> dict[str, Powered]:
    """Return the devices of each profile with their cabinets."""
    loops = tuple(name for s in layout.stations for name in s.loops)
    cabinets = tuple(k // LANES_PER_CABINET for k in range(layout.lanes))
    return {
        "tl1": Powered(loops, cabinets),
        "pv1": _of((s, (s.radar,)) for s in layout.stations),
        "etc1": _of((s, s.tolls) for s in layout.stations),
        "wim1": _of((s, (s.scale,)) for s in layout.stations),
        "env1": _of((s, (s.sky,)) for s in layout.stations),
    }


def _of(devices: Iterable[tuple[Station, tuple[str, ...]]]) -> Powered:
    known = [(name, station.cabinet) for station, names in devices for name in names if name]
    return Powered(tuple(name for name, _ in known), tuple(cabinet for _, cabinet in known))
