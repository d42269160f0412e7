"""The cell-transmission model (Daganzo 1994, 1995): traffic as a fluid, all cells at once.

What a cell can send (at most its capacity) meets what the next can take (at most its capacity, and
no more than a wave brings free room): queues, shock waves and spill-back follow from that alone.
A busy road is slower, in the cells as at the detectors: the free side of the diagram bends.
Cumulative flows are kept at three places of each link, its entry, station and end, since the
vehicles (``vehicles``) ride on them.
"""

import numpy as np

from simulators.road.diagram import Floats
from simulators.road.network import Network

_MAIN_PRIORITY = 0.75  # share of a full link's room that the traffic on the main road takes


class Cells:
    """The fluid: ``pcu`` in each cell, ``waiting`` before each source."""

    def __init__(self, network: Network) -> None:
        self.network = network
        links = network.last.size
        self.pcu: Floats = np.zeros(network.of_cell.size)
        self.waiting: Floats = np.zeros(links)
        # what scenarios change, 1.0 = as built
        self.open_share: Floats = np.ones(network.of_cell.size)  # of a cell's capacity to send
        self.speed_share: Floats = np.ones(links)
        self.exit_share: Floats = np.ones(links)
        # cumulative PCU per link, and metres that traffic at the station has moved
        self.released: Floats = np.zeros(links)  # from the source
        self.entered: Floats = np.zeros(links)
        self.passed: Floats = np.zeros(links)  # the station
        self.left: Floats = np.zeros(links)
        self.moved_m: Floats = np.zeros(links)

    def step(self, time_s: float, arriving_pcu: Floats) -> None:
        """Let ``STEP_S`` pass from ``time_s`` on, with new traffic at the sources."""
        net = self.network
        load = np.minimum(self.pcu / net.critical_pcu, 1.0)
        speed = self.speed_share[net.of_cell] * (1 - net.friction * load)
        most = net.capacity_pcu * self.open_share
        send = np.minimum(self.pcu * speed, most)
        take = np.minimum(net.capacity_pcu, net.wave_share * (net.jam_pcu - self.pcu))
        through = np.empty(send.size + 1)  # flow into each cell, and past the last
        np.minimum(send[:-1], take[1:], out=through[1:-1])
        through[-1] = 0.0
        wanted = self._at_the_end(time_s, send)
        self.waiting += arriving_pcu
        main, side = self._meet(wanted, take[net.first])
        left = wanted.copy()  # out of the network there is always room
        left[net.behind] = main[net.ahead] / net.onward[net.behind]
        self._measure(through, speed)
        through[net.first] = main + side
        out = through[1:].copy()
        out[net.last] = left
        self.pcu += through[:-1] - out
        self.waiting -= side
        self.released += side
        self.entered += main + side
        self.left += left

    def _at_the_end(self, time_s: float, send: Floats) -> Floats:
        """Return what wants to leave each link: signals and plazas hold it back."""
        net = self.network
        most = net.capacity_pcu[net.last] * net.green(time_s)
        gate = np.minimum(most, net.exit_pcu) * self.exit_share
        return np.minimum(send[net.last], gate)

    def _meet(self, wanted: Floats, room: Floats) -> tuple[Floats, Floats]:
        """Return what enters each link from the link before and from its source."""
        net = self.network
        main = np.zeros(room.size)
        main[net.ahead] = wanted[net.behind] * net.onward[net.behind]
        side = np.minimum(self.waiting, net.capacity_pcu[net.first])
        full = main + side > room
        shared = _middle(main, room - side, _MAIN_PRIORITY * room)
        return np.where(full, shared, main), np.where(full, room - shared, side)

    def _measure(self, through: Floats, speed: Floats) -> None:
        """Move what the stations see: flow, and flow over density is the speed."""
        net = self.network
        flow, before = through[net.station], self.pcu[net.station - 1]
        share = np.where(before > 0, flow / np.maximum(before, 1e-12), speed[net.station])
        self.passed += flow
        self.moved_m += share * net.cell_m[net.station]

    def inside(self) -> Floats:
        """Return the PCU on each link."""
        return np.asarray(np.add.reduceat(self.pcu, self.network.first))


def _middle(one: Floats, two: Floats, three: Floats) -> Floats:
    """Return the median of three, element by element."""
    low, high = np.minimum(one, two), np.maximum(one, two)
    return np.maximum(low, np.minimum(high, three))
