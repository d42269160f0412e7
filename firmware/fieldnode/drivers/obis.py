"""From what meters call a value (OBIS code, unit, power of ten) to the columns of a profile.

A code A-B:C.D.E is one integer here. Values are a mantissa and a power of ten in W, Wh, var,
varh, V, A, Hz, so that every sum is exact before it is rounded once.
"""

from fieldnode.core.policy import rounded

# Power of ten of the column's scaled unit; lowest and highest in it (gateway/profiles/*.toml).
# What lies outside is None here: one impossible value must not take the whole row with it.
_ENERGY = (0, 0, 999_999_999_999)
_COUNT = (0, 0, 0xFFFFFFFF)
_U = (-1, 0, 4000)
_FINE_U = (-2, 0, 40_000)
_PERCENT = (-2, 0, 40_000)
_FLICKER = (-3, 0, 100_000)
_CELSIUS = (-1, -500, 2000)
_PF = (-3, -1000, 1000)

_EXPONENT_MAX = 9  # no scaler of a meter is beyond; bounds 10**n
_DIGITS_MAX = 15  # of a number in text: 2^53 has 16
_MANTISSA_MAX = 1 << 64  # the widest integer that DLMS and SML carry


def key(a: int, c: int, d: int, e: int) -> int:
    """Return a code as one integer (a small one on every board for A of 0 and 1)."""
    return a << 24 | c << 16 | d << 8 | e


def _e(c: int, d: int = 7, e: int = 0) -> int:
    return key(1, c, d, e)


_REGISTERS = ((_e(1, 8), _ENERGY), (_e(2, 8), _ENERGY))
_REACTIVE = ((_e(3, 8), _ENERGY), (_e(4, 8), _ENERGY))
_VOLTAGES = ((_e(32), _U), (_e(52), _U), (_e(72), _U))


def _power(highest: int) -> "tuple[int, int, int]":
    return (0, -highest, highest)


def _currents(exponent: int, highest: int) -> "tuple[tuple[int, tuple[int, int, int]], ...]":
    kind = (exponent, -highest, highest)
    return ((_e(31), kind), (_e(51), kind), (_e(71), kind))


_NO_METER = ((-1, _PERCENT),) * 3 + ((-1, _FLICKER),) * 3

PROFILES = {
    "em1": _REGISTERS
    + (
        (_e(16), _power(30_000)),
        (_e(32), _U),
        (_e(31), (-2, -12_000, 12_000)),
        (_e(13), _PF),
    ),
    "em3": _REGISTERS
    + _REACTIVE
    + (
        (_e(16), _power(2_000_000)),
        (_e(36), _power(700_000)),
        (_e(56), _power(700_000)),
        (_e(76), _power(700_000)),
    )
    + _VOLTAGES
    + _currents(-2, 300_000)
    + ((_e(13), _PF), (_e(14), (-2, 4000, 7000))),
    "dtm": _REGISTERS
    + _REACTIVE
    + ((_e(16), _power(5_000_000)), (_e(3), _power(5_000_000)))
    + _VOLTAGES
    + _currents(-1, 80_000)
    + (
        (_e(14), (-2, 4000, 7000)),
        (-1, _CELSIUS),  # no meter knows the temperatures of a transformer
        (-1, (-1, -500, 2500)),
        (-1, (-1, -500, 700)),
    ),
    "pq3": (
        (_e(32, 24), _FINE_U),
        (_e(52, 24), _FINE_U),
        (_e(72, 24), _FINE_U),
        (_e(14, 24), (-3, 40_000, 70_000)),
        (-1, (-2, 0, 10_000)),
    )
    + _NO_METER
    + tuple([(_e(32 + 20 * phase, kind), _COUNT) for kind in (32, 36) for phase in range(3)])
    + ((key(0, 96, 7, 21), _COUNT), (key(0, 96, 7, 9), _COUNT)),
}

# Where a meter has no signed value: import minus export (no export known: import is all).
_DIFFERENCES = {
    _e(16): (_e(1), _e(2)),
    _e(36): (_e(21), _e(22)),
    _e(56): (_e(41), _e(42)),
    _e(76): (_e(61), _e(62)),
    _e(3): (_e(3), _e(4)),
}
_INSTEAD = {_e(32): _e(12), _e(31): _e(11)}  # "any phase" of single-phase meters
_TARIFFS = 4  # rates 1.8.1 … 1.8.4 (DSMR has 2), summed where there is no 1.8.0

if False:  # for the type checker
    Number = tuple[int, int]  # mantissa, power of ten


