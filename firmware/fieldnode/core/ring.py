"""Power-safe store of a node: two rings of flash sectors, written record by record.

Theory of operation. Flash is erased by the sector (4 KiB on ESP32); a program only clears bits.
A sector begins with a header, then come records, each written by one program and closed by its
CRC. Nothing is ever rewritten: what changes is a new record, what is old goes with its sector.

* The **rows** lane holds blocks (DATA; SNAP is a block that overflow must spare), receipts (ACK)
  and boots. It wraps: the oldest sector makes room, with receipts or, in a long outage, without.
* The **keep** lane, an eighth of the sectors, holds what must outlive that: events, TIME pairs,
  the SNAP blocks of sectors that went, and for each such sector a GAP. The
  GAP commits the move: rows below its ``mark`` are in the keep lane or exist no more.

Sector ``no`` lies in slot ``no % count``, so the newest valid header tells the order of all. A
mount only reads. What a cut left unfinished has no CRC; the sector it tore is not written again,
but read to its end, so that a flipped bit costs one record. The device is MicroPython's extended
block device (docs.micropython.org, os.AbstractBlockDev), the layout firmware.md §5.2.
"""

import struct
from array import array
from binascii import crc32

if False:  # for the type checker; MicroPython has neither, and no trace of this in the .mpy
    from collections.abc import Iterator
    from typing import Protocol

    class BlockDevice(Protocol):
        """What ``esp32.Partition`` and ``hal.sim.Nor`` are."""

        def readblocks(
            self, number: int, buffer: memoryview | bytearray, offset: int
        ) -> object: ...
        def writeblocks(
            self, number: int, buffer: memoryview | bytearray, offset: int
        ) -> object: ...
        def ioctl(self, operation: int, argument: int) -> int: ...


DATA, SNAP, ACK, BOOT, TIME, EVENT, GAP = 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7

MAX_PAYLOAD = 1000  # with the 8 bytes in front below the 1 KiB that a tired heap still gives
EVENTS_MAX = 128  # unsent events; beyond, a chattering input would push out the snapshots
CLOCK_TRUSTED = 2  # block.CLOCK_RTC and better: fit to be the clock's floor after a cut

_MAGIC = b"FNR1"
_HEADER = "<4sIIIIIIII"  # magic, no, log, next, done, mark, lost, floor_s, crc
_HEADER_BYTES = 36
_RECORD = "<HBBI"  # payload bytes, kind, its complement, crc of length, kind and payload
_RECORD_BYTES = 8
_NONE = 0xFFFFFFFF
_BLANK = b"\xff" * 64
_SEQ_AT = 9  # of a block: sequence number u32, rows u8, clock u8, base i64 ms (protocol.md §6)


