"""Influx line protocol: one point, one line, or an error; never another series.

What a server could read differently from what was meant is refused, not altered: control
characters, a backslash at the end of an identifier (it would swallow the delimiter), names that
servers keep for themselves. The lines are those of influxdata/line-protocol's test vectors.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal

from gateway.errors import SinkRefusedError

FieldValue = bool | int | float | str

_INT64_MAX = (1 << 63) - 1
# Go's strconv 'g' with shortest digits, which the vectors were made with
_SMALLEST_PLAIN_EXPONENT = -4
_LARGEST_PLAIN_EXPONENT = 5
# InfluxDB 1 drops a tag or field called time, 2 and 3 keep the other two for themselves
_RESERVED = frozenset({"time", "_field", "_measurement"})

_CONTROL = re.compile("[\\x00-\\x1f\\x7f]")

_ESCAPE_NAME = str.maketrans({",": r"\,", " ": r"\ "})
_ESCAPE_KEY = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})
_ESCAPE_TEXT = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class UnwritableError(SinkRefusedError):
    """A point that line protocol cannot carry unharmed; no server is asked."""


def encode_point(
    name: str, tags: Mapping[str, str], fields: Mapping[str, FieldValue], time: int
) -> bytes:
    """Return the line of one point; ``time`` is in the unit the request names.

    Raises:
        UnwritableError: the point cannot be represented.
    """
    if not fields:
        raise UnwritableError(f"point {name!r} has no field")
    if not -_INT64_MAX <= time <= _INT64_MAX:
        raise UnwritableError(f"time {time} is outside 64 bits")
    pairs = ",".join(f"{_key(key, tags)}={_value(fields[key])}" for key in fields)
    return series_prefix(name, tags) + f"{pairs} {time}".encode()


def series_prefix(name: str, tags: Mapping[str, str]) -> bytes:
    """Return measurement and sorted tags, escaped, with the space that the fields follow.

    Raises:
        UnwritableError: a name, tag key or tag value cannot be represented.
    """
    if name.startswith("#"):  # a comment to every parser: the line would vanish without error
        raise UnwritableError(f"measurement {name!r} would be a comment")
    parts = [_checked(name, "measurement").translate(_ESCAPE_NAME)]
    for key in sorted(tags):
        value = _checked(tags[key], f"value of tag {key!r}").translate(_ESCAPE_KEY)
        parts.append(f"{_key(key, {})}={value}")
    return (",".join(parts) + " ").encode()


def _key(key: str, tags: Mapping[str, str]) -> str:
    if key in _RESERVED:
        raise UnwritableError(f"key {key!r} is reserved by the servers")
    if key in tags:  # InfluxDB 3 refuses it, 1 and 2 make queries ambiguous
        raise UnwritableError(f"{key!r} is both a tag and a field")
    return _checked(key, "key").translate(_ESCAPE_KEY)


def _checked(text: str, what: str) -> str:
    if not text:
        raise UnwritableError(f"empty {what}")
    if text.endswith("\\"):
        raise UnwritableError(f"{what} {text!r} ends with a backslash")
    if _CONTROL.search(text):
        raise UnwritableError(f"{what} {text!r} has a control character")
    return _encodable(text, what)


def _encodable(text: str, what: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnwritableError(f"{what} {text!r} is not Unicode text") from error
    return text


def _value(value: FieldValue) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            if not -_INT64_MAX - 1 <= value <= _INT64_MAX:
                raise UnwritableError(f"integer {value} is outside 64 bits")
            return f"{value}i"
        case float():
            return format_float(value)
        case str():
            if "\0" in value:
                raise UnwritableError("a text field has a NUL character")
            return f'"{_encodable(value, "text field").translate(_ESCAPE_TEXT)}"'


def format_float(value: float) -> str:
    """Return the shortest digits that read back as ``value``, written as Go's ``'g'`` does.

    Raises:
        UnwritableError: NaN or infinite, which InfluxDB refuses and VictoriaMetrics swallows.
    """
    if not math.isfinite(value):
        raise UnwritableError(f"{value} is not a finite number")
    digits = Decimal(repr(value)).normalize()
    if _SMALLEST_PLAIN_EXPONENT <= digits.adjusted() <= _LARGEST_PLAIN_EXPONENT or not value:
        return f"{digits:f}"
    # from these digits: at a power of two the shortest ones are not the nearest of their number
    text = "".join(map(str, digits.as_tuple().digits))
    mantissa = f"{text[0]}.{text[1:]}" if len(text) > 1 else text
    return f"{'-' if value < 0 else ''}{mantissa}e{digits.adjusted():+03d}"
