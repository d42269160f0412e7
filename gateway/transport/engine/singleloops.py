"""Speeds of lanes that have none of their own: the g-factor, learned night by night."""

from dataclasses import replace

import numpy as np

from gateway.model import FloatArray, IntArray
from gateway.ports import Memo
from gateway.store.derived import DerivedReader
from gateway.transport.engine.live import Live
from gateway.transport.engine.remembered import lengths_memo, lengths_of
from gateway.transport.policy import TrafficPolicy
from gateway.transport.series import Bins, Road
from gateway.transport.speed import HOURS, Lengths, effective_lengths, speeds

_HOUR_MS, _MS_PER_MIN = 3_600_000, 60_000
_MOST_ENDS = 64  # times of which the smoothed speed is known; windows follow each other by these


class SingleLoops:
    """Fills speeds in.

    Args:
        recall: what was learned before.
    """

    def __init__(self, recall: DerivedReader) -> None:
        self._recall = recall
        self._g_m: FloatArray | None = None
        self._last_kmh: dict[int, FloatArray] = {}  # end of bins → the speed there

    def adopt(self) -> None:
        """Go on with another road."""
        self._g_m = None
        self._last_kmh = {}

    def filled(self, found: Bins, live: Live) -> Bins:
        """Return bins with a speed where a lane has counted, and has told none in any bin."""
        has_counted = (found.count > 0) & (found.occupancy > 0)
        rows = np.flatnonzero(has_counted.any(axis=1) & ~np.isfinite(found.speed_kmh).any(axis=1))
        if not len(rows):
            return found
        rules = live.rules_at(found.start_ms).traffic
        free_kmh = _free(live.road, rules)
        last_kmh = self._last_kmh.get(found.start_ms, free_kmh)
        known = Lengths(self._lengths(live.road, rules)[rows], last_kmh[rows])
        hour = _hours(found.slot_ms(), rules.utc_offset_min)
        told, after = speeds(found.take(rows), hour, known, free_kmh[rows], rules.g_factor)
        end_kmh = free_kmh.copy()
        end_kmh[rows] = after.last_kmh
        self._last_kmh[found.start_ms + found.slots * found.interval_ms] = end_kmh
        while len(self._last_kmh) > _MOST_ENDS:
            del self._last_kmh[min(self._last_kmh)]
        told = np.where(has_counted[rows], told, np.nan)
        speed_kmh, space_kmh = found.speed_kmh.copy(), found.space_kmh.copy()
        speed_kmh[rows] = space_kmh[rows] = told
        return replace(found, speed_kmh=speed_kmh, space_kmh=space_kmh)

    def learn(self, day: Bins, live: Live) -> Memo:
        """Learn the effective lengths of a day; those with few samples keep the usual ones."""
        rules = live.rules_at(day.start_ms).traffic
        hour = _hours(day.slot_ms(), rules.utc_offset_min)
        free_kmh = _free(live.road, rules)
        self._g_m = effective_lengths(day, hour, free_kmh, rules.g_factor)
        return lengths_memo(self._g_m, live.road)

    def _lengths(self, road: Road, rules: TrafficPolicy) -> FloatArray:
        if self._g_m is None:
            usual = np.full((len(road.devices), HOURS), rules.g_factor.default_m)
            self._g_m = lengths_of(self._recall, usual, road)
        return self._g_m


def _free(road: Road, rules: TrafficPolicy) -> FloatArray:
    free_kmh: FloatArray = rules.free_kmh.column()[road.class_of_lanes()]
    return free_kmh


def _hours(time_ms: IntArray, utc_offset_min: int) -> IntArray:
    hours: IntArray = (time_ms + utc_offset_min * _MS_PER_MIN) // _HOUR_MS % HOURS
    return hours
