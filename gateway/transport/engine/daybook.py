"""The bins of a local day, quarter by quarter, until the day is closed and summed up."""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from gateway.transport.engine.quarters import QUARTER_MS
from gateway.transport.series import Bins

DAY_MS = 86_400_000
QUARTERS = DAY_MS // QUARTER_MS
_MOST_DAYS = 3
_MS_PER_MIN = 60_000


class DayBook:
    """Bins of lanes and stations by quarter of an hour.

    Args:
        utc_offset_min: of the local day.
    """

    def __init__(self, utc_offset_min: int) -> None:
        self._offset_ms = utc_offset_min * _MS_PER_MIN
        self._kept: dict[int, dict[int, tuple[Bins, Bins]]] = {}  # day → quarter → bins

    def day_of(self, time_ms: int) -> int:
        """Return the local day of a moment."""
        return (time_ms + self._offset_ms) // DAY_MS

    def start_ms(self, day: int) -> int:
        """Return when a local day begins."""
        return day * DAY_MS - self._offset_ms

    def put(self, quarter: int, lanes: Bins, stations: Bins) -> int:
        """Keep a quarter; return its day."""
        day = self.day_of(quarter * QUARTER_MS)
        self._kept.setdefault(day, {})[quarter] = _slim(lanes), _slim(stations)
        while len(self._kept) > _MOST_DAYS:
            del self._kept[min(one for one in self._kept if one != day)]
        return day

    def missing(self, day: int) -> list[int]:
        """Return the quarters of a day that are not here."""
        first = self.start_ms(day) // QUARTER_MS
        known = self._kept.get(day, {})
        return [one for one in range(first, first + QUARTERS) if one not in known]

    def whole(self, day: int) -> tuple[Bins, Bins]:
        """Return a day of lanes and of stations; every quarter of it is here."""
        quarters = [self._kept[day][one] for one in sorted(self._kept[day])]
        return _joined([one for one, _ in quarters]), _joined([one for _, one in quarters])

    def drop(self) -> None:
        """Forget everything: the road is another one."""
        self._kept.clear()


def _slim(found: Bins) -> Bins:
    """Return bins in half of the room; seven digits are more than a detector has."""
    columns: dict[str, object] = {
        field.name: column.astype(np.float32)
        for field in fields(found)
        if isinstance(column := getattr(found, field.name), np.ndarray)
        and column.dtype == np.float64
    }
    return replace(found, **columns)  # type: ignore[arg-type]  # one for each field


def _joined(parts: Sequence[Bins]) -> Bins:
    columns: dict[str, object] = {}
    for field in fields(parts[0]):
        first = getattr(parts[0], field.name)
        if isinstance(first, np.ndarray):
            joined = np.concatenate([getattr(one, field.name) for one in parts], axis=-1)
            columns[field.name] = joined.astype(np.float64) if joined.dtype.kind == "f" else joined
    return replace(parts[0], **columns)  # type: ignore[arg-type]  # one for each field
