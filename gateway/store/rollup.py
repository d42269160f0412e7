"""Readings into rollups, many devices at once. Pure: arrays in, arrays out.

A table is a batch of stored rollups (``rolled``), sorted by (device, time), one row per device
and bucket.
"""

import numpy as np

from gateway.model import QUALITY_RANK, BoolArray, FloatArray, IntArray, Quality, ReadingBatch
from gateway.profiles import Kind
from gateway.store.aggregate import register_steps
from gateway.store.days import DAY_MS
from gateway.store.rolled import BAD, GOOD, IS_GOOD, QUARTER_MS, Layout, N, Part, growth

# Not what a device measured, or known to be wrong: in no sum
UNUSABLE = (Quality.FAILED, Quality.MISSING)
_IS_USABLE = np.array([grade not in UNUSABLE for grade in Quality])
_SLOTS = 128  # places of a device in a code: its 96 buckets and room
_GRADE_OF_RANK = np.zeros(int(QUALITY_RANK.max()) + 1, np.int64)
_GRADE_OF_RANK[QUALITY_RANK] = np.arange(len(QUALITY_RANK))


class _Runs:
    """Rows that stand together by key, and which place of the answer each run belongs to."""

    def __init__(self, keys: IntArray, answer: IntArray) -> None:
        self.starts = np.flatnonzero(np.diff(keys, prepend=-1))
        self.places = np.searchsorted(answer, keys[self.starts])
        self.length = len(keys)

    @property
    def ends(self) -> IntArray:
        """The last row of each run."""
        return np.append(self.starts[1:], self.length)[: len(self.starts)] - 1

    @property
    def lengths(self) -> IntArray:
        """How many rows each run has."""
        return self.ends - self.starts + 1


def codes_of(device_index: IntArray, offset_ms: IntArray) -> IntArray:
    """Return one number for each device and bucket; ``offset_ms`` counts from midnight."""
    return device_index * _SLOTS + offset_ms // QUARTER_MS


def latest(rows: ReadingBatch) -> ReadingBatch:
    """Return of each device and bucket the row that was computed last, sorted: a table."""
    rows = rows.take(np.lexsort((rows.seq, rows.time_ms, rows.device_index)))
    is_last = np.ones(len(rows), np.bool_)
    is_last[:-1] = np.diff(rows.device_index) != 0
    is_last[:-1] |= np.diff(rows.time_ms) != 0
    return rows.take(is_last)


