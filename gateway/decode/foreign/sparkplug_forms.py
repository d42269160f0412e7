"""Rows of Sparkplug messages: what a metric's number is in its column, one by one and at once."""

from collections.abc import Sequence
from math import isfinite, nan
from typing import NamedTuple, cast

import numpy as np
from typing_extensions import override

from gateway.decode.foreign.quantities import Place
from gateway.decode.foreign.sparkplug_payload import SIGNED_TYPES, Value, signed
from gateway.decode.foreign.sparkplug_shape import Form
from gateway.decode.wire import MAX_INT
from gateway.model import FloatArray
from gateway.profiles import Profile

_FLOAT_TYPE = 9
# Values are rounded to parts of a column's scaled unit: what floating point leaves behind is
# smaller (941481.3999999999), what a sensor resolves larger. Single precision has seven digits.
_PARTS, _SINGLE_PARTS = 1e6, 1e3


class Scale(NamedTuple):
    """The way from a metric's number to its column's; the same for one value and for many."""

    at: int  # in a row
    factor: float
    zero: float  # of the column where the metric is 0; other than 0 only where a mapping says so
    parts: float  # of a scaled unit that are kept
    most: float  # from here on parts are no longer exact
    datatype: int

    @classmethod
    def of(cls, place: Place, datatype: int) -> "Scale":
        """Return the scale of a metric of that type."""
        zero = float(place.convert(0) or 0.0)
        factor = float(place.convert(1) or 0.0) - zero
        parts = _SINGLE_PARTS if datatype == _FLOAT_TYPE else _PARTS
        most = (MAX_INT / parts - abs(zero)) / max(abs(factor), 1.0)
        return cls(place.at, factor, zero, parts, most, datatype)

    @property
    def is_signed(self) -> bool:
        """Whether integers come as two's complement."""
        return self.datatype in SIGNED_TYPES

    def apply(self, raw: float) -> float:
        """Return the number of the column; not finite is NaN, not measured.

        One that no column could hold is as it is: ``screen`` refuses the row for its limits.
        """
        if -self.most < raw < self.most:
            return round(raw * (self.factor * self.parts) + self.zero * self.parts) / self.parts
        return raw * self.factor + self.zero if isfinite(raw) else nan


class Shape:
    """How messages of a form become rows of a profile; implements ``ports.Raw``."""

    def __init__(self, form: Form, profile: Profile, scales: Sequence[Scale]) -> None:
        self.take = form
        self.profile, self.sector = profile.name, profile.sector
        self.count = len(scales)
        self.signed = [(at, scale.datatype) for at, scale in enumerate(scales) if scale.is_signed]
        self._width = len(profile.columns) + 2
        self._places = [scale.at for scale in scales]
        self._factors = np.array([scale.factor for scale in scales])
        self._zeros = np.array([scale.zero for scale in scales])
        self._parts = np.array([scale.parts for scale in scales])
        self._most = np.array([scale.most for scale in scales])

    @override
    def __repr__(self) -> str:
        """Return what it is, for people."""
        return f"Shape({self.profile}, {self.count} metrics)"

    def rows(self, values: FloatArray) -> FloatArray:
        """Return rows [0, value…, status] in scaled units; ``values`` has shape (n, count)."""
        with np.errstate(invalid="ignore", over="ignore"):
            parts = values * (self._factors * self._parts) + self._zeros * self._parts
            exact = np.rint(parts) / self._parts
            is_exact = np.abs(values) < self._most
            scaled = np.where(is_exact, exact, values * self._factors + self._zeros)
        scaled[~np.isfinite(values)] = np.nan
        table = np.full((len(values), self._width), np.nan)
        table[:, 0] = 0
        table[:, self._places] = scaled
        return table


def is_number(value: Value) -> bool:
    """Return whether a value can be one of a column."""
    return type(value) is int or type(value) is float


def with_signs(values: Sequence[float], places: Sequence[tuple[int, int]]) -> Sequence[float]:
    """Return numbers with those of signed types made what they mean."""
    found = list(values)
    for at, datatype in places:
        if type(found[at]) is int:
            found[at] = cast("int", signed(found[at], datatype))
    return found
