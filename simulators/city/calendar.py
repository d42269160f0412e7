"""Days as people in Viet Nam live them: local hours, weekends, holidays, Tết."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from simulators.city.frame import Floats, Ints

DAY_MS = 86_400_000
UTC_OFFSET_MS = 7 * 3_600_000  # no daylight saving
SATURDAY, SUNDAY = 5, 6
# First day of the first lunar month: the calendar of Viet Nam, UTC+7.
TET = (
    *("2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06", "2028-01-26", "2029-02-13"),
    *("2030-02-02", "2031-01-23", "2032-02-11", "2033-01-31", "2034-02-19", "2035-02-08"),
)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_TET_EVE_DAYS, _TET_DAYS = 2, 5  # off: the last day(s) of the old year and five of the new one
_FIXED = ((1, 1), (4, 30), (5, 1), (9, 2))  # public holidays of the solar calendar


def local_day(time_ms: Ints) -> Ints:
    """Return the number of the local day since 1970-01-01."""
    return (time_ms + UTC_OFFSET_MS) // DAY_MS


def local_hour(time_ms: Ints) -> Floats:
    """Return the local time of day in hours, 0 up to before 24."""
    return (time_ms + UTC_OFFSET_MS) % DAY_MS / 3_600_000


def weekday(time_ms: Ints) -> Ints:
    """Return 0 for Monday up to 6 for Sunday."""
    return (local_day(time_ms) + 3) % 7  # 1970-01-01 was a Thursday


def midnight_ms(time_ms: int) -> int:
    """Return the last local midnight."""
    return time_ms - (time_ms + UTC_OFFSET_MS) % DAY_MS


def is_tet(time_ms: Ints) -> NDArray[np.bool_]:
    """Return where the new year is being celebrated."""
    day = local_day(time_ms)
    result = np.zeros(day.shape, dtype=np.bool_)
    for text in TET:
        first = date.fromisoformat(text).toordinal() - _EPOCH_DAY
        result |= (day >= first - _TET_EVE_DAYS) & (day < first + _TET_DAYS)
    return result


def is_holiday(time_ms: Ints) -> NDArray[np.bool_]:
    """Return where offices are closed: Tết and the fixed holidays, not weekends."""
    days = local_day(time_ms)
    dates = ((day, date.fromordinal(int(day) + _EPOCH_DAY)) for day in np.unique(days))
    fixed = [day for day, on in dates if (on.month, on.day) in _FIXED]
    return is_tet(time_ms) | np.isin(days, fixed)


def by_hour(curve: Floats, hour: Floats) -> Floats:
    """Return a 24-point curve at local hours, linear in between."""
    low = np.floor(hour).astype(np.int64)
    part = hour - low
    here, there = curve[low % 24], curve[(low + 1) % 24]
    return np.asarray(here + (there - here) * part)
