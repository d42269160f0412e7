"""Readings for tests of the store, and a plain model of what it must show."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gateway.model import QUALITY_RANK, Position, Quality, ReadingBatch
from gateway.ports import Checkpoint, Totals

DAY0_MS = 1_795_305_600_000  # 2026-11-22T00:00:00Z
DAY_MS = 86_400_000
FOREVER = 2**53


class Row(NamedTuple):
    """One reading of profile em1; the rest of its columns follow from these."""

    device: int
    time_ms: int
    record: int
    seq: int = -1
    quality: int = Quality.VALID
    value: float = 1.0


def batch_of(rows: Iterable[Row], profile: str = "em1", columns: int = 6) -> ReadingBatch:
    rows = list(rows)
    device, time_ms, record, seq, quality = (
        np.array([row[place] for row in rows], np.int64) for place in range(5)
    )
    values = np.array([[row.value + column for column in range(columns)] for row in rows])
    return ReadingBatch(
        profile,
        device_index=device,
        log=np.zeros(len(rows), np.int64),
        seq=seq,
        time_ms=time_ms,
        received_ms=time_ms + 250,
        values=values.reshape(len(rows), columns),
        status=device % 3,
        quality=quality,
        reasons=device * 8,
        record=record,
    )


def rows_of(batch: ReadingBatch) -> list[Row]:
    return list(
        map(
            Row,
            batch.device_index.tolist(),
            batch.time_ms.tolist(),
            batch.record.tolist(),
            batch.seq.tolist(),
            batch.quality.tolist(),
            batch.values[:, 0].tolist(),
        )
    )


def shown(rows: Iterable[Row]) -> list[Row]:
    """What a reader must show of rows: the winner of each device and time, in order."""
    best: dict[tuple[int, int], Row] = {}
    for row in rows:
        key = (row.time_ms, row.device)
        if key not in best or _rank(row) < _rank(best[key]):
            best[key] = row
    return [best[key] for key in sorted(best)]


def _rank(row: Row) -> tuple[int, int, int]:
    record = -row.record if row.quality == Quality.EDITED else row.record
    return int(QUALITY_RANK[row.quality]), record, row.seq


def fleet(devices: Sequence[int], times_ms: Sequence[int], first_record: int = 1) -> ReadingBatch:
    """One reading per device and time, in order of arrival, a record each."""
    rows = [(device, time_ms) for time_ms in times_ms for device in devices]
    return batch_of(
        Row(device, time_ms, first_record + place, seq=place, value=float(place % 977))
        for place, (device, time_ms) in enumerate(rows)
    )


def checkpoint_at(number: int) -> Checkpoint:
    done = number - 1
    totals = Totals(done, done, 0, 0, done, 0, 0)
    return Checkpoint(Position(number), totals, [], [], [], [])
