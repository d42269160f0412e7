"""How good speeds of single loops and travel times are, against every vehicle of a simulated city.

A day and a half of sound roads; in the second morning a vehicle stands in a lane of an expressway
for half an hour. Loops without a speed of their own learn the first day. A travel time is that of
the vehicles which reach the end of a stretch in the five minutes it is told for.

The vehicles of the simulator ride on a fluid that moves at the free speed up to capacity, while
the speeds at its stations fall with the load, as on real roads. A vehicle that drove as those
speeds say would take longer: that is the truth of travel times; the fluid's own is told beside it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray, IntArray, Quality
from gateway.policies import load_policies
from gateway.transport import aggregate, state
from gateway.transport.engine.slots import joined
from gateway.transport.policy import TRAFFIC_DOMAIN, TRAFFIC_POLICY, TrafficPolicy
from gateway.transport.series import (
    BIN_MS,
    NOWHERE,
    Bins,
    Road,
    RoadClass,
    StationWindow,
    VehicleClass,
    Window,
    empty_window,
)
from gateway.transport.speed import Lengths, effective_lengths, speeds
from simulators.city.city import parse_ms
from simulators.road.layout import Layout, build
from simulators.road.registry import device_rows, node_rows
from simulators.road.sensors import Bins as LoopBins
from simulators.road.sensors import Loops
from simulators.road.traffic import Traffic
from tools.road_scores.town import DAY_MS, HOUR_MS, INTERVAL_MS, road_of

_START_MS = parse_ms("2026-11-03T00:00:00+07:00")
_WARM_UP_MS = 1_800_000
_SECOND_H = 10  # of the second day
_JAM_H = (6.5, 7.0)
_STALLED = 0.49  # of the capacity is left with one of three lanes blocked (HCM 2000)
_FEWEST = 5  # vehicles of five minutes whose mean is a truth
_SKY_MS = 600_000
_SLOTS = BIN_MS // INTERVAL_MS


@dataclass
class DrivingScore:
    """Errors over seeds."""

    speed_errors: defaultdict[str, list[FloatArray]] = field(
        default_factory=lambda: defaultdict(list)
    )
    time_errors: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


class _Passed(NamedTuple):
    """Vehicles at stations."""

    link: IntArray
    number: IntArray
    time_ms: FloatArray


class _Drive(NamedTuple):
    """What was seen, and what was true."""

    window: Window
    passed: _Passed
    drag: FloatArray  # (links, slots): speed at a station over that of the fluid below capacity


def score(seed: int, lanes: int, total: DrivingScore) -> None:
    """Add a city."""
    layout, policy = build(seed, lanes), _policy()
    devices = list(device_rows(layout, INTERVAL_MS, _SKY_MS, _meter))
    road = road_of(list(node_rows(layout)), devices)
    start_ms = _START_MS + seed % 7 * DAY_MS
    parts = list(_drive(layout, road, seed, start_ms))
    whole = joined(one for one, _, _ in parts)
    columns = zip(*(one for _, one, _ in parts), strict=True)
    passed = _Passed._make(np.concatenate(column) for column in columns)
    drag = np.stack([one for _, _, one in parts], axis=1)
    found = aggregate.bins(whole, BIN_MS, policy.bins)
    _score_speeds(found, road, policy, total)
    day = DAY_MS // INTERVAL_MS
    second = _Drive(whole.part(day, whole.slots), passed, drag[:, day:])
    _score_times(second, (layout, road), policy, total)


def report(total: DrivingScore) -> list[str]:
    """Return the lines of the table."""
    lines = []
    for kind, errors in sorted(total.speed_errors.items()):
        every = np.abs(np.concatenate(errors))
        mean, late = every.mean(), np.quantile(every, 0.95)
        lines.append(
            f"g-factor speed {kind}: MAE {mean:.1f} km/h, p95 {late:.1f} ({len(every)} bins)"
        )
    for kind, shares in sorted(total.time_errors.items()):
        column = np.abs(np.array(shares))
        lines.append(
            f"travel time {kind}: median {np.median(column):.1%}, "
            f"p95 {np.quantile(column, 0.95):.1%} ({len(column)})"
        )
    return lines


def _drive(
    layout: Layout, road: Road, seed: int, start_ms: int
) -> Iterator[tuple[Window, _Passed, FloatArray]]:
    traffic, loops = Traffic(layout.network, seed), Loops(layout)
    net = layout.network
    blocked = _blocked(layout)
    for at_ms in range(start_ms - _WARM_UP_MS, start_ms, INTERVAL_MS):
        loops.hits(traffic.window(at_ms))
    total = np.zeros(layout.lanes)
    dark = np.zeros(layout.lanes)
    until_ms = start_ms + DAY_MS + _SECOND_H * HOUR_MS
    for at_ms in range(start_ms, until_ms, INTERVAL_MS):
        hour = (at_ms - start_ms - DAY_MS) / HOUR_MS
        traffic.cells.open_share[:] = 1.0
        if _JAM_H[0] <= hour < _JAM_H[1]:
            traffic.cells.open_share[net.last[blocked]] = _STALLED
        window = traffic.window(at_ms)
        hits = loops.hits(window)
        bins = loops.bins(window, hits, dark)
        total += bins.counts.sum(axis=1)
        seen = _Passed(hits.link, hits.vehicle["number"], at_ms + hits.seconds * 1000)
        load = traffic.cells._load  # noqa: SLF001  # nobody else can say
        yield _window_of(bins, total, road, at_ms), seen, 1 - net.friction * np.minimum(load, 1.0)


def _blocked(layout: Layout) -> int:
    """Return the middle link of the longest expressway."""
    names = [link.name for link in layout.network.links]
    express = [k for k, name in enumerate(names) if name.startswith("ex-")]
    by_corridor: dict[str, list[int]] = {}
    for k in express:
        by_corridor.setdefault(names[k][:5], []).append(k)
    longest = max(by_corridor.values(), key=len)
    return longest[2 * len(longest) // 3]


def _window_of(bins: LoopBins, total: FloatArray, road: Road, at_ms: int) -> Window:
    """Return what the loops send, rounded as they send it."""
    window = empty_window(road.device_index, at_ms, INTERVAL_MS, 1)
    window.count[:, 0] = bins.counts.sum(axis=1)
    window.cumulative[:, 0] = total
    window.occupancy[:, 0] = np.round(bins.occupancy, 3)
    window.speed_kmh[:, 0] = np.round(bins.mean_kmh, 1)
    window.v85_kmh[:, 0] = np.round(bins.v85_kmh, 1)
    for kind in VehicleClass:
        window.class_count[kind, :, 0] = bins.counts[:, kind]
    window.quality[:] = int(Quality.VALID)
    return window


def _score_speeds(found: Bins, road: Road, policy: TrafficPolicy, total: DrivingScore) -> None:
    """Hide the speeds, learn the first day, and judge the second."""
    day = DAY_MS // BIN_MS
    first, second = found.part(0, day), found.part(day, found.slots)
    free_kmh = policy.free_kmh.column()[road.class_of_lanes()]
    hours = [_hours(one) for one in (first, second)]
    g_m = effective_lengths(first, hours[0], free_kmh, policy.g_factor)
    told, _ = speeds(second, hours[1], Lengths(g_m, free_kmh.copy()), free_kmh, policy.g_factor)
    kinds = road.class_of_lanes()
    for kind in RoadClass:
        rows = kinds == int(kind)
        errors = (told - second.speed_kmh)[rows]
        errors = errors[np.isfinite(errors) & (second.count[rows] >= _FEWEST)]
        if errors.size:
            total.speed_errors[kind.name.lower()].append(errors)
            total.speed_errors["all roads"].append(errors)


def _score_times(
    drive: _Drive, place: tuple[Layout, Road], policy: TrafficPolicy, total: DrivingScore
) -> None:
    (layout, road), window = place, drive.window
    stations = aggregate.stations(window, road, aggregate.is_trusted(window, policy.bins))
    told = []
    for end in range(_SLOTS, window.slots + 1, _SLOTS):
        kmh = state.current_speeds(_last(stations, end), road, policy)
        told.append(state.link_hours(kmh, road, policy.measures))
    whole = state.travel_times(np.stack(told, axis=1), road)
    place_of = np.append(road.corridor, NOWHERE)[road.section]
    kinds = road.class_of_stations()
    for corridor in range(len(road.corridors)):
        here = np.flatnonzero(place_of == corridor)
        if len(here) <= 1 or not layout.stations[int(here[0])].loops:
            continue
        kind = RoadClass(int(kinds[here[0]])).name.lower()
        fluid_h = _took(drive, int(here[0]), int(here[-1]))
        driven_h = fluid_h + _dragged(drive, here.tolist(), road, layout)
        for name, truth in ((kind, driven_h), ("all roads", driven_h), ("of the fluid", fluid_h)):
            share = whole[corridor] / truth - 1
            total.time_errors[name] += share[np.isfinite(share)].tolist()


def _dragged(drive: _Drive, chain: list[int], road: Road, layout: Layout) -> FloatArray:
    """Return how much longer vehicles take at the speeds of the stations, hours by five minutes."""
    slots = drive.drag.shape[1] // _SLOTS
    drag = drive.drag[:, : slots * _SLOTS].reshape(len(drive.drag), slots, _SLOTS).mean(axis=2)
    longer = np.zeros(slots)
    for first, last in pairwise(chain):
        fluid_h = _took(drive, first, last)
        free_kmh = layout.network.links[first].triangle.free_kmh
        km = float(road.km[last] - road.km[first])
        driven_h = km / free_kmh / ((drag[first] + drag[last]) / 2)
        longer += np.maximum(driven_h - fluid_h, 0.0)
    return longer


def _took(drive: _Drive, first: int, last: int) -> FloatArray:
    """Return the mean time, hours, of those who came to the last station in each five minutes."""
    began = dict(zip(*_of(drive.passed, first), strict=True))
    numbers, times = _of(drive.passed, last)
    took: defaultdict[int, list[float]] = defaultdict(list)
    for number, time_ms in zip(numbers, times, strict=True):
        if number in began:
            slot = int((time_ms - drive.window.start_ms) // BIN_MS)
            took[slot].append((time_ms - began[number]) / HOUR_MS)
    return np.array(
        [
            np.mean(took[slot]) if len(took[slot]) >= _FEWEST else np.nan
            for slot in range(drive.window.slots // _SLOTS)
        ]
    )


def _of(every: _Passed, link: int) -> tuple[list[int], list[float]]:
    here = every.link == link
    return every.number[here].tolist(), every.time_ms[here].tolist()


def _last(window: StationWindow, end: int) -> StationWindow:
    part = slice(max(0, end - _SLOTS), end)
    return replace(
        window,
        start_ms=window.start_ms + part.start * window.interval_ms,
        count=window.count[:, part],
        occupancy=window.occupancy[:, part],
        speed_kmh=window.speed_kmh[:, part],
        lanes_seen=window.lanes_seen[:, part],
    )


def _hours(found: Bins) -> IntArray:
    hours: IntArray = (found.slot_ms() + 7 * HOUR_MS) // HOUR_MS % 24
    return hours


def _policy() -> TrafficPolicy:
    return load_policies(TRAFFIC_DOMAIN, TrafficPolicy).at(TRAFFIC_POLICY, _START_MS)


def _meter(cabinet: int) -> str:
    return f"meter-{cabinet}"
