"""The ledger's rules, one by one, and against a simple model."""

import time
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ledger import Ledger, Mark, Receipt
from gateway.ledger.ranges import add, contains, end_of_run, holes
from gateway.ledger.stream import MAX_EPOCHS, MAX_HOLES
from gateway.ledger.table import FORGOTTEN, MAX_LOGS
from gateway.model import NO_SEQ, DecodedBatch, IntArray, ReadingBatch, Reason
from gateway.ports import StreamRow

NUMBERS = {"em1": 1, "tl1": 5}


class Row(NamedTuple):
    seq: int
    time_ms: int = -1  # −1: as the sequence number, times 1000
    boot: int = -1
    device: int = 0
    log: int = 0
    is_stamped: bool = False


def batch_of(rows: Sequence[Row], profile: str = "em1", record: int = 1) -> DecodedBatch:
    def column(values: Sequence[int]) -> IntArray:
        return np.array(values, np.int64)

    zeros = column([0] * len(rows))
    times = column([row.time_ms if row.time_ms >= 0 else 1000 * row.seq + 1 for row in rows])
    readings = ReadingBatch(
        profile,
        column([row.device for row in rows]),
        column([row.log for row in rows]),
        column([row.seq for row in rows]),
        times,
        times,
        np.zeros((len(rows), 6)),
        zeros.copy(),
        zeros.copy(),
        zeros.copy(),
        np.arange(record, record + len(rows)),
    )
    return DecodedBatch(
        readings,
        column([row.boot for row in rows]),
        zeros.astype(np.bool_),
        ~zeros.astype(np.bool_),
        np.array([row.is_stamped for row in rows]),
        zeros.copy(),
    )


def nothing_stored(_profile: str, _device: int, _times: IntArray) -> IntArray:
    return np.zeros(0, np.int64)


def ledger_of(*rows: Row) -> Ledger:
    ledger = Ledger(NUMBERS, nothing_stored)
    if rows:
        screen(ledger, *rows)
    return ledger


def screen(ledger: Ledger, *rows: Row) -> list[bool]:
    [verdicts] = ledger.screen([batch_of(rows)])
    fresh: list[bool] = verdicts.is_fresh.tolist()
    return fresh


def reasons(ledger: Ledger, *rows: Row) -> list[int]:
    [verdicts] = ledger.screen([batch_of(rows)])
    bits: list[int] = verdicts.reasons.tolist()
    return bits


def test_a_stream_that_goes_on_is_fresh_and_one_that_repeats_is_not() -> None:
    ledger = ledger_of(Row(5), Row(6), Row(7))
    assert screen(ledger, Row(7), Row(8), Row(8), Row(9)) == [False, True, False, True]
    assert ledger.receipts() == [Receipt(0, 0, 9, [])]


def test_the_first_number_seen_is_the_base_and_lower_ones_are_still_fresh() -> None:
    ledger = ledger_of(Row(100))
    assert screen(ledger, Row(98), Row(98), Row(100)) == [True, False, False]
    [row] = ledger.dirty_rows()
    assert (row.first, row.high_water, row.ranges) == (100, 100, "[[98, 98]]")


def test_a_hole_is_named_and_holds_the_receipt_back_until_it_is_filled() -> None:
    ledger = ledger_of(Row(0), Row(1))
    assert reasons(ledger, Row(4), Row(5)) == [Reason.SEQ_GAP, 0]
    [receipt] = ledger.receipts()
    assert receipt == Receipt(0, 0, 1, [(2, 3)])
    assert receipt.payload() == b'{"log":0,"seq":1,"missing":[[2,3]]}'
    assert reasons(ledger, Row(6)) == [0]
    assert screen(ledger, Row(2), Row(3), Row(4)) == [True, True, False]
    [receipt] = ledger.receipts()
    assert receipt.payload() == b'{"log":0,"seq":6}'
    assert ledger.receipts() == []


def test_a_repeated_reading_makes_the_receipt_come_again() -> None:
    ledger = ledger_of(Row(0))
    assert len(ledger.receipts()) == 1
    assert screen(ledger, Row(0)) == [False]
    assert ledger.receipts() == [Receipt(0, 0, 0, [])]


