"""One value of a foreign payload on its way into a column, or a time of its own.

A number in binary is brought to the column's scaled unit and then to the millionth of it: what
floating point leaves behind (941481.3999999999 Wh) would be billed, and no sensor resolves less.
Three times as fast as decimals, and the same up to 2**53 millionths; beyond, the exact way.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from gateway.decode.instants import Instant
from gateway.decode.linear import compile_linear, number_of
from gateway.decode.paths import MISSING, Path, find
from gateway.decode.wire import MAX_INT
from gateway.errors import RejectedError

MILLIONTHS = 1e6
EXACT = float(1 << 53)


class Reading(Protocol):
    """What a leaf may ask of the message it is in."""

    @property
    def root(self) -> object:
        """The whole payload."""

    @property
    def received_ms(self) -> int:
        """When it came."""


class Scale(NamedTuple):
    """Factor and offset from a unit of the payload to millionths of a column's scaled unit."""

    factor: float
    offset: float

    def apply(self, value: float) -> float | None:
        """Return the value in scaled units, None for one that no column can hold."""
        millionths = value * self.factor + self.offset
        if -EXACT < millionths < EXACT:
            return round(millionths) / MILLIONTHS
        number = millionths / MILLIONTHS
        return number if -MAX_INT <= number <= MAX_INT else None


class Leaf(NamedTuple):
    """A column of a reading and how its value is read."""

    reading: int
    place: int  # in the row [time, value…, status]
    scale: Scale
    codes: Mapping[str, float]  # text → number, in scaled units
    is_code: bool
    unit_at: Path = ()  # where the unit is said; () = it is known
    is_from_root: bool = False
    units: Mapping[str, Scale] | None = None
    adds: bool = False  # to what another path has brought
    is_inverted: bool = False

    @property
    def plain_factor(self) -> float:
        """The factor where it is all there is to a number, else 0."""
        return 0.0 if self.unit_at or self.scale.offset or self.adds else self.scale.factor

    def read(self, value: object, node: object, of: "Reading") -> float | None:
        """Return the value in scaled units, NaN for null, None for what is no such value."""
        if type(value) is str:
            found = self.codes.get(value)
            if found is not None:
                return found
        if value is None:
            return _NAN
        if type(value) is bool:
            named = self.codes.get("true" if value else "false")
            return float(value != self.is_inverted) if self.is_code and named is None else named
        number = _number(value)
        scale = self.scale if not self.unit_at else self._said(node, of.root)
        return None if number is None or scale is None else scale.apply(number)

    def _said(self, node: object, root: object) -> Scale | None:
        word = find(root if self.is_from_root else node, self.unit_at)
        if word is MISSING:
            return self.scale
        return self.units.get(word) if self.units is not None and type(word) is str else None


# A reading that has such a time was not taken at that of its message either: it is stamped.
NO_INSTANT = -1.0


class TimeLeaf(NamedTuple):
    """The time of a reading that has one of its own."""

    reading: int
    instant: Instant
    place: int = 0
    plain_factor: float = 0.0
    adds: bool = False

    def read(self, value: object, node: object, of: Reading) -> float | None:
        """Return milliseconds, NO_INSTANT where it names none, None for what is no time."""
        del node
        try:
            return float(self.instant(value, of.received_ms, 0)) or NO_INSTANT
        except RejectedError:
            return None


_NAN = float("nan")


def _number(value: object) -> float | None:
    if type(value) is float:
        return value if value - value == 0 else None  # neither infinite nor NaN
    if type(value) is not int and type(value) is not str:
        return None
    try:
        found = number_of(value)
        return None if found is None else float(found)
    except (RejectedError, OverflowError):
        return None


def scale_of(factor: float, offset: float, column_scale: float) -> Scale:
    """Return the scale of ``value x factor + offset`` for a column.

    Raises:
        ValueError: a factor is zero, infinite or NaN.
    """
    times, plus, over = compile_linear(factor, offset, 1.0, column_scale)
    return Scale(times * MILLIONTHS / over, plus * MILLIONTHS / over)
