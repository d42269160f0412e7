"""From stored readings to a window: V02, V03 and V05, and what each column of a profile means.

A reading belongs to the mark of its time. Meters that send more often than the window's interval
lose nothing: the registers at the marks carry what was used between. Of several readings of a mark
the one that the store shows is placed: the best grade, of equal ones the first received, of edits
the last.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.energy.series import Phases, Window, empty_window
from gateway.model import (
    QUALITY_RANK,
    BoolArray,
    FloatArray,
    IntArray,
    Quality,
    ReadingBatch,
    Reason,
)
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
_NOT_LIVE = int(Reason.LATE | Reason.NO_CLOCK)
_NOBODY = -1  # device of the row that stays blank
_ODD = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: its multiples spread over all 64 bits


class Span(NamedTuple):
    """Which marks a sheet has."""

    start_ms: int
    interval_ms: int
    slots: int
    tolerance_ms: float = 0.0  # V03
    phases: bool = False  # also the columns that only meters of three phases have


class LeftOut(NamedTuple):
    """What of the readings is not in the window."""

    duplicates: int = 0  # V02
    conflicts: int = 0  # V05: another value of the same time; one is shown
    off_grid: int = 0  # V03: at no multiple of the meter's own interval

    def plus(self, other: "LeftOut") -> "LeftOut":
        """Return both together."""
        return LeftOut(*(one + more for one, more in zip(self, other, strict=True)))


class Placed(NamedTuple):
    """A window, and what of the readings is not in it."""

    window: Window
    left_out: LeftOut


class _Best(NamedTuple):
    """The readings of one call that contend for a mark, one for each."""

    place: IntArray  # in the batch
    row: IntArray
    mark: IntArray
    rank: IntArray
    turn: IntArray  # who came first; the lowest is shown
    is_contested: BoolArray  # the same call has another value for it


def place(
    span: Span, device_index: IntArray, batches: Iterable[tuple[Profile, ReadingBatch]]
) -> Placed:
    """Put readings on the marks of a window; those of other meters and times are ignored."""
    sheet, left_out = Sheet(span), LeftOut()
    for profile, batch in batches:
        mine = batch.take(np.isin(batch.device_index, device_index))
        left_out = left_out.plus(sheet.add(profile, mine))
    return Placed(sheet.window(device_index), left_out)


class Sheet:
    """Marks on which readings are put as they come; in whichever order, the same stands.

    Args:
        span: the marks.
        names: columns of a profile that are kept beside a window's.
    """

    def __init__(self, span: Span, names: Sequence[str] = ()) -> None:
        self.span = span
        of_span = (span.start_ms, span.interval_ms, span.slots)
        self._window = empty_window(np.array([_NOBODY]), *of_span, phases=span.phases)
        shape = (1, span.slots + 1)
        self._gauges = {name: np.full(shape, np.nan) for name in names}
        self._turn = np.zeros(shape, np.int64)
        self._print = np.zeros(shape, np.uint64)
        self._is_contested = np.zeros(shape, np.bool_)

    @property
    def cells(self) -> int:
        """Return how many readings there is room for: what its memory goes by."""
        return self._turn.size

    def seen(self, slots: int) -> IntArray:
        """Return the devices that have a reading at one of the first so many marks, ascending."""
        is_seen = self._window.is_present()[:, :slots].any(axis=1)
        return np.sort(self._window.device_index[is_seen])

    def is_near(self, time_ms: IntArray) -> BoolArray:
        """Return which times are so near to a mark that their readings matter to the sheet."""
        span = self.span
        since_ms = time_ms - span.start_ms + round(span.tolerance_ms)
        near = since_ms % span.interval_ms <= 2 * span.tolerance_ms
        near &= (since_ms >= 0) & (
            since_ms <= span.slots * span.interval_ms + 2 * span.tolerance_ms
        )
        return np.asarray(near)

    def add(self, profile: Profile, batch: ReadingBatch) -> LeftOut:
        """Put readings where they belong; one that is there already changes nothing."""
        mark, is_at_mark, is_off = self._marks(profile, batch)
        placed = np.flatnonzero(is_at_mark)
        row = self._rows(batch.device_index[placed])
        best, same = _best(batch, placed, row, mark[placed])
        at = best.row, best.mark
        stands = self._window.quality[at] != int(Quality.MISSING)
        rank, turn = QUALITY_RANK[self._window.quality[at]], self._turn[at]
        printed = _printed(batch.values[best.place])
        is_again = stands & (best.rank == rank) & (best.turn == turn)
        is_other = stands & ~is_again & (printed != self._print[at])
        self._is_contested[at] |= best.is_contested | is_other
        wins = ~stands | (best.rank < rank) | ((best.rank == rank) & (best.turn <= turn))
        self._turn[best.row[wins], best.mark[wins]] = best.turn[wins]
        self._print[best.row[wins], best.mark[wins]] = printed[wins]
        self._fill(profile, batch, (best.row[wins], best.mark[wins]), best.place[wins])
        self._window.reasons[at] |= np.where(self._is_contested[at], int(Reason.CONFLICT), 0)
        same += int((stands & ~is_again & ~is_other).sum())
        conflicts = len(placed) - len(best.place) + int((stands & ~is_again).sum()) - same
        return LeftOut(same, conflicts, int(is_off.sum()))

    def window(self, device_index: IntArray, first: int = 0, slots: int | None = None) -> Window:
        """Return the marks of some devices as a window of its own; blank where nothing came."""
        rows = self._found(device_index)
        stop = self.span.slots + 1 if slots is None else first + slots + 1
        made = self._window.part(first, stop).take(rows)
        made.device_index[:] = device_index
        return made

    def turns(self, device_index: IntArray, first: int, slots: int | None) -> IntArray:
        """Return by what number the reading of each mark is shown, as of ``window``."""
        stop = self.span.slots + 1 if slots is None else first + slots + 1
        return np.abs(self._turn[self._found(device_index), first:stop])

    def gauge(self, name: str, device_index: IntArray, slots: int) -> FloatArray:
        """Return one of the other columns in SI units, NaN = unknown."""
        return self._gauges[name][self._found(device_index), : slots + 1]

    def _marks(
        self, profile: Profile, batch: ReadingBatch
    ) -> tuple[IntArray, BoolArray, BoolArray]:
        """Return the mark of each reading, which have one, and which are off their grid."""
        span = self.span
        since_ms = batch.time_ms - span.start_ms
        mark = np.floor_divide(since_ms + span.interval_ms // 2, span.interval_ms)
        is_near = np.abs(since_ms - mark * span.interval_ms) <= span.tolerance_ms
        own_ms = profile.interval_s * 1000 or span.interval_ms
        off_ms = np.minimum(since_ms % own_ms, -since_ms % own_ms)
        is_inside = (mark >= 0) & (mark <= span.slots)
        return mark, is_inside & is_near, is_inside & (off_ms > span.tolerance_ms) & ~is_near

    def _rows(self, device_index: IntArray) -> IntArray:
        """Return the rows of devices; those that are new get one."""
        fresh = np.setdiff1d(device_index, self._window.device_index)
        if len(fresh):
            blank = np.zeros(len(fresh), np.int64)  # row 0 as often as there are new ones
            rows = np.concatenate([np.arange(self._window.meters), blank])
            known = self._window.device_index
            self._window = self._window.take(rows)
            self._window.device_index[:] = np.concatenate([known, fresh])
            self._gauges = {name: column[rows] for name, column in self._gauges.items()}
            self._turn, self._print = self._turn[rows], self._print[rows]
            self._is_contested = self._is_contested[rows]
        return self._found(device_index)

    def _found(self, device_index: IntArray) -> IntArray:
        """Return the rows of devices, that of nobody where one has none."""
        known = self._window.device_index
        order = np.argsort(known)
        at = np.minimum(np.searchsorted(known, device_index, sorter=order), len(order) - 1)
        return np.where(known[order[at]] == device_index, order[at], 0)

    def _fill(
        self,
        profile: Profile,
        batch: ReadingBatch,
        place_of: tuple[IntArray, IntArray],
        shown: IntArray,
    ) -> None:
        window = self._window
        window.quality[place_of] = batch.quality[shown]
        window.reasons[place_of] = batch.reasons[shown]
        window.status[place_of] = batch.status[shown]
        if window.late_ms is not None:
            window.late_ms[place_of] = _late_ms(batch, shown)
        for number, column in enumerate(profile.columns):
            targets = (_target(window, column.name), self._gauges.get(column.name))
            wanted = [target for target in targets if target is not None]
            if wanted:
                factor = UNITS[column.unit][1]
                values = engineer(column, batch.values[shown, number]) * factor
                for target in wanted:
                    target[place_of] = values
        if window.phases is not None and profile.column_index("u_l1") is not None:
            _sum_up(window, window.phases, place_of)


def _best(
    batch: ReadingBatch, placed: IntArray, row: IntArray, mark: IntArray
) -> tuple[_Best, int]:
    """Return which reading of each mark is shown, and how many others say the same."""
    rank = QUALITY_RANK[batch.quality[placed]].astype(np.int64)
    is_edited = batch.quality[placed] == int(Quality.EDITED)
    turn = np.where(is_edited, -batch.record[placed], batch.record[placed])
    order = np.lexsort((batch.seq[placed], turn, rank, mark, row))
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (np.diff(row[order]) != 0) | (np.diff(mark[order]) != 0)
    group = np.cumsum(is_first) - 1
    printed = _printed(batch.values[placed[order]])
    is_other = printed != printed[is_first][group]
    chosen = order[is_first]
    best = _Best(
        placed[chosen],
        row[chosen],
        mark[chosen],
        rank[chosen],
        turn[chosen],
        np.bincount(group, is_other, len(chosen)) > 0,
    )
    return best, int((~is_first & ~is_other).sum())


def _printed(values: FloatArray) -> NDArray[np.uint64]:
    """Return a fingerprint of each row: equal for equal values, of which NaN is one."""
    bits = np.where(np.isnan(values), np.nan, values).view(np.uint64)
    # powers: small differences of two columns do not make up for each other
    weights = np.multiply.accumulate(np.full(values.shape[1], _ODD, np.uint64))
    mixed = bits ^ (bits >> np.uint64(32))  # low bits of a float64 are mostly zero
    prints: NDArray[np.uint64] = (mixed * weights).sum(axis=1, dtype=np.uint64)
    return prints


def _late_ms(batch: ReadingBatch, shown: IntArray) -> FloatArray:
    """Return how long after their own time readings came, NaN where that says nothing of a clock.

    Backlog waited, an edit is a person's, and of a device without a clock the time is ours.
    """
    says = (batch.reasons[shown] & _NOT_LIVE) == 0
    says &= batch.quality[shown] != int(Quality.EDITED)
    return np.where(says, batch.received_ms[shown] - batch.time_ms[shown], np.nan)


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
