"""Energy of closed intervals on the slots of a window: what files say, without a register.

A reading of profile ``ei1`` says what went through in the interval that ends at its time. Intervals
within a slot are added up. One that reaches over several slots (an hour, over two halves) is shared
out by time, in whole steps of its column, and what does not divide goes to the later ones: shares
always add up to the interval, to the last digit. A slot of which a part is told keeps the sum of
that part and stays open. Nothing is estimated here or behind: who wrote the file has done that,
and says so with a flag.

A stream that only tells of energy fed in says of use that there was none of it.
"""

from typing import NamedTuple

import numpy as np

from gateway.energy.placing import Span
from gateway.energy.series import Window, empty_window
from gateway.energy.vee.types import Method
from gateway.history import Flag
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
from gateway.validate import Status

IMPORT, EXPORT, LENGTH, _FLAG = "e_imp", "e_exp", "length", "flag"
_MS_PER_S = 1000
_MOST_ZEROS = 9  # steps of 10**9 of a column: a megawatt-hour in thousandths of a Wh
_METHOD_OF = {
    Flag.FINAL_SUBSTITUTE: Method.SOURCE_FINAL,
    Flag.SUBSTITUTE: Method.SOURCE_SUBSTITUTE,
    Flag.ESTIMATED: Method.SOURCE_ESTIMATE,
}
# which of the methods of its parts a slot has: the last one of these that any of them has
_WEIGHTS = (
    Method.MEASURED,
    Method.SPLIT,
    Method.SOURCE_FINAL,
    Method.SOURCE_SUBSTITUTE,
    Method.SOURCE_ESTIMATE,
)
_METHODS = np.array(_WEIGHTS, np.int64)


class Told(NamedTuple):
    """Slots of a window as files tell them, (meters, slots) unless said otherwise."""

    window: Window  # grades, reasons and states of the slots at the marks of their ends
    import_wh: FloatArray  # NaN where nothing is told
    export_wh: FloatArray
    method: IntArray  # vee.Method of what is told
    is_feed_in: BoolArray  # only energy fed in is told
    resolution_wh: FloatArray  # (meters,) the power of ten that all values are multiples of


class _Parts(NamedTuple):
    """Intervals cut at the edges of slots: one line for each piece of an interval in a slot."""

    row: IntArray
    slot: IntArray
    of: IntArray  # which interval
    before_s: IntArray  # of the interval, before the piece
    length_s: IntArray


def on_slots(
    span: Span, meters: IntArray, profile: Profile, batch: ReadingBatch, longest_ms: int
) -> Told:
    """Return the slots of meters as readings tell them.

    Args:
        span: start, length and number of slots.
        meters: device indexes, ascending.
        profile: of interval energy.
        batch: readings, in any order; of several of one interval that with the best grade counts.
        longest_ms: intervals that are longer are left out.
    """
    batch, is_contested = _chosen(batch.take(_is_wanted(span, meters, profile, batch, longest_ms)))
    parts = _cut(span, meters, batch, _column(profile, batch, LENGTH).astype(np.int64))
    shape = (len(meters), span.slots)
    length_s = _sums(shape, parts, parts.length_s)
    used, is_used = _shares(profile, batch, parts, IMPORT)
    fed, is_fed = _shares(profile, batch, parts, EXPORT)
    used_s = _sums(shape, parts, np.where(is_used, parts.length_s, 0))
    fed_s = _sums(shape, parts, np.where(is_fed, parts.length_s, 0))
    is_feed_in = (fed_s > 0) & (used_s == 0)
    told_s = np.where(is_feed_in, fed_s, used_s)
    is_told = told_s > 0
    whole_s = span.interval_ms // _MS_PER_S
    method = _methods(shape, profile, batch, parts)
    method = np.where(told_s < whole_s, int(Method.PARTLY), method)
    window = empty_window(meters, span.start_ms, span.interval_ms, span.slots)
    _mark(window, batch, parts, profile, is_contested)
    window.quality[:, 1:][length_s == 0] = int(Quality.MISSING)
    return Told(
        window,
        np.where(is_told, _to_wh(_sums(shape, parts, used), profile, IMPORT), np.nan),
        np.where(fed_s > 0, _to_wh(_sums(shape, parts, fed), profile, EXPORT), np.nan),
        np.where(is_told, method, int(Method.UNKNOWN)),
        is_feed_in,
        _to_wh(_resolution(shape[0], parts, _column(profile, batch, IMPORT)), profile, IMPORT),
    )


