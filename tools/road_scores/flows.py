"""How good speeds of single loops and travel times are, on roads whose vehicles are known.

The model of the simulated road alone, without a grid and without devices: each vehicle has a
number, so when it passes the first station of a corridor and when the last is its true travel time.
On the second of two days every open road has an hour with a lane blocked; the first is learnt from.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray, IntArray
from gateway.policies import load_policies
from gateway.transport import aggregate, speed, state
from gateway.transport.policy import TRAFFIC_DOMAIN, TRAFFIC_POLICY, TrafficPolicy
from gateway.transport.series import (
    BIN_MS,
    Road,
    RoadClass,
    StationWindow,
    Window,
    empty_window,
)
from simulators.city.city import parse_ms
from simulators.road.diagram import ONE_LANE_BLOCKED
from simulators.road.layout import Layout, build
from simulators.road.registry import device_rows, node_rows
from simulators.road.sensors import Loops
from simulators.road.traffic import WINDOW_MS, Traffic
from tools.road_scores.town import DAY_MS, HOUR_MS, road_of

_START_MS = parse_ms("2026-11-03T00:00:00+07:00")
_FROM_H = 5.0  # of both days: by night there is nobody to compare with
_TO_H = 22.0
_BLOCKED_H = (7.0, 15.0)
_LOCAL_MS = 7 * HOUR_MS
_EVERY = 10  # slots between two travel times: five minutes
_SHOWN = 10  # slots that a travel time is made of
_MIN_VEHICLES = 3  # that went all the way, for a true mean


class Drive(NamedTuple):
    """What one day brought."""

    window: Window
    times: list[tuple[int, int, float]]  # corridor, leaving the first station (ms), seconds


@dataclass
class FlowScore:
    """Errors over seeds."""

    speed_kmh: list[FloatArray] = field(default_factory=list)
    jam_speed_kmh: list[FloatArray] = field(default_factory=list)
    fixed_kmh: list[FloatArray] = field(default_factory=list)  # with the default length
    times: dict[str, list[float]] = field(default_factory=dict)  # kind of road → shares


def score(seed: int, lanes: int, total: FlowScore) -> None:
    """Add a city."""
    policy = load_policies(TRAFFIC_DOMAIN, TrafficPolicy).at(TRAFFIC_POLICY, _START_MS)
    layout = build(seed, lanes)
    devices = list(device_rows(layout, WINDOW_MS, WINDOW_MS, is_fed=False))
    road = road_of(list(node_rows(layout)), devices)
    rng = np.random.default_rng(seed)
    first, second = (_drive(seed, layout, road, day, rng) for day in range(2))
    _speeds(first.window, second.window, road, policy, total)
    kinds = road.class_of_stations()
    _, queues = _times(first, road, policy, state.QueueState.fresh(road, policy))
    for corridor, told_s, true_s in _times(second, road, policy, queues)[0]:
        kind = RoadClass(int(kinds[_first_of(road, corridor)])).name.lower()
        total.times.setdefault(kind, []).append(told_s / true_s - 1)


def report(total: FlowScore) -> list[str]:
    """Return the lines of the table."""
    every, jams = np.concatenate(total.speed_kmh), np.concatenate(total.jam_speed_kmh)
    fixed = np.concatenate(total.fixed_kmh)
    lines = [
        (
            f"speed of single loops, mean absolute error {every.mean():.1f} km/h, {every.size} bins"
            f" (below half the free speed {jams.mean():.1f} of {jams.size};"
            f" with one length for all {fixed.mean():.1f})  target: at most 7"
        )
    ]
    for kind in sorted(total.times):
        errors = np.abs(total.times[kind])
        lines.append(
            f"travel time, {kind:<10} median error {np.median(errors):.1%},"
            f" p95 {np.quantile(errors, 0.95):.1%} of {errors.size}  target: p95 at most 10 %"
        )
    return lines


def _drive(seed: int, layout: Layout, road: Road, day: int, rng: np.random.Generator) -> Drive:
    """Let a day pass; on the second one lane is blocked for an hour on every open road."""
    traffic, loops = Traffic(layout.network, seed * 2 + day), Loops(layout)
    from_ms = _START_MS + day * DAY_MS + round(_FROM_H * HOUR_MS)
    to_ms = _START_MS + day * DAY_MS + round(_TO_H * HOUR_MS)
    blocked = _blocked(layout, rng, from_ms - round(_FROM_H * HOUR_MS)) if day else []
    window = empty_window(road.device_index, from_ms, WINDOW_MS, (to_ms - from_ms) // WINDOW_MS)
    lit_s = np.zeros(layout.lanes)
    seen: dict[int, tuple[int, float]] = {}
    times: list[tuple[int, int, float]] = []
    ends = _ends(road)
    for slot, at_ms in enumerate(range(from_ms, to_ms, WINDOW_MS)):
        traffic.cells.open_share[:] = 1.0
        for cell, share, begin_ms in blocked:
            if begin_ms <= at_ms < begin_ms + HOUR_MS:
                traffic.cells.open_share[cell] = share
        passed = traffic.window(at_ms)
        hits = loops.hits(passed)
        bins = loops.bins(passed, hits, lit_s)
        count = bins.counts.sum(axis=1)
        window.count[:, slot] = count
        window.occupancy[:, slot] = np.round(bins.occupancy, 3)
        window.speed_kmh[:, slot] = np.round(bins.mean_kmh, 1)
        window.class_count[:, :, slot] = bins.counts.T
        window.quality[:, slot] = 1
        moment_s = at_ms / 1000 + hits.seconds
        rows = zip(hits.link.tolist(), hits.vehicle["number"].tolist(), moment_s, strict=True)
        for link, number, time_s in rows:
            if link in ends.first:
                seen[number] = (link, time_s)
            elif link in ends.last and number in seen:
                _, left_s = seen.pop(number)
                times.append((ends.last[link], round(left_s * 1000), time_s - left_s))
    return Drive(window, times)


class _Ends(NamedTuple):
    first: set[int]  # stations where corridors begin
    last: dict[int, int]  # station → its corridor


def _ends(road: Road) -> _Ends:
    first = np.flatnonzero((road.upstream < 0) & (road.downstream >= 0))
    last = np.flatnonzero((road.downstream < 0) & (road.upstream >= 0))
    corridor = road.corridor[road.section]
    return _Ends(set(first.tolist()), {one: int(corridor[one]) for one in last.tolist()})


def _blocked(
    layout: Layout, rng: np.random.Generator, midnight_ms: int
) -> list[tuple[int, float, int]]:
    """Return cells, the share of capacity that is left there, and from when on."""
    net, found = layout.network, []
    corridors = sorted({station.corridor for station in layout.stations if station.loops})
    for corridor in corridors:
        links = [
            at
            for at, station in enumerate(layout.stations)
            if station.corridor == corridor and net.links[at].road != "urban"
        ]
        if len(links) > 1:
            link = int(rng.choice(links[1:]))
            begin_ms = midnight_ms + round(float(rng.uniform(*_BLOCKED_H)) * HOUR_MS)
            share = ONE_LANE_BLOCKED[int(net.lanes[link])]
            found.append((int(net.last[link]), share, begin_ms))
    return found


def _speeds(
    first: Window, second: Window, road: Road, policy: TrafficPolicy, total: FlowScore
) -> None:
    """Judge the g-factor on the second day, learnt on the first; the loops' own speeds are true."""
    free_kmh = policy.free_kmh.column()[road.class_of_lanes()]
    learnt, judged = (aggregate.bins(day, BIN_MS, policy.bins) for day in (first, second))
    lengths = speed.Lengths.nothing(free_kmh, policy.g_factor)
    fixed, _ = speed.speeds(judged, _hours(judged.slot_ms()), lengths, free_kmh, policy.g_factor)
    g_m = speed.effective_lengths(learnt, _hours(learnt.slot_ms()), free_kmh, policy.g_factor)
    lengths = lengths._replace(g_m=g_m)
    kmh, _ = speed.speeds(judged, _hours(judged.slot_ms()), lengths, free_kmh, policy.g_factor)
    known = np.isfinite(judged.speed_kmh) & np.isfinite(kmh) & (judged.count > 0)
    errors = np.abs(kmh - judged.speed_kmh)
    total.speed_kmh.append(errors[known])
    total.jam_speed_kmh.append(errors[known & (judged.speed_kmh < free_kmh[:, None] / 2)])
    total.fixed_kmh.append(np.abs(fixed - judged.speed_kmh)[known])


