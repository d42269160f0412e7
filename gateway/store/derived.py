"""What was worked out of the readings: alarms and derived series, in ``derived.sqlite``.

Findings, the state of their engine and how far the store was looked at commit together, so a
crash repeats a step and never half of one. The file can be deleted: all of it is worked out anew.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from gateway.ports import Alarm, Findings, Memo, Result
from gateway.store.days import DAY_MS
from gateway.store.files import LateFile, connect, create, full_disk_is_ours, transaction

FILE_NAME = "derived.sqlite"
_SCHEMA = """
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    domain TEXT NOT NULL, kind TEXT NOT NULL, place TEXT NOT NULL, raised_ms INTEGER NOT NULL,
    found_ms INTEGER NOT NULL, cleared_ms INTEGER NOT NULL, severity INTEGER NOT NULL,
    confidence REAL NOT NULL, evidence TEXT NOT NULL,
    change INTEGER NOT NULL DEFAULT 0,  -- number of its last writing: what sinks follow
    UNIQUE (domain, kind, place, raised_ms)
);
CREATE INDEX alarm_time ON alarm (domain, raised_ms);
CREATE TABLE result (
    domain TEXT NOT NULL, series TEXT NOT NULL, place TEXT NOT NULL,
    from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, body TEXT NOT NULL,
    change INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (domain, series, from_ms, place)
) WITHOUT ROWID;
CREATE INDEX result_place ON result (domain, series, place, from_ms);
CREATE INDEX alarm_change ON alarm (change);
CREATE INDEX result_change ON result (change);
CREATE TABLE engine (domain TEXT PRIMARY KEY, record INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE memo (
    domain TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (domain, name, number)
) WITHOUT ROWID;
"""
_PUT_ALARM = """INSERT INTO alarm (domain, kind, place, raised_ms, found_ms, cleared_ms, severity,
confidence, evidence, change) VALUES (?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (domain, kind, place, raised_ms) DO UPDATE SET cleared_ms = excluded.cleared_ms,
severity = excluded.severity, confidence = excluded.confidence, evidence = excluded.evidence,
change = excluded.change"""
# not REPLACE: that writes both indexes anew, though only the change is another
_PUT_RESULT = """INSERT INTO result (domain, series, place, from_ms, to_ms, body, change)
VALUES (?,?,?,?,?,?,?) ON CONFLICT (domain, series, from_ms, place)
DO UPDATE SET to_ms = excluded.to_ms, body = excluded.body, change = excluded.change"""
_PUT_MEMO = "INSERT OR REPLACE INTO memo (domain, name, number, data) VALUES (?,?,?,?)"
_MEMOS = """SELECT name, number, data FROM memo
WHERE domain = ? AND name = ? AND number >= ? AND number < ? ORDER BY number"""
# one statement for all places: a call for each costs four times what SQLite does in it
_LINES = """SELECT series, place, from_ms, to_ms, body
FROM json_each(?4) AS asked CROSS JOIN result ON place = asked.value
WHERE domain = ?1 AND series = ?2 AND from_ms = ?3"""
_FORGET = (
    "DELETE FROM result WHERE domain = ?1 AND to_ms < ?2",
    "DELETE FROM alarm WHERE domain = ?1 AND cleared_ms > 0 AND cleared_ms < ?2",
)
_FORGET_MEMOS = """DELETE FROM memo WHERE domain = ?1 AND number < ?2 AND (number < ?3
OR substr(name, 1, instr(name, '/') - 1) NOT IN (SELECT value FROM json_each(?4)))"""
_PUT_ENGINE = "INSERT OR REPLACE INTO engine (domain, record, state) VALUES (?,?,?)"
_ALARMS = """SELECT id, kind, place, raised_ms, found_ms, cleared_ms, severity, confidence, evidence
FROM alarm WHERE domain = ?1 AND raised_ms < ?3 AND (cleared_ms = 0 OR cleared_ms >= ?2)
AND (?4 IS NULL OR kind = ?4) AND (?5 IS NULL OR place = ?5) AND (NOT ?6 OR cleared_ms = 0)
AND id > ?7 ORDER BY id LIMIT ?8"""
_ALARM = """SELECT kind, place, raised_ms, found_ms, cleared_ms, severity, confidence, evidence
FROM alarm WHERE domain = ? AND kind = ? AND place = ? AND raised_ms = ?"""
# a skip from name to name, as DISTINCT would read every line
_SERIES = """WITH RECURSIVE name (one) AS (
SELECT min(series) FROM result WHERE domain = ?1 UNION ALL
SELECT (SELECT min(series) FROM result WHERE domain = ?1 AND series > one) FROM name
WHERE one IS NOT NULL) SELECT one FROM name WHERE one IS NOT NULL"""
_RESULTS = """SELECT series, place, from_ms, to_ms, body FROM result
WHERE domain = ?1 AND series = ?2 AND from_ms >= ?3 AND from_ms < ?4
AND (?5 IS NULL OR place = ?5) AND (from_ms, place) > (?6, ?7)
ORDER BY from_ms, place LIMIT ?8"""
_NEWEST = """SELECT max((SELECT coalesce(max(change), 0) FROM alarm),
(SELECT coalesce(max(change), 0) FROM result))"""
_COLUMNS = "SELECT name FROM pragma_table_info('result')"
# a file of before there were numbers: its rows have 0; what no sink has to take keeps it
_NUMBER = (
    "ALTER TABLE alarm ADD COLUMN change INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE result ADD COLUMN change INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX alarm_change ON alarm (change)",
    "CREATE INDEX result_change ON result (change)",
)
# … but alarms have a life, old ones too, and whoever keeps that follows the numbers
_NUMBER_ALARMS = "UPDATE alarm SET change = ? + id WHERE change = 0"
_CHANGED_ALARMS = """SELECT change, domain, kind, place, raised_ms, found_ms, cleared_ms, severity,
confidence, evidence FROM alarm WHERE change > ? ORDER BY change LIMIT ?"""
_CHANGED_RESULTS = """SELECT change, domain, series, place, from_ms, to_ms, body FROM result
WHERE change > ? ORDER BY change LIMIT ?"""
_FIRST_SINCE = """SELECT min(
(SELECT coalesce(min(change), ?2) FROM alarm WHERE change > 0 AND found_ms >= ?1),
(SELECT coalesce(min(change), ?2) FROM result WHERE change > 0 AND to_ms >= ?1))"""
_LAST_NUMBER = (1 << 63) - 1


class Told(NamedTuple):
    """A line or an alarm of a sector, with the number of its last writing."""

    change: int
    domain: str
    line: Result | Alarm


class NumberedAlarm(NamedTuple):
    """An alarm as it is kept."""

    number: int
    alarm: Alarm


class AlarmQuery(NamedTuple):
    """Which alarms are asked for: those that lasted some time in [from_ms, to_ms)."""

    from_ms: int
    to_ms: int
    kind: str | None = None
    place: str | None = None
    is_open: bool = False


class DerivedStore:
    """Writes; the analyst has the only one.

    Args:
        data_dir: where the file is.
        stamp: the first number of a new file, Unix time in ns: above all of a file that was
            deleted, so that who follows the changes does not wait for them to catch up.
    """

    def __init__(self, data_dir: Path, stamp: Callable[[], int] = time.time_ns) -> None:
        file = data_dir / FILE_NAME
        if not file.exists():
            create(file, _SCHEMA)
        self._file = connect(file, is_writer=True)
        if ("change",) not in self._file.execute(_COLUMNS).fetchall():
            with transaction(self._file):
                for sql in _NUMBER:
                    self._file.execute(sql)
        first = self._newest() + 1 if self._newest() else stamp()
        with transaction(self._file):
            self._file.execute(_NUMBER_ALARMS, (first,))
        self._numbers = count(max(first, self._newest() + 1))

    def load(self, domain: str) -> tuple[int, bytes]:
        """Return the last record that an engine has seen, and its state."""
        query = "SELECT record, state FROM engine WHERE domain = ?"
        row = self._file.execute(query, (domain,)).fetchone()
        return (int(row[0]), bytes(row[1])) if row else (0, b"")

    def commit(self, domain: str, findings: Findings, record: int) -> None:
        """Make the findings of a step durable, and that it has seen all up to ``record``.

        Without a state it still has to see what came after the last one that has.

        Raises:
            JournalFullError: the disk is full; nothing was written, call again later.
        """
        with full_disk_is_ours(), transaction(self._file):
            self._file.executemany(_PUT_ALARM, self._numbered(domain, findings.alarms))
            self._file.executemany(_PUT_RESULT, self._numbered(domain, findings.results))
            self._file.executemany(_PUT_MEMO, ((domain, *memo) for memo in findings.memos))
            if findings.state is not None:
                self._file.execute(_PUT_ENGINE, (domain, record, findings.state))

    def _newest(self) -> int:
        (newest,) = self._file.execute(_NEWEST).fetchone()
        return int(newest)

    def _numbered(self, domain: str, lines: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        return ((domain, *line, next(self._numbers)) for line in lines)

    def forget(
        self, domain: str, before_ms: int, memos_before: int, lasting: Sequence[str] = ()
    ) -> None:
        """Delete findings that were over before a moment, and memos with lower numbers.

        Args:
            domain: of an engine.
            before_ms: the moment.
            memos_before: a day.
            lasting: first words of the names of memos that stay as long as findings.

        Raises:
            JournalFullError: the disk is full; call again later.
        """
        with full_disk_is_ours(), transaction(self._file):
            for sql in _FORGET:
                self._file.execute(sql, (domain, before_ms))
            words = json.dumps(list(lasting))
            last_day = before_ms // DAY_MS
            self._file.execute(_FORGET_MEMOS, (domain, memos_before, last_day, words))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class DerivedReader:
    """Reads beside the analyst; empty where it has not run yet."""

    def __init__(self, data_dir: Path) -> None:
        self._rows = LateFile(data_dir / FILE_NAME).rows
        self._numbered = False

    def alarms(
        self, domain: str, query: AlarmQuery, limit: int, after: int = 0
    ) -> Sequence[NumberedAlarm]:
        """Return alarms with numbers above ``after``, in the order they were found."""
        span = (query.from_ms, query.to_ms, query.kind, query.place, query.is_open)
        rows = self._rows(_ALARMS, (domain, *span, after, limit))
        return [NumberedAlarm(row[0], Alarm._make(row[1:])) for row in rows]

    def alarm(self, domain: str, kind: str, place: str, raised_ms: int) -> Alarm | None:
        """Return the alarm of that identity."""
        rows = self._rows(_ALARM, (domain, kind, place, raised_ms))
        return Alarm._make(rows[0]) if rows else None

    def series(self, domain: str) -> Sequence[str]:
        """Return the names of the series that there are."""
        return [row[0] for row in self._rows(_SERIES, (domain,))]

    def results(
        self, domain: str, asked: Result, limit: int, after: tuple[int, str] = (-1, "")
    ) -> Sequence[Result]:
        """Return lines of a series that begin in [from_ms, to_ms) of ``asked``.

        Its place may be empty: of all places. They come by time and place, behind ``after``.
        """
        where = (asked.series, asked.from_ms, asked.to_ms, asked.place or None)
        return [Result._make(row) for row in self._rows(_RESULTS, (domain, *where, *after, limit))]

    def lines(
        self, domain: str, series: str, from_ms: int, places: Iterable[str]
    ) -> dict[str, Result]:
        """Return the lines of a series that begin at one moment, by place, as far as known."""
        asked = json.dumps(list(places))
        found = self._rows(_LINES, (domain, series, from_ms, asked))
        return {row[1]: Result._make(row) for row in found}

    def memos(self, domain: str, name: str, first: int, stop: int) -> Sequence[Memo]:
        """Return memos of a name with numbers from ``first`` to before ``stop``."""
        return [Memo._make(row) for row in self._rows(_MEMOS, (domain, name, first, stop))]

    def changed(self, after: int, limit: int) -> Sequence[Told]:
        """Return what was written after a number, in the order of writing, at most ``limit``.

        Only the newest version of each line; what is deleted is not told. Nothing yet of a file
        that its writer has still to number.
        """
        if not self._is_numbered():
            return []
        alarms = [
            Told(row[0], row[1], Alarm._make(row[2:]))
            for row in self._rows(_CHANGED_ALARMS, (after, limit))
        ]
        results = [
            Told(row[0], row[1], Result._make(row[2:]))
            for row in self._rows(_CHANGED_RESULTS, (after, limit))
        ]
        return sorted([*alarms, *results], key=lambda told: told.change)[:limit]

    def changed_alarms(self, after: int, limit: int) -> Sequence[tuple[int, str, Alarm]]:
        """Return number, domain and alarm of those written after a number, as ``changed`` does."""
        if not self._is_numbered():
            return []
        rows = self._rows(_CHANGED_ALARMS, (after, limit))
        return [(row[0], row[1], Alarm._make(row[2:])) for row in rows]

    def number_before(self, time_ms: int) -> int:
        """Return the number after which all that tells of the time since a moment was written."""
        if not self._is_numbered():
            return 0
        (first,) = self._rows(_FIRST_SINCE, (time_ms, _LAST_NUMBER))[0]
        if first < _LAST_NUMBER:
            return int(first) - 1
        return int(self._rows(_NEWEST, ())[0][0])

    def _is_numbered(self) -> bool:
        self._numbered = self._numbered or ("change",) in self._rows(_COLUMNS, ())
        return self._numbered
