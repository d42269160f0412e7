"""The processor's side of the store: pages of readings into day files, then the checkpoint."""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from gateway.model import Event, IntArray, ReadingBatch
from gateway.ports import Checkpoint
from gateway.store import state
from gateway.store.days import (
    DAMAGED,
    DAY_MS,
    FRESH,
    INSERT_PAGE,
    DayFiles,
    chunks,
    page_row,
    set_arrival_day,
)
from gateway.store.files import full_disk_is_ours, snapshot, transaction
from gateway.store.notes import Notes
from gateway.store.pages import PageDamagedError, decode_keys, decode_page

# Larger batches become several pages, so that a merge may take them in steps.
_PAGE_ROWS = 16_384
# find_times decodes each page once. At most 16 bytes x 16,384 rows x 64 = 16 MB; out-of-order
# readings without sequence number ask for the same few days again and again.
_CACHED_PAGES = 64
_INSERT_EVENT = """INSERT INTO event
(time_ms, received_ms, device_index, kind, code, detail, record) VALUES (?,?,?,?,?,?,?)"""
# A device repeats an event that has a number until a receipt vouches for it (docs/protocol.md §7).
_INSERT_NUMBERED = """INSERT INTO event
(time_ms, received_ms, device_index, kind, code, detail, record) SELECT ?1,?2,?3,?4,?5,?6,?7
WHERE NOT EXISTS (SELECT 1 FROM event
WHERE time_ms = ?1 AND device_index = ?3 AND kind = ?4 AND detail = ?6)"""
_NUMBER = '"en":'
_NEWEST = """SELECT coalesce((SELECT max(record_hi) FROM page), 0),
coalesce((SELECT max(record) FROM event), 0)"""
_FIND_PAGES = """SELECT id FROM page
WHERE profile = ? AND device_lo <= ? AND device_hi >= ? AND t_lo <= ? AND t_hi >= ?"""


@dataclass(slots=True)
class _DayPart:
    """What one call of ``write`` has for one day file."""

    batches: list[ReadingBatch] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def last_record(self) -> int:
        return max(
            max((int(batch.record.max()) for batch in self.batches), default=0),
            max((event.record for event in self.events), default=0),
        )

    @property
    def arrival_day(self) -> int:
        received_ms = max(
            max((int(batch.received_ms.max()) for batch in self.batches), default=0),
            max((event.received_ms for event in self.events), default=0),
        )
        return received_ms // DAY_MS

    def after(self, record: int) -> "_DayPart":
        """Return what is newer than a record."""
        newer = [batch.take(batch.record > record) for batch in self.batches]
        events = [event for event in self.events if event.record > record]
        return _DayPart([batch for batch in newer if len(batch)], events)


