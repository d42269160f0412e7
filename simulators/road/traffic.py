"""Traffic of a whole network, window by window: the fluid, and the vehicles on it."""

from typing import NamedTuple

import numpy as np

from simulators.road.cells import Cells
from simulators.road.curves import Curves
from simulators.road.demand import demand, mixes
from simulators.road.diagram import MIX, PCU, ROADS, Floats
from simulators.road.network import STEP_S, Network
from simulators.road.vehicles import Passages, Vehicles

WINDOW_MS = 30_000
STEPS = WINDOW_MS // 1000 // STEP_S
_BASE = np.array([MIX[road] for road in ROADS])


class Window(NamedTuple):
    """What happened in one window."""

    from_ms: int
    curves: Curves
    stations: Passages
    ends: Passages


class Traffic:
    """The roads; a window is a function of seed, network and what was done to the cells."""

    def __init__(self, network: Network, seed: int) -> None:
        self.network = network
        self.cells = Cells(network)
        self.vehicles = Vehicles(network, seed)

    def window(self, from_ms: int) -> Window:
        """Let ``WINDOW_MS`` pass."""
        arriving = self.vehicles.arrive(from_ms // WINDOW_MS, STEPS, self._mean(from_ms))
        curves = Curves(self.cells, STEPS)
        for step in range(STEPS):
            self.cells.step(from_ms / 1000 + step * STEP_S, arriving[step])
            curves.note()
        stations, ends = self.vehicles.ride(curves)
        return Window(from_ms, curves, stations, ends)

    def _mean(self, time_ms: int) -> Floats:
        """Return the vehicles that a step brings on average, links × classes."""
        net = self.network
        shares = mixes(_BASE, time_ms)
        vehicles_s = net.source_pcu_s * demand(time_ms)[net.road] / (shares @ PCU)[net.road]
        return np.asarray(vehicles_s[:, None] * STEP_S * shares[net.road])
