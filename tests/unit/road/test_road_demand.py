"""Demand by hour, weekday and feast."""

import numpy as np
import pytest

from simulators.road.demand import demand, mixes
from simulators.road.diagram import MIX, PCU, ROADS, TRUCK
from simulators.road.layout import build

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MONDAY_MS = 1_795_305_600_000 + DAY_MS - 7 * HOUR_MS  # 2026-11-23, local midnight
TET_MS = MONDAY_MS - 279 * DAY_MS  # 2026-02-17, a Tuesday
URBAN, EXPRESSWAY = ROADS.index("urban"), ROADS.index("expressway")


def day(start_ms: int) -> np.ndarray:
    return np.asarray(np.mean([demand(start_ms + h * HOUR_MS) for h in range(24)], axis=0))


def test_peaks_are_in_the_morning_and_the_evening() -> None:
    urban = [demand(MONDAY_MS + h * HOUR_MS)[URBAN] for h in range(24)]
    assert urban[7] == urban[17] == max(urban) == 1.0
    assert min(urban) == urban[2] == 0.04
    assert demand(MONDAY_MS + 6 * HOUR_MS + HOUR_MS // 2)[URBAN] == pytest.approx(0.89)


def test_sundays_are_quieter_in_the_city_and_not_on_the_expressway() -> None:
    monday, sunday = day(MONDAY_MS), day(MONDAY_MS + 6 * DAY_MS)
    assert sunday[URBAN] == pytest.approx(0.72 * monday[URBAN])
    assert sunday[EXPRESSWAY] > monday[EXPRESSWAY]


def test_at_tet_the_city_empties_and_before_it_the_expressways_fill() -> None:
    usual = day(MONDAY_MS)
    assert day(TET_MS)[URBAN] == pytest.approx(0.38 * usual[URBAN])
    assert day(TET_MS - 3 * DAY_MS)[EXPRESSWAY] == pytest.approx(1.12 * usual[EXPRESSWAY])
    assert day(TET_MS + 4 * DAY_MS)[EXPRESSWAY] == pytest.approx(1.12 * usual[EXPRESSWAY])
    assert day(TET_MS + 7 * DAY_MS)[URBAN] == pytest.approx(usual[URBAN])


def test_trucks_enter_the_city_at_night() -> None:
    base = np.array([MIX[road] for road in ROADS])
    np.testing.assert_allclose(base.sum(axis=1), 1)
    night, noon = (mixes(base, MONDAY_MS + h * HOUR_MS)[URBAN] for h in (23, 12))
    assert night[TRUCK] == 5 * noon[TRUCK]
    assert night.sum() == pytest.approx(1)


def test_no_link_is_asked_for_more_than_it_can_carry() -> None:
    """Else there would be queues that no truth file names."""
    net = build(1, 500).network
    flow = np.zeros(net.last.size)
    busiest = 1.12 * net.source_pcu_s * 3600
    for k in range(net.last.size):
        flow[k] += busiest[k]
        if net.next[k] >= 0:
            flow[net.next[k]] += flow[k] * net.onward[k]
    capacity = (
        net.capacity_pcu[net.last] * 720 * np.where(net.has_signal, net.green_s / net.cycle_s, 1)
    )
    capacity = np.minimum(capacity, net.exit_pcu * 720)
    assert (flow < 0.97 * capacity).all()
    assert PCU[0] == 0.3
