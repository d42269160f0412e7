"""Level of service, travel time, delay, jams, bottlenecks, coverage, the year; by hand."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.model import FloatArray
from gateway.transport import state
from gateway.transport.series import Method
from gateway.transport.state import Level
from tests.unit.transport.rig import (
    BIN_MS,
    MONDAY_MS,
    NAN,
    POLICY,
    URBAN,
    bins_of,
    road_of,
    station_window,
)

RULES = POLICY.measures


# -- level of service --


@pytest.mark.clause("749.VIII.5-1")
@pytest.mark.parametrize(
    ("flow", "kmh", "level"),
    [
        (700, 100, Level.A),  # 7 cars a kilometre
        (701, 100, Level.B),
        (1100, 100, Level.B),
        (1600, 100, Level.C),
        (1900, 95, Level.D),  # 20
        (2076, 80, Level.E),  # 25.95
        (1500, 40, Level.F),  # 37.5
        (0, NAN, Level.A),
    ],
)
def test_an_expressway_has_the_level_of_its_density(flow: float, kmh: float, level: Level) -> None:
    # two lanes, so half of the flow on each; a bin is a twelfth of an hour
    found = bins_of([[2 * flow / 12]], kmh)
    assert state.levels(found, road_of([2]), POLICY)[0, 0] == level


@pytest.mark.clause("749.VIII.5-1")
@pytest.mark.parametrize(
    ("kmh", "level"),
    [
        *((43, Level.A), (42.5, Level.B), (34, Level.B), (30, Level.C)),
        *((24, Level.D), (18, Level.E), (15, Level.F), (5, Level.F)),
    ],
)
def test_a_street_has_the_level_of_its_speed(kmh: float, level: Level) -> None:
    # free speed 50: 86, 85, 68, 60, 48, 36, 30, 10 %
    assert state.levels(bins_of([[20]], kmh), road_of([1], kind=URBAN), POLICY)[0, 0] == level


def test_without_data_there_is_no_level() -> None:
    unknown = bins_of([[NAN, 10]], np.array([[60.0, NAN]]))
    for kind in (URBAN, road_of([1]).road_class[0]):
        found = state.levels(unknown, road_of([1], kind=kind), POLICY)
        assert found.tolist() == [[Level.UNKNOWN, Level.UNKNOWN]]


def test_motorcycles_are_light() -> None:
    # 1,200 motorcycles an hour are 360 cars: at 50 km/h 7.2 cars a kilometre
    found = bins_of([[100]], 50.0)
    found.class_count[:, 0, 0] = [100, 0, 0, 0, 0]
    assert state.levels(found, road_of([1]), POLICY)[0, 0] == Level.B


# -- travel time --


def test_a_way_is_three_links() -> None:
    road = road_of([1, 1], km=[0, 1.5])
    hours = state.link_hours(np.array([100.0, 50.0]), road, RULES)
    # 0.5/100 + 0.5/75 + 0.5/50 h = 18 + 24 + 36 s
    assert hours[0] * 3600 == pytest.approx(78)
    assert np.isnan(hours[1])
    assert state.travel_times(hours, road)[0] * 3600 == pytest.approx(78)


def test_nobody_knows_what_is_between_distant_stations() -> None:
    near, far = road_of([1, 1, 1], km=[0, 3.0, 6.0]), road_of([1, 1, 1], km=[0, 3.0, 6.1])
    kmh = np.full(3, 60.0)
    assert state.travel_times(state.link_hours(kmh, near, RULES), near)[0] == pytest.approx(0.1)
    hours = state.link_hours(kmh, far, RULES)
    assert np.isfinite(hours[0])
    assert np.isnan(hours[1])
    assert np.isnan(state.travel_times(hours, far)[0])
    silent = state.link_hours(np.array([60.0, NAN, 60.0]), near, RULES)
    assert np.isnan(silent).all()


def test_times_of_many_bins_at_once() -> None:
    road = road_of([1, 1], km=[0, 1.5])
    kmh = np.array([[100.0, 50.0, NAN], [50.0, 50.0, 50.0]])
    found = state.travel_times(state.link_hours(kmh, road, RULES), road) * 3600
    assert found[0, :2] == pytest.approx([78, 108])
    assert np.isnan(found[0, 2])


def test_a_corridor_of_one_station_has_no_travel_time() -> None:
    road = road_of([1])
    assert np.isnan(state.travel_times(state.link_hours(np.array([50.0]), road, RULES), road)[0])


def test_from_each_station_to_the_end() -> None:
    road = road_of([1, 1, 1, 1])
    assert state.to_the_end(np.array([0.1, 0.2, 0.3, NAN]), road).tolist() == pytest.approx(
        [0.6, 0.5, 0.3, 0.0]
    )
    found = state.to_the_end(np.array([0.1, NAN, 0.3, NAN]), road)
    assert np.isnan(found[:2]).all()
    assert found[2:].tolist() == [0.3, 0.0]


def test_slow_traffic_is_averaged_for_longer() -> None:
    # ten slots; the last four are two minutes, the last six three, all ten five
    road = road_of([1, 1, 1])
    count = [[2.0] * 10] * 3
    speed = [
        [90.0] * 6 + [60.0] * 4,
        [90.0] * 4 + [30.0] * 6,  # below 40 and 32: four minutes, of which one at 90
        [20.0] * 2 + [40.0] * 2 + [20.0] * 6,  # below 24: five minutes
    ]
    found = state.current_speeds(station_window(count, speed), road, POLICY)
    assert found[0] == pytest.approx(60)
    # harmonic: 8 slots, 2 at 90 and 6 at 30: 8 / (2/90 + 6/30) = 36
    assert found[1] == pytest.approx(36)
    # 10 / (2/40 + 8/20) = 22.2
    assert found[2] == pytest.approx(10 / 0.45)


def test_an_empty_road_is_free_and_a_silent_one_unknown() -> None:
    road = road_of([1, 1, 1])
    found = state.current_speeds(
        station_window([[0.0] * 4, [NAN] * 4, [5.0] * 4], [[NAN] * 4, [NAN] * 4, [180.0] * 4]),
        road,
        POLICY,
    )
    assert found[0] == 100
    assert np.isnan(found[1])
    assert found[2] == 120  # nobody is told to drive faster than allowed


def test_how_far_one_can_rely_on_a_travel_time() -> None:
    # 20 days: 19 of 12 minutes and one of 32; free 10 minutes
    hours = np.array([0.2] * 19 + [32 / 60, NAN])
    found = state.reliability(hours, 10 / 60, 0.95)
    assert found.mean_h * 60 == pytest.approx(13)
    assert found.tti == pytest.approx(1.3)
    assert found.planning_index == pytest.approx(1.2)  # the 19th of 20
    assert found.buffer_index == pytest.approx(-1 / 13)
    assert state.reliability(hours, 10 / 60, 0.99).planning_index == pytest.approx(3.2)
    assert np.isnan(state.reliability(np.array([NAN]), 1.0, 0.95).tti)


# -- work --


def test_what_a_stretch_has_done() -> None:
    # stations at 0, 1 and 3 km stand for 0.5, 1.5 and 1 km
    road = road_of([1, 1, 1], km=[0, 1, 3])
    found = bins_of([[100], [100], [0]], [[50], [100], [NAN]])
    done = state.work(found, road, POLICY)
    assert done.length_km.tolist() == [0.5, 1.5, 1]
    assert done.vkt[:, 0].tolist() == [50, 150, 0]
    assert done.vht[:, 0].tolist() == pytest.approx([1, 1.5, 0])
    assert done.speed_kmh()[:2, 0].tolist() == [50, 100]
    assert done.tti(np.full(3, 100.0))[:2, 0].tolist() == [2, 1]
    # against 90 km/h: 50 km x (1/50 - 1/90)
    assert done.delay_veh_h[:, 0].tolist() == pytest.approx([4 / 9, 0, 0])
    # 1,200 of 2,076 cars an hour: 42.2 % of half a kilometre for a twelfth of an hour
    assert done.lost_lane_km_h[0, 0] == pytest.approx((1 - 1200 / 2076) * 0.5 / 12)
    assert done.lost_lane_km_h[1:, 0].tolist() == [0, 0]


# -- jams and bottlenecks --


def jammed(slow: list[tuple[int, int]], stations: int = 4, slots: int = 12) -> FloatArray:
    kmh = np.full((stations, slots), 95.0)
    for cell in slow:
        kmh[cell] = 30.0
    return kmh


@pytest.mark.clause("942.V.5.e")
def test_cells_that_touch_are_one_jam() -> None:
    road = road_of([1] * 4)
    kmh = jammed([(2, 3), (2, 4), (1, 4), (1, 5), (3, 9)])
    found = bins_of(np.full((4, 12), 50.0), kmh)
    done = state.work(found, road, POLICY)
    big, small = state.jams(found, done, road, POLICY)
    assert big.stations == (1, 2)
    assert (big.from_ms, big.to_ms) == (MONDAY_MS + 3 * BIN_MS, MONDAY_MS + 6 * BIN_MS)
    assert big.longest_km == pytest.approx(1.0)  # both stand for 500 m, in slot 4
    assert big.lowest_ratio == pytest.approx(0.3)
    # four cells of 50 vehicles on 500 m, 30 instead of 90 km/h
    assert big.delay_veh_h == pytest.approx(4 * 25 * (1 / 30 - 1 / 90))
    assert small.stations == (3,)


def test_an_imputed_speed_is_no_jam() -> None:
    road = road_of([1] * 4)
    found = bins_of(np.full((4, 12), 50.0), jammed([(2, slot) for slot in range(12)]))
    found.method[2] = int(Method.LOCAL)
    done = state.work(found, road, POLICY)
    assert state.jams(found, done, road, POLICY) == []
    assert state.bottlenecks(found, done, road, POLICY.bottleneck) == []


def test_a_bottleneck_is_slow_before_a_free_station_in_five_of_seven_bins() -> None:
    road = road_of([1] * 4)
    cells = [(2, slot) for slot in (3, 4, 5, 7, 8)] + [(1, 5), (0, 5), (1, 7)]
    found = bins_of(np.full((4, 12), 50.0), jammed(cells))
    done = state.work(found, road, POLICY)
    (one,) = state.bottlenecks(found, done, road, POLICY.bottleneck)
    assert one.station == 2
    assert (one.from_ms, one.to_ms) == (MONDAY_MS + 3 * BIN_MS, MONDAY_MS + 9 * BIN_MS)
    assert one.reach == (2, 1, 0)
    assert one.extent_km == pytest.approx(1.0)
    # five cells at station 2 and two at station 1 of 500 m, one of 250 m at the first
    each = 25 * (1 / 30 - 1 / 90)
    assert one.delay_veh_h == pytest.approx(7 * each + each / 2)
    four = bins_of(np.full((4, 12), 50.0), jammed([(2, slot) for slot in (3, 4, 5, 7)]))
    assert not state.bottlenecks(four, state.work(four, road, POLICY), road, POLICY.bottleneck)


def test_stations_far_apart_or_equally_slow_make_no_bottleneck() -> None:
    cells = [(2, slot) for slot in range(12)]
    far = road_of([1] * 4, km=[0, 1, 2, 6.8])
    found = bins_of(np.full((4, 12), 50.0), jammed(cells))
    done = state.work(found, far, POLICY)
    assert not state.bottlenecks(found, done, far, POLICY.bottleneck)
    both = bins_of(np.full((4, 12), 50.0), jammed([*cells, *((3, s) for s in range(12))]))
    near = road_of([1] * 4)
    done = state.work(both, near, POLICY)
    assert not state.bottlenecks(both, done, near, POLICY.bottleneck)


# -- coverage --


@pytest.mark.clause("942.III.4.g-1")
def test_a_station_looks_two_kilometres_either_way() -> None:
    road = road_of([1] * 4, km=[0, 3, 9, 10])
    every = state.coverage(road, np.ones(4, np.bool_), 2.0)[0]
    # 0 … 2, 1 … 5, 7 … 10
    assert (every.length_km, every.covered_km) == (10, 8)
    assert every.share == pytest.approx(0.8)
    some = state.coverage(road, np.array([False, True, False, False]), 2.0)[0]
    assert some.covered_km == 4
    assert state.coverage(road, np.zeros(4, np.bool_), 2.0)[0].share == 0
    assert np.isnan(state.coverage(road_of([1]), np.ones(1, np.bool_), 2.0)[0].share)


# -- the year --


def test_a_year_three_ways() -> None:
    # 2025 began on a Wednesday; 1,000 on workdays and 400 on weekends, July is twice as busy
    days = np.arange("2025-01-01", "2026-01-01", dtype="datetime64[D]")
    weekday = (days.astype(np.int64) + 3) % 7
    passed = np.where(weekday < 5, 1000.0, 400.0)
    passed *= np.where(days.astype("datetime64[M]").astype(np.int64) % 12 == 6, 2.0, 1.0)
    hours = np.concatenate([np.full(29, 150.0), np.arange(100.0, 0.0, -1.0)])
    found = state.annual(days, passed, hours)
    week = (5 * 1000 + 2 * 400) / 7
    assert [found.astm, found.aashto] == pytest.approx([week * 13 / 12] * 2)
    assert found.mean == pytest.approx(float(passed.mean()))
    assert found.k[0] == pytest.approx(100 / found.aashto)  # the 30th highest
    assert found.k[1] == pytest.approx(80 / found.aashto)


def test_a_missing_month_leaves_the_weekdays() -> None:
    days = np.arange("2025-01-01", "2026-01-01", dtype="datetime64[D]")
    passed = np.full(len(days), 500.0)
    passed[days >= np.datetime64("2025-12-01")] = NAN
    found = state.annual(days, passed, np.zeros(5))
    assert found.days == 334
    assert np.isnan(found.astm)
    assert found.aashto == 500
    assert np.isnan(found.k).all()
    assert state.annual(days[:0], passed[:0], np.zeros(0)).days == 0


def test_a_map_shows_one_where_the_road_is_empty() -> None:
    found = bins_of([[10, 0, NAN]], np.array([[50.0, NAN, NAN]]))
    ratio = state.speed_ratio(replace(found), road_of([1]), POLICY)
    assert ratio[0, :2].tolist() == [0.5, 1]
    assert np.isnan(ratio[0, 2])
