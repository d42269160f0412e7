"""Travel times along a corridor, and how far one can rely on them.

As IRIS does it: the way between two stations is three equal links, of which the outer ones have the
speed of their station and the middle one the mean of both. Where the stations are too far apart
nobody knows what is between, and there is no travel time.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model import FloatArray
from gateway.transport.aggregate.folding import ratio
from gateway.transport.policy import Measures, TrafficPolicy
from gateway.transport.series import Road, RoadClass, StationWindow

_LINKS = 3
_MS_PER_MIN, _S_PER_H = 60_000, 3600


class Reliability(NamedTuple):
    """Of one stretch over many days at the same hour."""

    mean_h: float
    free_h: float
    tti: float  # travel time index: mean over free
    planning_index: float  # 95th percentile over free
    buffer_index: float  # how much more than the mean one must plan, as a share of it


def current_speeds(window: StationWindow, road: Road, policy: TrafficPolicy) -> FloatArray:
    """Return the space-mean speed of each station at the end of a window of some minutes.

    Slow traffic is averaged for longer, and no speed is above the limit. Where stations saw
    nobody the road is free; where they saw nothing the speed is unknown (NaN).
    """
    rules = policy.measures
    kind = road.class_of_stations()
    speed = _mean_kmh(window, rules.time_window_min)
    is_quiet = _passed(window, rules.time_window_min) == 0
    for slow_kmh, minutes in zip(rules.slow_kmh, rules.slow_window_min, strict=True):
        longer = _mean_kmh(window, minutes)
        speed = np.where((speed < slow_kmh) & np.isfinite(longer), longer, speed)
    free_kmh = policy.free_kmh.column()[kind]
    speed = np.where(is_quiet, free_kmh, speed)
    capped: FloatArray = np.minimum(speed, policy.limit_kmh.column()[kind])
    return capped


def link_hours(speed_kmh: FloatArray, road: Road, rules: Measures) -> FloatArray:
    """Return the time from each station to the next one, hours; NaN where it is unknown.

    On a street there is a signal on the way to each next station, which holds some for a while.

    Args:
        speed_kmh: (stations,) or (stations, slots).
        road: which station follows.
        rules: how far apart stations may be.
    """
    length_km = lengths_km(road)
    length_km = np.where(length_km / _LINKS <= rules.link_max_km, length_km, np.nan)
    there = np.where(_aligned(road.downstream >= 0, speed_kmh), speed_kmh[road.downstream], np.nan)
    third_km = _aligned(length_km / _LINKS, speed_kmh)
    hours: FloatArray = third_km * (1 / speed_kmh + 2 / (speed_kmh + there) + 1 / there)
    is_street = (road.class_of_stations() == RoadClass.URBAN) * (rules.signal_s / _S_PER_H)
    hours += _aligned(is_street, speed_kmh)
    return hours


def travel_times(hours: FloatArray, road: Road) -> FloatArray:
    """Return the time along each corridor from its first station to its last, hours.

    NaN where any link in it is unknown. ``hours`` as ``link_hours`` returns them.
    """
    total = np.zeros((len(road.corridors), *hours.shape[1:]))
    onward = np.flatnonzero(road.downstream >= 0)
    np.add.at(total, road.corridor[road.section[onward]], hours[onward])
    linked = np.zeros(len(road.corridors), np.bool_)
    linked[road.corridor[road.section[onward]]] = True
    return np.where(_aligned(linked, total), total, np.nan)


def to_the_end(hours: FloatArray, road: Road) -> FloatArray:
    """Return the time from each station to the last one of its corridor, hours; NaN as links are.

    Args:
        hours: (stations,) to the next one, as ``link_hours`` returns them.
        road: which station follows.
    """
    onward = road.downstream >= 0
    left, longest = np.zeros(hours.shape), int(np.bincount(road.section + 1).size)
    for _ in range(longest):
        further = np.where(onward, hours + left[road.downstream], 0.0)
        if np.array_equal(further, left, equal_nan=True):
            break
        left = further
    return left


def lengths_km(road: Road) -> FloatArray:
    """Return the distance of each station to the next, NaN at the last."""
    there = np.where(road.downstream >= 0, road.km[road.downstream], np.nan)
    length: FloatArray = there - road.km
    return length


def reliability(hours: FloatArray, free_h: float, quantile: float) -> Reliability:
    """Return the indexes of travel times of many days, NaN among them left out."""
    known = np.sort(hours[np.isfinite(hours)])
    if not len(known):
        nan = float("nan")
        return Reliability(nan, free_h, nan, nan, nan)
    mean = float(known.mean())
    rank = max(int(np.ceil(quantile * len(known))) - 1, 0)
    late = float(known[rank])
    return Reliability(mean, free_h, mean / free_h, late / free_h, (late - mean) / mean)


def _slots(window: StationWindow, minutes: float) -> slice:
    number = max(1, round(minutes * _MS_PER_MIN / window.interval_ms))
    return slice(max(0, window.count.shape[1] - number), None)


def _mean_kmh(window: StationWindow, minutes: float) -> FloatArray:
    part = _slots(window, minutes)
    count, speed = window.count[:, part], window.speed_kmh[:, part]
    is_told = np.isfinite(speed) & (count > 0)
    passed = np.where(is_told, count, 0.0).sum(axis=1)
    hours = np.where(is_told, count / np.where(is_told, speed, 1.0), 0.0).sum(axis=1)
    return ratio(passed, hours)


def _passed(window: StationWindow, minutes: float) -> FloatArray:
    passed: FloatArray = window.count[:, _slots(window, minutes)].sum(axis=1)  # NaN if any is
    return passed


def _aligned(values: NDArray[Any], like: FloatArray) -> NDArray[Any]:
    """Return a column of stations that goes with (stations,) or (stations, slots)."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
