"""The keeper's rollups: what ``dirty`` asks for, a bounded step at a time.

A step takes some devices of one profile and day, computes all their rollups of a few buckets at
once and commits the rows together with the marks it has dealt with. Before that it gives them
to the sinks: a crash between the two sends the same rows again. Only readings before the
checkpoint count: those after it may be cut and come again.

A late reading changes its own bucket, the growth of the next row of its device (``chain``) and
the day; where the last value of a day has changed, the next day is marked and goes on from there.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gateway.model import IntArray, ReadingBatch
from gateway.profiles import Profile
from gateway.store import dirty, state
from gateway.store.days import DAY_MS, FRESH, INSERT_PAGE, DayFiles, chunks, page_row
from gateway.store.dirty import BORDER, CHAIN, DAY, GRACE_MS, Mark
from gateway.store.files import full_disk_is_ours, snapshot, transaction
from gateway.store.jobs import Job, devices_of, together
from gateway.store.lookup import REACH_DAYS, values_before
from gateway.store.pages import concat
from gateway.store.rolled import QUARTER_MS, Layout, name_of
from gateway.store.rollup import chain, changed, codes_of, latest, moved, roll, roll_days
from gateway.store.winners import winners

_PAGE_ROWS = 16_384
_OPEN_DAYS = 8
_VERSION = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'page'"

Send = Callable[[Sequence[ReadingBatch]], None]


class Roller:
    """Computes rollups. One per data directory, in turn with the merger.

    Args:
        data_dir: the data directory.
        profiles: all known profiles by name.
        send: gives rollups, as they are shown, to the sinks.
    """

    def __init__(
        self, data_dir: Path, profiles: Mapping[str, Profile], send: Send = lambda _: None
    ) -> None:
        self._data_dir = data_dir
        self._layouts = {name: Layout(profile) for name, profile in profiles.items()}
        self._send = send
        self._days = DayFiles(data_dir, is_writer=True, bound=_OPEN_DAYS)
        self._earlier = DayFiles(data_dir, is_writer=False, bound=REACH_DAYS)
        self._state: sqlite3.Connection | None = None
        # When a day has something to do, 0 = look; at most as many as day files. At the start
        # any may have, later those that ``look_at`` names: only the merger makes marks.
        self._due: dict[int, int] = dict.fromkeys(self._days.days(), 0)

    def roll_once(self, now_ms: int) -> bool:
        """Do a step of at most about 0.3 s; return whether there was something to do.

        Raises:
            JournalFullError: the disk is full; nothing is lost, call again later.
        """
        with full_disk_is_ours():
            job = self._next_job(now_ms)
            if job is None:
                return False
            if job.kind == BORDER:
                self._move_border(job)
            elif job.kind == CHAIN:
                self._chain(job)
            elif job.kind == DAY:
                self._roll_days(job)
            else:
                self._roll_quarters(job)
            return True

    def look_at(self, day: int) -> None:
        """Say that a day has new marks."""
        self._due[day] = 0

    def close(self) -> None:
        """Close all files."""
        self._days.close()
        self._earlier.close()
        if self._state is not None:
            self._state.close()

    def _next_job(self, now_ms: int) -> Job | None:
        # What is shown on a board now goes before history, history in the order it builds up.
        recent = now_ms // DAY_MS - 1
        ready = [day for day, due_ms in self._due.items() if due_ms <= now_ms]
        for day in sorted(ready, key=lambda day: (day < recent, day)):
            connection = self._days.get(day)
            if connection is None:
                del self._due[day]
                continue
            marks = [
                mark for mark in dirty.due(connection, now_ms) if mark.profile in self._layouts
            ]
            if marks:
                marks = together(marks)
                layout, devices = self._layouts[marks[0].profile], devices_of(marks)
                return Job(day, connection, now_ms, layout, marks, devices).bounded()
            due_ms = dirty.next_due_ms(connection)
            if due_ms is None:
                del self._due[day]
            else:
                self._due[day] = due_ms
        return None

    def _move_border(self, job: Job) -> None:
        """Hand a mark of 00:00:00.000 to the day that it ends."""
        (mark,) = job.marks
        before = self._days.get_or_create(job.day - 1)
        self.look_at(job.day - 1)
        with transaction(before):
            due_ms = max(job.day * DAY_MS + GRACE_MS, job.now_ms)
            dirty.add(before, mark._replace(bucket=dirty.BUCKETS - 1), due_ms)
        with transaction(job.connection):
            dirty.clear(job.connection, mark)

    def _roll_quarters(self, job: Job) -> None:
        with snapshot(job.connection):
            stored = latest(job.quarters().rows(job.connection))
            new = self._roll(job)
        version = self._version(job)
        new.seq = new.seq + version
        table = latest(concat([stored, new]))
        devices = np.unique(table.device_index)
        earlier = values_before(self._earlier, job.day, job.layout, devices, job.from_ms)
        self._keep(job, chain(table, job.layout, earlier), stored, version)

    def _chain(self, job: Job) -> None:
        with snapshot(job.connection):
            stored = latest(job.quarters().rows(job.connection))
        following = self._days.days(first=job.day + 1)
        if len(stored) or following:
            earlier = values_before(self._earlier, job.day, job.layout, job.devices, job.from_ms)
            devices = np.unique(stored.device_index)
            of_rows = earlier[np.searchsorted(job.devices, devices)]
            # What a device says nothing of on this day leads on to the next one.
            is_open = ~np.isnan(earlier)
            known = ~np.isnan(stored.values[:, job.layout.lasts])
            at = np.searchsorted(job.devices, stored.device_index)
            np.logical_and.at(is_open, at, ~known)
            self._mark_next(job, job.devices[is_open.any(axis=1)])
            stored_now = chain(stored, job.layout, of_rows)
            self._keep(job, stored_now, stored, self._version(job))
        else:
            self._commit(job, stored, None)

    def _keep(self, job: Job, table: ReadingBatch, stored: ReadingBatch, version: int) -> None:
        rows = self._finished(job, table.take(changed(table, stored)), version)
        mark = Mark(job.layout.profile.name, DAY, np.unique(rows.device_index))
        self._commit(job, rows, mark if len(rows) else None)

    def _roll(self, job: Job) -> ReadingBatch:
        number = self._checkpoint_number()
        wanted = job.readings()
        parts = [wanted.rows(job.connection)]
        midnight_ms = (job.day + 1) * DAY_MS
        following = self._days.get(job.day + 1) if job.to_ms == midnight_ms else None
        if following is not None:
            with snapshot(following):
                parts.append(wanted._replace(from_ms=midnight_ms).rows(following))
        readings = concat(parts)
        is_kept = readings.record < number
        if not is_kept.all():
            readings = readings.take(is_kept)
        profile = job.layout.profile
        shown = winners(readings, by_sequence=profile.shape == "events")
        codes = [codes_of(mark.devices, _offset(mark)) for mark in job.marks]
        return roll(shown, job.layout, job.day, np.sort(np.concatenate(codes)))

    def _roll_days(self, job: Job) -> None:
        name = name_of(job.layout.profile.name, "1d")
        midnight_ms = job.day * DAY_MS
        with snapshot(job.connection):
            quarters = latest(job.quarters().rows(job.connection))
            wanted = job.of(name, job.layout.width, midnight_ms, midnight_ms)
            stored = latest(wanted.rows(job.connection))
        table = roll_days(quarters, job.layout, job.day)
        self._mark_next(job, table.device_index[moved(table, stored, job.layout)])
        rows = self._finished(job, table.take(changed(table, stored)), self._version(job))
        self._commit(job, rows, None)

    def _mark_next(self, job: Job, devices: IntArray) -> None:
        days = self._days.days(first=job.day + 1)
        connection = self._days.get(days[0]) if days and len(devices) else None
        if connection is not None:
            self.look_at(days[0])
            with transaction(connection):
                mark = Mark(job.layout.profile.name, CHAIN, devices)
                dirty.add(connection, mark, job.now_ms)

    def _finished(self, job: Job, rows: ReadingBatch, version: int) -> ReadingBatch:
        """Return rows as they are stored, after the sinks have got them."""
        rows.seq = np.full(len(rows), version)
        rows.received_ms = np.full(len(rows), job.now_ms)
        if len(rows):
            self._send([job.layout.shown(rows)])
        return rows

    def _commit(self, job: Job, rows: ReadingBatch, mark: Mark | None) -> None:
        pieces = chunks(rows, _PAGE_ROWS) if len(rows) else ()
        pages = [page_row(piece, FRESH, 0) for piece in pieces]
        with transaction(job.connection):
            job.connection.executemany(INSERT_PAGE, pages)
            for done in job.marks:
                dirty.clear(job.connection, done)
            if mark is not None:
                due_ms = max((job.day + 1) * DAY_MS + GRACE_MS, job.now_ms)
                dirty.add(job.connection, mark, due_ms)

    def _version(self, job: Job) -> int:
        version: int = job.connection.execute(_VERSION).fetchone()[0]
        return version

    def _checkpoint_number(self) -> int:
        if self._state is None:
            self._state = state.open_state(self._data_dir, is_writer=False)
        return state.load_meta(self._state).position.number


def _offset(mark: Mark) -> IntArray:
    return np.full(len(mark.devices), mark.bucket * QUARTER_MS)
