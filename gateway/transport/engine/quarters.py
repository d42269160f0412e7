"""Quarters of an hour from the store: the series that stay, however late a row came.

A quarter is worked out once it is over, and again whenever a row of it comes. It looks five
minutes to either side: the running counter tells what passed in a gap only at both of its ends.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, IntArray, ReadingBatch
from gateway.ports import Alarm
from gateway.profiles import Profile
from gateway.store import StoreReader
from gateway.store.pages import concat
from gateway.transport import aggregate
from gateway.transport.engine.policies import Rules
from gateway.transport.engine.raster import Rasters
from gateway.transport.health import ALARM_KIND, NOT_FAULTS, Fault
from gateway.transport.placing import Grid, place
from gateway.transport.series import BIN_MS, Bins, Road, Window

QUARTER_MS = 900_000
SETTLE_MS = 10_000  # what comes within this time is worked out together
_DAY_MS = 86_400_000
_BINS = QUARTER_MS // BIN_MS
# That a detector was silent says nothing against the rows that came all the same.
FAULT_KINDS = frozenset(
    ALARM_KIND[one] for one in Fault if one not in NOT_FAULTS and one != Fault.NO_DATA
)
_EVERYBODY = (0, 1 << 53)


class Waiting:
    """Quarters that are to be worked out, by the number of quarters since 1970."""

    def __init__(self, due: Iterable[tuple[int, int]] = ()) -> None:
        self._due_ms = dict(due)

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._due_ms)

    def note(self, time_ms: IntArray, now_ms: int) -> None:
        """Note the quarters of rows; the row of an interval has the time of its end."""
        for quarter in np.unique((time_ms - 1) // QUARTER_MS).tolist():
            self._due_ms.setdefault(quarter, now_ms + SETTLE_MS)

    def note_span(self, from_ms: int, to_ms: int, now_ms: int) -> None:
        """Note all quarters of a time."""
        first, last = (from_ms - 1) // QUARTER_MS, (to_ms - 1) // QUARTER_MS
        self.note_all(range(first, last + 1), now_ms)

    def note_all(self, quarters: Iterable[int], now_ms: int) -> None:
        """Note quarters."""
        for quarter in quarters:
            self._due_ms.setdefault(quarter, now_ms)

    def note_faults(self, alarms: Iterable[Alarm], end_ms: int) -> None:
        """Note what detectors have counted since they went wrong, as far as a day ago."""
        for one in alarms:
            if one.kind in FAULT_KINDS:
                first = max(one.raised_ms, end_ms - _DAY_MS) // QUARTER_MS
                self.note_all(range(first, end_ms // QUARTER_MS), end_ms)

    def next(self, until_ms: int, now_ms: int) -> int | None:
        """Return the oldest that is due and over, None where there is none.

        Args:
            until_ms: up to where intervals are closed.
            now_ms: wall clock.
        """
        due = (
            quarter
            for quarter, due_ms in self._due_ms.items()
            if due_ms <= now_ms and (quarter + 1) * QUARTER_MS <= until_ms
        )
        return min(due, default=None)

    def done(self, quarter: int) -> None:
        """Forget one that was worked out."""
        self._due_ms.pop(quarter, None)

    def is_waiting(self, from_ms: int, to_ms: int) -> bool:
        """Return whether a quarter of a time waits."""
        return any(from_ms <= one * QUARTER_MS < to_ms for one in self._due_ms)

    def all(self) -> list[tuple[int, int]]:
        """Return them with their times, to be given to the next life."""
        return sorted(self._due_ms.items())


class Rows(NamedTuple):
    """What the store has of a time."""

    profile: Profile
    batches: Sequence[ReadingBatch]


def read(reader: StoreReader, profile: Profile, quarter: int) -> Rows:
    """Return the rows of a quarter and of five minutes to either side."""
    start_ms = quarter * QUARTER_MS
    span = start_ms - BIN_MS, start_ms + QUARTER_MS + BIN_MS + profile.interval_s * 1000
    return Rows(profile, list(reader.rows_of(profile.name, _EVERYBODY, *span)))


def lane_bins(rows: Rows, road: Road, quarter: int, is_bad: BoolArray | None, rules: Rules) -> Bins:
    """Return the three bins of five minutes of each lane; rows are those of the road.

    Args:
        rows: of the quarter, with what is around it.
        road: which lanes there are.
        quarter: its number.
        is_bad: (lanes, bins) with one bin to either side, whom health does not believe.
        rules: policies.
    """
    lanes = len(road.device_index)
    made = aggregate.bins(_blank(road, quarter), BIN_MS, rules.traffic.bins)
    for interval_ms, chosen in _by_interval(rows, road):
        slots = (_BINS + 2) * BIN_MS // interval_ms
        grid = Grid(road.device_index[chosen], quarter * QUARTER_MS - BIN_MS, interval_ms, slots)
        window = place(grid, [(rows.profile, batch) for batch in rows.batches])
        marks = None
        if is_bad is not None:
            marks = np.repeat(is_bad[chosen], BIN_MS // interval_ms, axis=1)
        found = aggregate.bins(window, BIN_MS, rules.traffic.bins, marks)
        if len(chosen) == lanes:
            made = found
            break
        _put(made, found, chosen)
    return made.part(1, 1 + _BINS)


def windows(rows: Rows, road: Road, quarter: int) -> Iterator[tuple[IntArray, Window]]:
    """Yield lanes, by row, and the intervals of a quarter that they measured, without its sides."""
    for interval_ms, chosen in _by_interval(rows, road):
        slots = QUARTER_MS // interval_ms
        grid = Grid(road.device_index[chosen], quarter * QUARTER_MS, interval_ms, slots)
        yield chosen, place(grid, [(rows.profile, batch) for batch in rows.batches])


def _by_interval(rows: Rows, road: Road) -> Iterator[tuple[int, IntArray]]:
    """Yield intervals and the lanes, by row, that measure at them."""
    usual_ms = rows.profile.interval_s * 1000
    if not rows.batches or not len(road.device_index):
        return
    rasters = Rasters(usual_ms)
    rasters.hear(
        concat(rows.batches)
    )  # pages are no order of time: rows of one shape come together
    least = rasters.of(road.device_index)
    for interval_ms in np.unique(least).tolist():
        yield interval_ms, np.flatnonzero(least == interval_ms)


def _blank(road: Road, quarter: int) -> Window:
    grid = Grid(road.device_index, quarter * QUARTER_MS - BIN_MS, BIN_MS, _BINS + 2)
    return place(grid, [])


def _put(made: Bins, found: Bins, chosen: IntArray) -> None:
    for name in ("count", "occupancy", "speed_kmh", "space_kmh", "v85_kmh", "observed"):
        getattr(made, name)[chosen] = getattr(found, name)
    made.class_count[:, chosen] = found.class_count
    made.method[chosen] = found.method
    made.quality[chosen] = found.quality