def _times(
    drive: Drive, road: Road, policy: TrafficPolicy, queues: state.QueueState
) -> tuple[list[tuple[int, float, float]], state.QueueState]:
    """Return live travel times and those of who set out in the next five minutes, seconds.

    Each with its corridor; and what is known of queues after the day.
    """
    window, every_ms = drive.window, _EVERY * WINDOW_MS
    true: dict[tuple[int, int], list[float]] = {}
    for corridor, left_ms, seconds in drive.times:
        true.setdefault((corridor, (left_ms - window.start_ms) // every_ms), []).append(seconds)
    trusted, told = np.isfinite(window.count), dict[tuple[int, int], float]()
    for slot in range(window.slots):
        if slot >= _SHOWN and slot % _EVERY == 0:
            last = slice(slot - _SHOWN, slot)
            seen = aggregate.stations(window.part(last.start, slot), road, trusted[:, last])
            hours = enumerate(_told_h(seen, road, policy, queues))
            told.update({(one, slot // _EVERY): h * 3600 for one, h in hours if np.isfinite(h)})
        now = window.part(slot, slot + 1)
        queues = state.queues(now, trusted[:, slot : slot + 1], road, queues, policy)
    both = [(key, true[key]) for key in sorted(told.keys() & true.keys())]
    found = [
        (key[0], told[key], float(np.mean(drives)))
        for key, drives in both
        if len(drives) >= _MIN_VEHICLES
    ]
    return found, queues


def _told_h(
    seen: StationWindow, road: Road, policy: TrafficPolicy, queues: state.QueueState
) -> list[float]:
    """Return the travel time of each corridor as the engine tells it, hours."""
    kmh = state.current_speeds(seen, road, policy)
    hours = state.link_hours(kmh, road, policy.measures)
    hours = state.queue_hours(hours, queues, road, policy, WINDOW_MS)
    told: list[float] = state.travel_times(hours, road).tolist()
    return told


def _first_of(road: Road, corridor: int) -> int:
    return int(np.flatnonzero(road.corridor[road.section] == corridor)[0])


def _hours(time_ms: IntArray) -> IntArray:
    """Return the local hour of the day."""
    hours: IntArray = (time_ms + _LOCAL_MS) // HOUR_MS % 24
    return hours
