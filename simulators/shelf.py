"""The flash of a whole fleet in one SQLite file: what each node must not forget.

Readings are put here before they are sent, so a killed fleet goes on without using a sequence
number twice. ``synchronous=NORMAL``: a power cut may take the last readings with it.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from simulators.device import Device, Memory, Reading

_SCHEMA = """
CREATE TABLE IF NOT EXISTS device (
    name TEXT PRIMARY KEY, boot INT, log INT, next_seq INT, last_ms INT, accrued INT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (
    name TEXT, seq INT, time_ms INT, tail TEXT, PRIMARY KEY (name, seq)
) WITHOUT ROWID;
"""


class Shelf:
    """Opens the file in ``folder``, making both where needed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "fleet.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    @property
    def is_empty(self) -> bool:
        """Whether no node has ever recorded anything."""
        with closing(self._db.execute("SELECT 1 FROM device LIMIT 1")) as rows:
            return rows.fetchone() is None

    def load(self, name: str) -> tuple[Memory, list[Reading]] | None:
        """Return what a node remembers, None for a new one."""
        select = "SELECT boot, log, next_seq, last_ms, accrued FROM device WHERE name = ?"
        with closing(self._db.execute(select, (name,))) as rows:
            row = rows.fetchone()
        if row is None:
            return None
        select = "SELECT seq, time_ms, tail FROM kept WHERE name = ? ORDER BY seq"
        with closing(self._db.execute(select, (name,))) as rows:
            return Memory(*row), [Reading(*reading) for reading in rows]

    def save(
        self,
        taken: Iterable[tuple[Device, list[Reading]]],
        receipted: Iterable[tuple[str, int]] = (),
    ) -> None:
        """Keep new readings, drop receipted ones, in one transaction."""
        taken = list(taken)
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT OR REPLACE INTO device VALUES (?, ?, ?, ?, ?, ?)",
            ((device.name, *device.memory) for device, _ in taken),
        )
        self._db.executemany("INSERT INTO kept VALUES (?, ?, ?, ?)", _rows(taken))
        # the ring in memory has forgotten what lies before its oldest reading
        oldest = [(d.name, d.kept[0].seq - 1) for d, new in taken if new]
        self._db.executemany("DELETE FROM kept WHERE name = ? AND seq <= ?", [*receipted, *oldest])
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _rows(taken: list[tuple[Device, list[Reading]]]) -> Iterator[tuple[str, int, int, str]]:
    for device, readings in taken:
        for reading in readings:
            yield (device.name, *reading)
