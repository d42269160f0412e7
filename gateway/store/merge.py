"""The keeper's side of the store: many fresh pages become few sorted ones; old days go.

Works beside the writer and the readers. Pages never change and only this process removes them,
so reading, sorting and packing happen outside any lock; then one short transaction deletes the
inputs and inserts the outputs. Only what lies before the checkpoint is merged: a restart may
have to cut what is newer.

A run is a set of sorted pages that do not overlap. Runs of a like size are merged once there
are ``_FAN`` of them, so a reading is rewritten log8(readings of the day) times, and a query of
one device meets at most ``_FAN`` pages of each size. A closed day becomes one run.
"""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from gateway.store import state
from gateway.store.days import DAY_MS, FINAL, FRESH, DayFiles
from gateway.store.dirty import closed_before_ms
from gateway.store.files import full_disk_is_ours
from gateway.store.pack import Plan, shrink, step
from gateway.store.rolled import is_rollup

_FAN = 8
_LOWEST_ROWS = 8192  # runs below it are of one size
# Fresh pages of one merge: 0.1 s of work and 30 MB with its copies, however small a page is;
# half more where as many as a merge needs at least are larger.
_FRESH_ROWS, _FRESH_PAGES, _FAN_ROWS = 65_536, 512, 98_304
_CLOSED_AFTER_MS = 3_600_000  # past the end of the day: [validation] live_age
_REST_SHARE = 8  # a closed day is packed again once an eighth of it is late rows
_OPEN_DAYS = 8

_RUNS = """SELECT profile, level, run, sum(n) FROM page
WHERE level > 0 GROUP BY profile, level, run ORDER BY profile, level, run"""
_FRESH = """SELECT profile, id, n, t_lo FROM page
WHERE level = 0 AND record_hi < ? ORDER BY profile, id"""
_HAS_BLOCKED = "SELECT EXISTS (SELECT 1 FROM page WHERE level = 0 AND record_hi >= ?)"
_NEXT_RUN = "SELECT coalesce(max(run), 0) + 1 FROM page"


class Merger:
    """Merges pages and deletes old days. One per data directory.

    Args:
        data_dir: the data directory.
        on_marks: called with a day that has new marks (``Roller.look_at``).
    """

    def __init__(self, data_dir: Path, on_marks: Callable[[int], None] = lambda _: None) -> None:
        self._data_dir = data_dir
        self._on_marks = on_marks
        self._days = DayFiles(data_dir, is_writer=True, bound=_OPEN_DAYS)
        self._state: sqlite3.Connection | None = None
        self._plan: Plan | None = None
        # How a day file looked when it had nothing to merge; as many entries as day files.
        self._idle: dict[int, tuple[int, ...]] = {}
        self._shrinkable: set[int] = set()  # closed days with nothing to merge, seen just now

    def merge_once(self, now_ms: int) -> bool:
        """Do a step of at most about 0.3 s; return whether there was something to do.

        Raises:
            JournalFullError: the disk is full; nothing is lost, call again later.
        """
        with full_disk_is_ours():
            if self._plan is None:
                self._plan = self._next_plan(now_ms)
            if self._plan is None:
                return self._shrink_one()
            connection = self._days.get(self._plan.day)
            plan, self._plan = self._plan, None
            if connection is not None and step(connection, plan, now_ms):
                self._plan = plan
            if plan.pages:
                self._on_marks(plan.day)
            return True

    def retention(self, now_ms: int, keep_ms: int) -> int:
        """Delete the files of days that ended more than ``keep_ms`` ago; return how many.

        A file in which something arrived within ``keep_ms`` stays: imported history is kept as
        long as what came live.
        """
        first_kept = (now_ms - keep_ms) // DAY_MS
        with full_disk_is_ours():
            gone = [
                day
                for day in self._days.days(last=first_kept - 1)
                if self._days.unlink_before(day, first_kept)
            ]
        for day in gone:
            self._idle.pop(day, None)
        if self._plan is not None and self._plan.day in gone:
            self._plan = None
        return len(gone)

    def close(self) -> None:
        """Close all files."""
        self._days.close()
        if self._state is not None:
            self._state.close()

    def _next_plan(self, now_ms: int) -> Plan | None:
        number = self._checkpoint_number()
        for day in reversed(self._days.days()):
            is_closed = now_ms >= (day + 1) * DAY_MS + _CLOSED_AFTER_MS
            closed_ms = min(closed_before_ms(now_ms), (day + 1) * DAY_MS)
            stamp = (*self._days.stamp(day), is_closed, closed_ms)
            if self._idle.get(day) == stamp:
                continue
            connection = self._days.get(day)
            if connection is None:
                continue
            least = 1 if is_closed else _FAN
            plan = _fresh_plan(connection, day, (number, least, closed_ms))
            plan = plan or _run_plan(connection, day, is_closed=is_closed)
            if plan is not None:
                return plan
            if not connection.execute(_HAS_BLOCKED, (number,)).fetchone()[0]:
                self._idle[day] = stamp
            if is_closed:
                self._shrinkable.add(day)
        return None

    def _shrink_one(self) -> bool:
        """Give back free space of a closed day, a step of it; return whether there was some."""
        while self._shrinkable:
            day = self._shrinkable.pop()
            connection = self._days.get(day)
            if connection is not None and shrink(connection):
                self._idle.pop(day, None)  # it has changed: look again
                return True
        return False

    def _checkpoint_number(self) -> int:
        if self._state is None:
            try:
                self._state = state.open_state(self._data_dir, is_writer=False)
            except FileNotFoundError:  # the processor has not started yet
                return 0
        return state.load_meta(self._state).position.number