def roll(readings: ReadingBatch, layout: Layout, day: int, wanted: IntArray) -> ReadingBatch:
    """Return the rollups of some devices and buckets; their ``before`` is not known yet.

    Args:
        readings: what is shown (``winners``), in order of time, with at least everything from
            the start to the end of every wanted bucket, both included.
        layout: of their profile.
        day: the day of the buckets.
        wanted: codes of device and bucket, sorted.
    """
    # Indexes below 65,536 sort in linear time, and the order of time stays within a device.
    device = readings.device_index
    is_small = len(device) > 0 and int(device.max()) < 1 << 16
    rows = readings.take(
        np.argsort(device.astype(np.uint16) if is_small else device, kind="stable")
    )
    offset_ms = rows.time_ms - day * DAY_MS
    inside = codes_of(rows.device_index, offset_ms)  # of [start, end)
    ending = codes_of(rows.device_index, offset_ms - 1)  # of (start, end]
    is_usable = _IS_USABLE[rows.quality]
    is_inside, is_ending = _is_in(inside, wanted), _is_in(ending, wanted) & is_usable
    sources = [part.source for part in layout.registers]
    is_ending &= ~np.isnan(rows.values[:, sources]).all(axis=1)
    code = np.union1d(_distinct(inside[is_inside]), _distinct(ending[is_ending]))
    quality, reasons = np.zeros((2, len(code)), np.int64)
    # a row that only a reading on its border has made has the grade of that reading
    for key, mask in ((ending, is_ending), (inside, is_inside)):
        runs = _Runs(key[mask], code)
        quality[runs.places] = _worst(rows.quality[mask], runs)
        reasons[runs.places] = np.bitwise_or.reduceat(rows.reasons[mask], runs.starts)
    values = np.full((layout.width, len(code)), np.nan)
    _roll_head(values, rows.quality[is_inside], _Runs(inside[is_inside], code))
    is_inside &= is_usable
    runs, ends = _Runs(inside[is_inside], code), ending[is_ending]
    for part in layout.parts:
        column = rows.values[:, part.source]
        if part.kind is Kind.REGISTER:
            _roll_register(values, part, column[is_ending], ends, code)
        else:
            _roll_column(values, part, column[is_inside], runs)
    times = day * DAY_MS + code % _SLOTS * QUARTER_MS
    return _table("15m", layout, code // _SLOTS, times, values, quality, reasons)


def chain(table: ReadingBatch, layout: Layout, earlier: FloatArray) -> ReadingBatch:
    """Return a table with ``before`` of every register from the rows before.

    Args:
        table: all rows from some time on.
        layout: of the profile.
        earlier: the last value before the table, NaN where there is none; a row for each
            device of the table, a column for each register.
    """
    values = table.values.copy()
    place = np.arange(len(table))
    is_first = np.diff(table.device_index, prepend=-1) != 0
    begin = np.maximum.accumulate(np.where(is_first, place, 0))
    which = np.cumsum(is_first) - 1
    for number, part in enumerate(layout.registers):
        last = values[:, part.place + 2]
        known = np.maximum.accumulate(np.where(np.isnan(last), -1, place))
        previous = np.append(-1, known[:-1])[: len(table)]
        before = np.where(previous >= begin, last[previous], earlier[which, number])
        # what retention has deleted since stays known
        before = np.where(np.isnan(before), values[:, part.place], before)
        values[:, part.place] = np.where(np.isnan(values[:, part.place + 1]), np.nan, before)
    return _with_values(table, values)


def roll_days(table: ReadingBatch, layout: Layout, day: int) -> ReadingBatch:
    """Return the day rollups of a table with all rows of its devices on a day."""
    device = np.unique(table.device_index)
    runs = _Runs(table.device_index, device)
    values = np.full((layout.width, len(device)), np.nan)
    stored = table.values
    for place in (N, GOOD, BAD):
        values[place] = np.add.reduceat(stored[:, place], runs.starts)
    for part in layout.parts:
        columns = stored[:, part.place : part.place + 4]
        if part.kind is Kind.REGISTER:
            _day_register(values, part, stored, table.device_index, device)
        elif part.kind is Kind.CODE:
            _set_last(values[part.place], columns[:, 0], runs)
        else:
            values[part.place] = _sum(columns[:, 0], runs)
        if part.kind is Kind.GAUGE:
            values[part.place + 1] = _sum(columns[:, 1], runs)
            values[part.place + 2] = np.fmin.reduceat(columns[:, 2], runs.starts)
            values[part.place + 3] = np.fmax.reduceat(columns[:, 3], runs.starts)
    # as in ``roll``: rows that only a reading on a border has made count where there is no other
    own = stored[:, N] + stored[:, BAD] > 0
    own |= ~np.repeat(np.logical_or.reduceat(own, runs.starts), runs.lengths)
    quality = _worst(np.where(own, table.quality, Quality.EDITED), runs)  # the best of ranks
    reasons = np.bitwise_or.reduceat(np.where(own, table.reasons, 0), runs.starts)
    times = np.full(len(device), day * DAY_MS)
    return _table("1d", layout, device, times, values, quality, reasons)


def changed(table: ReadingBatch, stored: ReadingBatch) -> BoolArray:
    """Return which rows of a table are not the same in a stored one of the same day."""
    at, is_known = _find(table, stored)
    is_same = is_known.copy()
    is_same[is_known] = (table.quality[is_known] == stored.quality[at]) & (
        table.reasons[is_known] == stored.reasons[at]
    )
    return ~(is_same & _are_equal(table, stored, slice(None)))


def moved(table: ReadingBatch, stored: ReadingBatch, layout: Layout) -> BoolArray:
    """Return in which rows the last value of a register is not that of a stored table."""
    return ~_are_equal(table, stored, layout.lasts)


def _are_equal(table: ReadingBatch, stored: ReadingBatch, places: slice | list[int]) -> BoolArray:
    at, is_equal = _find(table, stored)
    old, new = stored.values[at][:, places], table.values[is_equal][:, places]
    is_equal[is_equal] = ((old == new) | (np.isnan(old) & np.isnan(new))).all(axis=1)
    return is_equal


def _find(table: ReadingBatch, stored: ReadingBatch) -> tuple[IntArray, BoolArray]:
    """Return the places of those rows of a table that are in a stored one, and which these are."""
    keys = codes_of(stored.device_index, stored.time_ms % DAY_MS)
    wanted = codes_of(table.device_index, table.time_ms % DAY_MS)
    if not len(keys):
        return np.empty(0, np.int64), np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    is_known = keys[at] == wanted
    return at[is_known], is_known


def _roll_head(values: FloatArray, quality: IntArray, runs: _Runs) -> None:
    values[[N, GOOD, BAD]] = 0.0
    flags = (_IS_USABLE[quality], IS_GOOD[quality], ~_IS_USABLE[quality])
    for place, flag in zip((N, GOOD, BAD), flags, strict=True):
        values[place, runs.places] = np.add.reduceat(flag.astype(np.float64), runs.starts)


def _roll_column(values: FloatArray, part: Part, column: FloatArray, runs: _Runs) -> None:
    place = part.place
    if part.kind is Kind.CODE:
        _set_last(values[place], column, runs)
        return
    values[place, runs.places] = _sum(column, runs)
    if part.kind is Kind.GAUGE:
        nulls = np.isnan(column).astype(np.float64)
        values[place + 1, runs.places] = np.add.reduceat(nulls, runs.starts)
        values[place + 2, runs.places] = np.fmin.reduceat(column, runs.starts)
        values[place + 3, runs.places] = np.fmax.reduceat(column, runs.starts)


def _roll_register(
    values: FloatArray, part: Part, column: FloatArray, ends: IntArray, code: IntArray
) -> None:
    is_known = ~np.isnan(column)
    column = column[is_known]
    runs = _Runs(ends[is_known], code)
    values[part.place + 1, runs.places] = column[runs.starts]
    values[part.place + 2, runs.places] = column[runs.ends]
    steps = np.append(np.nan, register_steps(column[:-1], column[1:], part.rollover))
    steps = steps[: len(column)]
    steps[runs.starts] = np.nan
    values[part.place + 3, runs.places] = _sum(steps, runs)


def _day_register(
    values: FloatArray, part: Part, stored: FloatArray, devices: IntArray, device: IntArray
) -> None:
    known = np.flatnonzero(~np.isnan(stored[:, part.place + 1]))
    rows = stored[known]
    runs = _Runs(devices[known], device)
    values[part.place : part.place + 2, runs.places] = rows[
        runs.starts, part.place : part.place + 2
    ].T
    values[part.place + 2, runs.places] = rows[runs.ends, part.place + 2]
    grown = growth(part, rows)
    # what leads into the day is not its inner growth
    grown[runs.starts] = rows[runs.starts, part.place + 3]
    values[part.place + 3, runs.places] = _sum(grown, runs)


def _set_last(out: FloatArray, column: FloatArray, runs: _Runs) -> None:
    places = np.where(np.isnan(column), -1, np.arange(len(column)))
    last = np.maximum.reduceat(places, runs.starts)
    out[runs.places] = np.where(last < 0, np.nan, column[last] if len(column) else np.nan)


def _sum(column: FloatArray, runs: _Runs) -> FloatArray:
    """Return the sums of runs without the nulls, NaN where there is nothing else."""
    is_null = np.isnan(column)
    total: FloatArray = np.add.reduceat(np.where(is_null, 0.0, column), runs.starts)
    total[np.logical_and.reduceat(is_null, runs.starts)] = np.nan
    return total


def _worst(quality: IntArray, runs: _Runs) -> IntArray:
    ranks = QUALITY_RANK[quality].astype(np.int64)
    return _GRADE_OF_RANK[np.maximum.reduceat(ranks, runs.starts)]


def _distinct(codes: IntArray) -> IntArray:
    """Return the different ones of sorted codes."""
    return codes[np.flatnonzero(np.diff(codes, prepend=-1))]


def _is_in(codes: IntArray, wanted: IntArray) -> BoolArray:
    place = np.minimum(np.searchsorted(wanted, codes), len(wanted) - 1)
    found: BoolArray = wanted[place] == codes
    return found


def _table(  # noqa: PLR0913, PLR0917  # the columns of a batch
    span: str,
    layout: Layout,
    device: IntArray,
    times: IntArray,
    values: FloatArray,
    quality: IntArray,
    reasons: IntArray,
) -> ReadingBatch:
    zero = np.zeros(len(device), np.int64)
    name = f"{layout.profile.name}_{span}"
    return ReadingBatch(
        name, device, zero, zero, times, zero, values.T, zero, quality, reasons, zero
    )


def _with_values(table: ReadingBatch, values: FloatArray) -> ReadingBatch:
    return ReadingBatch(
        table.profile,
        table.device_index,
        table.log,
        table.seq,
        table.time_ms,
        table.received_ms,
        values,
        table.status,
        table.quality,
        table.reasons,
        table.record,
    )
