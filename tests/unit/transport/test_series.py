"""The columns, and how rows of the store come into them."""

import numpy as np
import pytest

from gateway.model import Quality
from gateway.transport.placing import Grid, interval_of, place, vehicles_of
from gateway.transport.series import BIN_MS, empty_window
from tests.readings import NAN, PROFILES, Given, decoded
from tests.unit.transport.rig import MONDAY_MS, SLOT_MS, bins_of, window_of

TL1, PV1 = PROFILES["tl1"], PROFILES["pv1"]
GRID = Grid(np.array([3, 8]), MONDAY_MS, SLOT_MS, 10)


def row(end_ms: int, device: int = 3, count: int = 7, seq: int = 0) -> Given:
    # count, register, occupancy ‰, mean and 85th percentile in 0.1 km/h, five classes
    values = [count, 1000 + count, 125, 605, 701, 1, 2, 3, 1, 0]
    return Given(values, MONDAY_MS + end_ms, device=device, seq=seq)


def test_a_row_belongs_to_the_slot_that_ends_at_its_time() -> None:
    window = place(GRID, [(TL1, decoded("tl1", row(30_000), row(300_000, 8)).readings)])
    assert np.argwhere(np.isfinite(window.count)).tolist() == [[0, 0], [1, 9]]
    assert window.occupancy[0, 0] == 0.125
    assert window.speed_kmh[0, 0] == 60.5
    assert window.v85_kmh[1, 9] == 70.1
    assert window.class_count[:, 0, 0].tolist() == [1, 2, 3, 1, 0]
    assert window.cumulative[0, 0] == 1007
    assert window.is_present().sum() == 2


@pytest.mark.parametrize(("end_ms", "slot"), [(29_000, 0), (31_000, 0), (44_999, 0), (45_000, 1)])
def test_a_clock_that_is_wrong_by_seconds_finds_the_nearest_slot(end_ms: int, slot: int) -> None:
    window = place(GRID, [(TL1, decoded("tl1", row(end_ms)).readings)])
    assert np.flatnonzero(np.isfinite(window.count[0])).tolist() == [slot]


def test_rows_of_other_lanes_and_times_are_left_out() -> None:
    batch = decoded("tl1", row(0), row(315_000), row(60_000, 4)).readings
    window = place(GRID, [(TL1, batch)])
    assert not window.is_present().any()


def test_of_two_rows_for_a_slot_the_better_grade_is_shown_then_the_first() -> None:
    batch = decoded("tl1", row(30_000, count=1), row(30_000, count=2), row(30_000, count=3))
    batch.readings.quality[:] = [int(Quality.SUSPECT), int(Quality.VALID), int(Quality.VALID)]
    assert place(GRID, [(TL1, batch.readings)]).count[0, 0] == 2
    halves = [(TL1, batch.readings.part(0, 1)), (TL1, batch.readings.part(1, 3))]
    assert place(GRID, halves).count[0, 0] == 2
    assert place(GRID, halves[::-1]).count[0, 0] == 2


def test_a_window_begins_on_its_own_raster() -> None:
    with pytest.raises(ValueError, match="multiple"):
        empty_window(np.arange(1), MONDAY_MS + 1, SLOT_MS, 2)


@pytest.mark.parametrize(
    ("steps_s", "interval_ms"),
    [([30, 30, 31, 29], 30_000), ([20, 20, 20], 20_000), ([300, 300], 300_000), ([77, 77], 0)],
)
def test_the_interval_of_a_lane_is_told_by_its_rows(steps_s: list[int], interval_ms: int) -> None:
    assert interval_of(MONDAY_MS + np.cumsum([0, *steps_s]) * 1000) == interval_ms
    assert interval_of(np.array([MONDAY_MS])) == 0


def test_parts_and_rows_of_a_window_are_windows() -> None:
    window = window_of([[1, 2, 3, 4], [5, 6, 7, 8]])
    part = window.part(1, 3)
    assert (part.start_ms, part.end_ms) == (MONDAY_MS + SLOT_MS, MONDAY_MS + 3 * SLOT_MS)
    assert part.count.tolist() == [[2, 3], [6, 7]]
    assert part.class_count[1].tolist() == [[2, 3], [6, 7]]
    only = window.take(np.array([False, True]))
    assert only.count.tolist() == [[5, 6, 7, 8]]
    assert only.class_count.shape == (5, 1, 4)
    bins = bins_of([[1], [2]]).take(np.array([1]))
    assert bins.count.tolist() == [[2]]
    assert bins.flow_veh_h().tolist() == [[24]]  # 2 in 5 minutes
    assert bins.interval_ms == BIN_MS


def test_single_vehicles_come_in_order_of_time_whoever_sent_them() -> None:
    # speed 0.1 km/h, length 0.1 m, class 2 = car, direction, gap ms, ms over the detector, lane
    car = Given([512, 44, 2, 1, 1500, 400, 1], MONDAY_MS + 500, device=8)
    bike = Given([NAN, 20, 1, 2, NAN, 100, NAN], MONDAY_MS + 200, device=3)
    found = vehicles_of(PV1, [decoded("pv1", car).readings, decoded("pv1", bike).readings])
    assert found.time_ms.tolist() == [MONDAY_MS + 200, MONDAY_MS + 500]
    assert found.speed_kmh[1] == 51.2
    assert np.isnan(found.speed_kmh[0])
    assert found.kind.tolist() == [1, 2]
    assert found.direction.tolist() == [2, 1]
    assert found.lane.tolist() == [0, 1]
    assert found.gap_s[1] == 1.5
    assert len(vehicles_of(PV1, []).time_ms) == 0
