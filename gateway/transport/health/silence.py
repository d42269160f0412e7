"""Who counts nobody although there is traffic, and who says nothing at all."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray
from gateway.transport.health.policy import HealthPolicy
from gateway.transport.health.rows import Row
from gateway.transport.series import NOWHERE, Road

_HOUR_S = 3600


class Missed(NamedTuple):
    """What went by since a lane counted somebody last."""

    silent_s: FloatArray  # (lanes,) counting nobody
    vehicles: FloatArray  # (lanes,) expected of it, by the other lanes of its station or its past
    seen: FloatArray  # (2, lanes) what its station counted, while a neighbour counted too
    expected: FloatArray  # (2, lanes) what the neighbour upstream, downstream lets expect
    mute_s: FloatArray  # (lanes,) without a row

    @classmethod
    def nothing(cls, lanes: int) -> "Missed":
        """Return the memory of new detectors."""
        pairs = (np.zeros((2, lanes)), np.zeros((2, lanes)))
        return cls(np.zeros(lanes), np.zeros(lanes), *pairs, np.zeros(lanes))


class Stations(NamedTuple):
    """What stations counted in an interval; one entry more for none."""

    total: FloatArray
    is_whole: BoolArray


def stations(one: Row, road: Road) -> Stations:
    """Return the sums of an interval over the lanes of each station."""
    known = (road.station != NOWHERE) & one.present & np.isfinite(one.vehicles)
    size = len(road.stations) + 1
    total = np.bincount(road.station[known], one.vehicles[known], size).astype(np.float64)
    seen = np.bincount(road.station[known], minlength=size)
    whole = np.append((seen[:-1] == road.lanes) & (road.lanes > 0), [False])
    return Stations(total, whole)


class Expected(NamedTuple):
    """What is usual at an hour; NaN unknown."""

    share: FloatArray  # (lanes,) of its station
    ratio: FloatArray  # (2, stations) over its neighbour upstream, downstream
    rate_veh_h: FloatArray  # (lanes,)

    def has_others(self) -> BoolArray:
        """Return for whom other lanes can speak."""
        known: BoolArray = np.isfinite(self.share) & (self.share < 1)
        return known


def miss(missed: Missed, one: Row, road: Road, usual: Expected, policy: HealthPolicy) -> Missed:
    """Take an interval in.

    Args:
        missed: before; not changed.
        one: the interval.
        road: where the lanes are.
        usual: at this hour.
        policy: what counts as not covered.
    """
    share, ratio = usual.share, usual.ratio
    nobody = (one.vehicles == 0) & ~(one.occupancy >= policy.realtime.hanging_occupancy)
    counts = one.present & ~nobody
    here = stations(one, road)
    at = np.where(road.station == NOWHERE, len(road.stations), road.station)
    with np.errstate(divide="ignore", invalid="ignore"):
        due = np.nan_to_num(here.total[at] * share / (1 - share), posinf=0.0)
    alone = np.nan_to_num(usual.rate_veh_h) * one.seconds / _HOUR_S
    due = np.where(usual.has_others(), due, alone)
    seen, expected = missed.seen.copy(), missed.expected.copy()
    for side, neighbour in enumerate((road.upstream, road.downstream)):
        other = np.where(neighbour == NOWHERE, len(road.stations), neighbour)
        use = here.is_whole[:-1] & here.is_whole[other] & np.isfinite(ratio[side])
        lets = np.where(use, np.nan_to_num(ratio[side]) * here.total[other], 0.0)
        use, lets = np.append(use, [False]), np.append(lets, [0.0])
        seen[side] += np.where(use[at], here.total[at], 0.0)
        expected[side] += lets[at]

    def since(values: FloatArray, step: FloatArray | float) -> FloatArray:
        return np.where(counts, 0.0, np.where(one.present, values + step, values))

    return Missed(
        since(missed.silent_s, one.seconds),
        since(missed.vehicles, due),
        np.where(counts, 0.0, seen),
        np.where(counts, 0.0, expected),
        np.where(one.present, 0.0, missed.mute_s + one.seconds),
    )


def no_hits(
    missed: Missed, hour: int, usual: Expected, policy: HealthPolicy
) -> tuple[FloatArray, FloatArray]:
    """Return the suspicion of a dead input, and that of a lane which nobody uses.

    Where the other lanes carry what the neighbours let expect of the whole station, the lane is
    closed and its detector right.
    """
    limits = policy.silence
    by_day = limits.from_hour <= hour < limits.to_hour
    blind = np.where(by_day, missed.silent_s / (limits.no_hits_h * _HOUR_S), 0.0)
    alone = missed.vehicles / limits.missed_vehicles_alone
    blind = np.where(np.isfinite(usual.rate_veh_h), alone, blind)
    level = np.where(usual.has_others(), missed.vehicles / limits.missed_vehicles, blind)
    level = np.where(missed.silent_s >= limits.min_s, level, np.minimum(level, 0.0))
    intact = _is_intact(missed, usual.share, policy)
    return np.where(intact, 0.0, level), np.where(intact, level, 0.0)


def no_data(missed: Missed, interval_s: float, policy: HealthPolicy) -> FloatArray:
    """Return the suspicion of a detector that says nothing."""
    limit_s = policy.silence.silent_intervals * interval_s + policy.silence.grace_s
    level: FloatArray = missed.mute_s / limit_s
    return level


def _is_intact(missed: Missed, share: FloatArray, policy: HealthPolicy) -> BoolArray:
    """Return whose station counted what one of its neighbours lets expect."""
    least = 1 - (1 - policy.silence.intact_share) * np.nan_to_num(share)
    enough = missed.expected >= policy.silence.missed_vehicles
    intact = enough & (missed.seen >= least * missed.expected)
    return np.asarray(intact.any(axis=0))
