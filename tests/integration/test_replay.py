"""Recordings through a real listener: every row arrives, in order, as it was recorded."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from simulators.replay import read_recording, replay
from simulators.target import Target
from tests.support.running import listener, running

pytestmark = pytest.mark.servers

MAPPING = """
[[mapping]]
name = "house"
topic = "house/{device}"
profile = "em1"
max_age = "9999d"
time = { path = "at", format = "%Y-%m-%d %H:%M:%S", zone = "UTC" }
[mapping.columns]
p = { path = "power", unit = "kW" }
"""


def test_a_csv_file_becomes_readings_by_a_mapping(tmp_path: Path) -> None:
    recording = tmp_path / "house.csv"
    lines = [f"2024-05-01 00:{minute:02}:00,{minute / 1000}" for minute in range(60)]
    recording.write_text("at,power\n" + "\n".join([*lines, "2024-05-01 01:00:00,"]) + "\n")
    port = free_port()
    with running(tmp_path, listener(port), extra=MAPPING) as gateway:
        sent = asyncio.run(replay([recording], "house/one", Target("127.0.0.1", port), 0))
        assert sent == 61
        assert gateway.settle(messages=61)["stored"] == 61
        page = gateway.get("/api/v1/readings?device=one&profile=em1&from=2024-05-01&to=2024-05-02")
        assert [reading["p"] for reading in page["readings"]] == [*range(60), None]


def test_a_capture_goes_out_byte_for_byte_and_a_broken_line_is_named(tmp_path: Path) -> None:
    capture = tmp_path / "capture.jsonl"
    capture.write_text(
        json.dumps({"topic": "a/b", "payload": "é"})
        + "\n"
        + json.dumps({"topic": "c", "payload_base64": "AP8="})
        + "\n{}\n"
    )
    messages = read_recording(capture, None)
    assert next(messages) == ("a/b", "é".encode())
    assert next(messages) == ("c", b"\x00\xff")
    with pytest.raises(ValueError, match=r"capture\.jsonl:3"):
        next(messages)


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    recording = tmp_path / "one.csv"
    recording.write_text("a\n1\n")
    with pytest.raises(OSError, match="refused"):
        asyncio.run(replay([recording], "x", Target("127.0.0.1", free_port()), 0))
