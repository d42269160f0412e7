"""Readings of one device and column into buckets of time. Pure: arrays in, arrays out.

Days, weeks and months begin at local midnight of the given zone; shorter buckets count from
there, so on the two days a year when the clocks change the last one may be short. Only buckets
with readings are returned. Values are in the unit of the input.

``integral`` is Σ value × duration in value·hours (kW become kWh). A reading stands for the time
to the next one, at most twice the median spacing (beyond that it is an outage, not a long
reading); the last one for the nominal interval or the median. A null keeps its place in the
spacing and adds nothing.

``increase`` is the growth of a register. A difference belongs to the bucket that the later
reading lies in; a reading exactly on a border ends the bucket before it, so that the days of a
month add up to the register's growth over the month. Going down is a rollover where the
register was within a tenth of its end and begins within a tenth of zero; otherwise it is a
reset, which adds nothing and counting goes on from the new value: what was used between the
last reading before a reset and the reset is not known and not invented. For an exact total give
also the last reading before ``from_ms`` and the one at ``to_ms``.
"""

import datetime as dt
import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from gateway.model import FloatArray, IntArray

_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000
_QUARTER_MS = 900_000  # offsets change at quarters of an hour (Liberia's of 1972 did not)
_MAX_SPACING = 2.0  # in median spacings
_NEAR_END, _NEAR_ZERO = 0.9, 0.1  # of a register's range
_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()
_EVERY = re.compile(r"([1-9]\d{0,5})(m|h|d|w|mo)\Z")
_STEP_MS = {"m": 60_000, "h": _HOUR_MS}


class Function(StrEnum):
    """What becomes of the readings of a bucket."""

    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    INTEGRAL = "integral"
    INCREASE = "increase"


class Buckets(NamedTuple):
    """One row per bucket, ascending; ``values`` is NaN where no reading has a value."""

    start_ms: IntArray
    values: FloatArray
    n: IntArray  # readings with a value (differences for ``increase``)


def aggregate(  # noqa: PLR0913  # the parameters of /api/v1/aggregate
    times_ms: IntArray,
    values: FloatArray,
    *,
    fn: str,
    every: str | None,
    from_ms: int,
    to_ms: int,
    tz: str = "UTC",
    interval_ms: int = 0,
    rollover: float | None = None,
) -> Buckets:
    """Return buckets of readings that are sorted by time, at most one per time.

    Args:
        times_ms: when.
        values: NaN where not measured.
        fn: a member of ``Function``.
        every: ``15m``, ``1h``, ``1d``, ``1w`` (from Monday), ``1mo``; None = one bucket.
        from_ms: first time; ``increase`` needs differences that end after it.
        to_ms: end, not included; for ``increase`` included.
        tz: IANA name of the zone whose midnight begins a day.
        interval_ms: nominal spacing, for a single reading; 0 = not known.
        rollover: value at which a register begins again at zero.

    Raises:
        ValueError: no such function, bucket or zone.
    """
    function = Function(fn)
    if function is Function.INCREASE:
        times_ms, values = _differences(times_ms, values, rollover)
        inside = (times_ms > from_ms) & (times_ms <= to_ms)
        places = times_ms - 1  # a reading on a border ends the bucket before it
    else:
        if function is Function.INTEGRAL:
            values = values * _durations_h(times_ms, interval_ms)
        inside = (times_ms >= from_ms) & (times_ms < to_ms)
        places = times_ms
    values = values[inside]
    if not len(values):
        none = np.empty(0, np.int64)
        return Buckets(none, np.empty(0), none)
    starts = _starts(places[inside], every, _zone(tz), from_ms)
    return _reduce(starts, values, function)


def register_steps(before: FloatArray, after: FloatArray, rollover: float | None) -> FloatArray:
    """Return how much a register grew from one reading to the next; all in one unit."""
    steps = after - before
    if rollover is not None:
        is_rollover = (before >= rollover * _NEAR_END) & (after <= rollover * _NEAR_ZERO)
        steps = np.where(is_rollover & (steps < 0), steps + rollover, steps)
    return np.maximum(steps, 0.0)


