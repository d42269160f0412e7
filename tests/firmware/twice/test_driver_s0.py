"""S0 pulses, and what all drivers of meters have: known answers, dribbled and broken streams."""

from fieldnode.drivers import load, obis
from tests.firmware.twice.support import Draw, count_of, raises


def test_profiles_that_no_meter_fills_are_refused() -> None:
    for name in ("p1", "iec62056", "dlms", "sml", "modbus", "s0"):
        assert raises(ValueError, load, name, "tl1") == "profile"
    assert obis.scaled((-15, -1), 0) == -2


def test_s0_counts_and_measures() -> None:
    driver = load("s0", "em1", {"per_kwh": 1000}, (41_999,))
    assert driver.take(0) == ((41_999, None, None, None, None, None), 0)
    for number in range(5):
        at_us = 1_000_000 + number * 3_600_000
        for level, after_us in ((1, 0), (0, 900), (1, 1500), (0, 60_000), (1, 60_700), (0, 61_000)):
            driver.edge(0, level, at_us + after_us)
    assert driver.registers() == (42_004,)
    assert driver.take(15_500) == ((42_004, None, 1000, None, None, None), 0)
    assert driver.take(15_500) is None
    assert driver.take(16_500) == ((42_004, None, 1000, None, None, None), 0)
    # 7.2 s after the last pulse it can be half of that power at most
    assert driver.take(22_600) == ((42_004, None, 500, None, None, None), 0)
    assert driver.take(400_000) == ((42_004, None, 0, None, None, None), 0)


def test_s0_loses_no_pulse_of_contacts_that_bounce() -> None:
    draw = Draw(18)
    driver = load("s0", "em1", {"per_kwh": 800})
    at_us = 1_000_000
    pulses = count_of(500, 10_000)
    for _ in range(pulses):
        begin_us = at_us
        for edge_us in [0] + sorted([draw(4000) + 1 for _ in range(2 * draw(3))]):
            at_us = begin_us + edge_us
            driver.edge(0, 1, at_us)
            driver.edge(0, 0, at_us + 1 + draw(200))
        driver.edge(0, 1, at_us + 300)
        at_us = begin_us + 35_000 + draw(60_000)
        driver.edge(0, 0, at_us)
        for _ in range(draw(3)):
            at_us += 300 + draw(1500)
            driver.edge(0, 1, at_us)
            driver.edge(0, 0, at_us + 200)
        at_us += 30_000 + draw(10_000_000)
    assert driver.registers() == (pulses,)
    assert driver.errors == 0
    row = driver.take(at_us // 1000)
    assert row is not None
    assert row[0][0] == pulses * 1000 // 800


def test_s0_noise_is_no_pulse() -> None:
    draw = Draw(17)
    driver = load("s0", "em1")
    at_us = 0
    for _ in range(500):
        at_us += 6000 + draw(100_000)
        driver.edge(0, 1, at_us)
        at_us += 1 + draw(29_000)
        driver.edge(0, 0, at_us)
    assert driver.registers() == (0,)
    assert driver.errors == 499  # the last one may still become a pulse
    driver.edge(0, 0, at_us + 1)  # an edge was missed
    assert driver.take(1)[0][:3] == (0, None, None)  # type: ignore[index]
    assert raises(ValueError, load, "s0", "em1", {"per_kwh": 0}).startswith("options")
