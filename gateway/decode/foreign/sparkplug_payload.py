"""Payloads of Sparkplug B 3.0 (§6.4): metrics with names, aliases, types and times.

``read_payload`` reads all of it. ``read_data`` reads what nearly every message is, metrics of one
number that a birth has named, and returns None where there is anything else.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

from gateway.decode.foreign.protobuf import (
    BYTES,
    DOUBLE,
    FIXED32,
    FIXED64,
    FLOAT,
    VARINT,
    Field,
    read_fields,
    write_bytes,
    write_number,
)
from gateway.decode.wire import MAX_INT, reject
from gateway.model import QuarantineReason

MAX_METRICS = 4096  # of one message, as rows of ours
_REBIRTH, _BOOLEAN_TYPE = b"Node Control/Rebirth", 11
_MAX_TEXT_BYTES = 1024  # of a name or a text value: longer ones are no measurement

# §6.4.1: fields of Payload and Metric; §6.4.16: data types
_TIMESTAMP, _METRICS, _SEQ = 1, 2, 3
_NAME, _ALIAS, _TIME, _TYPE, _HISTORICAL, _NULL, _PROPERTIES = 1, 2, 3, 4, 5, 7, 9
_INT, _LONG, _FLOAT, _DOUBLE, _BOOLEAN, _STRING = 10, 11, 12, 13, 14, 15
_KEYS, _VALUES, _TEXT_OF_PROPERTY = 1, 2, 8
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}  # Int8 … Int64 come as two's complement
SIGNED_TYPES = frozenset(_SIGNED_BITS)

Value = int | float | bool | str | None


class Metric(NamedTuple):
    """One metric of a payload, as it came."""

    name: str  # "" where only the alias says which it is
    alias: int  # −1 where it has none
    time_ms: int  # 0: that of the payload
    datatype: int  # 0 where only the birth says it
    value: Value  # unsigned where the type is not known yet; None: null, or no number or text
    is_historical: bool = False
    unit: str = ""  # property engUnit


class Payload(NamedTuple):
    """One message."""

    time_ms: int
    seq: int  # −1 where it has none
    metrics: list[Metric]


def read_payload(data: bytes) -> Payload:
    """Return a payload.

    Raises:
        RejectedError: ``encoding``, ``schema`` or ``too_large``.
    """
    time_ms, seq = 0, -1
    metrics: list[Metric] = []
    for field in read_fields(data):
        number = field[0]
        if number == _METRICS:
            if len(metrics) >= MAX_METRICS:
                reject(QuarantineReason.TOO_LARGE, f"more than {MAX_METRICS} metrics")
            metrics.append(_metric(_bytes(field)))
        elif number == _TIMESTAMP:
            time_ms = _time(_number(field))
        elif number == _SEQ:
            seq = _number(field)
    if not 0 <= seq <= 255 and seq != -1:  # noqa: PLR2004  # one byte, §6.4.5
        reject(QuarantineReason.SCHEMA, f"seq {seq} is not 0 to 255")
    return Payload(time_ms, seq, metrics)


def signed(value: Value, datatype: int) -> Value:
    """Return what an integer of that type means: it came unsigned."""
    bits = _SIGNED_BITS.get(datatype)
    if bits is None or type(value) is not int:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def rebirth(now_ms: int) -> bytes:
    """Return the command that asks a node for its births (§6.4.22)."""
    metric = (
        write_bytes(1, _REBIRTH)
        + write_number(3, now_ms)
        + write_number(4, _BOOLEAN_TYPE)
        + write_number(14, 1)
    )
    return write_number(1, now_ms) + write_bytes(2, metric)


def bd_seq_of(payload: Payload) -> int:
    """Return the number of the session (§6.4.21), −1 where the payload does not say it."""
    for metric in payload.metrics:
        if metric.name == "bdSeq" and type(metric.value) is int:
            return metric.value
    return -1


def _metric(data: bytes) -> Metric:
    found: dict[int, Value] = {}
    for field in read_fields(data):
        number = field[0]
        read = _READERS.get(number)
        if read is not None:
            found[min(number, _INT)] = read(field)  # of the values there is one, the last
    get = found.get
    name, alias, time_ms = get(_NAME, ""), get(_ALIAS, -1), get(_TIME, 0)
    if not name and alias == -1:
        reject(QuarantineReason.SCHEMA, "a metric with neither name nor alias")
    datatype = cast("int", get(_TYPE, 0))
    value = None if get(_NULL) else signed(get(_INT), datatype)
    return Metric(
        cast("str", name),
        cast("int", alias),
        cast("int", time_ms),
        datatype,
        value,
        bool(get(_HISTORICAL)),
        cast("str", get(_PROPERTIES, "")),
    )


def _unit(data: bytes) -> str:
    """Return property engUnit of a PropertySet: keys and values are two lists of one length."""
    keys, values = [], []
    for field in read_fields(data):
        if field[0] == _KEYS:
            keys.append(_text(field))
        elif field[0] == _VALUES:
            values.append(_bytes(field))
    if "engUnit" not in keys or keys.index("engUnit") >= len(values):
        return ""
    for field in read_fields(values[keys.index("engUnit")]):
        if field[0] == _TEXT_OF_PROPERTY:
            return _text(field)
    return ""


def _bytes(field: Field) -> bytes:
    number, kind, value = field
    if kind != BYTES or not isinstance(value, bytes):
        reject(QuarantineReason.SCHEMA, f"protobuf field {number} is of kind {kind}")
    return value


def _text(field: Field) -> str:
    raw = _bytes(field)
    if len(raw) > _MAX_TEXT_BYTES:
        reject(QuarantineReason.TOO_LARGE, f"text of {len(raw)} bytes in a metric")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        reject(QuarantineReason.ENCODING, "text that is not UTF-8")


def _number(field: Field) -> int:
    number, kind, value = field
    if kind != VARINT or not isinstance(value, int):
        reject(QuarantineReason.SCHEMA, f"protobuf field {number} is of kind {kind}")
    return value


def _time(value: int) -> int:
    if value > MAX_INT:
        reject(QuarantineReason.TIME, f"time {value} is beyond 2**53 ms")
    return value


def _float(field: Field) -> float:
    number, kind, value = field
    if kind != FIXED32 or not isinstance(value, bytes):
        reject(QuarantineReason.SCHEMA, f"protobuf field {number} is of kind {kind}")
    found: float = FLOAT.unpack(value)[0]
    return found


def _double(field: Field) -> float:
    number, kind, value = field
    if kind != FIXED64 or not isinstance(value, bytes):
        reject(QuarantineReason.SCHEMA, f"protobuf field {number} is of kind {kind}")
    found: float = DOUBLE.unpack(value)[0]
    return found


_READERS: dict[int, Callable[[Field], Value]] = {
    _NAME: _text,
    _ALIAS: _number,
    _TIME: lambda field: _time(_number(field)),
    _TYPE: _number,
    _HISTORICAL: _number,
    _NULL: _number,
    _PROPERTIES: lambda field: _unit(_bytes(field)),
    _INT: _number,
    _LONG: _number,
    _FLOAT: _float,
    _DOUBLE: _double,
    _BOOLEAN: lambda field: _number(field) != 0,
    _STRING: _text,
}
