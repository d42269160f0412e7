"""Numbers of foreign payloads, and their way into a profile's scaled units without a loss.

941.4814 kWh must become 941481.4 Wh, not 941481.3999999999: a register is differenced, so what
floating point leaves behind would be billed. Decimals and exact fractions cost no more than the
rounding that would mend it.
"""

import re
from collections.abc import Callable
from decimal import Decimal, DecimalException
from fractions import Fraction
from math import isfinite, lcm
from typing import NamedTuple

from gateway.decode.wire import MAX_INT, reject
from gateway.model import QuarantineReason

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
_MAX_NUMBER_CHARS = 64
_SMALLEST_UNIT = 1_000_000  # no two units of the field differ by a stranger ratio than 1:3600000


Converter = Callable[[object], float | None]


class Linear(NamedTuple):
    """``(value x times + plus) / over``, all integers."""

    times: int
    plus: int
    over: int

    def apply(self, value: object) -> float | None:
        """Return the converted value, None for null.

        Raises:
            RejectedError: ``schema``, it is no number; ``limit``, it is too large for any profile.
        """
        exact = number_of(value)
        if exact is None:
            return None
        times, plus, over = self
        try:
            if times != 1:
                exact *= times
            if plus:
                exact += plus
            number = float(exact if over == 1 else exact / over)
        except (DecimalException, OverflowError):
            reject(QuarantineReason.LIMIT, "a number beyond 2**53")
        if not -MAX_INT <= number <= MAX_INT:
            reject(QuarantineReason.LIMIT, f"{value} is beyond 2**53")
        return number

    def converter(self) -> Converter:
        """Return what does the same as ``apply``, sooner where it is only a factor."""
        factor, decimal_factor = self.times, Decimal(self.times)
        if self.plus or self.over != 1:
            return self.apply

        def convert(value: object) -> float | None:
            try:
                if type(value) is Decimal:
                    number = float(value * decimal_factor)
                elif type(value) is int:
                    number = value * factor
                else:
                    return self.apply(value)
            except DecimalException:
                return self.apply(value)
            return number if -MAX_INT <= number <= MAX_INT else self.apply(value)

        return convert


def compile_linear(scale: float, offset: float, unit_factor: float, column_scale: float) -> Linear:
    """Return ``(value x scale + offset) x unit_factor / column_scale`` as one exact step.

    Raises:
        ValueError: a factor is zero, infinite or NaN.
    """
    if not (isfinite(scale) and isfinite(offset)) or not scale:
        raise ValueError("scale and offset must be finite, scale not zero")
    unit = _exact(unit_factor) / _exact(column_scale)
    times, plus = _exact(scale) * unit, _exact(offset) * unit
    over = lcm(times.denominator, plus.denominator)
    return Linear(int(times * over), int(plus * over), over)


def _exact(number: float) -> Fraction:
    """Return what was meant: 1/3600 for 0.0002777777777777778, 1/10 for 0.1."""
    meant = Fraction(number).limit_denominator(_SMALLEST_UNIT)
    is_close = abs(meant - Fraction(number)) <= abs(Fraction(number)) / 2**50
    return meant if is_close else Fraction(repr(number))


def number_of(value: object) -> int | Decimal | None:
    """Return a JSON number, or a string that is one decimal number in full; None for null.

    Raises:
        RejectedError: it is anything else.
    """
    if type(value) is int or isinstance(value, Decimal) or value is None:  # bool is no number
        return value
    if not isinstance(value, str) or len(value) > _MAX_NUMBER_CHARS or not _NUMBER.match(value):
        reject(QuarantineReason.SCHEMA, f"{str(value)[:64]!r} is not a number")
    return Decimal(value)
