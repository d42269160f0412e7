"""At which interval the lanes of a site measure."""

import numpy as np

from gateway.model import IntArray, ReadingBatch
from gateway.transport.placing import interval_of
from gateway.transport.series import BIN_MS

_LEAST_STEP_MS = 4_000  # two rows that are nearer are one that came twice
_MOST_VOTES = 5


class Rasters:
    """Learns the interval of each lane from the times of its rows.

    Args:
        usual_ms: of the profile, until the lanes have said otherwise.
    """

    def __init__(self, usual_ms: int) -> None:
        self._usual_ms = usual_ms
        self._last_ms: dict[int, int] = {}  # by device
        self._known: dict[int, tuple[int, int]] = {}  # its interval, and how sure that is

    def hear(self, batch: ReadingBatch) -> None:
        """Take rows in."""
        order = np.lexsort((batch.time_ms, batch.device_index))
        device, time_ms = batch.device_index[order].tolist(), batch.time_ms[order].tolist()
        for one, at_ms in zip(device, time_ms, strict=True):
            step_ms = at_ms - self._last_ms.get(one, at_ms)
            self._last_ms[one] = max(at_ms, self._last_ms.get(one, 0))
            if step_ms >= _LEAST_STEP_MS and (found := _usual(step_ms)):
                self._known[one] = _voted(self._known.get(one, (found, 0)), found)

    def of(self, device_index: IntArray) -> IntArray:
        """Return the interval of each lane, ms."""
        found = [self._interval(one) for one in device_index.tolist()]
        return np.array(found, np.int64)

    def common(self, device_index: IntArray) -> int:
        """Return the interval of most lanes, that of the profile where nothing is known."""
        known = [one for one in device_index.tolist() if one in self._known]
        if not known:
            return self._usual_ms
        values, counts = np.unique([self._interval(one) for one in known], return_counts=True)
        return int(values[counts.argmax()])

    def _interval(self, device: int) -> int:
        return self._known.get(device, (self._usual_ms, 0))[0]


def _usual(step_ms: int) -> int:
    """Return the interval that a step is, 0 where it is none that bins are made of."""
    found = interval_of(np.array([0, step_ms])) if step_ms <= BIN_MS else 0
    return found if found and BIN_MS % found == 0 else 0


def _voted(known: tuple[int, int], found: int) -> tuple[int, int]:
    """Return an interval and its votes after a further step: one lost row changes no mind."""
    interval_ms, votes = known
    if found == interval_ms:
        return interval_ms, min(votes + 1, _MOST_VOTES)
    return (interval_ms, votes - 1) if votes > 1 else (found, 1)