class Store:
    """``ports.StoreWriter`` over SQLite day files and ``state.sqlite``."""

    def __init__(self, data_dir: Path) -> None:
        self._days = DayFiles(data_dir, is_writer=True)
        self._looked_at = DayFiles(data_dir, is_writer=False)
        self._state = state.open_state(data_dir, is_writer=True)
        self._notes = Notes(data_dir)
        # After a torn write: up to which record each day already has the rows of that call.
        # Bounded by the days that one call touches, empty after it has succeeded.
        self._written: dict[int, int] = {}
        self._keys: OrderedDict[tuple[int, int], tuple[IntArray, IntArray]] = OrderedDict()

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """Open or create the store and remove what lies past the last checkpoint.

        Raises:
            JournalFullError: the disk is full.
        """
        with full_disk_is_ours():
            store = cls(data_dir)
            store._cut(state.load_meta(store._state).position.number)
        return store

    def load(self) -> Checkpoint:
        """Return the last checkpoint with all rows, not only the dirty ones."""
        return state.load(self._state)

    def write(self, batches: Sequence[ReadingBatch], events: Sequence[Event]) -> None:
        """See ``ports.StoreWriter``. A retry must bring at least the rows that failed."""
        for day, part in sorted(_by_day(batches, events).items()):
            rest = part.after(self._written[day]) if day in self._written else part
            if rest.batches or rest.events:
                with full_disk_is_ours():
                    self._write_day(day, rest)
                self._written[day] = rest.last_record
        with full_disk_is_ours():
            self._notes.add(events)
        self._written.clear()

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """See ``ports.StoreWriter``."""
        with full_disk_is_ours():
            state.save(self._state, checkpoint)

    def find_times(self, profile: str, device_index: int, times_ms: IntArray) -> IntArray:
        """See ``ports.StoreWriter``."""
        found = [np.empty(0, np.int64)]
        of_day = times_ms // DAY_MS
        for day in np.unique(of_day).tolist():
            wanted = times_ms[of_day == day]
            place = (profile, device_index, device_index, int(wanted.max()), int(wanted.min()))
            for devices, times in self._pages_at(day, place):
                found.append(np.intersect1d(wanted, times[devices == device_index]))
        return np.unique(np.concatenate(found))

    def close(self) -> None:
        """Close all files; the checkpoint stays the last one given."""
        self._days.close()
        self._state.close()

    def _write_day(self, day: int, part: _DayPart) -> None:
        rows = [
            page_row(piece, FRESH, 0)
            for batch in part.batches
            for piece in chunks(batch, _PAGE_ROWS)
        ]
        numbered = [event for event in part.events if _is_numbered(event)]
        events = [_event_row(event) for event in part.events if not _is_numbered(event)]
        try:
            with self._writing(day) as connection:
                set_arrival_day(connection, part.arrival_day)
                connection.executemany(INSERT_PAGE, rows)
                connection.executemany(_INSERT_EVENT, events)
                connection.executemany(_INSERT_NUMBERED, map(_event_row, numbered))
        except sqlite3.OperationalError:
            self._days.drop(day)  # a connection that saw the disk fail is not used again
            raise

    @contextmanager
    def _writing(self, day: int) -> Iterator[sqlite3.Connection]:
        """Run a transaction in the file that has the day's name, not in one just deleted."""
        while True:
            if self._days.get(day) is None:
                self._keys.clear()  # a new file counts its pages from 1
            connection = self._days.get_or_create(day)
            with transaction(connection):
                if self._days.is_linked(day):
                    yield connection
                    return
            self._days.drop(day)

    def _pages_at(
        self, day: int, place: tuple[str, int, int, int, int]
    ) -> list[tuple[IntArray, IntArray]]:
        connection = self._days.get(day)
        if connection is None:
            return []
        with snapshot(connection):
            ids = connection.execute(_FIND_PAGES, place).fetchall()
            return [self._keys_of(connection, day, page_id) for (page_id,) in ids]

    def _keys_of(
        self, connection: sqlite3.Connection, day: int, page_id: int
    ) -> tuple[IntArray, IntArray]:
        keys = self._keys.get((day, page_id))
        if keys is None:
            (data,) = connection.execute("SELECT data FROM page WHERE id=?", (page_id,)).fetchone()
            try:
                keys = decode_keys(data)
            except PageDamagedError:
                keys = np.empty(0, np.int64), np.empty(0, np.int64)
            while len(self._keys) >= _CACHED_PAGES:
                self._keys.popitem(last=False)
            self._keys[day, page_id] = keys
        return keys

    def _cut(self, number: int) -> None:
        """Remove what records from ``number`` on have left; the journal still has them."""
        # Read-only first: closing a file open for writing syncs it, and there may be thousands.
        for day in self._looked_at.days():
            looked_at = self._looked_at.get(day)
            if looked_at is None or max(looked_at.execute(_NEWEST).fetchone()) < number:
                continue
            connection = self._days.get_or_create(day)
            with transaction(connection):
                _cut_day(connection, number)
        self._looked_at.close()


def _cut_day(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("DELETE FROM event WHERE record >= ?", (number,))
    connection.execute("DELETE FROM page WHERE record_lo >= ?", (number,))
    rest = connection.execute(
        "SELECT id, profile, level, run, data FROM page WHERE record_hi >= ? AND level >= 0",
        (number,),
    ).fetchall()
    for page_id, profile, level, run, data in rest:
        try:
            batch = decode_page(data, profile)
        except PageDamagedError:
            # What came after the checkpoint is replayed; what came before is lost either way.
            connection.execute("UPDATE page SET level = ? WHERE id = ?", (DAMAGED, page_id))
            continue
        kept = batch.take(batch.record < number)
        connection.execute("DELETE FROM page WHERE id = ?", (page_id,))
        connection.execute(INSERT_PAGE, page_row(kept, level, run, min(level, 1)))


def _by_day(batches: Sequence[ReadingBatch], events: Sequence[Event]) -> Mapping[int, _DayPart]:
    parts: dict[int, _DayPart] = {}
    for batch in batches:
        if not len(batch):
            continue
        days = batch.time_ms // DAY_MS
        first, last = int(days.min()), int(days.max())
        if first == last:
            parts.setdefault(first, _DayPart()).batches.append(batch)
            continue
        for day in np.unique(days).tolist():
            parts.setdefault(day, _DayPart()).batches.append(batch.take(days == day))
    for event in events:
        parts.setdefault(event.time_ms // DAY_MS, _DayPart()).events.append(event)
    return parts


def _is_numbered(event: Event) -> bool:
    return event.kind == "event" and _NUMBER in event.detail


def _event_row(event: Event) -> tuple[int, int, int, str, int, str, int]:
    return (
        event.time_ms,
        event.received_ms,
        event.device_index,
        _text(event.kind),
        event.code,
        _text(event.detail),
        event.record,
    )


def _text(text: str) -> str:
    """Return text that SQLite can keep: a device may send half a surrogate pair in JSON."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
