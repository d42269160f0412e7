"""A local day: what each station and corridor has done, and what is learned of it."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray
from gateway.ports import Result
from gateway.transport import aggregate, state
from gateway.transport.engine.policies import Rules
from gateway.transport.engine.telling import encode, rounded
from gateway.transport.series import Bins, Method, Road

DAYS, CONGESTION, COVERAGE = "days", "congestion", "coverage"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
HOURS = 24
_CLASSES = ("moto", "car", "bus", "truck", "long")
_MOST_JAMS = 50  # in a line; the longest come first where there are more


class Day(NamedTuple):
    """What a day is worked out of."""

    start_ms: int
    stations: Bins  # 288 bins of five minutes
    road: Road
    rules: Rules


def station_lines(day: Day) -> Iterator[Result]:
    """Yield what each station has counted."""
    found, road, rules = day.stations, day.road, day.rules.traffic
    done = state.work(found, road, rules)
    by_hour = aggregate.coarser(found, HOUR_MS, rules.bins).count
    units = aggregate.pcu(found, rules.pcu)
    free_kmh = rules.free_kmh.column()[road.class_of_stations()]
    seen = np.isfinite(found.count)
    for one in np.flatnonzero(seen.any(axis=1)).tolist():
        vkt, vht = _sum(done.vkt[one]), _sum(done.vht[one])
        hours = by_hour[one]
        counted = np.bincount(found.method[one], minlength=len(Method)).tolist()
        body: dict[str, object] = {
            "vehicles": rounded(_sum(found.count[one]), 0),
            "pcu": rounded(_sum(units[one]), 0),
            "by_class": {
                name: rounded(_sum(found.class_count[number, one]), 0)
                for number, name in enumerate(_CLASSES)
            },
            "hours_veh": [rounded(hour, 0) for hour in hours.tolist()],
            "length_km": rounded(done.length_km[one], 3),
            "vkt": rounded(vkt, 1),
            "vht": rounded(vht, 2),
            "travel_time_index": rounded(free_kmh[one] * vht / vkt if vkt else np.nan, 3),
            "delay_veh_h": rounded(_sum(done.delay_veh_h[one]), 2),
            "lost_lane_km_h": rounded(_sum(done.lost_lane_km_h[one]), 2),
            "observed": rounded(float(np.nan_to_num(found.observed[one]).mean()), 3),
            "bins": {method.name.lower(): counted[method] for method in Method if counted[method]},
        }
        yield Result(
            DAYS, f"station:{road.stations[one]}", day.start_ms, day.start_ms + DAY_MS, encode(body)
        )


def corridor_lines(day: Day) -> Iterator[Result]:
    """Yield the jams of each corridor, where they begin, and its travel times by hour."""
    found, road, rules = day.stations, day.road, day.rules.traffic
    done = state.work(found, road, rules)
    jams = state.jams(found, done, road, rules)
    heads = state.bottlenecks(found, done, road, rules.bottleneck)
    hours = state.travel_times(state.link_hours(found.space_kmh, road, rules.measures), road)
    place = np.append(road.corridor, -1)[road.section]
    free_kmh = rules.free_kmh.column()[road.class_of_stations()]
    free_h = state.travel_times(state.link_hours(free_kmh, road, rules.measures), road)
    for one, name in enumerate(road.corridors):
        here = place == one
        vkt, vht = _sum(done.vkt[here]), _sum(done.vht[here])
        ours = [jam for jam in jams if jam.corridor == one]
        ours = sorted(ours, key=lambda jam: -jam.delay_veh_h)[:_MOST_JAMS]
        trust = state.reliability(hours[one], float(free_h[one]), rules.measures.planning_quantile)
        by_hour = hours[one].reshape(HOURS, -1) * 3600
        body: dict[str, object] = {
            "vkt": rounded(vkt, 1),
            "vht": rounded(vht, 2),
            "speed_kmh": rounded(vkt / vht if vht else np.nan, 1),
            "delay_veh_h": rounded(_sum(done.delay_veh_h[here]), 2),
            "free_travel_time_s": rounded(float(free_h[one]) * 3600, 0),
            "travel_time_s_by_hour": [rounded(_mean(part), 0) for part in by_hour],
            "travel_time_index": rounded(trust.tti, 3),
            "planning_time_index": rounded(trust.planning_index, 3),
            "buffer_index": rounded(trust.buffer_index, 3),
            "jams": [_jam(jam, road) for jam in ours],
            "bottlenecks": [_head(head, road) for head in heads if place[head.station] == one],
        }
        yield Result(
            CONGESTION, f"corridor:{name}", day.start_ms, day.start_ms + DAY_MS, encode(body)
        )


def coverage_lines(day: Day) -> Iterator[Result]:
    """Yield how much of each corridor had a station that measured most of the day."""
    found, road, rules = day.stations, day.road, day.rules.traffic
    share = np.nan_to_num(found.observed).mean(axis=1)
    is_healthy = share >= rules.bins.min_observed
    reaches = state.coverage(road, is_healthy, rules.coverage.reach_km)
    for name, reach in zip(road.corridors, reaches, strict=True):
        body: dict[str, object] = {
            "length_km": rounded(reach.length_km, 3),
            "covered_km": rounded(reach.covered_km, 3),
            "share": rounded(reach.share, 3),
        }
        yield Result(
            COVERAGE, f"corridor:{name}", day.start_ms, day.start_ms + DAY_MS, encode(body)
        )


def _jam(jam: state.Jam, road: Road) -> dict[str, object]:
    return {
        "from_ms": jam.from_ms,
        "to_ms": jam.to_ms,
        "stations": [road.stations[one] for one in jam.stations],
        "delay_veh_h": rounded(jam.delay_veh_h, 2),
        "longest_km": rounded(jam.longest_km, 2),
        "lowest_speed_ratio": rounded(jam.lowest_ratio, 2),
    }


def _head(head: state.Bottleneck, road: Road) -> dict[str, object]:
    return {
        "station": road.stations[head.station],
        "from_ms": head.from_ms,
        "to_ms": head.to_ms,
        "extent_km": rounded(head.extent_km, 2),
        "delay_veh_h": rounded(head.delay_veh_h, 2),
    }


def _sum(values: FloatArray) -> float:
    return float(np.nansum(values))


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
