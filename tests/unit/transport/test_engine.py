"""Transport as an engine: from the store to lines and alarms, over late rows and restarts."""

import json
from pathlib import Path

import numpy as np
import pytest

from gateway.ports import Alarm
from tests.unit.transport.desk import MORNING_MS, Highway
from tests.unit.transport.rig import MONDAY_MS, NAN, SLOT_MS

QUARTER_MS, DAY_MS = 900_000, 86_400_000


@pytest.fixture
def road(tmp_path: Path) -> Highway:
    return Highway(tmp_path)


def test_traffic_is_told_seconds_after_an_interval(road: Highway) -> None:
    road.drive(range(12))
    body = road.body("live", "station:st-0001")
    # two lanes of nine cars in half a minute each: about 2,160 an hour at 90 km/h
    assert 1700 < body["flow_veh_h"] < 2600
    assert 85 < body["speed_kmh"] < 96
    assert body["level_of_service"] == "B"
    assert body["method"] == "observed"
    newest = [one for one in road.lines("live") if one.place == "station:st-0001"][-1]
    assert newest.to_ms == MORNING_MS + 12 * SLOT_MS
    way = road.body("live", "corridor:ex-00")
    # 1.5 km at 90 km/h or so
    assert 55 < way["travel_time_s"] < 65
    assert way["free_travel_time_s"] == 54
    # from each station to the last one, 500 m nearer each time
    assert way["arrival_s"] == [
        way["travel_time_s"],
        pytest.approx(way["travel_time_s"] * 2 / 3, abs=2),
        pytest.approx(way["travel_time_s"] / 3, abs=2),
        0,
    ]


def test_a_queue_between_two_stations_is_in_the_travel_time(road: Highway) -> None:
    """A third of the traffic gets past the second station; all loops still see free speeds."""
    road.drive(range(80), by=10)
    for slot in range(80, 100):
        rows = road.measure(slot)
        behind = rows.device_index >= 4  # the third station on
        rows.values[behind, 0] = rows.values[behind, 6] = 3
        road.now_ms = MORNING_MS + (slot + 1) * SLOT_MS + 500
        road.send(rows)
        road.pause()
    told_s = road.body("live", "corridor:ex-00")["travel_time_s"]
    # 20 x 12 cars would be stored; half a kilometre has room for 113 beside six in 30 s (720/h):
    # 113 / 6 x 30 s, and 40 s for the free kilometre
    assert told_s == pytest.approx(607, abs=10)


@pytest.mark.clause("1437.II.3.e-1")
def test_who_comes_to_a_queue_is_told_how_fast_to_drive_while_it_lasts(road: Highway) -> None:
    """The third station crawls at 15 km/h, the last one is free: stations are 500 m apart."""
    road.drive(range(60), by=10)
    for slot in range(60, 72):
        rows = road.measure(slot)
        crawls = (rows.device_index >= 4) & (rows.device_index < 6)
        rows.values[crawls, 2:5] = 600, 150, 180  # 60 %, 15 km/h
        road.now_ms = MORNING_MS + (slot + 1) * SLOT_MS + 500
        road.send(rows)
        road.pause()
    told = {one.place: json.loads(one.evidence) for one in road.alarms("speed_advice")}
    # v2 = (15/3.6)2 + 2 x 0.13 m/s2 x d: 43.7 km/h at 500 m and 59.9 at 1 km, in steps of 10
    assert told == {
        "station:st-0001": {"speed_kmh": 40, "queue_ahead_km": 0.5},
        "station:st-0000": {"speed_kmh": 50, "queue_ahead_km": 1.0},
    }
    assert all(not one.cleared_ms for one in road.alarms("speed_advice"))
    road.start()
    road.drive(range(72, 90))
    assert len(road.alarms("speed_advice")) == len(told)
    assert all(one.cleared_ms for one in road.alarms("speed_advice"))


