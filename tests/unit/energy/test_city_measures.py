"""A small street of the city: totals right to 1 Wh, violations found, estimates as even ones."""

from pathlib import Path

import numpy as np
import pytest

from tools.city_desk.homes import GAPS_H, SEASONS, score_homes
from tools.city_desk.measures import score_measures


def test_totals_and_violations_of_a_street(tmp_path: Path) -> None:
    """30 seeds at their full length: make score-energy."""
    found = score_measures(tmp_path, 6, meters=40, days=7, habit_days=3)
    assert found.exact == found.meters >= 40
    assert found.violations_found >= 0.99 * found.violations
    assert found.violations > 20
    assert found.lines_false == found.alarms_false == 0
    assert found.alarms > 0
    for hours in (1, 2):  # up to two hours the register is spread evenly
        assert np.mean(found.errors_kwh[hours]) <= np.mean(found.flat_kwh[hours]) + 0.001


@pytest.mark.parametrize("season", SEASONS)
def test_gaps_of_homes_cost_less_than_their_true_mean(season: str) -> None:
    """The study's shares of it, and 0.02 more for few long gaps; 30 cities: make score-energy."""
    found = score_homes(6, SEASONS[season], meters=40)
    for hours, most in zip(GAPS_H, (1.0, 1.0, 0.92, 0.88, 0.85), strict=True):
        assert len(found.ours_kwh[hours]) > 100
        assert np.mean(found.ours_kwh[hours]) < most * np.mean(found.flat_kwh[hours])
