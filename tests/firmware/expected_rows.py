"""The row that a profile of the gateway wants of decoded values: the other half of the drivers.

Written from gateway/profiles/*.toml in decimal arithmetic; knows nothing of the firmware.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from gateway.profiles import Column, load_profiles

Row = tuple[int | None, ...]
Values = Mapping[str, Decimal]  # by "C.D.E", or "0.96.7.9" for the abstract codes; W, Wh, V, A …

_PROFILES = load_profiles()
_NET = {
    "16.7.0": ("1.7.0", "2.7.0"),
    "36.7.0": ("21.7.0", "22.7.0"),
    "56.7.0": ("41.7.0", "42.7.0"),
    "76.7.0": ("61.7.0", "62.7.0"),
}


def _value(code: str, values: Values) -> Decimal | None:
    if code == "3.7.0" and code in values:
        return values[code] - values.get("4.7.0", Decimal())
    if code in values:
        return values[code]
    if code in _NET and _NET[code][0] in values:
        plus, minus = _NET[code]
        return values[plus] - values.get(minus, Decimal())
    rates = [values[rate] for n in range(1, 5) if (rate := f"{code[:-1]}{n}") in values]
    return sum(rates, Decimal()) if code.endswith(".8.0") and rates else None


def row_of(profile: str, values: Values) -> Row | None:
    """Return the row, None where it would be empty."""
    row: list[int | None] = []
    for column in _PROFILES[profile].columns:
        value = None
        if column.obis:
            medium, code = column.obis.split(":")
            value = _value(code if medium == "1-0" else "0." + code, values)
        row.append(None if value is None else _scaled(value, column))
    return tuple(row) if any(value is not None for value in row) else None


def _scaled(value: Decimal, column: Column) -> int | None:
    """Return the integer to be sent, None where the gateway would refuse it."""
    scale = Decimal(str(column.scale))
    sent = int((value / scale).quantize(Decimal(1), ROUND_HALF_UP))
    return sent if column.minimum <= sent * scale <= column.maximum else None
