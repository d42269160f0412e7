"""Warnings with levels: they rise at once, and fall only when it has really become better."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray
from gateway.transport.warnings.policy import Limit, WarningPolicy
from gateway.transport.warnings.sky import Sky, rain_1h_mm


class Warned(NamedTuple):
    """One warning of one station, from when until when, and how grave at worst."""

    kind: str
    station: int
    from_ms: int
    to_ms: int  # 0 while it lasts
    level: int  # 1 …, the worst of it
    worst: float  # value, in the unit of its measure
    measure: str
    is_stale: bool  # ended because nothing more was heard


def warn(seen: Sky, rollover_mm: float, now_ms: int, policy: WarningPolicy) -> list[Warned]:
    """Return the warnings of a time, by station, kind and begin.

    A function of the observations alone: those of an hour before the time should be among them.
    """
    rain = rain_1h_mm(seen, rollover_mm)
    found: list[Warned] = []
    for station in np.unique(seen.station).tolist():
        here = np.flatnonzero(seen.station == station)
        own = Sky._make(one[here] for one in seen)
        measures = {
            "rain_1h_mm": rain[here],
            "level_m": own.level_m,
            "gust_kmh": own.gust_kmh,
            "visibility_m": own.visibility_m,
        }
        for limit in policy.limit:
            found += _of_limit(station, own, measures[limit.measure], limit, (now_ms, policy))
    return found


def _of_limit(
    station: int, own: Sky, values: FloatArray, limit: Limit, when: tuple[int, WarningPolicy]
) -> Iterator[Warned]:
    now_ms, policy = when
    known = np.flatnonzero(np.isfinite(values))
    open_one: Warned | None = None
    better, last_ms = 0, 0
    for at in known.tolist():
        value, time_ms = float(values[at]), int(own.time_ms[at])
        if open_one is not None and time_ms - last_ms > policy.max_age_s * 1000:
            yield open_one._replace(to_ms=last_ms + policy.max_age_s * 1000, is_stale=True)
            open_one = None
        last_ms = time_ms
        level = _level(value, limit)
        if level and open_one is None:
            open_one = Warned(
                limit.kind, station, time_ms, 0, level, value, limit.measure, is_stale=False
            )
        elif level and open_one is not None:
            worse = min if limit.is_below else max
            open_one = open_one._replace(
                level=max(level, open_one.level), worst=worse(value, open_one.worst)
            )
        better = better + 1 if _is_clear(value, limit, policy) else 0
        if open_one is not None and better >= policy.clear_slots:
            yield open_one._replace(to_ms=time_ms)
            open_one = None
    if open_one is not None:
        stale_ms = last_ms + policy.max_age_s * 1000
        yield open_one._replace(to_ms=stale_ms, is_stale=True) if now_ms > stale_ms else open_one


def _level(value: float, limit: Limit) -> int:
    """Return how many levels a value has reached: the limit belongs to the warning."""
    if limit.is_below:
        return sum(value <= level for level in limit.levels)
    return sum(value >= level for level in limit.levels)


def _is_clear(value: float, limit: Limit, policy: WarningPolicy) -> bool:
    """Return whether a value is better than the mildest level by a margin."""
    mildest = limit.levels[0]
    if limit.is_below:
        return value > mildest / policy.clear_share
    return value < mildest * policy.clear_share
