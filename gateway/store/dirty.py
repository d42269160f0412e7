"""What of a day has still to be rolled up: table ``dirty`` of the day file.

A row names a profile, a bucket of 15 minutes and the devices whose readings in it have changed
since it was last computed. The writer pays nothing for it: a fresh page *is* the note, made in
the same commit as its rows. When the merger sorts fresh pages into a run it writes their marks
in the commit that removes them, so there is no moment at which a change is in neither.

Beside the 96 buckets of a day there are

* ``BORDER``: readings at 00:00:00.000, which end the last bucket of the day before;
* ``CHAIN``: the devices' last values before this day have changed;
* ``DAY``: the devices' day rollups are to be computed.

Devices are kept as ``columns`` keeps integers.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from gateway.model import IntArray, ReadingBatch
from gateway.store.columns import decode_ints, encode_ints
from gateway.store.days import DAY_MS
from gateway.store.rolled import QUARTER_MS

BUCKETS = DAY_MS // QUARTER_MS
BORDER, CHAIN, DAY = -1, BUCKETS, BUCKETS + 1
# After the end of a bucket: devices send at its border, and their radio takes its time.
GRACE_MS = 60_000
# Late readings of a bucket are gathered this long, or a backlog would compute it at every row.
SETTLE_MS = 10_000
_DEVICE_BITS = 40

_FIND = "SELECT due_ms, n, devices FROM dirty WHERE profile = ? AND bucket = ?"
_PUT = "INSERT OR REPLACE INTO dirty (profile, bucket, due_ms, n, devices) VALUES (?,?,?,?,?)"
_DELETE = "DELETE FROM dirty WHERE profile = ? AND bucket = ?"
_DUE = """SELECT profile, bucket, n, devices FROM dirty WHERE due_ms <= ?
ORDER BY profile, bucket"""
_NEXT = "SELECT min(due_ms) FROM dirty"


class Mark(NamedTuple):
    """A bucket, or one of the three others, and devices in ascending order."""

    profile: str
    bucket: int
    devices: IntArray


def closed_before_ms(now_ms: int) -> int:
    """Return the end of the last bucket that is closed."""
    return (now_ms - GRACE_MS) // QUARTER_MS * QUARTER_MS


def marks_of(batches: Iterable[ReadingBatch], day: int) -> Iterator[Mark]:
    """Yield which buckets of a day readings belong to; of one profile."""
    codes = [np.empty(0, np.int64)]
    profile = ""
    for batch in batches:
        profile = batch.profile
        offset_ms = batch.time_ms - day * DAY_MS
        for before in (0, 1):  # a reading on a border also ends the bucket before it
            place = (offset_ms - before) // QUARTER_MS + 1
            codes.append(np.unique((place << _DEVICE_BITS) + batch.device_index))
    found = np.unique(np.concatenate(codes))
    for part in np.split(found, np.flatnonzero(np.diff(found >> _DEVICE_BITS)) + 1):
        if len(part):
            bucket = int(part[0] >> _DEVICE_BITS) - 1
            yield Mark(profile, bucket, part & (1 << _DEVICE_BITS) - 1)


def due_of(day: int, bucket: int, now_ms: int) -> int:
    """Return when a bucket that has changed just now is to be computed."""
    end_ms = day * DAY_MS + (bucket + 1) * QUARTER_MS
    return max(end_ms + GRACE_MS, now_ms + SETTLE_MS)


def add(connection: sqlite3.Connection, mark: Mark, due_ms: int) -> None:
    """Note devices, within a transaction; what was due earlier stays so."""
    profile, bucket, devices = mark
    row = connection.execute(_FIND, (profile, bucket)).fetchone()
    if row is not None:
        due_ms = min(due_ms, row[0])
        devices = np.union1d(devices, _devices(*row[1:]))
    connection.execute(_PUT, (profile, bucket, due_ms, len(devices), encode_ints(devices, 1)))


def clear(connection: sqlite3.Connection, mark: Mark) -> None:
    """Take devices out, within a transaction."""
    profile, bucket, devices = mark
    row = connection.execute(_FIND, (profile, bucket)).fetchone()
    if row is None:
        return
    rest = np.setdiff1d(_devices(*row[1:]), devices)
    if len(rest):
        place = (profile, bucket, row[0], len(rest), encode_ints(rest, 1))
        connection.execute(_PUT, place)
    else:
        connection.execute(_DELETE, (profile, bucket))


def due(connection: sqlite3.Connection, now_ms: int) -> list[Mark]:
    """Return what is to be done now, by profile and bucket."""
    rows = connection.execute(_DUE, (now_ms,)).fetchall()
    return [Mark(profile, bucket, _devices(n, data)) for profile, bucket, n, data in rows]


def next_due_ms(connection: sqlite3.Connection) -> int | None:
    """Return when there is something to do, None where nothing waits."""
    found: int | None = connection.execute(_NEXT).fetchone()[0]
    return found


def _devices(n: int, data: bytes) -> IntArray:
    return decode_ints(memoryview(data), 0, n)
