"""A lane that nobody uses although the others carry its traffic: closed, or somebody stands in it.

Its detector alone cannot tell that from a dead input, nor a vehicle that stands on the loop from a
loop that is stuck. The next station can: where the lane is closed it counts what this station
counts; where the detector is at fault it counts more.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.incidents.policy import ClosedLane
from gateway.transport.series import NOWHERE, Road

_HALF = 0.5


class LaneState(NamedTuple):
    """Of each lane; survives a restart."""

    mean: FloatArray  # vehicles of an interval, usually
    whole: FloatArray  # and of the station
    age: IntArray  # intervals learnt of
    due: FloatArray  # vehicles that were due since the last one came
    here: FloatArray  # vehicles of the other lanes in that time, an interval later …
    there: FloatArray  # … and of the next station in it
    slots: IntArray  # intervals since the last vehicle
    others: FloatArray  # of the other lanes in the interval before

    @classmethod
    def fresh(cls, lanes: int) -> "LaneState":
        """Return the state of lanes that nothing is known of."""
        zeros, whole = np.zeros(lanes), np.zeros(lanes, np.int64)
        return cls(zeros, zeros, whole, zeros, zeros, zeros, whole, zeros)


class LaneNow(NamedTuple):
    """One interval of lanes."""

    vehicles: FloatArray  # (lanes,) NaN not measured or not trusted
    station_ratio: FloatArray  # (stations,) what usually goes past the next one, of this one's
    weight: float  # of an interval in what is usual
    warm_slots: float


def judge_lanes(
    now: LaneNow, state: LaneState, road: Road, rule: ClosedLane
) -> tuple[BoolArray, LaneState]:
    """Go on by one interval; return which lanes are closed."""
    station = road.station
    total = np.zeros(len(road.stations))
    np.add.at(total, station, now.vehicles)
    own = total[station]
    is_known = np.isfinite(own) & (own >= 0)
    others = np.where(is_known, own - now.vehicles, 0.0)
    share = state.mean / np.maximum(state.whole, 1e-9)
    is_empty = is_known & (now.vehicles == 0)
    due = others * share / np.maximum(1 - share, 1e-3)
    begins = is_empty & (state.slots == 0)
    slots = np.where(is_empty, state.slots + 1, 0)
    next_station = road.downstream[station]
    passed = np.where(next_station != NOWHERE, total[next_station], np.nan)
    # the first interval's vehicles are still on the way to the next station
    here = np.where(is_empty, state.here + np.where(begins, 0.0, state.others), 0.0)
    there = np.where(is_empty, state.there + np.where(begins, 0.0, passed), 0.0)
    grown = np.where(is_empty, state.due + due, 0.0)
    warm = state.age >= now.warm_slots
    is_gone = warm & (grown >= rule.evidence) & (slots > 1) & (slots <= rule.longest_slots)
    is_closed = is_gone & _is_conserved(here * now.station_ratio[station], there, share, rule)
    learns = is_known & (grown < _HALF * rule.evidence)
    weight = np.where(learns, np.maximum(now.weight, 1 / (state.age + 1.0)), 0.0)
    mean = state.mean + weight * (np.where(is_known, now.vehicles, 0.0) - state.mean)
    whole = state.whole + weight * (np.where(is_known, own, 0.0) - state.whole)
    after = LaneState(mean, whole, state.age + learns, grown, here, there, slots, others)
    return is_closed, after


def _is_conserved(
    here: FloatArray, there: FloatArray, share: FloatArray, rule: ClosedLane
) -> BoolArray:
    """Return where the next station counted what the other lanes carried, and no lane more.

    Halfway between the two the chances are even; so many standard deviations from a dead input's
    count it is decided.
    """
    dead = here / np.maximum(1 - share, 1e-3)
    closer = there < (here + dead) / 2
    apart = (dead - there) >= rule.conserved_sigmas * np.sqrt(np.maximum(dead, 1.0))
    return np.isfinite(there) & closer & apart
