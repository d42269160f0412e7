"""Devices that speak of single vehicles: radars ``pv1``, toll lanes ``etc1``, scales ``wim1``.

What they say of a vehicle is a function of the vehicle's number, so that nothing that happens to
one changes another.
"""

from typing import NamedTuple

import numpy as np

from simulators.chance import mix
from simulators.city.dice import Words, stir, throw
from simulators.city.frame import NULL
from simulators.road.diagram import BUS, CLASSES, LONG, TRUCK, Floats, Ints
from simulators.road.layout import TOLL_LANES, Layout
from simulators.road.sensors import LOOP_M, Hits
from simulators.road.vehicles import Passages

WITH_THE_LANE, AGAINST_THE_LANE = 1, 2  # codes of the profiles
OK, LOW_BALANCE, NO_TAG, BLACKLISTED, READ_FAILURE, MANUAL = range(6)
UNKNOWN_CLASS = 0
_LONGEST_GAP_MS, _LONGEST_MS = 3_600_000, 65_535
_MOST_LANES = 4
# Share of each outcome in a healthy lane; our choice: nearly all cars have a tag by law (942).
_OUTCOMES = np.cumsum((0.965, 0.012, 0.008, 0.002, 0.008, 0.005))
_USUAL_MS = np.array((320, 900, 1500, 700, 2200, 18_000))
_MISMATCH = 0.004  # tags in another vehicle than they were issued for

# Vehicles that scales weigh: class, kg empty and full, share of each axle. All legal: the load of
# an axle stays below 10 t, the limit in Viet Nam, unless a scenario says so.
_HEAVY = (
    (BUS, 9_000, 14_500, (0.36, 0.64)),
    (TRUCK, 5_000, 15_000, (0.38, 0.62)),
    (TRUCK, 11_000, 24_000, (0.26, 0.37, 0.37)),
    (LONG, 14_000, 40_000, (0.16, 0.21, 0.21, 0.21, 0.21)),
    (LONG, 17_000, 45_000, (0.14, 0.2, 0.2, 0.15, 0.15, 0.16)),
)
_FIRST_OF = np.array((-1, -1, 0, 1, 3))  # in _HEAVY, by class
_VARIANTS = np.array((0, 0, 1, 2, 2))
_EMPTY_KG, _FULL_KG = (np.array([float(h[k]) for h in _HEAVY]) for k in (1, 2))  # type: ignore[arg-type]
_AXLES = np.array([len(h[3]) for h in _HEAVY])
_SIX = 6
_SHARES = np.array([h[3] + (0.0,) * (_SIX - len(h[3])) for h in _HEAVY])
_STEP_KG = 10  # what a scale resolves


class Rows(NamedTuple):
    """Rows of one profile in one window: whose, when, what."""

    device: Ints
    at_ms: Ints
    values: Ints


class Radars:
    """Radars over the road; each sees all lanes of its station, counted from the kerb."""

    def __init__(self, layout: Layout) -> None:
        self.names = tuple(s.radar for s in layout.stations if s.radar)
        self.device = _numbers([s.radar for s in layout.stations], self.names)
        # when the rear of the last vehicle passed, by device and lane
        self._rear_ms = np.full(len(self.names) * _MOST_LANES, NULL, dtype=np.int64)

    def rows(self, from_ms: int, hits: Hits) -> Rows:
        """Return a row for each vehicle that passed a radar."""
        seen = self.device[hits.link] >= 0
        device, vehicle = self.device[hits.link[seen]], hits.vehicle[seen]
        kmh, at_ms = hits.kmh[seen], from_ms + np.rint(hits.seconds[seen] * 1000).astype(np.int64)
        over_ms = np.rint((vehicle["length_m"] + LOOP_M) / kmh * 3600).astype(np.int64)
        over_ms = np.minimum(over_ms, _LONGEST_MS)
        lane = hits.lane[seen]
        gap_ms = self._gaps(device * _MOST_LANES + lane, at_ms, over_ms)
        values = (
            *(_tenths(kmh), _tenths(vehicle["length_m"]), vehicle["kind"] + 1),
            *(np.full(lane.size, WITH_THE_LANE), gap_ms, over_ms, lane + 1),
        )
        return Rows(device, at_ms, np.column_stack(values).astype(np.int64))

    def _gaps(self, lane: Ints, at_ms: Ints, over_ms: Ints) -> Ints:
        order = np.lexsort((at_ms, lane))
        here, rear_ms = lane[order], (at_ms + over_ms)[order]
        before_ms = np.empty(order.size, dtype=np.int64)
        before_ms[1:] = rear_ms[:-1]
        first = np.ones(order.size, dtype=np.bool_)
        first[1:] = here[1:] != here[:-1]
        before_ms[first] = self._rear_ms[here[first]]
        gap_ms = np.empty(order.size, dtype=np.int64)
        since_ms = np.clip(at_ms[order] - before_ms, 0, _LONGEST_GAP_MS)
        gap_ms[order] = np.where(before_ms == NULL, NULL, since_ms)
        self._rear_ms[here] = rear_ms  # the last of each lane stays
        return gap_ms


