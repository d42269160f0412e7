"""A simulated node keeps its promises to the gateway, so that the gateway's can be judged."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import wire
from simulators.device import KEPT_READINGS, RESEND_FIRST_MS, RESEND_LAST_MS, Device
from simulators.homes import Home
from simulators.shelf import Shelf

T0_MS = 1_795_305_600_000
STEP_MS = 5000


@pytest.fixture
def device() -> Device:
    return Device("demo", "meter-1", Home(1, 1), STEP_MS)


def seqs(payload: bytes | None) -> list[int]:
    assert payload is not None
    message: dict[str, Any] = json.loads(payload)
    return list(range(message["n"], message["n"] + len(message["r"])))


def run(device: Device, readings: int, start_ms: int = T0_MS) -> int:
    """Take and send readings one by one; return the time."""
    for k in range(readings):
        device.sample(start_ms + k * STEP_MS)
        device.live(start_ms + k * STEP_MS)
    return start_ms + (readings - 1) * STEP_MS


def backlog(device: Device) -> list[int]:
    sent = []
    while (payload := device.backlog(0)) is not None:
        sent += seqs(payload)
    return sent


def receipt(seq: int, log: int = 1, missing: list[list[int]] | None = None) -> bytes:
    return json.dumps({"log": log, "seq": seq, "missing": missing or []}).encode()


def test_readings_lie_on_the_clock_and_count_up_by_one(device: Device) -> None:
    taken = device.sample(T0_MS + 1234)
    assert [(r.seq, r.time_ms) for r in taken] == [(1, T0_MS)]
    assert device.sample(T0_MS + 4999) == []
    late = device.sample(T0_MS + 3 * STEP_MS + 7)
    assert [(r.seq, r.time_ms - T0_MS) for r in late] == [(2, 5000), (3, 10_000), (4, 15_000)]
    message = json.loads(device.live(T0_MS + 15_007) or b"")
    assert (message["n"], message["t"], message["i"]) == (1, T0_MS, STEP_MS)
    assert [row[0] for row in message["r"]] == [0, 5000, 10_000, 15_000]
    assert {len(row) for row in message["r"]} == {8}


def test_a_reading_is_kept_until_its_receipt(device: Device) -> None:
    now_ms = run(device, 10)
    assert device.receive_receipt(receipt(4), now_ms) == 4
    assert [r.seq for r in device.kept] == [5, 6, 7, 8, 9, 10]
    assert device.receive_receipt(receipt(3), now_ms) == 0  # an old one says nothing new


@pytest.mark.parametrize(
    "payload",
    [receipt(9, log=2), b"", b"[]", b"{", b'{"log":1}', b'{"log":1,"seq":"x"}', b"\xff", b"7"],
)
def test_what_is_no_receipt_for_this_log_frees_nothing(device: Device, payload: bytes) -> None:
    now_ms = run(device, 10)
    assert device.receive_receipt(payload, now_ms) == 0
    assert len(device.kept) == 10


def test_after_an_outage_the_backlog_covers_everything_without_a_receipt(device: Device) -> None:
    now_ms = run(device, 5)
    device.receive_receipt(receipt(2), now_ms)
    for k in range(5, 205):  # nobody there
        device.sample(T0_MS + k * STEP_MS)
    now_ms = T0_MS + 204 * STEP_MS
    device.come_up(now_ms)
    fresh = seqs(device.live(now_ms))
    assert fresh[-1] == 205
    assert backlog(device) + fresh == list(range(3, 206))
    assert device.live(now_ms) is None


def test_ranges_that_the_gateway_misses_are_sent_again(device: Device) -> None:
    now_ms = run(device, 30)
    device.receive_receipt(receipt(10, missing=[[11, 12], [20, 22]]), now_ms)
    assert backlog(device) == [11, 12, 20, 21, 22]


def test_an_overdue_receipt_brings_the_readings_again_after_ever_longer_waits(
    device: Device,
) -> None:
    run(device, 1)
    repeats_ms = []
    for now_ms in range(T0_MS, T0_MS + 3_600_000, 1000):
        device.check_resend(now_ms)
        if device.owes_backlog:
            assert backlog(device) == [1]
            repeats_ms.append(now_ms - T0_MS)
    waits_ms = [b - a for a, b in zip([0, *repeats_ms], repeats_ms, strict=False)]
    assert waits_ms[:4] == [RESEND_FIRST_MS * 2**k for k in range(4)]
    assert max(waits_ms) == RESEND_LAST_MS


def test_a_node_without_a_gateway_keeps_its_newest_readings(device: Device) -> None:
    run(device, KEPT_READINGS + 50)
    assert len(device.kept) == KEPT_READINGS
    assert device.overwritten == 50
    assert device.kept[-1].seq == KEPT_READINGS + 50


def test_a_node_that_was_off_goes_on_counting_and_sends_what_it_had(
    device: Device, tmp_path: Path
) -> None:
    shelf = Shelf(tmp_path)
    for k in range(20):
        shelf.save([(device, device.sample(T0_MS + k * STEP_MS))])
    shelf.save([], [(device.name, 5)])
    del shelf  # no good-bye, as at a kill

    again = Device("demo", "meter-1", Home(1, 1), STEP_MS)
    remembered = Shelf(tmp_path).load("meter-1")
    assert remembered is not None
    again.restore(*remembered)
    assert again.boot == device.boot + 1
    assert [r.seq for r in again.kept] == list(range(6, 21))
    register = again.model.accrued
    hour_later_ms = T0_MS + 3_600_000
    taken = again.sample(hour_later_ms)
    assert [(r.seq, r.time_ms) for r in taken] == [(21, hour_later_ms)]
    assert again.model.accrued > register  # the meter went on without its node
    again.come_up(hour_later_ms)
    assert backlog(again) == list(range(6, 21))
    assert seqs(again.live(hour_later_ms)) == [21]


@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_frames_come_out_whole_wherever_the_stream_is_cut(data: bytes, cut: int) -> None:
    stream = wire.publish("a/b", data, 7) + wire.PINGREQ + wire.publish("a/b", b"", 8)
    reader = wire.Reader()
    frames = [*reader.feed(stream[:cut]), *reader.feed(stream[cut:])]
    assert [frame.head for frame in frames] == [0x32, 0xC0, 0x32]
    assert wire.parse_publish(frames[0]) == ("a/b", data)


@pytest.mark.parametrize("junk", [b"\x30\xff\xff\xff\xff\x01", b"\x30\xff\xff\xff\x7f"])
def test_a_frame_too_large_for_a_device_is_refused(junk: bytes) -> None:
    with pytest.raises(wire.WireError):
        list(wire.Reader().feed(junk))


def test_a_birth_says_what_the_oldest_reading_is_that_the_node_still_has(device: Device) -> None:
    assert json.loads(device.birth(T0_MS))["first"] == {"1": 1}
    run(device, 4)
    assert json.loads(device.birth(T0_MS))["first"] == {"1": 1}
    device.receive_receipt(receipt(2), T0_MS)
    assert json.loads(device.birth(T0_MS))["first"] == {"1": 3}