def begins_ms(profile: Profile, batch: ReadingBatch) -> IntArray:
    """Return when the interval of each reading begins; one without a length has none."""
    length_s = np.nan_to_num(_column(profile, batch, LENGTH))
    return batch.time_ms - length_s.astype(np.int64) * _MS_PER_S


def tells(profile: Profile, batch: ReadingBatch) -> BoolArray:
    """Return which readings tell of active energy."""
    columns = [_column(profile, batch, name) for name in (IMPORT, EXPORT)]
    told: BoolArray = np.isfinite(columns).any(axis=0) & (_column(profile, batch, LENGTH) > 0)
    return told


def _column(profile: Profile, batch: ReadingBatch, name: str) -> FloatArray:
    number = profile.column_index(name)
    if number is None:
        return np.full(len(batch), np.nan)
    column: FloatArray = batch.values[:, number]
    return column


def _to_wh(steps: IntArray, profile: Profile, name: str) -> FloatArray:
    number = profile.column_index(name)
    if number is None:
        return steps.astype(np.float64)
    column = profile.columns[number]
    scale_wh = column.scale * UNITS[column.unit][1]
    per_wh = round(1 / scale_wh)  # 700 times 0.001 is not 0.7, 700 by 1000 is
    return np.asarray(steps / per_wh if per_wh > 1 else steps * scale_wh, np.float64)


def _is_wanted(
    span: Span, meters: IntArray, profile: Profile, batch: ReadingBatch, longest_ms: int
) -> BoolArray:
    begin_ms = begins_ms(profile, batch)
    end_ms = span.start_ms + span.slots * span.interval_ms
    wanted: BoolArray = tells(profile, batch) & np.isin(batch.device_index, meters)
    wanted &= (begin_ms < end_ms) & (batch.time_ms > span.start_ms)
    wanted &= batch.time_ms - begin_ms <= longest_ms
    wanted &= (batch.time_ms % _MS_PER_S == 0) & (batch.quality != int(Quality.FAILED))
    return wanted


def _chosen(batch: ReadingBatch) -> tuple[ReadingBatch, BoolArray]:
    """Return one reading of each interval, as the store shows it, and where others differ."""
    rank = QUALITY_RANK[batch.quality].astype(np.int64)
    is_edited = batch.quality == int(Quality.EDITED)
    turn = np.where(is_edited, -batch.record, batch.record)
    order = np.lexsort((batch.seq, turn, rank, batch.time_ms, batch.device_index))
    batch = batch.take(order)
    is_first = np.ones(len(batch), np.bool_)
    is_first[1:] = np.diff(batch.device_index) != 0
    is_first[1:] |= np.diff(batch.time_ms) != 0
    group = np.cumsum(is_first) - 1
    values = np.nan_to_num(batch.values, nan=-1.0)
    is_other = (values != values[is_first][group]).any(axis=1)
    count = int(is_first.sum())
    return batch.take(is_first), np.bincount(group, is_other, count) > 0


def _cut(span: Span, meters: IntArray, batch: ReadingBatch, length_s: IntArray) -> _Parts:
    """Return the pieces of intervals in slots."""
    begin_ms = batch.time_ms - length_s * _MS_PER_S
    kept = np.flatnonzero(_is_kept(batch, begin_ms))
    begin_ms, end_ms = begin_ms[kept], batch.time_ms[kept]
    first = (begin_ms - span.start_ms) // span.interval_ms
    last = (end_ms - 1 - span.start_ms) // span.interval_ms
    count = last - first + 1
    of = np.repeat(np.arange(len(kept)), count)
    slot = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
    slot_ms = span.start_ms + slot * span.interval_ms
    from_ms = np.maximum(begin_ms[of], slot_ms)
    to_ms = np.minimum(end_ms[of], slot_ms + span.interval_ms)
    is_inside = (slot >= 0) & (slot < span.slots)
    row = np.searchsorted(meters, batch.device_index[kept])
    parts = _Parts(
        row[of],
        slot,
        kept[of],
        (from_ms - begin_ms[of]) // _MS_PER_S,
        (to_ms - from_ms) // _MS_PER_S,
    )
    return _Parts(*(column[is_inside] for column in parts))


