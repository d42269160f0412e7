"""What telegrams of meters have in common: registers by OBIS code, and their way into a row.

A profile's columns carry OBIS codes (IEC 62056-6-1), so a telegram needs no table of its own. Some
columns are not sent but follow from what is:

* a total is the sum of its tariff registers (1.8.0 = 1.8.1 + 1.8.2 …), where the meter sends those
  only: that is what its tariffs are;
* power is import less export (16.7.0 = 1.7.0 - 2.7.0). A meter counts one of them at a time, so
  import alone tells it, unless import is 0 and export unknown: then it stays null.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from gateway.decode.linear import Converter, compile_linear
from gateway.decode.wire import reject
from gateway.errors import ConfigError
from gateway.model import QuarantineReason
from gateway.profiles import Profile
from gateway.units import factor_between

Number = int | Decimal
MAX_TARIFFS = 8  # the most a meter of the field has; DLMS would allow 63
MAX_REGISTERS = 512  # of a telegram; the longest recorded one has 45. Bounds a hostile one.

_NET = {
    "1-0:16.7.0": ("1-0:1.7.0", "1-0:2.7.0"),
    "1-0:36.7.0": ("1-0:21.7.0", "1-0:22.7.0"),
    "1-0:56.7.0": ("1-0:41.7.0", "1-0:42.7.0"),
    "1-0:76.7.0": ("1-0:61.7.0", "1-0:62.7.0"),
}


class Register(NamedTuple):
    """One number with the unit that the meter says it has."""

    value: Number
    unit: str


class SubMeter(NamedTuple):
    """A meter of another medium that is read through this one (M-Bus)."""

    channel: int
    medium: int  # M-Bus device type (EN 13757-3): 3 gas, 4 heat, 7 water
    serial: str
    time_ms: int  # when the register was read there, which may be an hour ago
    register: Register


class Telegram(NamedTuple):
    """What one telegram says."""

    serial: str  # of the meter, "" where it does not say
    time_ms: int  # 0: it has no clock, or does not trust it
    registers: Mapping[str, Register]  # by OBIS code, "1-0:1.8.0"
    sub_meters: Sequence[SubMeter] = ()
    status: int = 0  # AMR status byte: what the row deserves that comes of it
    wall: datetime | None = None  # what its clock shows, in a zone that it does not say
    media: Sequence[int] = ()  # of all meters behind it, with a reading now or without


def row_of(telegram: Telegram, profile: Profile) -> list[float | None]:
    """Return a row ``[0, value…, status]`` of the profile; null what the telegram does not say.

    Raises:
        RejectedError: a register has a unit that its column cannot have.
    """
    row: list[float | None] = [0.0]
    for column in profile.columns:
        register = _find(telegram.registers, column.obis) if column.obis else None
        if register is None:
            row.append(None)
            continue
        convert = converter(register.unit, column.unit, column.scale)
        if convert is None:
            detail = f"{column.obis} is in {register.unit!r}, not in {column.unit!r}"
            reject(QuarantineReason.SCHEMA, detail)
        row.append(convert(register.value))
    row.append(telegram.status)
    return row


def is_empty(row: Sequence[float | None]) -> bool:
    """Return whether no column of a row has a value."""
    return all(value is None for value in row[1:-1])


@lru_cache(maxsize=1024)  # units of telegrams are text of the sender: bounded
def converter(unit: str, column_unit: str, column_scale: float) -> Converter | None:
    """Return what turns values of ``unit`` into a column's; None where they measure other things.

    m3 and m³ are one, as are all spellings that differ by their case only where no two units do.
    """
    try:
        factor = factor_between(_SPELLINGS.get(unit, unit), column_unit)
    except ConfigError:
        return None
    return compile_linear(1.0, 0.0, factor, column_scale).converter()


_SPELLINGS = {"m3": "m³", "KWH": "kWh", "WH": "Wh", "KW": "kW", "kVArh": "kvarh", "kVAr": "kvar"}


def _find(registers: Mapping[str, Register], code: str) -> Register | None:
    found = registers.get(code)
    if found is not None:
        return found
    if code in _NET:
        return _net(*(registers.get(each) for each in _NET[code]))
    if code.endswith(".8.0"):
        return _total(registers, code[:-1])
    return None


def _total(registers: Mapping[str, Register], stem: str) -> Register | None:
    tariffs = [registers.get(f"{stem}{tariff}") for tariff in range(1, MAX_TARIFFS + 1)]
    present = [register for register in tariffs if register is not None]
    if not present or len({register.unit for register in present}) > 1:
        return None
    return Register(_sum(register.value for register in present), present[0].unit)


def _net(into: Register | None, out: Register | None) -> Register | None:
    if into is None or (out is None and not into.value):
        return None
    if out is None:
        return into
    if out.unit != into.unit:
        return None
    return Register(_sum((into.value, -out.value)), into.unit)


def _sum(values: Iterable[Number]) -> Number:
    total: Number = 0
    for value in values:
        total = total + value
    return total
