"""When devices take their readings, by their own clocks, and registers at those moments."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.city.frame import Floats, Ints

MICRO = 1_000_000  # registers are kept in µWh: integers, so that a year adds up exactly
_MS_PER_HOUR = 3_600_000


class Rows(NamedTuple):
    """Readings that fall into a step."""

    device: NDArray[np.int64]
    slot: NDArray[np.int64]
    part: Floats  # how much of the slot has passed
    at_ms: Ints
    time_ms: Ints

    def keep(self, wanted: NDArray[np.bool_]) -> "Rows":
        """Return some of the rows."""
        return Rows(
            *(self.device[wanted], self.slot[wanted], self.part[wanted]),
            *(self.at_ms[wanted], self.time_ms[wanted]),
        )


class Clocks:
    """The clocks of some devices, all with an error, some of them drifting.

    Args:
        ahead_ms: of each device.
    """

    def __init__(self, ahead_ms: Ints) -> None:
        self._ahead_ms = ahead_ms[:, None]

    def due(
        self, edges: Ints, interval_ms: int, drifts: Mapping[int, tuple[Floats, Floats]]
    ) -> Rows:
        """Return the readings that are due on the grid of each device's clock.

        A row is due in the slot at whose end its time has come. A clock that is set back meets
        the same times again, as a meter does.
        """
        begin = edges[:-1] + self._ahead_ms
        end = edges[1:] + self._ahead_ms
        for number, (before, after) in drifts.items():
            begin[number] += before.astype(np.int64)
            end[number] += after.astype(np.int64)
        first, last = begin // interval_ms + 1, end // interval_ms
        count = np.maximum(last - first + 1, 0)
        where = np.nonzero(count)
        many = count[where]
        device, slot = np.repeat(where[0], many), np.repeat(where[1], many)
        ordinal = np.arange(device.size) - np.repeat(np.cumsum(many) - many, many)
        time_ms = (first[device, slot] + ordinal) * interval_ms
        began, lasts = begin[device, slot], (end - begin)[device, slot]
        part = (time_ms - began) / lasts
        at_ms = edges[slot] + np.rint(part * (edges[slot + 1] - edges[slot])).astype(np.int64)
        return Rows(device, slot, part, at_ms, time_ms)


class Register:
    """Cumulative registers of some devices."""

    def __init__(self, start_wh: Ints) -> None:
        self.micro = start_wh * MICRO

    def advance(self, power_w: Floats, slot_ms: int) -> "Course":
        """Let a step pass: watts (or vars) by device × slot, none of them negative."""
        added = np.rint(power_w * (slot_ms / _MS_PER_HOUR * MICRO)).astype(np.int64)
        begin = self.micro[:, None] + np.cumsum(added, axis=1) - added
        self.micro = self.micro + added.sum(axis=1)
        return Course(begin, added)


class Course(NamedTuple):
    """Registers through a step."""

    begin: Ints  # at the begin of each slot, µWh
    added: Ints

    def at(self, rows: Rows) -> Ints:
        """Return what stands in the registers at the readings, Wh."""
        place = (rows.device, rows.slot)
        within = np.rint(self.added[place] * rows.part).astype(np.int64)
        return (self.begin[place] + within) // MICRO
