"""Detectors of simulated cities against the truth; ``make score-transport`` prints the table."""

import pytest

from gateway.transport.health import Cause
from tests.faults import quick_or_soak
from tools.road_scores import causes, health

FIRST = 70_000  # no threshold was tuned on these


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_reason_of_a_silence_is_right() -> None:
    total = causes.CauseScore()
    for seed in range(FIRST, FIRST + quick_or_soak(1, 30)):
        causes.score(seed, 60, total)
    every = sum(total.silent.values())
    assert all(total.silent[cause] for cause in Cause)
    for right in (total.right_soon, total.right_after):
        assert sum(right.values()) >= 0.95 * every, causes.report(total)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_faults_are_found_in_time_and_sound_detectors_are_left_alone() -> None:
    seeds = quick_or_soak(0, 30)
    if not seeds:
        pytest.skip("a city of four days takes a minute: make soak, make score-transport")
    total = health.HealthScore()
    for seed in range(FIRST, FIRST + seeds):
        health.score(seed, 100, total)
    for kind in health.KINDS:
        assert total.found[kind] >= 0.98 * total.faults[kind], health.report(total)
    assert len(total.false) <= total.detector_days / 1000
