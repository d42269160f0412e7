"""Suspicions of all lanes, and what becomes of them: raised, held, cleared."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.health.faults import Change, Fault

NEVER = 0


class Life(NamedTuple):
    """Of each test (rows are ``Fault``) and lane; what is kept over a restart."""

    onset_ms: IntArray  # when the suspicion under way began, NEVER where there is none
    since_ms: IntArray  # of the fault that stands, NEVER where there is none
    found_ms: IntArray
    seen_ms: IntArray  # when it was last true

    def is_active(self) -> BoolArray:
        """Return which faults stand, (faults, lanes)."""
        active: BoolArray = self.since_ms != NEVER
        return active


def begun(lanes: int) -> Life:
    """Return lanes of which nothing is known."""
    return Life(*(np.zeros((len(Fault), lanes), np.int64) for _ in range(4)))


def live(
    life: Life,
    now_ms: int,
    is_true: BoolArray,
    value: FloatArray,
    hold_ms: IntArray | int,
) -> tuple[Life, list[Change]]:
    """Raise what has become true, clear what has not been true for ``hold_ms``.

    Args:
        life: before; not changed.
        now_ms: end of the interval.
        is_true: (faults, lanes).
        value: (faults, lanes), goes into the changes.
        hold_ms: how long a fault stands after it was last true; one for all, or (faults, 1).
    """
    active = life.is_active()
    raised = is_true & ~active
    cleared = active & ~is_true & (now_ms - life.seen_ms >= hold_ms)
    seen = np.where(is_true, now_ms, life.seen_ms)
    if not (raised.any() or cleared.any()):
        return life._replace(seen_ms=seen), []
    began = np.where(life.onset_ms != NEVER, life.onset_ms, now_ms)
    since = np.where(raised, began, life.since_ms)
    found = np.where(raised, now_ms, life.found_ms)
    changes = _told(raised, since, found, np.zeros_like(seen), value)
    changes += _told(cleared, since, found, seen, value)
    since = np.where(cleared, NEVER, since)
    return life._replace(since_ms=since, found_ms=found, seen_ms=seen), changes


def _told(
    which: BoolArray, since: IntArray, found: IntArray, cleared: IntArray, value: FloatArray
) -> list[Change]:
    fault, lane = np.nonzero(which)
    columns = (column[fault, lane].tolist() for column in (since, found, cleared, value))
    rows = zip(fault.tolist(), lane.tolist(), *columns, strict=True)
    return [Change(Fault(one), *rest) for one, *rest in rows]