def test_shares_of_the_receipts_leave_none_out_and_give_none_twice() -> None:
    ledger = ledger_of(*(Row(seq, device=device) for seq in range(2) for device in range(11)))
    shares = [ledger.receipts(part, 4) for part in range(4)]
    assert max(map(len, shares)) == 3
    assert sorted(chain.from_iterable(shares)) == [
        Receipt(device, 0, 1, []) for device in range(11)
    ]
    screen(ledger, Row(2, device=5))
    again = chain.from_iterable(ledger.receipts(part, 4) for part in range(4))
    assert list(again) == [Receipt(5, 0, 2, [])]


def test_a_birth_names_older_readings_that_are_still_to_come() -> None:
    ledger = ledger_of()
    ledger.expect(0, 0, 7)
    assert reasons(ledger, Row(9)) == [Reason.SEQ_GAP]
    assert ledger.receipts() == [Receipt(0, 0, 6, [(7, 8)])]
    ledger.expect(0, 0, 5)
    assert ledger.receipts() == [Receipt(0, 0, 4, [(5, 8)])]


def test_a_birth_that_begins_above_a_hole_gives_the_hole_up() -> None:
    ledger = ledger_of(Row(0), Row(4))
    ledger.expect(0, 0, 4)
    assert ledger.receipts() == [Receipt(0, 0, 4, [])]


def test_what_a_device_says_is_lost_is_not_waited_for() -> None:
    ledger = ledger_of(Row(0), Row(4))
    ledger.gap(0, 0, 1, 2)
    assert ledger.receipts() == [Receipt(0, 0, 0 + 2, [(3, 3)])]


def test_a_mark_acts_in_its_place_among_the_readings() -> None:
    one, other = ledger_of(), ledger_of()
    rows = [Row(0), Row(9), Row(3)]
    gap = Mark(2, 0, 0, 1, 5)  # with the second record, before the third
    [verdicts] = one.screen([batch_of(rows)], marks=[gap])
    assert verdicts.is_fresh.tolist() == [True, True, False]
    screen(other, rows[0])
    other.gap(0, 0, 1, 5)
    assert screen(other, *rows[1:]) == [True, False]
    assert one.dirty_rows() == other.dirty_rows()


def test_a_new_boot_that_counts_anew_with_a_newer_time_begins_an_epoch() -> None:
    ledger = ledger_of(Row(10, 1000, boot=3), Row(11, 2000, boot=3))
    assert reasons(ledger, Row(0, 3000, boot=4), Row(1, 4000, boot=4)) == [Reason.SEQ_RESET, 0]
    assert ledger.receipts() == [Receipt(0, 0, 1, [])]
    # a retransmission from before the reset, and a reading that only now got through
    assert screen(ledger, Row(11, 2000, boot=3), Row(12, 2500, boot=3)) == [False, True]
    assert screen(ledger, Row(12, 2500, boot=3), Row(1, 4000, boot=4)) == [False, False]
    assert [(row.epoch, row.boot, row.high_water) for row in ledger.dirty_rows()] == [
        (0, 3, 12),
        (1, 4, 1),
    ]


def test_a_new_boot_that_sends_an_old_reading_again_is_no_reset() -> None:
    ledger = ledger_of(Row(10, 1000, boot=3), Row(11, 2000, boot=3))
    assert screen(ledger, Row(10, 1000, boot=4), Row(12, 3000, boot=4)) == [False, True]
    assert reasons(ledger, Row(13, 4000, boot=4)) == [0]


def test_a_boot_counter_that_fell_is_a_wiped_device() -> None:
    ledger = ledger_of(Row(10, 1000, boot=17), Row(11, 2000, boot=17))
    assert reasons(ledger, Row(0, 3000, boot=0)) == [Reason.SEQ_RESET]
    assert screen(ledger, Row(11, 2000, boot=17), Row(0, 3000, boot=0)) == [False, False]


