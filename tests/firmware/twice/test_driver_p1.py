"""DSMR P1: known answers, dribbled and broken streams."""

from fieldnode.drivers import load
from tests.firmware.twice import build_text
from tests.firmware.twice.streams import dribbled, is_harmless, rows_of
from tests.firmware.twice.support import Draw, count_of

EM1_LINES = [
    b"1-0:1.8.1(001581.123*kWh)",
    b"1-0:1.8.2(001435.706*kWh)",
    b"1-0:2.8.1(000000.400*kWh)",
    b"1-0:2.8.2(000000.000*kWh)",
    b"1-0:1.7.0(02.027*kW)",
    b"1-0:2.7.0(00.000*kW)",
    b"1-0:32.7.0(229.9*V)",
    b"1-0:31.7.0(006*A)",
]
EM1_ROW = (3_016_829, 400, 2027, 2299, 600, None)


def test_p1_sums_the_tariffs() -> None:
    driver = load("p1", "em1")
    telegram = build_text.p1(EM1_LINES)
    assert rows_of(driver, [b"noise\r\n!0000\r\n", telegram]) == [(EM1_ROW, 0)]
    assert (driver.at_ms, driver.telegrams, driver.errors) == (10, 1, 0)
    assert rows_of(driver, dribbled(telegram * 3, Draw(1))) == [(EM1_ROW, 0)] * 3


def test_p1_fills_the_profile_of_three_phases_and_counts_sags() -> None:
    lines = [
        b"1-0:1.8.0(00002000.5*kWh)",
        b"1-0:3.8.0(00000001.25*kvarh)",
        b"1-0:1.7.0(0000.100*kW)",
        b"1-0:2.7.0(0001.300*kW)",
        b"1-0:41.7.0(0000.050*kW)",
        b"1-0:42.7.0(0001.300*kW)",
        b"1-0:32.32.0(00002)",
        b"0-0:96.7.21(00015)",
        b"0-1:96.7.21(00015)",
    ]
    em3 = (2_000_500, None, 1250, None, -1200, None, -1250) + (None,) * 9
    assert rows_of(load("p1", "em3"), [build_text.p1(lines)]) == [(em3, 0)]
    pq3 = (None,) * 11 + (2, None, None, None, None, None, 15, None)
    assert rows_of(load("p1", "pq3"), [build_text.p1(lines)]) == [(pq3, 0)]


def test_p1_a_tariff_that_cannot_be_read_makes_no_smaller_sum() -> None:
    lines = [b"1-0:1.8.1(------*kWh)"] + EM1_LINES[1:]
    assert rows_of(load("p1", "em1"), [build_text.p1(lines)]) == [((None,) + EM1_ROW[1:], 0)]


def test_p1_impossible_values_are_left_out() -> None:
    lines = [b"1-0:32.7.0(906.1*V)", b"1-0:31.7.0(1*mA)", b"1-0:1.7.0(00.5*kW)"]
    row = (None, None, 500, None, None, None)
    assert rows_of(load("p1", "em1"), [build_text.p1(lines)]) == [(row, 0)]


def test_p1_without_check_is_refused_or_suspect() -> None:
    text = build_text.p1(EM1_LINES, b"")
    driver = load("p1", "em1")
    assert rows_of(driver, [text]) == []
    assert driver.errors == 1
    assert rows_of(load("p1", "em1", {"unchecked": True}), [text]) == [(EM1_ROW, 1)]
    for check in (b"12345", b"XYZ1", b"0000"):
        assert rows_of(driver, [build_text.p1(EM1_LINES, check)]) == []
    assert load("p1", "em1", {"baud": 9600}).line == (9600, 7, 0, 1)


def test_p1_nothing_of_the_profile_is_no_row() -> None:
    driver = load("p1", "em1")
    assert rows_of(driver, [build_text.p1([b"0-1:24.2.1(1)(2*m3)"])]) == []
    assert driver.errors == 1


def test_p1_broken_streams() -> None:
    draw = Draw(11)
    telegram = build_text.p1(EM1_LINES)
    for _ in range(count_of(60, 2000)):
        is_harmless(load("p1", "em1"), telegram, [(EM1_ROW, 0)], draw)


def test_p1_a_stream_without_end_takes_no_memory() -> None:
    driver = load("p1", "em3")
    driver.feed(b"/X\r\n", 0)
    for number in range(300):
        driver.feed(b"1-0:%d.8.0(1*kWh)\r\n" % (number % 256), 0)
        driver.feed(b"x" * 100, 0)
    assert driver.take(0) is None
