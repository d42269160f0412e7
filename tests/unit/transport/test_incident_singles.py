"""Wrong-way drivers, and series alone: by hand, and on recordings with labelled anomalies."""

import csv
import json
from datetime import datetime

import numpy as np
import pytest

from gateway.policies import load_policies
from gateway.transport.incidents import IncidentPolicy
from gateway.transport.incidents.deviation import Run, deviations
from gateway.transport.incidents.wrongway import RadarState, WrongWayDriver, wrong_way
from gateway.transport.series import Vehicles
from tests.shared import SHARED, needs_shared
from tests.unit.transport.rig import MONDAY_MS

POLICY = load_policies("incidents", IncidentPolicy).at("default", MONDAY_MS)
RULE = POLICY.deviation.model_copy(update={"history": 10})
CAR, MOTO = 2, 1


def vehicles(*rows: tuple[int, int, float, int]) -> Vehicles:
    """Rows of second, direction, km/h, class; all at the radar 7."""
    second, direction, speed, kind = (np.array(one) for one in zip(*rows, strict=True))
    blank = np.full(second.size, np.nan)
    whole = np.full(second.size, 7)
    time_ms = MONDAY_MS + 1000 * second
    return Vehicles(whole, time_ms, speed, blank, kind, direction, blank, blank, whole * 0 + 2)


USUAL = [(k, 1, 90.0, CAR) for k in range(60)]


def told(*rows: tuple[int, int, float, int]) -> list[WrongWayDriver]:
    seen = vehicles(*USUAL, *rows)
    return wrong_way(seen, seen.device_index - 7, RadarState.fresh(1), POLICY.wrong_way)[0]


def test_somebody_drives_against_the_traffic() -> None:
    found = told((100, 2, 60.0, CAR), (150, 2, 40.0, CAR), (300, 2, 45.0, MOTO), (301, 2, 5.0, CAR))
    # the second is the same driver, 50 s later; the last is pushed
    assert [(one.time_ms - MONDAY_MS, one.speed_kmh, one.is_serious) for one in found] == [
        (100_000, 60.0, True),
        (300_000, 45.0, False),
    ]
    assert found[0].lane == 2


def test_a_radar_over_both_carriageways_accuses_nobody() -> None:
    rows = [(k, 1 + k % 2, 80.0, CAR) for k in range(500)]
    seen = vehicles(*rows)
    state = RadarState.fresh(1)
    assert wrong_way(seen, seen.device_index - 7, state, POLICY.wrong_way)[0] == []
    few = vehicles(*USUAL[:40], (100, 2, 60.0, CAR))  # 50 must be known
    assert wrong_way(few, few.device_index - 7, state, POLICY.wrong_way)[0] == []


def test_vehicles_in_two_parts_are_the_same() -> None:
    rows = [*USUAL, (100, 2, 60.0, CAR), *((k, 1, 90.0, CAR) for k in range(101, 160))]
    rows.append((400, 2, 70.0, CAR))
    whole = vehicles(*rows)
    at_once, end = wrong_way(whole, whole.device_index - 7, RadarState.fresh(1), POLICY.wrong_way)
    found, state = [], RadarState.fresh(1)
    for part in (rows[:30], rows[30:61], rows[61:]):
        seen = vehicles(*part)
        more, state = wrong_way(seen, seen.device_index - 7, state, POLICY.wrong_way)
        found += more
    assert found == at_once
    assert len(found) == 2
    assert [column.tolist() for column in state] == [column.tolist() for column in end]


def test_a_value_far_from_its_median() -> None:
    # median 100, deviations 1, 1, 1 … : MAD 1 is a sigma of 1.48; but 30 % of 100 over 5 is a
    # unit of 6: 30 is just too little, two of 31 are a run, one of 36 and more is one alone
    usual = [99.0, 101.0] * 5
    assert deviations(np.array([*usual, 130.0, 130.0, 100.0]), 1, RULE) == []
    assert deviations(np.array([*usual, 131.0, 100.0]), 1, RULE) == []
    assert deviations(np.array([*usual, 131.0, 132.0, 100.0]), 1, RULE) == [Run(10, 12, 132.0)]
    assert deviations(np.array([*usual, 137.0, 100.0]), 1, RULE) == [Run(10, 11, 137.0)]
    assert deviations(np.array([*usual, 137.0, 100.0]), -1, RULE) == []
    assert deviations(np.array([*usual, 60.0, np.nan, 61.0]), -1, RULE) == [Run(10, 13, 60.0)]
    assert deviations(np.array([*usual[:8], 500.0, 500.0]), 1, RULE) == []  # too little is known


@needs_shared
@pytest.mark.parametrize(
    ("name", "sign", "hits", "false", "first"),
    [
        # the label itself is 2015-09-17 07:00
        ("speed_6005", -1, 2, 0, "2015-09-17 07:00:00"),
        # label 2015-09-15 06:55: occupancy is too high from half an hour before
        ("occupancy_6005", 1, 4, 0, "2015-09-15 06:25:00"),
        # label 2015-08-11 12:07; outside the window there are 27 in 51 days of raw travel times
        ("TravelTime_451", 1, 7, 27, "2015-08-11 12:07:00"),
    ],
)
def test_anomalies_of_the_numenta_recordings(
    name: str, sign: int, hits: int, false: int, first: str
) -> None:
    assert SHARED is not None
    folder = SHARED / "data" / "traffic" / "nab"
    with (folder / f"{name}.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    times = [datetime.fromisoformat(time) for time, _ in rows]
    labels = json.loads((folder / "windows.json").read_text())[f"realTraffic/{name}.csv"]
    windows = [tuple(datetime.fromisoformat(edge) for edge in window) for window in labels]
    runs = deviations(np.array([float(value) for _, value in rows]), sign, POLICY.deviation)
    begins = [times[run.begin] for run in runs]
    inside = [one for one in begins if any(low <= one <= high for low, high in windows)]
    assert (len(inside), len(begins) - len(inside)) == (hits, false)
    assert str(inside[0]) == first
