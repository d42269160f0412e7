"""Transport as an engine: from the store to lines and alarms, over late rows and restarts."""

from pathlib import Path

import pytest

from tests.unit.transport.desk import MORNING_MS, Highway
from tests.unit.transport.rig import SLOT_MS


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
