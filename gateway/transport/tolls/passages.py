"""Passages of toll lanes as columns: no money, no account, tags only as keyed hashes."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, IntArray, ReadingBatch
from gateway.profiles import Profile
from gateway.transport.columns import codes, column, rows_of
from gateway.transport.tolls.policy import TollPolicy

UNREAD_TAG = -1
UNKNOWN_CLASS = 0


class Outcome(IntEnum):
    """Codes of ``result`` in the profile."""

    OK = 0
    LOW_BALANCE = 1
    NO_TAG = 2
    BLACKLISTED = 3
    READ_FAILURE = 4
    MANUAL = 5


class Lanes(NamedTuple):
    """Toll lanes, row by row."""

    device_index: IntArray  # ascending
    plaza: IntArray  # number of the plaza of each


class Passages(NamedTuple):
    """Passages in order of time."""

    lane: IntArray  # row of ``Lanes``
    time_ms: IntArray
    outcome: IntArray  # Outcome
    duration_ms: IntArray
    declared: IntArray  # class that the tag declares, UNKNOWN_CLASS where it was not read
    measured: IntArray
    tag: IntArray  # UNREAD_TAG where there is none

    def take(self, chosen: BoolArray | IntArray) -> "Passages":
        """Return some of them."""
        return Passages._make(one[chosen] for one in self)


def passages(profile: Profile, batch: ReadingBatch, lanes: Lanes) -> Passages:
    """Return the passages of these lanes, those of other devices left out."""
    row = rows_of(batch.device_index, lanes.device_index)
    found = Passages(
        row,
        batch.time_ms,
        codes(profile, batch, "result"),
        np.nan_to_num(column(profile, batch, "t_ms")).astype(np.int64),
        codes(profile, batch, "class_decl"),
        codes(profile, batch, "class_meas"),
        codes(profile, batch, "tag_h", UNREAD_TAG),
    )
    ours = np.flatnonzero(row >= 0)
    return found.take(ours[np.lexsort((batch.seq[ours], row[ours], batch.time_ms[ours]))])


def is_repeated(seen: Passages, lanes: Lanes, policy: TollPolicy) -> BoolArray:
    """Return which are second reads: the same tag at the same plaza within seconds.

    The antenna of the next lane may hear a tag too. A window should begin ``duplicate_s`` early.
    """
    plaza = lanes.plaza[seen.lane]
    order = np.lexsort((seen.time_ms, seen.tag, plaza))
    is_same = np.zeros(order.size, np.bool_)
    gap_ms = np.diff(seen.time_ms[order])
    is_same[1:] = (np.diff(plaza[order]) == 0) & (np.diff(seen.tag[order]) == 0)
    is_same[1:] &= (gap_ms <= policy.duplicate_s * 1000) & (seen.tag[order][1:] != UNREAD_TAG)
    repeated = np.empty(order.size, np.bool_)
    repeated[order] = is_same
    return repeated
