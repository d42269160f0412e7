"""Day files: one SQLite database per UTC day of reading time, append-only pages and events.

``store/day-YYYYMMDD.sqlite``, WAL. A reading is never changed: what corrects or contradicts it
is a further row, and readers choose (``winners``). Retention unlinks whole files.

A file carries the UTC day on which something last arrived in it (``user_version``): retention
goes by the later of the two days, so that imported history is not deleted as it comes in.

Rollups of a profile are pages too (``rolled``); what has still to be rolled up is in ``dirty``.

``page.level`` says where a page is on its way from arrival to rest: 0 fresh, in order of
arrival; 1 and up merged, sorted by (device, time); ``FINAL`` the one run of a closed day.
Pages of one level with the same ``run`` do not overlap. −1 is a page whose checksum is wrong:
no merge touches it again.
"""

import datetime as dt
import os
import re
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gateway.model import ReadingBatch
from gateway.store.files import connect, create, name_lock, transaction
from gateway.store.pages import encode_page

DAY_MS = 86_400_000
FRESH, FINAL, DAMAGED = 0, 100, -1
_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()
_NAME = re.compile(r"day-(\d{4})(\d\d)(\d\d)\.sqlite\Z")

_SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;  -- a merged day gives back what its fresh pages took
CREATE TABLE page (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: caches of decoded pages go by it
    profile TEXT NOT NULL, level INTEGER NOT NULL, run INTEGER NOT NULL,
    record_lo INTEGER NOT NULL, record_hi INTEGER NOT NULL,
    device_lo INTEGER NOT NULL, device_hi INTEGER NOT NULL,
    t_lo INTEGER NOT NULL, t_hi INTEGER NOT NULL,
    n INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX page_place ON page (profile, device_lo, device_hi, t_lo, t_hi);
CREATE INDEX page_level ON page (profile, level, run, device_lo, n, record_hi);
CREATE INDEX page_record ON page (record_hi);
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL,
    device_index INTEGER NOT NULL, kind TEXT NOT NULL, code INTEGER NOT NULL,
    detail TEXT NOT NULL, record INTEGER NOT NULL
);
CREATE INDEX event_time ON event (time_ms);
CREATE INDEX event_record ON event (record);
CREATE TABLE dirty (  -- see ``dirty``
    profile TEXT NOT NULL, bucket INTEGER NOT NULL, due_ms INTEGER NOT NULL,
    n INTEGER NOT NULL, devices BLOB NOT NULL,
    PRIMARY KEY (profile, bucket)
);
"""
INSERT_PAGE = """INSERT INTO page
(profile, level, run, record_lo, record_hi, device_lo, device_hi, t_lo, t_hi, n, data)
VALUES (?,?,?,?,?,?,?,?,?,?,?)"""


class PageRow(NamedTuple):
    """A row of ``page`` as it is inserted."""

    profile: str
    level: int
    run: int
    record_lo: int
    record_hi: int
    device_lo: int
    device_hi: int
    t_lo: int
    t_hi: int
    n: int
    data: bytes


def page_row(batch: ReadingBatch, level: int, run: int, zlib_level: int = 0) -> PageRow:
    """Encode a batch that is not empty."""
    return PageRow(
        batch.profile,
        level,
        run,
        int(batch.record.min()),
        int(batch.record.max()),
        int(batch.device_index.min()),
        int(batch.device_index.max()),
        int(batch.time_ms.min()),
        int(batch.time_ms.max()),
        len(batch),
        encode_page(batch, zlib_level),
    )


class DayFiles:
    """Connections to the day files of a data directory, opened when needed.

    Args:
        data_dir: the data directory; day files are in its folder ``store``.
        is_writer: whether connections may write.
        bound: how many stay open. Late readings may touch 60 days, a query a year: each
            connection costs three file handles and about 100 kB.
    """

    def __init__(self, data_dir: Path, *, is_writer: bool, bound: int = 16) -> None:
        self._folder = data_dir / "store"
        self._is_writer = is_writer
        self._bound = bound
        self._open: OrderedDict[int, tuple[sqlite3.Connection, int]] = OrderedDict()

    def path(self, day: int) -> Path:
        """Return the file of a day, counted from 1970-01-01."""
        date = dt.date.fromordinal(_EPOCH_ORDINAL + day)
        return self._folder / f"day-{date:%Y%m%d}.sqlite"

    def days(self, first: int | None = None, last: int | None = None) -> list[int]:
        """Return the days that have a file, ascending, from ``first`` to ``last``."""
        days = []
        for name in os.listdir(self._folder) if self._folder.is_dir() else ():  # noqa: PTH208  # a query a millisecond
            match = _NAME.match(name)
            if match:
                year, month, day = map(int, match.groups())
                days.append(dt.date(year, month, day).toordinal() - _EPOCH_ORDINAL)
        return sorted(
            day for day in days if (first is None or day >= first) and (last is None or day <= last)
        )

    def get(self, day: int) -> sqlite3.Connection | None:
        """Return the connection of a day, None where it has no file (or none any more)."""
        file = self.path(day)
        try:
            inode = file.stat().st_ino
        except FileNotFoundError:
            self.drop(day)
            return None
        known = self._open.get(day)
        if known is not None and known[1] == inode:
            self._open.move_to_end(day)
            return known[0]
        # Retention may have unlinked the file and a late reading created it anew.
        self.drop(day)
        while len(self._open) >= self._bound:
            self._open.popitem(last=False)[1][0].close()
        try:
            connection = connect(file, is_writer=self._is_writer)
        except sqlite3.OperationalError:
            if file.exists():
                raise
            return None
        self._open[day] = connection, inode
        return connection

    def get_or_create(self, day: int) -> sqlite3.Connection:
        """Return the connection of a day; its file comes into being whole."""
        connection = self.get(day)
        if connection is None:
            create(self.path(day), _SCHEMA)
            connection = self.get(day)
        if connection is None:
            raise FileNotFoundError(self.path(day))
        return connection

    def is_linked(self, day: int) -> bool:
        """Return whether the open connection's file is still the one of that name.

        Asked inside a write transaction, which ``unlink_before`` waits for: then the answer
        holds until the commit.
        """
        known = self._open.get(day)
        try:
            return known is not None and self.path(day).stat().st_ino == known[1]
        except FileNotFoundError:
            return False

    def drop(self, day: int) -> None:
        """Close the connection of a day, if it is open."""
        known = self._open.pop(day, None)
        if known is not None:
            known[0].close()

    def unlink_before(self, day: int, first_kept: int) -> bool:
        """Delete the file of a day in which nothing arrived on ``first_kept`` or later.

        Whoever has it open reads on in what was. The write lock keeps a writer out meanwhile.
        """
        connection = self.get(day)
        if connection is None:
            return False
        file = self.path(day)
        with name_lock(file.parent), transaction(connection):
            if arrival_day(connection) >= first_kept:
                return False
            # The database first: SQLite throws away a log without one, but would keep a
            # database whose log is gone without noticing.
            for name in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
                name.unlink(missing_ok=True)
        self.drop(day)
        return True

    def stamp(self, day: int) -> tuple[int, ...]:
        """Return numbers that change whenever a day file was written."""
        stamp: list[int] = []
        for name in (self.path(day), Path(f"{self.path(day)}-wal")):
            try:
                state = name.stat()
            except FileNotFoundError:
                continue
            stamp += (state.st_ino, state.st_mtime_ns, state.st_size)
        return tuple(stamp)

    def close(self) -> None:
        """Close every connection."""
        for day in list(self._open):
            self.drop(day)


def arrival_day(connection: sqlite3.Connection) -> int:
    """Return the last day on which something arrived in a day file; days from 1970-01-01."""
    (day,) = connection.execute("PRAGMA user_version").fetchone()
    return int(day)


def set_arrival_day(connection: sqlite3.Connection, day: int) -> None:
    """Note in a transaction that something arrived on ``day``; the latest such day stands."""
    if day > arrival_day(connection):
        connection.execute(f"PRAGMA user_version = {day:d}")


def chunks(batch: ReadingBatch, rows: int) -> Iterator[ReadingBatch]:
    """Yield a batch in pieces of at most ``rows``."""
    if 0 < len(batch) <= rows:
        yield batch
        return
    for start in range(0, len(batch), rows):
        yield batch.take(np.arange(start, min(start + rows, len(batch))))
