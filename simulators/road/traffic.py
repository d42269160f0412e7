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
STEP_MS = STEP_S * 1000
_BASE = np.array([MIX[road] for road in ROADS])


class Window(NamedTuple):
    """What happened in one window."""

    from_ms: int
    to_ms: int
    curves: Curves
    stations: Passages
    ends: Passages

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return (self.to_ms - self.from_ms) / 1000


class Traffic:
    """The roads; a window is a function of seed, network and what was done to the cells."""

    def __init__(self, network: Network, seed: int, window_ms: int = WINDOW_MS) -> None:
        if window_ms < STEP_MS or window_ms % STEP_MS:
            raise ValueError(f"a window of {window_ms} ms is not of whole steps of {STEP_MS} ms")
        self.window_ms = window_ms
        self.network = network
        self.cells = Cells(network)
        self.vehicles = Vehicles(network, seed)

    def window(self, from_ms: int) -> Window:
        """Let a window pass."""
        steps = self.window_ms // STEP_MS
        arriving = self.vehicles.arrive(from_ms // STEP_MS, steps, self._mean(from_ms))
        curves = Curves(self.cells, steps)
        for step in range(steps):
            self.cells.step(from_ms / 1000 + step * STEP_S, arriving[step])
            curves.note()
        stations, ends = self.vehicles.ride(curves)
        return Window(from_ms, from_ms + self.window_ms, curves, stations, ends)

    def _mean(self, time_ms: int) -> Floats:
        """Return the vehicles that a step brings on average, links × classes."""
        net = self.network
        shares = mixes(_BASE, time_ms)
        vehicles_s = net.source_pcu_s * demand(time_ms)[net.road] / (shares @ PCU)[net.road]
        return np.asarray(vehicles_s[:, None] * STEP_S * shares[net.road])