class _Lane:
    """A ring of sectors. ``next``, ``done``, ``mark``, ``lost`` mean what the Ring says."""

    def __init__(
        self, device: "BlockDevice", first: int, count: int, buffers: "tuple[bytearray, bytearray]"
    ) -> None:
        self._device = device
        self._first = first
        self.count = count
        self.size = device.ioctl(5, 0)  # bytes of a sector
        self._in, self._out = buffers
        self._starts = array("I", [_NONE] * count)
        self.log = self.floor_s = 0
        self.at = self.size  # where the next record goes; at the end: sector is closed
        self._reset()

    def _reset(self) -> None:
        self.next = self.done = self.mark = self.lost = self.oldest = self.newest = 0

    def mount(self) -> bool:
        """Find the newest sector; False where there is none. Reads headers only."""
        newest = None
        for slot in range(self.count):
            fields = self._read_header(slot)
            if fields and (newest is None or fields[1] > newest[1]):
                newest = fields
        if newest is None:
            return False
        _, no, self.log, self.next, self.done, self.mark, self.lost, self.floor_s, _ = newest
        self.newest = no
        self.oldest = max(0, no - self.count + 1)
        for slot in range(self.count):
            fields = self._read_header(slot)
            if fields and fields[1] >= self.oldest:  # others are left from a lap before
                self._starts[slot] = fields[3]
        return True

    def _read_header(
        self, slot: int
    ) -> "tuple[bytes, int, int, int, int, int, int, int, int] | None":
        head = memoryview(self._in)[:_HEADER_BYTES]
        self._device.readblocks(self._first + slot, head, 0)
        fields = struct.unpack(_HEADER, head)
        sound = fields[0] == _MAGIC and fields[8] == crc32(head[: _HEADER_BYTES - 4])
        return fields if sound and fields[1] % self.count == slot else None

    def start_of(self, no: int) -> int:
        """Return ``next`` as it was when sector ``no`` was opened."""
        return self._starts[no % self.count]

    def walk(self, no: int, view: memoryview) -> "Iterator[tuple[int, int]]":
        """Yield ``(kind, bytes)`` of each sound record of a sector; its payload is in ``view``.

        What ``view`` holds is good until something else is read. After the newest sector was
        walked to its end, the lane knows where to write on.
        """
        if self.start_of(no) == _NONE:
            return
        slot = no % self.count
        device, at, is_torn = self._device, _HEADER_BYTES, False
        head = bytearray(_RECORD_BYTES)
        while at + _RECORD_BYTES <= self.size:
            device.readblocks(self._first + slot, head, at)
            size, kind, complement, crc = struct.unpack(_RECORD, head)
            end = at + _RECORD_BYTES + size
            is_sound = kind ^ complement == 255 and size <= MAX_PAYLOAD and end <= self.size
            if is_sound:
                payload = view[:size]
                device.readblocks(self._first + slot, payload, at + _RECORD_BYTES)
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
            piece = memoryview(self._in)[:size]
            self._device.readblocks(self._first + slot, piece, at)
            if bytes(piece) != _BLANK[:size]:
                return at + (next(i for i in range(size) if piece[i] != 255) & ~3)
            at += size
        return at

    def put(self, kind: int, payload: bytes) -> None:
        """Write one record by one program."""
        size = len(payload)
        out = self._out
        end = _RECORD_BYTES + size
        struct.pack_into(_RECORD, out, 0, size, kind, kind ^ 255, crc32(payload, size << 8 | kind))
        out[_RECORD_BYTES:end] = payload
        while end & 3:
            out[end] = 255
            end += 1
        # Before the program: after an error in it, nobody may program these bytes again.
        at = self.at
        self.at = at + end
        self._device.writeblocks(self._first + self.newest % self.count, memoryview(out)[:end], at)

    def open(self, no: int, log: int) -> None:
        """Erase the slot of sector ``no`` and begin to write it."""
        slot = no % self.count
        self.at = self.size
        self.oldest = max(self.oldest, no - self.count + 1)
        self._starts[slot] = _NONE
        self._device.ioctl(6, self._first + slot)
        self.log = log
        head = bytearray(_HEADER_BYTES)
        struct.pack_into(
            _HEADER, head, 0, _MAGIC, no, log, self.next, self.done, self.mark,
            self.lost, self.floor_s, 0,
        )  # fmt: skip
        struct.pack_into("<I", head, _HEADER_BYTES - 4, crc32(memoryview(head)[:-4]))
        self._device.writeblocks(self._first + slot, head, 0)
        self._starts[slot] = self.next
        self.newest = no
        self.at = _HEADER_BYTES

    def wipe(self) -> None:
        """Erase all, the newest last: a wipe cut short leaves the same newest sector."""
        for no in range(self.newest + 1, self.newest + 1 + self.count):
            self._device.ioctl(6, self._first + no % self.count)
            self._starts[no % self.count] = _NONE
        self._reset()