class Tolls:
    """Electronic toll lanes; a plaza is at the end of its link."""

    def __init__(self, layout: Layout, seed: int) -> None:
        self.names = tuple(name for s in layout.stations for name in s.tolls)
        self._key: Words = np.array(mix(seed, 62), dtype=np.uint64)
        first = np.cumsum([0, *(len(s.tolls) for s in layout.stations)])[:-1]
        self._first = np.where([len(s.tolls) > 0 for s in layout.stations], first, -1)

    def rows(self, from_ms: int, ends: Passages) -> Rows:
        """Return a row for each vehicle that went through a plaza."""
        seen = self._first[ends.link] >= 0
        vehicle = ends.vehicle[seen]
        key = stir(self._key, vehicle["number"])
        device = self._first[ends.link[seen]] + (throw(key, 1) * TOLL_LANES).astype(np.int64)
        at_ms = from_ms + np.rint(ends.moment.seconds[seen] * 1000).astype(np.int64)
        result = np.minimum(np.searchsorted(_OUTCOMES, throw(key, 2), side="right"), MANUAL)
        lasts_ms = np.rint(_USUAL_MS[result] * (0.6 + 0.8 * throw(key, 3))).astype(np.int64)
        measured = vehicle["kind"].astype(np.int64) + 1
        other = np.where(measured == len(CLASSES), measured - 1, measured + 1)
        declared = np.where(throw(key, 4) < _MISMATCH, other, measured)
        unread = np.isin(result, (NO_TAG, READ_FAILURE, MANUAL))
        retries = np.where(unread, 3, (throw(key, 5) < 0.04).astype(np.int64))  # noqa: PLR2004
        tag = (stir(self._key, key) >> np.uint64(11)).astype(np.int64)
        columns = (
            *(result, lasts_ms, np.where(unread, UNKNOWN_CLASS, declared), measured),
            *(retries, np.where(unread, NULL, tag)),
        )
        return Rows(device, at_ms, np.column_stack(columns))


class Scales:
    """Weigh-in-motion: every bus, truck and semi-trailer that passes."""

    def __init__(self, layout: Layout, seed: int) -> None:
        self.names = tuple(s.scale for s in layout.stations if s.scale)
        self._device = _numbers([s.scale for s in layout.stations], self.names)
        self._key: Words = np.array(mix(seed, 63), dtype=np.uint64)

    def rows(self, from_ms: int, hits: Hits) -> Rows:
        """Return a row for each heavy vehicle."""
        seen = (self._device[hits.link] >= 0) & (hits.vehicle["kind"] >= BUS)
        device, vehicle = self._device[hits.link[seen]], hits.vehicle[seen]
        kind = vehicle["kind"].astype(np.int64)
        key = stir(self._key, vehicle["number"])
        model = _FIRST_OF[kind] + (throw(key, 1) * _VARIANTS[kind]).astype(np.int64)
        weight_kg = _EMPTY_KG[model] + (_FULL_KG[model] - _EMPTY_KG[model]) * throw(key, 2)
        axles_kg = np.rint(weight_kg[:, None] * _SHARES[model] / _STEP_KG).astype(np.int64)
        axles_kg *= _STEP_KG
        total_kg = axles_kg.sum(axis=1)
        columns = (
            *(total_kg, _AXLES[model], np.where(axles_kg > 0, axles_kg, NULL)),
            *(_tenths(hits.kmh[seen]), _tenths(vehicle["length_m"]), kind + 1),
        )
        at_ms = from_ms + np.rint(hits.seconds[seen] * 1000).astype(np.int64)
        return Rows(device, at_ms, np.column_stack(columns))


def _numbers(of_links: list[str], names: tuple[str, ...]) -> Ints:
    """Return the number of the device at each link, −1 for none."""
    place = {name: k for k, name in enumerate(names)}
    return np.array([place.get(name, -1) for name in of_links], dtype=np.int64)


def _tenths(values: Floats) -> Ints:
    return np.rint(values * 10).astype(np.int64)