def _differences(
    times_ms: IntArray, values: FloatArray, rollover: float | None
) -> tuple[IntArray, FloatArray]:
    valid = ~np.isnan(values)
    times_ms, values = times_ms[valid], values[valid]
    return times_ms[1:], register_steps(values[:-1], values[1:], rollover)


def _durations_h(times_ms: IntArray, interval_ms: int) -> FloatArray:
    spacing = np.diff(times_ms).astype(np.float64)
    # what the device really does goes before what its profile says it should
    median = float(np.median(spacing)) if len(spacing) else float(interval_ms or np.nan)
    durations = np.append(np.minimum(spacing, _MAX_SPACING * median), median)
    return durations[: len(times_ms)] / _HOUR_MS


def _reduce(starts: IntArray, values: FloatArray, function: Function) -> Buckets:
    places = np.flatnonzero(np.diff(starts, prepend=starts[0] - 1))
    valid = ~np.isnan(values)
    n = np.add.reduceat(valid.astype(np.int64), places)
    if function is Function.COUNT:
        return Buckets(starts[places], n.astype(np.float64), n)
    if function in {Function.MIN, Function.MAX}:
        extreme = np.fmin if function is Function.MIN else np.fmax
        return Buckets(starts[places], extreme.reduceat(values, places), n)
    total = np.add.reduceat(np.where(valid, values, 0.0), places)
    total[n == 0] = np.nan
    if function is Function.MEAN:
        total /= np.maximum(n, 1)
    return Buckets(starts[places], total, n)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as error:  # a folder of the zone database is an OSError
        raise ValueError(f"no time zone {name!r}") from error


def _starts(times_ms: IntArray, every: str | None, zone: ZoneInfo, from_ms: int) -> IntArray:
    """Return the start of the bucket of each time."""
    if every is None:
        return np.full(len(times_ms), from_ms, np.int64)
    match = _EVERY.match(every)
    if match is None:
        raise ValueError(f"{every!r} is not a bucket such as '15m', '1h', '1d', '1w', '1mo'")
    count, unit = int(match[1]), match[2]
    days = (times_ms + _offsets_ms(times_ms, zone)) // _DAY_MS
    step_ms = _STEP_MS.get(unit, 0) * count
    if not step_ms:
        return _mapped(_first_days(days, count, unit), lambda day: _midnight_ms(day, zone))
    if step_ms > _DAY_MS:
        raise ValueError(f"{every!r} is longer than a day: say it in days")
    midnight = _mapped(days, lambda day: _midnight_ms(day, zone))
    return midnight + (times_ms - midnight) // step_ms * step_ms


def _first_days(days: IntArray, count: int, unit: str) -> IntArray:
    """Return the first local day of the bucket of each local day (days since 1970-01-01)."""
    if unit == "mo":
        return _mapped(days, lambda day: _first_of_months(day, count))
    if unit == "w":
        return (days + 3) // (7 * count) * (7 * count) - 3  # 1970-01-01 was a Thursday
    return days // count * count


def _first_of_months(day: int, count: int) -> int:
    date = dt.date.fromordinal(_EPOCH_ORDINAL + day)
    month = (date.year * 12 + date.month - 1) // count * count
    return dt.date(month // 12, month % 12 + 1, 1).toordinal() - _EPOCH_ORDINAL


def _midnight_ms(day: int, zone: ZoneInfo) -> int:
    # Where the clocks skip midnight this is the moment they do so.
    date = dt.datetime.fromordinal(_EPOCH_ORDINAL + day)
    return round(date.replace(tzinfo=zone).timestamp() * 1000)


def _offsets_ms(times_ms: IntArray, zone: ZoneInfo) -> IntArray:
    """Return local time minus UTC at each time: looked up once per quarter of an hour."""
    return _mapped(times_ms // _QUARTER_MS, lambda quarter: _offset_ms(quarter, zone))


def _offset_ms(quarter: int, zone: ZoneInfo) -> int:
    moment = dt.datetime.fromtimestamp(quarter * _QUARTER_MS / 1000, zone)
    offset = moment.utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1000)


def _mapped(keys: IntArray, function: Callable[[int], int]) -> IntArray:
    """Apply a slow function once to each of the few different keys."""
    unique, inverse = np.unique(keys, return_inverse=True)
    results = np.array([function(key) for key in unique.tolist()], np.int64)
    return results[inverse]
