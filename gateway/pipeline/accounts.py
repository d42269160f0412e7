"""The books: every message and every reading ends in exactly one column."""

from collections.abc import Iterable, Iterator
from enum import IntEnum

import numpy as np

from gateway.model import IntArray
from gateway.ports import CountRow, Totals

_LAST_RECEIVED, _WIDTH = 6, 7


class Fate(IntEnum):
    """How a reading or a message ends. The numbers are columns of the books."""

    STORED = 0
    DUPLICATE = 1
    QUARANTINED = 2


_MESSAGES = 3  # a message's column lies this far behind that of a reading


class Accounts:
    """Counts by device; line 0 is device −1, what belongs to no device.

    One line per device index, so bounded by the directory's ``max_devices``.
    """

    def __init__(self) -> None:
        self._lines = np.zeros((1, _WIDTH), np.int64)
        self._is_dirty = np.zeros(1, np.bool_)
        self._states: dict[int, str] = {}
        self._requeued = 0

    def count_readings(self, fate: Fate, devices: IntArray) -> None:
        """Count one reading for each element of ``devices``."""
        self._count(fate, devices)

    def count_messages(self, fate: Fate, devices: IntArray) -> None:
        """Count one message for each element of ``devices``."""
        self._count(_MESSAGES + fate, devices)

    def quarantine(self, device: int, readings: int, messages: int) -> None:
        """Add to what a device has in quarantine; negative numbers take it back."""
        line = self._line(device)
        self._lines[line, Fate.QUARANTINED] += readings
        self._lines[line, _MESSAGES + Fate.QUARANTINED] += messages

    def requeue(self) -> None:
        """Count a journal record that stands for a message received earlier."""
        self._requeued += 1

    def heard(self, devices: IntArray, received_ms: IntArray) -> None:
        """Note when devices were last heard."""
        self._reserve(devices)
        np.maximum.at(self._lines[:, _LAST_RECEIVED], devices + 1, received_ms)

    def set_state(self, device: int, state: str) -> None:
        """Note that a device is online or lost."""
        self._line(device)
        self._states[device] = state

    def totals(self, last_number: int) -> Totals:
        """Return the sums; ``last_number`` is the highest journal record known."""
        sums = self._lines[:, :_LAST_RECEIVED].sum(axis=0).tolist()
        return Totals(last_number - self._requeued, *sums)

    def dirty_rows(self) -> Iterator[CountRow]:
        """Yield the lines that changed since the last call, and forget that they changed."""
        dirty = np.flatnonzero(self._is_dirty)
        self._is_dirty[dirty] = False
        for line, values in zip(dirty.tolist(), self._lines[dirty].tolist(), strict=True):
            yield CountRow._make((line - 1, *values, self._states.get(line - 1, "")))

    def restore(self, rows: Iterable[CountRow], next_number: int) -> None:
        """Go on from a checkpoint whose cursor stands before ``next_number``.

        Every record before it has one fate, save those that were requeued: so many there were.
        """
        for row in rows:
            line = self._line(row.device_index)  # may put a longer array in place
            self._lines[line] = row[1:-1]
            if row.state:
                self._states[row.device_index] = row.state
        self._is_dirty[:] = False
        self._requeued = 0
        fates = self._lines[:, _MESSAGES:_LAST_RECEIVED].sum()
        self._requeued = next_number - 1 - int(fates)

    def _count(self, column: int, devices: IntArray) -> None:
        self._reserve(devices)
        np.add.at(self._lines[:, column], devices + 1, 1)

    def _line(self, device: int) -> int:
        self._reserve(np.array([device]))
        return device + 1

    def _reserve(self, devices: IntArray) -> None:
        needed = int(devices.max(initial=-1)) + 2
        if needed > len(self._lines):
            more = max(needed, 2 * len(self._lines)) - len(self._lines)
            self._lines = np.concatenate([self._lines, np.zeros((more, _WIDTH), np.int64)])
            self._is_dirty = np.concatenate([self._is_dirty, np.zeros(more, np.bool_)])
        self._is_dirty[devices + 1] = True
