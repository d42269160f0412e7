"""The clock: wraps, the epoch of 2000, floor, steps, slewing, drift, restamping, SNTP."""

import struct

from fieldnode import syncing
from fieldnode.core import block, clock, sntp
from fieldnode.core.clock import Clock
from fieldnode.hal.sim import EPOCH_2000_MS, TICKS_PERIOD_MS, VirtualClock
from tests.firmware.twice.support import Draw, count_of

NOW_MS = 1_795_300_200_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def test_uptime_goes_on_where_the_ticks_wrap() -> None:
    chip = VirtualClock(NOW_MS, ticks_ms=TICKS_PERIOD_MS - 1000)
    node = Clock(chip.ticks_ms(), 0)
    for _ in range(40):
        chip.advance(11 * DAY_MS)
        node.uptime_ms(chip.ticks_ms())
    assert node.uptime_ms(chip.ticks_ms()) == 440 * DAY_MS


def test_before_the_first_synchronisation_there_is_uptime_and_a_floor() -> None:
    chip = VirtualClock(NOW_MS)
    assert chip.rtc_ms() == EPOCH_2000_MS
    node = Clock(chip.ticks_ms(), NOW_MS - DAY_MS)
    chip.advance(5000)
    assert node.base(chip.ticks_ms()) == (block.CLOCK_NONE, 5000)
    assert node.tls_ms(chip.ticks_ms()) == NOW_MS - DAY_MS + 5000
    assert not node.set(chip.ticks_ms(), chip.rtc_ms(), is_sntp=False)  # 2000 cannot be
    assert node.quality() == block.CLOCK_NONE
    assert node.set(chip.ticks_ms(), chip.true_ms, is_sntp=False)
    assert node.base(chip.ticks_ms()) == (block.CLOCK_RTC, NOW_MS + 5000)


def test_a_floor_that_a_wrong_answer_left_ahead_is_lowered_by_three_right_ones() -> None:
    """Before a power cut a server said 2036, or somebody in its name: the ring keeps that."""
    chip = VirtualClock(NOW_MS)
    node = Clock(chip.ticks_ms(), NOW_MS + 3650 * DAY_MS, NOW_MS - DAY_MS)
    for _ in range(clock.DOUBTS):
        assert node.set(chip.ticks_ms(), EPOCH_2000_MS, is_sntp=False) is None  # no server's word
    for _ in range(clock.DOUBTS - 1):
        assert node.set(chip.ticks_ms(), NOW_MS, is_sntp=True) is None
        assert node.quality() == block.CLOCK_NONE
    assert node.set(chip.ticks_ms(), NOW_MS, is_sntp=True)
    assert node.base(chip.ticks_ms()) == (block.CLOCK_SNTP, NOW_MS)
    assert node.tls_ms(chip.ticks_ms()) == NOW_MS


def test_a_floor_stands_against_single_answers_and_the_time_of_the_build_against_all() -> None:
    chip = VirtualClock(NOW_MS)
    node = Clock(chip.ticks_ms(), NOW_MS - HOUR_MS, NOW_MS - DAY_MS)
    for _ in range(3):
        for _ in range(clock.DOUBTS - 1):
            assert node.set(chip.ticks_ms(), NOW_MS - 2 * HOUR_MS, is_sntp=True) is None
        assert node.set(chip.ticks_ms(), NOW_MS, is_sntp=True) is not None
    for _ in range(2 * clock.DOUBTS):
        assert node.set(chip.ticks_ms(), NOW_MS - 2 * DAY_MS, is_sntp=True) is None
    assert node.floor_ms == NOW_MS - HOUR_MS
    assert node.base(chip.ticks_ms()) == (block.CLOCK_SNTP, NOW_MS)


