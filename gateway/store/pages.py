"""A page: many readings of one profile as bytes, column after column.

A row of a day file holds a page, not a reading: SQLite takes 2 µs for a row whatever is in it,
and a page of 5,000 readings costs little more. Layout, little endian::

    u8   version    1
    u8   number of value columns
    u32  n          readings
    u32  CRC-32 of the six bytes above and of all columns
    columns, each as ``columns`` describes: device_index, time_ms, seq, log, lateness
    (received_ms − time_ms), record, status, quality, reasons, then the profile's in its order

The name of the profile is in the row of the day file beside the page.
"""

import struct
import zlib
from collections.abc import Sequence

import numpy as np

from gateway.model import IntArray, ReadingBatch
from gateway.store.columns import (
    PageDamagedError,
    decode_floats,
    decode_ints,
    encode_floats,
    encode_ints,
    skip_column,
)

__all__ = ["PageDamagedError", "concat", "decode_keys", "decode_page", "empty", "encode_page"]

_VERSION = 1
_HEAD = struct.Struct("<BBI")
_CRC = struct.Struct("<I")
_START = _HEAD.size + _CRC.size
_INTS = 9  # integer columns before the values


def encode_page(batch: ReadingBatch, level: int = 0) -> bytes:
    """Return a batch as a page; ``level`` 0 is quick, 1 to 9 compresses with zlib."""
    integers = (
        batch.device_index,
        batch.time_ms,
        batch.seq,
        batch.log,
        batch.received_ms - batch.time_ms,
        batch.record,
        batch.status,
        batch.quality,
        batch.reasons,
    )
    parts = [encode_ints(column, level) for column in integers]
    values = np.ascontiguousarray(batch.values.T, np.float64)
    parts.extend(encode_floats(column, level) for column in values)
    head = _HEAD.pack(_VERSION, len(values), len(batch))
    body = b"".join(parts)
    return b"".join((head, _CRC.pack(zlib.crc32(body, zlib.crc32(head))), body))


def decode_page(data: bytes, profile: str) -> ReadingBatch:
    """Return the batch of a page.

    Raises:
        PageDamagedError: not what was written.
    """
    view, width, n = _open(data)
    place = _START
    integers: list[IntArray] = []
    for _ in range(_INTS):
        integers.append(decode_ints(view, place, n))
        place = skip_column(view, place)
    # One column after the other in memory: they are filled, and mostly used, one by one.
    values = np.empty((width, n))
    for column in values:
        decode_floats(view, place, column)
        place = skip_column(view, place)
    device, time_ms, seq, log, lateness, record, status, quality, reasons = integers
    return ReadingBatch(
        profile,
        device_index=device,
        log=log,
        seq=seq,
        time_ms=time_ms,
        received_ms=lateness + time_ms,
        values=values.T,
        status=status,
        quality=quality,
        reasons=reasons,
        record=record,
    )


def decode_keys(data: bytes) -> tuple[IntArray, IntArray]:
    """Return only device_index and time_ms of a page.

    Raises:
        PageDamagedError: not what was written.
    """
    view, _, n = _open(data)
    device = decode_ints(view, _START, n)
    return device, decode_ints(view, skip_column(view, _START), n)


def _open(data: bytes) -> tuple[memoryview, int, int]:
    if len(data) < _START:
        raise PageDamagedError(f"a page of {len(data)} bytes")
    version, width, n = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise PageDamagedError(f"page version {version}")
    view = memoryview(data)
    (crc,) = _CRC.unpack_from(data, _HEAD.size)
    if crc != zlib.crc32(view[_START:], zlib.crc32(view[: _HEAD.size])):
        raise PageDamagedError("checksum of a page")
    return view, width, n


def empty(profile: str, width: int) -> ReadingBatch:
    """Return a batch without readings."""
    none = np.empty(0, np.int64)
    values = np.empty((0, width))
    return ReadingBatch(profile, none, none, none, none, none, values, none, none, none, none)


def concat(batches: Sequence[ReadingBatch]) -> ReadingBatch:
    """Return the readings of one or more batches of one profile as one."""
    if len(batches) == 1:
        return batches[0]
    return ReadingBatch(
        batches[0].profile,
        device_index=np.concatenate([batch.device_index for batch in batches]),
        log=np.concatenate([batch.log for batch in batches]),
        seq=np.concatenate([batch.seq for batch in batches]),
        time_ms=np.concatenate([batch.time_ms for batch in batches]),
        received_ms=np.concatenate([batch.received_ms for batch in batches]),
        values=np.concatenate([batch.values for batch in batches]),
        status=np.concatenate([batch.status for batch in batches]),
        quality=np.concatenate([batch.quality for batch in batches]),
        reasons=np.concatenate([batch.reasons for batch in batches]),
        record=np.concatenate([batch.record for batch in batches]),
    )
