"""Power flow of radial networks: backward/forward sweep, all moments of a step at once.

Shirmohammadi 1988: currents of the loads summed from the leaves up, voltage drops from the root
down, until nothing moves. A node is one conductor of one place; phases do not couple. All
quantities are referred to one voltage level, where a transformer is nothing but its impedance.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Complexes = NDArray[np.complex128]
Nodes = NDArray[np.int64]
_ROUND = 3  # sweeps between two looks at whether it stands
_ROUNDS = 20
_STANDS = 1e-9  # of the source voltage; a power is then off by as little


class DivergedError(ArithmeticError):
    """The network cannot carry the load: there is no voltage that fits."""


class Flow(NamedTuple):
    """Voltages and currents, node by moment."""

    voltage: Complexes
    current: Complexes  # into the node from above, its own load and all below it
    served: Complexes  # power of the load at the node
    lost: NDArray[np.float64]  # heat of the branch into the node, and of its shunt


class Network:
    """A forest whose nodes are ordered so that each level of depth is one run of numbers.

    Args:
        parent: of each node, a smaller number; −1 for a root, whose branch leads to a source.
        impedance: ohms of the branch into each node.
        shunt: siemens to earth at each node (iron of transformers, charging of cables).
    """

    def __init__(self, parent: Nodes, impedance: Complexes, shunt: Complexes) -> None:
        self.parent = parent
        self._z, self._y = impedance[:, None], shunt[:, None]
        self._shunted = np.flatnonzero(shunt)
        self._levels = _levels(parent)
        self._root = self._roots()

    def solve(
        self, power: Complexes, source: Complexes, dead: NDArray[np.bool_] | None = None
    ) -> Flow:
        """Return the flow for loads (VA, nodes × moments).

        Args:
            power: constant power of the load at each node.
            source: volts above each root, in the order of the roots, × moments.
            dead: nodes × moments cut off from any source; they must have no load either.

        Raises:
            DivergedError: the load is more than the network can carry.
        """
        shunt = np.repeat(self._y[self._shunted], power.shape[1], axis=1)
        if dead is not None:
            shunt[dead[self._shunted]] = 0
        voltage, load, current = self._settle(power, source, shunt)
        if dead is not None:
            voltage[dead] = 0
        lost = np.abs(current) ** 2 * self._z.real
        lost[self._shunted] += np.abs(voltage[self._shunted]) ** 2 * shunt.real
        return Flow(voltage, current, voltage * np.conj(load), lost)

    def _settle(
        self, power: Complexes, source: Complexes, shunt: Complexes
    ) -> tuple[Complexes, Complexes, Complexes]:
        wanted, voltage = np.conj(power), source[self._root]
        load, current = np.empty_like(wanted), np.empty_like(wanted)
        left = np.arange(power.shape[1])
        for _ in range(_ROUNDS):
            known = _Known(wanted[:, left], source[:, left], shunt[:, left])
            part = self._sweep(known, voltage[:, left])
            moved = np.abs(part[0] - voltage[:, left]).max(axis=0)
            voltage[:, left], load[:, left], current[:, left] = part
            left = left[moved > _STANDS * np.abs(source[0, left])]
            if not left.size:
                return voltage, load, current
        raise DivergedError(f"no voltage carries {power.real.sum(axis=0).max():.0f} W")

    def _sweep(self, known: "_Known", voltage: Complexes) -> tuple[Complexes, Complexes, Complexes]:
        for _ in range(_ROUND - 1):
            through = self._sum_up(known.wanted / np.conj(voltage), voltage, known.shunt)
            voltage = self._drop_down(through, known.source)
        load: Complexes = known.wanted / np.conj(voltage)
        through = self._sum_up(load, voltage, known.shunt)
        return self._drop_down(through, known.source), load, through

    def _roots(self) -> Nodes:
        """Return for each node the number of its root among the roots."""
        root = np.empty(self.parent.size, dtype=np.int64)
        first = self._levels[0]
        root[: first.end] = np.arange(first.end)
        for level in self._levels[1:]:
            root[level.start : level.end] = root[self.parent[level.start : level.end]]
        return root

    def _sum_up(self, drawn: Complexes, voltage: Complexes, shunt: Complexes) -> Complexes:
        through = drawn.copy()
        through[self._shunted] += voltage[self._shunted] * shunt
        for level in reversed(self._levels[1:]):
            below = through[level.start : level.end]
            through[level.parents] += np.add.reduceat(below, level.runs, axis=0)
        return through

    def _drop_down(self, through: Complexes, source: Complexes) -> Complexes:
        voltage = through * -self._z
        voltage[: self._levels[0].end] += source
        for level in self._levels[1:]:
            voltage[level.start : level.end] += voltage[self.parent[level.start : level.end]]
        return voltage


class _Known(NamedTuple):
    """What does not change from sweep to sweep."""

    wanted: Complexes  # conjugate powers
    source: Complexes
    shunt: Complexes  # of the nodes that have one


class _Level(NamedTuple):
    start: int
    end: int
    parents: Nodes  # each once
    runs: Nodes  # where the children of each begin, counted from ``start``


def _levels(parent: Nodes) -> Sequence[_Level]:
    depth = np.zeros(parent.size, dtype=np.int64)
    for node, above in enumerate(parent.tolist()):
        depth[node] = depth[above] + 1 if above >= 0 else 0
    edges = [*np.flatnonzero(np.diff(depth, prepend=-1)).tolist(), parent.size]
    levels = []
    for start, end in pairwise(edges):
        parents, runs = np.unique(parent[start:end], return_index=True)
        if (np.diff(parent[start:end]) < 0).any():
            raise ValueError("children of a node must stand together, in the order of the parents")
        levels.append(_Level(start, end, parents, runs))
    if len(levels) != depth.max() + 1:
        raise ValueError("nodes must be ordered by their depth")
    return levels


def by_depth(parent: Sequence[int]) -> Nodes:
    """Return an order of nodes that ``Network`` takes: by depth, siblings together."""
    order: list[int] = []
    level = [node for node, above in enumerate(parent) if above < 0]
    children: list[list[int]] = [[] for _ in parent]
    for node, above in enumerate(parent):
        if above >= 0:
            children[above].append(node)
    while level:
        order.extend(level)
        level = [child for node in level for child in children[node]]
    return np.array(order, dtype=np.int64)
