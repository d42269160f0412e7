"""Values in text, as in DSMR P1 and IEC 62056-21: ``1-0:1.8.0(000123.456*kWh)``."""

from fieldnode.drivers import obis

if False:  # for the type checker
    Number = tuple[int, int]

_DIGITS_MAX = 15  # of a number: 2^53 has 16
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
    return obis.key(medium, parts[0], parts[1], parts[2])


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
