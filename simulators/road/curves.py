"""Cumulative flows of one window, and what can be read off them (Newell 1993).

Vehicle k is at a place when the cumulative flow there reaches k's number: on one link vehicles do
not overtake in the fluid, so a vehicle keeps its number from the link's entry to its end.
"""

from typing import NamedTuple

import numpy as np

from simulators.road.cells import Cells
from simulators.road.diagram import Floats, Ints
from simulators.road.network import STEP_S


class Moment(NamedTuple):
    """A time within a window: whole steps, and the part of the next one."""

    step: Ints
    part: Floats

    @property
    def seconds(self) -> Floats:
        """Seconds after the begin of the window."""
        return (self.step + self.part) * STEP_S


class Curves:
    """Each array: (steps + 1) × links, at the ends of the steps."""

    def __init__(self, cells: Cells, steps: int) -> None:
        self._cells, self._at = cells, 0
        shape = (steps + 1, cells.network.last.size)
        self.entered, self.passed = np.empty(shape), np.empty(shape)
        self.moved_m = np.empty(shape)
        # by place: the links, then their sources
        self.left = np.empty((steps + 1, 2 * shape[1]))
        self.note()

    def note(self) -> None:
        """Write down where the fluid is now."""
        cells, at, links = self._cells, self._at, self.entered.shape[1]
        self.entered[at], self.passed[at] = cells.entered, cells.passed
        self.moved_m[at] = cells.moved_m
        self.left[at, :links], self.left[at, links:] = cells.left, cells.released
        self._at += 1


def when(curve: Floats, column: Ints, level: Floats) -> Moment:
    """Return when the curves of these columns reach these levels; at the end if they do not."""
    step = np.zeros(column.size, dtype=np.int64)
    for row in curve[1:]:
        step += row[column] < level
    step = np.minimum(step, curve.shape[0] - 2)
    low, high = curve[step, column], curve[step + 1, column]
    rise = high - low
    part = np.where(rise > 0, (level - low) / np.where(rise > 0, rise, 1.0), 1.0)
    return Moment(step, np.clip(part, 0.0, 1.0))


def height(curve: Floats, column: Ints, moment: Moment) -> Floats:
    """Return the height of the curves of these columns at these moments."""
    low, high = curve[moment.step, column], curve[moment.step + 1, column]
    return np.asarray(low + (high - low) * moment.part)
