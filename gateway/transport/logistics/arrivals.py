"""Travel times by tags seen twice, and when somebody on the road will arrive."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.logistics.policy import LogisticsPolicy

_KM_H = 3_600_000  # ms of an hour: km / (km/h) in ms


class Course(NamedTuple):
    """Speeds along a corridor: (sections, slots), the first section is passed first."""

    length_km: FloatArray  # (sections,)
    speed_kmh: FloatArray  # space-mean; NaN where nothing is known
    free_kmh: FloatArray  # (sections,), for what is not known
    start_ms: int
    interval_ms: int


class Tagged(NamedTuple):
    """Tags seen at one place, in order of time."""

    tag: IntArray  # keyed hash
    time_ms: IntArray


def pair_times_s(first: Tagged, second: Tagged, longest_s: float) -> FloatArray:
    """Return the travel time of each tag seen at both places, by the time it left the first.

    A tag seen again at the first place before it came to the second starts anew.
    """
    tag = np.concatenate((first.tag, second.tag))
    time_ms = np.concatenate((first.time_ms, second.time_ms))
    is_second = np.arange(tag.size) >= first.tag.size
    order = np.lexsort((is_second, time_ms, tag))
    one, other = order[:-1], order[1:]
    pair = (tag[one] == tag[other]) & ~is_second[one] & is_second[other]
    took_s = (time_ms[other] - time_ms[one]) / 1000
    pair &= took_s <= longest_s
    by_begin = np.argsort(time_ms[one][pair], kind="stable")
    found: FloatArray = took_s[pair][by_begin]
    return found


def is_through(took_s: FloatArray, policy: LogisticsPolicy) -> BoolArray:
    """Return which went straight through: not above the third quartile by 1.5 of their range."""
    if took_s.size < policy.min_pairs:
        return np.ones(took_s.size, np.bool_)
    low, high = np.quantile(took_s, [0.25, 0.75])
    return np.asarray(took_s <= high + policy.fence_iqr * (high - low))


def eta_ms(
    course: Course, section: int, done: float, now_ms: int, policy: LogisticsPolicy
) -> int | None:
    """Return when somebody reaches the end of the corridor, None where it takes too long.

    Each section is driven at the speed of the slot in which it is driven, not of the departure;
    beyond the last slot the last speeds stay.

    Args:
        course: speeds measured or forecast.
        section: where he is.
        done: share of that section behind him, 0 … 1.
        now_ms: departure.
        policy: how slow it can get.
    """
    speed = np.where(np.isnan(course.speed_kmh), course.free_kmh[:, None], course.speed_kmh)
    speed = np.maximum(speed, policy.slowest_kmh)
    time_ms, latest_ms = float(now_ms), now_ms + policy.longest_eta_h * _KM_H
    for at in range(section, course.length_km.size):
        left_km = float(course.length_km[at]) * (1 - done if at == section else 1.0)
        time_ms = _through(course, speed[at], left_km, time_ms)
        if time_ms > latest_ms:
            return None
    return round(time_ms)


def _through(course: Course, speed: FloatArray, left_km: float, time_ms: float) -> float:
    """Return when a section is behind, its speed changing from slot to slot."""
    last = speed.size - 1
    slot = int(np.clip((time_ms - course.start_ms) // course.interval_ms, 0, last))
    for at in range(slot, last):
        slot_end_ms = course.start_ms + (at + 1) * course.interval_ms
        reach_km = (slot_end_ms - time_ms) * float(speed[at]) / _KM_H
        if reach_km >= left_km:
            return time_ms + left_km / float(speed[at]) * _KM_H
        left_km, time_ms = left_km - reach_km, float(slot_end_ms)
    return time_ms + left_km / float(speed[last]) * _KM_H
