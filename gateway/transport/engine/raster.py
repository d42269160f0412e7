"""At which interval the lanes of a site measure, and which rows are of another one."""

from functools import lru_cache

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray, ReadingBatch
from gateway.transport.placing import interval_of
from gateway.transport.series import BIN_MS

_LEAST_STEP_MS = 4_000  # two rows that are nearer are one that came twice
_MOST_VOTES = 5
_NEAR = 1.5  # steps of clocks that are not quite even
_STEPS = 3  # that say of which interval a row is: a lost one or two say nothing


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


def fits(batch: ReadingBatch, raster_ms: int) -> BoolArray:
    """Return which rows may be of an interval: where many come of a lane, their steps tell.

    A detector that was told to measure more often may still send what it kept from before. A row
    of 30 s that is taken for one of 5 s would be six times the traffic.
    """
    order = np.lexsort((batch.time_ms, batch.device_index))
    device, time_ms = batch.device_index[order], batch.time_ms[order]
    follows = np.r_[False, device[1:] == device[:-1]]  # its lane has an earlier row
    step = np.where(follows, np.diff(time_ms, prepend=0), np.inf)
    step[step < _LEAST_STEP_MS] = np.inf
    step[~follows] = np.roll(step, -1)[~follows]
    least: FloatArray = step.copy()  # of its own and those before it
    for back in range(1, _STEPS):
        is_same = device[back:] == device[:-back]
        least[back:] = np.where(is_same, np.minimum(least[back:], step[:-back]), least[back:])
    _, lane, rows = np.unique(device, return_inverse=True, return_counts=True)
    is_told = (rows[lane] > _STEPS) & np.isfinite(least)
    is_other = is_told & ((least > _NEAR * raster_ms) | (least * _NEAR < raster_ms))
    found = np.ones(len(order), np.bool_)
    found[order] = ~is_other
    return found


@lru_cache(maxsize=4096)  # steps of clocks that agree are few, and there is one for each row
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
