"""Marks at which no reading stands, between two readings near by.

What other makers' meters send every ten seconds or five minutes, at moments of their own, meets no
half hour. There the register lies on the line between the readings around the mark: no Wh is won or
lost, only moved between two slots by as much as the use was uneven between the two readings. The
rest (powers, voltages, status) is that of the nearer one. A register that falls in between was
reset or exchanged: no line leads over that, and the mark stays empty.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from gateway.energy.placing import LeftOut, Sheet, Span
from gateway.energy.series import Window
from gateway.model import QUALITY_RANK, BoolArray, IntArray, Quality, ReadingBatch, Reason
from gateway.profiles import Profile

_REGISTERS = ("import_wh", "export_wh", "reactive_import_varh", "reactive_export_varh")
_GAUGES = (
    *("power_w", "voltage_v", "current_a", "power_factor"),
    *("reactive_power_var", "frequency_hz", "late_ms", "status"),
)
_PHASES = ("power_w", "voltage_v", "current_a")
# of a side: readings of other moments, none of which contradicts another
_NO_CONFLICT = ~int(Reason.CONFLICT)


class BridgedSheet(Sheet):
    """A sheet that also knows the readings nearest to each mark, before it and behind it.

    Args:
        span: the marks.
        bridge_ms: from one reading to the next, at most; 0: no mark is bridged.
    """

    def __init__(self, span: Span, bridge_ms: int) -> None:
        super().__init__(span)
        self._bridge_ms = min(bridge_ms, span.interval_ms - 1)
        self._sides: tuple[Sheet, Sheet] | None = None  # made when a reading beside a mark comes

    @property
    @override
    def cells(self) -> int:
        return super().cells + sum(side.cells for side in self._sides or ())

    @override
    def seen(self, slots: int) -> IntArray:
        seen = super().seen(slots)
        if self._sides is None or not slots:
            return seen
        beside = np.setdiff1d(self._sides[0].seen(slots), seen)
        is_bridged = self.window(beside, 0, slots - 1).is_present().any(axis=1)
        return np.union1d(seen, beside[is_bridged])

    @override
    def add(self, profile: Profile, batch: ReadingBatch) -> LeftOut:
        left_out = super().add(profile, batch)
        number = profile.column_index("ea_imp")  # who tells each value apart has rows without it
        has_register = True if number is None else np.isfinite(batch.values[:, number])
        for side, (mark, off_ms) in enumerate(self._beside(batch)):
            is_near = (off_ms > 0) & (off_ms <= self._bridge_ms) & has_register
            is_near &= (mark >= 0) & (mark <= self.span.slots)
            rows = _nearest(batch, mark, off_ms, np.flatnonzero(is_near))
            if len(rows):
                mark_ms = self.span.start_ms + mark[rows] * self.span.interval_ms
                self._side(side).add(profile, _moved(batch.take(rows), mark_ms, off_ms[rows]))
        return left_out

    @override
    def window(self, device_index: IntArray, first: int = 0, slots: int | None = None) -> Window:
        made = super().window(device_index, first, slots)
        if self._sides is not None:
            before, behind = (side.window(device_index, first, slots) for side in self._sides)
            off = [side.turns(device_index, first, slots) for side in self._sides]
            self._bridge(made, before, behind, off[0], off[1])
        return made

    @override
    def is_near(self, time_ms: IntArray) -> BoolArray:
        since_ms = time_ms - self.span.start_ms
        mark = np.floor_divide(since_ms + self.span.interval_ms // 2, self.span.interval_ms)
        off_ms = np.abs(since_ms - mark * self.span.interval_ms)
        inside = (mark >= 0) & (mark <= self.span.slots)
        return np.asarray(inside & (off_ms <= max(self._bridge_ms, self.span.tolerance_ms)))

    def _beside(self, batch: ReadingBatch) -> tuple[tuple[IntArray, IntArray], ...]:
        """Return for either side the mark that each reading is beside, and how far from it, ms."""
        interval_ms = self.span.interval_ms
        since_ms = batch.time_ms - self.span.start_ms
        passed = np.floor_divide(since_ms, interval_ms)
        behind_ms = since_ms - passed * interval_ms
        return (passed + 1, np.where(behind_ms, interval_ms - behind_ms, 0)), (passed, behind_ms)

    def _side(self, side: int) -> Sheet:
        if self._sides is None:
            span = self.span._replace(tolerance_ms=0.0)
            self._sides = Sheet(span), Sheet(span)
        return self._sides[side]

    def _bridge(
        self, made: Window, before: Window, behind: Window, before_ms: IntArray, behind_ms: IntArray
    ) -> None:
        """Fill in the empty marks that lie between two readings."""
        at = ~made.is_present() & before.is_present() & behind.is_present()
        at &= before_ms + behind_ms <= self._bridge_ms
        at &= ~_falls(before, behind)
        if at.any():
            _draw(made, before, behind, at, before_ms[at], behind_ms[at])


def _falls(before: Window, behind: Window) -> BoolArray:
    """Return at which marks a register is lower behind it than before."""
    falls = np.zeros(before.import_wh.shape, np.bool_)
    for name in _REGISTERS:
        low, high = getattr(before, name), getattr(behind, name)
        if low is not None:
            falls |= high < low  # NaN: not measured, and no fall
    return falls


def _draw(
    made: Window,
    before: Window,
    behind: Window,
    at: BoolArray,
    before_ms: IntArray,
    behind_ms: IntArray,
) -> None:
    share, is_before = before_ms / (before_ms + behind_ms), before_ms <= behind_ms
    for name in (*_REGISTERS, *_GAUGES):
        target, one, other = (getattr(window, name) for window in (made, before, behind))
        if target is None:
            continue
        if name in _REGISTERS:
            target[at] = one[at] + (other[at] - one[at]) * share
        else:
            target[at] = _either(is_before, one[at], other[at])
    if made.phases is not None and before.phases is not None and behind.phases is not None:
        for name in _PHASES:
            one, other = getattr(before.phases, name), getattr(behind.phases, name)
            getattr(made.phases, name)[:, at] = _either(is_before, one[:, at], other[:, at])
    worse = QUALITY_RANK[before.quality[at]] >= QUALITY_RANK[behind.quality[at]]
    made.quality[at] = np.where(worse, before.quality[at], behind.quality[at])
    made.reasons[at] = (before.reasons[at] | behind.reasons[at]) & _NO_CONFLICT


def _either(is_one: BoolArray, one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return np.where(is_one, one, other)


def _nearest(batch: ReadingBatch, mark: IntArray, off_ms: IntArray, rows: IntArray) -> IntArray:
    """Return of some rows those that are nearest to their mark, of each grade that there is.

    Who sends each second has a thousand beside a mark: one look at their times is cheaper than
    to put them all on a sheet.
    """
    keys = (off_ms[rows], batch.quality[rows], mark[rows], batch.device_index[rows])
    order = np.lexsort(keys)
    of = [key[order] for key in keys[1:]]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = np.logical_or.reduce([np.diff(key) != 0 for key in of])
    return rows[order[is_first]]


def _moved(batch: ReadingBatch, mark_ms: IntArray, off_ms: IntArray) -> ReadingBatch:
    """Return readings as if of their mark; of equal grade a sheet shows the nearer one."""
    received_ms = batch.received_ms + mark_ms - batch.time_ms
    is_edited = batch.quality == int(Quality.EDITED)  # of which a sheet shows the last
    turn = np.where(is_edited, -off_ms, off_ms)
    return replace(batch, time_ms=mark_ms, received_ms=received_ms, record=turn)
