"""Processes that tests kill: a writer that stores a known stream, and a merger beside it.

Run as ``python -m tests.store_child write|merge FOLDER``. Record ``r`` of the stream is always
the same reading, so whoever finds the folder later knows what must be in it.
"""

import sys
from pathlib import Path

import numpy as np

from gateway.model import ReadingBatch
from gateway.store import Merger, Store
from tests.store_tools import DAY0_MS, DAY_MS, checkpoint_at

DEVICES = 40
_STEP = 300


def stream(first: int, end: int) -> ReadingBatch:
    """Return records ``first`` to ``end`` − 1; one in 16 is four days late."""
    record = np.arange(first, end)
    time_ms = DAY0_MS + record // DEVICES * 1000 - np.where(record % 16 == 0, 4 * DAY_MS, 0)
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


def write(folder: Path) -> None:
    store = Store.open(folder)
    number = store.load().position.number
    print("ready", flush=True)  # noqa: T201  # the parent waits for it
    while True:
        for _ in range(4):
            store.write([stream(number, number + _STEP)], [])
            number += _STEP
        store.checkpoint(checkpoint_at(number))


def merge(folder: Path) -> None:
    merger = Merger(folder)
    print("ready", flush=True)  # noqa: T201
    while True:
        # Alternately as on the day itself and long after it, so that both kinds of merge run.
        merger.merge_once(DAY0_MS)
        merger.merge_once(DAY0_MS + 9 * DAY_MS)


if __name__ == "__main__":
    {"write": write, "merge": merge}[sys.argv[1]](Path(sys.argv[2]))