def _is_kept(batch: ReadingBatch, begin_ms: IntArray) -> BoolArray:
    """Return which intervals count: no moment of a device counts twice.

    Of two that overlap the better grade counts, of equal ones the first received.
    """
    kept = np.ones(len(batch), np.bool_)
    is_same = np.diff(batch.device_index) == 0
    is_over = is_same & (begin_ms[1:] < batch.time_ms[:-1])
    for index in np.unique(batch.device_index[1:][is_over]).tolist():
        mine = np.flatnonzero(batch.device_index == index)
        rank = QUALITY_RANK[batch.quality[mine]].astype(np.int64)
        taken: list[tuple[int, int]] = []
        for at in mine[np.lexsort((begin_ms[mine], batch.record[mine], rank))].tolist():
            begin, end = int(begin_ms[at]), int(batch.time_ms[at])
            kept[at] = all(end <= one[0] or begin >= one[1] for one in taken)
            if kept[at]:
                taken.append((begin, end))
    return kept


def _shares(
    profile: Profile, batch: ReadingBatch, parts: _Parts, name: str
) -> tuple[IntArray, BoolArray]:
    """Return the steps of a column in each piece, and which pieces it is told of.

    A piece has what the interval had counted at its end, rounded down, less that at its begin.
    """
    values = _column(profile, batch, name)[parts.of]
    whole_s = _column(profile, batch, LENGTH)[parts.of].astype(np.int64)
    is_told: BoolArray = np.isfinite(values)
    steps = np.where(is_told, values, 0.0).astype(np.int64)
    each, rest = np.divmod(steps, whole_s)  # parted: steps times seconds might overflow

    def counted(seconds: IntArray) -> IntArray:
        so_far: IntArray = each * seconds + rest * seconds // whole_s
        return so_far

    return counted(parts.before_s + parts.length_s) - counted(parts.before_s), is_told


def _sums(shape: tuple[int, int], parts: _Parts, values: IntArray) -> IntArray:
    total = np.zeros(shape, np.int64)
    np.add.at(total, (parts.row, parts.slot), values)
    return total


def _methods(
    shape: tuple[int, int], profile: Profile, batch: ReadingBatch, parts: _Parts
) -> IntArray:
    weight_of = np.zeros(len(Flag), np.int64)
    for said, method in _METHOD_OF.items():
        weight_of[said] = _WEIGHTS.index(method)
    flag = _flags(profile, batch)[parts.of]
    length_s = _column(profile, batch, LENGTH)[parts.of].astype(np.int64)
    is_split = parts.length_s < length_s
    weight = np.maximum(weight_of[flag], np.where(is_split, _WEIGHTS.index(Method.SPLIT), 0))
    heaviest = np.zeros(shape, np.int64)
    np.maximum.at(heaviest, (parts.row, parts.slot), weight)
    found: IntArray = _METHODS[heaviest]
    return found


def _flags(profile: Profile, batch: ReadingBatch) -> IntArray:
    flag = np.nan_to_num(_column(profile, batch, _FLAG)).astype(np.int64)
    return np.clip(flag, 0, len(Flag) - 1)


def _mark(
    window: Window,
    batch: ReadingBatch,
    parts: _Parts,
    profile: Profile,
    is_contested: BoolArray,
) -> None:
    """Fill grades, reasons and states; what a flag says is told by the method of its slot."""
    is_said = np.isin(_flags(profile, batch), [int(flag) for flag in _METHOD_OF])
    states = batch.status.astype(np.int64)
    status = np.where(is_said, states & ~int(Status.CRITICAL_ERROR), states)
    reasons = np.where(is_said, batch.reasons & ~int(Reason.DEVICE_STATUS), batch.reasons)
    reasons = reasons | np.where(is_contested, int(Reason.CONFLICT), 0)
    is_late = batch.quality != int(Quality.VALID)
    grade = np.where(is_late, int(Quality.RECOVERED), int(Quality.VALID))
    at = parts.row, parts.slot + 1
    window.quality[:, 1:] = 0
    np.maximum.at(window.quality, at, grade[parts.of])
    np.bitwise_or.at(window.reasons, at, reasons[parts.of])
    np.bitwise_or.at(window.status, at, status[parts.of])


def _resolution(meters: int, parts: _Parts, values: FloatArray) -> IntArray:
    """Return the largest power of ten that all values of a meter are multiples of.

    A file in steps of 10 Wh repeats itself often: V14 must not take that for a stuck meter.
    """
    steps = np.nan_to_num(values[parts.of]).astype(np.int64)
    found = np.ones(meters, np.int64)
    is_open = np.zeros(meters, np.bool_)
    is_open[parts.row[steps > 0]] = True
    for zeros in range(1, _MOST_ZEROS + 1):
        is_open[parts.row[steps % 10**zeros != 0]] = False
        found[is_open] = 10**zeros
    return found
