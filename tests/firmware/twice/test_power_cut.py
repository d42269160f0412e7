"""Power cuts at random operations: what was stored stays, in order, byte for byte."""

from binascii import crc32

from fieldnode.core.ring import Ring
from fieldnode.hal.sim import PowerCut
from tests.firmware.twice.support import Draw, block_of, count_of, flash_of, is_micropython


class Node:
    """A node over many lives, with a book of what the ring has promised it.

    Beside each number stands what it may also be after a cut: the operation that was under way
    may have reached the flash in full.
    """

    def __init__(self, seed: int) -> None:
        self.draw = Draw(seed)
        sizes = (512, 1024, 512 if is_micropython() else 4096)  # the book needs memory, too
        size = sizes[self.draw(3)]
        self.flash = flash_of(5 + self.draw(5), self.draw, size)
        self.outage = (1, 4, 60)[self.draw(3)]  # one in so many receipts comes through
        self.is_exact = True  # no snapshot was lost yet, so that lost rows can be compared
        self.log = 0
        self.next = self.done = self.boot = self.event = self.mark = self.lost = self.gone = 0
        # committed and not receipted: first row → rows, CRC, whether overflow must spare it
        self.blocks: "dict[int, tuple[int, int, bool]]" = {}
        self.trying: tuple = ("", None)  # type: ignore[type-arg]
        self.payload_bytes = self.cuts = self.records = self.exact = 0

    def live(self) -> None:
        """Switch on, check, work until the power goes."""
        self.flash.power_up()
        self.flash.cut_at = 1 + self.draw(150 if self.draw(4) else 12)
        try:
            ring = Ring(self.flash, 1 + self.draw(2**31))
            if not self.log:
                self.log = ring.rows.log
            self.check(ring)
            self.trying = ("boot", self.boot + 1)
            assert ring.note_boot(1) == self.boot + 1
            self.boot += 1
            while True:
                self.work(ring)
        except PowerCut:
            self.cuts += 1

    def work(self, ring: Ring) -> None:
        """Do one thing that a node does."""
        what = self.draw(15 + (self.draw(4) == 0))
        if what < 12:
            self.append(ring)
        elif what < 14 and self.next > self.done and self.draw(self.outage) == 0:
            seq = self.done + self.draw(self.next - self.done)
            self.trying = ("ack", seq)
            assert ring.ack(seq)
            self.note_overflow(ring)  # the ACK itself may have needed room
            self.receipted(seq)
        elif what == 14:
            self.trying = ("event", None)
            number = ring.event(b"event")
            if number is not None:
                assert number == self.event
                self.event += 1
            if self.draw(2) and self.event:
                self.trying = ("", None)
                ring.ack_event(self.event - 1)
        elif what == 15:
            self.trying = ("", None)
            ring.note_time(self.boot, 5000, 10**12 + self.boot)
            assert ring.time_of(self.boot) == 10**12 + self.boot - 5000
        self.note_overflow(ring)

    def append(self, ring: Ring) -> None:
        rows = 1 + self.draw(9)
        is_snapshot = self.draw(12) == 0
        block = block_of(self.next, rows, self.draw.bytes(8 + self.draw(40)))
        self.trying = ("append", (block, is_snapshot, rows))
        ring.append(block, is_snapshot)
        self.appended(block, is_snapshot, rows)

    def appended(self, block: bytes, is_snapshot: bool, rows: int) -> None:  # noqa: FBT001
        self.blocks[self.next] = (rows, crc32(block), is_snapshot)
        self.next += rows
        self.payload_bytes += len(block)
        self.records += 1

    def receipted(self, seq: int) -> None:
        self.done = max(self.done, seq + 1)
        for first in list(self.blocks):
            if first + self.blocks[first][0] <= self.done:
                del self.blocks[first]

    def note_overflow(self, ring: Ring) -> None:
        """Rows below the mark went; only for want of room, and only those not spared."""
        assert ring.keep.mark >= self.mark
        if ring.keep.mark > self.mark:
            self.mark = ring.keep.mark
            lane = ring.rows  # the mark stays within the oldest sector, which may be going
            assert lane.newest - lane.oldest + 1 == lane.count
            assert self.mark <= max(lane.start_of(lane.oldest + 1), lane.start_of(lane.oldest))
            for first in list(self.blocks):
                if first < self.mark and not self.blocks[first][2]:
                    self.gone += self.blocks.pop(first)[0]
        assert ring.keep.lost >= self.lost
        self.lost = ring.keep.lost

    def settle(self, ring: Ring) -> None:
        """Find out whether the operation that the cut fell into has happened."""
        what, detail = self.trying
        if what == "append" and ring.rows.next != self.next:
            self.appended(*detail)
        elif what == "ack" and ring.rows.done != self.done:
            self.note_overflow(ring)
            self.receipted(detail)
        elif what == "boot" and ring.rows.mark != self.boot:
            self.boot += 1
        elif what == "event" and ring.keep.next != self.event:
            self.event += 1

    def check(self, ring: Ring) -> None:
        self.settle(ring)
        assert ring.rows.log == self.log
        assert ring.rows.next == self.next, (ring.rows.next, self.next, self.trying)
        assert ring.rows.done == self.done, (ring.rows.done, self.done, self.trying)
        assert ring.rows.mark == self.boot
        assert ring.keep.next == self.event
        self.note_overflow(ring)
        end = self.done
        for first, block in ring.pending():
            assert first >= end or end == self.done, (first, end)
            end = first + block[13]
            stored = self.blocks.get(first)
            assert stored is None or stored[1] == crc32(block), first
            assert stored or first < self.mark, first
        self.check_complete(ring)
        if self.is_exact and ring.keep.newest < ring.keep.count:
            assert ring.keep.lost == self.gone, (ring.keep.lost, self.gone)
            self.exact += self.gone > 0

    def check_complete(self, ring: Ring) -> None:
        there = {first for first, _ in ring.pending()}
        missing = [first for first in self.blocks if first not in there]
        if missing:  # the keep lane went round, too, or was cut while it did
            self.is_exact = False
            assert all(self.blocks[first][2] for first in missing), missing
            assert ring.keep.newest >= ring.keep.count - 1
            for first in missing:
                assert first < self.mark
                del self.blocks[first]


