"""Detector tests row by row: each limit is reached by hand, and nearly reached beside it."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.model import Reason
from gateway.transport.health import (
    Change,
    Fault,
    Judged,
    Knowledge,
    Usual,
    judge,
    new_state,
    nothing_usual,
)
from gateway.transport.series import Road, RoadClass, Window
from simulators.city.frame import Span
from tests.unit.transport.health_rig import (
    HALF_MIN_MS,
    POLICY,
    START_MS,
    at_hour,
    road,
    silent,
    usual_of,
    window,
)
from tools.road_scores.health import watched
from tools.road_scores.town import Town

NOON_MS = at_hour(12)


def _judge(made: Window, where: Road, usual: Usual | None = None) -> Judged:
    known = Knowledge.of(nothing_usual(where) if usual is None else usual, where, POLICY)
    return judge(new_state(len(where.device_index)), made, where, known, POLICY)


def _raised(found: Judged) -> list[tuple[Fault, int, int]]:
    """Return fault, lane, and the slot at whose end it was found."""
    return [
        (c.fault, c.lane, (c.found_ms - NOON_MS) // HALF_MIN_MS - 1)
        for c in found.changes
        if not c.cleared_ms
    ]


def _free(lanes: int, slots: int, count: float = 8.0) -> Window:
    return window(np.full((lanes, slots), count), start_ms=NOON_MS)


def test_free_traffic_raises_nothing() -> None:
    found = _judge(_free(3, 120), road(3))
    assert not found.changes
    assert not found.reasons.any()


def test_chatter_is_two_rows_of_38_pcu_and_ends_four_hours_after_the_last() -> None:
    made = _free(2, 600)
    made.count[1, 10:12] = made.class_count[1, 1, 10:12] = 38.0
    made.count[0, 10:12] = made.class_count[1, 0, 10:12] = 37.0
    found = _judge(made, road(2))
    # slots 10 and 11; held for 14,400 s = 480 slots after the last one, slot 11
    assert _raised(found) == [(Fault.CHATTER, 1, 11)]
    cleared = [c for c in found.changes if c.cleared_ms]
    assert [(c.fault, c.since_ms, c.cleared_ms) for c in cleared] == [
        (Fault.CHATTER, NOON_MS + 10 * HALF_MIN_MS, NOON_MS + 12 * HALF_MIN_MS)
    ]
    marked = np.flatnonzero(found.reasons[1] & int(Reason.D4_HIGH_VALUE))
    assert (marked[0], marked[-1]) == (11, 11 + 480 - 1)


def test_a_lane_full_of_motorcycles_is_no_chatter() -> None:
    made = _free(2, 20)
    made.count[0] = 60.0  # 60 x 0.3 = 18 pcu
    made.class_count[:, 0] = 0.0
    made.class_count[0, 0] = 60.0
    assert not _judge(made, road(2)).changes


def test_in_short_rows_chatter_is_a_minute_of_more_than_a_lane_carries() -> None:
    made = replace(_free(2, 60, 1.0), interval_ms=5_000)
    made.count[:, 20:22] = made.class_count[1, :, 20:22] = 7.0  # 6.33 is 38 in 30 s: a platoon
    made.count[0, 30:] = made.class_count[1, 0, 30:] = 7.0
    made.count[0, 34] = made.class_count[1, 0, 34] = 6.0  # takes back what the row before gave
    found = _judge(made, road(2))
    # twelve rows more above than below: slots 30 … 43
    assert [(c.fault, c.lane, c.found_ms) for c in found.changes] == [
        (Fault.CHATTER, 0, NOON_MS + 44 * 5_000)
    ]


def test_locked_on_is_two_minutes_while_the_next_lane_flows() -> None:
    made = _free(2, 60)
    made.count[0, 20:] = 0.0
    made.occupancy[0, 20:] = 1.0
    made.speed_kmh[0, 20:] = np.nan
    found = _judge(made, road(2))
    # 4 rows of 30 s: slots 20, 21, 22, 23
    assert _raised(found) == [(Fault.LOCKED_ON, 0, 23)]
    assert found.changes[0].since_ms == NOON_MS + 20 * HALF_MIN_MS


def test_a_standing_queue_is_locked_on_after_half_an_hour_only() -> None:
    made = _free(2, 100)
    made.count[:, 20:] = 0.0
    made.occupancy[0, 20:] = 1.0
    made.occupancy[1, 20:] = 0.0  # nobody happens to stand on this loop
    made.speed_kmh[:, 20:] = np.nan
    # 1,800 s = 60 rows: slots 20 … 79
    assert _raised(_judge(made, road(2))) == [(Fault.LOCKED_ON, 0, 79)]


def test_the_tenth_equal_row_is_no_change() -> None:
    made = _free(2, 40)
    made.speed_kmh[0, 10:] = 91.5
    made.speed_kmh[1, 10:19] = 91.5  # nine
    assert _raised(_judge(made, road(2))) == [(Fault.NO_CHANGE, 0, 19)]


def test_without_speeds_fifty_equal_rows_are_no_change() -> None:
    made = _free(2, 80)
    made.speed_kmh[:] = made.v85_kmh[:] = np.nan
    made.count[1, 40] = 9.0
    assert _raised(_judge(made, road(2))) == [(Fault.NO_CHANGE, 0, 49)]


def test_empty_rows_are_equal_and_no_fault() -> None:
    made = window(np.zeros((2, 120)), start_ms=NOON_MS)
    assert not _judge(made, road(2)).changes


def test_occupancy_that_jumps_trips_the_timer_and_jams_do_not() -> None:
    # +60 for a step of two quarters, -30 for the row: +30 a row; 90 is reached with the third
    made = _free(2, 30)
    made.occupancy[0, 10:] = np.where(np.arange(20) % 2, 0.05, 0.60)
    assert _raised(_judge(made, road(2))) == [(Fault.OCCUPANCY_SPIKE, 0, 12)]
    made.occupancy[1, 9:] = 0.4  # the lane beside it is in a queue
    assert not _judge(made, road(2)).changes


def test_in_short_rows_the_timer_runs_by_the_clock() -> None:
    # +10 for a step of two quarters, -5 for the row: +5 a row; 90 is reached with the eighteenth
    made = replace(_free(2, 40, 1.0), interval_ms=5_000)
    made.occupancy[:] = 0.1
    made.occupancy[0, 10:] = np.where(np.arange(30) % 2, 0.05, 0.70)
    (change,) = _judge(made, road(2)).changes
    assert (change.fault, change.lane) == (Fault.OCCUPANCY_SPIKE, 0)
    assert change.found_ms == NOON_MS + 28 * 5_000
    made.occupancy[0, 10:] = np.where(np.arange(30) % 2, 0.05, 0.30)  # a truck in every second row
    assert not _judge(made, road(2)).changes


def test_at_signals_occupancy_may_jump() -> None:
    made = _free(2, 30)
    made.occupancy[0, 10:] = np.where(np.arange(20) % 2, 0.05, 0.60)
    assert not _judge(made, road(2, road_class=RoadClass.URBAN)).changes


@pytest.mark.parametrize(
    ("column", "value"), [("occupancy", 0.0), ("speed_kmh", 250.0), ("speed_kmh", 2.0)]
)
def test_three_impossible_rows_are_enough(column: str, value: float) -> None:
    made = _free(2, 20)
    getattr(made, column)[1, [5, 7, 9, 11]] = value
    # 1, less 0.05, 2 less 0.05, …: 2.9 after slot 9, 3.85 after slot 11
    assert _raised(_judge(made, road(2))) == [(Fault.IMPOSSIBLE, 1, 11)]


def test_a_speed_of_nobody_is_impossible() -> None:
    made = _free(2, 20)
    made.count[0, 4:7] = 0.0
    assert (Fault.IMPOSSIBLE, 0, 6) in _raised(_judge(made, road(2)))


def test_odd_rows_between_free_ones_are_hanging() -> None:
    made = _free(2, 100)
    odd = [10, 20, 30, 40, 50]
    made.count[0, odd] = 0.0
    made.occupancy[0, odd] = 0.5
    made.speed_kmh[0, odd] = np.nan
    # confirmed by the next row; ten rows fade by e^(-300/10800) = 0.9726:
    # 1 + 0.9726 + 0.9460 + 0.9200 = 3.839, and with the fifth 4.733 > 4
    found = _judge(made, road(2))
    assert _raised(found) == [(Fault.HANGING, 0, 51)]
    assert found.changes[0].value == pytest.approx(4.7334 / 4, abs=1e-4)


def test_a_truck_on_the_edge_of_two_short_rows_does_not_hang() -> None:
    made = replace(_free(2, 100, 1.0), interval_ms=5_000)
    odd = [10, 20, 30, 40, 50]
    made.count[0, odd] = 0.0
    made.speed_kmh[0, odd] = np.nan
    made.occupancy[0, odd] = 0.5  # 2.5 s: a tenth of half a minute is 3 s
    assert not _judge(made, road(2)).changes
    made.occupancy[0, odd] = 0.6
    assert [(c.fault, c.lane) for c in _judge(made, road(2)).changes] == [(Fault.HANGING, 0)]


def test_before_a_red_light_both_lanes_stand_and_nothing_hangs() -> None:
    made = _free(2, 200)
    odd = np.arange(10, 200, 10)
    made.count[:, odd] = 0.0
    made.occupancy[:, odd] = 1.0
    made.speed_kmh[:, odd] = np.nan
    assert not _judge(made, road(2, road_class=RoadClass.URBAN)).changes


def test_a_dead_input_is_known_by_what_it_missed() -> None:
    where = road(2, 2, 2)
    usual = usual_of(where, [240.0] * 6)
    made = _free(6, 60)  # 8 a row each
    made.count[2, 20:] = 0.0
    made.occupancy[2, 20:] = 0.0
    made.speed_kmh[2, 20:] = np.nan
    # half of the station: 8 missed a row, 50 with the seventh (56); but not before 300 s
    found = _judge(made, where, usual)
    assert _raised(found) == [(Fault.NO_HITS, 2, 20 + 10 - 1)]
    assert found.changes[0].value == pytest.approx(10 * 8 / 50)


def test_in_a_closed_lane_the_detector_is_right() -> None:
    where = road(2, 2, 2)
    usual = usual_of(where, [240.0] * 6)
    made = _free(6, 60)
    made.count[2, 20:], made.count[3, 20:] = 0.0, 16.0
    made.occupancy[2, 20:] = 0.0
    made.speed_kmh[2, 20:] = np.nan
    raised = _raised(_judge(made, where, usual))
    assert raised == [(Fault.LANE_UNUSED, 2, 29)]


def test_a_new_detector_needs_four_hours_of_daylight() -> None:
    made = window(np.zeros((1, 600)), start_ms=NOON_MS)
    assert _raised(_judge(made, road(1))) == [(Fault.NO_HITS, 0, 479)]  # 480 x 30 s
    night = window(np.zeros((1, 480)), start_ms=at_hour(22))
    assert not _judge(night, road(1)).changes


def test_a_lone_detector_is_judged_by_its_own_past() -> None:
    where = road(1)
    usual = usual_of(where, [150.0])  # 600 vehicles an hour, 5 in a row
    made = window(np.zeros((1, 100)), start_ms=NOON_MS)
    assert _raised(_judge(made, where, usual)) == [(Fault.NO_HITS, 0, 59)]  # 300 = 60 x 5


def test_two_rows_and_a_minute_without_a_word_are_silence() -> None:
    made = _free(2, 40)
    silent(made, 1, 10, 40)
    found = _judge(made, road(2))
    assert _raised(found) == [(Fault.NO_DATA, 1, 13)]  # 4 rows of 30 s = 2 x 30 + 60
    assert found.changes[0].since_ms == NOON_MS + 10 * HALF_MIN_MS


def test_a_silence_is_over_with_the_first_row() -> None:
    made = _free(2, 40)
    silent(made, 1, 10, 20)
    found = _judge(made, road(2))
    assert [(c.found_ms, c.cleared_ms) for c in found.changes] == [
        (NOON_MS + 14 * HALF_MIN_MS, 0),
        (NOON_MS + 14 * HALF_MIN_MS, NOON_MS + 20 * HALF_MIN_MS),
    ]
    # rows that were measured are good, before and after
    assert np.flatnonzero(found.reasons[1]).tolist() == list(range(13, 20))


def test_the_same_comes_out_however_the_time_is_cut() -> None:
    rng = np.random.default_rng(4)
    where = road(3, 3)
    made = window(rng.poisson(6, (6, 240)).astype(float), start_ms=NOON_MS)
    made.count[0, 50:90] = 0.0
    made.occupancy[0, 50:90] = 1.0
    made.occupancy[4, 100:] = np.where(np.arange(140) % 2, 0.05, 0.60)
    silent(made, 2, 30, 60)
    known = Knowledge.of(nothing_usual(where), where, POLICY)
    whole = judge(new_state(6), made, where, known, POLICY)
    state, changes, reasons = new_state(6), list[Change](), []
    for first in range(0, 240, 24):
        part = judge(state, made.part(first, first + 24), where, known, POLICY)
        state = part.state
        changes += part.changes
        reasons.append(part.reasons)
    assert changes == whole.changes
    assert len({change.fault for change in changes}) >= 3
    np.testing.assert_array_equal(np.concatenate(reasons, axis=1), whole.reasons)
    np.testing.assert_array_equal(state.suspicion, whole.state.suspicion)


def test_the_policy_says_when_a_day_begins() -> None:
    assert (START_MS + POLICY.utc_offset_min * 60_000) % 86_400_000 == 0


@pytest.mark.parametrize("interval_ms", [5_000, 10_000])
def test_a_calm_road_that_measures_more_often_is_believed(interval_ms: int) -> None:
    """Platoons, trucks on the edge of rows, jumping occupancy: half a minute hides such chance."""
    span = Span(at_hour(7), at_hour(8))
    town = Town(40_001, 40, 10, span, interval_ms=interval_ms)
    assert watched(town) == []
