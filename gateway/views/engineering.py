"""Stored values (float64 in the scaled units of a profile) as the numbers people read."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from gateway.model import FloatArray, IntArray, Reason
from gateway.profiles import Column

# A mapped foreign payload may carry more digits than the scale of its column: those are kept,
# to this many further decimals. Whole multiples of the scale are exact without them.
FURTHER_DECIMALS = 6

REASON_NAMES = tuple((reason.value, (reason.name or "").lower()) for reason in Reason)


def decimals_of(scale: float) -> int:
    """Return how many decimals a multiple of ``scale`` has: 0.1 → 1, 0.25 → 2, 10 → 0."""
    exponent = Decimal(repr(scale)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def engineer(column: Column, values: FloatArray) -> FloatArray:
    """Return ``values x scale`` rounded to the decimals of the scale, NaN where not measured.

    2304 at 0.1 V is 230.4, not 230.40000000000003.
    """
    if column.scale == 1.0:
        return values
    decimals = decimals_of(column.scale)
    scaled = values * column.scale
    shown = np.round(scaled, decimals)
    is_whole = np.rint(values) == values
    if not np.all(is_whole | np.isnan(values)):
        shown = np.where(is_whole, shown, np.round(scaled, decimals + FURTHER_DECIMALS))
    return shown


def to_numbers(column: Column, values: FloatArray) -> list[int | float | None]:
    """Return the engineering values of a column as JSON has them: integers stay integers."""
    shown = engineer(column, values)
    is_missing = np.isnan(shown)
    has_missing = bool(is_missing.any())
    known = np.where(is_missing, 0.0, shown) if has_missing else shown
    # beyond 2**53 a float64 is no exact integer any more and must not look like one
    is_integral = decimals_of(column.scale) == 0 and bool(
        np.all((np.rint(known) == known) & (np.abs(known) <= 1 << 53))
    )
    numbers: list[int | float | None] = (known.astype(np.int64) if is_integral else known).tolist()
    if has_missing:
        for index in np.flatnonzero(is_missing).tolist():
            numbers[index] = None
    return numbers


def to_number(column: Column, value: float) -> int | float | None:
    """Return one engineering value."""
    return to_numbers(column, np.array([value]))[0]


def to_rfc3339(times_ms: IntArray | Sequence[int]) -> list[str]:
    """Return times as RFC 3339 UTC with milliseconds: ``2026-11-21T22:18:00.000Z``."""
    stamps = np.asarray(times_ms, dtype=np.int64).astype("datetime64[ms]")
    texts: list[str] = np.datetime_as_string(stamps, unit="ms", timezone="UTC").tolist()
    return texts


def time_text(time_ms: int) -> str:
    """Return one time as RFC 3339 UTC with milliseconds."""
    return to_rfc3339([time_ms])[0]


def reason_names(reasons: int) -> list[str]:
    """Return the lower-case names of the reason bits, lowest bit first."""
    return [name for bit, name in REASON_NAMES if reasons & bit]


def reason_lists(reasons: IntArray) -> list[list[str]]:
    """Return the reasons of many readings; equal ones share one list."""
    distinct, inverse = np.unique(reasons, return_inverse=True)
    lists = [reason_names(bits) for bits in distinct.tolist()]
    return [lists[index] for index in inverse.tolist()]
