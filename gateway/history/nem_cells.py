"""Cells of NEM12 and NEM13 records: numbers, moments of market time, named by their line."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from gateway.errors import RejectedError
from gateway.history import NO_TIME, FileRefusedError, is_time

_MARKET = timedelta(hours=10)


def cell(record: Sequence[str], place: int) -> str:
    """Return a cell, empty where the record ends before it."""
    return record[place] if place < len(record) else ""


def is_number(text: str) -> bool:
    """Return whether a text is a finite number."""
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def number(line: int, text: str) -> Decimal:
    """Return a number.

    Raises:
        FileRefusedError: it is none.
    """
    if not text.isascii() or not is_number(text):
        raise FileRefusedError(line, f"{text[:32]!r} is no number")
    return Decimal(text)


def value_of(
    line: int, text: str, convert: Callable[[object], float | None], *, is_null: bool
) -> int | None:
    """Return a number in the scaled integers of a column; None where nothing may stand there.

    Raises:
        FileRefusedError: it is no number, or none that a column can have.
    """
    if is_null and not text:
        return None
    try:
        value = convert(number(line, text))
    except RejectedError as error:
        raise FileRefusedError(line, error.detail) from error
    return None if value is None else round(value)


def moment(line: int, text: str, form: str) -> datetime:
    """Return a moment of market time.

    Raises:
        FileRefusedError: it is none.
    """
    try:
        at = datetime.strptime(text, form).replace(tzinfo=UTC) - _MARKET
    except (ValueError, OverflowError):  # the first hours of year 1 are of no year in UTC
        raise FileRefusedError(line, f"{text[:32]!r} is no date") from None
    if not is_time(ms_of(at)):
        raise FileRefusedError(line, f"{text[:32]!r} is {NO_TIME}")
    return at


def ms_of(at: datetime) -> int:
    """Return a moment in Unix ms."""
    return int(at.timestamp()) * 1000
