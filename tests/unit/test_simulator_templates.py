"""What the load generator writes in place must be what a device would send."""

import json
from itertools import pairwise
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mqtt import V311, Connect, Parser, Role, encode
from gateway.profiles import load_profiles
from simulators.templates import Encoder, Shape, write_binary, write_text

NOW_MS = 1_795_300_465_123


def read_all(encoder: Encoder, calls: list[tuple[int, int, int]]) -> dict[bytes, list[Any]]:
    """Return the messages of each topic, by the gateway's own parser."""
    parser = Parser(Role.SERVER)
    list(parser.feed(encode(Connect(V311, "load"), V311)))
    load = json.loads if encoder.shape.payload_format == "json" else cbor2.loads
    messages: dict[bytes, list[Any]] = {}
    for first, last, now_ms in calls:
        for item in parser.feed(bytes(encoder.encode(first, last, now_ms))):
            assert isinstance(item, list)
            for _, _, topic, payload in item:
                messages.setdefault(topic, []).append(load(payload))
    return messages


def rows_of(messages: list[Any]) -> list[tuple[int, int, list[int]]]:
    """Return sequence number, time and values of every row."""
    return [
        (message["n"] + k, message["t"] + row[0], row[1:])
        for message in messages
        for k, row in enumerate(message["r"])
    ]


@pytest.mark.parametrize("payload_format", ["json", "cbor"])
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("qos", [0, 1])
def test_every_packet_is_a_valid_message_of_its_profile(
    payload_format: Any, batch: int, qos: int
) -> None:
    shape = Shape(20, batch, payload_format, qos, log=1_795_300_000, spacing_ms=1000)
    calls = [(0, 20, NOW_MS), (0, 20, NOW_MS + 1), (3, 9, NOW_MS + 60_000), (0, 20, NOW_MS)]
    messages = read_all(Encoder(shape), calls)
    assert len(messages) == 20
    columns = load_profiles()["em1"].columns
    for topic, sent in messages.items():
        assert topic.startswith(b"tg/1/load/energy/load-")
        rows = rows_of(sent)
        assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1))
        assert all(later > earlier for (_, earlier, _), (_, later, _) in pairwise(rows))
        assert all(b[0] >= a[0] for (_, _, a), (_, _, b) in pairwise(rows))
        for _, _, (*values, status) in rows:
            assert status == 0
            assert len(values) == len(columns)
            for value, column in zip(values, columns, strict=True):
                assert column.minimum <= value * column.scale <= column.maximum
            _, _, power, voltage, current, factor = values
            assert power <= voltage / 10 * current / 100
            assert factor == 950


def test_registers_rise_by_the_power_over_the_time() -> None:
    encoder = Encoder(Shape(1, spacing_ms=1000))
    calls = [(0, 1, NOW_MS + k * 60_000) for k in range(100)]
    rows = rows_of(next(iter(read_all(encoder, calls).values())))
    energy_wh = sum(
        row[2] * (later_ms - earlier_ms) / 3_600_000
        for (_, earlier_ms, _), (_, later_ms, row) in pairwise(rows)
    )
    assert rows[-1][2][0] - rows[0][2][0] == pytest.approx(energy_wh, abs=1.1)


def test_json_and_cbor_say_the_same() -> None:
    both = [Encoder(Shape(5, 3, form)) for form in ("json", "cbor")]
    first, second = (read_all(encoder, [(0, 5, NOW_MS)]) for encoder in both)
    assert first == second


def test_packet_ids_of_each_connection_count_on_wrap_and_never_are_zero() -> None:
    encoder, bounds = Encoder(Shape(700), [0, 500, 700]), ((0, 500), (500, 700))
    sent: list[list[int]] = [[], []]
    for _ in range(350):  # the first connection sends 175,000 messages
        raw = np.frombuffer(bytes(encoder.encode(0, 700, NOW_MS)), np.uint8)
        packets = raw.reshape(700, encoder.length)
        at = packets[0].tobytes().index(b'{"p"') - 2
        ids = packets[:, at].astype(int) * 256 + packets[:, at + 1]
        for one, (first, last) in zip(sent, bounds, strict=True):
            one.extend(ids[first:last].tolist())
    for of_connection in sent:
        assert of_connection == [k % 65_535 + 1 for k in range(len(of_connection))]


@given(st.lists(st.integers(0, 10**12 - 1), min_size=1, max_size=50))
def test_numbers_are_written_as_python_writes_them(values: list[int]) -> None:
    numbers = np.array(values, dtype=np.int64)
    target = np.zeros((len(values), 12), dtype=np.uint8)
    write_text(target, numbers)
    assert [row.tobytes() for row in target] == [b"%12d" % value for value in values]
    write_text(target, numbers, zero_padded=True)
    assert [row.tobytes() for row in target] == [b"%012d" % value for value in values]
    small = target[:, :8]
    write_binary(small, numbers)
    assert [row.tobytes() for row in small] == [value.to_bytes(8, "big") for value in values]
