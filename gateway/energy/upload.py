"""Interval files of other systems: lines of value, begin and end, read as V02 to V06 demand.

A file is taken whole or refused whole where a line cannot be read or a register falls without a
reset that was announced: half a history is worse than none. Single lines whose interval cannot be
(no length, overlapping, behind a hole of a cumulative count) are dropped and named.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from gateway.model import Reason

_YEAR_FIRST = ("%Y-%m-%d", "%Y/%m/%d")
_MONTH_FIRST = ("%m-%d-%Y", "%m/%d/%Y")
_DAY_FIRST = ("%d-%m-%Y", "%d/%m/%Y")
_TIMES = ("%H:%M:%S", "%H:%M")
_FIELDS, _FIELDS_END_ONLY = 3, 2
_MS_PER_S, _MIN_PER_H = 1000, 60


class ResetSpan(NamedTuple):
    """Time of the day, in minutes, within which a cumulative count may begin anew."""

    begin_min: float
    end_min: float  # below ``begin_min``: over midnight

    def holds(self, minute: float) -> bool:
        """Return whether a reset at that minute is an announced one."""
        if self.begin_min <= self.end_min:
            return self.begin_min <= minute <= self.end_min
        return minute >= self.begin_min or minute <= self.end_min


ANY_TIME = ResetSpan(0, 24 * _MIN_PER_H)


class UploadRules(NamedTuple):
    """What a file is said to be."""

    is_cumulative: bool = False
    is_end_only: bool = False  # no begin: an interval begins where the one before ends
    is_descending: bool = False
    reset: ResetSpan | None = None
    length_tolerance_s: float = 0.0
    gap_tolerance_s: float = 0.0
    is_month_first: bool = False  # of 06/04/2021
    utc_offset_min: int = 0


class UploadReading(NamedTuple):
    """One interval, in the unit of the file."""

    value: float
    start_ms: int
    end_ms: int
    reasons: int  # model.Reason bits: a gap before it, another length than the one before


class Upload(NamedTuple):
    """What became of a file."""

    readings: list[UploadReading]
    dropped: list[tuple[int, str]]  # line number, why
    refused: str  # why nothing of it was taken; empty where it was


class _Line(NamedTuple):
    number: int
    value: float
    start_ms: int | None
    end_ms: int


class _RefusedError(Exception):
    pass


def read_upload(text: str, rules: UploadRules) -> Upload:
    """Read a CSV file."""
    try:
        lines = _distinct(_parse(csv.reader(text.splitlines()), rules))
        if rules.is_descending:
            lines.reverse()
        return _judge(lines, rules)
    except _RefusedError as error:
        return Upload([], [], str(error))


def _parse(rows: Iterable[Sequence[str]], rules: UploadRules) -> list[_Line]:
    width = _FIELDS_END_ONLY if rules.is_end_only else _FIELDS
    lines = []
    for number, row in enumerate(rows, 1):
        if not row or (number == 1 and _is_header(row)):
            continue
        if len(row) != width:
            raise _RefusedError(f"line {number}: {len(row)} fields instead of {width}")
        start_ms = None if rules.is_end_only else _time_ms(row[1], number, rules)
        lines.append(
            _Line(number, _value(row[0], number), start_ms, _time_ms(row[-1], number, rules))
        )
    return lines


def _is_header(row: Sequence[str]) -> bool:
    return not any(character.isdigit() for cell in row for character in cell)


def _value(text: str, number: int) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _RefusedError(f"line {number}: {text!r} is no number") from None
    if not math.isfinite(value):
        raise _RefusedError(f"line {number}: {text!r} is no number")
    return value


def _time_ms(text: str, number: int, rules: UploadRules) -> int:
    dates = (*_YEAR_FIRST, *(_MONTH_FIRST if rules.is_month_first else _DAY_FIRST))
    for form in (f"{date} {time}" for date in dates for time in _TIMES):
        try:
            local = datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
        zoned = local - timedelta(minutes=rules.utc_offset_min)
        return round(zoned.timestamp() * _MS_PER_S)
    raise _RefusedError(f"line {number}: {text!r} is no time")


def _distinct(lines: list[_Line]) -> list[_Line]:
    """V02: leave out lines that repeat the one before."""
    kept = lines[:1]
    kept += [line for last, line in pairwise(lines) if line[1:] != last[1:]]
    return kept


def _judge(lines: list[_Line], rules: UploadRules) -> Upload:
    readings: list[UploadReading] = []
    dropped: list[tuple[int, str]] = []
    before: _Line | None = None
    length_ms: int | None = None
    for given in lines:
        start_ms = before.end_ms if rules.is_end_only and before else given.start_ms
        line = given._replace(start_ms=start_ms)
        value = _use(line, before, rules)
        why = _fault(line, before, rules)
        if why:
            dropped.append((line.number, why))
        elif line.start_ms is not None:
            reading = _reading(line, value, before, length_ms, rules)
            readings.append(reading)
        if line.start_ms is not None and (not why or rules.is_end_only):
            length_ms = line.end_ms - line.start_ms
        before = line
    return Upload(readings, dropped, "")


def _use(line: _Line, before: _Line | None, rules: UploadRules) -> float:
    """Return what the interval used; V06 refuses the file."""
    if not rules.is_cumulative:
        return line.value
    if line.value < 0:
        raise _RefusedError(f"line {line.number}: a count below zero")
    if before is None or line.value >= before.value:
        return line.value - (before.value if before else 0)
    minute = (line.end_ms / _MS_PER_S / _MIN_PER_H + rules.utc_offset_min) % (24 * _MIN_PER_H)
    if rules.reset is None or not rules.reset.holds(minute):
        raise _RefusedError(f"line {line.number}: the count falls and no reset is announced")
    return line.value


def _fault(line: _Line, before: _Line | None, rules: UploadRules) -> str:
    """Return why a line is left out, empty where it is not."""
    if line.start_ms is None or (rules.is_cumulative and before is None):
        return "the first line only tells where counting begins"
    if line.end_ms <= line.start_ms:
        return "its interval has no length"
    if before is None:
        return ""
    if line.start_ms < before.end_ms:
        return "it begins before the line before ends"
    if rules.is_cumulative and line.start_ms - before.end_ms > rules.gap_tolerance_s * _MS_PER_S:
        return "the count covers more than its interval"
    return ""


def _reading(
    line: _Line, value: float, before: _Line | None, length_ms: int | None, rules: UploadRules
) -> UploadReading:
    start_ms = line.start_ms if line.start_ms is not None else line.end_ms
    reasons = 0
    if before and start_ms - before.end_ms > rules.gap_tolerance_s * _MS_PER_S:
        reasons |= int(Reason.GAP)
    other_ms = 0 if length_ms is None else abs(line.end_ms - start_ms - length_ms)
    if other_ms > rules.length_tolerance_s * _MS_PER_S:
        reasons |= int(Reason.INTERVAL_SIZE)
    return UploadReading(value, start_ms, line.end_ms, reasons)
