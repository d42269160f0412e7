"""From stored readings to a window: V02, V03 and V05, and what each column of a profile means.

A reading belongs to the mark of its time. Meters that send more often than the window's interval
lose nothing: the registers at the marks carry what was used between.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gateway.energy.series import Phases, Window, empty_window
from gateway.model import QUALITY_RANK, BoolArray, FloatArray, IntArray, ReadingBatch, Reason
from gateway.profiles import Profile
from gateway.units import UNITS
from gateway.views.engineering import engineer

_COLUMNS = {  # column of a profile → field of a window
    "ea_imp": "import_wh",
    "ea_exp": "export_wh",
    "p": "power_w",
    "u": "voltage_v",
    "i": "current_a",
    "pf": "power_factor",
    "er_imp": "reactive_import_varh",
    "er_exp": "reactive_export_varh",
    "q": "reactive_power_var",
    "f": "frequency_hz",
}
_PHASE_COLUMNS = {"p_l": "power_w", "u_l": "voltage_v", "i_l": "current_a"}
_PHASE_DIGITS = ("1", "2", "3")


class Conflict(NamedTuple):
    """V05: two readings of one meter and time that differ; both are kept, one is shown."""

    device_index: int
    time_ms: int
    shown_wh: float
    hidden_wh: float


class Grid(NamedTuple):
    """Which meters and marks a window shall have."""

    device_index: IntArray
    start_ms: int
    interval_ms: int
    slots: int
    tolerance_ms: float = 0.0  # V03
    phases: bool = False


class Placed(NamedTuple):
    """A window, and what of the readings is not in it."""

    window: Window
    duplicates: int  # V02
    conflicts: list[Conflict]  # V05
    off_grid: int  # V03: at no multiple of the meter's own interval


def place(grid: Grid, batches: Iterable[tuple[Profile, ReadingBatch]]) -> Placed:
    """Put readings on the marks of a window; those of other meters and times are ignored."""
    window = empty_window(
        grid.device_index, grid.start_ms, grid.interval_ms, grid.slots, phases=grid.phases
    )
    duplicates = off_grid = 0
    conflicts: list[Conflict] = []
    for profile, batch in batches:
        row, mark, is_off = _positions(grid, profile, batch)
        off_grid += int(is_off.sum())
        order, is_first, first = _winners(row, mark, batch)
        shown = order[is_first]
        _fill(window, profile, batch, (row[shown], mark[shown]), shown)
        hidden = order[~is_first]
        is_same = _same(batch.values[hidden], batch.values[first[~is_first]])
        duplicates += int(is_same.sum())
        pairs = zip(hidden[~is_same].tolist(), first[~is_first][~is_same].tolist(), strict=True)
        for lost, kept in pairs:
            window.reasons[row[kept], mark[kept]] |= int(Reason.CONFLICT)
            conflicts.append(_conflict(profile, batch, lost, kept))
    return Placed(window, duplicates, conflicts, off_grid)


def gauges(
    grid: Grid, batches: Iterable[tuple[Profile, ReadingBatch]], names: Iterable[str]
) -> dict[str, FloatArray]:
    """Return other columns at the same marks, (meters, marks) in SI units, NaN = unknown."""
    shape = (len(grid.device_index), grid.slots + 1)
    found = {name: np.full(shape, np.nan) for name in names}
    for profile, batch in batches:
        row, mark, _ = _positions(grid, profile, batch)
        order, is_first, _ = _winners(row, mark, batch)
        shown = order[is_first]
        for name, into in found.items():
            number = profile.column_index(name)
            if number is not None:
                column = profile.columns[number]
                factor = UNITS[column.unit][1]
                into[row[shown], mark[shown]] = (
                    engineer(column, batch.values[shown, number]) * factor
                )
    return found


def _positions(
    grid: Grid, profile: Profile, batch: ReadingBatch
) -> tuple[IntArray, IntArray, BoolArray]:
    """Return row and mark of each reading, -1 where it has none, and which are off their grid."""
    if not len(grid.device_index):
        nowhere = np.full(len(batch), -1, np.int64)
        return nowhere, nowhere, np.zeros(len(batch), np.bool_)
    order = np.argsort(grid.device_index)
    sorted_index = grid.device_index[order]
    found = np.minimum(np.searchsorted(sorted_index, batch.device_index), len(order) - 1)
    is_ours = sorted_index[found] == batch.device_index
    since_ms = batch.time_ms - grid.start_ms
    mark = np.floor_divide(since_ms + grid.interval_ms // 2, grid.interval_ms)
    is_at_mark = np.abs(since_ms - mark * grid.interval_ms) <= grid.tolerance_ms
    own_ms = profile.interval_s * 1000 or grid.interval_ms
    off_ms = np.minimum(since_ms % own_ms, -since_ms % own_ms)
    is_inside = is_ours & (mark >= 0) & (mark <= grid.slots)
    is_off = is_inside & (off_ms > grid.tolerance_ms) & ~is_at_mark
    row = np.where(is_inside & is_at_mark, order[found], -1)
    return row, mark, is_off


def _winners(
    row: IntArray, mark: IntArray, batch: ReadingBatch
) -> tuple[IntArray, BoolArray, IntArray]:
    """Return placed readings sorted, which is shown of its place, and for each the one shown."""
    placed = np.flatnonzero(row >= 0)
    rank = QUALITY_RANK[batch.quality[placed]]
    keys = (batch.record[placed], rank, mark[placed], row[placed])
    order = placed[np.lexsort(keys)]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (row[order][1:] != row[order][:-1]) | (mark[order][1:] != mark[order][:-1])
    leader = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    return order, is_first, order[leader] if len(order) else order


def _fill(
    window: Window,
    profile: Profile,
    batch: ReadingBatch,
    place_of: tuple[IntArray, IntArray],
    shown: IntArray,
) -> None:
    window.quality[place_of] = batch.quality[shown]
    window.reasons[place_of] = batch.reasons[shown]
    window.status[place_of] = batch.status[shown]
    for number, column in enumerate(profile.columns):
        target = _target(window, column.name)
        if target is not None:
            factor = UNITS[column.unit][1]
            target[place_of] = engineer(column, batch.values[shown, number]) * factor
    if window.phases is not None and profile.column_index("u_l1") is not None:
        _sum_up(window, window.phases, place_of)


def _target(window: Window, name: str) -> FloatArray | None:
    if name in _COLUMNS:
        column: FloatArray | None = getattr(window, _COLUMNS[name])
        return column
    stem, digit = name[:-1], name[-1]
    if window.phases is None or stem not in _PHASE_COLUMNS or digit not in _PHASE_DIGITS:
        return None
    of_phases: FloatArray = getattr(window.phases, _PHASE_COLUMNS[stem])
    layer: FloatArray = of_phases[int(digit) - 1]  # a view: filled in place
    return layer


def _sum_up(window: Window, phases: Phases, place_of: tuple[IntArray, IntArray]) -> None:
    """Fill the columns that stand for all three phases."""
    row, mark = place_of
    window.voltage_v[place_of] = phases.voltage_v[:, row, mark].mean(axis=0)
    window.current_a[place_of] = phases.current_a[:, row, mark].sum(axis=0)


def _same(one: FloatArray, other: FloatArray) -> BoolArray:
    same: BoolArray = ((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1)
    return same


def _conflict(profile: Profile, batch: ReadingBatch, lost: int, kept: int) -> Conflict:
    number = profile.column_index("ea_imp") or 0
    shown, hidden = engineer(profile.columns[number], batch.values[[kept, lost], number]).tolist()
    return Conflict(int(batch.device_index[kept]), int(batch.time_ms[kept]), shown, hidden)
