"""The ring without cuts: order, overflow, wear, damage, sizes."""

import sys
import time

from fieldnode.core import ring as ring_module
from fieldnode.core.ring import Ring
from tests.firmware.twice.support import Draw, block_of, flash_of, is_micropython, raises

SECTORS = 6  # 24 KiB: with the ring it fits the heap of a small board twice


def fill(ring: Ring, blocks: int, rows: int = 32, body: int = 121) -> None:
    """Append blocks of the size that 32 readings have (firmware.md §1.7)."""
    for _ in range(blocks):
        ring.append(block_of(ring.rows.next, rows, bytes([ring.rows.next & 255]) * body))


def test_a_new_device_is_formatted_and_found_again() -> None:
    flash = flash_of(SECTORS)
    ring = Ring(flash, 77)
    assert (ring.rows.log, ring.rows.next, ring.rows.done, ring.floor_ms) == (77, 0, 0, 0)
    assert list(ring.pending()) == []
    fill(ring, 3)
    assert ring.note_boot(2) == 1
    again = Ring(flash, 78)
    assert (again.rows.log, again.rows.next, again.rows.mark) == (77, 96, 1)
    assert [first for first, _ in again.pending()] == [0, 32, 64]
    assert [first for first, _ in again.pending(63)] == [32, 64]
    assert list(again.pending(96)) == []


def test_a_receipt_trims_and_one_that_is_not_ours_is_refused() -> None:
    ring = Ring(flash_of(SECTORS), 1)
    fill(ring, 3)
    assert ring.ack(40)
    assert ring.rows.done == 41
    assert [first for first, _ in ring.pending()] == [32, 64]  # a block goes as a whole
    assert ring.ack(10)  # late: nothing goes back
    assert ring.rows.done == 41
    assert not ring.ack(96)  # never written: this memory is a copy of another
    assert ring.ack(95)
    assert list(ring.pending()) == []


def test_the_next_block_has_the_next_number_or_is_refused() -> None:
    ring = Ring(flash_of(SECTORS), 1)
    fill(ring, 1)
    raises(ValueError, ring.append, block_of(31, 2, b""))
    raises(ValueError, ring.append, block_of(33, 2, b""))
    raises(ValueError, ring.append, block_of(32, 2, bytes(ring_module.MAX_PAYLOAD)))
    ring.append(block_of(32, 2, bytes(ring_module.MAX_PAYLOAD - 25)))
    assert ring.rows.next == 34


def test_overflow_drops_the_oldest_and_spares_snapshots() -> None:
    flash = flash_of(SECTORS)
    ring = Ring(flash, 1)
    snapshots = []
    for index in range(200):
        is_snapshot = index % 20 == 7
        if is_snapshot:
            snapshots.append(ring.rows.next)
        ring.append(block_of(ring.rows.next, 10, bytes(100)), is_snapshot)
    for store in (ring, Ring(flash, 2)):
        mark = store.keep.mark
        firsts = [first for first, _ in store.pending()]
        assert mark > 0
        assert firsts == sorted(set(firsts))
        assert [first for first in firsts if first < mark] == [s for s in snapshots if s < mark]
        assert [first for first in firsts if first >= mark] == list(range(mark, 2000, 10))
        assert store.keep.lost == mark - 10 * len([s for s in snapshots if s < mark])
    assert ring.ack(1999)
    assert list(ring.pending()) == []
    lost = ring.keep.lost
    fill(ring, 20)
    ring.ack(ring.rows.next - 1)
    fill(ring, 150)
    assert ring.keep.mark > 2640
    assert ring.keep.lost == lost + ring.keep.mark - 2640  # only what had no receipt


def test_snapshots_go_last_and_are_counted() -> None:
    ring = Ring(flash_of(SECTORS), 1)
    for index in range(1500):
        ring.append(block_of(ring.rows.next, 1, bytes(50)), is_snapshot=True)
        if index % 500 == 0:
            assert sum(1 for _ in ring.pending()) + ring.keep.lost == ring.rows.next
    there = [first for first, _ in ring.pending()]
    assert ring.keep.lost > 0
    assert len(there) + ring.keep.lost == 1500
    assert there[-1] == 1499


def test_a_reader_stays_right_while_the_ring_comes_round() -> None:
    ring = Ring(flash_of(SECTORS), 1)
    fill(ring, 60)
    seen = []
    for first, block in ring.pending():
        assert block == block_of(first, 32, bytes([first & 255]) * 121)
        seen.append(first)
        if len(seen) < 300:
            fill(ring, 2)
    assert seen == sorted(set(seen))
    assert seen[-1] == ring.rows.next - 32
    assert len(seen) > 200


def test_events_wait_for_their_delivery() -> None:
    flash = flash_of(SECTORS)
    ring = Ring(flash, 1)
    assert [ring.event(b'{"c":%d}' % code) for code in (40, 99)] == [0, 1]
    assert list(Ring(flash, 1).events()) == [(0, b'{"c":40}'), (1, b'{"c":99}')]
    ring.ack_event(0)
    ring.ack_event(0)
    ring.ack_event(7)  # not ours
    assert list(Ring(flash, 1).events()) == [(1, b'{"c":99}')]
    numbers = [ring.event(b"chatter") for _ in range(200)]
    assert numbers[126:128] == [128, None]
    assert Ring(flash, 1).keep.next == 129


