"""What came into the store since somebody looked last, told by the numbers of journal records."""

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from gateway.model import Event, ReadingBatch
from gateway.ports import Changes
from gateway.store.days import DayFiles
from gateway.store.pages import PageDamagedError, decode_page
from gateway.store.rolled import is_rollup

# Rows handed over at once: 25 MB of em1, a quarter of a second to unpack. 10,000 meters that all
# speak within one second are 10,000.
MOST_ROWS = 131_072
MOST_EVENTS = 100_000  # the newest days of a first start: 50 MB

_PAGES = """SELECT profile, min(t_lo), max(t_hi), sum(n) FROM page WHERE record_hi > ?
GROUP BY profile"""
_DATA = "SELECT profile, data FROM page WHERE record_hi > ?"
_EVENTS = """SELECT time_ms, received_ms, device_index, kind, code, detail, record FROM event
WHERE record > ? ORDER BY record, id"""


class _Written:
    """Day files that were written since they were looked at last."""

    def __init__(self, data_dir: Path) -> None:
        self._days = DayFiles(data_dir, is_writer=False)
        self._stamps: dict[int, tuple[int, ...]] = {}  # as many as day files

    def files(self) -> Iterator[sqlite3.Connection]:
        days = self._days.days()
        for day in days:
            stamp = self._days.stamp(day)
            if self._stamps.get(day) == stamp:
                continue
            self._stamps[day] = stamp
            connection = self._days.get(day)
            if connection is not None:
                yield connection
        self._stamps = {day: self._stamps[day] for day in days if day in self._stamps}

    def forget(self) -> None:
        self._stamps.clear()


class ChangeReader:
    """Looks through day files that were written since; each with a span per profile."""

    def __init__(self, data_dir: Path) -> None:
        self._written = _Written(data_dir)

    def since(self, record: int) -> Changes:
        """Return what has a record number above ``record``; the same question once more, nothing.

        So the caller asks with the number up to which it has worked, and works before it asks
        again: a day file that was not written meanwhile is not opened.
        """
        spans: dict[str, list[tuple[int, int]]] = {}
        events: deque[Event] = deque(maxlen=MOST_EVENTS)
        readings: list[ReadingBatch] = []
        rows = 0
        for connection in self._written.files():
            for profile, low_ms, high_ms, count in connection.execute(_PAGES, (record,)):
                if not is_rollup(profile):
                    spans.setdefault(profile, []).append((low_ms, high_ms))
                    rows += count
            if rows <= MOST_ROWS:
                readings += _readings(connection, record)
            events.extend(Event(*row) for row in connection.execute(_EVENTS, (record,)))
        return Changes(spans, _in_order(events), readings if rows <= MOST_ROWS else None)


class EventReader:
    """Follows the events alone."""

    def __init__(self, data_dir: Path) -> None:
        self._written = _Written(data_dir)

    def since(self, record: int) -> Sequence[Event]:
        """Return the events above ``record`` in the order they came; as ``ChangeReader``."""
        events: deque[Event] = deque(maxlen=MOST_EVENTS)
        for connection in self._written.files():
            events.extend(Event(*row) for row in connection.execute(_EVENTS, (record,)))
        return _in_order(events)

    def again(self) -> None:
        """Look at all files next time: what was returned last could not be used."""
        self._written.forget()


def _in_order(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.record)


def _readings(connection: sqlite3.Connection, record: int) -> Iterator[ReadingBatch]:
    """Yield what a day file has from behind ``record``; merged pages hold older ones too."""
    for profile, data in connection.execute(_DATA, (record,)):
        if is_rollup(profile):
            continue
        try:
            page = decode_page(data, profile)
        except PageDamagedError:
            continue  # readers count it
        is_new = page.record > record
        if is_new.any():
            yield page.take(is_new)


def is_empty(changes: Changes) -> bool:
    """Return whether nothing changed."""
    return not changes.spans and not changes.events


def days_of(spans: Mapping[str, Sequence[tuple[int, int]]], day_ms: int) -> dict[str, set[int]]:
    """Return which whole days of ``day_ms`` the spans of each profile touch."""
    return {
        profile: {day for low, high in pairs for day in range(low // day_ms, high // day_ms + 1)}
        for profile, pairs in spans.items()
    }
