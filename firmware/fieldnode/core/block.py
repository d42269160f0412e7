"""Block: what the node writes to flash and sends unchanged (layout: docs/protocol.md, Block).

Integers only. A row is ``(dt_ms, values, status)``; a value is ``None`` where nothing was
measured. The one large allocation is the writer's buffer, made once at boot.
"""

import binascii
import struct

from fieldnode.core import varint

VERSION = 0x10  # upper four bits 1: version; lower four: flags, none defined yet
HEADER = "<BIIIBBqH"  # version, log, boot, seq, n, clock, base, schema
HEADER_BYTES = 25
CRC_BYTES = 4
MAX_ROWS = 255
MAX_STATUS = 255
MAX_INT = 1 << 53  # the gateway keeps values in float64

_N_AT = 13
_CLOCK_AT = 14

CLOCK_NONE = 0  # base is uptime: the gateway stamps the last row when it gets the block
CLOCK_FLOOR = 1  # not earlier than this, perhaps later: the gateway marks every row
CLOCK_RTC = 2
CLOCK_SNTP = 3


class BlockWriter:
    """Builds blocks of at most ``size`` bytes, one after the other in one buffer."""

    def __init__(self, schema: int, columns: int, size: int = 800) -> None:
        self._schema = schema
        self._columns = columns
        self._limit = size - CRC_BYTES
        # A row is written before it is known whether it fits: room for the longest there is
        # (800 and the 19 columns of pq3 stay below the 1 KiB that a tired heap still gives).
        self._buffer = bytearray(size + varint.MAX_BYTES * (columns + 3))
        self._values = [0] * columns
        self._at = 0
        self._dt_ms = self._step_ms = self._status = 0

    def open(self, log: int, boot: int, seq: int, clock: int, base_ms: int) -> None:
        """Begin a block whose first row will have the number ``seq``."""
        struct.pack_into(
            HEADER, self._buffer, 0, VERSION, log, boot, seq, 0, clock, base_ms, self._schema
        )
        for column in range(self._columns):
            self._values[column] = 0
        self._at = HEADER_BYTES
        self._dt_ms = self._step_ms = self._status = 0

    @property
    def rows(self) -> int:
        """How many rows the open block has."""
        return self._buffer[_N_AT]

    def add(self, dt_ms: int, values: "tuple[int | None, ...]", status: int = 0) -> bool:
        """Add a row ``dt_ms`` after the base; False (and no change) where the block is full."""
        if self.rows == MAX_ROWS:
            return False
        if len(values) != self._columns or not 0 <= status <= MAX_STATUS:
            raise ValueError("row")
        at = self._write_row(dt_ms, values, status)
        if at > self._limit:
            return False
        self._at = at
        self._step_ms = dt_ms - self._dt_ms
        self._dt_ms = dt_ms
        self._status = status
        for column in range(self._columns):
            value = values[column]
            if value is not None:
                self._values[column] = value
        self._buffer[_N_AT] += 1
        return True

    def _write_row(self, dt_ms: int, values: "tuple[int | None, ...]", status: int) -> int:
        present = 0
        for column in range(self._columns):
            if values[column] is not None:
                present |= 1 << column
        has_nulls = present != (1 << self._columns) - 1
        head = varint.zigzag(dt_ms - self._dt_ms - self._step_ms) << 2
        head |= has_nulls << 1 | (status != self._status)
        buffer = self._buffer
        at = varint.put(buffer, self._at, head)
        if head & 1:
            at = varint.put(buffer, at, status)
        if has_nulls:
            at = varint.put(buffer, at, present)
        for column in range(self._columns):
            value = values[column]
            if value is not None:
                if not -MAX_INT <= value <= MAX_INT:
                    raise ValueError("value")
                at = varint.put(buffer, at, varint.zigzag(value - self._values[column]))
        return at

    def close(self) -> bytes:
        """Return the finished block; the writer is free for the next ``open``."""
        view = memoryview(self._buffer)
        struct.pack_into("<I", self._buffer, self._at, binascii.crc32(view[: self._at]))
        return bytes(view[: self._at + CRC_BYTES])


def restamp(block: bytes, clock: int, base_ms: int) -> bytes:
    """Return the block with another base: the node learned what time its uptime was."""
    fields = struct.unpack_from(HEADER, block, 0)
    out = bytearray(block)
    struct.pack_into(HEADER, out, 0, *fields[:5], clock, base_ms, fields[7])
    end = len(out) - CRC_BYTES
    struct.pack_into("<I", out, end, binascii.crc32(memoryview(out)[:end]))
    return bytes(out)


def read_header(block: bytes) -> "tuple[int, int, int, int, int, int, int]":
    """Return log, boot, seq, n, clock, base_ms, schema of a sound block.

    Raises:
        ValueError: not a block, or its CRC does not match.
    """
    if len(block) < HEADER_BYTES + CRC_BYTES or block[0] != VERSION:
        raise ValueError("not a block")
    end = len(block) - CRC_BYTES
    if binascii.crc32(memoryview(block)[:end]) != struct.unpack_from("<I", block, end)[0]:
        raise ValueError("crc")
    return struct.unpack_from(HEADER, block, 0)[1:]


def read_rows(block: bytes, columns: int) -> "list[tuple[int, tuple[int | None, ...], int]]":
    """Return the rows of a block: what ``BlockWriter.add`` was given.

    Raises:
        ValueError: not a block of rows with that many columns.
    """
    n = read_header(block)[3]
    end = len(block) - CRC_BYTES
    at = HEADER_BYTES
    everything = (1 << columns) - 1
    dt_ms = step_ms = status = 0
    last = [0] * columns
    rows = []
    for _ in range(n):
        head, at = varint.get(block, at, end)
        step_ms += varint.unzigzag(head >> 2)
        dt_ms += step_ms
        present = everything
        if head & 1:
            status, at = varint.get(block, at, end)
        if head & 2:
            present, at = varint.get(block, at, end)
        values: "list[int | None]" = [None] * columns
        for column in range(columns):
            if present >> column & 1:
                delta, at = varint.get(block, at, end)
                values[column] = last[column] = last[column] + varint.unzigzag(delta)
        rows.append((dt_ms, tuple(values), status))
    if at != end or not n:
        raise ValueError("rows")
    return rows
