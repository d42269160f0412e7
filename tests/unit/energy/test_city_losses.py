"""Thieves and wrong wires of the simulated city, told by the real engine."""

from pathlib import Path

import pytest

from tools.city_desk.losses import CLEAN, WORN, score_thefts, score_wires

SEED = 1  # below 10,000: the scores are of others


@pytest.mark.clause("749.VIII.6-2e")
@pytest.mark.slow
def test_a_thief_is_alarmed_in_two_days_named_in_seven_and_nobody_before(
    tmp_path: Path,
    soak: bool,  # noqa: FBT001  # a fixture
) -> None:
    for condition in (CLEAN, WORN) if soak else (CLEAN,):
        folder = tmp_path / condition.name
        folder.mkdir()
        total = score_thefts(folder, SEED, condition, 60)
        assert total.thefts + total.too_small == 1
        assert total.in_two_days == total.in_first_three == total.thefts
        assert total.false_alarms == 0


@pytest.mark.slow
def test_wrong_transformers_are_named_and_right_ones_left_alone(
    tmp_path: Path,
    soak: bool,  # noqa: FBT001  # a fixture
) -> None:
    total = score_wires(tmp_path, SEED, CLEAN, 240 if soak else 120)
    assert total.wires_found >= 0.9 * total.wrong_wires
    assert total.wires_accused == 0
