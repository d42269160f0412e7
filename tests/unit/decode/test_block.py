"""Blocks: the firmware's encoder and the gateway's decoder agree, and nothing else gets in."""

import binascii
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldnode.core import block
from gateway.model import DecodedBatch
from tests.unit.decode.support import BASE_MS, RECEIVED_MS, decode_one, why_rejected

_INTEGERS = st.integers(-(2**53), 2**53) | st.integers(-1000, 1000)
_ROW = st.tuples(
    st.integers(-(2**53), 2**53) | st.integers(0, 10_000_000),
    st.tuples(*[st.none() | _INTEGERS] * 6),
    st.integers(0, 255),
)
_ROWS = st.lists(_ROW, min_size=1, max_size=20)

Row = tuple[int, tuple[int | None, ...], int]


def _encode(
    rows: list[Row], clock: int = block.CLOCK_SNTP, base_ms: int = BASE_MS, schema: int = 1
) -> bytes:
    writer = block.BlockWriter(schema, 6, size=8192)
    writer.open(7, 17, 48213, clock, base_ms)
    for row in rows:
        assert writer.add(*row)
    return bytes(writer.close())


def _steady(count: int) -> list[Row]:
    return [
        (k * 1_800_000, (1_234_567 + 411 * k, 0, 812 + k % 50, 2304 - k % 9, 371, 982), 0)
        for k in range(count)
    ]


def _sealed(body: bytes, n: int = 1, schema: int = 1) -> bytes:
    header = struct.pack("<BIIIBBqH", 0x10, 7, 17, 48213, n, 3, BASE_MS, schema)
    return header + body + struct.pack("<I", binascii.crc32(header + body))


