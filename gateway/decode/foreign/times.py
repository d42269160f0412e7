"""The time of a foreign message, by a declared rule.

* With an offset, or as seconds since 1970: that instant.
* Without offset: read in the zone that the mapping or ``[foreign] zone`` declares. Where nobody
  declares one the time is not used: the gateway stamps the row and grades it so (``no_clock``).
* A clock that was never set (1970, 2000) is no time: stamped, too.
* Beside the time of the network, if the mapping names it: further than two minutes apart, the
  row says so in its status (``CLOCK_INVALID``) and is suspect.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from gateway.config.sections import MappingTime
from gateway.decode.foreign.family import TimeForm
from gateway.decode.instants import Instant, compile_time
from gateway.decode.paths import MISSING, Path, find, parse_path
from gateway.decode.wire import MAX_INT
from gateway.errors import RejectedError

# Clocks that nobody has set count from 1970 or from 2000; a month later they have been restarted.
EARLIEST_MS = 949_363_200_000  # 2000-02-01
APART_MS = 120_000  # as ``[validation] live_ahead``: clocks of gateways and servers are this good
CLOCK_INVALID = 2  # AMR status byte

_LAST_S = 1e11
_OFFSET = re.compile(r"(?:Z|[+-]\d\d:?\d\d)\Z")
_PLAIN_CHARS, _HOUR_MS = len("2026-11-21T22:30:00"), 3_600_000
_IN_HOUR_MS = {f"{at_s // 60:02d}:{at_s % 60:02d}": 1000 * at_s for at_s in range(3600)}
_MAX_HOURS = 4096  # hours remembered: a made-up payload may name any


class ClockForm(NamedTuple):
    """A time form, compiled."""

    path: Path
    instant: Instant
    against: Path | None
    network: Instant


def compile_clock(form: TimeForm, zone: str | None) -> ClockForm:
    """Return how to read a time; ``zone`` is the site's.

    Raises:
        ValueError: format, zone or path cannot be used.
    """
    formats = (form.format,) if isinstance(form.format, str) else form.format
    instant = _first([compile_instant(one, form.zone or zone) for one in formats])
    against = None if form.against is None else parse_path(form.against)
    network = compile_instant("rfc3339", "UTC")
    return ClockForm(parse_path(form.path), instant, against, network)


def compile_instant(text_format: str, zone: str | None) -> Instant:
    """Return the function that reads one format; 0 = a time that nobody says the zone of."""
    if text_format == "any":
        return _usable(_any(compile_instant("rfc3339", zone)))
    read = compile_time(MappingTime(format=text_format, zone=zone or "UTC"))
    if text_format in {"unix_s", "unix_ms", "relative_s"}:
        return _usable(lambda value, received_ms, before: read(_exact(value), received_ms, before))
    if "%z" in text_format:
        return _usable(read)
    if zone is None:
        return _usable(
            lambda value, received_ms, before_ms: (
                read(value, received_ms, before_ms)
                if type(value) is str and _OFFSET.search(value)
                else 0
            )
        )
    if text_format == "rfc3339":
        return _by_hours(_usable(read))
    # 260606140010 is a number to JSON and a pattern to its device
    return _usable(
        lambda value, received_ms, before: read(
            str(value) if type(value) is int else value, received_ms, before
        )
    )


def _first(reads: Sequence[Instant]) -> Instant:
    """Return what takes the first format that reads a value."""
    if not reads:
        raise ValueError("no format")
    if len(reads) == 1:
        return reads[0]

    def instant(value: object, received_ms: int, before_ms: int) -> int:
        errors = []
        for read in reads:
            try:
                return read(value, received_ms, before_ms)
            except RejectedError as error:
                errors.append(error)
        raise errors[0 if isinstance(value, str) else -1]  # numbers are for patterns, they are last

    return instant


def _by_hours(read: Instant) -> Instant:
    """Remember the hours: reading a local time takes longer than the rest of a message.

    Hours in which clocks are changed are left to ``read``, and what is no plain time.
    """
    hours: dict[str, int] = {}

    def instant(value: object, received_ms: int, before_ms: int) -> int:
        if type(value) is not str or len(value) != _PLAIN_CHARS:
            return read(value, received_ms, before_ms)
        try:
            return hours[value[:14]] + _IN_HOUR_MS[value[14:]]
        except KeyError:
            time_ms = read(value, received_ms, before_ms)
        hour = value[:14]
        base_ms = read(f"{hour}00:00", received_ms, 0)
        is_whole = read(f"{hour}59:59", received_ms, base_ms) - base_ms == _HOUR_MS - 1000
        if time_ms and is_whole and read(f"{hour}00:00", received_ms, base_ms) == base_ms:
            if len(hours) >= _MAX_HOURS:
                hours.clear()
            hours[hour] = base_ms
        return time_ms

    return instant


def _any(read_text: Instant) -> Instant:
    """Text as RFC 3339, a number as Unix time in s, or in ms beyond what s can be (year 5138)."""
    seconds, milliseconds = (compile_time(MappingTime(format=f"unix_{u}")) for u in ("s", "ms"))

    def instant(value: object, received_ms: int, before_ms: int) -> int:
        if type(value) is str:
            return read_text(value, received_ms, before_ms)
        is_ms = isinstance(value, int | float) and value > _LAST_S
        return (milliseconds if is_ms else seconds)(_exact(value), received_ms, before_ms)

    return instant


def _exact(value: object) -> object:
    return Decimal(repr(value)) if type(value) is float else value


def _usable(read: Instant) -> Instant:
    def instant(value: object, received_ms: int, before_ms: int) -> int:
        time_ms = read(value, received_ms, before_ms)
        return time_ms if EARLIEST_MS <= time_ms <= MAX_INT else 0

    return instant


def time_of(clock: ClockForm | None, root: object, received_ms: int) -> tuple[int, int]:
    """Return the time of a message and the status of its rows; 0 = it has none.

    Raises:
        RejectedError: something stands there that is no time.
    """
    if clock is None:
        return 0, 0
    value = find(root, clock.path)
    if value is MISSING or value is None:
        return 0, 0
    time_ms = clock.instant(value, received_ms, 0)
    if clock.against is None or not time_ms:
        return time_ms, 0
    beside = find(root, clock.against)
    try:
        network_ms = clock.network(beside, received_ms, 0)
    except RejectedError:
        return time_ms, 0
    return time_ms, CLOCK_INVALID if abs(network_ms - time_ms) > APART_MS else 0