def test_one_step_after_the_last_row_the_state_is_there(road: Highway) -> None:
    road.drive(range(11))
    road.now_ms = MORNING_MS + 12 * SLOT_MS + 500
    road.send(road.measure(11))
    road.go(1)
    assert max(one.to_ms for one in road.lines("live")) == MORNING_MS + 12 * SLOT_MS


def test_a_silent_lane_is_not_waited_for_longer_than_the_grace(road: Highway) -> None:
    road.drive(range(11))
    road.now_ms = MORNING_MS + 12 * SLOT_MS + 500
    road.send(road.measure(11, [0, 1, 2, 3, 4, 5, 6]))
    road.go(4)
    assert max(one.to_ms for one in road.lines("live")) == MORNING_MS + 11 * SLOT_MS
    road.go(3)
    assert max(one.to_ms for one in road.lines("live")) == MORNING_MS + 12 * SLOT_MS


# -- the series that stay --


def test_a_quarter_of_an_hour_stays_in_bins_of_five_minutes(road: Highway) -> None:
    road.drive(range(32), by=4)
    lines = [one for one in road.lines("state") if one.place == "station:st-0002"]
    assert [(one.from_ms, one.to_ms) for one in lines] == [(MORNING_MS, MORNING_MS + QUARTER_MS)]
    body = json.loads(lines[0].body)
    counts = [
        sum(float(road.measure(slot).values[4:6, 0].sum()) for slot in range(first, first + 10))
        for first in (0, 10, 20)
    ]
    assert body["flow_veh_h"] == [count * 12 for count in counts]
    assert body["method"] == ["observed"] * 3
    assert body["observed"] == [1, 1, 1]


def test_a_row_that_comes_an_hour_late_is_in_its_quarter(road: Highway) -> None:
    everybody = list(range(road.lanes))
    road.drive(range(10))
    for slot in range(10, 20):  # lane 0 has no link, but counts
        road.drive(range(slot, slot + 1), everybody[1:])
    road.drive(range(20, 150), by=10)
    before = road.body_at("state", "station:st-0000", MORNING_MS)
    road.send(road.measure_all(range(10, 20), [0]), late=True)
    road.go(15)
    after = road.body_at("state", "station:st-0000", MORNING_MS)
    truth = [
        sum(float(road.measure(slot).values[:2, 0].sum()) for slot in range(first, first + 10)) * 12
        for first in (0, 10, 20)
    ]
    assert after["flow_veh_h"] == truth
    assert after["method"] == ["observed"] * 3
    assert before["flow_veh_h"][0] == truth[0]
    assert before["method"][1] != "observed"
    assert before["flow_veh_h"][1] != truth[1]


def test_nothing_depends_on_the_order_in_which_rows_come(tmp_path: Path) -> None:
    def told(name: str, order: list[int]) -> dict[tuple[str, int], str]:
        folder = tmp_path / name
        folder.mkdir()
        road = Highway(folder)
        for slot in order:
            road.now_ms = max(road.now_ms, MORNING_MS + (slot + 1) * SLOT_MS + 500)
            road.send(road.measure(slot))
            road.go(1)
        road.go(40)
        return {(one.place, one.from_ms): one.body for one in road.lines("state")}

    in_order = told("in-order", list(range(64)))
    late = list(range(64))
    late[20:22], late[40:50] = late[21:19:-1], late[49:39:-1]
    assert told("late", late) == in_order
    assert len({from_ms for _, from_ms in in_order}) == 2


# -- detectors that lie --


def stuck(road: Highway, slot: int, lane: int) -> None:
    """Send an interval in which a lane is covered all the time and counts nobody."""
    batch = road.measure(slot)
    batch.values[lane] = [0, 5000, 1000, NAN, NAN, 0, 0, 0, 0, 0]
    road.now_ms = MORNING_MS + (slot + 1) * SLOT_MS + 500
    road.send(batch)
    road.pause()


