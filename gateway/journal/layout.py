"""The journal's files: what is in them, and how they are written, read and deleted.

Design constraints
==================

- A record that ``Journal.commit`` has returned is on disk (``fdatasync``), at any kill, crash,
  power cut, full disk or failing disk. What was not returned may be there or not.
- 10,000 messages of 200 bytes in a second cost a Raspberry Pi less than 2 % of one core:
  no parsing, one checksum, one system call and one fdatasync for many records.
- One flipped bit, or one lost sector, costs the records it hits and no other one, and every
  number that is lost is reported; nothing is dropped silently.
- A start reads one segment (64 MiB: some 0.2 s), not the whole journal (8 GiB).
- A record's body is at most 64 MiB; the segments together never exceed ``max_bytes``.
- Nothing a device sends can make a reader take it for a record, or make it search for long.
- One writer (a lock holds it), any number of readers, no other file than the segments.

On disk
=======

A journal is a folder of segments and a lock. All integers are little endian::

    00000000000000000001.journal    name = number of the first record, 20 digits
    00000000000000250411.journal    the last one is active: only its end changes
    lock                            flock'ed by the writer, holds its process id

    segment:
        header, 32 bytes            written twice, so that no single bit can cost the key
        header, again
        record …

    header:
        magic:      "IGJ" 0x01      0x01 is the version of this layout
        key:        uint64          random, the same in all segments of a journal
        first:      uint64          number of the first record, as in the name
        created:    int64           Unix ms
        crc:        uint32          CRC-32 of the 28 bytes before

    record:
        marker:     uint32          low half of key, every byte ≥ 0x80: never in ASCII
        crc:        uint32          CRC-32, begun at the high half of key, of all that follows
        length:     uint32          of what follows: 20 + topic + payload
        number:     uint64          counts up by one
        received:   int64           Unix ms
        source:     uint8
        flags:      uint8           model.RecordFlag
        topic size: uint16
        topic, payload

The marker is what a reader looks for after damage, since a length it cannot trust leads nowhere.
The key keeps it out of a device's hands: a payload that contains a whole forged record fails the
checksum, and one filled with markers cannot be made, so a search meets about one false marker
in 4 GiB.

Writing
=======

A segment is made under another name (``.new``), synced and then renamed, so one without header
does not come into being. Records go to the end of the last segment, then fdatasync, then they
are durable; at ``segment_bytes`` the next segment begins. When a write fails, the segment is cut
back to its durable end before the next try. When fdatasync fails the file is never trusted again,
since Linux has marked the lost pages clean and the next fdatasync would succeed without them:
a new segment begins after the last durable record, and what was pending is written there.
Hence the rule for readers: **the name of a segment ends the one before it**. What stands behind
that number in the older segment is the leftover of a failed commit.

On opening, the last segment is read; what follows its last valid record is a torn write and cut
off. A damaged record before a valid one stays for the readers to report: after a power cut it may
be a part of the last commit that nobody was told of, but that cannot be known.

Reading
=======

A reader knows the number it expects. It takes records as long as they come in order and never
beyond ``up_to``, which is durable. Where the next one does not come, either a newer segment
begins with that number, or there is damage: the reader searches the next marker under which a
valid record stands, hands over the bytes between as quarantined and accounts for each number
missing. The file and offset in a ``Position`` are a hint; a wrong one costs a search from the
beginning of the segment, never a record.

Deleting
========

Whole segments from the oldest on, never the last, so what is left is always one stretch of
numbers and a crash between two deletions does no harm.
"""

import os
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from gateway.errors import JournalDamagedError
from gateway.model import Record

MAGIC = b"IGJ"
VERSION = 1
HEADER = Struct("<3sBQQqI")
HEADER_BYTES = 2 * HEADER.size

RECORD = Struct("<IIIQqBBH")
FRAME = Struct("<II")  # marker, crc
BODY = Struct("<IQqBBH")  # what the crc covers, before topic and payload
FIXED_BYTES = BODY.size - 4  # what ``length`` counts beside topic and payload
MIN_LENGTH = FIXED_BYTES
MAX_LENGTH = 64 << 20  # the largest is an outbox page of a few MB; bounds what damage can ask for

WINDOW_BYTES = 1 << 20

_MARKER_BITS = 0x8080_8080  # no byte of the marker is ASCII, so JSON cannot contain it


