"""The tests of PeMS over a whole day, and at which level of the tree nothing came at all."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.aggregate.folding import folded
from gateway.transport.health.policy import SAMPLE_S, HealthPolicy
from gateway.transport.series import Window

_MS_PER_MIN, _HOUR_MS, _DAY_H = 60_000, 3_600_000, 24
_BIN_MS = 300_000  # what PeMS compares occupancies in


class DayStatus(IntEnum):
    """What a day is called; tests stop at the first that fails, in this order."""

    GOOD = 0
    FEED_DOWN = 1  # nothing of anybody
    LINE_DOWN = 2  # nothing of all on an uplink
    CONTROLLER_DOWN = 3  # nothing of all in a cabinet
    STATION_DOWN = 4
    NO_DATA = 5
    INSUFFICIENT_DATA = 6
    CARD_OFF = 7
    HIGH_VALUE = 8
    INTERMITTENT = 9
    CONSTANT = 10
    FLOW_CONSERVATION = 11  # ours: PeMS passes a detector that counts too many or too few
    LANE_SHARE = 12


class Tree(NamedTuple):
    """What lanes hang on, (lanes,); −1 = unknown, which is nobody's."""

    feed: IntArray  # organisation
    line: IntArray  # uplink
    controller: IntArray  # cabinet
    station: IntArray


class DayTally(NamedTuple):
    """Samples of a day by what they show, (lanes,)."""

    expected: int
    samples: FloatArray
    zero: FloatArray  # no occupancy
    high: FloatArray
    covered: FloatArray  # occupancy and no count
    ghosts: FloatArray  # count and no occupancy
    is_constant: BoolArray

    @classmethod
    def summed(cls, parts: "Sequence[DayTally]", is_constant: BoolArray) -> "DayTally":
        """Return the tally of a day whose parts follow each other.

        Args:
            parts: of times that do not overlap; ``expected`` is that of a day in each.
            is_constant: (lanes,) over the whole day, see ``is_constant``.
        """
        return cls(
            parts[0].expected,
            np.sum([one.samples for one in parts], axis=0),
            np.sum([one.zero for one in parts], axis=0),
            np.sum([one.high for one in parts], axis=0),
            np.sum([one.covered for one in parts], axis=0),
            np.sum([one.ghosts for one in parts], axis=0),
            is_constant,
        )


def day_tally(window: Window, policy: HealthPolicy) -> DayTally:
    """Count the samples of a local day that lie in the hours which are judged.

    A sample is a row; shorter ones are put together to half a minute: an empty lane of five seconds
    is no dead card, and a truck on the edge of two rows no fault.

    Args:
        window: the day, or as much of it as there is; whole quarters of an hour.
        policy: the hours and limits.
    """
    limits = policy.daily
    each = -(-SAMPLE_S * 1000 // window.interval_ms)
    local_ms = window.slot_ms() + policy.utc_offset_min * _MS_PER_MIN
    hour = local_ms // _HOUR_MS % _DAY_H
    inside = (hour >= limits.from_hour) & (hour < limits.to_hour)
    measured = window.is_present() & inside & np.isfinite(window.count)
    seen = measured & np.isfinite(window.occupancy)
    here = 2 * _together(measured, each) >= each  # half of its rows stand for it
    known = 2 * _together(seen, each) >= each
    count = _together(np.where(seen, window.count, 0.0), each)
    occupancy = _together(np.where(seen, window.occupancy, 0.0), each)
    high = limits.high_occupancy * _together(seen, each)

    def of(which: BoolArray) -> FloatArray:
        return np.asarray((known & which).sum(axis=1), np.float64)

    return DayTally(
        (limits.to_hour - limits.from_hour) * _HOUR_MS // (each * window.interval_ms),
        here.sum(axis=1).astype(np.float64),
        of(occupancy == 0),
        of(occupancy > high),
        of((count == 0) & (occupancy > 0)),
        of((count > 0) & (occupancy == 0)),
        is_constant(_bins(np.where(seen, window.occupancy, np.nan), window.interval_ms), policy),
    )


def day_status(
    tally: DayTally, tree: Tree, road_class: IntArray, miscounts: IntArray, policy: HealthPolicy
) -> IntArray:
    """Return the ``DayStatus`` of each lane.

    Args:
        tally: of the day.
        tree: what lanes hang on.
        road_class: (lanes,) ``RoadClass``.
        miscounts: (lanes,) 0, or a ``DayStatus`` that the balance of the day found.
        policy: limits.
    """
    limits = policy.daily
    nothing = tally.samples == 0
    rows = np.maximum(tally.samples, 1.0)
    tests = [
        (_all_of(nothing, tree.feed), DayStatus.FEED_DOWN),
        (_all_of(nothing, tree.line), DayStatus.LINE_DOWN),
        (_all_of(nothing, tree.controller), DayStatus.CONTROLLER_DOWN),
        (_all_of(nothing, tree.station), DayStatus.STATION_DOWN),
        (nothing, DayStatus.NO_DATA),
        (tally.samples <= limits.min_samples * tally.expected, DayStatus.INSUFFICIENT_DATA),
        (tally.zero / rows >= limits.zero_occupancy.of(road_class), DayStatus.CARD_OFF),
        (tally.high / rows >= limits.high_share, DayStatus.HIGH_VALUE),
        (tally.covered / rows >= limits.covered_share, DayStatus.INTERMITTENT),
        (tally.ghosts / rows >= limits.ghost_share, DayStatus.INTERMITTENT),
        (tally.is_constant, DayStatus.CONSTANT),
    ]
    found = np.select([test for test, _ in tests], [int(one) for _, one in tests], miscounts)
    return found.astype(np.int64)


def is_constant(level: FloatArray, policy: HealthPolicy) -> BoolArray:
    """Return whose occupancy did not move for hours although there was some.

    Args:
        level: (lanes, bins of five minutes), NaN where a row is missing or not judged.
        policy: how long, and how little.
    """
    length = round(policy.daily.constant_h * _HOUR_MS / _BIN_MS)
    if level.shape[1] < length:
        return np.zeros(len(level), np.bool_)
    steps = np.abs(np.diff(level, axis=1))
    covered = np.lib.stride_tricks.sliding_window_view(level > 0, length, axis=1).all(axis=2)
    moved = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(steps, nan=1.0), length - 1, 1)
    still: BoolArray = (covered & (moved.sum(axis=2) < policy.daily.constant_step)).any(axis=1)
    return still


def _all_of(nothing: BoolArray, group: IntArray) -> BoolArray:
    """Return who belongs to a group of several in which nobody said anything."""
    known = group >= 0
    size = int(group.max(initial=-1)) + 1
    silent = np.bincount(group[known & nothing], minlength=size)
    everybody = np.bincount(group[known], minlength=size)
    result = np.zeros(len(group), np.bool_)
    result[known] = ((silent == everybody) & (everybody > 1))[group[known]]
    return result


def _together(column: FloatArray | BoolArray, each: int) -> FloatArray:
    """Return the sums of so many slots that follow each other; the rest of them is left out."""
    whole = column[:, : column.shape[1] // each * each]
    sums: FloatArray = folded(whole, each).sum(axis=-1, dtype=np.float64)
    return sums


def _bins(occupancy: FloatArray, interval_ms: int) -> FloatArray:
    """Return the mean of each five minutes, NaN where a row is missing."""
    each = max(1, _BIN_MS // interval_ms)
    whole = occupancy[:, : occupancy.shape[1] // each * each]
    level: FloatArray = whole.reshape(len(whole), -1, each).mean(axis=2)
    return level
