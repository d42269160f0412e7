"""Power-safe store of a node: two lanes of flash sectors, written record by record.

Theory of operation. Flash is erased by the sector (4 KiB on ESP32); a program only clears bits.
What changes is a new record (lane.py), what is old goes with its sector.

* The **rows** lane holds blocks (DATA; SNAP is a block that overflow must spare), receipts (ACK)
  and boots. It wraps: the oldest sector makes room, with receipts or, in a long outage, without.
* The **keep** lane, an eighth of the sectors, holds what must outlive that: events, TIME pairs,
  the SNAP blocks of sectors that went, and for each such sector a GAP. The
  GAP commits the move: rows below its ``mark`` are in the keep lane or exist no more.

The device is MicroPython's extended block device (docs.micropython.org, os.AbstractBlockDev),
the layout firmware.md §5.2.
"""

from struct import pack, unpack_from

from fieldnode.core.lane import NONE, Lane

if False:  # for the type checker; MicroPython has neither, and no trace of this in the .mpy
    from collections.abc import Iterator

    from fieldnode.hal.base import BlockDevice

DATA, SNAP, ACK, BOOT, TIME, EVENT, GAP = 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7

MAX_PAYLOAD = 1000  # with what is around it below the 1 KiB that a tired heap still gives
EVENTS_MAX = 128  # unsent events; beyond, a chattering input would push out the snapshots


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
        block: of the longest block in bytes; of what is longer than that nothing is read.
    """

    def __init__(self, device: "BlockDevice", log: int, block: int = MAX_PAYLOAD) -> None:
        count = device.ioctl(4, 0)  # how many sectors
        keep = max(2, count >> 3)
        buffer = bytearray(block + 11)  # a record with its head, up to the next multiple of 4
        self._view = memoryview(buffer)
        self.rows = Lane(device, 0, count - keep, buffer)
        self.keep = Lane(device, count - keep, keep, buffer)
        if not self.rows.mount():
            self.format(log)
        elif not self.keep.mount():
            self.keep.open(self.rows.log)
        self._replay(self.rows)
        self._replay(self.keep)

    def format(self, log: int) -> None:
        """Forget everything and begin a new log. A cut in between leaves the old one, or none."""
        self.keep.wipe()
        self.rows.wipe()
        self.rows.open(log)
        self.keep.open(log)

    def _replay(self, lane: Lane) -> None:
        for kind, _ in lane.walk(lane.newest):
            number, other = unpack_from("<II", self._view)
            if kind <= SNAP:
                if lane is self.rows:
                    self._count_block(self._view)
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

    def _count_block(self, block: "bytes | memoryview") -> None:
        seq, count, clock, base_ms = unpack_from("<9xIBBq", block)  # docs/protocol.md §6
        self.rows.next = seq + count
        if clock >= 2:  # block.CLOCK_RTC and better: fit to be the clock's floor after a cut
            self.rows.floor_s = min(base_ms // 1000, NONE)

    @property
    def floor_ms(self) -> int:
        """Latest Unix time (ms) that the store knows to have been: the clock's floor."""
        return max(self.rows.floor_s, self.keep.floor_s) * 1000

    def append(self, block: bytes, is_snapshot: bool = False) -> None:
        """Store a block whose first row is ``next_seq``; it is durable on return."""
        if unpack_from("<9xIB", block)[0] != self.rows.next:
            raise ValueError("seq")
        self._write(self.rows, SNAP if is_snapshot else DATA, block)
        self._count_block(block)

    def ack(self, seq: int) -> bool:
        """Note a receipt for every row up to ``seq``, inclusive; False where it cannot be ours.

        A receipt for a row that we never wrote means that this memory is a copy of another one.
        """
        self._note_done(self.rows, seq)
        return seq < self.rows.next

    def _note_done(self, lane: Lane, number: int) -> None:
        if lane.done <= number < lane.next:
            self._write(lane, ACK, pack("<I", number + 1))
            lane.done = number + 1

    def note_boot(self, reason: int) -> int:
        """Count a boot and return its number; ``reason`` is 0…255 (health.py)."""
        boot = self.rows.mark + 1
        self._write(self.rows, BOOT, pack("<IB", boot, reason))
        self.rows.mark = boot
        return boot

    def note_time(self, boot: int, uptime_ms: int, unix_ms: int) -> None:
        """Note that at ``uptime_ms`` of ``boot`` it was ``unix_ms``, for ``time_of``."""
        floor_s = min(unix_ms // 1000, NONE)
        self._write(self.keep, TIME, pack("<IIq", boot, floor_s, unix_ms - uptime_ms))
        self.keep.floor_s = floor_s

    def time_of(self, boot: int) -> "int | None":
        """Return Unix ms at uptime 0 of ``boot``; None where no TIME was noted."""
        origin_ms: "int | None" = None
        for kind, _ in self._records(self.keep, 0):
            of, _, start_ms = unpack_from("<IIq", self._view)
            if kind == TIME and of == boot:
                origin_ms = start_ms
        return origin_ms

    def event(self, payload: bytes) -> "int | None":
        """Store an event and return its number; None where too many wait (count that)."""
        lane = self.keep
        number = lane.next
        if number - lane.done >= EVENTS_MAX:
            return None
        self._write(lane, EVENT, pack("<I", number) + payload)
        lane.next = number + 1
        return number

    def ack_event(self, number: int) -> None:
        """Note that every event up to ``number``, inclusive, was delivered."""
        self._note_done(self.keep, number)

    def events(self) -> "Iterator[tuple[int, bytes]]":
        """Yield ``(number, payload)`` of the events not delivered."""
        lane = self.keep
        for kind, size in self._records(lane, 0):
            number = unpack_from("<I", self._view)[0]
            if kind == EVENT and number >= lane.done:
                yield number, bytes(self._view[4:size])

    def pending(self, seq: int = 0) -> "Iterator[tuple[int, bytes]]":
        """Yield ``(first, block)`` in order, from the block of row ``seq`` or of the first wanted.

        A ``first`` beyond the last row before says that the rows between exist no more.
        """
        rows, mark = self.rows, self.keep.mark
        seq = max(seq, rows.done)
        if seq < mark:
            yield from self._blocks(self.keep, self.keep.oldest, seq, mark)
            seq = mark
        no = rows.oldest
        for later in range(no + 1, rows.newest + 1):
            if rows.start_of(later) <= seq:
                no = later
        yield from self._blocks(rows, no, seq, NONE)

    def _blocks(self, lane: Lane, no: int, seq: int, end: int) -> "Iterator[tuple[int, bytes]]":
        for kind, size in self._records(lane, no):
            first, count = unpack_from("<9xIB", self._view)
            if kind <= SNAP and seq < first + count <= end:
                seq = first + count
                yield first, bytes(self._view[:size])

    def _records(self, lane: Lane, no: int) -> "Iterator[tuple[int, int]]":
        while no <= lane.newest:
            no = max(no, lane.oldest)
            yield from lane.walk(no)
            no += 1

    def _write(self, lane: Lane, kind: int, payload: bytes) -> None:
        if not lane.has_room(len(payload)):
            if lane.newest - lane.oldest + 1 >= lane.count:
                self._spare(lane)
            lane.open(lane.log)
        lane.put(kind, payload)

    def _spare(self, lane: Lane) -> None:
        """Before the oldest sector of a lane goes: move what must stay, note what is lost."""
        rows = self.rows
        keep = self.keep
        known = rows.done if lane is keep else max(rows.done, keep.mark)
        end = lost = 0
        for kind, size in lane.walk(lane.oldest):
            if kind > SNAP:
                continue
            first, count = unpack_from("<9xIB", self._view)
            if first + count <= known:
                continue
            end = first + count
            if kind == SNAP and lane is rows:
                self._write(keep, SNAP, bytes(self._view[:size]))
            else:
                lost += count
        lost += keep.lost
        if end and lane is rows:
            self._write(keep, GAP, pack("<II", end, lost))
            keep.mark = end
        keep.lost = lost
