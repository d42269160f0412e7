"""The road must leave the core to the meters."""

import time

from simulators.road.world import Road
from tests.faults import quick_or_soak

MONDAY_7_MS = 1_795_305_600_000 + 86_400_000


def test_500_lanes_at_the_morning_peak_take_a_quarter_of_a_core_at_200_times_real_time() -> None:
    """CPU time, so that a busy machine does not matter; about 6,000 times was measured."""
    road = Road(1, 500)
    road.step(MONDAY_7_MS, MONDAY_7_MS + 30_000)  # the warm-up is not part of it
    hours = quick_or_soak(1, 24)
    began_s = time.process_time()
    rows = 0
    for minute in range(30_000, hours * 3_600_000, 600_000):
        step = road.step(MONDAY_7_MS + minute, MONDAY_7_MS + minute + 600_000)
        rows += sum(r.values.shape[0] for r in step.readings if r.profile == "tl1")
    taken_s = time.process_time() - began_s
    assert rows == hours * 60_000
    assert hours * 3600 / taken_s > 800
