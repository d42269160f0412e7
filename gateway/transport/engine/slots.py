"""Intervals that may still change: what came for each, and when one is closed.

An interval is closed when every lane that is on the air has gone beyond it, or when it has been
waited for long enough. Time is that of the data: a recording of yesterday that is played forty
times faster closes its intervals as fast as it comes.
"""

from collections.abc import Iterable
from dataclasses import fields, replace

import numpy as np

from gateway.model import IntArray, ReadingBatch
from gateway.profiles import Profile
from gateway.transport.placing import place_into
from gateway.transport.series import Road, Window, empty_window

GRACE_MS = 5_000  # a row may be that late and still be in time
SILENCE_MS = 600_000  # so long after the last row of anybody intervals pass without rows
_AHEAD_SHARE = 20  # one lane in so many may be ahead of the others
_ACTIVE_SLOTS = 3  # a lane that is further behind is not waited for
_AHEAD_MS = 120_000  # of a clock that is ahead: as the screen of the pipeline
_LAYERED = 3


class Slots:
    """The newest intervals of all lanes, each a window of one slot.

    Args:
        raster_ms: length of an interval.
        history_ms: how long closed ones are kept, for rows that come late.
    """

    def __init__(self, raster_ms: int, history_ms: int) -> None:
        self.raster_ms, self._kept = raster_ms, history_ms // raster_ms
        self._windows: dict[int, Window] = {}  # by begin
        self._heard_ms: dict[int, int] = {}  # begin → when its first row came, wall clock
        self._device_index: IntArray = np.zeros(0, np.int64)
        self._newest_ms: IntArray = np.zeros(0, np.int64)  # of each lane: end of its newest slot
        self._last_ms = 0  # when anything came, wall clock

    def adopt(self, road: Road) -> None:
        """Go on with the lanes of another road; rows of lanes that stay are kept."""
        old, new = self._device_index, road.device_index
        here = np.flatnonzero(np.isin(new, old))
        there = np.searchsorted(old, new[here])
        self._windows = {
            begin: _spread(window, new, here, there) for begin, window in self._windows.items()
        }
        newest = np.zeros(len(new), np.int64)
        newest[here] = self._newest_ms[there]
        self._device_index, self._newest_ms = new, newest

    def take(self, profile: Profile, batch: ReadingBatch, next_ms: int, now_ms: int) -> IntArray:
        """Put rows in; return the begins of the intervals that changed.

        Args:
            profile: of the rows.
            batch: rows of any lanes and times; what is too old or ahead of the clock is left out.
            next_ms: begin of the next interval to be closed.
            now_ms: when they came.
        """
        half_ms = self.raster_ms // 2
        end_ms = (batch.time_ms + half_ms) // self.raster_ms * self.raster_ms
        oldest_ms = next_ms - (self._kept - 1) * self.raster_ms
        is_ours = (end_ms >= oldest_ms) & (end_ms <= now_ms + _AHEAD_MS)
        is_ours &= np.isin(batch.device_index, self._device_index)
        changed = []
        for end in np.unique(end_ms[is_ours]).tolist():
            begin = end - self.raster_ms
            part = batch.take(np.flatnonzero(is_ours & (end_ms == end)))
            if len(place_into(self.window(begin), profile, part)):
                changed.append(begin)
            self._heard_ms.setdefault(begin, now_ms)
            lane = np.searchsorted(self._device_index, part.device_index)
            np.maximum.at(self._newest_ms, lane, end)
            self._last_ms = now_ms
        return np.array(changed, np.int64)

    def window(self, begin_ms: int) -> Window:
        """Return the rows of an interval, made where there is none."""
        if begin_ms not in self._windows:
            self._windows[begin_ms] = empty_window(self._device_index, begin_ms, self.raster_ms, 1)
        return self._windows[begin_ms]

    def is_closed(self, begin_ms: int, now_ms: int) -> bool:
        """Return whether an interval is closed."""
        end_ms = begin_ms + self.raster_ms
        if now_ms < end_ms:
            return False
        front_ms = self.front_ms
        if front_ms >= end_ms:
            active = self._newest_ms > front_ms - _ACTIVE_SLOTS * self.raster_ms
            if bool((self._newest_ms[active] >= end_ms).all()):
                return True
            heard = (at for begin, at in self._heard_ms.items() if begin >= begin_ms)
            return now_ms >= max(end_ms, min(heard, default=now_ms)) + GRACE_MS
        return now_ms >= max(self._last_ms, end_ms) + SILENCE_MS

    @property
    def first_ms(self) -> int:
        """Return the begin of the oldest interval with a row, 0 where there is none."""
        return min(self._heard_ms, default=0)

    @property
    def front_ms(self) -> int:
        """Return up to where rows have come: no single clock that is ahead decides."""
        if not len(self._newest_ms):
            return 0
        ahead = 1 + len(self._newest_ms) // _AHEAD_SHARE
        return int(np.partition(self._newest_ms, -ahead)[-ahead])

    def following(self, begin_ms: int) -> int:
        """Return the begin of the next interval with a row, 0 where there is none."""
        return min((one for one in self._heard_ms if one >= begin_ms), default=0)

    def forget(self, next_ms: int) -> None:
        """Drop the intervals that no late row can change any more."""
        oldest_ms = next_ms - self._kept * self.raster_ms
        for begin in [one for one in self._windows if one < oldest_ms]:
            del self._windows[begin]
        for begin in [one for one in self._heard_ms if one < oldest_ms]:
            del self._heard_ms[begin]


def joined(windows: Iterable[Window]) -> Window:
    """Return windows of the same lanes that follow each other as one."""
    parts = list(windows)
    columns: dict[str, object] = {
        field.name: np.concatenate([getattr(one, field.name) for one in parts], axis=-1)
        for field in fields(parts[0])
        if isinstance(column := getattr(parts[0], field.name), np.ndarray) and column.ndim > 1
    }
    return replace(parts[0], **columns)  # type: ignore[arg-type]  # one for each field


def _spread(window: Window, device_index: IntArray, here: IntArray, there: IntArray) -> Window:
    """Return the window of other lanes: rows ``there`` become rows ``here``, the rest is blank."""
    made = empty_window(device_index, window.start_ms, window.interval_ms, window.slots)
    for field in fields(made):
        target, source = getattr(made, field.name), getattr(window, field.name)
        if not isinstance(target, np.ndarray) or field.name == "device_index":
            continue
        if target.ndim == _LAYERED:
            target[:, here] = source[:, there]
        else:
            target[here] = source[there]
    return made