def test_a_detector_that_is_stuck_is_told_and_believed_no_more(road: Highway) -> None:
    road.drive(range(20))
    for slot in range(20, 64):
        stuck(road, slot, 3)
    (alarm,) = road.alarms("detector_locked_on")
    assert alarm.place == "device:loop-00003"
    begin_ms = MORNING_MS + 20 * SLOT_MS
    assert alarm.raised_ms == begin_ms
    assert alarm.found_ms <= begin_ms + 180_000
    assert alarm.cleared_ms == 0
    # its occupancy is not in the station's, its count is estimated by the lane beside it
    body = road.body("live", "station:st-0001")
    assert body["occupancy"] < 0.1
    assert body["method"] != "observed"
    assert body["flow_veh_h"] > 1500
    quarter = road.body_at("state", "station:st-0001", MORNING_MS + QUARTER_MS)
    assert quarter["method"].count("observed") == 0


def test_a_restart_finds_the_same_alarms_and_the_same_states(tmp_path: Path) -> None:
    def told(name: str, *, lives: bool) -> tuple[list[Alarm], dict[tuple[str, str, int], str]]:
        folder = tmp_path / name
        folder.mkdir()
        road = Highway(folder)
        road.drive(range(20))
        for slot in range(20, 50):
            if lives and slot % 4 == 0:
                road.start()
            stuck(road, slot, 3)
        lines = {(one.series, one.place, one.from_ms): one.body for one in road.lines("state")}
        lines |= {(one.series, one.place, one.from_ms): one.body for one in road.lines("live")}
        return road.alarms(), lines

    whole, broken = told("whole", lives=False), told("broken", lives=True)
    assert broken[0] == whole[0]
    assert broken[1] == whole[1]
    assert whole[0]


def test_a_late_row_takes_back_what_its_absence_seemed_to_say(road: Highway) -> None:
    everybody = list(range(road.lanes))
    road.drive(range(20))
    slots = range(20, 36)
    for slot in slots:
        road.drive(range(slot, slot + 1), [one for one in everybody if one != 3])
    silent = [one for one in road.alarms() if one.place == "device:loop-00003"]
    road.send(road.measure_all(slots, [3]), late=True)
    road.drive(range(36, 40))
    after = [one for one in road.alarms() if one.place == "device:loop-00003"]
    assert [one.kind for one in silent] == ["detector_no_data"]
    assert silent[0].cleared_ms == 0
    assert [one.raised_ms for one in after] == [one.raised_ms for one in silent]
    assert all("withdrawn" in one.evidence and one.cleared_ms for one in after)


def test_a_lane_that_joins_changes_nothing_for_the_others(tmp_path: Path) -> None:
    road = Highway(tmp_path, stations=4)
    road.drive(range(20), [0, 1, 2, 3, 4, 5, 7])
    for slot in range(20, 26):
        stuck(road, slot, 3)  # and lane 6 is heard for the first time
    (alarm,) = road.alarms("detector_locked_on")
    assert alarm.place == "device:loop-00003"
    assert alarm.raised_ms == MORNING_MS + 20 * SLOT_MS
    assert road.body("live", "station:st-0003")["flow_veh_h"] > 1500


def test_without_a_registry_every_lane_is_told(tmp_path: Path) -> None:
    road = Highway(tmp_path, registered=False)
    road.drive(range(12))
    assert road.body("live", "station:loop-00003")["flow_veh_h"] > 700
    assert not [one for one in road.lines("live") if one.place.startswith("corridor:")]


def test_our_own_absence_is_no_fault_of_the_detectors(road: Highway) -> None:
    road.drive(range(20))
    # the gateway was off for an hour; its devices send what they kept afterwards
    road.start()
    road.drive(range(140, 150))
    assert not road.alarms()
    for first in range(20, 140, 30):
        road.send(road.measure_all(range(first, first + 30)), late=True)
    road.go(30)
    assert not road.alarms()
    quarter = road.body_at("state", "station:st-0001", MORNING_MS + 2 * QUARTER_MS)
    assert quarter["method"] == ["observed"] * 3


