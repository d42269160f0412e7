"""Toll lanes, scales, radars and weather at the road, through store and engine."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gateway.model import Quality, ReadingBatch, Reason
from gateway.ports import DeviceRow
from tests.unit.transport.desk import MORNING_MS, Highway
from tests.unit.transport.rig import NAN

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
TOLL, SCALE, RADAR, SKY, WAY_IN, WAY_OUT = 100, 110, 120, 130, 140, 141
DEVICES = """
[[device]]
id = "toll-1"
org = "vn"
sector = "transport"
parent = "st-0001"
[[device]]
id = "wim-1"
org = "vn"
sector = "transport"
parent = "st-0001"
[[device]]
id = "radar-1"
org = "vn"
sector = "transport"
parent = "st-0002"
[[device]]
id = "env-1"
org = "vn"
sector = "env"
parent = "st-0003"
[[node]]
id = "port"
kind = "site"
[[device]]
id = "gate-in"
org = "vn"
sector = "transport"
parent = "port"
lane = { number = 1, direction = "in" }
[[device]]
id = "gate-out"
org = "vn"
sector = "transport"
parent = "port"
lane = { number = 2, direction = "out" }
"""


@pytest.fixture
def road(tmp_path: Path) -> Highway:
    highway = Highway(tmp_path, more=DEVICES)
    names = {TOLL: "toll-1", SCALE: "wim-1", RADAR: "radar-1"}
    names |= {WAY_IN: "gate-in", WAY_OUT: "gate-out"}
    rows = [DeviceRow(k, "vn", "transport", name, 1, MORNING_MS) for k, name in names.items()]
    highway.meet([*rows, DeviceRow(SKY, "vn", "env", "env-1", 1, MORNING_MS)])
    return highway


def rows_of(
    profile: str, device: int, rows: Sequence[tuple[float, Sequence[float]]]
) -> ReadingBatch:
    """Return events as minutes after the begin of the morning and values."""
    time_ms = np.array([MORNING_MS + round(minute * MINUTE_MS) for minute, _ in rows])
    zero = np.zeros(len(rows), np.int64)
    return ReadingBatch(
        profile,
        zero + device,
        zero,
        np.arange(len(rows)) + int(time_ms[0] // 1000),
        time_ms,
        time_ms + 300,
        np.array([values for _, values in rows], np.float64),
        zero,
        zero + int(Quality.VALID),
        zero,
        zero.copy(),
    )


def at(road: Highway, minute: float) -> None:
    road.now_ms = MORNING_MS + round(minute * MINUTE_MS)


def passage(result: int, tag: float = NAN) -> list[float]:
    return [result, 400, 2 if result == 0 else 0, 2, 0, tag]


@pytest.mark.clause("942.III.4.g-2")
def test_a_reader_that_fails_is_told_until_it_reads_again(road: Highway) -> None:
    good = [(k * 0.2, passage(0, 1000 + k)) for k in range(50)]
    bad = [(10 + k * 0.2, passage(4)) for k in range(50)]
    again = [(20 + k * 0.2, passage(0, 5000 + k)) for k in range(50)]
    at(road, 20)
    road.send(rows_of("etc1", TOLL, good + bad))
    road.go(2)
    (alarm,) = road.alarms("toll_reader_failed")
    assert alarm.place == "device:toll-1"
    assert abs(alarm.raised_ms - (MORNING_MS + 10 * MINUTE_MS)) <= MINUTE_MS
    assert alarm.cleared_ms == 0
    road.start()
    at(road, 30)
    road.send(rows_of("etc1", TOLL, again))
    road.go(2)
    (after,) = road.alarms("toll_reader_failed")
    assert after.raised_ms == alarm.raised_ms
    assert abs(after.cleared_ms - (MORNING_MS + 20 * MINUTE_MS)) <= MINUTE_MS
    at(road, 61)
    road.go(2)
    body = road.body_at("tolls", "device:toll-1", MORNING_MS)
    assert body["passages"] == 150
    assert body["read_rate"] == pytest.approx(100 / 150, abs=1e-4)
    assert body["etc_share"] == pytest.approx(100 / 150, abs=1e-4)
    assert body["transaction_p95_ms"] == 400


def weighing(axle_kg: float) -> list[float]:
    loads = [6000, axle_kg, *[NAN] * 4]
    return [6000 + axle_kg, 2, *loads, 600, 90, 4]


@pytest.mark.clause("749.VIII.5-4")
def test_an_overloaded_truck_is_told_once(road: Highway) -> None:
    at(road, 10)
    rows = [(1, weighing(9000)), (2, weighing(14_000)), (3, weighing(9500))]
    road.send(rows_of("wim1", SCALE, rows))
    road.go(2)
    road.start()
    road.go(2)
    (alarm,) = road.alarms("overload")
    assert alarm.raised_ms == MORNING_MS + 2 * MINUTE_MS
    assert json.loads(alarm.evidence)["weighed_kg"] >= 14_000
    road.send(rows_of("wim1", SCALE, [(59, weighing(8000))]), late=True)
    at(road, 61)
    road.go(2)
    body = road.body_at("weighing", "device:wim-1", MORNING_MS)
    assert (body["vehicles"], body["sound"], body["overloaded"]) == (4, 4, 1)


def vehicle(direction: int, kmh: float = 80.0) -> list[float]:
    return [kmh * 10, 45, 2, direction, 2000, 300, 1]


def test_a_driver_against_the_traffic_is_told_at_once(road: Highway) -> None:
    at(road, 59)
    usual = [(k * 0.1, vehicle(1)) for k in range(580)]
    road.send(rows_of("pv1", RADAR, [*usual, (58.5, vehicle(2, 60.0))]))
    road.go(1)
    (alarm,) = road.alarms("wrong_way")
    assert alarm.place == "section:s-0002"
    assert alarm.raised_ms == MORNING_MS + round(58.5 * MINUTE_MS)
    assert json.loads(alarm.evidence)["speed_kmh"] == 60
    at(road, 61)
    road.go(8)
    body = road.body_at("vehicles", "device:radar-1", MORNING_MS)
    assert body["vehicles"] == 581
    assert body["v85_kmh"] == 80
    assert body["by_class"]["car"] == 581
    assert body["flow_veh_h"][0] == 600


def weather(level_m: float, rain: float = 0.0) -> list[float]:
    return [rain, 0, level_m * 1000, 250, 800, 100, 100, 20, 30, 180, 50_000, 10_000]


def test_water_over_the_road_is_warned_of_until_it_is_gone(road: Highway) -> None:
    at(road, 31)
    deep = [(0, weather(0.0)), (10, weather(0.25)), (20, weather(0.3)), (30, weather(0.3))]
    road.send(rows_of("env1", SKY, deep))
    road.go(10)
    (alarm,) = [one for one in road.alarms() if "flood" in one.kind]
    assert alarm.place == "section:s-0003"
    assert alarm.raised_ms == MORNING_MS + 10 * MINUTE_MS
    assert alarm.cleared_ms == 0
    at(road, 62)
    dry = [(40, weather(0.0)), (50, weather(0.0)), (60, weather(0.0))]
    road.send(rows_of("env1", SKY, dry))
    road.go(10)
    (after,) = [one for one in road.alarms() if "flood" in one.kind]
    assert after.raised_ms == alarm.raised_ms
    assert MORNING_MS + 40 * MINUTE_MS <= after.cleared_ms <= MORNING_MS + 60 * MINUTE_MS


def test_an_hour_that_changes_late_is_summed_up_again(road: Highway) -> None:
    at(road, 61)
    road.send(rows_of("etc1", TOLL, [(1, passage(0, 7)), (2, passage(0, 8))]))
    road.go(8)
    assert road.body_at("tolls", "device:toll-1", MORNING_MS)["passages"] == 2
    at(road, 600)
    road.send(rows_of("etc1", TOLL, [(3, passage(0, 9))]), late=True)
    road.go(8)
    assert road.body_at("tolls", "device:toll-1", MORNING_MS)["passages"] == 3


# -- yards --


def gate(kind: int, tag: float) -> list[float]:
    return [0, 400, kind, kind, 0, tag]


@pytest.mark.clause("1437.II.3.e-1")
def test_a_yard_knows_who_came_how_long_they_stayed_and_how_many_are_inside(road: Highway) -> None:
    at(road, 119)
    road.send(rows_of("etc1", WAY_IN, [(k * 5, gate(5, 100 + k)) for k in range(10)]))
    road.send(rows_of("etc1", WAY_OUT, [(30, gate(5, 100)), (90, gate(5, 101)), (95, gate(4, 7))]))
    road.go(2)
    at(road, 121)
    road.go(2)
    first = road.body_at("gates", "site:port", MORNING_MS)
    assert (first["came"], first["left"], first["vehicles_inside"]) == (10, 1, 9)
    assert (first["stays"], first["dwell_median_h"]) == (1, 0.5)
    assert first["by_class"]["long"] == 11
    second = road.body_at("gates", "site:port", MORNING_MS + HOUR_MS)
    # in at minute 5, out at minute 90; nobody saw tag 7 come, so that one is of no stay
    assert (second["came"], second["left"], second["vehicles_inside"]) == (0, 2, 7)
    assert (second["stays"], second["dwell_median_h"]) == (1, pytest.approx(85 / 60, abs=0.01))
    # two that were seen late change both hours
    road.send(rows_of("etc1", WAY_IN, [(40.5, gate(4, 900)), (41.5, gate(4, 901))]), late=True)
    road.go(30)
    assert road.body_at("gates", "site:port", MORNING_MS)["vehicles_inside"] == 11
    assert road.body_at("gates", "site:port", MORNING_MS + HOUR_MS)["vehicles_inside"] == 9


# -- drift of a scale --


def trailer(steering_kg: float) -> list[float]:
    loads = [steering_kg, 7000, 7000, 7000, 7000, NAN]
    return [steering_kg + 28_000, 5, *loads, 600, 160, 5]


@pytest.mark.clause("749.VIII.5-4")
def test_a_scale_that_weighs_more_than_it_did_is_told_after_a_week(road: Highway) -> None:
    """Steering axles of 5 t, then of 5.5 t: a tenth more is twice the share of the policy."""
    day_min = 24 * 60

    def day(number: int, kg: float) -> None:
        passing = [(number * day_min + k, trailer(kg + 40 * (k % 5 - 2))) for k in range(10)]
        road.now_ms = MORNING_MS + (number * day_min + 61) * MINUTE_MS
        road.send(rows_of("wim1", SCALE, passing))
        road.go(7)

    for number in range(20):
        day(number, 5000)
    assert not road.alarms("scale_drift")
    for number in range(20, 29):
        day(number, 5500)
    (alarm,) = road.alarms("scale_drift")
    assert alarm.place == "device:wim-1"
    evidence = json.loads(alarm.evidence)
    # judged at the first midnight after a week of which enough vehicles differ enough
    assert 0.05 < evidence["share"] <= 0.11
    assert not alarm.cleared_ms
    for number in range(29, 38):
        day(number, 5000)
    (after,) = road.alarms("scale_drift")
    assert after.raised_ms == alarm.raised_ms
    assert after.cleared_ms


# -- who is not well --


def passing(number: int) -> list[float]:
    """A vehicle as a radar sees it: speed, length, class, direction, gap, duration, lane."""
    return [800 + number % 37, 42 + number % 5, 2, 1, 300, 280 + number % 41, 1]


def hour_of(road: Highway, day: int, minutes: range) -> None:
    """Let a vehicle pass in every minute, and the hour be summed up."""
    first = day * 24 * 60
    rows = [(first + minute, passing(first + minute)) for minute in minutes]
    at(road, first + minutes.stop)
    road.send(rows_of("pv1", RADAR, rows))
    road.go(2)
    at(road, first + 61)
    road.go(8)


def test_a_radar_is_silent_when_twenty_vehicles_were_due_and_until_one_is_seen(
    road: Highway,
) -> None:
    for day in range(3):
        hour_of(road, day, range(60))
    day_min = 3 * 24 * 60
    at(road, day_min + 10)
    road.send(rows_of("pv1", RADAR, [(day_min + k, passing(k)) for k in range(10)]))
    road.go(2)
    at(road, day_min + 28)  # one a minute was due since minute 9
    road.go(35)
    assert not road.alarms("roadside_no_data")
    at(road, day_min + 30)
    road.go(35)
    (alarm,) = road.alarms("roadside_no_data")
    assert (alarm.place, alarm.cleared_ms) == ("device:radar-1", 0)
    assert alarm.raised_ms == MORNING_MS + (day_min + 9) * MINUTE_MS
    road.start()
    road.go(35)
    assert road.alarms("roadside_no_data") == [alarm]  # a new life accuses nobody again
    at(road, day_min + 40)
    road.send(rows_of("pv1", RADAR, [(day_min + 39, passing(39))]))
    road.go(35)
    (after,) = road.alarms("roadside_no_data")
    assert after.cleared_ms == MORNING_MS + (day_min + 39) * MINUTE_MS


def test_the_same_vehicle_twenty_times_and_three_impossible_ones(road: Highway) -> None:
    at(road, 30)
    road.send(rows_of("pv1", RADAR, [(k, passing(3)) for k in range(20)]))
    road.go(35)
    (stuck,) = road.alarms("roadside_no_change")
    assert stuck.raised_ms == MORNING_MS
    rows = rows_of("pv1", RADAR, [(30 + k, passing(k)) for k in range(3)])
    rows.reasons[:] = int(Reason.HIGH_LOW)
    road.send(rows)
    road.go(35)
    (odd,) = road.alarms("roadside_impossible")
    assert (odd.raised_ms, odd.cleared_ms) == (MORNING_MS + 30 * MINUTE_MS, 0)
    assert road.alarms("roadside_no_change")[0].cleared_ms
    at(road, 40)
    road.send(rows_of("pv1", RADAR, [(39, passing(7))]))
    road.go(35)
    assert road.alarms("roadside_impossible")[0].cleared_ms == MORNING_MS + 39 * MINUTE_MS


def test_a_weather_station_is_silent_after_three_of_its_intervals(road: Highway) -> None:
    def sky(minute: int) -> tuple[float, list[float]]:
        return minute, [100, 0, -800, 250 + minute, 700, 100, 160, 20, 30, 90, 12_000, 10_090]

    at(road, 41)
    road.send(rows_of("env1", SKY, [sky(minute) for minute in (0, 10, 20, 30, 40)]))
    road.go(2)
    at(road, 69)
    road.go(35)
    assert not road.alarms("roadside_no_data")
    at(road, 71)
    road.go(35)
    (alarm,) = road.alarms("roadside_no_data")
    assert (alarm.place, alarm.raised_ms) == ("device:env-1", MORNING_MS + 40 * MINUTE_MS)
