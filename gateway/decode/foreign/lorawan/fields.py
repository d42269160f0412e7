"""Fields of codec files, compiled: bytes at a place of a frame to named values."""

import math
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from gateway.decode.foreign.lorawan.forms import BitsForm, FieldForm
from gateway.decode.foreign.lorawan.formula import Formula, compile_formula
from gateway.decode.foreign.lorawan.numbers import Kind, Order, Raw, parse_kind, raws_of
from gateway.decode.wire import reject
from gateway.model import QuarantineReason

_SLOT = re.compile(r"\{(\d)\}")
_MIN_PER_H = 60
_MAX_WHOLE = 1 << 63  # JSON of a report takes no longer integers
RAW = "x"  # what a formula of a tagged field calls it

Values = dict[str, object]


class Line(NamedTuple):
    """``(raw x times + plus) / over`` in whole numbers: 308 tenths are 30.8, to the last bit."""

    times: int
    plus: int
    over: int

    def apply(self, raw: float) -> float:
        """Return the value; a whole one as an integer."""
        number = raw * self.times + self.plus
        if type(number) is int and number % self.over == 0 and abs(number) < _MAX_WHOLE:
            return number // self.over
        return number / self.over


def line_of(scale: float, offset: float) -> Line:
    """Return the line of two factors, taken as they are written."""
    times, plus = Fraction(str(scale)), Fraction(str(offset))
    over = math.lcm(times.denominator, plus.denominator)
    return Line(int(times * over), int(plus * over), over)


def words_of(said: tuple[str, ...] | Mapping[str, str]) -> dict[int, str]:
    """Return the texts by raw value.

    Raises:
        ValueError: a key is no whole number.
    """
    if isinstance(said, tuple):
        return dict(enumerate(said))
    return {int(raw, 0): text for raw, text in said.items()}


class _Number(NamedTuple):
    """What a number means."""

    line: Line
    formula: Formula | None
    digits: int | None
    words: Mapping[int, str]

    def value(self, raw: float) -> object:
        """Return its value or word, None where there is none."""
        if type(raw) is int and raw in self.words:
            return self.words[raw]
        number = self.formula({RAW: raw}) if self.formula else self.line.apply(raw)
        if not math.isfinite(number):
            return None
        return number if self.digits is None else round(number, self.digits)


class _Bits(NamedTuple):
    name: str
    at: int
    width: int
    is_signed: bool
    number: _Number
    raws: tuple[int, int] | None
    text: str

    def put(self, raw: int, into: Values) -> None:
        number = raw >> self.at & (1 << self.width) - 1
        if self.is_signed and number >> self.width - 1:
            number -= 1 << self.width
        if self.raws is not None and not self.raws[0] <= number <= self.raws[1]:
            return
        value = self.text or self.number.value(number)
        if value is not None:
            put(into, self.name, value)


class Field(NamedTuple):
    """A field, compiled."""

    name: str
    kind: Kind
    number: _Number
    flags: tuple[str, ...]
    is_clock: bool
    none: frozenset[int]
    limits: tuple[float, float]
    when: tuple[tuple[str, int], ...]
    text: str
    bits: tuple[_Bits, ...]
    is_time: bool

    def put(self, raw: Raw, into: Values) -> None:
        """Put what a raw value says among the values.

        Raises:
            RejectedError: ``schema``, it is beyond the limits of its layout.
        """
        if self.bits:
            of: Values = {} if self.name else into
            for one in self.bits:
                one.put(raw if type(raw) is int else 0, of)
            if self.name:
                put(into, self.name, of)
        elif self.name and raw not in self.none:
            value = self._value(raw)
            if value is not None:
                put(into, self.name, value)

    def _value(self, raw: Raw) -> object:
        if type(raw) is tuple:
            return _SLOT.sub(lambda slot: _piece(raw, int(slot[1])), self.text)
        if type(raw) is int and self.flags:
            return [name for bit, name in enumerate(self.flags) if raw >> bit & 1]
        if type(raw) is int and self.is_clock:
            return f"{raw // _MIN_PER_H:02d}:{raw % _MIN_PER_H:02d}"
        if type(raw) is not int and type(raw) is not float:
            return raw
        value = self.number.value(raw)
        low, high = self.limits
        if isinstance(value, int | float) and not low <= value <= high:
            reject(QuarantineReason.SCHEMA, f"{self.name} {value} is of another layout")
        return value


def _piece(raw: tuple[int, ...], place: int) -> str:
    return str(raw[place]) if place < len(raw) else ""


def put(into: Values, name: str, value: object) -> None:
    """Put a value under its name; what stood there before is kept, too."""
    if name in into:
        kept = into.setdefault("before", {})
        if type(kept) is dict:
            kept.setdefault(name, []).append(into[name])
    into[name] = value


def compile_field(form: FieldForm, order: Order) -> Field:
    """Return a field of a tagged layout.

    Raises:
        ValueError: names what is wrong.
    """
    kind = parse_kind(form.kind, order)
    number = _number(form)
    _check_raws(form.name, (*number.words, *form.none), kind.raws)
    return Field(
        form.name,
        kind,
        number,
        form.flags,
        form.clock,
        frozenset(form.none),
        (
            -math.inf if form.min is None else form.min,
            math.inf if form.max is None else form.max,
        ),
        tuple(form.when.items()),
        form.text,
        tuple(map(_compile_bits, form.bits)),
        form.time,
    )


def _number(form: FieldForm | BitsForm) -> _Number:
    formula = compile_formula(form.formula, (RAW,)) if form.formula else None
    return _Number(line_of(form.scale, form.offset), formula, form.digits, words_of(form.words))


def _compile_bits(form: BitsForm) -> _Bits:
    number = _number(form)
    _check_raws(form.name, number.words, raws_of(form.count, is_signed=form.signed))
    return _Bits(form.name, form.at, form.count, form.signed, number, form.raws, form.text)


def _check_raws(name: str, said: Iterable[int], raws: range) -> None:
    """See that raws that mean something of their own can come.

    Of an ``i16`` 0xffff cannot: it reads -1, which would be stored as if it were measured.

    Raises:
        ValueError: names the first that cannot.
    """
    for raw in said:
        if raw not in raws:
            span = f"from {raws[0]} to {raws[-1]}" if raws else "a whole number at all"
            raise ValueError(f"{name}: raw {raw} is not {span}, so it never comes")


class Entry(NamedTuple):
    """Fields in a row."""

    name: str  # for people
    fields: tuple[Field, ...]
    is_record: bool
    list_name: str
    is_last: bool
    says: Mapping[str, str | int]

    def read(self, frame: bytes, at: int, into: Values) -> tuple[int, int | None]:
        """Put the values from a byte on; return where it ends and the time it says, if any.

        Raises:
            RejectedError: ``schema``, the frame ends within it.
        """
        time_s = None
        into.update(self.says)
        raws: dict[str, Raw] = {}
        for field in self.fields:
            if any(raws.get(name) != raw for name, raw in field.when):
                continue
            size, read, _ = field.kind
            if size < 0:
                size, at = (frame[at] if at < len(frame) else len(frame)), at + 1
            end = at + size
            if end > len(frame):
                reject(
                    QuarantineReason.SCHEMA,
                    f"the frame of {len(frame)} bytes ends within entry {self.name}",
                )
            raw = read(frame[at:end])
            at, raws[field.name] = end, raw
            if field.is_time and type(raw) is int:
                time_s = raw
            else:
                field.put(raw, into)
        return at, time_s
