"""The newest reading of each device in one profile: what the next one is compared with."""

import struct
from collections.abc import Iterable, Iterator

import numpy as np

from gateway.model import IntArray, ReadingBatch
from gateway.ports import LatestRow

NEVER = -(1 << 62)
_OPAQUE = struct.Struct("<qq")  # boot, run of equal readings


class Memory:
    """Columns by slot, one slot per device; bounded by the directory's ``max_devices``."""

    def __init__(self, profile: str, width: int) -> None:
        self._profile = profile
        self._slot_of = np.full(0, -1, np.int64)  # by device index
        self._device = np.zeros(0, np.int64)
        self._size = 0
        self.time_ms = np.zeros(0, np.int64)
        self.boot = np.zeros(0, np.int64)
        self.run = np.zeros(0, np.int64)
        self.values = np.zeros((0, width))
        # received_ms, log, seq, status, quality, reasons: only kept for readers
        self._others = np.zeros((0, 6), np.int64)
        self._is_dirty = np.zeros(0, np.bool_)

    def slots(self, device: IntArray) -> IntArray:
        """Return the slot of each device, making those that are new."""
        top = int(device.max())
        if top >= len(self._slot_of):
            more = np.full(max(top + 1, 2 * len(self._slot_of)) - len(self._slot_of), -1, np.int64)
            self._slot_of = np.concatenate([self._slot_of, more])
        slots: IntArray = self._slot_of[device]
        if np.any(slots < 0):
            new = np.unique(device[slots < 0])
            self._reserve(len(new))
            made = np.arange(self._size - len(new), self._size)
            self._slot_of[new] = made
            self._device[made] = new
            self.time_ms[made] = NEVER
            slots = self._slot_of[device]
        return slots

    def remember(
        self, slots: IntArray, rows: ReadingBatch, at: IntArray, boot: IntArray, run: IntArray
    ) -> None:
        """Keep the readings ``at`` of ``rows`` as the newest of their slots."""
        self.time_ms[slots] = rows.time_ms[at]
        self.boot[slots] = boot
        self.run[slots] = run
        self.values[slots] = rows.values[at]
        columns = (rows.received_ms, rows.log, rows.seq, rows.status, rows.quality, rows.reasons)
        for place, column in enumerate(columns):
            self._others[slots, place] = column[at]
        self._is_dirty[slots] = True

    def dirty_rows(self) -> Iterator[LatestRow]:
        """Yield what changed since the last call, and forget that it changed."""
        slots = np.flatnonzero(self._is_dirty[: self._size])
        self._is_dirty[slots] = False
        heads = (self._device[slots].tolist(), self.time_ms[slots].tolist())
        tails = (self.values[slots].astype("<f8"), self.boot[slots], self.run[slots])
        others = self._others[slots].tolist()
        for device, time_ms, other, values, boot, run in zip(*heads, others, *tails, strict=True):
            opaque = values.tobytes(), _OPAQUE.pack(int(boot), int(run))
            yield LatestRow._make((device, self._profile, time_ms, *other, *opaque))

    def restore(self, rows: Iterable[LatestRow]) -> None:
        """Go on from the rows of the last checkpoint."""
        for row in rows:
            slot = int(self.slots(np.array([row.device_index]))[0])
            self.time_ms[slot] = row.time_ms
            self.boot[slot], self.run[slot] = _OPAQUE.unpack(row.memory)
            self.values[slot] = np.frombuffer(row.values, "<f8")
            self._others[slot] = row[3:9]

    def _reserve(self, count: int) -> None:
        self._size += count
        if self._size <= len(self._device):
            return
        room = max(1024, self._size, 2 * len(self._device))
        for name in ("_device", "time_ms", "boot", "run", "values", "_others", "_is_dirty"):
            column = getattr(self, name)
            wider = np.zeros((room, *column.shape[1:]), column.dtype)
            wider[: len(column)] = column
            setattr(self, name, wider)
