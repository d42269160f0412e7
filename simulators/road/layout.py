"""Which roads a city has, and where its detectors stand, for a seed and a number of lanes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from simulators.chance import between, mix
from simulators.city.frame import LANES_PER_CABINET
from simulators.road.diagram import DIAGRAM
from simulators.road.network import NOWHERE, Link, Network, Signal

_LANES = {"urban": 2, "expressway": 3, "national": 2}
_SHARE = {"expressway": 0.3, "national": 0.2}  # of all detectors; the rest is urban
_LONGEST = {"urban": 6, "expressway": 10, "national": 8}  # links of a corridor
_CELLS = {"urban": 5, "expressway": 4, "national": 5}  # 350, 560 and 560 m
_STATION = {"urban": 3, "expressway": 2, "national": 2}  # urban: 140 m before the stop line
# Peak demand over capacity. Below one everywhere: a queue that is not in the truth file would
# make right alarms look false. Red lights make queues all the same, as they should.
_PEAK = {"urban": (0.6, 0.78), "expressway": (0.66, 0.8), "national": (0.55, 0.72)}
_CYCLE_S, _GREEN_S = 90.0, 45.0
_TURNING = 0.2  # of an urban approach leave the arterial, and as many come from the side
_AT_EXIT, _EXIT_EVERY = 0.15, 3  # on open roads, at every third link
TOLL_LANES, _TOLL_PCU_H = 7, 900.0  # a car in 4 s, barrier and electronic tag; our choice
GATE_LANES, _GATE_PCU_H = 4, 180.0  # a semi-trailer in a minute
_GATE_PEAK = 0.7
_RADAR_EVERY, _RADAR_AT = 4, 1  # which stations of an open road see single vehicles
_SKY_AT = 2  # which station of a corridor knows weather and water on the road
_CENTRE = (21.03, 105.85)  # Ha Noi
_KM_PER_DEGREE = 111.2
_GOLDEN_ANGLE = 2.39996


class Station(NamedTuple):
    """What stands at a link; the names are device ids, none where there is no such device."""

    corridor: str
    section: str
    id: str
    place: tuple[float, float]
    loops: tuple[str, ...]  # one per lane, from the kerb
    first_loop: int  # number of the first of them among all
    cabinet: int
    radar: str = ""
    tolls: tuple[str, ...] = ()
    scale: str = ""
    sky: str = ""  # weather, and water on the road


class Layout(NamedTuple):
    """The roads; link k has station k."""

    network: Network
    stations: tuple[Station, ...]
    lanes: int


class _Corridor(NamedTuple):
    road: str
    name: str
    lanes: tuple[int, ...]  # of its links
    number: int  # of all corridors


def build(seed: int, lanes: int) -> Layout:
    """Lay out roads with that many lanes under detectors, and one container gate."""
    links: list[Link] = []
    stations: list[Station] = []
    loops = 0
    for corridor in _corridors(lanes):
        chain = _links(corridor, len(links), mix(seed, 60, corridor.number))
        for at, link in enumerate(chain):
            stations.append(_station(corridor, at, link, loops))
            loops += link.lanes
        links.extend(chain)
    links.append(_gate())
    stations.append(_gate_station(loops))
    return Layout(Network(links), tuple(stations), lanes)


def _corridors(lanes: int) -> Iterator[_Corridor]:
    """Cut the lanes of each kind of road into corridors of even length."""
    number, left = 0, lanes
    for road, share in (*_SHARE.items(), ("urban", 1.0)):
        count = int(lanes * share) // _LANES[road] if share < 1 else max(1, left // 2)
        widths = [_LANES[road]] * count
        if road == "urban":  # an odd lane is a third one, or the only one
            widths[-1] = left - 2 * (count - 1)
        left -= sum(widths)
        for k, part in enumerate(_even(widths, _LONGEST[road])):
            yield _Corridor(road, f"{road[:2]}-{k + 1:02}", tuple(part), number)
            number += 1


def _even(widths: list[int], longest: int) -> Iterator[list[int]]:
    parts = -(-len(widths) // longest)
    for k in range(parts):
        yield widths[k * len(widths) // parts : (k + 1) * len(widths) // parts]


def _links(corridor: _Corridor, first: int, key: int) -> list[Link]:
    road, count = corridor.road, len(corridor.lanes)
    capacity_pcu_h = DIAGRAM[road].capacity_pcu_h * min(corridor.lanes)
    if road == "urban":
        capacity_pcu_h *= _GREEN_S / _CYCLE_S
    peak_pcu_h = capacity_pcu_h * between(*_PEAK[road], key, 1)
    links = []
    for at, lanes in enumerate(corridor.lanes):
        leaves, comes = _exchange(road, at), _exchange(road, at - 1)
        link = Link(f"{corridor.name}-{at + 1:02}", road, lanes, _CELLS[road], _STATION[road])
        link = link._replace(
            source_pcu_h=peak_pcu_h * (comes if at else 1.0),
            next=first + at + 1 if at + 1 < count else NOWHERE,
            onward=1.0 - leaves,
            signal=_signal(at, link) if road == "urban" else None,
        )
        if road == "expressway" and at == _toll_at(count):
            link = link._replace(exit_pcu_h=TOLL_LANES * _TOLL_PCU_H)
        links.append(link)
    return links


def _exchange(road: str, at: int) -> float:
    """Return the share that leaves, and comes, at the end of a link."""
    if road == "urban":
        return _TURNING
    return _AT_EXIT if at % _EXIT_EVERY == _EXIT_EVERY - 1 else 0.0


def _signal(at: int, link: Link) -> Signal:
    travel_s = link.cells * link.cell_m / (link.triangle.free_kmh / 3.6)
    return Signal(_CYCLE_S, _GREEN_S, -(at * travel_s) % _CYCLE_S)  # a green wave


def _toll_at(count: int) -> int:
    return min(1, count - 1)


def _station(corridor: _Corridor, at: int, link: Link, loops: int) -> Station:
    open_road = corridor.road != "urban"
    radar = open_road and at % _RADAR_EVERY == min(_RADAR_AT, len(corridor.lanes) - 1)
    tolls = corridor.road == "expressway" and at == _toll_at(len(corridor.lanes))
    names = tuple(f"loop-{link.name}-{lane + 1}" for lane in range(link.lanes))
    return Station(
        corridor=corridor.name,
        section=link.name,
        id=f"st-{link.name}",
        place=_place(corridor, at, link),
        loops=names,
        first_loop=loops,
        cabinet=loops // LANES_PER_CABINET,
        radar=f"radar-{link.name}" if radar else "",
        tolls=tuple(f"toll-{link.name}-{k + 1}" for k in range(TOLL_LANES if tolls else 0)),
        scale=f"wim-{link.name}" if corridor.road == "national" and at == 0 else "",
        sky=f"env-{link.name}" if at == min(_SKY_AT, len(corridor.lanes) - 1) else "",
    )


def _place(corridor: _Corridor, at: int, link: Link) -> tuple[float, float]:
    """Corridors run outward from the centre, urban ones from 1 km on, the others from 5 km."""
    start_km = 1.0 if corridor.road == "urban" else 5.0
    km = start_km + at * link.cells * link.cell_m / 1000
    angle = corridor.number * _GOLDEN_ANGLE
    north, east = km * np.cos(angle), km * np.sin(angle)
    east_degrees = east / (_KM_PER_DEGREE * np.cos(np.radians(_CENTRE[0])))
    return (
        round(float(_CENTRE[0] + north / _KM_PER_DEGREE), 6),
        round(float(_CENTRE[1] + east_degrees), 6),
    )


def _gate() -> Link:
    peak_pcu_h = GATE_LANES * _GATE_PCU_H * _GATE_PEAK
    return Link("gate-01", "gate", 2, 8, 4, peak_pcu_h, exit_pcu_h=GATE_LANES * _GATE_PCU_H)


def _gate_station(loops: int) -> Station:
    """The way out of a container port: every vehicle is seen and weighed."""
    return Station(
        corridor="gate",
        section="gate-01",
        id="st-gate-01",
        place=(20.994, 105.878),  # the river port in the south of the city
        loops=(),
        first_loop=loops,
        cabinet=max(0, (loops - 1) // LANES_PER_CABINET),
        radar="radar-gate-01",
        scale="wim-gate-01",
    )
