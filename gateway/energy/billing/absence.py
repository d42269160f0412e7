"""Which meters miss nothing on which days, as they were not there, or another one counts."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy.billing.days import DayFigures
from gateway.energy.calendar import DAY_MS, Calendar
from gateway.energy.vee.types import Intervals
from gateway.model import BoolArray, FloatArray, IntArray

Absent = Callable[[int], BoolArray]  # local day → (meters,)


class Absences(NamedTuple):
    """When meters were not in service, one after the other; then nothing is missed."""

    meters: int
    row: IntArray
    begin_ms: IntArray
    end_ms: IntArray

    @classmethod
    def of(cls, spans: Sequence[Sequence[tuple[int, int]]]) -> "Absences":
        """Return those of meters, row by row."""
        flat = [(row, *span) for row, known in enumerate(spans) for span in known]
        return cls(len(spans), *np.array(flat, np.int64).reshape(-1, 3).T)

    def within(self, begin_ms: int, end_ms: int) -> Iterator[tuple[int, int, int]]:
        """Yield row, begin and end of those that reach into a time."""
        chosen = (self.begin_ms <= end_ms) & (self.end_ms > begin_ms)
        columns = (column[chosen].tolist() for column in (self.row, self.begin_ms, self.end_ms))
        yield from zip(*columns, strict=True)

    def is_out(self, calendar: Calendar) -> Absent:
        """Return what tells of a local day which meters are not in service at any moment of it."""

        def out(day: int) -> BoolArray:
            begin_ms, end_ms = calendar.start_ms(day), calendar.start_ms(day + 1)
            found = np.zeros(self.meters, np.bool_)
            found[self.row[(self.begin_ms <= begin_ms) & (self.end_ms >= end_ms)]] = True
            return found

        return out


def edged(day: DayFigures, found: Intervals, absences: Absences) -> DayFigures:
    """Return a day with what meters showed when they came or went within it, NaN unknown.

    A note of people stands at the end of the interval in which a meter went and at the begin of
    the one in which it came; without one the last register that was read counts, and the first.
    """
    begin_wh, end_wh = day.register_start_wh.copy(), day.register_end_wh.copy()
    until_ms = found.start_ms + found.slots * found.interval_ms
    for row, gone_ms, back_ms in absences.within(found.start_ms, until_ms):
        gone, back = ((at_ms - found.start_ms) / found.interval_ms for at_ms in (gone_ms, back_ms))
        if gone <= 0 < back <= found.slots:
            begin_wh[row] = _first(found.register_wh[row : row + 1, int(back) :])[0]
        if 0 < gone <= found.slots and back_ms >= found.start_ms + DAY_MS:
            end_wh[row] = _last(found.register_wh[row : row + 1, : math.ceil(gone) + 1])[0]
    return day._replace(register_start_wh=begin_wh, register_end_wh=end_wh)


def registers(
    days: Sequence[DayFigures], shown: FloatArray, is_out: Absent | None
) -> tuple[FloatArray, FloatArray]:
    """Return what was shown at the begin and at the end of days.

    Of a meter that came later, or went earlier, it is what it showed then.

    Args:
        days: of the same meters, by time.
        shown: registers at the begin and end of each day, (meters, 2 × days).
        is_out: who was not there; None = nobody.
    """
    begin_wh, end_wh = days[0].register_start_wh, days[-1].register_end_wh
    if is_out is not None:
        begin_wh = np.where(is_out(days[0].day), _first(shown), begin_wh)
        end_wh = np.where(is_out(days[-1].day), _last(shown), end_wh)
    return begin_wh, end_wh


def either(one: Absent, other: Absent) -> Absent:
    """Return who is absent by one word or the other."""
    return lambda day: one(day) | other(day)


def _first(columns: FloatArray) -> FloatArray:
    """Return of each row the first value that is known, NaN where none is."""
    found: FloatArray = columns[np.arange(len(columns)), np.isfinite(columns).argmax(axis=1)]
    return found


def _last(columns: FloatArray) -> FloatArray:
    """Return of each row the last value that is known, NaN where none is."""
    return _first(columns[:, ::-1])
