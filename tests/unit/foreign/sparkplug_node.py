"""A Sparkplug edge node for the tests, written after the specification, not after our decoder.

It builds payloads with ``struct`` and a varint writer of its own.
"""

import struct
from typing import NamedTuple

INT64, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING = 4, 8, 9, 10, 11, 12
TIME_MS = 1_795_300_200_000


def varint(value: int) -> bytes:
    out = b""
    while True:
        value, byte = divmod(value, 128)
        out += bytes([byte + 128 if value else byte])
        if not value:
            return out


def number(field: int, value: int) -> bytes:
    return varint(field * 8) + varint(value)


def chunk(field: int, data: bytes) -> bytes:
    return varint(field * 8 + 2) + varint(len(data)) + data


class M(NamedTuple):
    """One metric as a test writes it."""

    value: float | str | None
    datatype: int
    name: str = ""
    alias: int | None = None
    unit: str = ""
    time_ms: int | None = TIME_MS
    is_historical: bool = False
    says_type: bool = True

    def encode(self) -> bytes:
        out = chunk(1, self.name.encode()) if self.name else b""
        out += number(2, self.alias) if self.alias is not None else b""
        out += number(3, self.time_ms) if self.time_ms is not None else b""
        out += number(4, self.datatype) if self.says_type else b""
        out += number(5, 1) if self.is_historical else b""
        out += number(7, 1) if self.value is None else b""
        if self.unit:
            text = number(1, STRING) + chunk(8, self.unit.encode())
            out += chunk(9, chunk(1, b"engUnit") + chunk(2, text))
        return out + self._value()

    def _value(self) -> bytes:
        value = self.value
        if value is None:
            return b""
        if isinstance(value, str):
            return chunk(15, value.encode())
        if self.datatype == FLOAT:
            return varint(12 * 8 + 5) + struct.pack("<f", value)
        if self.datatype == DOUBLE:
            return varint(13 * 8 + 1) + struct.pack("<d", value)
        if self.datatype == BOOLEAN:
            return number(14, int(value))
        field = 11 if self.datatype in {INT64, UINT64} else 10
        return number(field, int(value) % 2 ** (64 if field == 11 else 32))


def payload(metrics: list[M], seq: int | None = 0, time_ms: int | None = TIME_MS) -> bytes:
    out = number(1, time_ms) if time_ms is not None else b""
    out += b"".join(chunk(2, metric.encode()) for metric in metrics)
    return out + (number(3, seq) if seq is not None else b"")


METER = [
    ("ea_imp", UINT64, 1_234_567, "Wh"),
    ("ea_exp", UINT64, 12_345, "Wh"),
    ("Active Power", DOUBLE, 812.5, "W"),
    ("Voltage L1", FLOAT, 230.1, "V"),
    ("Voltage L2", FLOAT, 229.9, "V"),
    ("Voltage L3", FLOAT, 231.4, "V"),
    ("Frequency", FLOAT, 49.98, "Hz"),
]


def meter_birth(seq: int = 0) -> bytes:
    metrics = [
        M(value, kind, name, alias, unit) for alias, (name, kind, value, unit) in enumerate(METER)
    ]
    return payload([*metrics, M(3, UINT64, "bdSeq")], seq)


def meter_data(seq: int, time_ms: int = TIME_MS, plus: int = 0) -> bytes:
    metrics = [
        M(value + plus, kind, alias=alias, time_ms=time_ms, says_type=False)
        for alias, (_, kind, value, _) in enumerate(METER)
    ]
    return payload(metrics, seq, time_ms)
