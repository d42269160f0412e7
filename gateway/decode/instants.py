"""Times as foreign devices write them, to Unix milliseconds.

A local time without offset is not always one instant. When clocks are set back an hour comes
twice: of live data the instant nearer to the receive time is meant, and within one message the
rows go forward. When clocks are set forward an hour does not exist: that is refused.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import DecimalException
from zoneinfo import ZoneInfo

from gateway.config.sections import MappingTime
from gateway.decode.linear import number_of
from gateway.decode.wire import MAX_INT, reject
from gateway.model import QuarantineReason

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\Z", re.ASCII
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # arithmetic on local times, the zone comes after
_MS = timedelta(milliseconds=1)
_LIVE_MS = 3_600_000  # what came within the hour is live; older data is history

Instant = Callable[[object, int, int], int]  # value, receive time, time of the row before, in ms


def compile_time(time: MappingTime) -> Instant:
    """Return the function that reads a time written as ``time`` says.

    Raises:
        ValueError: format or zone cannot be used.
    """
    if time.format == "unix_s":
        return lambda value, _received, _before: _milliseconds(value, 1000)
    if time.format == "unix_ms":
        return lambda value, _received, _before: _milliseconds(value, 1)
    if time.format == "relative_s":
        return lambda value, received, _before: received + _milliseconds(value, 1000)
    if time.format == "rfc3339":
        return _LocalTime(_parse_rfc3339, time.zone)
    if "%" not in time.format:
        raise ValueError("must be rfc3339, unix_s, unix_ms, relative_s or a strptime pattern")
    pattern = time.format
    trial = _EPOCH.replace(tzinfo=UTC).strftime(pattern)
    datetime.strptime(trial, pattern)  # noqa: DTZ007  # raises where the pattern cannot be used
    return _LocalTime(lambda text: datetime.strptime(text, pattern), time.zone)  # noqa: DTZ007


def _parse_rfc3339(text: str) -> datetime:
    if _RFC3339.match(text) is None:
        raise ValueError("not RFC 3339")
    return datetime.fromisoformat(text)


def _milliseconds(value: object, factor: int) -> int:
    number = number_of(value)
    if number is None:
        reject(QuarantineReason.SCHEMA, "no time")
    if (
        not -MAX_INT <= number <= MAX_INT
    ):  # before it is made an integer: 1e999999 has a million digits
        reject(QuarantineReason.TIME, "time beyond 2**53")
    try:
        return round(number * factor)
    except DecimalException as error:
        reject(QuarantineReason.TIME, f"time {number}: {error}")


class _LocalTime:
    """Reads text into instants of a zone."""

    def __init__(self, parse: Callable[[str], datetime], zone: str) -> None:
        try:
            self._zone = ZoneInfo(zone)
        except (OSError, LookupError) as error:  # ZoneInfoNotFoundError is a LookupError
            raise ValueError(f"unknown zone {zone!r}") from error
        self._parse = parse
        self._is_utc = zone == "UTC"

    def __call__(self, value: object, received_ms: int, before_ms: int) -> int:
        """Return the instant."""
        if not isinstance(value, str):
            reject(QuarantineReason.SCHEMA, f"time {value!r} is not text")
        try:
            moment = self._parse(value)
        except ValueError as error:
            reject(QuarantineReason.TIME, f"time {value[:64]!r}: {error}")
        offset = moment.utcoffset()
        if offset is not None:
            return (moment.replace(tzinfo=None) - _EPOCH - offset) // _MS
        wall_ms = (moment - _EPOCH) // _MS
        return wall_ms if self._is_utc else self._resolve(moment, wall_ms, received_ms, before_ms)

    def _resolve(self, moment: datetime, wall_ms: int, received_ms: int, before_ms: int) -> int:
        first = moment.replace(tzinfo=self._zone).utcoffset() or timedelta()
        second = moment.replace(tzinfo=self._zone, fold=1).utcoffset() or timedelta()
        if first < second:
            reject(QuarantineReason.TIME, f"{moment} does not exist in zone {self._zone}")
        early_ms, late_ms = wall_ms - first // _MS, wall_ms - second // _MS
        if before_ms:
            return early_ms if early_ms > before_ms else late_ms
        is_live = -_LIVE_MS < received_ms - late_ms < _LIVE_MS
        is_late = is_live and abs(received_ms - late_ms) < abs(received_ms - early_ms)
        return late_ms if is_late else early_ms
