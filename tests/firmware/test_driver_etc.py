"""A toll lane with generated vehicles: every row is what the vehicle and its tag were.

The truth is the list of vehicles; hashes, checks and the reading of blocks are others' code
(hmac and binascii of the standard library, the gateway's decoder).
"""

import binascii
import hashlib
import hmac
from dataclasses import dataclass
from random import Random

from fieldnode.core.block import CLOCK_SNTP, BlockWriter
from fieldnode.core.schema import schema_of
from fieldnode.drivers import load
from fieldnode.drivers.etc import crc_of
from tests.faults import quick_or_soak
from tests.firmware.twice.build_etc import message, toc_tag
from tests.unit.decode.support import decode_one

_KEY = "of the operator"
_DISTANCE_DM = 20
# Kind of vehicle: type of its tag, class of the profile, distances of its axles in m.
_KINDS = (
    (2, 1, (1.4,)), (1, 2, (2.7,)), (6, 3, (5.9,)), (8, 4, (4.4,)), (12, 5, (3.7, 5.6, 1.3, 1.3)),
)  # fmt: skip


@dataclass(frozen=True)
class Passage:
    """One vehicle: when its front came, how fast it was, what there was to read."""

    front_ms: int
    speed_m_s: float
    kind: int
    serial: int  # of its tag; 0: it has none
    damaged: int  # how often the line damaged the message
    is_lost: bool  # and it never came through

    @property
    def rear_ms(self) -> int:
        return self.front_ms + round((sum(_KINDS[self.kind][2]) + 2) / self.speed_m_s * 1000)

    @property
    def tag(self) -> str:
        return toc_tag(_KINDS[self.kind][0], self.serial)

    def row(self) -> tuple[int | None, ...]:
        """Return what has to be measured."""
        took_ms, measured = self.rear_ms - self.front_ms, _KINDS[self.kind][1]
        if not self.serial:
            return (2, took_ms, 0, measured, 0, None)
        if self.is_lost:
            return (4, took_ms, 0, measured, self.damaged, None)
        digest = hmac.digest(_KEY.encode(), self.tag.encode(), hashlib.sha256)
        return (0, took_ms, measured, measured, self.damaged, int.from_bytes(digest, "big") >> 203)


def _passages(rng: Random, count: int) -> list[Passage]:
    made, front_ms = [], 10_000
    for number in range(count):
        has_tag = rng.random() < 0.95
        damaged = rng.choice((0, 0, 0, 1, 2)) if has_tag else 0
        is_lost = damaged > 0 and rng.random() < 0.3
        speed_m_s = rng.uniform(2, 12)
        serial = 1 + number if has_tag else 0
        made.append(
            Passage(front_ms, speed_m_s, rng.randrange(len(_KINDS)), serial, damaged, is_lost)
        )
        front_ms = made[-1].rear_ms + round(rng.uniform(600, 8000))
    return made


def _events(rng: Random, passages: list[Passage]) -> list[tuple[int, int, int, bytes]]:
    """Return (ms, channel, level, text of the reader) in the order of time."""
    events, digit = [], 0
    for one in passages:
        events += [(one.front_ms, 0, 1, b""), (one.rear_ms, 0, 0, b"")]
        at_m = 1.0  # the first axle is 1 m behind the front, the first sensor at the curtain
        for gap_m in (0.0, *_KINDS[one.kind][2]):
            at_m += gap_m
            for channel in (1, 2):
                travel_m = at_m + (channel - 1) * _DISTANCE_DM / 10 - 0.9
                at_ms = one.front_ms + round(travel_m / one.speed_m_s * 1000)
                events += [(at_ms, channel, 1, b""), (at_ms + 5, channel, 0, b"")]
        if not one.serial:
            continue
        text = message("02468ACE"[digit], one.tag)
        for attempt in range(one.damaged + 1):
            wrong = bytearray(text)
            if attempt < one.damaged:
                wrong[rng.randrange(1, len(text) - 6)] ^= 1 << rng.randrange(2)
            elif one.is_lost:
                break
            events.append((one.front_ms + 20 + 40 * attempt, -1, 0, bytes(wrong)))
        digit = (digit + 1) % 8
    return sorted(events, key=lambda event: event[0])


def test_every_passage_is_what_it_was() -> None:
    rng = Random(57)
    passages = _passages(rng, quick_or_soak(400, 10_000))
    driver = load("etc", "etc1", {"key": _KEY, "distance_dm": _DISTANCE_DM})
    rows = []
    now_ms = 0
    for at_ms, channel, level, text in _events(rng, passages):
        for tick_ms in range(now_ms - now_ms % 50 + 50, at_ms, 50):
            driver.poll(tick_ms)
        now_ms = at_ms
        if channel < 0:
            for at in range(0, len(text), 7):
                driver.feed(text[at : at + 7], at_ms)
        else:
            driver.edge(channel, level, at_ms * 1000)
        while row := driver.take(at_ms):
            rows.append((driver.at_ms, row))
    driver.poll(now_ms + 10_000)
    while row := driver.take(now_ms + 10_000):
        rows.append((driver.at_ms, row))
    assert [at_ms for at_ms, _ in rows] == [one.rear_ms for one in passages]
    for (_, row), one in zip(rows, passages, strict=True):
        assert row == (one.row(), 0), one


def test_the_check_is_xmodem_s_without_its_sixteen_zeros() -> None:
    rng = Random(58)
    for _ in range(quick_or_soak(500, 10_000)):
        text = rng.randbytes(rng.randrange(2, 78))
        # crc_hqx divides the text with 16 zeros behind it; the last two bytes are in their place
        assert crc_of(text) == binascii.crc_hqx(text[:-2], 0) ^ int.from_bytes(text[-2:], "big")


def test_the_gateway_reads_53_bits_of_hash_from_a_block() -> None:
    number, how, _ = schema_of("etc1")
    writer = BlockWriter(number, len(how), 480)
    writer.open(7, 1, 0, CLOCK_SNTP, 1_795_300_200_000)
    hashes = [(1 << 53) - 1, 0, 1 << 52, 4_225_394_815_085_567]
    rows = [(0, 900 + n, 2, 3, n, tag) for n, tag in enumerate(hashes)] + [(2, 1, 0, 0, 0, None)]
    for n, row in enumerate(rows):
        assert writer.add(n * 1000, row)
    values = decode_one(writer.close(), b"tg/1/vec/transport/toll-1/t").readings.values
    assert values[:4].astype(int).tolist() == [list(row) for row in rows[:4]]
    assert str(values[4].tolist()) == "[2.0, 1.0, 0.0, 0.0, 0.0, nan]"
