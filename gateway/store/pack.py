"""One step of a merge: some pages in, the same readings in sorted pages out, in one commit."""

import sqlite3
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from gateway.model import ReadingBatch
from gateway.store import dirty
from gateway.store.days import DAMAGED, FINAL, FRESH, INSERT_PAGE, PageRow, page_row
from gateway.store.files import transaction
from gateway.store.pages import PageDamagedError, concat, decode_page
from gateway.store.rolled import is_rollup
from gateway.store.rollup import latest

_STEP_ROWS = 65_536  # 0.1 s of work, and a transaction of a few milliseconds
# One device's minute values of a day fit in a page; a smaller page compresses worse, a larger
# one costs a query of one device more.
PAGE_ROWS = 2048
_HOT_ZLIB, _FINAL_ZLIB = 1, 6  # what is at rest is read for a year and worth the time

_FREE_SHARE = 8  # an eighth of a file may be free: less is not worth moving pages for
_SHRINK_PAGES = 2000  # 8 MB a step, for which the writer of that day waits some 10 ms

_OF_RUN = """SELECT device_lo, id, device_hi, n, level FROM page
WHERE profile = ? AND level = ? AND run = ?"""
_DATA = "SELECT level, run, data FROM page WHERE id = ?"


@dataclass(slots=True)
class Plan:
    """A merge: of given pages at once, or of runs step by step, lowest devices first.

    Lost at a restart, when what is left of its inputs is planned anew.
    """

    day: int
    profile: str
    level: int  # of the output
    run: int
    pages: list[int] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)  # level and run

    @property
    def zlib_level(self) -> int:
        """How hard to compress the output."""
        return _FINAL_ZLIB if self.level == FINAL else _HOT_ZLIB


class _Page(NamedTuple):
    device_lo: int
    page_id: int
    device_hi: int
    n: int
    level: int


class _Inputs(NamedTuple):
    ids: list[int]
    border: int | None  # devices from here on are left for a later step


class _Decoded(NamedTuple):
    batches: list[tuple[int, int, ReadingBatch]]  # level, run and rows of each page
    damaged: list[int]


def step(connection: sqlite3.Connection, plan: Plan, now_ms: int) -> bool:
    """Merge a part of a plan; return whether some of it is left."""
    inputs = _Inputs(plan.pages, None) if plan.pages else _choose(connection, plan)
    decoded = _decode(connection, plan.profile, inputs.ids)
    rows = _outputs(decoded, plan, inputs.border)
    gone = [(page_id,) for page_id in inputs.ids if page_id not in decoded.damaged]
    fresh = [batch for level, _, batch in decoded.batches if level == FRESH]
    marks = [] if is_rollup(plan.profile) else list(dirty.marks_of(fresh, plan.day))
    with transaction(connection):
        connection.executemany("DELETE FROM page WHERE id = ?", gone)
        connection.executemany(
            "UPDATE page SET level = ? WHERE id = ?",
            [(DAMAGED, page_id) for page_id in decoded.damaged],
        )
        connection.executemany(INSERT_PAGE, rows)
        for mark in marks:
            dirty.add(connection, mark, dirty.due_of(plan.day, mark.bucket, now_ms))
    return inputs.border is not None


def shrink(connection: sqlite3.Connection) -> bool:
    """Give back some of the free pages of a file; return whether there were enough to matter."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (total,) = connection.execute("PRAGMA page_count").fetchone()
    if free * _FREE_SHARE <= total:
        return False
    # A script, since ``execute`` takes one step of a statement without columns: one page.
    connection.executescript(f"PRAGMA incremental_vacuum({_SHRINK_PAGES})")
    return True


def cut(batch: ReadingBatch) -> list[ReadingBatch]:
    """Sort by (device, time) and cut into pages, between two devices where that is possible."""
    batch = batch.take(np.lexsort((batch.time_ms, batch.device_index)))
    borders = np.flatnonzero(np.diff(batch.device_index)) + 1
    pages = []
    start = 0
    while start < len(batch):
        end = min(start + PAGE_ROWS, len(batch))
        place = int(np.searchsorted(borders, end, "right")) - 1
        # A page at least half full ends where a device ends; else the device is cut.
        if end < len(batch) and place >= 0 and borders[place] >= start + PAGE_ROWS // 2:
            end = int(borders[place])
        pages.append(batch.take(np.arange(start, end)))
        start = end
    return pages


def _outputs(decoded: _Decoded, plan: Plan, border: int | None) -> list[PageRow]:
    if not decoded.batches:
        return []
    rows: list[PageRow] = []
    ready = []
    for level, run, batch in decoded.batches:
        if border is None:
            ready.append(batch)
            continue
        is_ready = batch.device_index < border
        ready.append(batch.take(is_ready))
        left = batch.take(~is_ready)
        if len(left):  # a page across the border: its rest stays where it was
            rows.append(page_row(left, level, run, plan.zlib_level))
    merged = concat(ready)
    if is_rollup(plan.profile):
        merged = latest(merged)  # what was computed anew is of no use to anybody
    rows += [page_row(page, plan.level, plan.run, plan.zlib_level) for page in cut(merged)]
    return rows


def _choose(connection: sqlite3.Connection, plan: Plan) -> _Inputs:
    """Return the pages of a plan's runs with the lowest devices, about a step of them."""
    pages: list[_Page] = []
    for level, run in plan.runs:
        found = connection.execute(_OF_RUN, (plan.profile, level, run))
        pages += map(_Page._make, found)
    pages = _worth_packing(sorted(pages))
    ids: list[int] = []
    total = 0
    for page in pages:
        # At least one device is finished in a step, however many rows it has.
        if total >= _STEP_ROWS and page.device_lo > pages[0].device_lo:
            return _Inputs(ids, page.device_lo)
        ids.append(page.page_id)
        total += page.n
    return _Inputs(ids, None)


def _worth_packing(pages: list[_Page]) -> list[_Page]:
    """Leave out final pages whose devices have no other rows.

    A few devices' late rows then repack a few pages, and a merge that was interrupted does not
    begin from the start.
    """
    others = [page for page in pages if page.level != FINAL]
    lows = [page.device_lo for page in others]
    reach = list(accumulate((page.device_hi for page in others), max))
    chosen = []
    for page in pages:
        before = bisect_right(lows, page.device_hi)
        if page.level != FINAL or (before and reach[before - 1] >= page.device_lo):
            chosen.append(page)
    return chosen


def _decode(connection: sqlite3.Connection, profile: str, ids: list[int]) -> _Decoded:
    batches = []
    damaged = []
    for page_id in ids:
        level, run, data = connection.execute(_DATA, (page_id,)).fetchone()
        try:
            batches.append((level, run, decode_page(data, profile)))
        except PageDamagedError:
            damaged.append(page_id)
    return _Decoded(batches, damaged)
