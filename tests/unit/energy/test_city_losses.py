"""Thieves and wrong wires of the simulated city, told by the real engine (scores: docs/energy.md)."""

from pathlib import Path

import pytest

from tools.city_desk.losses import CLEAN, WORN, Condition, score_thefts, score_wires

SEED = 1  # below 10,000: the scores are of others


@pytest.mark.slow
@pytest.mark.parametrize("condition", [CLEAN, WORN], ids=["clean", "worn"])
def test_a_thief_is_alarmed_in_two_days_named_in_seven_and_nobody_before(
    tmp_path: Path, condition: Condition, soak: bool
) -> None:
    total = score_thefts(tmp_path, SEED, condition, 180 if soak else 60)
    assert total.thefts + total.too_small == (3 if soak else 1)
    assert total.in_two_days == total.in_first_three == total.thefts
    assert total.false_alarms == 0


def test_wrong_transformers_are_named_and_right_ones_left_alone(tmp_path: Path, soak: bool) -> None:
    total = score_wires(tmp_path, SEED, CLEAN, 240 if soak else 120)
    assert total.wires_found >= 0.9 * total.wrong_wires
    assert total.wires_accused == 0
