"""From what meters call a value (OBIS code, unit, power of ten) to the columns of a profile.

A code A-B:C.D.E is one integer here. Values are a mantissa and a power of ten in W, Wh, var,
varh, V, A, Hz, so that every sum is exact before it is rounded once.
"""

from fieldnode.core.rounding import rounded

if False:  # for the type checker
    Number = tuple[int, int]  # mantissa, power of ten
    Column = tuple[int, tuple[int, int, int]]

# Power of ten of the column's scaled unit; lowest and highest in it (gateway/profiles/*.toml).
# What lies outside is None here: one impossible value must not take the whole row with it.
_ENERGY = (0, 0, 999_999_999_999)
_COUNT = (0, 0, 0xFFFFFFFF)
_U = (-1, 0, 4000)
_PF = (-3, -1000, 1000)

_EXPONENT_MAX = 9  # no scaler of a meter is beyond; bounds 10**n
_MANTISSA_MAX = 1 << 64  # the widest integer that DLMS and SML carry


def key(a: int, c: int, d: int, e: int) -> int:
    """Return a code as one integer (a small one on every board for A of 0 and 1)."""
    return a << 24 | c << 16 | d << 8 | e


def _e(c: int, d: int = 7, e: int = 0) -> int:
    return key(1, c, d, e)


def columns(profile: str) -> "tuple[Column, ...]":
    """Return code and kind of each column; code -1: no meter knows it.

    A function, so that only the profile in use takes memory.

    Raises:
        ValueError: no meter fills that profile.
    """
    if profile == "pq3":
        return _quality()
    energies = [(_e(c, 8), _ENERGY) for c in (1, 2, 3, 4)]
    if profile == "em1":
        gauges = [(_e(16), _power(30_000)), (_e(32), _U), (_e(31), (-2, -12_000, 12_000))]
        return tuple(energies[:2] + gauges + [(_e(13), _PF)])
    voltages = [(_e(c), _U) for c in (32, 52, 72)]
    frequency = [(_e(14), (-2, 4000, 7000))]
    if profile == "em3":
        powers = [(_e(16), _power(2_000_000))]
        powers.extend([(_e(c), _power(700_000)) for c in (36, 56, 76)])
        currents = [(_e(c), (-2, -300_000, 300_000)) for c in (31, 51, 71)]
        return tuple(energies + powers + voltages + currents + [(_e(13), _PF)] + frequency)
    if profile == "dtm":
        powers = [(_e(c), _power(5_000_000)) for c in (16, 3)]
        currents = [(_e(c), (-1, -80_000, 80_000)) for c in (31, 51, 71)]
        celsius = [(-1, (-1, -500, highest)) for highest in (2000, 2500, 700)]
        return tuple(energies + powers + voltages + currents + frequency + celsius)
    raise ValueError("profile")


def _quality() -> "tuple[Column, ...]":
    means = [(_e(c, 24), (-2, 0, 40_000)) for c in (32, 52, 72)]
    means.append((_e(14, 24), (-3, 40_000, 70_000)))
    none = [(-1, _PF)] * 7  # unbalance, THD, flicker: no meter's telegram has them
    counts = [(_e(32 + 20 * phase, kind), _COUNT) for kind in (32, 36) for phase in range(3)]
    failures = [(key(0, 96, 7, 21), _COUNT), (key(0, 96, 7, 9), _COUNT)]
    return tuple(means + none + counts + failures)


def _power(highest: int) -> "tuple[int, int, int]":
    return (0, -highest, highest)


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


class Collector:
    """Takes in the values of one telegram and gives them as one row of a profile.

    Raises:
        ValueError: no meter fills that profile.
    """

    def __init__(self, profile: str) -> None:
        self._columns = columns(profile)
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
