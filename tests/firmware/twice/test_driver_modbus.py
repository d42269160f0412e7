"""Modbus RTU: known answers, dribbled and broken streams."""

import struct

from fieldnode.drivers import Driver, load
from tests.firmware.twice import build_modbus
from tests.firmware.twice.streams import broken, dribbled
from tests.firmware.twice.support import Draw, count_of, raises


def answered(driver: Driver, registers: "list[int]", uptime_ms: int) -> int:
    """Answer every request for 200 ms."""
    for _ in range(20):
        request = driver.poll(uptime_ms)
        if request:
            driver.feed(b"\x00" + build_modbus.modbus_answer(request, registers), uptime_ms + 5)
        uptime_ms += 10
    return uptime_ms


PZEM = [2304, 987, 0, 2271, 0, 1, 1, 500, 98, 0]
PZEM_ROW = (65_537, None, 227, 2304, 99, 980)


def test_modbus_asks_and_reads_a_pzem() -> None:
    driver = load("modbus", "em1", {"address": 3, "every_ms": 1000})
    assert driver.poll(0) == b"\x03\x04\x00\x00\x00\x0a\x71\xef"
    assert driver.poll(1) is None
    driver.feed(build_modbus.modbus_answer(b"\x03\x04\x00\x00\x00\x0a", PZEM), 60)
    assert driver.take(60) == (PZEM_ROW, 0)
    assert driver.at_ms == 0
    driver.feed(b"\x03\x04", 70)  # not asked for
    assert driver.poll(999) is None
    assert driver.poll(1000) is not None


def floats(size: int, values: "dict[int, float]") -> "list[int]":
    """Return registers with IEEE 754 singles in them."""
    registers = [0] * size
    for at, value in values.items():
        registers[at : at + 2] = list(struct.unpack(">HH", struct.pack(">f", value)))
    return registers


def test_modbus_reads_sdm_meters_in_rounds() -> None:
    driver = load("modbus", "em1", {"meter": "sdm120"})
    registers = floats(80, {0: 230.5, 6: 1.25, 12: -287.5, 30: -0.998, 72: 12_345.5, 74: 0.25})
    answered(driver, registers, 0)
    assert driver.take(0) == ((12_345_500, 250, -288, 2305, 125, -998), 0)
    driver = load("modbus", "em3", {"meter": "sdm630", "baud": 19200})
    assert driver.line[0] == 19200
    registers = floats(
        80, {0: 230.0, 2: 231.0, 4: float("nan"), 10: 3.5, 52: 1e30, 70: 49.98, 78: 2.5}
    )
    answered(driver, registers, 0)
    row = (0, 0, 0, 2500, None, 0, 0, 0, 2300, 2310, None, 0, 0, 350, 0, 4998)
    assert driver.take(0) == (row, 0)


def test_modbus_rounds_a_float_once() -> None:
    # 0.005 and 0.015 as singles lie just below; 0.025 lies above
    for amps, want in ((0.005, 0), (-0.005, 0), (0.015, 1), (-0.015, -1), (0.025, 3)):
        driver = load("modbus", "em1", {"meter": "sdm120"})
        answered(driver, floats(80, {6: amps}), 0)
        row = driver.take(0)
        assert row is not None
        assert row[0][4] == want, amps


def test_modbus_silence_errors_and_noise() -> None:
    driver = load("modbus", "em1")
    request = driver.poll(0) or b""
    assert driver.poll(499) is None
    assert driver.poll(500) is None  # given up; asked again half a second later
    assert driver.poll(1000) == request
    driver.feed(b"\x01\x84\x02\xc2\xc1", 1010)  # the meter refuses
    assert driver.errors == 2
    assert driver.poll(1600) == request
    answer = build_modbus.modbus_answer(request, PZEM)
    driver.feed(answer[:-1] + bytes((answer[-1] ^ 1,)), 1610)
    assert (driver.errors, driver.take(1610)) == (3, None)
    assert driver.poll(2200) == request
    driver.feed(b"\x00\x01\x01\x04\xff" + answer, 2210)
    assert driver.take(2210) == (PZEM_ROW, 0)
    assert raises(ValueError, load, "modbus", "em1", {"meter": "other"}).startswith("options")


def test_modbus_broken_answers() -> None:
    draw = Draw(16)
    driver = load("modbus", "em1")
    uptime_ms = 0
    for _ in range(count_of(300, 5000)):
        request = driver.poll(uptime_ms)
        if request:
            answer = build_modbus.modbus_answer(request, PZEM)
            for piece in dribbled(broken(answer, draw) if draw(2) else answer, draw):
                driver.feed(piece, uptime_ms + 10)
            row = driver.take(uptime_ms)
            assert row is None or row == (PZEM_ROW, 0)
        uptime_ms += 500
    assert driver.telegrams > 50
    assert driver.errors > 50
