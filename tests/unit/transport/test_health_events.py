"""Devices without neighbours, by hand: rows alike, rows that are not believed, silences."""

import numpy as np
import pytest

from gateway.policies import load_policies
from gateway.transport.health import HEALTH_DOMAIN, HEALTH_POLICY, HealthPolicy, events
from gateway.transport.health.events import Course, Rows, Trouble
from tests.unit.transport.rig import NAN

T0 = 1_795_305_600_000
RULE = load_policies(HEALTH_DOMAIN, HealthPolicy).at(HEALTH_POLICY, T0).events
MIN_MS, HOUR_MS = 60_000, 3_600_000


def rows(first: int, *values: float, odd: str = "") -> Rows:
    """Rows a minute apart from minute ``first`` on; ``odd`` has an x where one is not believed."""
    minute = np.arange(first, first + len(values))
    is_odd = np.array([mark == "x" for mark in odd.ljust(len(values))])
    return Rows(T0 + minute * MIN_MS, np.array([[one, NAN] for one in values]), is_odd)


def test_rows_alike_are_counted_over_batches_until_one_differs() -> None:
    one = events.follow(None, rows(0, 1, 7, 7))
    assert (one.same, one.same_since_ms, one.last_ms) == (2, T0 + MIN_MS, T0 + 2 * MIN_MS)
    two = events.follow(one, rows(3, 7, 7))
    assert (two.same, two.same_since_ms) == (4, T0 + MIN_MS)
    three = events.follow(two, rows(5, 7, 8))
    assert (three.same, three.same_since_ms) == (1, T0 + 6 * MIN_MS)


def test_columns_that_nobody_measured_are_no_repetition() -> None:
    assert events.follow(None, rows(0, NAN, NAN, NAN)).same == 1


def test_a_row_that_comes_late_changes_nothing() -> None:
    one = events.follow(None, rows(5, 1, 2))
    assert events.follow(one, rows(0, 2, 2)) is one


def test_rows_that_are_not_believed_are_counted_in_a_row() -> None:
    one = events.follow(None, rows(0, 1, 2, 3, odd="x.x"))
    assert (one.odd, one.odd_since_ms) == (1, T0 + 2 * MIN_MS)
    two = events.follow(one, rows(3, 4, 5, odd="xx"))
    assert (two.odd, two.odd_since_ms) == (3, T0 + 2 * MIN_MS)
    assert events.troubles(two, "pv1", RULE) == {Trouble.IMPOSSIBLE: T0 + 2 * MIN_MS}
    three = events.follow(two, rows(5, 6))
    assert three.odd == 0
    assert events.is_over(Trouble.IMPOSSIBLE, three, T0)


@pytest.mark.parametrize(("profile", "most"), [("pv1", 19), ("wim1", 7)])
def test_stuck_is_who_says_the_same_so_often(profile: str, most: int) -> None:
    almost = events.follow(None, rows(0, *[3.0] * most))
    assert not events.troubles(almost, profile, RULE)
    stuck = events.follow(almost, rows(most, 3.0))
    assert events.troubles(stuck, profile, RULE) == {Trouble.NO_CHANGE: T0}


@pytest.mark.parametrize(
    ("every_s", "first_stuck"),
    # 10 min: the 18th row is 17 x 600 s = 10,200 s after the first; 5 s: 10,200 / 5 rows after it
    [(600, 18), (5, 2041)],
)
def test_weather_is_stuck_after_three_hours_however_often_it_is_told(
    every_s: int, first_stuck: int
) -> None:
    def told(count: int) -> Rows:
        time_ms = T0 + np.arange(count) * every_s * 1000
        return Rows(time_ms, np.full((count, 1), 3.0), np.zeros(count, bool))

    assert not events.troubles(events.follow(None, told(first_stuck - 1)), "env1", RULE)
    stuck = events.follow(None, told(first_stuck))
    assert events.troubles(stuck, "env1", RULE) == {Trouble.NO_CHANGE: T0}


@pytest.mark.parametrize(
    ("due", "quiet_min", "told"),
    [
        *((19.9, 60, False), (20.0, 60, True), (500.0, 9, False)),
        *((None, 23 * 60, False), (None, 24 * 60, True)),
    ],
)
def test_silent_is_who_owes_twenty_events(due: float | None, quiet_min: int, told: object) -> None:
    assert events.is_silent(due, quiet_min * MIN_MS, RULE) is told


def test_who_measures_by_the_clock_is_overdue_after_three_of_its_own_intervals() -> None:
    one = Course(T0, 20 * MIN_MS, np.zeros(1), 1, T0, 0, T0)
    assert not events.is_overdue(one, 10 * MIN_MS, 60 * MIN_MS, RULE)
    assert events.is_overdue(one, 10 * MIN_MS, 61 * MIN_MS, RULE)
    after_a_gap = one._replace(gap_ms=5 * HOUR_MS)
    assert events.is_overdue(after_a_gap, 10 * MIN_MS, 31 * MIN_MS, RULE)
