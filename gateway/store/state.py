"""The state file: devices, ledger, newest readings, accounts and the cursor, in one commit.

``state.sqlite`` is written by checkpoints only, after the rows they speak of are in their day
files: SQLite's WAL does not commit across files, so the order is what recovery relies on.
"""

import sqlite3
from pathlib import Path
from typing import NamedTuple

from gateway.model import Position
from gateway.ports import (
    Checkpoint,
    CountRow,
    DeviceRow,
    LatestRow,
    MemoryRow,
    StreamRow,
    Totals,
)
from gateway.store.files import connect, create, snapshot, transaction

FILE = "state.sqlite"
_SCHEMA = """
CREATE TABLE device (
    device_index INTEGER PRIMARY KEY, org TEXT NOT NULL, sector TEXT NOT NULL,
    device TEXT NOT NULL, is_registered INTEGER NOT NULL, first_seen_ms INTEGER NOT NULL
);
CREATE INDEX device_name ON device (device);
CREATE TABLE stream (
    device_index INTEGER NOT NULL, log INTEGER NOT NULL, epoch INTEGER NOT NULL,
    boot INTEGER NOT NULL, first INTEGER NOT NULL, high_water INTEGER NOT NULL,
    last_time_ms INTEGER NOT NULL, ranges TEXT NOT NULL,
    PRIMARY KEY (device_index, log, epoch)
) WITHOUT ROWID;
CREATE TABLE latest (
    device_index INTEGER NOT NULL, profile TEXT NOT NULL, time_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL, log INTEGER NOT NULL, seq INTEGER NOT NULL,
    status INTEGER NOT NULL, quality INTEGER NOT NULL, reasons INTEGER NOT NULL,
    "values" BLOB NOT NULL, memory BLOB NOT NULL,
    change INTEGER NOT NULL,  -- the checkpoint that wrote the row
    PRIMARY KEY (device_index, profile)
);
CREATE INDEX latest_change ON latest (change);
CREATE TABLE count (
    device_index INTEGER PRIMARY KEY, stored INTEGER NOT NULL, duplicate INTEGER NOT NULL,
    quarantined INTEGER NOT NULL, messages_stored INTEGER NOT NULL,
    messages_duplicate INTEGER NOT NULL, messages_quarantined INTEGER NOT NULL,
    last_received_ms INTEGER NOT NULL, state TEXT NOT NULL
);
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1), change INTEGER NOT NULL,
    number INTEGER NOT NULL, segment INTEGER NOT NULL, offset INTEGER NOT NULL,
    received_messages INTEGER NOT NULL, stored INTEGER NOT NULL, duplicate INTEGER NOT NULL,
    quarantined INTEGER NOT NULL, messages_stored INTEGER NOT NULL,
    messages_duplicate INTEGER NOT NULL, messages_quarantined INTEGER NOT NULL
);
INSERT INTO meta VALUES (1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
"""
# what decoders know: came after the others, so a file of an earlier version gets it when opened
_MEMORY = """CREATE TABLE IF NOT EXISTS memory (
    room TEXT NOT NULL, key TEXT NOT NULL, memory BLOB NOT NULL, PRIMARY KEY (room, key)
)"""
# An update in place, not a replacement: a replaced row costs a delete in every index.
_UPSERTS = {
    "device": """INSERT INTO device VALUES (?,?,?,?,?,?)
        ON CONFLICT (device_index) DO UPDATE SET org=excluded.org, sector=excluded.sector,
        device=excluded.device, is_registered=excluded.is_registered,
        first_seen_ms=excluded.first_seen_ms""",
    "stream": "INSERT OR REPLACE INTO stream VALUES (?,?,?,?,?,?,?,?)",
    "latest": """INSERT INTO latest VALUES (?,?,?,?,?,?,?,?,?,?,?,(SELECT change FROM meta))
        ON CONFLICT (device_index, profile) DO UPDATE SET time_ms=excluded.time_ms,
        received_ms=excluded.received_ms, log=excluded.log, seq=excluded.seq,
        status=excluded.status, quality=excluded.quality, reasons=excluded.reasons,
        "values"=excluded."values", memory=excluded.memory, change=excluded.change""",
    "count": "INSERT OR REPLACE INTO count VALUES (?,?,?,?,?,?,?,?,?)",
    "memory": "INSERT OR REPLACE INTO memory VALUES (?,?,?)",
}
_UPDATE_META = """UPDATE meta SET change = change + 1, number=?, segment=?, offset=?,
received_messages=?, stored=?, duplicate=?, quarantined=?, messages_stored=?,
messages_duplicate=?, messages_quarantined=?"""
_LATEST = """SELECT device_index, profile, time_ms, received_ms, log, seq, status, quality,
reasons, "values", memory FROM latest"""
_CHANGED = " WHERE change > ? ORDER BY 1, 2"
_DEVICES = "SELECT * FROM device"
_STREAMS = "SELECT * FROM stream ORDER BY 1, 2, 3"
# Beside a lone max() SQLite takes the other columns from the row that has it.
_NEWEST_STREAMS = """SELECT device_index, log, max(epoch), boot, first, high_water, last_time_ms,
ranges FROM stream"""
_FORGET_STREAM = "DELETE FROM stream WHERE device_index = ? AND log = ? AND epoch = ?"
_COUNTS = "SELECT * FROM count"
_MEMORIES = "SELECT room, key, memory FROM memory ORDER BY 1, 2"
_HAS_MEMORY = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'memory'"
_FORGET_MEMORY = "DELETE FROM memory WHERE room = ? AND key = ?"