class Collector:
    """Takes in the values of one telegram and gives them as one row of a profile.

    Raises:
        ValueError: no meter fills that profile.
    """

    def __init__(self, profile: str) -> None:
        if profile not in PROFILES:
            raise ValueError("profile")
        self._columns = PROFILES[profile]
        # Bounds what is kept of a telegram of any length: only what a column can use.
        self._wanted = set()
        for code, _ in self._columns:
            self._wanted.update(_sources(code))
        self._values: "dict[int, Number | None]" = {}
        self.implausible = 0  # values outside of the limits, since boot

    def clear(self) -> None:
        """Forget the telegram."""
        self._values.clear()

    def put(self, code: int, mantissa: "int | None", exponent: int) -> None:
        """Take in a value; None where the meter says that it has none. The first one holds."""
        if code not in self._wanted or code in self._values:
            return
        if mantissa is not None and (
            abs(mantissa) > _MANTISSA_MAX or abs(exponent) > _EXPONENT_MAX
        ):
            mantissa = None
        self._values[code] = None if mantissa is None else (mantissa, exponent)

    def row(self) -> "tuple[int | None, ...] | None":
        """Return the row, None where no column has a value; and forget the telegram."""
        row = [self._column(code, kind) for code, kind in self._columns]
        self.clear()
        return tuple(row) if [value for value in row if value is not None] else None

    def _column(self, code: int, kind: "tuple[int, int, int]") -> "int | None":
        number = self._number(code)
        if number is None:
            return None
        value = scaled(number, kind[0])
        if kind[1] <= value <= kind[2]:
            return value
        self.implausible += 1
        return None

    def _number(self, code: int) -> "Number | None":
        known = self._values
        if code in _DIFFERENCES:
            plus, minus = _DIFFERENCES[code]
            if plus == code or code not in known:
                return _less(known.get(plus), known.get(minus, (0, 0)))
        if code in known:
            return known[code]
        if code in _INSTEAD:
            return known.get(_INSTEAD[code])
        total: "Number | None" = None
        for rate in _rates(code):
            if rate in known:
                total = _more(total or (0, 0), known[rate])
                if total is None:
                    return None  # one rate is missing: the sum would go backwards
        return total


def _rates(code: int) -> "range":
    is_energy = code >> 8 & 255 == 8
    return range(code + 1, code + 1 + _TARIFFS) if is_energy and code > 0 else range(0)


def _sources(code: int) -> "list[int]":
    sources = [code, _INSTEAD.get(code, code)]
    sources.extend(_DIFFERENCES.get(code, ()))
    sources.extend(_rates(code))
    return [source for source in sources if source >= 0]


def _more(one: "Number | None", other: "Number | None", sign: int = 1) -> "Number | None":
    if one is None or other is None:
        return None
    exponent = min(one[1], other[1])
    total = one[0] * 10 ** (one[1] - exponent) + sign * other[0] * 10 ** (other[1] - exponent)
    return total, exponent


def _less(one: "Number | None", other: "Number | None") -> "Number | None":
    return _more(one, other, -1)


def scaled(number: "Number", exponent: int) -> int:
    """Return the number in units of 10^exponent, rounded half away from zero."""
    mantissa, own = number
    if own >= exponent:
        value: int = mantissa * 10 ** (own - exponent)
        return value
    return rounded(mantissa, 10 ** (exponent - own))


# -- text, as in DSMR P1 and IEC 62056-21 --------------------------------------------------------

_UNITS = (b"", b"w", b"wh", b"var", b"varh", b"v", b"a", b"hz")
_PREFIXES = {b"k": 3, b"m": 6}  # in lower case: M is mega, no meter writes milli


def read_line(line: bytes) -> "tuple[int, int | None, int] | None":
    """Return code, mantissa and power of ten of ``1-0:1.8.0(000123.456*kWh)``.

    None where the line has no such code; the mantissa is None where the value is no number.
    """
    start = line.find(b"(")
    end = line.find(b")", start + 1)
    if start < 0 or end < 0:
        return None
    code = _read_code(line[:start])
    if code < 0:
        return None
    number = _read_value(line[start + 1 : end])
    return (code, None, 0) if number is None else (code, number[0], number[1])


def _digits(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) <= _DIGITS_MAX else -1


def _read_code(text: bytes) -> int:
    medium = 1
    if b":" in text:
        before, text = text.split(b":", 1)
        medium = _digits(before.split(b"-")[0])
    parts = [_digits(part) for part in text.replace(b"*", b".").replace(b"&", b".").split(b".")]
    if len(parts) == 2:
        parts.append(0)
    if len(parts) == 4 and parts.pop() != 255:  # F: a value of the past, such as 1.8.0*01
        return -1
    if len(parts) != 3 or min(parts) < 0 or max(parts) > 255 or not 0 <= medium <= 1:
        return -1
    return key(medium, parts[0], parts[1], parts[2])


def _read_value(text: bytes) -> "Number | None":
    unit = b""
    if b"*" in text:
        text, unit = text.split(b"*", 1)
    unit = unit.lower()
    exponent = _PREFIXES.get(unit[:1], 0)
    if (unit[1:] if exponent else unit) not in _UNITS:
        return None
    sign = -1 if text[:1] == b"-" else 1
    text = text[1:] if sign < 0 else text
    if b"." in text:
        whole, fraction = text.split(b".", 1)
        text = whole + fraction
        exponent -= len(fraction)
    mantissa = _digits(text)
    return None if mantissa < 0 else (sign * mantissa, exponent)