class Key(NamedTuple):
    """What marks and seals the records of one journal."""

    marker: int
    seed: int

    @classmethod
    def from_bits(cls, bits: int) -> "Key":
        """Return the key for 64 random bits."""
        return cls(bits & 0xFFFF_FFFF | _MARKER_BITS, bits >> 32 & 0xFFFF_FFFF)

    @property
    def bits(self) -> int:
        """The key as the header keeps it."""
        return self.seed << 32 | self.marker


class Header(NamedTuple):
    """Beginning of a segment."""

    key: Key
    first: int
    created_ms: int


class Found(NamedTuple):
    """A valid record and where it is."""

    offset: int
    end: int
    number: int
    received_ms: int


def pack_header(header: Header) -> bytes:
    """Return both copies of a segment's header."""
    head = HEADER.pack(MAGIC, VERSION, header.key.bits, header.first, header.created_ms, 0)[:-4]
    return (head + crc32(head).to_bytes(4, "little")) * 2


def read_header(fd: int) -> Header | None:
    """Return the header of a segment from whichever copy is whole, None where neither is.

    Raises:
        JournalDamagedError: a newer infragate wrote it; reading on would cut it to pieces.
    """
    data = os.pread(fd, HEADER_BYTES, 0)
    for start in range(0, len(data) - HEADER.size + 1, HEADER.size):
        magic, version, bits, first, created_ms, crc = HEADER.unpack_from(data, start)
        if magic != MAGIC or crc != crc32(data[start : start + HEADER.size - 4]):
            continue
        if version != VERSION:
            raise JournalDamagedError(f"journal layout {version} is unknown, expected {VERSION}")
        return Header(Key.from_bits(bits), first, created_ms)
    return None


def take_records(
    data: bytes, start: int, numbers: range, key: Key, records: list[Record]
) -> tuple[int, int]:
    """Append to ``records`` the ones that stand at ``start`` and carry just these numbers.

    Stops at the first that is cut off, damaged or out of order, and returns how many it took
    and where it stopped. This is the hot path of the processor.
    """
    last_start = len(data) - RECORD.size
    unpack, new, append = RECORD.unpack_from, tuple.__new__, records.append
    marker, seed = key
    for number in numbers:
        if start > last_start:
            return number - numbers.start, start
        mark, crc, length, found, received_ms, source, flags, topic_size = unpack(data, start)
        end = start + 12 + length
        sealed = data[start + 8 : end]  # shorter than it says, or not ours: the crc is another
        if mark != marker or found != number or crc32(sealed, seed) != crc:
            return number - numbers.start, start
        topic_end = BODY.size + topic_size
        topic, payload = sealed[BODY.size : topic_end], sealed[topic_end:]
        append(new(Record, (number, received_ms, source, flags, topic, payload)))
        start = end
    return len(numbers), start


def find_records(fd: int, start: int, key: Key) -> Iterator[Found]:
    """Yield every valid record at or after ``start``, searching over what is damaged.

    Never looks inside a valid record, whatever its payload contains.
    """
    marker = key.marker.to_bytes(4, "little")
    while window := os.pread(fd, WINDOW_BYTES, start):
        after = 0
        while (place := window.find(marker, after)) >= 0:
            found = _check(fd, window, start, place, key)
            after = place + 1 if found is None else found.end - start
            if found is not None:
                yield found
        # the last three bytes may begin a marker; at the end of the file they must end the loop
        start += max(after, len(window) - 3, 1)


def _check(fd: int, window: bytes, start: int, place: int, key: Key) -> Found | None:
    """Return the record at ``place`` in ``window``, which is the file from ``start`` on."""
    head = _cut(fd, window, start, place, RECORD.size)
    if len(head) < RECORD.size:
        return None
    _, crc, length, number, received_ms, *_ = RECORD.unpack(head)
    if not MIN_LENGTH <= length <= MAX_LENGTH:
        return None
    sealed = _cut(fd, window, start, place + FRAME.size, 4 + length)
    if len(sealed) < 4 + length or crc32(sealed, key.seed) != crc:
        return None
    offset = start + place
    return Found(offset, offset + FRAME.size + len(sealed), number, received_ms)


def _cut(fd: int, window: bytes, start: int, place: int, size: int) -> bytes:
    part = window[place : place + size]
    return part if len(part) == size else os.pread(fd, size, start + place)