class Meta(NamedTuple):
    """The one row of ``meta``."""

    change: int
    position: Position
    totals: Totals


def open_state(data_dir: Path, *, is_writer: bool) -> sqlite3.Connection:
    """Open the state file; a writer creates it where there is none.

    Raises:
        FileNotFoundError: there is none, and the caller only reads.
    """
    file = data_dir / FILE
    if not file.exists():
        if not is_writer:
            raise FileNotFoundError(file)
        create(file, f"{_SCHEMA}{_MEMORY};")
    state = connect(file, is_writer=is_writer)
    if is_writer:
        state.execute(_MEMORY)
    return state


def save(state: sqlite3.Connection, checkpoint: Checkpoint) -> None:
    """Commit a checkpoint."""
    with transaction(state):
        state.execute(_UPDATE_META, (*checkpoint.position, *checkpoint.totals))
        state.executemany(_UPSERTS["device"], checkpoint.devices)
        # A tombstone of a log goes before the row of one that has come into being since.
        gone = [row[:3] for row in checkpoint.streams if not row.ranges]
        state.executemany(_FORGET_STREAM, gone)
        state.executemany(_UPSERTS["stream"], (row for row in checkpoint.streams if row.ranges))
        state.executemany(_UPSERTS["latest"], checkpoint.latest)
        state.executemany(_UPSERTS["count"], checkpoint.counts)
        lost = [row[:2] for row in checkpoint.memories if not row.memory]
        state.executemany(_FORGET_MEMORY, lost)
        state.executemany(_UPSERTS["memory"], (row for row in checkpoint.memories if row.memory))


def load(state: sqlite3.Connection) -> Checkpoint:
    """Return everything of one moment."""
    with snapshot(state):
        meta = load_meta(state)
        return Checkpoint(
            meta.position,
            meta.totals,
            load_devices(state),
            [StreamRow(*row) for row in state.execute(_STREAMS)],
            load_latest(state),
            load_counts(state),
            tuple(load_memories(state)),
        )


def load_memories(state: sqlite3.Connection) -> list[MemoryRow]:
    """Return what decoders know of earlier messages.

    Nothing in a file of an earlier version that no writer has opened since: a reader beside it
    (an import, a replay) can add no table.
    """
    if state.execute(_HAS_MEMORY).fetchone() is None:
        return []
    return [MemoryRow(*row) for row in state.execute(_MEMORIES)]


def load_meta(state: sqlite3.Connection) -> Meta:
    """Return cursor and totals."""
    row = state.execute("SELECT * FROM meta").fetchone()
    return Meta(row[1], Position(*row[2:5]), Totals(*row[5:]))


def load_devices(state: sqlite3.Connection, device: str | None = None) -> list[DeviceRow]:
    """Return all devices in the order of their index, or those of one name."""
    rows = _found(state, _DEVICES, " ORDER BY 1", device=device)
    return [DeviceRow(*row) for row in rows]


def load_streams(state: sqlite3.Connection, device_index: int | None = None) -> list[StreamRow]:
    """Return all logs, or those of one device, each as it counts now (its highest epoch)."""
    end = " GROUP BY 1, 2 ORDER BY 1, 2"
    rows = _found(state, _NEWEST_STREAMS, end, device_index=device_index)
    return [StreamRow(*row) for row in rows]


def load_counts(state: sqlite3.Connection, device_index: int | None = None) -> list[CountRow]:
    """Return the accounts of every device, or of one."""
    rows = _found(state, _COUNTS, " ORDER BY 1", device_index=device_index)
    return [CountRow(*row) for row in rows]


def load_latest(
    state: sqlite3.Connection, profile: str | None = None, device_index: int | None = None
) -> list[LatestRow]:
    """Return newest readings: all, of one profile, of one device."""
    rows = _found(state, _LATEST, " ORDER BY 1, 2", profile=profile, device_index=device_index)
    return [LatestRow(*row) for row in rows]


def load_changed(state: sqlite3.Connection, change: int) -> tuple[list[LatestRow], int]:
    """Return newest readings written after a checkpoint, and the number of the last one."""
    with snapshot(state):
        rows = [LatestRow(*row) for row in state.execute(_LATEST + _CHANGED, (change,))]
        return rows, load_meta(state).change


def _found(
    state: sqlite3.Connection, select: str, end: str, **wanted: str | int | None
) -> sqlite3.Cursor:
    """Select where columns have the wanted values, None = any.

    Only the conditions that there are, as ``? IS NULL OR …`` would read the whole table.
    """
    asked = {name: value for name, value in wanted.items() if value is not None}
    where = " AND ".join(f"{name} = ?" for name in asked)
    sql = f"{select} WHERE {where}{end}" if where else select + end
    return state.execute(sql, tuple(asked.values()))