def test_sntp_ages_to_rtc() -> None:
    chip = VirtualClock(NOW_MS)
    node = Clock(chip.ticks_ms(), 0)
    assert node.set(chip.ticks_ms(), NOW_MS, is_sntp=True)
    chip.advance(clock.SNTP_VALID_MS)
    assert node.base(chip.ticks_ms()) == (block.CLOCK_SNTP, chip.true_ms)
    chip.advance(1)
    assert node.base(chip.ticks_ms()) == (block.CLOCK_RTC, chip.true_ms)


def test_a_large_error_is_stepped_and_a_small_one_slewed() -> None:
    for sign in (1, -1):
        chip = VirtualClock(NOW_MS)
        node = Clock(chip.ticks_ms(), 0)
        node.set(chip.ticks_ms(), NOW_MS, is_sntp=False)
        assert node.set(chip.ticks_ms(), NOW_MS + sign * 1001, is_sntp=True)
        assert node.unix_ms(chip.ticks_ms()) == NOW_MS + sign * 1001
        assert not node.set(chip.ticks_ms(), NOW_MS + sign * 1501, is_sntp=True)
        before_ms = node.unix_ms(chip.ticks_ms())
        assert before_ms == NOW_MS + sign * 1001  # nothing jumps
        for _ in range(100):
            chip.advance(10_000)
            now_ms = node.unix_ms(chip.ticks_ms())
            assert now_ms - before_ms == 10_000 + sign * 5
            before_ms = now_ms
        chip.advance(100_000)
        assert node.unix_ms(chip.ticks_ms()) == chip.true_ms + sign * 1501


