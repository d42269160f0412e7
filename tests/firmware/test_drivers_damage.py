"""Streams that a line has damaged: no driver raises, and none gives a wrong reading as good."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fieldnode.drivers import Driver, load
from tests.faults import quick_or_soak
from tests.firmware import meters
from tests.firmware.twice import build_dlms, build_modbus, build_sml, build_text
from tests.firmware.twice.support import Draw

Row = tuple[tuple[int | None, ...], int]
Source = Callable[[Draw], bytes]
_IDENT = build_text.even(b"/LGZ-X\r\n")


def _modbus(draw: Draw) -> bytes:
    registers = [
        draw(4000),
        draw(10_000),
        0,
        draw(65_536),
        0,
        draw(65_536),
        draw(9),
        500,
        draw(101),
        0,
    ]
    return build_modbus.modbus_answer(b"\x01\x04\x00\x00\x00\x0a", registers)


SOURCES: dict[str, Source] = {
    "p1": lambda draw: build_text.p1(meters.p1_lines(draw)),
    "iec62056": lambda draw: build_text.even(build_text.iec_block(meters.iec_lines(draw))),
    "sml": lambda draw: build_sml.sml(meters.sml_entries(draw)),
    "dlms": lambda draw: build_dlms.hdlc(
        (meters.aidon, meters.kamstrup, meters.kaifa)[draw(3)](draw)
    ),
    "modbus": _modbus,
}

# What lines do: a bit falls over, bytes get lost, come in between, come twice.
_DAMAGE = st.lists(
    st.tuples(
        st.sampled_from(["flip", "lose", "insert", "repeat"]),
        st.integers(0, 10_000),
        st.integers(1, 40),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=4,
)


def _damaged(text: bytes, damage: list[tuple[str, int, int, bytes]]) -> bytes:
    for how, place, size, other in damage:
        at = place % (len(text) + 1)
        if how == "flip" and at < len(text):
            text = text[:at] + bytes([text[at] ^ 1 << size % 8]) + text[at + 1 :]
        elif how == "lose":
            text = text[:at] + text[at + size :]
        elif how == "insert":
            text = text[:at] + other + text[at:]
        else:
            text = text[:at] + text[at : at + size] + text[at:]
    return text


def _fed(driver: Driver, text: bytes, sizes: list[int], uptime_ms: int) -> list[Row]:
    rows = []
    at = 0
    while at < len(text):
        size = sizes[at % len(sizes)]
        driver.feed(memoryview(text)[at : at + size], uptime_ms)
        row = driver.take(uptime_ms)
        if row:
            rows.append(row)
        at += size
    return rows


def _read(driver: Driver, text: bytes, sizes: list[int], uptime_ms: int) -> list[Row]:
    """Feed one telegram, after the driver has asked for it where it asks."""
    if driver.poll(uptime_ms) and type(driver).__name__ == "Iec62056":
        driver.feed(_IDENT, uptime_ms)
    return _fed(driver, text, sizes, uptime_ms)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SOURCES)
@settings(
    max_examples=quick_or_soak(150, 10_000),
    derandomize=True,  # a CRC of 16 bits does let one of 65,536 through
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 1 << 32),
    damage=_DAMAGE,
    sizes=st.lists(st.integers(1, 64), min_size=1, max_size=8),
)
def test_a_damaged_stream(
    name: str, seed: int, damage: list[tuple[str, int, int, bytes]], sizes: list[int]
) -> None:
    sound = SOURCES[name](Draw(seed))
    driver = load(name, "em1", {"interval_s": 60} if name == "iec62056" else {})
    uptime_ms = 0
    good: list[Row] = []
    for _ in range(2):  # IEC 62056-21 gives a row from the second on
        good = _read(driver, sound, sizes, uptime_ms)
        uptime_ms += 60_000
    damaged = _damaged(sound, damage)
    for row in _read(driver, damaged, sizes, uptime_ms):
        assert row in good
    # and it finds back to the next sound ones
    rows: list[Row] = []
    for _ in range(4):
        uptime_ms += 60_000
        rows = _read(driver, sound, sizes, uptime_ms)
    assert rows == good


@pytest.mark.parametrize("name", SOURCES)
@settings(max_examples=quick_or_soak(100, 3000), derandomize=True, deadline=None)
@given(noise=st.lists(st.binary(min_size=1, max_size=300), max_size=8))
def test_noise_is_no_reading(name: str, noise: list[bytes]) -> None:
    driver = load(name, "em1")
    for number, piece in enumerate(noise):
        driver.poll(number * 1000)
        driver.feed(piece, number * 1000)
        assert driver.take(number * 1000) is None