def test_a_first_start_over_a_full_store_works_it_all_out(road: Highway) -> None:
    road.send(road.measure_all(range(200)))
    road.now_ms = MORNING_MS + 200 * SLOT_MS + 500
    road.start()
    road.go(30)
    quarters = {one.from_ms for one in road.lines("state")}
    assert quarters == {MORNING_MS + k * QUARTER_MS for k in range(6)}
    assert max(one.to_ms for one in road.lines("live")) == MORNING_MS + 200 * SLOT_MS


def test_a_day_is_summed_up_when_it_is_over(road: Highway) -> None:
    # from 9 h of Monday to 1 h of Wednesday: one whole day
    slots = range(40 * 120)
    road.send(road.measure_all(slots))
    road.now_ms = MORNING_MS + 40 * 120 * SLOT_MS + 500
    road.go(30)
    days = [one for one in road.lines("days") if one.place == "station:st-0001"]
    assert [one.from_ms for one in days] == [MONDAY_MS, MONDAY_MS + DAY_MS]
    tuesday = json.loads(days[1].body)
    first = 15 * 120
    cars = sum(float(road.measure(slot).values[2:4, 0].sum()) for slot in slots[first:][:2880])
    assert tuesday["vehicles"] == cars == sum(tuesday["hours_veh"])
    assert tuesday["by_class"]["car"] == cars
    assert tuesday["observed"] == 1
    assert tuesday["bins"] == {"observed": 288}
    assert tuesday["vkt"] == pytest.approx(cars * tuesday["length_km"], rel=1e-3)
    monday = json.loads(days[0].body)
    assert monday["observed"] == pytest.approx(15 / 24, abs=1e-3)
    way = road.body_at("congestion", "corridor:ex-00", MONDAY_MS + DAY_MS)
    assert way["jams"] == []
    assert 55 < way["travel_time_s_by_hour"][8] < 65
    assert 0.99 < way["planning_time_index"] < 1.2
    cover = road.body_at("coverage", "corridor:ex-00", MONDAY_MS + DAY_MS)
    assert cover["share"] == 1


def test_what_was_learned_yesterday_fills_a_gap_today(road: Highway) -> None:
    road.send(road.measure_all(range(16 * 120)))  # up to 1 h of Tuesday
    road.now_ms = MORNING_MS + 16 * 120 * SLOT_MS + 500
    road.go(20)
    road.start()  # it is a memo
    rest = [1, 2, 3, 4, 5, 6, 7]
    road.drive(range(16 * 120, 16 * 120 + 34), rest, by=2)
    quarter = road.body_at("state", "station:st-0000", MORNING_MS + 16 * 3_600_000)
    assert quarter["method"] == ["local"] * 3
    assert 1700 < min(quarter["flow_veh_h"]) <= max(quarter["flow_veh_h"]) < 2600


def test_lanes_that_measure_every_minute_are_read_by_the_minute(road: Highway) -> None:
    for slot in range(1, 70, 2):  # a row of nine cars or so at the end of each minute
        road.now_ms = MORNING_MS + (slot + 1) * SLOT_MS + 500
        road.send(road.measure(slot))
        road.pause()
    body = road.body("live", "station:st-0001")
    assert body["interval_s"] == 300
    assert 700 < body["flow_veh_h"] < 1500  # two lanes, 540 each
    quarter = road.body_at("state", "station:st-0001", MORNING_MS + QUARTER_MS)
    truth = [
        sum(float(road.measure(slot).values[2:4, 0].sum()) for slot in range(first, first + 10, 2))
        for first in (31, 41, 51)
    ]
    assert quarter["flow_veh_h"] == [count * 12 for count in truth]
    assert quarter["observed"] == [1, 1, 1]
    assert not road.alarms()


