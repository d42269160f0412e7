"""The ladder of estimates, rung by rung."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.model import Quality
from gateway.transport.impute import Learned, Pairs, impute, learn, pairs_of
from gateway.transport.impute.learning import lines
from gateway.transport.series import Bins, Method, Road
from tests.unit.transport.rig import MONDAY_MS, NAN, POLICY, bins_of, road_of

RULES = POLICY.impute
DAY_MS = 86_400_000
ROAD = road_of([2, 2, 2, 1], km=[0, 0.5, 1.0, 3.0])  # lanes 0-1, 2-3, 4-5 and 6
PAIRS = pairs_of(ROAD, RULES)


def day_of(factors: list[float], seed: int = 1, start_ms: int = MONDAY_MS, bins: int = 288) -> Bins:
    """Return a day on which each lane has that multiple of the road's traffic, and 5 more."""
    rng = np.random.default_rng(seed)
    course = 20 + 15 * np.sin(np.arange(bins) / bins * 2 * np.pi) + rng.uniform(-4, 4, bins)
    count = np.array(factors)[:, None] * course + 5
    return bins_of(count, 60.0 + course * 0.5, count / 1000, start_ms)


FACTORS = [1.0, 1.2, 0.9, 1.1, 1.0, 0.8, 2.0]


def taught(road: Road = ROAD, pairs: Pairs = PAIRS, days: int = 2) -> Learned:
    known = Learned.nothing(len(pairs.target), len(road.device_index))
    for day in range(days):
        known = learn(known, day_of(FACTORS, day, MONDAY_MS + day * DAY_MS), road, pairs, RULES)
    return known


def with_gap(whole: Bins, lanes: list[int], slots: slice) -> Bins:
    columns = {name: getattr(whole, name).copy() for name in ("count", "occupancy", "speed_kmh")}
    method, quality = whole.method.copy(), whole.quality.copy()
    for column in columns.values():
        column[lanes, slots] = NAN
    method[lanes, slots] = int(Method.NOTHING)
    quality[lanes, slots] = int(Quality.MISSING)
    return replace(whole, method=method, quality=quality, **columns)


def test_local_are_the_station_and_its_neighbours_regional_the_next_ones() -> None:
    of_first = PAIRS.target == 0
    local = sorted(PAIRS.source[of_first & PAIRS.is_local].tolist())
    assert local == [1, 2, 3]
    assert sorted(PAIRS.source[of_first & ~PAIRS.is_local].tolist()) == [4, 5, 6]
    assert not (PAIRS.target == PAIRS.source).any()
    assert (np.diff(PAIRS.target) >= 0).all()


def test_lanes_beyond_the_region_say_nothing() -> None:
    far = pairs_of(road_of([1, 1, 1], km=[0, 4.0, 8.1]), RULES)
    pairs = set(zip(far.target.tolist(), far.source.tolist(), strict=True))
    assert pairs == {(0, 1), (1, 0), (1, 2), (2, 1)}  # 0 and 2 are 8.1 km apart


def test_a_line_is_found_by_least_squares() -> None:
    # y = 2 x + 1 through (0, 1), (1, 3), (2, 5): n 3, Σx 3, Σy 9, Σxx 5, Σxy 13
    found = lines(np.array([[3.0], [3.0], [9.0], [5.0], [13.0]]), 3)
    assert (found.slope[0], found.intercept[0], found.is_known[0]) == (2, 1, True)
    assert not lines(np.array([[3.0], [3.0], [9.0], [5.0], [13.0]]), 4).is_known[0]
    flat = lines(np.array([[3.0], [6.0], [9.0], [12.0], [18.0]]), 3)  # always x = 2
    assert not flat.is_known[0]


def test_one_lane_is_told_by_its_neighbours() -> None:
    whole = day_of(FACTORS, 9)
    found = impute(with_gap(whole, [2], slice(100, 160)), ROAD, PAIRS, taught(), RULES)
    assert (found.method[2, 100:160] == int(Method.LOCAL)).all()
    assert (found.quality[2, 100:160] == int(Quality.IMPUTED)).all()
    # all lanes follow one course, so the regression is exact
    np.testing.assert_allclose(found.count[2], whole.count[2], rtol=1e-6)
    np.testing.assert_allclose(found.occupancy[2], whole.occupancy[2], rtol=1e-6)
    np.testing.assert_allclose(found.speed_kmh[2], whole.speed_kmh[2], rtol=1e-6)
    assert not found.is_observed()[2, 100:160].any()
    others = [0, 1, 3, 4, 5, 6]
    assert (found.method[others] == int(Method.OBSERVED)).all()
    np.testing.assert_array_equal(found.count[others], whole.count[others])


@pytest.mark.parametrize(
    ("dark", "rung"),
    [
        ([0, 1, 2, 3], Method.REGIONAL),  # lane 0 has only 4, 5, 6 left
        ([0, 1, 2, 3, 4, 5], Method.REGIONAL),
    ],
)
def test_without_neighbours_the_region_speaks(dark: list[int], rung: Method) -> None:
    whole = day_of(FACTORS, 9)
    found = impute(with_gap(whole, dark, slice(0, 12)), ROAD, PAIRS, taught(), RULES)
    assert (found.method[0, :12] == int(rung)).all()
    np.testing.assert_allclose(found.count[0], whole.count[0], rtol=1e-6)


