"""Processes that tests kill: a writer that stores a known stream, and a merger beside it.

Run as ``python -m tests.store_child write|write-days|merge FOLDER``. Record ``r`` of a stream
is always the same reading, so whoever finds the folder later knows what must be in it.
"""

import sys
from pathlib import Path

import numpy as np

from gateway.model import ReadingBatch
from gateway.store import Merger, Store
from tests.store_tools import DAY0_MS, DAY_MS, checkpoint_at

DEVICES = 40
MANY_DAYS = 28
_STEP = 300


def stream(first: int, end: int, days: int = 1) -> ReadingBatch:
    """Return records ``first`` to ``end`` − 1, of 1 day or in turns of so many.

    One reading in 16 is four days late.
    """
    record = np.arange(first, end)
    day = record // _STEP % days - np.where(record % 16 == 0, 4, 0)
    time_ms = DAY0_MS + record // DEVICES * 1000 + day * DAY_MS
    zero = np.zeros(len(record), np.int64)
    return ReadingBatch(
        "em1",
        device_index=record % DEVICES,
        log=zero,
        seq=record // DEVICES,
        time_ms=time_ms,
        received_ms=time_ms + 99,
        values=np.stack([record * 1.0] * 6, axis=1),
        status=zero,
        quality=zero + 1,
        reasons=zero,
        record=record,
    )


def write(folder: Path, days: int = 1) -> None:
    store = Store.open(folder)
    number = store.load().position.number
    print("ready", flush=True)  # noqa: T201  # the parent waits for it
    while True:
        for _ in range(4):
            store.write([stream(number, number + _STEP, days)], [])
            number += _STEP
        store.checkpoint(checkpoint_at(number))


def write_days(folder: Path) -> None:
    """Write to more days than the writer keeps open."""
    write(folder, MANY_DAYS)


def merge(folder: Path) -> None:
    merger = Merger(folder)
    print("ready", flush=True)  # noqa: T201
    while True:
        # Alternately as on the day itself and long after it, so that both kinds of merge run.
        merger.merge_once(DAY0_MS)
        merger.merge_once(DAY0_MS + 9 * DAY_MS)


if __name__ == "__main__":
    {"write": write, "write-days": write_days, "merge": merge}[sys.argv[1]](Path(sys.argv[2]))
