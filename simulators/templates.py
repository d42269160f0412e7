"""Packets by the thousand: one template per device, and numpy writes what changes in place.

Every packet of a run has the same length, so a block of devices is one contiguous piece of
memory that one ``send`` takes. Numbers in JSON are padded with leading blanks, which JSON
allows and which keeps their place.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators import wire
from simulators.homes import WATT_MS_PER_WH

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
_IDS = 65_535  # packet ids, from 1
_CHUNK = 10_000  # four digits are looked up at once
_POWER_FACTOR = 950  # ‰


def _four_digits() -> NDArray[np.uint32]:
    """Return text for 0-9999: first blank-padded, then (from 10,000) zero-padded."""
    padded = [f"{k:4d}" for k in range(_CHUNK)] + [f"{k:04d}" for k in range(_CHUNK)]
    return np.frombuffer("".join(padded).encode(), dtype=np.uint32)


_DIGITS = _four_digits()


@dataclass(frozen=True)
class Shape:
    """What every message of a run looks like."""

    devices: int
    batch: int = 1
    payload_format: Literal["json", "cbor"] = "json"
    qos: int = 1
    org: str = "load"
    log: int = 1
    spacing_ms: int = 1000
    payload_bytes: int = 0  # filled up to here by a key that nobody knows

    def device(self, index: int) -> str:
        """Return the id of a device; all have one length."""
        return f"load-{index:06d}"


class _Field(NamedTuple):
    """A number with its place inside a packet or a row."""

    offset: int
    width: int
    is_text: bool


class _Text:
    """Collects literals and remembers where the numbers go."""

    def __init__(self) -> None:
        self.raw = b""
        self.fields: dict[str, _Field] = {}

    def add(self, literal: bytes) -> "_Text":
        self.raw += literal
        return self

    def number(self, name: str, width: int, *, is_text: bool) -> "_Text":
        self.fields[name] = _Field(len(self.raw), width, is_text)
        return self.add(bytes(width))


def _json_head(shape: Shape, filler: int = 0) -> _Text:
    text = _Text().add(b'{"x":"%s",' % (b"x" * filler) if filler else b"{")
    text.add(b'"p":"em1","log":%d,"b":1,"n":' % shape.log)
    text.number("n", 12, is_text=True).add(b',"t":1')  # … until the year 2033
    text.number("t", 12, is_text=True).add(b',"i":%d,"r":' % shape.spacing_ms)
    return text


def _json_row(shape: Shape, place: int) -> _Text:
    text = _Text().add(b"%c[%8d," % (b","[0] if place else b"["[0], place * shape.spacing_ms))
    text.number("register", 8, is_text=True).add(b",0,").number("p", 4, is_text=True).add(b",")
    text.number("u", 4, is_text=True).add(b",").number("i", 4, is_text=True)
    return text.add(b",%d,0]" % _POWER_FACTOR)


def _cbor_head(shape: Shape, filler: int = 0) -> _Text:
    text = _Text().add(b"\xa8\x61x\x79" + wire.text(b"x" * filler) if filler else b"\xa7")
    text.add(b"\x61p\x63em1\x63log\x1a" + struct.pack(">I", shape.log))
    text.add(b"\x61b\x01\x61n\x1a").number("n", 4, is_text=False)
    text.add(b"\x61t\x1b").number("t", 8, is_text=False)
    text.add(b"\x61i\x1a" + struct.pack(">I", shape.spacing_ms))
    return text.add(b"\x61r\x99" + struct.pack(">H", shape.batch))


def _cbor_row(shape: Shape, place: int) -> _Text:
    text = _Text().add(b"\x88\x1a" + struct.pack(">I", place * shape.spacing_ms) + b"\x1a")
    text.number("register", 4, is_text=False).add(b"\x00\x19").number("p", 2, is_text=False)
    text.add(b"\x19").number("u", 2, is_text=False).add(b"\x19").number("i", 2, is_text=False)
    return text.add(b"\x19" + struct.pack(">H", _POWER_FACTOR) + b"\x00")


def write_text(target: Bytes, values: Ints, *, zero_padded: bool = False) -> None:
    """Write numbers as decimal text into the last axis, whose length is a multiple of four."""
    rest = values
    for end in range(target.shape[-1], 0, -4):
        rest, part = np.divmod(rest, _CHUNK)
        part += _CHUNK * ((rest > 0) | zero_padded)
        digits = np.ascontiguousarray(_DIGITS[part]).view(np.uint8).reshape(*values.shape, 4)
        if end != target.shape[-1] and not zero_padded:
            digits[part == 0] = ord(" ")  # a leading zero; only the last digit may be one
        target[..., end - 4 : end] = digits


def write_binary(target: Bytes, values: Ints) -> None:
    """Write numbers big-endian into the last axis."""
    width = target.shape[-1]
    raw = values.astype(f">u{width}").view(np.uint8)
    target[...] = raw.reshape(*values.shape, width)


def _message(shape: Shape) -> tuple[_Text, list[_Text], bytes]:
    """Return head, rows and whole payload, filled up to the size asked for."""
    is_json = shape.payload_format == "json"
    make_head, make_row = (_json_head, _json_row) if is_json else (_cbor_head, _cbor_row)
    rows = [make_row(shape, place) for place in range(shape.batch)]
    body = b"".join(row.raw for row in rows) + (b"]}" if is_json else b"")
    head = make_head(shape)
    key = len(make_head(shape, 1).raw) - len(head.raw) - 1  # what the filler costs beside itself
    missing = shape.payload_bytes - len(head.raw) - len(body) - key
    if missing > 0:
        head = make_head(shape, missing)
    return head, rows, head.raw + body


class Encoder:
    """The packets of all devices of a run, and what each device has sent so far.

    Args:
        shape: of every message.
        bounds: where the devices of one connection end and those of the next begin; each
            connection has packet ids of its own, which its devices take in turn.
    """

    def __init__(self, shape: Shape, bounds: Sequence[int] = ()) -> None:
        self.shape = shape
        edges = np.array(bounds or (0, shape.devices))
        sizes = np.diff(edges)
        self._stride = np.repeat(sizes, sizes)
        self._place = np.arange(shape.devices) - np.repeat(edges[:-1], sizes)  # id − 1
        self.next_seq = np.ones(shape.devices, dtype=np.int64)
        self.last_ms = np.zeros(shape.devices, dtype=np.int64)
        homes = np.arange(shape.devices, dtype=np.int64)
        self._accrued = (1_000_000 + homes * 7919 % 20_000_000) * WATT_MS_PER_WH
        head, rows, payload = _message(shape)
        packets = list(self._packets(payload))
        self.length = len(packets[0])
        self._matrix = np.frombuffer(bytearray().join(packets), dtype=np.uint8)
        self._matrix = self._matrix.reshape(shape.devices, self.length)
        start = self.length - len(payload)
        self._packet_id = slice(start - 2, start)
        self._head = {name: _moved(field, start) for name, field in head.fields.items()}
        self._row = rows[0].fields
        step = len(rows[0].raw)
        self._rows = np.lib.stride_tricks.as_strided(
            self._matrix[:, start + len(head.raw) :],
            (shape.devices, shape.batch, step),
            (self.length, step, 1),
        )

    def encode(self, first: int, last: int, now_ms: int) -> memoryview:
        """Return one PUBLISH of each device from ``first`` up to before ``last``.

        The memory is written again by the next call for the same devices.
        """
        shape, block = self.shape, slice(first, last)
        seq, start_ms = self.next_seq[block], self._start_times(block, now_ms)
        if shape.qos:
            place = self._place[block]
            write_binary(self._matrix[block, self._packet_id], place + 1)
            self._place[block] = (place + self._stride[block]) % _IDS
        packets = self._matrix[block]
        _write(packets, self._head["n"], seq)
        is_text = self._head["t"].is_text
        _write(packets, self._head["t"], start_ms - 10**12 if is_text else start_ms, zeros=True)
        self._write_rows(block, seq, start_ms)
        self.next_seq[block] += shape.batch
        self.last_ms[block] = start_ms + (shape.batch - 1) * shape.spacing_ms
        return memoryview(packets).cast("B")  # type: ignore[arg-type]  # numpy has a buffer

    def _start_times(self, block: slice, now_ms: int) -> Ints:
        """Return base times: the last row is now, but no two rows of a device share a time."""
        span_ms = (self.shape.batch - 1) * self.shape.spacing_ms
        times: Ints = np.maximum(now_ms - span_ms, self.last_ms[block] + self.shape.spacing_ms)
        return times

    def _write_rows(self, block: slice, seq: Ints, start_ms: Ints) -> None:
        rows, spacing_ms = self._rows[block], self.shape.spacing_ms
        numbers = seq[:, np.newaxis] + np.arange(self.shape.batch)
        power_w = 150 + (numbers * 2_654_435_761 >> 7) % 2900
        voltage_dv = 2350 - power_w // 40
        since_ms = np.full(numbers.shape, spacing_ms)
        is_first = self.last_ms[block] == 0
        since_ms[:, 0] = np.where(is_first, spacing_ms, start_ms - self.last_ms[block])
        accrued = self._accrued[block, np.newaxis] + np.cumsum(power_w * since_ms, axis=1)
        self._accrued[block] = accrued[:, -1]
        _write(rows, self._row["register"], accrued // WATT_MS_PER_WH)
        _write(rows, self._row["p"], power_w)
        _write(rows, self._row["u"], voltage_dv)
        # P = U · I · pf, the current rounded up so that P never exceeds U · I
        _write(rows, self._row["i"], power_w * 1_000_000 // (_POWER_FACTOR * voltage_dv) + 1)

    def _packets(self, payload: bytes) -> Iterator[bytes]:
        shape = self.shape
        for index in range(shape.devices):
            topic = wire.text(f"tg/1/{shape.org}/energy/{shape.device(index)}/t")
            packet_id = b"\0\0" if shape.qos else b""
            yield wire.packet(0x30 | shape.qos << 1, topic + packet_id + payload)


def _moved(field: _Field, offset: int) -> _Field:
    return field._replace(offset=field.offset + offset)


def _write(target: Bytes, field: _Field, values: Ints, *, zeros: bool = False) -> None:
    place = target[..., field.offset : field.offset + field.width]
    if field.is_text:
        write_text(place, values, zero_padded=zeros)
    else:
        write_binary(place, values)
