"""Quality of a device day by day: how much is there, and of which grade."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

import numpy as np

from gateway.model import IntArray, Quality, ReadingBatch

# Measured by the device, whatever we think of it; the others are ours.
MEASURED = np.array(
    [
        quality
        not in {
            Quality.ESTIMATED_FLAT,
            Quality.ESTIMATED_LIKE_DAY,
            Quality.IMPUTED,
            Quality.MISSING,
        }
        for quality in Quality
    ]
)


class Day(NamedTuple):
    """A local day [begin, end)."""

    date: str
    begin_ms: int
    end_ms: int


class DayQuality(NamedTuple):
    """The quality of one day; shares are 0-1, None where nothing can be said."""

    date: str
    readings: int
    expected: int | None  # intervals that have passed; None for a profile without interval
    measured: int | None  # of those, how many have a measured reading
    completeness: float | None
    share: dict[str, float]  # by grade


def local_days(from_ms: int, to_ms: int, zone: tzinfo) -> Iterator[Day]:
    """Yield the local days that [from, to) touches, cut to it; a day may have 23 or 25 hours."""
    begin_ms = from_ms
    while begin_ms < to_ms:
        local = datetime.fromtimestamp(begin_ms / 1000, UTC).astimezone(zone)
        next_date = local.date() + timedelta(days=1)
        midnight = datetime(next_date.year, next_date.month, next_date.day, tzinfo=zone)
        end_ms = min(to_ms, int(midnight.timestamp() * 1000))
        yield Day(local.date().isoformat(), begin_ms, end_ms)
        begin_ms = end_ms


class DayTally:
    """Adds up the readings of one day, page by page."""

    def __init__(self, day: Day, interval_ms: int) -> None:
        self._day = day
        self._interval_ms = interval_ms
        self._grades = np.zeros(len(Quality), dtype=np.int64)
        self._slots: list[IntArray] = []  # a day of 1 s readings has 86,400

    def add(self, batches: Iterable[ReadingBatch]) -> None:
        """Count readings; those outside the day are none of its business."""
        for batch in batches:
            is_inside = (batch.time_ms >= self._day.begin_ms) & (batch.time_ms < self._day.end_ms)
            grades = batch.quality[is_inside]
            self._grades += np.bincount(grades, minlength=len(Quality))
            if self._interval_ms:
                times = batch.time_ms[is_inside][MEASURED[grades]]
                self._slots.append(np.unique((times - self._day.begin_ms) // self._interval_ms))

    def result(self, now_ms: int) -> DayQuality:
        """Return the quality of the day as far as it has passed."""
        total = int(self._grades.sum())
        share = {
            quality.name.lower(): round(int(self._grades[quality]) / total, 6)
            for quality in Quality
            if self._grades[quality]
        }
        if not self._interval_ms:
            return DayQuality(self._day.date, total, None, None, None, share)
        passed_ms = min(self._day.end_ms, now_ms) - self._day.begin_ms
        expected = max(0, passed_ms) // self._interval_ms
        measured = len(np.unique(np.concatenate(self._slots))) if self._slots else 0
        completeness = round(min(1.0, measured / expected), 6) if expected else None
        return DayQuality(self._day.date, total, expected, measured, completeness, share)
