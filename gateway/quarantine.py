"""Messages that could not be read, byte for byte, until a person decides.

One SQLite file, ``data_dir/quarantine/quarantine.sqlite``. The number of the journal record is
the id, so a replay after a crash stores an entry once. Nothing is ever dropped to make room:
beyond ``max_bytes`` of payload ``add`` raises ``JournalFullError``, the processor stops, the
journal fills up and the sources stop acknowledging. A device that sends garbage can thereby
stop the gateway, but only after a gigabyte that nobody looked at, with the alarm of the
quarantine counter all the while; the other choice would be to lose what was acknowledged.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from gateway.errors import JournalFullError
from gateway.model import Quarantined

FILE = Path("quarantine") / "quarantine.sqlite"
DEFAULT_MAX_BYTES = 1 << 30  # a week of one device sending 1.7 kB/s of nonsense
_BUSY_S = 10.0  # the processor and a command line wait for each other
# BUSY, LOCKED, IOERR, FULL, CANTOPEN: the same call may succeed later.
_RETRY_CODES = frozenset({5, 6, 10, 13, 14})

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    record INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL, source INTEGER NOT NULL,
    topic BLOB NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    device_index INTEGER NOT NULL, readings INTEGER NOT NULL,
    size INTEGER NOT NULL, sha256 TEXT NOT NULL,
    requeued_by INTEGER,  -- set while a person's requeue is on its way through the journal
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_reason ON entry (reason, record);
CREATE TABLE IF NOT EXISTS total (entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO total SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM total);
-- Triggers, since a command line removes entries beside the processor that adds them.
CREATE TRIGGER IF NOT EXISTS entry_added AFTER INSERT ON entry BEGIN
    UPDATE total SET entries = entries + 1, bytes = bytes + new.size; END;
CREATE TRIGGER IF NOT EXISTS entry_removed AFTER DELETE ON entry BEGIN
    UPDATE total SET entries = entries - 1, bytes = bytes - old.size; END;
"""
_INSERT = """INSERT INTO entry (record, received_ms, source, topic, reason, detail,
device_index, readings, size, sha256, payload) VALUES (?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (record) DO NOTHING"""
_LIST = """SELECT record, received_ms, topic, reason, detail, size, sha256, device_index,
readings FROM entry
WHERE requeued_by IS NULL AND record > ?1 AND (?2 IS NULL OR reason = ?2)
ORDER BY record LIMIT ?3"""
_CLAIM = "UPDATE entry SET requeued_by = ? WHERE record = ? AND requeued_by IS NULL"
_GET = """SELECT record, received_ms, source, topic, payload, reason, detail, device_index,
readings FROM entry WHERE record = ?"""


class Entry(NamedTuple):
    """What a list of the quarantine shows of a message: all but its payload."""

    record: int
    received_ms: int
    topic: bytes
    reason: str
    detail: str
    size: int
    sha256: str  # of the payload, hexadecimal
    device_index: int
    readings: int


class QuarantineReader:
    """Reads the quarantine beside whoever writes it. Empty where none has been written yet."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FILE
        self._connection: sqlite3.Connection | None = None

    def list(self, limit: int, after: int = 0, reason: str | None = None) -> Sequence[Entry]:
        """Return at most ``limit`` entries with ids above ``after``, in the order of ids."""
        return [Entry(*row) for row in self._rows(_LIST, (after, reason, limit))]

    def get(self, record: int) -> Quarantined | None:
        """Return an entry with its payload, None where there is none or it is on its way back."""
        rows = self._rows(f"{_GET} AND requeued_by IS NULL", (record,))
        return Quarantined(*rows[0]) if rows else None

    def size(self) -> tuple[int, int]:
        """Return how many entries there are and the bytes of their payloads."""
        rows = self._rows("SELECT entries, bytes FROM total", ())
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> sqlite3.Connection | None:
        if self._connection is None and self._file.exists():
            self._connection = _connect(self._file, "ro")
        return self._connection

    def _rows(self, sql: str, values: tuple[object, ...]) -> Sequence[tuple[Any, ...]]:
        connection = self._open()
        return [] if connection is None else connection.execute(sql, values).fetchall()


class Quarantine(QuarantineReader):
    """Reads and writes; the processor has one, and so has a command line that drops entries."""

    def __init__(self, data_dir: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        super().__init__(data_dir)
        self._max_bytes = max_bytes
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._writer = _connect(self._file, "rwc")
        self._writer.execute("PRAGMA journal_mode=WAL")
        self._writer.execute("PRAGMA synchronous=FULL")
        self._writer.executescript(_SCHEMA)
        self._connection = self._writer

    @classmethod
    def open(cls, data_dir: Path, below: int, max_bytes: int = DEFAULT_MAX_BYTES) -> Self:
        """Open for the processor: entries of records from ``below`` on go, they come again.

        Those whose requeued record was checkpointed go as well.

        Raises:
            JournalFullError: the disk is full.
        """
        with _full_disk_is_ours():
            quarantine = cls(data_dir, max_bytes)
            quarantine._writer.execute(
                "DELETE FROM entry WHERE record >= ? OR requeued_by < ?", (below, below)
            )
        return quarantine

    def add(self, entries: Iterable[Quarantined]) -> None:
        """Make entries durable, all or none; one that is already there stays as it was.

        Raises:
            JournalFullError: the disk or the quarantine is full; call again later.
        """
        rows = [_row(entry) for entry in entries]
        if not rows:
            return
        with self._transaction() as connection:
            connection.executemany(_INSERT, rows)
            (size,) = connection.execute("SELECT bytes FROM total").fetchone()
            if size > self._max_bytes:
                raise JournalFullError(
                    f"quarantine: {size} bytes of payload, more than {self._max_bytes}; "
                    "look at it, then requeue or drop"
                )

    def remove(self, records: Iterable[int]) -> int:
        """Delete entries; return how many there were."""
        with self._transaction() as connection:
            before = connection.total_changes
            connection.executemany("DELETE FROM entry WHERE record = ?", ((r,) for r in records))
            return (connection.total_changes - before) // 2  # the trigger counts as well

    def claim(self, wanted: Sequence[tuple[int, int]]) -> list[Quarantined | None]:
        """Hide entries and return them; of each pair, the second is the record that has it now.

        None where the entry is gone or another record has it. The same pair may come again: a
        crash before the next checkpoint makes that record come again, and until then its entry
        stays. After that checkpoint the caller, or the next ``open``, removes it.

        Raises:
            JournalFullError: the disk is full; call again later.
        """
        with self._transaction() as connection:
            for number, by in wanted:
                connection.execute(_CLAIM, (by, number))
            return [self._claimed(number, by) for number, by in wanted]

    def _claimed(self, number: int, by: int) -> Quarantined | None:
        rows = self._rows(f"{_GET} AND requeued_by = ?", (number, by))
        return Quarantined(*rows[0]) if rows else None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _full_disk_is_ours():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _row(entry: Quarantined) -> tuple[object, ...]:
    return (
        entry.record,
        entry.received_ms,
        entry.source,
        entry.topic,
        entry.reason,
        # It may quote a payload, and with it half a surrogate pair that SQLite cannot keep.
        entry.detail.encode("utf-8", "backslashreplace").decode("utf-8"),
        entry.device_index,
        entry.readings,
        len(entry.payload),
        hashlib.sha256(entry.payload).hexdigest(),
        entry.payload,
    )


@contextmanager
def _full_disk_is_ours() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _RETRY_CODES:
            raise
        raise JournalFullError(f"quarantine: {error}") from error
    except OSError as error:
        raise JournalFullError(f"quarantine: {error}") from error