def run(lives_wanted: int, seed: int) -> "tuple[int, int, int, int]":
    cuts = records = spared = exact = 0
    while cuts < lives_wanted:
        seed += 1
        node = Node(seed)
        for _ in range(12):
            node.live()
        cuts += node.cuts
        records += node.records
        spared += node.mark > 0
        exact += node.exact
    return cuts, records, spared, exact


def test_nothing_stored_is_lost_and_no_number_comes_twice() -> None:
    wanted = count_of(50, 500) if is_micropython() else count_of(1000, 10_000)
    cuts, records, spared, exact = run(wanted, 20261121)
    assert cuts >= wanted
    assert records > 10 * cuts
    assert spared > cuts // 30  # of twelve lives each: in enough nodes memory overran
    assert exact > cuts // 10  # and the count of lost rows was compared


def test_a_wipe_cut_short_leaves_the_old_log_or_a_new_one() -> None:
    draw = Draw(3)
    logs = set()
    for cut in range(1, 14):
        flash = flash_of(6, draw, 512)
        ring = Ring(flash, 1)
        while ring.rows.newest < 6:
            ring.append(block_of(ring.rows.next, 5, bytes(40)))
        written = ring.rows.next
        flash.power_up()
        flash.cut_at = cut
        try:
            ring.format(2)
            assert cut > 8
        except PowerCut:
            pass
        flash.power_up()
        again = Ring(flash, 3)
        logs.add(again.rows.log)
        if again.rows.log == 1:
            assert (again.rows.next, again.rows.newest) == (written, 6)
        else:
            assert again.rows.next == 0
        again.append(block_of(again.rows.next, 5, bytes(40)))
    assert logs == {1, 2, 3}


def test_a_sector_that_a_cut_tore_is_not_written_again() -> None:
    draw = Draw(4)
    torn = 0
    for _ in range(30):
        flash = flash_of(5, draw, 1024)
        ring = Ring(flash, 1)
        ring.append(block_of(0, 5, bytes(40)))
        flash.power_up()
        flash.cut_at = 1
        try:
            ring.append(block_of(5, 5, bytes(40)))
        except PowerCut:
            flash.power_up()
        again = Ring(flash, 1)
        rest = bytearray(8)
        flash.readblocks(0, rest, 36 + 8 + 65 + 3)  # where the torn record began
        is_torn = again.rows.next == 5 and bytes(rest) != b"\xff" * 8
        again.append(block_of(again.rows.next, 5, bytes(40)))
        assert again.rows.newest == is_torn
        torn += is_torn
    assert torn > 15