def test_without_a_boot_counter_a_restart_at_zero_or_one_with_a_newer_time_is_a_reset() -> None:
    for first in (0, 1):
        ledger = ledger_of(*[Row(n, 1000 * n) for n in range(6)])
        assert reasons(ledger, Row(first, 9000)) == [Reason.SEQ_RESET]
        # by its time the old one is known as such
        assert screen(ledger, Row(first, 1000 * first), Row(3, 3000)) == [False, False]
        assert screen(ledger, Row(first + 1, 9500)) == [True]
    ledger = ledger_of(*[Row(n, 1000 * n) for n in range(6)])
    assert screen(ledger, Row(2, 9000)) == [False]


def test_a_time_the_gateway_gave_is_no_proof_of_a_reset() -> None:
    def stamped(seq: int, time_ms: int, boot: int = -1) -> Row:
        return Row(seq, time_ms, boot, is_stamped=True)

    ledger = ledger_of(*[stamped(n, 1000 + n) for n in range(10)])
    assert screen(ledger, stamped(0, 5000), stamped(3, 5001)) == [False, False]
    ledger = ledger_of(*[stamped(n, 1000 + n) for n in range(17)])
    assert reasons(ledger, stamped(0, 5000)) == [Reason.SEQ_RESET]
    ledger = ledger_of(*[stamped(n, 1000 + n, boot=1) for n in range(4)])
    assert screen(ledger, stamped(3, 5000, boot=2)) == [False]
    assert reasons(ledger, stamped(0, 6000, boot=2)) == [Reason.SEQ_RESET]


def test_a_refused_time_is_no_sign_of_a_reset() -> None:
    ledger = ledger_of(*[Row(n, 1000 * n, boot=1) for n in range(6)])
    far = batch_of([Row(2, 10**15, boot=2)])
    [verdicts] = ledger.screen([far], [np.array([True])])
    assert verdicts.is_fresh.tolist() == [False]
    assert reasons(ledger, Row(0, 9000, boot=2)) == [Reason.SEQ_RESET]


def test_a_device_that_sends_a_constant_number_keeps_its_readings_and_our_memory() -> None:
    ledger = ledger_of()
    for n in range(3 * MAX_EPOCHS):
        assert screen(ledger, Row(0, 1000 * (n + 1))) == [True]
    alive = {row.epoch for row in ledger.dirty_rows() if row.ranges != FORGOTTEN}
    assert alive == set(range(2 * MAX_EPOCHS, 3 * MAX_EPOCHS))


def test_the_oldest_hole_is_given_up_when_there_are_too_many() -> None:
    ledger = ledger_of(*[Row(2 * n) for n in range(MAX_HOLES + 1)])
    assert ledger.given_up == 0
    assert screen(ledger, Row(2 * MAX_HOLES + 2)) == [True]
    assert ledger.given_up == 1
    [receipt] = ledger.receipts()
    assert (receipt.seq, len(receipt.missing), receipt.missing[0]) == (2, 64, (3, 3))
    assert screen(ledger, Row(1), Row(3)) == [False, True]


def test_a_device_that_makes_up_logs_only_forgets_its_own_oldest() -> None:
    ledger = ledger_of(Row(7, device=1))
    for log in range(3 * MAX_LOGS):
        screen(ledger, Row(0, 1000 + log, log=log))
    rows = ledger.dirty_rows()
    alive = [(row.device_index, row.log) for row in rows if row.ranges != FORGOTTEN]
    assert sorted(alive) == [(0, log) for log in range(2 * MAX_LOGS, 3 * MAX_LOGS)] + [(1, 0)]
    assert screen(ledger, Row(0, 1000 + 3 * MAX_LOGS - 1, log=3 * MAX_LOGS - 1)) == [False]
    restored = Ledger(NUMBERS, nothing_stored)
    restored.restore(rows)
    assert screen(restored, Row(7, device=1), Row(8, device=1)) == [False, True]


def test_logs_and_devices_are_counted_apart() -> None:
    ledger = ledger_of(Row(3), Row(3, log=9), Row(3, device=4))
    assert screen(ledger, Row(4), Row(3, log=9), Row(4, log=9), Row(4, device=4)) == [
        True,
        False,
        True,
        True,
    ]


