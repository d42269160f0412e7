"""IEC 62056-21: known answers, dribbled and broken streams."""

from fieldnode.drivers import Driver, load
from tests.firmware.twice import build_text
from tests.firmware.twice.streams import broken, dribbled, rows_of
from tests.firmware.twice.support import Draw, count_of, raises

IEC_LINES = [
    b"F.F(00000000)",
    b"1.8.0(0012345.6*kWh)",
    b"1.8.0*01(0011111.1*kWh)",
    b"1-1:2.8.0*255(0000001.0*kWh)",
    b"16.7(-00.512*kW)",
    b"32.7(230.4*V)",
    b"31.7(002.22*A)",
    b"13.7(0.98)",
]
IEC_ROW = (12_345_600, 1000, -512, 2304, 222, 980)


def read_out(driver: Driver, block: bytes, uptime_ms: int, ident: bytes = b"/LGZ4ZMD\r\n") -> int:
    """Play the meter of mode C; return the uptime afterwards."""
    assert driver.poll(uptime_ms) == build_text.even(b"/?!\r\n")
    assert driver.line == (300, 8, None, 1)
    driver.feed(build_text.even(b"/?!\r\n" + ident), uptime_ms + 800)  # the head gives an echo
    assert driver.poll(uptime_ms + 1000) is None
    assert driver.poll(uptime_ms + 1100) == build_text.even(b"\x06040\r\n")
    assert driver.line == (4800, 8, None, 1)
    uptime_ms += 1200
    for piece in dribbled(build_text.even(block), Draw(3)):
        driver.feed(piece, uptime_ms)
        assert driver.poll(uptime_ms) is None
        uptime_ms += 20
    return uptime_ms


def test_iec_a_readout_counts_from_the_second_of_its_shape() -> None:
    driver = load("iec62056", "em1", {"interval_s": 60})
    block = build_text.iec_block(IEC_LINES)
    end_ms = read_out(driver, block, 0)
    assert driver.take(end_ms) is None
    assert driver.line == (300, 8, None, 1)
    assert driver.poll(end_ms + 4000) is None
    end_ms = read_out(driver, block, end_ms + 5000)
    assert driver.take(end_ms) == (IEC_ROW, 0)
    assert driver.take(end_ms) is None
    shorter = build_text.iec_block([line.replace(b"0012345", b"012345") for line in IEC_LINES])
    end_ms = read_out(driver, shorter, driver.at_ms + 60_000)
    assert driver.take(end_ms) is None
    assert (driver.telegrams, driver.errors) == (1, 0)


def test_iec_a_digit_that_moved_is_noticed() -> None:
    driver = load("iec62056", "em1", {"interval_s": 60})
    # lost in one line and doubled in another: parity, BCC and length are as they should be
    moved = [line.replace(b"0012345", b"012345") for line in IEC_LINES]
    moved = [line.replace(b"00000000", b"000000000") for line in moved]
    end_ms = 0
    rows = []
    for lines in (IEC_LINES, IEC_LINES, moved, IEC_LINES, IEC_LINES):
        end_ms = read_out(driver, build_text.iec_block(lines), end_ms + 60_000)
        rows.append(driver.take(end_ms))
    assert rows == [None, (IEC_ROW, 0), None, None, (IEC_ROW, 0)]


def test_iec_a_meter_that_is_silent_is_asked_again() -> None:
    driver = load("iec62056", "em1", {"interval_s": 900, "address": "123"})
    assert driver.poll(0) == build_text.even(b"/?123!\r\n")
    assert driver.poll(3000) is None
    assert driver.errors == 0
    driver.poll(3001)
    assert driver.errors == 1
    assert driver.poll(9_999) is None
    assert driver.poll(10_000) == build_text.even(b"/?123!\r\n")


def test_iec_modes_a_and_b_send_at_once() -> None:
    for ident, line in ((b"/LGZ-ZMD\r\n", 300), (b"/LGZBZMD\r\n", 1200)):
        driver = load("iec62056", "em1", {"interval_s": 60})
        rows = []
        for start_ms in (0, 60_000):
            driver.poll(start_ms)
            driver.feed(build_text.even(ident), start_ms)
            assert driver.line[0] == line
            driver.feed(build_text.even(build_text.iec_block(IEC_LINES)), start_ms + 300)
            rows.append(driver.take(start_ms))
        assert rows == [None, (IEC_ROW, 0)]


def test_iec_mode_d_is_suspect_for_want_of_a_check() -> None:
    driver = load("iec62056", "em1", {"interval_s": 0})
    assert driver.line == (2400, 8, None, 1)
    text = b"/LGZ4ZMD\r\n\r\n" + b"".join([line + b"\r\n" for line in IEC_LINES]) + b"!\r\n"
    assert driver.poll(0) is None
    assert rows_of(driver, dribbled(build_text.even(text * 3), Draw(5))) == [(IEC_ROW, 1)] * 2


def test_iec_broken_readouts() -> None:
    draw = Draw(12)
    block = build_text.even(build_text.iec_block(IEC_LINES))
    ident = build_text.even(b"/LGZ-ZMD\r\n")
    for _ in range(count_of(60, 2000)):
        driver = load("iec62056", "em1", {"interval_s": 60})
        row = None
        for text in (block, broken(block, draw), block, block):
            now_ms = driver.at_ms
            while not driver.poll(now_ms):
                now_ms += 1000
            driver.feed(ident, now_ms)
            driver.feed(text, now_ms)
            row = driver.take(now_ms)
            assert row is None or row == (IEC_ROW, 0)
            driver.at_ms = now_ms
        assert row == (IEC_ROW, 0)


def test_iec_a_block_without_end_is_given_up() -> None:
    driver = load("iec62056", "em1", {"interval_s": 60})
    driver.poll(0)
    driver.feed(build_text.even(b"/LGZ-ZMD\r\n\x02"), 0)
    for _ in range(400):
        driver.feed(build_text.even(b"x" * 100), 0)
    assert driver.errors == 1
    assert raises(ValueError, load, "iec62056", "em1", {"interval_s": 5}).startswith("options")
