"""Which lanes speak for which."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, IntArray
from gateway.transport.policy import Impute
from gateway.transport.series import Road


class Pairs(NamedTuple):
    """Lanes by their rows, ordered by target; every column has one entry for each pair."""

    target: IntArray
    source: IntArray
    is_local: BoolArray  # of the same station or a neighbour; else of the region


def pairs_of(road: Road, policy: Impute) -> Pairs:
    """Return local and regional sources of each lane.

    Local are the other lanes of its station and those of the stations before and behind it.
    Regional are the nearest lanes of its corridor beyond, within the policy's distance.
    """
    lanes_of: dict[int, list[int]] = {}
    for row, station in enumerate(road.station.tolist()):
        lanes_of.setdefault(station, []).append(row)
    target: list[int] = []
    source: list[int] = []
    is_local: list[bool] = []
    for station in range(len(road.stations)):
        chain = _around(road, station)
        beside = chain[: 1 + 2 * policy.neighbours]
        near = [one for one, steps in beside if steps <= policy.neighbours]
        far = [
            one
            for one, steps in chain
            if steps > policy.neighbours
            and abs(road.km[one] - road.km[station]) <= policy.regional_km
        ]
        local = [lane for one in near for lane in lanes_of.get(one, [])]
        regional = [lane for one in far for lane in lanes_of.get(one, [])]
        for lane in lanes_of.get(station, []):
            others = [one for one in local if one != lane]
            chosen = others + regional[: policy.regional_sources]
            target += [lane] * len(chosen)
            source += chosen
            is_local += [True] * len(others) + [False] * (len(chosen) - len(others))
    order = np.argsort(np.array(target, np.int64), kind="stable")
    return Pairs(
        np.array(target, np.int64)[order],
        np.array(source, np.int64)[order],
        np.array(is_local, np.bool_)[order],
    )


def _around(road: Road, station: int) -> list[tuple[int, int]]:
    """Return the stations of a corridor with how many steps away they are, nearest first."""
    found = [(station, 0)]
    up, down, steps = station, station, 0
    while up >= 0 or down >= 0:
        steps += 1
        up = int(road.upstream[up]) if up >= 0 else up
        down = int(road.downstream[down]) if down >= 0 else down
        found += [(one, steps) for one in (up, down) if one >= 0]
    return found
