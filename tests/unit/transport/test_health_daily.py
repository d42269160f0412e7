"""The daily tests of PeMS on days of which each count is known."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.model import Quality
from gateway.transport.health import DayStatus, Tree, day_status, day_tally
from gateway.transport.series import RoadClass, Window
from tests.unit.transport.health_rig import POLICY, silent, window

FIVE, TEN_PM = 600, 2640  # slots of 30 s at 05:00 and 22:00 local time
ROWS = 2040


def _day(lanes: int = 1) -> Window:
    made = window(np.full((lanes, 2880), 5.0))
    # occupancy of a real day moves by a little
    made.occupancy[:] += 0.001 * (np.arange(2880) // 10 % 3)
    return made


def _tree(lanes: int) -> Tree:
    alone = np.full(lanes, -1)
    return Tree(alone, alone, alone, alone)


def _status(
    made: Window, road_class: RoadClass = RoadClass.EXPRESSWAY, tree: Tree | None = None
) -> list[DayStatus]:
    lanes = len(made.device_index)
    classes = np.full(lanes, int(road_class))
    where = _tree(lanes) if tree is None else tree
    found = day_status(day_tally(made, POLICY), where, classes, np.zeros(lanes, np.int64), POLICY)
    return [DayStatus(one) for one in found.tolist()]


def _empty(made: Window, lane: int, first: int, stop: int, occupancy: float = 0.0) -> None:
    made.count[lane, first:stop] = 0.0
    made.occupancy[lane, first:stop] = occupancy
    made.speed_kmh[lane, first:stop] = np.nan


def test_a_good_day_has_2040_samples() -> None:
    tally = day_tally(_day(), POLICY)
    assert tally.expected == ROWS
    assert tally.samples.tolist() == [ROWS]
    assert _status(_day()) == [DayStatus.GOOD]


def test_rows_of_five_seconds_are_put_together_to_half_minutes() -> None:
    """A truck in each: most rows are empty, and one is covered by whom the last one counted."""
    made = replace(window(np.zeros((3, 6 * 2880))), interval_ms=5_000)
    for slot, occupancy in ((2, 0.4), (3, 0.1)):
        made.occupancy[:, slot::6] = occupancy
    made.count[:, 2::6] = 1.0
    made.occupancy[:, 2::6] += 0.001 * (np.arange(2880) // 10 % 3)  # as in _day
    made.count[2, 5::6] = 2.0
    made.count[2, 2::6] = 0.0
    silent(made, 0, 6 * FIVE, 6 * FIVE + 3)  # half of a sample stands for it, a third does not
    silent(made, 1, 6 * FIVE, 6 * FIVE + 4)
    tally = day_tally(made, POLICY)
    assert (tally.expected, tally.samples.tolist()) == (ROWS, [ROWS, ROWS - 1, ROWS])
    assert [tally.zero[2], tally.covered[2], tally.ghosts[2]] == [0, 0, 0]
    assert _status(made) == [DayStatus.GOOD] * 3


@pytest.mark.parametrize(
    ("missing", "status"),
    [(816, DayStatus.INSUFFICIENT_DATA), (815, DayStatus.GOOD), (ROWS, DayStatus.NO_DATA)],
)
def test_sixty_percent_of_samples_are_too_few(missing: int, status: DayStatus) -> None:
    made = _day()  # 2,040 x 0.6 = 1,224 are left of 2,040 - 816
    silent(made, 0, FIVE, FIVE + missing)
    assert _status(made) == [status]


@pytest.mark.parametrize(
    ("road_class", "empty", "status"),
    [
        (RoadClass.URBAN, 1204, DayStatus.CARD_OFF),  # 0.59 x 2,040 = 1,203.6
        (RoadClass.URBAN, 1203, DayStatus.GOOD),
        (RoadClass.EXPRESSWAY, 1836, DayStatus.CARD_OFF),  # 0.9
        (RoadClass.EXPRESSWAY, 1835, DayStatus.GOOD),
    ],
)
def test_a_card_is_off_when_most_rows_are_empty(
    road_class: RoadClass, empty: int, status: DayStatus
) -> None:
    made = _day()
    _empty(made, 0, FIVE, FIVE + empty)
    assert _status(made, road_class) == [status]


@pytest.mark.parametrize(("rows", "status"), [(408, DayStatus.HIGH_VALUE), (407, DayStatus.GOOD)])
def test_a_fifth_above_seventy_percent_is_too_high(rows: int, status: DayStatus) -> None:
    made = _day()
    made.occupancy[0, FIVE : FIVE + rows] = 0.71
    made.occupancy[0, FIVE + 500 : FIVE + 900] = 0.70
    assert _status(made) == [status]


@pytest.mark.parametrize(("rows", "status"), [(41, DayStatus.INTERMITTENT), (40, DayStatus.GOOD)])
def test_two_percent_covered_without_a_count_are_intermittent(rows: int, status: DayStatus) -> None:
    made = _day()  # 0.02 x 2,040 = 40.8
    _empty(made, 0, FIVE, FIVE + rows, occupancy=0.3)
    assert _status(made) == [status]


def test_counts_without_occupancy_in_half_of_the_rows_are_intermittent() -> None:
    made = _day()
    made.occupancy[0, FIVE : FIVE + 1019] = 0.0
    assert _status(made) == [DayStatus.GOOD]
    made.occupancy[0, FIVE + 1019] = 0.0  # 1,020 = half
    assert _status(made) == [DayStatus.INTERMITTENT]


def test_four_hours_of_the_same_occupancy_are_constant() -> None:
    made = _day()
    made.occupancy[0, FIVE : FIVE + 470] = 0.05  # 47 bins of five minutes
    assert _status(made) == [DayStatus.GOOD]
    made.occupancy[0, FIVE : FIVE + 480] = 0.05
    assert _status(made) == [DayStatus.CONSTANT]


def test_an_empty_road_is_not_constant() -> None:
    made = _day()
    _empty(made, 0, FIVE, FIVE + 500)
    assert _status(made) == [DayStatus.GOOD]


def test_what_happens_by_night_does_not_count() -> None:
    made = _day()
    silent(made, 0, 0, FIVE)
    silent(made, 0, TEN_PM, 2880)
    made.occupancy[0, TEN_PM:] = 1.0
    assert _status(made) == [DayStatus.GOOD]


def test_the_highest_level_without_a_word_is_named() -> None:
    made = _day(8)
    for lane in range(5):
        silent(made, lane, 0, 2880)
    tree = Tree(
        feed=np.zeros(8, np.int64),
        line=np.array([0, 0, 0, 0, 1, 1, 1, 1]),
        controller=np.array([0, 0, 1, 1, 2, 2, 3, 3]),
        station=np.array([0, 0, 1, 1, 2, 3, 4, 4]),
    )
    assert _status(made, tree=tree) == [
        *[DayStatus.LINE_DOWN] * 4,
        DayStatus.NO_DATA,  # alone at its station, and its neighbour in the cabinet speaks
        *[DayStatus.GOOD] * 3,
    ]
    made.quality[:] = int(Quality.MISSING)
    assert set(_status(made, tree=tree)) == {DayStatus.FEED_DOWN}


def test_controllers_and_stations_are_told_apart() -> None:
    made = _day(6)
    for lane in (0, 1, 2, 3):
        silent(made, lane, 0, 2880)
    tree = Tree(
        feed=np.zeros(6, np.int64),
        line=np.zeros(6, np.int64),
        controller=np.array([0, 0, 1, 1, 1, 1]),
        station=np.array([0, 0, 1, 1, 2, 2]),
    )
    assert _status(made, tree=tree) == [
        *[DayStatus.CONTROLLER_DOWN] * 2,
        *[DayStatus.STATION_DOWN] * 2,
        *[DayStatus.GOOD] * 2,
    ]


def test_a_miscount_is_what_is_left_when_all_tests_pass() -> None:
    made = _day(2)
    silent(made, 1, 0, 2880)
    miscounts = np.full(2, int(DayStatus.FLOW_CONSERVATION))
    classes = np.full(2, int(RoadClass.EXPRESSWAY))
    found = day_status(day_tally(made, POLICY), _tree(2), classes, miscounts, POLICY)
    assert found.tolist() == [int(DayStatus.FLOW_CONSERVATION), int(DayStatus.NO_DATA)]
