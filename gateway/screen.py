"""The bouncer: what cannot be a reading goes to quarantine, with the reason in words.

Pure numpy against the limits of the profile and the time window. A reading that passes is not
yet good; grading it is the work of ``validate``.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gateway.config.sections import ValidationSection, duration_ms
from gateway.model import (
    BoolArray,
    DecodedBatch,
    FloatArray,
    Quality,
    QuarantineReason,
    Reason,
)
from gateway.profiles import Column, Profile

# A limit in engineering units divided by its scale is off by some last bits (0.3 / 0.1 > 3);
# a billionth of the value is far below the resolution of any sensor.
ROUNDING = 1e-9


class Window(NamedTuple):
    """How old and how far ahead of the gateway's clock a reading may be."""

    max_age_ms: int
    max_ahead_ms: int
    live_age_ms: int
    live_ahead_ms: int

    @classmethod
    def of(cls, section: ValidationSection) -> "Window":
        """Return the window that the configuration asks for."""
        return cls(
            duration_ms(section.max_age),
            duration_ms(section.max_ahead),
            duration_ms(section.live_age),
            duration_ms(section.live_ahead),
        )


class Refusal(NamedTuple):
    """One reading that goes to quarantine."""

    row: int  # in the batch
    reason: QuarantineReason
    detail: str


class Screened(NamedTuple):
    """The verdict on a batch; ``is_refused`` and ``is_mistimed`` are masks over its rows."""

    is_refused: BoolArray
    is_mistimed: BoolArray
    refusals: Sequence[Refusal]


class _Limits(NamedTuple):
    columns: tuple[Column, ...]
    low: FloatArray  # scaled units, widened by the rounding
    high: FloatArray


class Screen:
    """Checks batches; changes only their quality (VALID, RECOVERED) and the bits that follow."""

    def __init__(self, profiles: Mapping[str, Profile], window: Window) -> None:
        self._window = window
        self._limits = {name: _limits_of(profile) for name, profile in profiles.items()}

    def check(self, batch: DecodedBatch) -> Screened:
        """Judge every reading, and grade the ones on time VALID and late ones RECOVERED."""
        limits = self._limits[batch.readings.profile]
        values = batch.readings.values
        # NaN (not measured) compares false; infinity is outside every limit
        is_outside = (values < limits.low) | (values > limits.high)
        is_mistimed = self._mark_time(batch)
        is_bad: BoolArray = np.logical_or.reduce(is_outside, axis=1)
        if not (is_bad.any() or is_mistimed.any()):
            return Screened(is_bad, is_mistimed, ())
        refusals = [
            _of_value(batch, limits, row, int(is_outside[row].argmax()))
            for row in np.flatnonzero(is_bad).tolist()
        ]
        only_mistimed = np.flatnonzero(is_mistimed & ~is_bad).tolist()
        refusals += [self._of_time(batch, row) for row in only_mistimed]
        refusals.sort()
        return Screened(is_bad | is_mistimed, is_mistimed, refusals)

    def _mark_time(self, batch: DecodedBatch) -> BoolArray:
        """Set quality and bits from the time alone; return what is outside the window."""
        window, rows = self._window, batch.readings
        time_ms, received_ms = rows.time_ms, rows.received_ms
        # compared, not subtracted: a device's time may be any 64-bit number
        max_age_ms = np.where(batch.max_age_ms > 0, batch.max_age_ms, window.max_age_ms)
        is_outside: BoolArray = time_ms < received_ms - max_age_ms
        is_outside |= time_ms > received_ms + window.max_ahead_ms
        is_outside &= ~batch.is_stamped
        is_late = batch.is_backlog | (time_ms < received_ms - window.live_age_ms)
        is_ahead = time_ms > received_ms + window.live_ahead_ms
        rows.quality[:] = np.where(is_late, Quality.RECOVERED, Quality.VALID)
        rows.reasons |= np.where(is_late, int(Reason.LATE), 0)
        rows.reasons |= np.where(is_ahead, int(Reason.TIME_SYNC), 0)
        return is_outside

    def _of_time(self, batch: DecodedBatch, row: int) -> Refusal:
        time_ms = int(batch.readings.time_ms[row])
        ahead_ms = time_ms - int(batch.readings.received_ms[row])
        if ahead_ms > 0:
            limit_ms = self._window.max_ahead_ms
            detail = f"time {time_ms} is {ahead_ms} ms ahead; {limit_ms} ms are allowed"
        else:
            limit_ms = int(batch.max_age_ms[row]) or self._window.max_age_ms
            detail = f"time {time_ms} is {-ahead_ms} ms old; {limit_ms} ms are allowed"
        return Refusal(row, QuarantineReason.TIME, detail)


def _limits_of(profile: Profile) -> _Limits:
    low = np.array([column.minimum / column.scale for column in profile.columns])
    high = np.array([column.maximum / column.scale for column in profile.columns])
    return _Limits(profile.columns, low - np.abs(low) * ROUNDING, high + np.abs(high) * ROUNDING)


def _of_value(batch: DecodedBatch, limits: _Limits, row: int, place: int) -> Refusal:
    column, raw = limits.columns[place], float(batch.readings.values[row, place])
    if not np.isfinite(raw):
        return Refusal(row, QuarantineReason.NOT_FINITE, f"{column.name} = {raw}")
    value = raw * column.scale
    if raw < limits.low[place]:
        word, limit = "below", column.minimum
    else:
        word, limit = "above", column.maximum
    detail = f"{column.name} = {value:.12g} {column.unit} is {word} {limit:.12g}"
    return Refusal(row, QuarantineReason.LIMIT, detail)
