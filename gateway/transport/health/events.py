"""Devices that speak of single events (radars, toll lanes, scales) or of the sky: do they live.

They have no neighbours to be weighed against; what shows by itself is silence where traffic was
due, the same row again and again, and rows that the checks of the pipeline do not believe.
"""

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.health.policy import Events

_HOUR_MS, _MS_PER_S = 3_600_000, 1000
_LONGEST_GAP_MS = _HOUR_MS  # of a device that measures; a longer one was a silence


class Trouble(StrEnum):
    """What is wrong; the end of the alarm's kind."""

    NO_DATA = "no_data"
    NO_CHANGE = "no_change"
    IMPOSSIBLE = "impossible"


class Course(NamedTuple):
    """What is known of a device."""

    last_ms: int  # its newest row
    gap_ms: int  # from the row before
    row: FloatArray  # the columns that change from vehicle to vehicle
    same: int  # rows alike, the newest included
    same_since_ms: int
    odd: int  # rows in a row that are not believed
    odd_since_ms: int


class Rows(NamedTuple):
    """Rows of one device in order of time."""

    time_ms: IntArray
    values: FloatArray  # (rows, columns), NaN not measured
    is_odd: BoolArray


def follow(before: Course | None, rows: Rows) -> Course:
    """Go on with further rows; those that are older than the newest one known are left out."""
    if before is not None:
        newer = rows.time_ms > before.last_ms
        rows = Rows(rows.time_ms[newer], rows.values[newer], rows.is_odd[newer])
        if not rows.time_ms.size:
            return before
        values = np.concatenate((before.row[None], rows.values))
        time_ms = np.concatenate(([before.last_ms], rows.time_ms))
    else:
        values, time_ms = rows.values, rows.time_ms
    alike = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    same = _trailing(alike.all(axis=1) & np.isfinite(values[1:]).any(axis=1))
    odd = _trailing(rows.is_odd)
    goes_on = before is not None and same == len(values) - 1
    is_odd_still = before is not None and before.odd > 0 and odd == rows.is_odd.size
    return Course(
        int(time_ms[-1]),
        int(time_ms[-1] - time_ms[-2]) if time_ms.size > 1 else 0,
        values[-1],
        same + (before.same if before is not None and goes_on else 1),
        before.same_since_ms if before is not None and goes_on else int(time_ms[-1 - same]),
        odd + (before.odd if before is not None and is_odd_still else 0),
        before.odd_since_ms
        if before is not None and is_odd_still
        else int(rows.time_ms[-max(odd, 1)]),
    )


def troubles(course: Course, profile: str, rule: Events) -> dict[Trouble, int]:
    """Return what the rows themselves say, and since when."""
    found = {}
    same_ms = course.last_ms - course.same_since_ms
    is_long = same_ms >= rule.same_least_s.get(profile, 0.0) * _MS_PER_S
    if course.same >= rule.same_rows[profile] and is_long:
        found[Trouble.NO_CHANGE] = course.same_since_ms
    if course.odd >= rule.odd_rows:
        found[Trouble.IMPOSSIBLE] = course.odd_since_ms
    return found


def is_over(trouble: Trouble, course: Course, since_ms: int) -> bool:
    """Return whether a row says that a trouble has ended; that less is known of it says nothing."""
    if trouble is Trouble.NO_DATA:
        return course.last_ms > since_ms
    return course.same == 1 if trouble is Trouble.NO_CHANGE else course.odd == 0


def is_silent(due: float | None, quiet_ms: int, rule: Events) -> bool:
    """Return whether a device of events is silent for too long.

    Args:
        due: events that are usual in the time since its last row; None: nothing is known yet.
        quiet_ms: since its last row.
        rule: by chance none of ``n`` due events comes with a probability of e^-n.
    """
    if due is None:
        return quiet_ms >= rule.first_silence_h * _HOUR_MS
    return due >= rule.silent_expected and quiet_ms >= rule.least_silence_s * _MS_PER_S


def is_overdue(course: Course, interval_ms: int, quiet_ms: int, rule: Events) -> bool:
    """Return whether a device that measures by the clock has missed several rows."""
    gap_ms = course.gap_ms if course.gap_ms <= _LONGEST_GAP_MS else 0
    return quiet_ms > rule.missed_rows * max(interval_ms, gap_ms)


def _trailing(holds: BoolArray) -> int:
    """Return how many at the end hold without a break."""
    return int(np.argmin(holds[::-1])) if not holds.all() else int(holds.size)