def test_time_pairs_tell_when_an_uptime_was() -> None:
    flash = flash_of(SECTORS)
    ring = Ring(flash, 1)
    ring.note_time(3, 60_000, 1_795_300_200_000)
    ring.note_time(4, 1000, 1_795_300_300_000)
    ring.note_time(4, 2000, 1_795_300_301_500)
    assert ring.time_of(3) == 1_795_300_140_000
    assert ring.time_of(4) == 1_795_300_299_500
    assert ring.time_of(5) is None
    assert ring.floor_ms == 1_795_300_301_000
    assert Ring(flash, 1).floor_ms == 1_795_300_301_000


def test_the_floor_of_the_clock_comes_from_trusted_blocks_only() -> None:
    flash = flash_of(SECTORS)
    ring = Ring(flash, 1)
    ring.append(block_of(0, 1, b"", 2, 1_795_300_200_000))
    ring.append(block_of(1, 1, b"", 0, 1_999_999_999_999))
    ring.append(block_of(2, 1, b"", 1, 1_999_999_999_999))
    assert Ring(flash, 1).floor_ms == 1_795_300_200_000
    ring.append(block_of(3, 1, b"", 3, 1 << 53))
    assert Ring(flash, 1).floor_ms == 0xFFFFFFFF * 1000


def test_a_flipped_bit_costs_one_record_or_one_sector() -> None:
    draw = Draw(5)
    sizes = []
    for _ in range(20):
        flash = flash_of(SECTORS)
        ring = Ring(flash, 9)
        fill(ring, 60)
        flash.flip(draw(3), draw(4096), draw(8))
        again = Ring(flash, 10)
        if again.rows.log == 9:
            there = 0
            for first, block in again.pending():
                there += 1
                assert block == block_of(first, 32, bytes([first & 255]) * 121)
            assert again.rows.next == ring.rows.next
            sizes.append(60 - there)
            again.append(block_of(again.rows.next, 1, b"after"))
            assert [first for first, _ in again.pending(60 * 32)] == [60 * 32]
    assert len(sizes) == 20
    assert sorted(sizes)[15] <= 1
    assert max(sizes) <= 25


def test_a_formatted_ring_begins_again() -> None:
    flash = flash_of(SECTORS)
    ring = Ring(flash, 1)
    fill(ring, 150)
    ring.event(b"old")
    ring.format(2)
    for store in (ring, Ring(flash, 3)):
        assert (store.rows.log, store.rows.next, store.keep.mark, store.keep.lost) == (2, 0, 0, 0)
        assert list(store.pending()) == list(store.events()) == []


def test_a_lost_keep_lane_is_begun_anew() -> None:
    flash = flash_of(SECTORS)
    ring = Ring(flash, 1)
    fill(ring, 3)
    for slot in (4, 5):
        flash.ioctl(6, slot)
    again = Ring(flash, 2)
    assert again.rows.log == 1
    assert again.event(b"e") == 0
    assert [first for first, _ in again.pending()] == [0, 32, 64]


def test_wear_is_an_erase_per_3000_payload_bytes_with_a_receipt_for_each_block() -> None:
    flash = flash_of(SECTORS)
    ring = Ring(flash, 1)
    erased = sum(flash.erases)
    for _ in range(2000):
        fill(ring, 1)
        ring.ack(ring.rows.next - 1)
    payload_bytes = 2000 * (25 + 121)
    assert payload_bytes >= 3000 * (sum(flash.erases) - erased)
    assert max(flash.erases[:4]) - min(flash.erases[:4]) <= 1
    assert flash.programmed < 2 * payload_bytes


def test_wear_in_an_outage_counts_the_spared_snapshots_too() -> None:
    flash = flash_of(SECTORS)
    ring = Ring(flash, 1)
    erased = sum(flash.erases)
    for index in range(2000):  # ten minutes a block, an hourly snapshot
        ring.append(block_of(ring.rows.next, 32, bytes(121)), index % 6 == 5)
    payload_bytes = 2000 * (25 + 121)
    assert payload_bytes >= 3000 * (sum(flash.erases) - erased)


def test_append_and_mount_are_fast() -> None:
    if is_micropython() or sys.gettrace():  # measured on the host, and not under coverage
        return
    flash = flash_of(64)
    ring = Ring(flash, 1)
    blocks = [block_of(32 * index, 32, bytes(121)) for index in range(1400)]
    best_s = 1.0
    for start in range(0, 1400, 100):
        began_s = time.perf_counter()
        for block in blocks[start : start + 100]:
            ring.append(block)
        best_s = min(best_s, (time.perf_counter() - began_s) / 100)
    assert best_s <= 10e-6, best_s
    flash.reads = 0
    mounts_s = []
    for _ in range(5):
        began_s = time.perf_counter()
        Ring(flash, 1)
        mounts_s.append(time.perf_counter() - began_s)
    assert min(mounts_s) <= 5e-3, mounts_s
    assert flash.reads // 5 <= 20_000, flash.reads // 5
