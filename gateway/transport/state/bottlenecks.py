"""Bottlenecks as PeMS finds them: slow here, fast at the next station, and for a while."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.policy import Bottleneck as Rules
from gateway.transport.series import Bins, Road
from gateway.transport.state.travel import lengths_km
from gateway.transport.state.work import Work


class Bottleneck(NamedTuple):
    """One time at one place."""

    station: int
    from_ms: int
    to_ms: int
    reach: tuple[int, ...]  # slow stations up the road at its longest, itself first
    extent_km: float
    delay_veh_h: float  # of all stations it reached, while it did


def bottlenecks(found: Bins, done: Work, road: Road, rules: Rules) -> list[Bottleneck]:
    """Return the bottlenecks of a window of 5-minute bins, earliest first.

    Only what was measured counts: an imputed speed is a guess from the neighbours.
    """
    speed = np.where(found.is_observed(), found.speed_kmh, np.nan)
    is_active = _lasting(_drops(speed, road, rules), rules)
    slow = speed < rules.below_kmh
    made = []
    for station in np.flatnonzero(is_active.any(axis=1)).tolist():
        for first, stop in _runs(is_active[station]):
            chains = [_upstream(slow[:, slot], road, station) for slot in range(first, stop)]
            longest = max(chains, key=len)
            delay = sum(
                float(np.nan_to_num(done.delay_veh_h[chain, slot]).sum())
                for slot, chain in enumerate(chains, first)
            )
            extent = abs(float(road.km[station] - road.km[longest[-1]]))
            begin, end = (found.start_ms + slot * found.interval_ms for slot in (first, stop))
            made.append(Bottleneck(station, begin, end, tuple(longest), extent, delay))
    return sorted(made, key=lambda one: (one.from_ms, one.station))


def _drops(speed: FloatArray, road: Road, rules: Rules) -> BoolArray:
    """Return where a station is slow and the next one much faster."""
    has_next = (road.downstream >= 0) & (lengths_km(road) < rules.spacing_max_km)
    ahead = np.where(has_next[:, None], speed[road.downstream], np.nan)
    found: BoolArray = (ahead - speed >= rules.drop_kmh) & (speed < rules.below_kmh)
    return found


def _lasting(drops: BoolArray, rules: Rules) -> BoolArray:
    """Return the time from the first to the last drop of every stretch that has enough of them."""
    slots = drops.shape[1]
    active = np.zeros_like(drops)
    for first in range(slots - rules.of_bins + 1):
        part = drops[:, first : first + rules.of_bins]
        rows = np.flatnonzero(part.sum(axis=1) >= rules.bins)
        for row in rows.tolist():
            hits = np.flatnonzero(part[row])
            active[row, first + hits[0] : first + hits[-1] + 1] = True
    return active


def _runs(active: BoolArray) -> IntArray:
    """Return first and stop of each run of true slots, (runs, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    return edges.reshape(-1, 2)


def _upstream(slow: BoolArray, road: Road, station: int) -> list[int]:
    chain = [station]
    while (before := int(road.upstream[chain[-1]])) >= 0 and slow[before]:
        chain.append(before)
    return chain
