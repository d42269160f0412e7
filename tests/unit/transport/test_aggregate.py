"""From intervals to bins; vectors worked out by hand in the comments."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.model import Quality, Reason
from gateway.transport import aggregate
from gateway.transport.placing import vehicles_of
from gateway.transport.series import Method, Vehicles
from tests.readings import PROFILES
from tests.unit.transport.rig import (
    BIN_MS,
    MONDAY_MS,
    NAN,
    POLICY,
    SLOT_MS,
    bins_of,
    road_of,
    window_of,
)

RULES = POLICY.bins


def test_a_full_bin_is_the_sum_and_its_speeds_are_weighted_by_vehicles() -> None:
    # 1 vehicle at 30 and 3 at 90 km/h, the rest of the slots empty
    count = [[1, 3, 0, 0, 0, 0, 0, 0, 0, 0]]
    speed = [[30, 90, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN]]
    found = aggregate.bins(window_of(count, np.array(speed)), BIN_MS, RULES)
    assert found.count.tolist() == [[4]]
    assert found.flow_veh_h().tolist() == [[48]]  # 4 in 5 minutes
    assert found.speed_kmh[0, 0] == 75  # (30 + 3 x 90) / 4
    assert found.space_kmh[0, 0] == pytest.approx(60)  # 4 / (1/30 + 3/90)
    assert found.observed[0, 0] == 1
    assert found.method[0, 0] == Method.OBSERVED
    assert found.quality[0, 0] == Quality.VALID
    assert aggregate.density_veh_km(found)[0, 0] == pytest.approx(0.8)  # 48 / 60
    assert aggregate.headway_s(found)[0, 0] == 75  # 300 s / 4


def test_missing_rows_without_a_counter_are_stood_for_by_the_others() -> None:
    window = window_of([[6, 6, 6, 6, 6, 6, 6, 6, NAN, NAN]])
    window.cumulative[:] = NAN
    found = aggregate.bins(window, BIN_MS, RULES)
    assert found.count[0, 0] == pytest.approx(60)  # 48 x 10/8
    assert found.observed[0, 0] == pytest.approx(0.8)
    assert found.method[0, 0] == Method.OBSERVED


def test_a_bin_of_which_most_is_missing_is_missing() -> None:
    window = window_of([[6, 6, 6, 6, *[NAN] * 6]])
    found = aggregate.bins(window, BIN_MS, RULES)
    assert np.isnan(found.count[0, 0])
    assert np.isnan(found.speed_kmh[0, 0])
    assert found.method[0, 0] == Method.NOTHING
    assert found.quality[0, 0] == Quality.MISSING


def test_the_running_counter_tells_what_passed_in_a_gap() -> None:
    # rows 4 … 16 are lost, the counter has gone on from 1000 + 4 x 5 by 39 + 5
    count = np.array([[5.0] * 4 + [NAN] * 13 + [5.0] * 3])
    window = window_of(count)
    window.cumulative[0, 17:] += 39
    found = aggregate.bins(window, BIN_MS, RULES)
    # 39 over 13 slots are 3 each: 4 x 5 + 6 x 3 and 7 x 3 + 3 x 5
    assert found.count.tolist() == [[38, 36]]
    assert found.method.tolist() == [[Method.RECOVERED, Method.RECOVERED]]
    assert found.quality.tolist() == [[Quality.RECOVERED, Quality.RECOVERED]]
    assert np.isnan(found.speed_kmh).all()


def test_the_counter_may_roll_over_in_a_gap_but_not_begin_anew() -> None:
    count = np.array([[5.0] * 4 + [NAN] * 2 + [5.0] * 4])
    window = window_of(count)
    top = 2**32 - 3
    window.cumulative[0] = [top - 15, top - 10, top - 5, top, NAN, NAN, 8, 13, 18, 23]
    told = aggregate.recovered(window, np.isfinite(window.count), RULES)
    assert told[0, 4:6].tolist() == [3, 3]  # 11 passed, of which 5 in the row after the gap
    window.reasons[0, 6] = int(Reason.REGISTER_RESET)
    assert np.isnan(aggregate.recovered(window, np.isfinite(window.count), RULES)).all()


def test_a_counter_that_tells_nonsense_or_of_hours_is_not_asked() -> None:
    window = window_of(np.array([[5.0, NAN, 5.0]]))
    window.cumulative[0, 2] += 126  # 121 and 5 in a minute
    assert np.isnan(aggregate.recovered(window, np.isfinite(window.count), RULES)).all()
    long = np.full((1, 43), NAN)
    long[0, [0, -1]] = 5
    assert np.isnan(aggregate.recovered(window_of(long), np.isfinite(long), RULES)).all()
    assert (
        np.isfinite(aggregate.recovered(window_of(long[:, :1]), long[:, :1] > 0, RULES)).sum() == 0
    )


@pytest.mark.parametrize("spoil", ["failed", "chatter", "occupancy", "health"])
def test_what_cannot_be_is_not_summed_up(spoil: str) -> None:
    window = window_of(np.full((1, 10), 4.0))
    window.cumulative[:] = NAN
    is_bad = np.zeros((1, 10), np.bool_)
    if spoil == "failed":
        window.quality[0, 0] = int(Quality.FAILED)
    elif spoil == "chatter":
        window.count[0, 0] = 121
    elif spoil == "occupancy":
        window.occupancy[0, 0] = 1.2
    else:
        is_bad[0, 0] = True
    found = aggregate.bins(window, BIN_MS, RULES, is_bad)
    assert found.count[0, 0] == pytest.approx(40)  # 9 x 4 x 10/9
    assert found.observed[0, 0] == pytest.approx(0.9)


def test_a_speed_that_no_vehicle_has_weighs_nothing() -> None:
    window = window_of([[2, 2]], np.array([[250.0, 50.0]]), interval_ms=150_000)
    assert aggregate.bins(window, BIN_MS, RULES).speed_kmh[0, 0] == 50


def test_an_estimate_that_was_sent_stays_one() -> None:
    window = window_of([[9, 9]], interval_ms=BIN_MS)
    window.quality[0, 1] = int(Quality.IMPUTED)
    found = aggregate.bins(window, BIN_MS, RULES)
    assert found.quality.tolist() == [[Quality.VALID, Quality.IMPUTED]]
    assert found.method.tolist() == [[Method.OBSERVED, Method.FOREIGN]]
    assert found.is_observed().tolist() == [[True, False]]


def test_bins_are_of_whole_intervals() -> None:
    with pytest.raises(ValueError, match="whole"):
        aggregate.bins(window_of(np.ones((1, 9))), BIN_MS, RULES)
    with pytest.raises(ValueError, match="whole"):
        aggregate.coarser(bins_of([[1.0]]), 60_000, RULES)


def test_longer_bins_are_made_of_shorter_ones() -> None:
    fine = bins_of([[10, 30, NAN]], [[40, 80, NAN]], [[0.1, 0.3, NAN]])
    found = aggregate.coarser(fine, 900_000, RULES)
    assert found.count[0, 0] == pytest.approx(60)  # 40 x 3/2
    assert found.speed_kmh[0, 0] == 70  # (10 x 40 + 30 x 80) / 40
    assert found.space_kmh[0, 0] == pytest.approx(64)  # 40 / (10/40 + 30/80)
    assert found.occupancy[0, 0] == pytest.approx(0.2)
    assert found.observed[0, 0] == pytest.approx(2 / 3)
    imputed = replace(fine, method=np.array([[0, int(Method.LOCAL), 9]], np.int8))
    assert aggregate.coarser(imputed, 900_000, RULES).method[0, 0] == Method.LOCAL


def test_a_day_from_half_minutes_is_the_sum_of_them() -> None:
    rng = np.random.default_rng(5)
    count = rng.integers(0, 20, (3, 2880)).astype(float)
    five = aggregate.bins(window_of(count), BIN_MS, RULES)
    hours = aggregate.coarser(aggregate.coarser(five, 900_000, RULES), 3_600_000, RULES)
    day = aggregate.coarser(hours, 86_400_000, RULES)
    np.testing.assert_allclose(day.count[:, 0], count.sum(axis=1))
    np.testing.assert_allclose(hours.count, count.reshape(3, 24, 120).sum(axis=2))


def test_motorcycles_count_three_tenths_of_a_car() -> None:
    found = bins_of([[100]])
    found.class_count[:, 0, 0] = [60, 20, 4, 6, 5]
    # 60 x 0.3 + 20 + 4 x 2.5 + 6 x 2 + 5 x 3 = 75, and 5 that nobody classified
    assert aggregate.pcu(found, POLICY.pcu)[0, 0] == pytest.approx(80)


def test_stations_are_their_lanes_together() -> None:
    road = road_of([2, 1])
    window = window_of(
        [[4, 2], [8, NAN], [5, 0]],
        np.array([[90.0, 90.0], [60.0, 60.0], [50.0, 50.0]]),
        np.array([[0.1, 0.2], [0.3, 0.3], [0.5, 0.0]]),
    )
    found = aggregate.stations(window, road, aggregate.is_trusted(window, RULES))
    assert found.count.tolist() == [[12, 2], [5, 0]]
    assert found.speed_kmh[0].tolist() == [70, 90]  # (4 x 90 + 8 x 60) / 12
    assert np.isnan(found.speed_kmh[1, 1])
    np.testing.assert_allclose(found.occupancy, [[0.2, 0.2], [0.5, 0.0]])
    assert found.lanes_seen.tolist() == [[2, 1], [1, 1]]


def test_a_lane_nobody_knows_anything_of_is_stood_for_by_the_others() -> None:
    road = road_of([2, 1])
    found = aggregate.station_bins(bins_of([[40], [NAN], [NAN]], 50.0), road)
    assert found.count[0, 0] == 80
    assert found.method.tolist() == [[Method.LOCAL_AVERAGE], [Method.NOTHING]]
    assert np.isnan(found.count[1, 0])
    assert found.quality.tolist() == [[Quality.IMPUTED], [Quality.MISSING]]
    whole = aggregate.station_bins(bins_of([[40], [60], [10]], [[50], [75], [30]]), road)
    assert whole.count.tolist() == [[100], [10]]
    assert whole.speed_kmh[0, 0] == 65  # (40 x 50 + 60 x 75) / 100
    assert whole.space_kmh[0, 0] == pytest.approx(62.5)  # 100 / (40/50 + 60/75)


def test_single_vehicles_make_exact_bins() -> None:
    # of detector 7: 10, 20, 40 km/h in the first bin; one without a speed in the second
    found = aggregate.bins_of_vehicles(
        Vehicles(
            np.array([7, 7, 7, 7, 9]),
            MONDAY_MS + np.array([0, 100, 299_999, 300_000, 5]),
            np.array([10.0, 20.0, 40.0, 0.0, 99.0]),
            np.array([4.0, 4.0, 4.0, 4.0, 4.0]),
            np.array([1, 2, 2, 5, 2]),
            np.ones(5, np.int64),
            np.ones(5),
            np.array([1500.0, 1500.0, 3000.0, NAN, 0.0]),
            np.ones(5, np.int64),
        ),
        np.array([7]),
        (MONDAY_MS, BIN_MS, 3),
        RULES,
    )
    assert found.count.tolist() == [[3, 1, 0]]
    assert found.speed_kmh[0, 0] == pytest.approx(70 / 3)
    assert found.space_kmh[0, 0] == pytest.approx(3 / (1 / 10 + 1 / 20 + 1 / 40))
    assert found.v85_kmh[0, 0] == 40  # rank ceil(0.85 x 3) = 3
    assert np.isnan(found.speed_kmh[0, 1:]).all()
    assert found.occupancy[0, 0] == pytest.approx(0.02)  # 6 of 300 s
    assert found.class_count[:, 0].sum(axis=0).tolist() == [3, 1, 0]
    assert found.class_count[4, 0, 1] == 1
    nobody = aggregate.bins_of_vehicles(
        vehicles_of(PROFILES["pv1"], []),
        np.zeros(0, np.int64),
        (MONDAY_MS, BIN_MS, 1),
        RULES,
    )
    assert nobody.count.shape == (0, 1)


def test_a_share_of_observed_samples_is_a_grade() -> None:
    grades = aggregate.grade_of_observed(np.array([0.0, 0.49, 0.5, 1.0]), RULES)
    assert grades.tolist() == [Quality.IMPUTED, Quality.IMPUTED, Quality.VALID, Quality.VALID]
    assert SLOT_MS * 10 == BIN_MS
