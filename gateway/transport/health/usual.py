"""What is usual: each lane's share of its station, each station's share of its neighbours.

Learned of whole quarters of an hour of good days, with a memory of about two weeks. Shares are
ratios of sums over the same quarters, so weekdays and weekends may be missing from one of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.health.policy import HealthPolicy
from gateway.transport.series import NOWHERE, Road, Window

QUARTER_MS = 900_000
HOURS = 24
UP, DOWN = 0, 1
_HOUR_MS = 3_600_000
_MS_PER_MIN = 60_000
_FREE_QUANTILE = 0.85


class Quarters(NamedTuple):
    """Quarters of an hour of lanes, (lanes, quarters) unless said."""

    start_ms: int
    vehicles: FloatArray  # of the rows that came
    is_whole: BoolArray  # enough rows, none of them marked
    metres: FloatArray  # sum of what vehicles covered: occupancy x time x speed
    counted: FloatArray  # vehicles behind ``metres``
    speed_kmh: FloatArray  # mean, NaN unknown

    @property
    def end_ms(self) -> int:
        """Return the end of the last one."""
        return self.start_ms + QUARTER_MS * int(self.vehicles.shape[1])

    def hour(self, policy: HealthPolicy) -> IntArray:
        """Return the local hour of each quarter."""
        begin_ms = self.start_ms + QUARTER_MS * np.arange(self.vehicles.shape[1], dtype=np.int64)
        local: IntArray = (begin_ms + policy.utc_offset_min * _MS_PER_MIN) // _HOUR_MS % HOURS
        return local

    def last(self, quarters: int) -> "Quarters":
        """Return the newest ones."""
        first = max(0, int(self.vehicles.shape[1]) - quarters)
        return Quarters(
            self.start_ms + first * QUARTER_MS,
            self.vehicles[:, first:],
            self.is_whole[:, first:],
            self.metres[:, first:],
            self.counted[:, first:],
            self.speed_kmh[:, first:],
        )

    def joined(self, newer: "Quarters") -> "Quarters":
        """Return these and those that follow.

        Raises:
            ValueError: they do not follow.
        """
        if newer.start_ms != self.end_ms:
            raise ValueError(f"{newer.start_ms} does not follow {self.end_ms}")
        return stacked([self, newer])


class Sums(NamedTuple):
    """What rows add up to, (lanes,)."""

    rows: FloatArray  # not marked
    vehicles: FloatArray
    metres: FloatArray
    counted: FloatArray
    driven: FloatArray  # vehicles x km/h

    @classmethod
    def nothing(cls, lanes: int) -> "Sums":
        """Return the sums of no rows."""
        return cls(*np.zeros((5, lanes)))

    def plus(self, other: "Sums") -> "Sums":
        """Return the sums of both."""
        return Sums(*(one + two for one, two in zip(self, other, strict=True)))


def sums(window: Window, reasons: IntArray) -> Sums:
    """Sum rows up; those that a test has marked do not count.

    Args:
        window: the rows.
        reasons: (lanes, slots) marks of the tests.
    """
    good = window.is_present() & np.isfinite(window.count) & (reasons == 0)
    metres = window.occupancy * (window.interval_ms / 1000) * window.speed_kmh / 3.6
    shows = good & np.isfinite(metres)
    counted = np.where(shows, window.count, 0.0)
    return Sums(
        good.sum(axis=1).astype(np.float64),
        np.where(good, window.count, 0.0).sum(axis=1),
        np.where(shows, metres, 0.0).sum(axis=1),
        counted.sum(axis=1),
        (counted * np.where(shows, window.speed_kmh, 0.0)).sum(axis=1),
    )


def as_quarter(done: Sums, start_ms: int, interval_ms: int, policy: HealthPolicy) -> Quarters:
    """Return one quarter of an hour."""
    least = policy.usual.min_rows * QUARTER_MS / interval_ms
    speed = np.full_like(done.driven, np.nan)
    np.divide(done.driven, done.counted, out=speed, where=done.counted > 0)
    return Quarters(
        start_ms,
        done.vehicles[:, None],
        (done.rows >= least)[:, None],
        done.metres[:, None],
        done.counted[:, None],
        speed[:, None],
    )


def quarters(window: Window, reasons: IntArray, policy: HealthPolicy) -> Quarters:
    """Return a window's quarters of an hour.

    Raises:
        ValueError: it does not begin and end on quarters, or its interval is no part of one.
    """
    each = QUARTER_MS // window.interval_ms
    if QUARTER_MS % window.interval_ms or window.start_ms % QUARTER_MS or window.slots % each:
        raise ValueError("a window of whole quarters of an hour is needed")
    found = []
    for first in range(0, window.slots, each):
        done = sums(window.part(first, first + each), reasons[:, first : first + each])
        begin_ms = window.start_ms + first * window.interval_ms
        found.append(as_quarter(done, begin_ms, window.interval_ms, policy))
    return stacked(found)


def stacked(parts: Sequence[Quarters]) -> Quarters:
    """Return quarters that follow each other as one."""
    return Quarters(
        parts[0].start_ms,
        np.concatenate([part.vehicles for part in parts], axis=1),
        np.concatenate([part.is_whole for part in parts], axis=1),
        np.concatenate([part.metres for part in parts], axis=1),
        np.concatenate([part.counted for part in parts], axis=1),
        np.concatenate([part.speed_kmh for part in parts], axis=1),
    )


class Usual(NamedTuple):
    """Sums that fade, by local hour."""

    own: FloatArray  # (lanes, 24) vehicles, of quarters in which the whole station counted
    station: FloatArray  # (lanes, 24) vehicles of its station in the same quarters
    here: FloatArray  # (2, stations, 24) vehicles, of quarters in which the neighbour counted too
    there: FloatArray  # (2, stations, 24) vehicles of the neighbour upstream, downstream
    rate_count: FloatArray  # (lanes, 24) vehicles of the lane's own whole quarters
    rate_hours: FloatArray  # (lanes, 24) hours of them
    metres: FloatArray  # (lanes,) covered, and
    counted: FloatArray  # (lanes,) by so many vehicles
    free_kmh: FloatArray  # (lanes,) NaN unknown


def nothing_usual(road: Road) -> Usual:
    """Return that nothing is known."""
    lanes, stations = len(road.device_index), len(road.stations)
    by_lane, by_pair = (lanes, HOURS), (2, stations, HOURS)
    shapes = (by_lane, by_lane, by_pair, by_pair, by_lane, by_lane, (lanes,), (lanes,))
    columns = (*(np.zeros(shape) for shape in shapes), np.full(lanes, np.nan))
    return Usual._make(columns)


def learn(usual: Usual, day: Quarters, road: Road, bad: BoolArray, policy: HealthPolicy) -> Usual:
    """Take a day in.

    Args:
        usual: before the day; not changed.
        day: its quarters.
        road: where the lanes are.
        bad: (lanes,) of whom nothing is learned of this day.
        policy: how fast the past fades.
    """
    whole = day.is_whole & ~bad[:, None]
    hour = day.hour(policy)
    count = np.where(whole, day.vehicles, 0.0)
    total, is_total = station_totals(count, whole, road)
    at = np.where(road.station == NOWHERE, len(road.stations), road.station)
    with_station = is_total[at] & whole
    here, there = [], []
    for side in (road.upstream, road.downstream):
        other = np.where(side == NOWHERE, len(road.stations), side)
        both = is_total[:-1] & is_total[other]
        here.append(_by_hour(np.where(both, total[:-1], 0.0), hour))
        there.append(_by_hour(np.where(both, total[other], 0.0), hour))
    new = (
        _by_hour(np.where(with_station, count, 0.0), hour),
        _by_hour(np.where(with_station, total[at], 0.0), hour),
        np.stack(here),
        np.stack(there),
        _by_hour(count, hour),
        _by_hour(whole / 4.0, hour),
        np.where(whole, day.metres, 0.0).sum(axis=1),
        np.where(whole, day.counted, 0.0).sum(axis=1),
    )
    keep = policy.usual.keep_per_day
    kept = (old * keep + fresh for old, fresh in zip(usual[:-1], new, strict=True))
    return Usual._make((*kept, _free(usual.free_kmh, day, whole, keep)))


def shares(usual: Usual, policy: HealthPolicy) -> FloatArray:
    """Return each lane's share of its station by hour, (lanes, 24); NaN unknown."""
    return _blended(usual.own, usual.station, policy)