def test_one_log_may_carry_several_profiles() -> None:
    ledger = ledger_of()
    meter, lane = batch_of([Row(0), Row(2), Row(4)]), batch_of([Row(1), Row(3)], "tl1")
    meter.readings.record[:], lane.readings.record[:] = [1, 3, 5], [2, 4]
    verdicts = ledger.screen([meter, lane])
    assert [v.reasons.tolist() for v in verdicts] == [[0, 0, 0], [0, 0]]
    assert ledger.receipts() == [Receipt(0, 0, 4, [])]


def test_unnumbered_readings_are_known_by_device_profile_and_time() -> None:
    asked: list[tuple[str, int, list[int]]] = []

    def find_times(profile: str, device: int, times: IntArray) -> IntArray:
        asked.append((profile, device, times.tolist()))
        return np.array([1000])

    ledger = Ledger(NUMBERS, find_times)
    rows = [Row(NO_SEQ, 1000), Row(NO_SEQ, 2000), Row(NO_SEQ, 2000), Row(NO_SEQ, 1000, device=1)]
    assert screen(ledger, *rows) == [True, True, False, True]
    assert asked == []
    late = [Row(NO_SEQ, 1000), Row(NO_SEQ, 1500), Row(NO_SEQ, 1500), Row(NO_SEQ, 2500)]
    assert screen(ledger, *late) == [False, True, False, True]
    assert asked == [("em1", 0, [1000, 1500])]
    [verdicts] = ledger.screen([batch_of([Row(NO_SEQ, 1500)], "tl1")])
    assert verdicts.is_fresh.tolist() == [True]
    assert ledger.receipts() == []
    restored = Ledger(NUMBERS, find_times)
    restored.restore(ledger.dirty_rows())
    assert screen(restored, Row(NO_SEQ, 1000), Row(NO_SEQ, 2600)) == [False, True]
    assert asked[-1] == ("em1", 0, [1000])


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 30), st.booleans()), min_size=1, max_size=60
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_a_steady_device_agrees_with_a_set_through_batches_and_restarts(
    steps: list[tuple[int, int, bool]],
) -> None:
    ledger = ledger_of()
    rows: dict[tuple[int, int, int], StreamRow] = {}
    seen: set[tuple[int, int]] = set()
    waiting: list[Row] = []
    expected: list[bool] = []
    for device, seq, ends in steps:
        waiting.append(Row(seq, 1000 + seq, boot=1, device=device))
        expected.append((device, seq) not in seen)
        seen.add((device, seq))
        if ends:
            assert screen(ledger, *waiting) == expected
            rows |= {(row.device_index, row.log, row.epoch): row for row in ledger.dirty_rows()}
            ledger = Ledger(NUMBERS, nothing_stored)
            ledger.restore(rows.values())
            waiting, expected = [], []
    if waiting:
        assert screen(ledger, *waiting) == expected


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), max_size=40), st.integers(0, 60))
def test_ranges_are_a_set(pieces: list[tuple[int, int]], start: int) -> None:
    ranges: list[tuple[int, int]] = []
    model: set[int] = set()
    for first, length in pieces:
        more = set(range(first, first + length + 1))
        assert add(ranges, first, first + length) == len(more - model)
        model |= more
    assert {n for first, last in ranges for n in range(first, last + 1)} == model
    assert all(b + 1 < c for (_, b), (c, _) in pairwise(ranges))
    assert contains(ranges, start) == (start in model)
    end = end_of_run(ranges, start)
    assert all(n in model for n in range(start, end + 1))
    assert end + 1 not in model
    upper = [item for item in ranges if item[1] >= start]
    missing = {n for first, last in holes(upper, start) for n in range(first, last + 1)}
    assert missing == {n for n in range(start, max(model, default=0)) if n not in model}


def test_speed_of_a_batch_with_as_many_devices_as_readings() -> None:
    ledger, order = ledger_of(), np.random.default_rng(7)
    spent_us = []
    for seq in range(6):
        devices = order.permutation(5000).tolist()
        batch = batch_of([Row(seq, device=device) for device in devices])
        start = time.perf_counter()
        [verdicts] = ledger.screen([batch])
        spent_us.append((time.perf_counter() - start) / 5000 * 1e6)
        assert verdicts.is_fresh.all()
    print(f"ledger: {min(spent_us):.3f} µs a reading, first batch {spent_us[0]:.3f}")  # noqa: T201
