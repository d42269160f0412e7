"""The days of detectors as the engine calls them, from rows on a real store."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.transport.desk import MORNING_MS, Highway, name_of
from tests.unit.transport.rig import MONDAY_MS, SLOT_MS

DAY_MS = 86_400_000
SLOTS = range(40 * 120)  # from 9 h of Monday to 1 h of Wednesday
COUNT, OCCUPANCY = 0, 2


def test_a_day_of_each_detector_has_a_name(tmp_path: Path) -> None:
    road = Highway(tmp_path, stations=2)
    rows = road.measure_all(SLOTS)
    tuesday = (rows.time_ms > MONDAY_MS + DAY_MS) & (rows.time_ms <= MONDAY_MS + 2 * DAY_MS)
    at_ten = tuesday & (rows.time_ms > MONDAY_MS + DAY_MS + 10 * 3_600_000)
    # 41 rows of lane 3 in which somebody stands there and nobody is counted: 2 % of 2,040 are 40.8
    odd = np.flatnonzero(at_ten & (rows.device_index == 3))[:82:2]
    rows.values[odd, COUNT], rows.values[odd, 6], rows.values[odd, OCCUPANCY] = 0, 0, 400
    rows.values[odd, 3:5] = np.nan
    road.send(rows.take(~(tuesday & (rows.device_index == 1))))
    road.now_ms = MORNING_MS + len(SLOTS) * SLOT_MS + 500
    road.go(30)
    days = {(one.place, one.from_ms): json.loads(one.body) for one in road.lines("detectors")}
    of_tuesday = {
        place: body for (place, begin_ms), body in days.items() if begin_ms == MONDAY_MS + DAY_MS
    }
    named = {place: body["status"] for place, body in of_tuesday.items()}
    assert named == {
        f"device:{name_of(0)}": "good",
        f"device:{name_of(1)}": "no_data",
        f"device:{name_of(2)}": "good",
        f"device:{name_of(3)}": "intermittent",
    }
    good = of_tuesday[f"device:{name_of(2)}"]
    assert (good["samples"], good["expected"]) == (2040, 2040)
    assert of_tuesday[f"device:{name_of(3)}"]["covered_without_count"] == round(41 / 2040, 4)
    # of Monday thirteen of seventeen hours are there, 76 %
    monday = days[f"device:{name_of(2)}", MONDAY_MS]
    assert (monday["samples"], monday["status"]) == (13 * 120, "good")
    # two days of a year: of no month all weekdays, let alone of twelve
    road.now_ms += 60_000
    road.go(3)
    year = road.body("years", "station:st-0001")
    told = [json.loads(one.body) for one in road.lines("days") if one.place == "station:st-0001"]
    assert [body["observed"] > 0.5 for body in told] == [True, True]
    mean = (told[0]["vehicles"] + told[1]["vehicles"]) / 2
    assert year["days"] == 2
    assert year["aadt"] == pytest.approx(mean, abs=1)
    assert year["mean_daily"] == pytest.approx(mean, abs=1)
    # 30 of 48 hours were at least as busy, of about 36 vehicles a minute
    assert year["k30"] == pytest.approx(2160 / mean, rel=0.1)
    assert year["aadt_astm"] is None
