"""IRIS vehicle logs (.vlog): a line of text for each vehicle that passed a detector.

``duration,headway,HH:MM:SS,speed,length`` in ms, ms, local time of the day, mph and feet (IRIS,
docs/vehicle_detection.md; also as Canoga cards send it). Later columns may be left out, ``?`` is
not known, ``*`` alone is a gap in the sampling. A vehicle without a time stamp came a headway after
the one before it, or a headway before the one after it. One that neither tells has no time.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.decode.wire import MAX_ROWS, reject
from gateway.model import QuarantineReason

DAY_MS = 86_400_000
# A stamp has whole seconds: it agrees with a time worked out of headways up to this.
_AGREE_MS = 1_500
_MAX_HEADWAY_MS = 3_600_000  # IRIS takes none above an hour for one

_LINE = re.compile(
    r"(\?|\d{1,7}),(\?|\d{1,8})"
    r"(?:,(\d\d:[0-5]\d:[0-5]\d)?(?:,(\?|\d{1,3})?(?:,(\?|\d{1,3})?)?)?)?\s*\Z",
    re.ASCII,
)


class Vehicle(NamedTuple):
    """One line; None is not known."""

    of_day_ms: int | None  # since local midnight
    duration_ms: int | None
    headway_ms: int | None
    speed_mph: int | None
    length_ft: int | None
    is_behind: bool  # the line before it is the vehicle before it


def is_vlog(text: str) -> bool:
    """Return whether text may be a vehicle log, by its first line."""
    first = text.lstrip().partition("\n")[0].strip()
    return first == "*" or _LINE.match(first) is not None


def read_vlog(text: str) -> list[Vehicle]:
    """Return the vehicles of a log, in the order they passed.

    Raises:
        RejectedError: ``encoding``, a line is none of a log, by its number; ``too_large``.
    """
    vehicles: list[Vehicle] = []
    now_ms: int | None = None
    is_behind = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if line.strip() == "*":
            now_ms, is_behind = None, False
            continue
        match = _LINE.match(line.strip())
        if match is None:
            reject(
                QuarantineReason.ENCODING, f"line {number} is none of a vehicle log: {line[:64]!r}"
            )
        if len(vehicles) >= MAX_ROWS:
            reject(QuarantineReason.TOO_LARGE, f"more than {MAX_ROWS} vehicles in a message")
        duration, headway, stamp, speed, length = match.groups()
        now_ms = _next(now_ms, _number(headway), stamp)
        numbers = _number(duration), _number(headway), _number(speed), _number(length)
        vehicles.append(Vehicle(now_ms, *numbers, is_behind))
        is_behind = True
    return _filled(vehicles)


def place_in_time(vehicles: Sequence[Vehicle], day: date, zone: str) -> list[int | None]:
    """Return Unix milliseconds of each vehicle of a log that begins on a day of a zone.

    The log of a detector goes past midnight where the time of the day falls back by half a day.
    """
    local = ZoneInfo(zone)
    before_ms = 0
    times: list[int | None] = []
    for vehicle in vehicles:
        if vehicle.of_day_ms is None:
            times.append(None)
            continue
        if vehicle.of_day_ms < before_ms - DAY_MS // 2:
            day += timedelta(days=1)
        before_ms = vehicle.of_day_ms
        # by the wall clock, so that a day of 23 hours has them where the detector's clock had them
        wall = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(
            milliseconds=before_ms
        )
        moment = wall.replace(tzinfo=local)
        times.append(int(moment.timestamp()) * 1000 + before_ms % 1000)
    return times


def gap_ms(before: Vehicle, vehicle: Vehicle) -> int | None:
    """Return the time from the rear of a vehicle to the front of the next, None if not known."""
    if not vehicle.is_behind or vehicle.headway_ms is None or before.duration_ms is None:
        return None
    gap = vehicle.headway_ms - before.duration_ms
    return gap if gap >= 0 else None


def gaps_ms(vehicles: Sequence[Vehicle]) -> Iterator[int | None]:
    """Yield ``gap_ms`` of each vehicle; there is none before the first."""
    if vehicles:
        yield None
    for before, vehicle in pairwise(vehicles):
        yield gap_ms(before, vehicle)


def _next(now_ms: int | None, headway_ms: int | None, stamp: str | None) -> int | None:
    reckoned = None
    if now_ms is not None and headway_ms is not None and headway_ms <= _MAX_HEADWAY_MS:
        reckoned = (now_ms + headway_ms) % DAY_MS
    if stamp is None:
        return reckoned
    hour, minute, second = (int(part) for part in stamp.split(":"))
    stamped = ((hour * 60 + minute) * 60 + second) * 1000
    is_same = reckoned is not None and abs(stamped - reckoned) <= _AGREE_MS
    return reckoned if is_same else stamped % DAY_MS


def _filled(vehicles: list[Vehicle]) -> list[Vehicle]:
    """Give a time to those that came a known headway before one that has a time."""
    for place in range(len(vehicles) - 1, 0, -1):
        vehicle, before = vehicles[place], vehicles[place - 1]
        at_ms, headway_ms = vehicle.of_day_ms, vehicle.headway_ms
        if before.of_day_ms is None and vehicle.is_behind and None not in {at_ms, headway_ms}:
            reckoned = ((at_ms or 0) - (headway_ms or 0)) % DAY_MS
            vehicles[place - 1] = before._replace(of_day_ms=reckoned)
    return vehicles


def _number(text: str | None) -> int | None:
    return int(text) if text and text != "?" else None
