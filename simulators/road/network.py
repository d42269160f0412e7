"""Links of a road network and their cells, as arrays.

A link is one carriageway, all its lanes together, cut into cells that a vehicle at free speed
crosses in one step: thin traffic moves through without numerical diffusion. A link may be followed
by one other; the share ``onward`` of what leaves it goes there, the rest leaves the network. Each
link may have a source of its own: a ramp, a side street, the end of the world.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from simulators.road.diagram import DIAGRAM, ROADS, Diagram, Floats, Ints

STEP_S = 5
NOWHERE = -1


class Signal(NamedTuple):
    """A fixed-time signal at the end of a link."""

    cycle_s: float
    green_s: float
    offset_s: float


class Link(NamedTuple):
    """One carriageway between two nodes."""

    name: str
    road: str
    lanes: int
    cells: int
    station_cell: int  # the detectors are after this many cells
    source_pcu_h: float = 0.0  # at the peak
    next: int = NOWHERE
    onward: float = 1.0
    signal: Signal | None = None
    exit_pcu_h: float = np.inf  # a toll plaza, a gate
    diagram: Diagram | None = None  # None: that of the road

    @property
    def triangle(self) -> Diagram:
        """The fundamental diagram of one lane."""
        return self.diagram or DIAGRAM[self.road]

    @property
    def cell_m(self) -> float:
        """Length of a cell: a step at free speed."""
        return self.triangle.free_kmh / 3.6 * STEP_S


class Network:
    """The links as arrays; cells of a link are neighbours in one flat array."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = tuple(links)
        count = len(self.links)
        cells = np.array([link.cells for link in links], dtype=np.int64)
        self.last: Ints = np.cumsum(cells) - 1
        self.first: Ints = self.last - cells + 1
        self.of_cell: Ints = np.repeat(np.arange(count), cells)
        self.station: Ints = self.first + np.array([link.station_cell for link in links])
        self.lanes = np.array([link.lanes for link in links], dtype=np.float64)
        self.next = np.array([link.next for link in links], dtype=np.int64)
        self.road = np.array([ROADS.index(link.road) for link in links], dtype=np.int64)
        self._connect()
        self.source_pcu_s = np.array([link.source_pcu_h for link in links]) / 3600
        self.exit_pcu = np.array([link.exit_pcu_h for link in links]) / 3600 * STEP_S
        # per cell and step: capacity, room, and the share of a cell that a wave crosses
        triangles = [link.triangle for link in links]
        lanes = self.lanes[self.of_cell]
        self.cell_m = np.array([link.cell_m for link in links])[self.of_cell]
        self.capacity_pcu = self._spread([t.capacity_pcu_h for t in triangles]) * lanes
        self.capacity_pcu *= STEP_S / 3600
        self.friction = self._spread([t.friction for t in triangles])
        self.critical_pcu = self.capacity_pcu / (1 - self.friction)
        self.jam_pcu = self._spread([t.jam_pcu_km for t in triangles]) * lanes * self.cell_m / 1000
        self.wave_share = self._spread([t.wave_kmh for t in triangles]) / 3.6 * STEP_S
        self.wave_share /= self.cell_m
        self._signals()

    def _spread(self, of_links: list[float]) -> Floats:
        return np.array(of_links)[self.of_cell]

    def _connect(self) -> None:
        """Invert ``next``: every link has at most one before it."""
        self.onward = np.array([link.onward for link in self.links])
        self.onward[self.next == NOWHERE] = 0.0
        self.behind: Ints = np.flatnonzero(self.next != NOWHERE)  # links with a follower
        self.ahead: Ints = self.next[self.behind]
        if np.unique(self.ahead).size != self.ahead.size:
            raise ValueError("two links lead into one")

    def _signals(self) -> None:
        signals = [link.signal for link in self.links]
        self.has_signal = np.array([s is not None for s in signals])
        plain = [s or Signal(STEP_S, STEP_S, 0) for s in signals]
        self.cycle_s = np.array([s.cycle_s for s in plain])
        self.green_s = np.array([s.green_s for s in plain])
        self.offset_s = np.array([s.offset_s for s in plain])

    def green(self, time_s: float) -> Floats:
        """Return the share of the step from ``time_s`` on that each link's signal is green."""
        into_s = (time_s + self.offset_s) % self.cycle_s
        end_s = into_s + STEP_S
        shown_s = np.clip(self.green_s, into_s, end_s) - into_s
        # a step over the end of the cycle sees the beginning of the next green
        shown_s += np.clip(end_s - self.cycle_s, 0, self.green_s)
        return np.asarray(shown_s / STEP_S)
