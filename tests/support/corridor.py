"""One corridor for three traffic models: a lane of 72 km/h before a stretch of 18 km/h.

The parameters are those of a car-following driver (time gap, vehicle, standstill gap); a triangle
follows from them, so nothing is fitted to what another model gives.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.road.cells import Cells
from simulators.road.diagram import Diagram
from simulators.road.network import STEP_S, Link, Network

FREE_M_S, SLOW_M_S = 20.0, 5.0
TIME_GAP_S, VEHICLE_M, STANDSTILL_M = 1.4, 5.0, 2.5
SPACE_M = VEHICLE_M + STANDSTILL_M
ROAD_M, SLOW_ROAD_M = 5000, 500
INFLOW_H = 1750.0
UNTIL_S = 1200
# From when on the queue is measured: the first vehicle has come, and the queue is longer than
# what one cell or one braking driver makes of its begin.
FROM_S = 600
QUEUED_BELOW_M_S = (FREE_M_S + SLOW_M_S) / 2


class Findings(NamedTuple):
    """What a model says of the corridor."""

    capacity_h: float  # what leaves the slow stretch
    growth_m_s: float  # of the queue before it
    jam_per_km: float  # behind a closed end


def flow_h(speed_m_s: float) -> float:
    """Return the flow of drivers who keep their time gap at this speed."""
    return 3600 / (TIME_GAP_S + SPACE_M / speed_m_s)


def triangle(speed_m_s: float) -> Diagram:
    """Return the diagram of those drivers."""
    return Diagram(speed_m_s * 3.6, flow_h(speed_m_s), 1000 / SPACE_M)


def slope(times_s: list[float], tails_m: list[float]) -> float:
    """Return how fast the tail moves back, m/s."""
    return -float(np.polyfit(times_s, tails_m, 1)[0])


def by_cells() -> Findings:
    """Ask the cell-transmission model."""
    lengths = int(ROAD_M / FREE_M_S / STEP_S), int(SLOW_ROAD_M / SLOW_M_S / STEP_S)
    road = Link("road", "national", 1, lengths[0], 2, next=1, diagram=triangle(FREE_M_S))
    slow = Link("slow", "national", 1, lengths[1], 2, diagram=triangle(SLOW_M_S))
    cells = Cells(Network([road, slow]))
    inflow = np.array([INFLOW_H / 3600 * STEP_S, 0.0])
    times_s: list[float] = []
    tails_m: list[float] = []
    left = 0.0
    for time_s in range(0, UNTIL_S, STEP_S):
        if time_s == FROM_S:
            left = float(cells.left[1])
        if time_s >= FROM_S:
            times_s.append(time_s)
            tails_m.append(ROAD_M - queued_m(cells.pcu[: road.cells]))
        cells.step(time_s, inflow)
    capacity_h = (float(cells.left[1]) - left) / (UNTIL_S - FROM_S) * 3600
    cells.exit_share[:] = 0.0
    for time_s in range(UNTIL_S, 3 * UNTIL_S, STEP_S):
        cells.step(time_s, inflow)
    jam_per_km = float(cells.pcu[road.cells - 10 : road.cells].mean()) / road.cell_m * 1000
    return Findings(capacity_h, slope(times_s, tails_m), jam_per_km)


def queued_m(pcu: NDArray[np.float64]) -> float:
    """Return the length of the queue before the slow stretch, by what it holds."""
    cell_m = FREE_M_S * STEP_S
    arriving = INFLOW_H / 3600 * STEP_S
    queue = triangle(FREE_M_S).queue_pcu_km(flow_h(SLOW_M_S)) * cell_m / 1000
    return float(np.clip((pcu - arriving) / (queue - arriving), 0, 1).sum() * cell_m)