def _assert_same(one: DecodedBatch, other: DecodedBatch) -> None:
    for name in ("device_index", "log", "seq", "time_ms", "received_ms", "values", "status"):
        np.testing.assert_array_equal(getattr(one.readings, name), getattr(other.readings, name))
    for name in ("boot", "is_backlog", "is_stamped", "max_age_ms"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(rows=_ROWS, has_clock=st.booleans())
def test_a_block_is_exactly_the_rows_that_json_would_have_said(
    rows: list[Row],
    has_clock: bool,  # noqa: FBT001  # drawn by hypothesis
) -> None:
    wide = [[dt, *values, status] for dt, values, status in rows]
    keys = {"p": "em1", "log": 7, "b": 17, "n": 48213, "t": BASE_MS if has_clock else 0, "r": wide}
    clock = block.CLOCK_RTC if has_clock else block.CLOCK_NONE
    encoded = _encode(rows, clock, BASE_MS if has_clock else 123_456)
    _assert_same(decode_one(encoded), decode_one(json.dumps(keys).encode()))


@given(rows=_ROWS)
def test_the_firmware_reads_its_own_blocks(rows: list[Row]) -> None:
    encoded = _encode(rows)
    assert block.read_rows(encoded, 6) == rows
    assert block.read_header(encoded) == (7, 17, 48213, len(rows), 3, BASE_MS, 1)


def test_a_steady_meter_takes_the_fast_way_and_the_same_values() -> None:
    batch = decode_one(_encode(_steady(60)))
    assert batch.readings.values[59].tolist() == [1_234_567 + 411 * 59, 0, 821, 2299, 371, 982]
    assert batch.readings.time_ms[59] == BASE_MS + 59 * 1_800_000
    assert not batch.readings.status.any()


def test_36_readings_stay_within_the_170_bytes_of_the_budget() -> None:
    assert len(_encode(_steady(6))) <= 170  # measured 75


def test_the_writer_stops_at_its_size_and_keeps_what_it_has() -> None:
    writer = block.BlockWriter(1, 6, size=200)
    writer.open(1, 1, 0, block.CLOCK_RTC, BASE_MS)
    rows = _steady(100)
    taken = 0
    while writer.add(*rows[taken]):
        taken += 1
    encoded = bytes(writer.close())
    assert len(encoded) <= 200
    assert len(encoded) + 12 > 200  # a row of these has at most twelve bytes
    assert block.read_rows(encoded, 6) == rows[:taken]
    assert decode_one(encoded).readings.seq.tolist() == list(range(taken))


def test_a_block_has_at_most_255_rows() -> None:
    writer = block.BlockWriter(1, 1, size=8192)
    writer.open(1, 1, 0, block.CLOCK_RTC, BASE_MS)
    assert sum(writer.add(k, (k,)) for k in range(300)) == 255


def test_a_floor_clock_marks_every_row_as_uncertain() -> None:
    rows = _steady(2)
    rows[1] = (*rows[1][:2], 0x80)
    assert decode_one(_encode(rows, block.CLOCK_FLOOR)).readings.status.tolist() == [0x02, 0x82]


def test_uptime_is_stamped_with_the_receive_time() -> None:
    batch = decode_one(_encode(_steady(3), block.CLOCK_NONE, base_ms=5_000))
    assert batch.is_stamped.all()
    assert batch.readings.time_ms[-1] == RECEIVED_MS
    assert np.diff(batch.readings.time_ms).tolist() == [1_800_000, 1_800_000]


def test_a_node_that_learned_the_time_restamps_a_block() -> None:
    late = block.restamp(_encode(_steady(3), block.CLOCK_NONE, 5_000), block.CLOCK_SNTP, BASE_MS)
    assert late == _encode(_steady(3))


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_gets_through(at: int, bit: int) -> None:
    encoded = bytearray(_encode(_steady(5)))
    encoded[at % len(encoded)] ^= 1 << bit
    assert why_rejected(bytes(encoded)) in {"checksum", "encoding", "profile"}


@given(length=st.integers(0, 200))
def test_no_cut_off_block_gets_through(length: int) -> None:
    encoded = _encode(_steady(5))
    assert why_rejected(encoded[: min(length, len(encoded) - 1)]) in {"checksum", "encoding"}


@pytest.mark.parametrize(
    ("body", "n", "reason"),
    [
        (bytes(7), 1, "accepted"),
        (bytes(7), 0, "schema"),
        (b"", 1, "encoding"),
        (bytes(6), 1, "encoding"),  # a row too short
        (bytes(8), 1, "encoding"),  # a number too many
        (bytes(7), 2, "encoding"),
        (bytes(6) + b"\x80", 1, "encoding"),  # cut off within a varint
        (bytes(6) + b"\x80\x00", 1, "encoding"),  # not the shortest form
        (bytes(6) + b"\xff" * 9 + b"\x01", 1, "encoding"),  # ten bytes
        (bytes(6) + b"\xff" * 8 + b"\x7f", 1, "schema"),  # beyond 2**53
        (bytes(6) + b"\x80\x80\x80\x80\x80\x80\x80\x20", 1, "accepted"),  # 2**53 after zigzag
        (bytes(6) + b"\x82\x80\x80\x80\x80\x80\x80\x20", 1, "schema"),  # 2**53 + 1
        (b"\x01\xff\x01" + bytes(6), 1, "accepted"),  # status 255
        (b"\x01\x80\x02" + bytes(6), 1, "schema"),  # status 256
        (b"\x02\x00", 1, "accepted"),  # all null
        (b"\x02\x40" + bytes(1), 1, "encoding"),  # a seventh column, and what is left over
        (b"\x02\x41" + bytes(1), 1, "schema"),
    ],
)
def test_each_rule_of_the_layout_holds(body: bytes, n: int, reason: str) -> None:
    assert why_rejected(_sealed(body, n)) == reason


def test_profile_and_version_are_checked() -> None:
    assert why_rejected(_sealed(bytes(7), schema=999)) == "profile"
    assert why_rejected(_sealed(bytes(7), schema=5)) == "profile"  # tl1 on an energy topic
    assert why_rejected(b"\x11" + _sealed(bytes(7))[1:]) == "encoding"
    assert why_rejected(b"\x20" + _sealed(bytes(7))[1:]) == "encoding"


@given(body=st.binary(max_size=60), n=st.integers(1, 255))
def test_any_body_under_a_good_crc_does_no_harm(body: bytes, n: int) -> None:
    assert why_rejected(_sealed(body, n)) in {"accepted", "encoding", "schema"}
