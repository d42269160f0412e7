"""A lane of the ring: flash sectors in a circle, written record by record (see ring.py).

A sector begins with a header, then come records, each written by one program and closed by its
CRC. Nothing is rewritten. Sector ``no`` lies in slot ``no % count``, so the newest valid header
tells the order of all. A mount only reads. What a cut left unfinished has no CRC; the sector it
tore is not written again, but read to its end, so that a flipped bit costs one record.
"""

from array import array
from binascii import crc32
from struct import pack_into, unpack

if False:  # for the type checker; MicroPython has neither, and no trace of this in the .mpy
    from collections.abc import Iterator

    from fieldnode.hal.base import BlockDevice

NONE = 0xFFFFFFFF

_MAGIC = b"FNR1"
# Sizes are bare numbers below, since a name costs 30 bytes of the 4 KiB that the store may have.
_HEADER = "<4sIIIIIIII"  # 36 bytes: magic, no, log, next, done, mark, lost, floor_s, crc
_RECORD = "<HBBI"  # 8 bytes: payload bytes, kind, its complement, crc of length, kind and payload
_BLANK = b"\xff" * 64


class Lane:
    """A ring of sectors. ``next``, ``done``, ``mark``, ``lost`` mean what the Ring says.

    ``buffer``: what is read is there until something else is read or written; 11 bytes more than
    the longest payload.
    """

    def __init__(self, device: "BlockDevice", first: int, count: int, buffer: bytearray) -> None:
        self._device = device
        self._first = first
        self.count = count
        self.size = device.ioctl(5, 0)  # bytes of a sector
        self._buffer = buffer
        self._starts = array("I", [NONE] * count)
        self.log = self.floor_s = 0
        self.at = self.size  # where the next record goes; at the end: sector is closed
        self._reset()

    def _reset(self) -> None:
        self.next = self.done = self.mark = self.lost = self.oldest = 0
        self.newest = -1

    def mount(self) -> bool:
        """Find the newest sector; False where there is none. Reads headers only."""
        for lap in (0, 1):  # the first finds the newest, the second what is not of its round
            for slot in range(self.count):
                head = self._read(slot, 0, 36)
                magic, no, log, start, done, mark, lost, floor_s, crc = unpack(_HEADER, head)
                if magic != _MAGIC or no % self.count != slot or crc32(head[:-4]) != crc:
                    continue
                if lap:
                    self._starts[slot] = start if no >= self.oldest else NONE
                elif no >= self.newest:
                    self.newest, self.log, self.next, self.done = no, log, start, done
                    self.mark, self.lost, self.floor_s = mark, lost, floor_s
                    self.oldest = max(0, no - self.count + 1)
        return self._starts[self.newest % self.count] != NONE

    def start_of(self, no: int) -> int:
        """Return ``next`` as it was when sector ``no`` was opened."""
        return self._starts[no % self.count]

    def walk(self, no: int) -> "Iterator[tuple[int, int]]":
        """Yield ``(kind, bytes)`` of each sound record of a sector; its payload is in the buffer.

        After the newest sector was walked to its end, the lane knows where to write on.
        """
        if self.start_of(no) == NONE:
            return
        slot = no % self.count
        longest = len(self._buffer) - 11
        at = 36
        is_torn = False
        while at + 8 <= self.size:
            head = self._read(slot, at, 8)
            size, kind, complement, crc = unpack(_RECORD, head)
            end = at + 8 + size
            is_sound = kind ^ complement == 255 and size <= longest and end <= self.size
            if is_sound:
                payload = self._read(slot, at + 8, size)
                is_sound = crc32(payload, size << 8 | kind) == crc
            if is_sound:
                yield kind, size
                if no < self.oldest:
                    return  # the ring came round while our caller was busy
                at = end + 3 & ~3
                continue
            after = self._skip_blank(slot, at)
            if after >= self.size:
                break
            is_torn = True
            at = max(after, at + 4)
        if no == self.newest:
            self.at = self.size if is_torn else at

    def _skip_blank(self, slot: int, at: int) -> int:
        """Return where, from ``at``, the first word that is not erased begins."""
        while at < self.size:
            size = min(len(_BLANK), self.size - at)
            piece = self._read(slot, at, size)
            if piece[:4] != _BLANK[:4]:
                break
            at += size if piece == _BLANK[:size] else 4
        return at

    def _read(self, slot: int, at: int, size: int) -> memoryview:
        piece = memoryview(self._buffer)[:size]
        self._device.readblocks(self._first + slot, piece, at)
        return piece

    def has_room(self, size: int) -> bool:
        """Return whether a record of that payload goes into the newest sector.

        Raises:
            ValueError: it goes into none.
        """
        if size > len(self._buffer) - 11:
            raise ValueError("record")
        return self.at + 8 + size <= self.size

    def put(self, kind: int, payload: bytes) -> None:
        """Write one record by one program."""
        size = len(payload)
        out = self._buffer
        end = 8 + size
        pack_into(_RECORD, out, 0, size, kind, kind ^ 255, crc32(payload, size << 8 | kind))
        out[8:end] = payload
        out[end : end + 3] = _BLANK[:3]
        end = end + 3 & ~3
        # Before the program: after an error in it, nobody may program these bytes again.
        at = self.at
        self.at = at + end
        self._device.writeblocks(self._first + self.newest % self.count, memoryview(out)[:end], at)

    def open(self, log: int) -> None:
        """Erase the slot of the next sector and begin to write it."""
        no = self.newest + 1
        slot = no % self.count
        self.at = self.size
        self.oldest = max(self.oldest, no - self.count + 1)
        self._starts[slot] = NONE
        self._device.ioctl(6, self._first + slot)
        self.log = log
        head = bytearray(36)
        pack_into(
            _HEADER, head, 0, _MAGIC, no, log, self.next, self.done, self.mark,
            self.lost, self.floor_s, 0,
        )  # fmt: skip
        pack_into("<I", head, 32, crc32(memoryview(head)[:32]))
        self._device.writeblocks(self._first + slot, head, 0)
        self._starts[slot] = self.next
        self.newest = no
        self.at = 36

    def wipe(self) -> None:
        """Erase all, the newest last: a wipe cut short leaves the same newest sector."""
        for no in range(self.newest + 1, self.newest + 1 + self.count):
            self._device.ioctl(6, self._first + no % self.count)
            self._starts[no % self.count] = NONE
        self._reset()