def _fresh_plan(
    connection: sqlite3.Connection, day: int, bounds: tuple[int, int, int]
) -> Plan | None:
    """Return what to merge of the pages that came in, of the first profile with enough.

    Enough is one where it has rows of a bucket that is closed: they wait to be rolled up.
    """
    number, least, closed_ms = bounds
    rows = connection.execute(_FRESH, (number,))
    for profile, group in groupby(rows, itemgetter(0)):
        pages = list(_first(group))
        is_awaited = not is_rollup(profile) and min(t_lo for *_, t_lo in pages) <= closed_ms
        if len(pages) >= least or is_awaited:
            total = sum(n for _, n, _ in pages)
            return Plan(
                day,
                profile,
                level=_level_of(total),
                run=_next_run(connection),
                pages=[page_id for page_id, *_ in pages],
            )
    return None


def _first(group: Iterator[tuple[str, int, int, int]]) -> Iterator[tuple[int, int, int]]:
    total = 0
    for count, (_, page_id, n, t_lo) in enumerate(group):
        total += n
        most_rows = _FRESH_ROWS if count >= _FAN else _FAN_ROWS
        if count and (count >= _FRESH_PAGES or total > most_rows):
            return
        yield page_id, n, t_lo


def _run_plan(connection: sqlite3.Connection, day: int, *, is_closed: bool) -> Plan | None:
    """Return which runs to merge, of the first profile with enough of one size."""
    runs = connection.execute(_RUNS).fetchall()
    for profile, group in groupby(runs, itemgetter(0)):
        of_profile = [(level, run, n) for _, level, run, n in group]
        chosen = _too_many(of_profile)
        level = _level_of(sum(n for _, _, n in chosen))
        if is_closed and _is_final_due(of_profile):
            chosen, level = of_profile, FINAL
        if chosen:
            inputs = [(level, run) for level, run, _ in chosen]
            return Plan(day, profile, level, _next_run(connection), runs=inputs)
    return None


def _too_many(runs: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    for _, group in groupby(runs, itemgetter(0)):
        same = list(group)
        if same[0][0] != FINAL and len(same) >= _FAN:
            return same
    return []


def _is_final_due(runs: list[tuple[int, int, int]]) -> bool:
    final = sum(n for level, _, n in runs if level == FINAL)
    rest = sum(n for level, _, n in runs if level != FINAL)
    return rest > 0 and rest * _REST_SHARE >= final


def _level_of(rows: int) -> int:
    level = FRESH + 1
    while rows >= _LOWEST_ROWS:
        rows //= _FAN
        level += 1
    return level


def _next_run(connection: sqlite3.Connection) -> int:
    number: int = connection.execute(_NEXT_RUN).fetchone()[0]
    return number
