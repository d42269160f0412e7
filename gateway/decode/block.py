"""Blocks: what the firmware writes to flash and sends unchanged (``docs/protocol.md``, Block).

All between header and CRC is one run of varints, so that numpy finds and joins them at once: a
block of 60 rows costs a tenth of what a loop over its bytes would.
"""

import binascii
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.decode.wire import MAX_INT, reject
from gateway.model import BoolArray, IntArray, QuarantineReason, Record
from gateway.ports import Collecting, Route, RowsHeader
from gateway.profiles import Profile, Profiles

FIRST_BYTE = 0x10  # version 1, no flags

_HEADER = struct.Struct("<BIIIBBqH")  # version, log, boot, seq, n, clock, base, schema
_CRC = struct.Struct("<I")
_MAX_VARINT_BYTES = 9  # 63 bits: a number never leaves int64
_MAX_STATUS = 255
_HAS_STATUS = 1
_HAS_NULLS = 2

_CLOCK_NONE = 0  # base is uptime
_CLOCK_FLOOR = 1  # restored after a reset: not earlier than this, perhaps later
_CLOCKS = 4
_CLOCK_INVALID = 0x02  # bit 1 of the AMR profile status


class _Rows(NamedTuple):
    """The rows of a block, taken apart; differences are not yet summed up."""

    step_changes: IntArray
    status: IntArray
    deltas: IntArray  # (rows, columns), 0 where null
    is_null: BoolArray | None


class BlockFormat:
    """Reads blocks; implements ``ports.Decode``."""

    def __init__(self, profiles: Profiles, source_max_age_ms: Sequence[int] = ()) -> None:
        self._profiles = profiles
        self._max_age_ms = tuple(source_max_age_ms)

    def __call__(self, record: Record, route: Route, lane: str, out: Collecting) -> None:
        """Add the rows of a block."""
        body, (_, log, boot, seq, n, clock, base_ms, schema) = _open(record.payload)
        profile = self._profile(schema, route)
        if not n:
            reject(QuarantineReason.SCHEMA, "no rows")
        if clock >= _CLOCKS or not 0 <= base_ms <= MAX_INT:
            reject(QuarantineReason.SCHEMA, f"clock quality {clock}, base {base_ms}")
        rows = _take_apart(_varints(body), n, len(profile.columns))
        dt_ms = _sum_up(_sum_up(rows.step_changes, 2 * MAX_INT), MAX_INT)
        values = _sum_up(rows.deltas, MAX_INT).astype(np.float64)
        if rows.is_null is not None:
            values[rows.is_null] = np.nan
        status = rows.status | _CLOCK_INVALID if clock == _CLOCK_FLOOR else rows.status
        header = RowsHeader(
            profile.name,
            route.device_index,
            log,
            boot,
            seq,
            0 if clock == _CLOCK_NONE else base_ms,
            lane,
            record.number,
            record.received_ms,
            route.is_registered,
            self._max_age_ms[record.source] if self._max_age_ms else 0,
        )
        out.add_columns(header, dt_ms, values, status)

    def _profile(self, schema: int, route: Route) -> Profile:
        profile = self._profiles.by_number.get(schema)
        if profile is None:
            reject(QuarantineReason.PROFILE, f"unknown profile number {schema}")
        if profile.sector != route.sector:
            detail = f"profile {profile.name} is of sector {profile.sector}, not {route.sector}"
            reject(QuarantineReason.PROFILE, detail)
        return profile


def _open(payload: bytes) -> tuple[bytes, tuple[int, ...]]:
    """Return what lies between header and CRC, and the header."""
    end = len(payload) - _CRC.size
    if end < _HEADER.size:
        reject(QuarantineReason.ENCODING, "shorter than the header of a block")
    if payload[0] != FIRST_BYTE:
        reject(QuarantineReason.ENCODING, f"block version or flags 0x{payload[0]:02x}")
    if binascii.crc32(payload[:end]) != _CRC.unpack_from(payload, end)[0]:
        reject(QuarantineReason.CHECKSUM, "CRC of the block does not match")
    return payload[_HEADER.size : end], _HEADER.unpack_from(payload)


def _varints(body: bytes) -> IntArray:
    octets = np.frombuffer(body, dtype=np.uint8)
    ends = np.flatnonzero(octets < 128)  # noqa: PLR2004  # the top bit says that more follows
    if not len(ends) or ends[-1] != len(octets) - 1:
        reject(QuarantineReason.ENCODING, "varint is cut off")
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > _MAX_VARINT_BYTES:
        reject(QuarantineReason.ENCODING, "varint is longer than 9 bytes")
    if ((octets[ends] == 0) & (lengths > 1)).any():
        reject(QuarantineReason.ENCODING, "varint is not the shortest form")
    starts = ends - lengths + 1
    places = np.arange(len(octets)) - np.repeat(starts, lengths)
    parts: IntArray = (octets & 127).astype(np.int64) << (7 * places)
    return np.add.reduceat(parts, starts)


def _unzigzag(numbers: IntArray) -> IntArray:
    return (numbers >> 1) ^ -(numbers & 1)


def _sum_up(deltas: IntArray, limit: int) -> IntArray:
    """Return running sums, none of which may leave ±limit (2**54 at most).

    Two values within the limit differ by twice as much, and 255 such differences fit int64, so
    that a sum which wraps around cannot pass for a good one.
    """
    if np.abs(deltas).max() > 2 * limit:
        reject(QuarantineReason.SCHEMA, "difference beyond what two integers can have")
    sums: IntArray = np.cumsum(deltas, axis=0)
    if np.abs(sums).max() > limit:
        reject(QuarantineReason.SCHEMA, "integer beyond 2**53")
    return sums


def _take_apart(numbers: IntArray, n: int, columns: int) -> _Rows:
    """Split the numbers of a block into rows."""
    if len(numbers) == n * (1 + columns):
        table = numbers.reshape(n, 1 + columns)
        heads = table[:, 0]
        if not (heads & (_HAS_STATUS | _HAS_NULLS)).any():  # the usual block
            status = np.zeros(n, dtype=np.int64)
            return _Rows(_unzigzag(heads >> 2), status, _unzigzag(table[:, 1:]), None)
    return _take_apart_slowly(numbers.tolist(), n, columns)


def _take_apart_slowly(numbers: list[int], n: int, columns: int) -> _Rows:
    """Split rows of which some carry a status or nulls."""
    everything = (1 << columns) - 1
    current = 0
    rows: list[tuple[int, int, int]] = []  # head, status, presence
    deltas: list[list[int]] = []
    number = iter(numbers)
    try:
        for _ in range(n):
            head = next(number)
            current = next(number) if head & _HAS_STATUS else current
            present = next(number) if head & _HAS_NULLS else everything
            deltas.append([next(number) if present >> k & 1 else 0 for k in range(columns)])
            rows.append((head, current, present))
    except StopIteration:
        reject(QuarantineReason.ENCODING, f"ends within row {len(rows)} of {n}")
    if next(number, None) is not None:
        reject(QuarantineReason.ENCODING, f"goes on after {n} rows of {columns} columns")
    heads, status, present_bits = np.array(rows, dtype=np.int64).T
    if status.max() > _MAX_STATUS or present_bits.max() > everything:
        reject(QuarantineReason.SCHEMA, "status beyond 255, or a column that is not there")
    is_null = (present_bits[:, np.newaxis] >> np.arange(columns)) & 1 == 0
    return _Rows(_unzigzag(heads >> 2), status, _unzigzag(np.array(deltas)), is_null)
