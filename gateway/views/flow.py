"""How much came in the last hour and how soon it could be read, remembered in steps."""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from gateway.stats import BUCKETS_S, Sample

STEP_S = 10.0
_STEPS = 360  # an hour
_SOON_STEPS = 6  # a minute: long enough for a percentile, short enough to show what is now
_SHARE = 0.99
_DELAY = "infragate_end_to_end_seconds"


class Mark(NamedTuple):
    """What had been counted at one moment."""

    time_ms: int
    received: int  # readings
    delays: tuple[int, ...]  # histogram buckets, not cumulative


class Flow:
    """Bounded; sampled by one timer, read by every board."""

    def __init__(self) -> None:
        self._marks: deque[Mark] = deque(maxlen=_STEPS + 1)
        self._lock = threading.Lock()

    def sample(self, time_ms: int, received: int, samples: Iterable[Sample]) -> None:
        """Remember the counters as they are now."""
        delays = next((one.buckets for one in samples if one.name == _DELAY), ())
        with self._lock:
            self._marks.append(Mark(time_ms, received, tuple(delays)))

    def rates(self) -> list[tuple[int, float]]:
        """Return (time, readings a second) of each step, oldest first."""
        with self._lock:
            marks = list(self._marks)
        return [
            (end.time_ms, 1000 * (end.received - begin.received) / (end.time_ms - begin.time_ms))
            for begin, end in pairwise(marks)
            # a clock set back, a store put in another's place: no rate can be told
            if end.time_ms > begin.time_ms and end.received >= begin.received
        ]

    def soon_s(self) -> float | None:
        """Return within how many seconds 99 % of the last minute's messages could be read.

        None where none came; infinity where it is beyond the last bucket.
        """
        with self._lock:
            if not self._marks:
                return None
            newest = self._marks[-1]
            before = self._marks[max(0, len(self._marks) - 1 - _SOON_STEPS)]
        return quantile_s(_since(before.delays, newest.delays), _SHARE)


def _since(before: Sequence[int], now: Sequence[int]) -> list[int]:
    if len(before) != len(now) or any(b > n for b, n in zip(before, now, strict=True)):
        return list(now)  # the process was started again: it counts from zero
    return [n - b for b, n in zip(before, now, strict=True)]


def quantile_s(buckets: Sequence[int], share: float) -> float | None:
    """Return the bound below which a share of the observations lies, None where there are none."""
    total, seen = sum(buckets), 0
    for bound_s, count in zip((*BUCKETS_S, float("inf")), buckets, strict=False):
        seen += count
        if total and seen >= share * total:
            return bound_s
    return None
