"""Jams as regions of a map of road and time."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray
from gateway.transport.policy import TrafficPolicy
from gateway.transport.series import Bins, Road
from gateway.transport.state.work import Work

Cell = tuple[int, int]  # station, slot


class Jam(NamedTuple):
    """Stations that were slow together and after one another."""

    corridor: int
    stations: tuple[int, ...]  # in the order of travel
    from_ms: int
    to_ms: int
    delay_veh_h: float
    longest_km: float  # at its longest moment
    lowest_ratio: float


def speed_ratio(found: Bins, road: Road, policy: TrafficPolicy) -> FloatArray:
    """Return the speed over the free speed, the map of a corridor: 1 where nobody passed."""
    free_kmh = policy.free_kmh.column()[road.class_of_stations()][:, None]
    ratio: FloatArray = found.speed_kmh / free_kmh
    return np.where(found.count == 0, 1.0, ratio)


def jams(found: Bins, done: Work, road: Road, policy: TrafficPolicy) -> list[Jam]:
    """Return the jams of a window, earliest first; only measured bins make one."""
    ratio = speed_ratio(found, road, policy)
    is_slow = (ratio < policy.measures.congested_ratio) & found.is_observed()
    made = [_jam(cells, found, done, road, ratio) for cells in _regions(is_slow, road)]
    return sorted(made, key=lambda jam: (jam.from_ms, jam.stations))


def _regions(is_slow: BoolArray, road: Road) -> list[list[Cell]]:
    """Return the slow cells that touch each other along the road or in time."""
    left: set[Cell] = {(a, b) for a, b in np.argwhere(is_slow).tolist()}
    regions: list[list[Cell]] = []
    while left:
        region: list[Cell] = []
        edge = {left.pop()}
        while edge:
            region += edge
            left -= edge
            edge = {other for cell in edge for other in _beside(cell, road)} & left
        regions.append(region)
    return regions


def _beside(cell: Cell, road: Road) -> list[Cell]:
    station, slot = cell
    chain = (int(road.upstream[station]), int(road.downstream[station]))
    return [(station, slot - 1), (station, slot + 1), *((one, slot) for one in chain)]


def _jam(cells: list[Cell], found: Bins, done: Work, road: Road, ratio: FloatArray) -> Jam:
    station = np.array([one for one, _ in cells])
    slot = np.array([one for _, one in cells])
    delay = done.delay_veh_h[station, slot]
    length = np.bincount(slot, np.nan_to_num(done.length_km[station]))
    every = sorted(set(station.tolist()), key=lambda one: (float(np.nan_to_num(road.km[one])), one))
    begin = found.start_ms + int(slot.min()) * found.interval_ms
    return Jam(
        int(road.corridor[road.section[every[0]]]),
        tuple(every),
        begin,
        found.start_ms + (int(slot.max()) + 1) * found.interval_ms,
        float(np.nan_to_num(delay).sum()),
        float(length.max()),
        float(ratio[station, slot].min()),
    )