class Ring:
    """The store. Numbers of rows and events count from 0, of boots from 1.

    Attributes:
        rows: ``next`` is the sequence number of the next row, ``done`` the first row without a
            receipt, ``mark`` the number of this boot, ``log`` the log id of every row.
        keep: ``next`` is the number of the next event, ``done`` the first that was not
            delivered, ``lost`` how many rows were dropped without a receipt since the format,
            ``mark`` the first row that is still in the rows lane or was never taken from it.

    Args:
        device: block device of at least 5 sectors.
        log: the log id to use if the device has to be formatted, drawn at random (u32).
    """

    def __init__(self, device: "BlockDevice", log: int) -> None:
        count = device.ioctl(4, 0)  # how many sectors
        keep = max(2, count >> 3)
        self._in = bytearray(MAX_PAYLOAD)
        self._view = memoryview(self._in)
        buffers = self._in, bytearray(_RECORD_BYTES + MAX_PAYLOAD)
        self.rows = _Lane(device, 0, count - keep, buffers)
        self.keep = _Lane(device, count - keep, keep, buffers)
        if not self.rows.mount():
            self.format(log)
        elif not self.keep.mount():
            self.keep.open(0, self.rows.log)
        self._replay(self.rows)
        self._replay(self.keep)

    def format(self, log: int) -> None:
        """Forget everything and begin a new log. A cut in between leaves the old one, or none."""
        self.keep.wipe()
        self.rows.wipe()
        self.rows.open(0, log)
        self.keep.open(0, log)

    def _replay(self, lane: _Lane) -> None:
        for kind, _ in lane.walk(lane.newest, self._view):
            number, other = struct.unpack_from("<II", self._in)
            if kind <= SNAP:
                if lane is self.rows:
                    self._count_block(self._in)
            elif kind == ACK:
                lane.done = number
            elif kind == EVENT:
                lane.next = number + 1
            elif kind == TIME:
                lane.floor_s = other
            else:  # BOOT, GAP
                lane.mark = number
                if kind == GAP:
                    lane.lost = other

    def _count_block(self, block: "bytes | bytearray") -> None:
        seq, count, clock, base_ms = struct.unpack_from("<IBBq", block, _SEQ_AT)
        self.rows.next = seq + count
        if clock >= CLOCK_TRUSTED:
            self.rows.floor_s = min(base_ms // 1000, _NONE)

    @property
    def floor_ms(self) -> int:
        """Latest Unix time (ms) that the store knows to have been: the clock's floor."""
        return max(self.rows.floor_s, self.keep.floor_s) * 1000

    def append(self, block: bytes, is_snapshot: bool = False) -> None:
        """Store a block whose first row is ``next_seq``; it is durable on return."""
        seq = struct.unpack_from("<I", block, _SEQ_AT)[0]
        if seq != self.rows.next:
            raise ValueError("seq")
        self._write(self.rows, SNAP if is_snapshot else DATA, block)
        self._count_block(block)

    def ack(self, seq: int) -> bool:
        """Note a receipt for every row up to ``seq``, inclusive; False where it cannot be ours.

        A receipt for a row that we never wrote means that this memory is a copy of another one.
        """
        lane = self.rows
        if seq >= lane.next:
            return False
        if seq >= lane.done:
            self._write(lane, ACK, struct.pack("<I", seq + 1))
            lane.done = seq + 1
        return True

    def note_boot(self, reason: int) -> int:
        """Count a boot and return its number; ``reason`` is 0…255 (health.py)."""
        boot = self.rows.mark + 1
        self._write(self.rows, BOOT, struct.pack("<IB", boot, reason))
        self.rows.mark = boot
        return boot

    def note_time(self, boot: int, uptime_ms: int, unix_ms: int) -> None:
        """Note that at ``uptime_ms`` of ``boot`` it was ``unix_ms``, for ``time_of``."""
        floor_s = min(unix_ms // 1000, _NONE)
        self._write(self.keep, TIME, struct.pack("<IIq", boot, floor_s, unix_ms - uptime_ms))
        self.keep.floor_s = floor_s

    def time_of(self, boot: int) -> "int | None":
        """Return Unix ms at uptime 0 of ``boot``; None where no TIME was noted."""
        origin_ms: "int | None" = None
        for no in range(self.keep.oldest, self.keep.newest + 1):
            for kind, _ in self.keep.walk(no, self._view):
                if kind == TIME and struct.unpack_from("<I", self._in)[0] == boot:
                    origin_ms = struct.unpack_from("<q", self._in, 8)[0]
        return origin_ms

    def event(self, payload: bytes) -> "int | None":
        """Store an event and return its number; None where too many wait (count that)."""
        lane = self.keep
        number = lane.next
        if number - lane.done >= EVENTS_MAX:
            return None
        self._write(lane, EVENT, struct.pack("<I", number) + payload)
        lane.next = number + 1
        return number

    def ack_event(self, number: int) -> None:
        """Note that every event up to ``number``, inclusive, was delivered."""
        lane = self.keep
        if lane.done <= number < lane.next:
            self._write(lane, ACK, struct.pack("<I", number + 1))
            lane.done = number + 1

    def events(self) -> "Iterator[tuple[int, bytes]]":
        """Yield ``(number, payload)`` of the events not delivered."""
        lane = self.keep
        for no in range(lane.oldest, lane.newest + 1):
            for kind, size in lane.walk(no, self._view):
                number = struct.unpack_from("<I", self._in)[0]
                if kind == EVENT and number >= lane.done:
                    yield number, bytes(self._view[4:size])

    def pending(self, seq: int = 0) -> "Iterator[tuple[int, bytes]]":
        """Yield ``(first, block)`` in order, from the block of row ``seq`` or of the first wanted.

        A ``first`` beyond the last row before says that the rows between exist no more.
        """
        rows, mark = self.rows, self.keep.mark
        seq = max(seq, rows.done)
        if seq < mark:
            for item in self._blocks(self.keep, self.keep.oldest, seq, mark):
                yield item
            seq = mark
        no = rows.oldest
        for later in range(no + 1, rows.newest + 1):
            if rows.start_of(later) <= seq:
                no = later
        for item in self._blocks(rows, no, seq, _NONE):
            yield item

    def _blocks(self, lane: _Lane, no: int, seq: int, end: int) -> "Iterator[tuple[int, bytes]]":
        while no <= lane.newest:
            no = max(no, lane.oldest)
            for kind, size in lane.walk(no, self._view):
                first, count = struct.unpack_from("<IB", self._in, _SEQ_AT)
                if kind <= SNAP and seq < first + count <= end:
                    seq = first + count
                    yield first, bytes(self._view[:size])
            no += 1

    def _write(self, lane: _Lane, kind: int, payload: bytes) -> None:
        if len(payload) > MAX_PAYLOAD:
            raise ValueError("record")
        if lane.at + _RECORD_BYTES + len(payload) > lane.size:
            if lane.newest - lane.oldest + 1 >= lane.count:
                self._spare(lane)
            lane.open(lane.newest + 1, lane.log)
        lane.put(kind, payload)

    def _spare(self, lane: _Lane) -> None:
        """Before the oldest sector of a lane goes: move what must stay, note what is lost."""
        rows, keep = self.rows, self.keep
        known = rows.done if lane is keep else max(rows.done, keep.mark)
        end = lost = 0
        for kind, size in lane.walk(lane.oldest, self._view):
            if kind > SNAP:
                continue
            first, count = struct.unpack_from("<IB", self._in, _SEQ_AT)
            if first + count <= known:
                continue
            end = first + count
            if kind == SNAP and lane is rows:
                self._write(keep, SNAP, bytes(self._view[:size]))
            else:
                lost += count
        lost += keep.lost
        if end and lane is rows:
            self._write(keep, GAP, struct.pack("<II", end, lost))
            keep.mark = end
        keep.lost = lost
