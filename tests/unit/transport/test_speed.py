"""Speed of single loops; vectors by hand."""

import numpy as np
import pytest

from gateway.transport.speed import HOURS, Lengths, effective_lengths, speeds
from tests.unit.transport.rig import NAN, POLICY, bins_of

RULES = POLICY.g_factor
FREE = np.array([100.0])


def covered(count: float, kmh: float, length_m: float) -> float:
    """Return the occupancy of five minutes."""
    return count * length_m / (kmh / 3.6) / 300


def test_the_effective_length_is_that_of_free_traffic() -> None:
    # 12 bins of free traffic, 30 vehicles of 6 m at 100 km/h, and 6 of a jam at 20 km/h
    count = np.full((1, 18), 30.0)
    occupancy = np.full((1, 18), covered(30, 100, 6.0))
    occupancy[0, :11] *= np.linspace(0.9, 1.1, 11)
    occupancy[0, 12:] = covered(30, 20, 6.0)
    found = effective_lengths(bins_of(count, NAN, occupancy), np.full(18, 8), FREE, RULES)
    # of 18 samples the lowest 60 % are 11; the 11th itself is not below the limit
    low = np.sort(occupancy[0])[:10]
    expected = float(np.mean(low * 100_000 / 12 / 30))
    assert found.shape == (1, HOURS)
    assert found[0, 8] == pytest.approx(expected)
    # six hours to either side say the same, the rest of the day knows nothing
    assert found[0, 2] == found[0, 14] == found[0, 8]
    assert found[0, 1] == found[0, 15] == RULES.default_m


def test_too_few_samples_leave_the_usual_length() -> None:
    found = effective_lengths(bins_of([[30.0] * 5], NAN, 0.02), np.zeros(5, int), FREE, RULES)
    assert (found == RULES.default_m).all()
    blank = bins_of([[NAN] * 5])
    assert (effective_lengths(blank, np.zeros(5, int), FREE, RULES) == RULES.default_m).all()


def test_many_vehicles_tell_the_speed_and_few_lean_on_the_one_before() -> None:
    lengths = Lengths(np.full((1, HOURS), 6.0), np.array([100.0]))
    occupancy = [[covered(150, 30, 6.0), covered(50, 30, 6.0), 0.0, NAN]]
    found, after = speeds(
        bins_of([[150, 50, 0, NAN]], NAN, np.array(occupancy)),
        np.zeros(4, int),
        lengths,
        FREE,
        RULES,
    )
    # p = 150/200: 0.75 x 30 + 0.25 x 100 = 47.5; then p = 1/2: 15 + 23.75
    assert found[0, :2] == pytest.approx([47.5, 38.75])
    assert found[0, 2] == pytest.approx(38.75)  # nobody passed: as before
    assert np.isnan(found[0, 3])
    assert after.last_kmh[0] == pytest.approx(38.75)


def test_a_speed_stays_within_what_the_road_allows() -> None:
    lengths = Lengths(np.full((1, HOURS), 6.0), np.array([100.0]))
    wild = bins_of([[500, 500]], NAN, np.array([[0.001, 1.0]]))
    found, _ = speeds(wild, np.zeros(2, int), lengths, FREE, RULES)
    assert found[0, 0] == 120  # 1.2 x 100
    assert 5 <= found[0, 1] < 50


def test_bins_one_by_one_say_what_a_day_says() -> None:
    rng = np.random.default_rng(3)
    count, occupancy = rng.integers(0, 60, (4, 288)), rng.uniform(0, 0.4, (4, 288))
    hour, free = np.arange(288) // 12, np.full(4, 80.0)
    start = Lengths(rng.uniform(4, 9, (4, HOURS)), free.copy())
    whole, _ = speeds(bins_of(count.astype(float), NAN, occupancy), hour, start, free, RULES)
    parts, known = [], start
    for slot in range(288):
        one = bins_of(count[:, slot : slot + 1].astype(float), NAN, occupancy[:, slot : slot + 1])
        part, known = speeds(one, hour[slot : slot + 1], known, free, RULES)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
