"""Reading what a rollup needs out of day files: some devices, some time, bounded work."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray, ReadingBatch
from gateway.store.days import DAY_MS, DayFiles
from gateway.store.pages import PageDamagedError, concat, decode_page, empty
from gateway.store.rolled import Layout, name_of
from gateway.store.rollup import latest

# How far back the last value of a register is looked for, as ``GET /aggregate`` does.
REACH_DAYS = 32
_LIST = """SELECT id, device_lo, device_hi, t_lo, t_hi, n FROM page
WHERE profile = ? AND t_lo <= ? AND t_hi >= ? AND level >= 0"""
_DATA = "SELECT data FROM page WHERE id = ?"


class Place(NamedTuple):
    """A page without its data."""

    page_id: int
    device_lo: int
    device_hi: int
    t_lo: int
    t_hi: int
    n: int


class Wanted(NamedTuple):
    """Rows of some devices (ascending) from a time to a time, both included."""

    profile: str
    width: int  # of its values
    devices: IntArray
    from_ms: int
    to_ms: int

    def places(self, connection: sqlite3.Connection) -> list[Place]:
        """Return the pages that may have rows of it."""
        found = connection.execute(_LIST, (self.profile, self.to_ms, self.from_ms))
        return [place for place in map(Place._make, found) if self.has_any(place)]

    def rows(self, connection: sqlite3.Connection) -> ReadingBatch:
        """Return its rows, in any order."""
        return self.rows_in(connection, self.places(connection))

    def rows_in(self, connection: sqlite3.Connection, places: Sequence[Place]) -> ReadingBatch:
        """Return its rows in some pages, in any order."""
        found = [empty(self.profile, self.width)]
        for place in places:
            (data,) = connection.execute(_DATA, (place.page_id,)).fetchone()
            try:
                page = decode_page(data, self.profile)
            except PageDamagedError:
                continue
            if page.values.shape[1] == self.width:  # else of a profile that was changed since
                mask = self._matches(page)
                found.append(page if mask.all() else page.take(mask))
        return concat(found)

    def has_any(self, place: Place) -> bool:
        """Return whether a page may have rows of one of the devices."""
        first, end = np.searchsorted(self.devices, (place.device_lo, place.device_hi + 1))
        return bool(first < end)

    def _matches(self, page: ReadingBatch) -> BoolArray:
        at = np.minimum(np.searchsorted(self.devices, page.device_index), len(self.devices) - 1)
        mask: BoolArray = self.devices[at] == page.device_index
        mask &= (page.time_ms >= self.from_ms) & (page.time_ms <= self.to_ms)
        return mask


def values_before(
    days: DayFiles, day: int, layout: Layout, devices: IntArray, until_ms: int
) -> FloatArray:
    """Return the last value of every register before a time of a day, NaN where there is none.

    One row for each device, one column for each register. Within the day from the rollups of
    15 minutes, before it from those of days.
    """
    found = np.full((len(devices), len(layout.registers)), np.nan)
    if not found.size:
        return found
    connection = days.get(day)
    if connection is not None and until_ms > day * DAY_MS:
        _look_within(connection, layout, devices, until_ms, found)
    name = name_of(layout.profile.name, "1d")
    for earlier in reversed(days.days(day - REACH_DAYS, day - 1)):
        left = np.flatnonzero(np.isnan(found).any(axis=1))
        connection = days.get(earlier)
        if not len(left):
            break
        if connection is not None:
            wanted = Wanted(name, layout.width, devices[left], 0, earlier * DAY_MS)
            values, _ = _lasts(latest(wanted.rows(connection)), wanted.devices, layout)
            found[left] = np.where(np.isnan(found[left]), values, found[left])
    return found


def _look_within(
    connection: sqlite3.Connection,
    layout: Layout,
    devices: IntArray,
    until_ms: int,
    found: FloatArray,
) -> None:
    """Look through the newest pages first; mostly the one of the bucket before is enough."""
    name = name_of(layout.profile.name, "15m")
    left = Wanted(name, layout.width, devices, 0, until_ms - 1)
    places = sorted(left.places(connection), key=lambda place: -place.t_hi)
    rows = empty(name, layout.width)
    count = 1
    while places and len(left.devices):
        rows = latest(concat([rows, left.rows_in(connection, places[:count])]))
        places, count = places[count:], 2 * count
        values, times = _lasts(rows, left.devices, layout)
        found[np.searchsorted(devices, left.devices)] = values
        # a page of the same time may have a newer version of what was found
        next_ms = places[0].t_hi if places else -1
        is_open: BoolArray = np.logical_or.reduce(times <= next_ms, axis=1)
        rows = rows.take(is_open[np.searchsorted(left.devices, rows.device_index)])
        left = left._replace(devices=left.devices[is_open])
        places = [place for place in places if left.has_any(place)]


def _lasts(table: ReadingBatch, devices: IntArray, layout: Layout) -> tuple[FloatArray, IntArray]:
    """Return last values and their times of each device and register; NaN and -1 for none."""
    values = np.full((len(devices), len(layout.registers)), np.nan)
    times = np.full(values.shape, -1, np.int64)
    for number, part in enumerate(layout.registers):
        last = table.values[:, part.place + 2]
        known = np.flatnonzero(~np.isnan(last))
        own = table.device_index[known]
        ends = known[np.append(np.diff(own) != 0, True)[: len(own)]]
        at = np.searchsorted(devices, table.device_index[ends])
        values[at, number] = last[ends]
        times[at, number] = table.time_ms[ends]
    return values, times
