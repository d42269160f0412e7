"""Power cuts at random operations: what was stored stays, in order, byte for byte."""

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
        size = (512, 1024, 4096)[self.draw(3)]
        self.flash = flash_of(5 + self.draw(5), self.draw, size)
        self.log = 0
        self.next = self.done = self.boot = self.event = self.mark = self.lost = 0
        self.blocks: "dict[int, tuple[bytes, bool]]" = {}  # committed and not receipted
        self.trying: tuple = ("", None)  # type: ignore[type-arg]
        self.payload_bytes = self.cuts = self.records = 0

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
        what = self.draw(16)
        if what < 11:
            self.append(ring)
        elif what < 13 and self.next > self.done:
            seq = self.done + self.draw(self.next - self.done)
            self.trying = ("ack", seq)
            assert ring.ack(seq)
            self.receipted(seq)
        elif what == 13:
            self.trying = ("event", None)
            number = ring.event(b"event")
            if number is not None:
                assert number == self.event
                self.event += 1
            if self.draw(2) and self.event:
                self.trying = ("", None)
                ring.ack_event(self.event - 1)
        elif what == 14:
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
        self.blocks[self.next] = (block, is_snapshot)
        self.next += rows
        self.payload_bytes += len(block)
        self.records += 1

    def receipted(self, seq: int) -> None:
        self.done = max(self.done, seq + 1)
        for first in list(self.blocks):
            if first + self.blocks[first][0][13] <= self.done:
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
                if first < self.mark and not self.blocks[first][1]:
                    del self.blocks[first]
        assert ring.keep.lost >= self.lost
        self.lost = ring.keep.lost

    def settle(self, ring: Ring) -> None:
        """Find out whether the operation that the cut fell into has happened."""
        what, detail = self.trying
        if what == "append" and ring.rows.next != self.next:
            self.appended(*detail)
        elif what == "ack" and ring.rows.done != self.done:
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
            assert stored is None or stored[0] == block, first
            assert stored or first < self.mark, first
        self.check_complete(ring)

    def check_complete(self, ring: Ring) -> None:
        there = {first for first, _ in ring.pending()}
        missing = [first for first in self.blocks if first not in there]
        if missing:  # the keep lane went round, too: snapshots are counted before they go
            assert all(self.blocks[first][1] for first in missing), missing
            assert ring.keep.newest >= ring.keep.count
            for first in missing:
                assert first < self.mark
                del self.blocks[first]


def run(lives_wanted: int, seed: int) -> "tuple[int, int, int]":
    cuts = records = spared = 0
    while cuts < lives_wanted:
        seed += 1
        node = Node(seed)
        for _ in range(12):
            node.live()
        cuts += node.cuts
        records += node.records
        spared += node.mark > 0
    return cuts, records, spared


def test_nothing_stored_is_lost_and_no_number_comes_twice() -> None:
    wanted = count_of(50, 500) if is_micropython() else count_of(1000, 10_000)
    cuts, records, spared = run(wanted, 20261121)
    assert cuts >= wanted
    assert records > 10 * cuts
    assert spared > cuts // 60  # in enough of the nodes memory overran
