"""Local days of a fixed offset from UTC: weekday, holiday, minute of the day.

A local day is a number: days since 1970-01-01 of the local calendar. Vietnam has had UTC+7 and no
summer time since 1975; a zone with summer time would need a table of offsets here.
"""

from datetime import date
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, IntArray
from gateway.policies import MS_PER_MIN, Policies, Policy

DAY_MS = 86_400_000
MIN_PER_DAY = 1440
_EPOCH = date(1970, 1, 1)
_EPOCH_WEEKDAY = 3  # a Thursday; Monday is 0
SUNDAY, SATURDAY = 6, 5
CALENDAR_DOMAIN = "calendar"


class DayType(IntEnum):
    """Days that are like each other in how a home uses power."""

    WORKDAY = 0
    SATURDAY = 1
    REST = 2  # Sunday or public holiday


class HolidayYear(Policy):
    """The public holidays of one year."""

    dates: tuple[date, ...]


class Calendar(NamedTuple):
    """Where local days begin and which of them are holidays."""

    utc_offset_min: int
    holidays: IntArray  # day numbers, sorted

    @classmethod
    def of(cls, policies: Policies[HolidayYear], name: str) -> "Calendar":
        """Return the calendar of all editions together: each names the days of its own year."""
        editions = policies.editions(name)
        days = [day_number(day) for edition in editions for day in edition.dates]
        return cls(editions[-1].utc_offset_min, np.unique(np.array(days, np.int64)))

    def day(self, time_ms: IntArray) -> IntArray:
        """Return the local day of moments."""
        return (time_ms + self.utc_offset_min * MS_PER_MIN) // DAY_MS

    def minute(self, time_ms: IntArray) -> IntArray:
        """Return the minute of the local day of moments."""
        return (time_ms + self.utc_offset_min * MS_PER_MIN) % DAY_MS // MS_PER_MIN

    def start_ms(self, day: int) -> int:
        """Return when a local day begins."""
        return day * DAY_MS - self.utc_offset_min * MS_PER_MIN

    def is_holiday(self, day: IntArray) -> BoolArray:
        """Return which local days are public holidays."""
        return np.isin(day, self.holidays)

    def day_type(self, day: IntArray) -> IntArray:
        """Return the type of local days."""
        of_week = weekday(day)
        is_rest = (of_week == SUNDAY) | self.is_holiday(day)
        kinds = np.where(of_week == SATURDAY, int(DayType.SATURDAY), int(DayType.WORKDAY))
        return np.where(is_rest, int(DayType.REST), kinds).astype(np.int64)


def day_number(day: date) -> int:
    """Return the number of a local day."""
    return (day - _EPOCH).days


def weekday(day: IntArray) -> IntArray:
    """Return the day of the week, Monday 0."""
    return (day + _EPOCH_WEEKDAY) % 7
