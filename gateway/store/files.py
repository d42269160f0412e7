"""SQLite connections the way the store needs them, and their disk errors as ours."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.errors import JournalFullError

# A writer and the merger of another process wait for each other this long. Their transactions
# take milliseconds; only a disk that stalls takes longer.
_BUSY_S = 10.0
# Primary result codes after which the same write may succeed later: BUSY, LOCKED, IOERR, FULL,
# CANTOPEN. All others are defects and must not be retried for ever.
_RETRY_CODES = frozenset({5, 6, 10, 13, 14})
# Bytes 18 and 19 of a database: format versions for writing and reading, 2 = WAL.
_WAL_VERSIONS = b"\2\2"


def connect(file: Path, *, is_writer: bool) -> sqlite3.Connection:
    """Open an existing database: for writing, or for reading only.

    Raises:
        sqlite3.OperationalError: it does not exist.
    """
    mode = "rw" if is_writer else "ro"
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,  # readers serialise their own threads
    )
    if is_writer:
        connection.execute("PRAGMA synchronous=FULL")
    return connection


class LateFile:
    """A database of another process, read beside it; empty until that process has made it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None

    def rows(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        if self._connection is None:
            if not self._file.exists():
                return []
            self._connection = connect(self._file, is_writer=False)
        return self._connection.execute(sql, values).fetchall()


def create(file: Path, schema: str) -> None:
    """Create a database in WAL mode that readers see whole or not at all, and durable.

    Built in memory and written at once: SQLite would sync a dozen times, and an import of ten
    years creates 3,650 day files.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(schema)
    image = bytearray(connection.serialize())
    connection.close()
    image[18:20] = _WAL_VERSIONS
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(file.name + ".new")
    with half.open("wb") as out:
        out.write(image)
        out.flush()
        os.fsync(out.fileno())
    with name_lock(file.parent):
        if not file.exists():
            # a kill in the middle of a deletion leaves a log, which SQLite would apply to ours
            for end in ("-wal", "-shm"):
                Path(f"{file}{end}").unlink(missing_ok=True)
            half.rename(file)
    sync_folder(file.parent)


@contextmanager
def name_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from giving or taking names of databases in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def full_disk_is_ours() -> Iterator[None]:
    """Turn what a full or failing disk raises into the error that callers retry.

    Raises:
        JournalFullError: nothing of the transaction in progress was committed.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _RETRY_CODES:
            raise
        raise JournalFullError(f"store: {error}") from error
    except OSError as error:
        raise JournalFullError(f"store: {error}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a write transaction: all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # A failed COMMIT may leave the transaction open; a full disk may have ended it already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Let several queries see one moment of a database."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