def test_without_a_region_all_of_the_kind_of_road_speak_then_its_own_past() -> None:
    # two corridors' worth of stations that do not know each other
    road = replace(road_of([1, 1]), upstream=np.array([-1, -1]), downstream=np.array([-1, -1]))
    pairs = pairs_of(road, RULES)
    assert len(pairs.target) == 0
    known = Learned.nothing(0, 2)
    for day in range(2):
        known = learn(known, day_of([1.0, 1.0], day, MONDAY_MS + day * DAY_MS), road, pairs, RULES)
    whole = day_of([1.0, 1.0], 9, MONDAY_MS)
    one = impute(with_gap(whole, [0], slice(0, 12)), road, pairs, known, RULES)
    assert (one.method[0, :12] == int(Method.GLOBAL)).all()
    np.testing.assert_allclose(one.count[0], whole.count[0], rtol=1e-6)
    both = impute(with_gap(whole, [0, 1], slice(0, 12)), road, pairs, known, RULES)
    assert (both.method[:, :12] == int(Method.TIME_OF_WEEK)).all()
    # Monday's first hour had the course of day 0
    hour = day_of([1.0, 1.0], 0, MONDAY_MS).count[0, :12].mean()
    np.testing.assert_allclose(both.count[0, :12], hour, rtol=1e-4)


def test_a_first_day_takes_the_mean_of_the_neighbours() -> None:
    nothing = Learned.nothing(len(PAIRS.target), 7)
    gap = with_gap(day_of(FACTORS, 9), [0], slice(0, 1))
    found = impute(gap, ROAD, PAIRS, nothing, RULES)
    assert found.method[0, 0] == Method.LOCAL_AVERAGE
    assert found.count[0, 0] == pytest.approx(gap.count[[1, 2, 3], 0].mean())
    further = with_gap(gap, [1, 2, 3], slice(0, 1))
    found = impute(further, ROAD, PAIRS, nothing, RULES)
    assert found.method[0, 0] == Method.REGIONAL_AVERAGE
    assert found.count[0, 0] == pytest.approx(gap.count[[4, 5, 6], 0].mean())


def test_where_nothing_is_known_nothing_is_said() -> None:
    nothing = Learned.nothing(len(PAIRS.target), 7)
    dark = with_gap(day_of(FACTORS, 9), list(range(7)), slice(0, 1))
    found = impute(dark, ROAD, PAIRS, nothing, RULES)
    assert (found.method[:, 0] == int(Method.NOTHING)).all()
    assert np.isnan(found.count[:, 0]).all()
    assert (found.quality[:, 0] == int(Quality.MISSING)).all()


def test_a_count_that_the_counter_told_stays() -> None:
    gap = with_gap(day_of(FACTORS, 9), [0], slice(0, 1))
    gap.count[0, 0], gap.method[0, 0] = 77, int(Method.RECOVERED)
    found = impute(gap, ROAD, PAIRS, taught(), RULES)
    assert found.count[0, 0] == 77
    assert found.method[0, 0] == Method.LOCAL
    assert np.isfinite(found.speed_kmh[0, 0])


def test_no_estimate_is_below_zero_or_beyond_full() -> None:
    known = taught()
    gap = with_gap(day_of(FACTORS, 9), [0], slice(0, 2))
    gap.count[1:, 0] = 0  # far below anything learned
    gap.occupancy[1:, 1] = 5.0
    found = impute(gap, ROAD, PAIRS, known, RULES)
    assert found.count[0, 0] >= 0
    assert found.occupancy[0, 1] == 1


def test_what_was_imputed_teaches_nothing() -> None:
    whole = day_of(FACTORS, 3)
    spoiled = with_gap(whole, [0], slice(0, 144))
    spoiled.count[0, :144] = 999
    fresh = Learned.nothing(len(PAIRS.target), 7)
    one = learn(fresh, spoiled, ROAD, PAIRS, RULES)
    two = learn(fresh, with_gap(whole, [0], slice(0, 144)), ROAD, PAIRS, RULES)
    np.testing.assert_array_equal(one.pairs, two.pairs)
    np.testing.assert_array_equal(one.week, two.week)


def test_a_factor_that_changed_is_learned_again() -> None:
    known = taught(days=10)
    changed = [2.0, *FACTORS[1:]]
    for day in range(10, 70):  # more than four half-lives
        known = learn(known, day_of(changed, day, MONDAY_MS + day * DAY_MS), ROAD, PAIRS, RULES)
    whole = day_of(changed, 99)
    found = impute(with_gap(whole, [0], slice(0, 60)), ROAD, PAIRS, known, RULES)
    np.testing.assert_allclose(found.count[0, :60], whole.count[0, :60], rtol=0.05)