def test_a_lane_of_another_interval_is_summed_up_all_the_same(road: Highway) -> None:
    rest = [0, 1, 2, 4, 5, 6, 7]
    for slot in range(64):
        road.now_ms = MORNING_MS + (slot + 1) * SLOT_MS + 500
        road.send(road.measure(slot, rest))
        if slot % 2:
            road.send(road.measure(slot, [3]))
        road.pause()
    quarter = road.body_at("state", "station:st-0001", MORNING_MS + QUARTER_MS)
    truth = [
        sum(
            float(road.measure(slot).values[2, 0] + slot % 2 * road.measure(slot).values[3, 0])
            for slot in range(first, first + 10)
        )
        for first in (30, 40, 50)
    ]
    assert quarter["flow_veh_h"] == [count * 12 for count in truth]
    assert quarter["method"] == ["observed"] * 3


def test_loops_that_only_count_have_the_speed_of_their_occupancy(road: Highway) -> None:
    for slot in range(34):
        batch = road.measure(slot)
        batch.values[:, 3:5] = NAN
        if slot >= 20:  # a jam: the same vehicles, three times as long over the loop
            batch.values[:, 2] *= 3
        road.now_ms = MORNING_MS + (slot + 1) * SLOT_MS + 500
        road.send(batch)
        road.pause()
    quarter = road.body_at("state", "station:st-0001", MORNING_MS)
    free, still_free, jam = quarter["speed_kmh"]
    assert 85 < free < 105
    assert 80 < still_free < 105
    # p = 90/140 of a third of 92 km/h, the rest of before: 53 or so
    assert 45 < jam < 65
    assert quarter["level_of_service"][0] == "B"
    assert 40 < road.body("live", "station:st-0001")["speed_kmh"] < 70


def test_what_a_fault_spoiled_before_it_was_found_is_worked_out_again(road: Highway) -> None:
    # covered now and then without counting since the first interval: that takes hours to be sure of
    slots = range(150)
    for first in range(slots.start, slots.stop, 10):
        batch = road.measure_all(range(first, first + 10))
        odd = np.flatnonzero((batch.device_index == 3) & (batch.seq % 12 == 5))
        batch.values[odd, 0], batch.values[odd, 2] = 0, 300
        batch.values[odd, 5:] = 0
        batch.values[odd, 3:5] = NAN
        road.now_ms = MORNING_MS + (first + 10) * SLOT_MS + 500
        road.send(batch)
        road.pause()
    road.go(20)
    (alarm,) = road.alarms("detector_hanging")
    assert alarm.found_ms - alarm.raised_ms > QUARTER_MS
    begin_ms = -(-alarm.raised_ms // QUARTER_MS) * QUARTER_MS
    quarter = road.body_at("state", "station:st-0001", begin_ms)
    assert "observed" not in quarter["method"]


@pytest.mark.parametrize("is_late", [False, True])
def test_rows_from_before_lanes_were_told_to_measure_more_often_are_no_chatter(
    road: Highway, *, is_late: bool
) -> None:
    """Nine cars in half a minute are no nine cars in five seconds."""
    before = road.measure_all(range(40))
    road.now_ms = MORNING_MS + 40 * SLOT_MS + 500
    if not is_late:
        road.send(before)
        road.pause()
    for number in range(1, 25):
        row = road.measure(40)
        row.time_ms[:] = MORNING_MS + 40 * SLOT_MS + number * 5_000
        cars = 1 + number % 2
        row.values[:, [0, 6]], row.values[:, 1] = cars, 2_000 + 3 * number // 2
        row.values[:, 2:4] += number  # no two rows are the same
        row.seq[:] = 100 + number
        road.now_ms = int(row.time_ms[0]) + 500
        road.send(row)
        road.pause()
        if is_late and number == 12:
            road.send(before, late=True)
            road.pause()
    road.now_ms += 10_000
    road.pause()
    assert road.alarms() == []
