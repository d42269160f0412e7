"""The cells against drivers who follow each other, each on its own (Newell 2002)."""

import numpy as np
import pytest

from tests.support import corridor
from tests.support.corridor import (
    FREE_M_S,
    FROM_S,
    INFLOW_H,
    QUEUED_BELOW_M_S,
    ROAD_M,
    SLOW_M_S,
    SLOW_ROAD_M,
    SPACE_M,
    TIME_GAP_S,
    UNTIL_S,
    Findings,
)

_DT_S = 0.1
_GAP_STEPS = round(TIME_GAP_S / _DT_S)


def follow(until_s: float, end_m: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Drive one vehicle after the other: where the one before was a time gap ago, less its room.

    The road ends at ``end_m``; nobody passes it. Rows are vehicles, columns steps.
    """
    count = int(until_s * INFLOW_H / 3600)
    steps = round(until_s / _DT_S)
    place_m = np.full((count, steps), -np.inf)
    leader = np.full(steps, np.inf)
    for k in range(count):
        born = round(k * 3600 / INFLOW_H / _DT_S)
        here_m = 0.0
        for step in range(born, steps):
            place_m[k, step] = here_m
            free = SLOW_M_S if ROAD_M <= here_m < ROAD_M + SLOW_ROAD_M else FREE_M_S
            ahead_m = leader[step + 1 - _GAP_STEPS] - SPACE_M if step >= _GAP_STEPS else np.inf
            here_m = max(here_m, min(here_m + free * _DT_S, ahead_m, end_m))
        leader = np.where(np.isinf(place_m[k]), np.inf, place_m[k])
    return place_m


def by_drivers() -> Findings:
    place_m = follow(UNTIL_S, np.inf)
    times_s, tails_m = [], []
    for time_s in range(FROM_S, UNTIL_S, 10):
        step = round(time_s / _DT_S)
        here, before = place_m[:, step], place_m[:, step - 10]
        with np.errstate(invalid="ignore"):
            speed = (here - before) / (10 * _DT_S)
        queued = np.isfinite(speed) & (speed < QUEUED_BELOW_M_S) & (here < ROAD_M)
        times_s.append(float(time_s))
        tails_m.append(float(here[queued].min()))
    end_m = ROAD_M + SLOW_ROAD_M
    passed = [(place_m[:, round(t / _DT_S) - 1] >= end_m).sum() for t in (FROM_S, UNTIL_S)]
    capacity_h = float(passed[1] - passed[0]) / (UNTIL_S - FROM_S) * 3600
    standing = np.sort(follow(600, 2000.0)[:, -1])[-50:]
    return Findings(
        capacity_h, corridor.slope(times_s, tails_m), 49 / (standing[-1] - standing[0]) * 1000
    )


def test_cells_and_drivers_agree_on_capacity_jam_density_and_the_growth_of_a_queue() -> None:
    cells, drivers = corridor.by_cells(), by_drivers()
    by_hand = corridor.triangle(FREE_M_S).queue_growth_kmh(INFLOW_H, corridor.flow_h(SLOW_M_S))
    assert cells.growth_m_s == pytest.approx(by_hand / 3.6, rel=0.01)
    assert drivers.capacity_h == pytest.approx(cells.capacity_h, rel=0.02)
    assert drivers.growth_m_s == pytest.approx(cells.growth_m_s, rel=0.02)
    assert drivers.jam_per_km == pytest.approx(cells.jam_per_km, rel=0.02)
