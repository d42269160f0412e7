"""A page gives back every bit of every column."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ReadingBatch
from gateway.store.pages import (
    PageDamagedError,
    concat,
    decode_keys,
    decode_page,
    empty,
    encode_page,
)
from tests.store_tools import DAY0_MS, Row, batch_of, fleet

INT64 = st.integers(-(2**63), 2**63 - 1)
VALUE = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(2**53), 2**53).map(float),
    st.sampled_from([0.0, -0.0, float("nan"), 5e-324, 2.0**53, 2.0**53 + 2, -(2.0**63), 2.0**63]),
)
INT_COLUMNS = (
    "device_index",
    "log",
    "seq",
    "time_ms",
    "received_ms",
    "status",
    "quality",
    "reasons",
    "record",
)


@st.composite
def integer_columns(draw: st.DrawFn, n: int) -> list[int]:
    """Constant, narrow, steady and wild columns alike."""
    kind = draw(st.sampled_from(["constant", "narrow", "steady", "wild"]))
    if kind == "constant":
        return [draw(INT64)] * n
    if kind == "narrow":
        span = draw(st.sampled_from([2**8, 2**16, 2**32]))
        return draw(st.lists(st.integers(-span // 2, span // 2), min_size=n, max_size=n))
    if kind == "steady":
        start, step = draw(st.integers(-(2**40), 2**40)), draw(st.integers(-(2**20), 2**20))
        noise = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
        return [start + place * step + extra for place, extra in enumerate(noise)]
    return draw(st.lists(INT64, min_size=n, max_size=n))


@st.composite
def batches(draw: st.DrawFn) -> ReadingBatch:
    n = draw(st.integers(0, 40))
    width = draw(st.integers(1, 31))
    ints = {name: np.array(draw(integer_columns(n)), np.int64) for name in INT_COLUMNS}
    few = draw(st.lists(VALUE, min_size=1, max_size=8))
    values = draw(st.lists(st.sampled_from(few), min_size=n * width, max_size=n * width))
    return ReadingBatch("em1", values=np.array(values).reshape(n, width), **ints)


def assert_same(one: ReadingBatch, other: ReadingBatch) -> None:
    for name in INT_COLUMNS:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
        assert getattr(other, name).dtype == np.int64
    measured = ~np.isnan(one.values)
    assert np.array_equal(measured, ~np.isnan(other.values))
    bits = one.values[measured].view(np.int64), other.values[measured].view(np.int64)
    assert np.array_equal(*bits)


@given(batches(), st.sampled_from([0, 1, 6]))
def test_a_page_gives_back_every_bit(batch: ReadingBatch, level: int) -> None:
    assert_same(batch, decode_page(encode_page(batch, level), "em1"))


@given(batches())
def test_keys_are_those_of_the_whole_page(batch: ReadingBatch) -> None:
    device, time_ms = decode_keys(encode_page(batch, 1))
    assert np.array_equal(device, batch.device_index)
    assert np.array_equal(time_ms, batch.time_ms)


def test_a_decoded_page_may_be_written_into() -> None:
    batch = decode_page(encode_page(fleet([1, 2, 3], [DAY0_MS, DAY0_MS + 1])), "em1")
    batch.quality[0] = 8
    batch.values[0, 0] = 5.0
    assert batch.quality[1] == 1


@pytest.mark.parametrize("level", [0, 6])
def test_a_flipped_bit_anywhere_is_noticed(level: int) -> None:
    page = encode_page(fleet(range(40), [DAY0_MS, DAY0_MS + 60_000]), level)
    for place in range(len(page)):
        damaged = bytearray(page)
        damaged[place] ^= 1 << (place % 8)
        with pytest.raises(PageDamagedError):
            decode_page(bytes(damaged), "em1")


def test_a_truncated_page_is_noticed() -> None:
    page = encode_page(batch_of([Row(1, DAY0_MS, 1)]))
    for length in range(len(page)):
        with pytest.raises(PageDamagedError):
            decode_page(page[:length], "em1")


def test_a_page_of_a_steady_fleet_is_small() -> None:
    minutes = [DAY0_MS + 60_000 * minute for minute in range(200)]
    batch = fleet(range(10), minutes)
    by_device = batch.take(np.lexsort((batch.time_ms, batch.device_index)))
    assert len(encode_page(by_device, 6)) / len(batch) < 8  # 144 bytes as numpy arrays


def test_concat_keeps_the_order() -> None:
    parts = [empty("em1", 6), fleet([1], [DAY0_MS]), fleet([2, 3], [DAY0_MS])]
    assert concat(parts).device_index.tolist() == [1, 2, 3]