def live(node: Clock, chip: VirtualClock, hours: int) -> "tuple[int, int]":
    """Return the largest error in ms after half a day, and how often TIME records were due."""
    draw = Draw(7)
    worst_ms = last_ms = records = 0
    for five_minutes in range(hours * 12):
        if five_minutes % 12 == 0:  # heard with half a round trip of 40 ms
            records += bool(node.set(chip.ticks_ms(), chip.true_ms + draw(41) - 20, is_sntp=True))
        chip.advance(HOUR_MS // 12)
        now_ms = node.unix_ms(chip.ticks_ms())
        assert now_ms > last_ms
        last_ms = now_ms
        if five_minutes > 144:
            worst_ms = max(worst_ms, abs(now_ms - chip.true_ms))
    return worst_ms, records


def test_thirty_days_of_a_bad_crystal_stay_within_a_tenth_of_a_second() -> None:
    for skew_ppm in (40, -40, 150):
        chip = VirtualClock(NOW_MS, skew_ppm, ticks_ms=12345)
        node = Clock(chip.ticks_ms(), 0)
        worst_ms, records = live(node, chip, 24 * count_of(10, 30))
        assert node.quality() == block.CLOCK_SNTP
        assert records == 1  # set once, slewed ever after
        assert worst_ms <= 100, (skew_ppm, worst_ms)


def test_drift_is_learned_within_bounds() -> None:
    chip = VirtualClock(NOW_MS, 200)
    node = Clock(chip.ticks_ms(), 0)
    live(node, chip, 48)
    chip.advance(HOUR_MS)  # 200 ppm would be 720 ms
    assert abs(node.unix_ms(chip.ticks_ms()) - chip.true_ms) <= 100
    for _ in range(20):  # a server that runs wild is not followed
        chip.advance(HOUR_MS)
        node.set(chip.ticks_ms(), node.unix_ms(chip.ticks_ms()) + 999, is_sntp=True)
    before_ms = node.unix_ms(chip.ticks_ms())
    chip.advance(100 * HOUR_MS)
    gained_ms = node.unix_ms(chip.ticks_ms()) - before_ms - 100 * HOUR_MS
    assert gained_ms <= 100 * HOUR_MS // 1_000_000 * 400 + 2000


def block_at(quality: int, base_ms: int, boot: int = 4) -> bytes:
    writer = block.BlockWriter(1, 2)
    writer.open(7, boot, 100, quality, base_ms)
    writer.add(0, (1, 2))
    writer.add(1000, (3, None), 2)
    return writer.close()


def test_a_block_without_clock_gets_its_time_later() -> None:
    plain = block_at(block.CLOCK_NONE, 60_000)
    later = clock.restamped(plain, 9, NOW_MS, 0)
    assert block.read_header(later) == (7, 4, 100, 2, block.CLOCK_RTC, NOW_MS + 60_000, 1)
    assert block.read_rows(later, 2) == block.read_rows(plain, 2)
    floor = clock.restamped(plain, 9, None, NOW_MS)
    assert block.read_header(floor)[4:6] == (block.CLOCK_FLOOR, NOW_MS + 60_000)
    assert clock.restamped(plain, 4, None, NOW_MS) == plain  # this boot may still learn it
    assert clock.restamped(plain, 9, None, 0) == plain
    stamped = block_at(block.CLOCK_SNTP, NOW_MS)
    assert clock.restamped(stamped, 9, 5, 5) == stamped


def answer(nonce: bytes, unix_ms: int, first: int = 0x24, stratum: int = 2) -> bytes:
    ntp_ms = unix_ms + 2_208_988_800_000
    seconds = ntp_ms // 1000 & 0xFFFFFFFF
    fraction = (ntp_ms % 1000 << 32) // 1000 + 1
    head = bytes([first, stratum]) + bytes(22)
    return head + nonce + bytes(8) + struct.pack(">II", seconds, fraction)


def test_sntp() -> None:
    nonce = b"12345678"
    question = sntp.request(nonce)
    assert (len(question), question[0], question[40:]) == (48, 0x23, nonce)  # version 4, client
    for unix_ms in (NOW_MS + 123, 2_085_978_495_999, 2_085_978_496_000, 2_200_000_000_500):
        assert sntp.answer(answer(nonce, unix_ms), nonce) == unix_ms
    good = answer(nonce, NOW_MS)
    assert sntp.answer(good, b"87654321") is None  # not an answer to our question
    assert sntp.answer(good[:47], nonce) is None
    assert sntp.answer(answer(nonce, NOW_MS, 0xE4), nonce) is None  # not synchronised
    assert sntp.answer(answer(nonce, NOW_MS, 0x23), nonce) is None  # no server
    assert sntp.answer(answer(nonce, NOW_MS, stratum=0), nonce) is None  # kiss of death
    assert sntp.answer(answer(nonce, NOW_MS, stratum=16), nonce) is None


def test_the_shortest_round_trip_wins() -> None:
    samples = [(0, 90, 2060), (TICKS_PERIOD_MS - 10, 20, 2000), (100, 140, 2110)]
    assert syncing.best_time(samples) == (20, 2015)


def test_a_server_with_another_time_is_outvoted_however_near_it_is() -> None:
    for wrong_ms in (DAY_MS, -DAY_MS, 10_000):
        for place in range(3):
            samples = [(at, at + 400, NOW_MS + at) for at in (0, 1000, 2000)]
            at = samples[place][0]
            samples[place] = (at, at + 2, NOW_MS + wrong_ms)
            best_ms = syncing.best_time(samples)
            assert best_ms[1] - best_ms[0] == NOW_MS - 200, (wrong_ms, place)
    assert syncing.best_time([(0, 2, NOW_MS + DAY_MS), (10, 400, NOW_MS)]) == (400, NOW_MS + 195)
    assert syncing.best_time([(10, 400, NOW_MS), (500, 502, NOW_MS + DAY_MS)]) == (
        400,
        NOW_MS + 195,
    )


def test_an_answer_without_a_time_is_none() -> None:
    """RFC 4330 §5: a transmit timestamp of zero is to be discarded; it would read as 2036."""
    nonce = b"12345678"
    assert sntp.answer(b"\x24\x01" + bytes(22) + nonce + bytes(16), nonce) is None