def ratios(usual: Usual, policy: HealthPolicy) -> FloatArray:
    """Return each station over its neighbour by hour, (2, stations, 24); NaN unknown."""
    return _blended(usual.here, usual.there, policy)


def rates(usual: Usual) -> FloatArray:
    """Return the vehicles an hour of each lane by local hour, (lanes, 24); NaN unknown."""
    rate: FloatArray = np.divide(
        *(usual.rate_count, usual.rate_hours),
        out=np.full_like(usual.rate_count, np.nan),
        where=usual.rate_hours > 0,
    )
    return rate


def lengths(usual: Usual) -> FloatArray:
    """Return the metres that a vehicle covers of each lane, (lanes,); NaN unknown."""
    length: FloatArray = np.divide(
        *(usual.metres, usual.counted),
        out=np.full_like(usual.metres, np.nan),
        where=usual.counted > 0,
    )
    return length


def station_totals(count: FloatArray, whole: BoolArray, road: Road) -> tuple[FloatArray, BoolArray]:
    """Return what all lanes of each station counted, and where all did; one row more for none."""
    known = road.station != NOWHERE
    stations, slots = len(road.stations), count.shape[1]
    total, seen = np.zeros((stations + 1, slots)), np.zeros((stations + 1, slots))
    np.add.at(total, road.station[known], np.where(whole, count, 0.0)[known])
    np.add.at(seen, road.station[known], whole[known])
    is_whole = np.zeros(seen.shape, np.bool_)
    is_whole[:-1] = (seen[:-1] == road.lanes[:, None]) & (road.lanes > 0)[:, None]
    return total, is_whole


def _blended(part: FloatArray, whole: FloatArray, policy: HealthPolicy) -> FloatArray:
    """Return the ratio of each hour, drawn towards that of the day where there is little."""
    weight = policy.usual.blend_vehicles
    all_part, all_whole = part.sum(axis=-1), whole.sum(axis=-1)
    known = (all_whole >= policy.usual.min_vehicles) & (all_part > 0)
    overall = np.divide(all_part, all_whole, out=np.full_like(all_part, np.nan), where=known)
    blended: FloatArray = (part + weight * overall[..., None]) / np.maximum(whole + weight, 1.0)
    return blended


def _by_hour(values: FloatArray, hour: IntArray) -> FloatArray:
    result = np.zeros((len(values), HOURS))
    np.add.at(result.T, hour, values.T)
    return result


def _free(old: FloatArray, day: Quarters, whole: BoolArray, keep: float) -> FloatArray:
    speed = np.where(whole, day.speed_kmh, np.nan)
    some = np.isfinite(speed).any(axis=1)
    new = np.full(len(speed), np.nan)
    if some.any():
        new[some] = np.nanquantile(speed[some], _FREE_QUANTILE, axis=1)
    mixed = np.where(np.isfinite(old), old * keep + new * (1 - keep), new)
    kept: FloatArray = np.where(np.isfinite(new), mixed, old)
    return kept
