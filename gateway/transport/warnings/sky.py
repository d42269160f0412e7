"""What weather stations at the road say, and how much rain fell in an hour."""

from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray, IntArray, ReadingBatch
from gateway.profiles import Profile
from gateway.transport.columns import column, rows_of

_HOUR_MS = 3_600_000
_KMH = 3.6  # of a metre a second


class Sky(NamedTuple):
    """Observations in order of station and time; NaN where not measured."""

    station: IntArray  # row among the stations
    time_ms: IntArray
    rain_mm: FloatArray  # register
    level_m: FloatArray  # water over the road
    gust_kmh: FloatArray
    visibility_m: FloatArray


def sky(profile: Profile, batch: ReadingBatch, stations: IntArray) -> Sky:
    """Return the observations of these devices (ascending), those of others left out."""
    row = rows_of(batch.device_index, stations)
    ours = np.flatnonzero(row >= 0)
    order = ours[np.lexsort((batch.time_ms[ours], row[ours]))]
    return Sky(
        row[order],
        batch.time_ms[order],
        column(profile, batch, "rain")[order],
        column(profile, batch, "level")[order],
        column(profile, batch, "gust")[order] * _KMH,
        column(profile, batch, "vis")[order],
    )


def rain_1h_mm(seen: Sky, rollover_mm: float) -> FloatArray:
    """Return the rain of the hour before each observation.

    It is the rise of the register since the last observation that is at least an hour old, so a
    lost message loses no rain; at the begin of the data, since the first. A register that falls
    has rolled over where it was near its end, and otherwise began again at zero.
    """
    result = np.full(seen.time_ms.size, np.nan)
    for station in np.unique(seen.station):
        at = np.flatnonzero((seen.station == station) & np.isfinite(seen.rain_mm))
        if not at.size:
            continue
        times_ms, fallen = seen.time_ms[at], _fallen(seen.rain_mm[at], rollover_mm)
        before = np.searchsorted(times_ms, times_ms - _HOUR_MS, side="right") - 1
        before = np.maximum(before, 0)
        gone_h = (times_ms - times_ms[before]) / _HOUR_MS
        # a longer time than an hour must not look like a harder rain
        result[at] = (fallen - fallen[before]) / np.maximum(gone_h, 1.0)
    return result


def _fallen(register_mm: FloatArray, rollover_mm: float) -> FloatArray:
    """Return the rain since the first of the registers."""
    step = np.diff(register_mm)
    rolled = (step < 0) & (register_mm[:-1] > 0.9 * rollover_mm)  # near its end
    step = np.where(rolled, step + rollover_mm, np.where(step < 0, register_mm[1:], step))
    return np.concatenate((np.zeros(1), np.cumsum(step)))
