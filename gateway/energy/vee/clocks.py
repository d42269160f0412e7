"""How far a meter's clock is off the gateway's, by when its readings came: what V01 asks.

A reading comes at its time or later, never before: one that comes early shows a clock that is
ahead by at least as much. A late one shows a clock that is behind, or a meter that waited for its
turn, or a slow link; so a local day's earliest tenth speaks for all of it, and what a link and a
turn may take (``delay_s``) is believed. The day is judged by its own readings alone: worked out
again, in whichever window, the same comes out.
"""

import numpy as np

from gateway.energy.calendar import Calendar
from gateway.energy.series import Window
from gateway.energy.vee.policy import TimeSync
from gateway.model import FloatArray

_MS_PER_S = 1000


def clock_offsets(window: Window, calendar: Calendar, policy: TimeSync) -> FloatArray | None:
    """Return device clock less gateway clock (ms), (meters, marks); NaN where too little came."""
    if window.late_ms is None:
        return None
    found = np.full(window.late_ms.shape, np.nan)
    of_mark = calendar.day(window.mark_ms() - 1)  # the reading at midnight ends a day
    for day in np.unique(of_mark).tolist():
        here = of_mark == day
        found[:, here] = _of_day(window.late_ms[:, here], policy)[:, None]
    return found


def _of_day(late_ms: FloatArray, policy: TimeSync) -> FloatArray:
    """Return the offset of each meter by one day's readings, (meters, marks)."""
    ordered = np.sort(late_ms, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1)
    place = np.minimum((policy.early_share * count).astype(np.int64), np.maximum(count - 1, 0))
    ahead_ms = -np.take_along_axis(ordered, place[:, None], axis=1)[:, 0]
    believed = np.where(
        ahead_ms < 0, np.minimum(ahead_ms + policy.delay_s * _MS_PER_S, 0.0), ahead_ms
    )
    return np.where(count >= policy.readings, believed, np.nan)
