"""A simulated city must obey physics, or what it proves about the gateway is worth nothing."""

from itertools import pairwise
from statistics import correlation, mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.homes import UTC_OFFSET_S, WATT_MS_PER_WH, Home
from simulators.lanes import Lane

DAY_MS = 86_400_000
MIDNIGHT_MS = 1_795_305_600_000 - UTC_OFFSET_S * 1000  # local, a Sunday
MONDAY_MS = MIDNIGHT_MS + DAY_MS


def home_day(home: Home, step_ms: int = 900_000) -> list[tuple[int, ...]]:
    ends = range(MONDAY_MS + step_ms, MONDAY_MS + DAY_MS + 1, step_ms)
    return [tuple(v or 0 for v in home.row(end - step_ms, end)) for end in ends]


def lane_hour(lane: Lane, hour: int, step_ms: int = 30_000) -> list[tuple[int | None, ...]]:
    start = MONDAY_MS + hour * 3_600_000
    ends = range(start + step_ms, start + 3_600_001, step_ms)
    return [lane.row(end - step_ms, end) for end in ends]


def test_a_seed_names_every_watt_and_every_vehicle() -> None:
    assert home_day(Home(5, 3)) == home_day(Home(5, 3))
    assert lane_hour(Lane(5, 3), 8) == lane_hour(Lane(5, 3), 8)
    assert home_day(Home(5, 3)) != home_day(Home(6, 3))
    assert home_day(Home(5, 3)) != home_day(Home(5, 4))


@given(steps_ms=st.lists(st.integers(1000, 7_200_000), min_size=1, max_size=20))
def test_the_register_is_the_integral_of_the_reported_power(steps_ms: list[int]) -> None:
    home, time_ms = Home(1, 1), MONDAY_MS
    before = home.accrued
    total_w_ms = 0
    for step_ms in steps_ms:
        row = home.row(time_ms, time_ms + step_ms)
        time_ms += step_ms
        assert row[2] is not None
        total_w_ms += row[2] * step_ms
        assert row[0] == (before + total_w_ms) // WATT_MS_PER_WH


def test_what_the_meter_counts_while_its_node_sleeps_is_in_the_register() -> None:
    awake, asleep = Home(1, 2), Home(1, 2)
    for hour in range(6):
        awake.row(MONDAY_MS + hour * 3_600_000, MONDAY_MS + (hour + 1) * 3_600_000)
    asleep.skip(MONDAY_MS, MONDAY_MS + 6 * 3_600_000)
    assert asleep.accrued == pytest.approx(awake.accrued, rel=1e-3)


def test_power_voltage_and_current_agree() -> None:
    for index in range(40):
        for _, exported, power_w, voltage_dv, current_ca, pf_permille in home_day(Home(1, index)):
            apparent_va = voltage_dv / 10 * current_ca / 100
            assert power_w <= apparent_va * 1.02
            assert power_w == pytest.approx(apparent_va * pf_permille / 1000, rel=0.05)
            assert 207 <= voltage_dv / 10 <= 253  # 230 V ± 10 %, EN 50160
            assert 0.6 < pf_permille / 1000 <= 1
            assert exported == 0


def test_voltage_falls_with_the_load_and_people_cook_in_the_evening() -> None:
    days = [home_day(Home(1, index)) for index in range(100)]
    power_w = [mean(day[k][2] for day in days) for k in range(96)]
    voltage_v = [mean(day[k][3] for day in days) / 10 for k in range(96)]
    assert correlation(power_w, voltage_v) < -0.8
    assert mean(power_w[18 * 4 : 21 * 4]) > 1.5 * mean(power_w[2 * 4 : 5 * 4])
    kwh_a_day = sum(power_w) / 4 / 1000
    assert 4 < kwh_a_day < 20  # a home in a city, half of them with a cooler


def test_classes_sum_to_the_count_and_counts_to_the_register() -> None:
    lane = Lane(1, 1)
    before = lane.accrued
    rows = lane_hour(lane, 8)
    for (count, *_), previous, row in zip(rows[1:], rows, rows[1:], strict=False):
        assert count is not None
        assert sum(n or 0 for n in row[5:]) == count
        assert row[1] == (previous[1] or 0) + count
    assert rows[-1][1] == before + sum(row[0] or 0 for row in rows)


def test_motorcycles_dominate_and_the_peak_is_in_the_morning() -> None:
    morning = [row for index in range(20) for row in lane_hour(Lane(1, index), 7)]
    night = [row for index in range(20) for row in lane_hour(Lane(1, index), 2)]
    total = sum(row[0] or 0 for row in morning)
    assert sum(row[5] or 0 for row in morning) > 0.7 * total
    assert total > 8 * sum(row[0] or 0 for row in night)
    speeds = [[row[3] for row in rows if row[3] is not None] for rows in (morning, night)]
    assert mean(speeds[0]) < mean(speeds[1])


def test_occupancy_is_what_those_vehicles_at_that_speed_cover() -> None:
    lengths_m = (1.9, 4.5, 11.0, 8.0, 15.0)
    for count, _, occupancy, dkmh, v85_dkmh, *classes in lane_hour(Lane(1, 4), 8):
        if not count:
            assert (occupancy, dkmh, v85_dkmh) == (0, None, None)
            continue
        assert dkmh is not None
        assert v85_dkmh is not None
        assert dkmh <= v85_dkmh
        covered_m = sum(n * (2 + m) for n, m in zip(classes, lengths_m, strict=True) if n)
        covered_s = covered_m / (dkmh / 36)
        assert (occupancy or 0) / 1000 <= min(1.0, covered_s / 30) + 0.001
        assert (occupancy or 0) / 1000 >= covered_s / 30 * 0.5


def test_a_detector_without_power_counts_nothing() -> None:
    lane = Lane(1, 1)
    before = lane.accrued
    lane.skip(MONDAY_MS, MONDAY_MS + DAY_MS)
    assert lane.accrued == before


def test_no_register_ever_falls() -> None:
    home = Home(9, 9)
    registers = [row[0] for row in home_day(home, 5000)]
    assert all(later >= earlier for earlier, later in pairwise(registers))
