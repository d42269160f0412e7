"""From stored rows to the columns of ``series``.

A foreign detector that means to send every 5 s sends every 4.8 or 5.2: of its rows two lie in one
slot now and then, or none. Both are told here, so that ``aggregate`` counts every vehicle once:
offsets say how far apart rows really are, ``surplus`` what the second one counted.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from gateway.model import QUALITY_RANK, FloatArray, IntArray, Quality, ReadingBatch
from gateway.profiles import Profile
from gateway.transport.series import VehicleClass, Vehicles, Window, empty_window
from gateway.views.engineering import engineer

_COLUMNS = {  # column of a profile → field of a window
    "count": "count",
    "cum_count": "cumulative",
    "occ": "occupancy",
    "v_mean": "speed_kmh",
    "v85": "v85_kmh",
}
_CLASS_COLUMNS = {f"n_{one.name.lower()}": int(one) for one in VehicleClass}
_USUAL_MS = (5_000, 10_000, 15_000, 20_000, 30_000, 60_000, 120_000, 300_000, 900_000, 3_600_000)
_NOT_COUNTED = [int(Quality.FAILED), int(Quality.MISSING)]
_SPAN_OF_USUAL = 0.2  # a step this far from a usual interval is still it


class Grid(NamedTuple):
    """Which lanes and slots a window shall have."""

    device_index: IntArray  # ascending
    start_ms: int
    interval_ms: int
    slots: int


class Beside(NamedTuple):
    """Rows that may stand beside the one that a slot shows."""

    at: tuple[IntArray, IntArray]  # lanes, slots
    offset_ms: IntArray
    quality: IntArray
    vehicles: FloatArray
    register: FloatArray


def place(grid: Grid, batches: Iterable[tuple[Profile, ReadingBatch]]) -> Window:
    """Put rows into the slots that end at their times; those of other lanes and times are left out.

    A row belongs to the slot with the nearest end: clocks are wrong by seconds. Of several rows
    for a slot the better grade is taken, of equal ones the first that came; the vehicles of one
    that is an interval away from it are the slot's ``surplus``.
    """
    window = empty_window(*grid)
    for profile, batch in batches:
        place_into(window, profile, batch)
    return window


def place_into(window: Window, profile: Profile, batch: ReadingBatch) -> IntArray:
    """Put further rows into a window, as ``place`` does; return the slots that changed."""
    row, slot = _positions(window, batch)
    placed = _ranked(row, slot, batch)
    row, slot = row[placed], slot[placed]
    is_shown = np.ones(len(placed), np.bool_)
    is_shown[1:] = (row[1:] != row[:-1]) | (slot[1:] != slot[:-1])
    is_shown &= QUALITY_RANK[batch.quality[placed]] < QUALITY_RANK[window.quality[row, slot]]
    at = row[is_shown], slot[is_shown]
    was = Beside(
        at, window.offset_ms[at], window.quality[at], window.count[at], window.cumulative[at]
    )
    came = Beside(
        (row, slot),
        _offset_ms(window, batch)[placed],
        batch.quality[placed],
        _column(profile, batch, "count")[placed],
        _column(profile, batch, "cum_count")[placed],
    )
    _fill(window, profile, batch, placed[is_shown], at)
    further = [_keep_beside(window, rows) for rows in (was, came)]
    return np.unique(np.concatenate([at[1], *further]))


def interval_of(time_ms: IntArray) -> int:
    """Return the interval at which a lane measures, from the times of its rows; 0 unknown."""
    steps_ms = np.diff(np.unique(time_ms))
    if not len(steps_ms):
        return 0
    usual_ms = np.array(_USUAL_MS)
    off = np.abs(float(np.median(steps_ms)) / usual_ms - 1)
    nearest = int(off.argmin())
    return _USUAL_MS[nearest] if off[nearest] <= _SPAN_OF_USUAL else 0


def vehicles_of(profile: Profile, batches: Iterable[ReadingBatch]) -> Vehicles:
    """Return single vehicles in order of time, of a profile such as ``pv1``."""
    rows = list(batches)
    device = _joined([batch.device_index for batch in rows])
    time_ms = _joined([batch.time_ms for batch in rows])
    order = np.lexsort((device, time_ms))
    columns = {
        name: np.concatenate([_column(profile, batch, name) for batch in rows])[order]
        if rows
        else np.zeros(0)
        for name in ("speed", "length", "class", "direction", "gap", "duration", "lane")
    }
    return Vehicles(
        device[order],
        time_ms[order],
        columns["speed"],
        columns["length"],
        _codes(columns, "class"),
        _codes(columns, "direction"),
        columns["gap"],
        columns["duration"],
        _codes(columns, "lane"),
    )


def _positions(grid: Window, batch: ReadingBatch) -> tuple[IntArray, IntArray]:
    """Return row and slot of each reading, row -1 where it has none."""
    if not len(grid.device_index):
        nowhere = np.full(len(batch), -1, np.int64)
        return nowhere, nowhere
    row = np.searchsorted(grid.device_index, batch.device_index)
    row = np.minimum(row, len(grid.device_index) - 1)
    half_ms = grid.interval_ms // 2
    slot = (batch.time_ms - grid.start_ms + half_ms) // grid.interval_ms - 1
    is_ours = grid.device_index[row] == batch.device_index
    is_ours &= (slot >= 0) & (slot < grid.slots)
    return np.where(is_ours, row, -1), slot


def _offset_ms(grid: Window, batch: ReadingBatch) -> IntArray:
    """Return how far from the end of the nearest slot each reading is."""
    half_ms = grid.interval_ms // 2
    found: IntArray = (batch.time_ms - grid.start_ms + half_ms) % grid.interval_ms - half_ms
    return found


def _ranked(row: IntArray, slot: IntArray, batch: ReadingBatch) -> IntArray:
    """Return the readings that have a place, by place, the one to be shown first."""
    placed = np.flatnonzero(row >= 0)
    keys = (batch.record[placed], QUALITY_RANK[batch.quality[placed]], slot[placed], row[placed])
    return placed[np.lexsort(keys)]


def _keep_beside(window: Window, rows: Beside) -> IntArray:
    """Keep the vehicles of rows an interval away from those shown; return the slots changed."""
    apart_ms = np.abs(rows.offset_ms - window.offset_ms[rows.at])
    is_own = (2 * apart_ms > window.interval_ms) & (rows.vehicles >= 0)
    is_own &= ~np.isin(rows.quality, _NOT_COUNTED)
    is_news = is_own & (window.beside_ms[rows.at] == 0)
    at = rows.at[0][is_news], rows.at[1][is_news]
    window.beside_ms[at], window.surplus[at] = rows.offset_ms[is_news], rows.vehicles[is_news]
    is_later = rows.offset_ms[is_news] > window.offset_ms[at]
    window.cumulative[at] = np.where(is_later, rows.register[is_news], window.cumulative[at])
    changed: IntArray = at[1]
    return changed


def _fill(
    window: Window,
    profile: Profile,
    batch: ReadingBatch,
    kept: IntArray,
    at: tuple[IntArray, IntArray],
) -> None:
    window.quality[at] = batch.quality[kept]
    window.reasons[at] = batch.reasons[kept]
    window.status[at] = batch.status[kept]
    window.offset_ms[at] = _offset_ms(window, batch)[kept]
    apart_ms = np.abs(window.beside_ms[at] - window.offset_ms[at])
    is_apart = 2 * apart_ms > window.interval_ms  # else it is the one that is shown now
    window.beside_ms[at] *= is_apart
    window.surplus[at] *= is_apart
    for number, column in enumerate(profile.columns):
        values = batch.values[kept, number]
        if column.name in _COLUMNS:
            target: FloatArray = getattr(window, _COLUMNS[column.name])
            target[at] = engineer(column, values)
        elif column.name in _CLASS_COLUMNS:
            window.class_count[_CLASS_COLUMNS[column.name]][at] = engineer(column, values)


def _column(profile: Profile, batch: ReadingBatch, name: str) -> FloatArray:
    number = profile.column_index(name)
    if number is None:
        return np.full(len(batch), np.nan)
    return engineer(profile.columns[number], batch.values[:, number])


def _codes(columns: Mapping[str, FloatArray], name: str) -> IntArray:
    return np.nan_to_num(columns[name]).astype(np.int64)


def _joined(columns: list[IntArray]) -> IntArray:
    return np.concatenate(columns) if columns else np.zeros(0, np.int64)
