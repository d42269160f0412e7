"""The readings of one call to ``Ledger.screen`` as columns, and their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.ledger.stream import NO_TIME
from gateway.model import NO_SEQ, BoolArray, DecodedBatch, IntArray


@dataclass(slots=True)
class Arrivals:
    """Readings of all batches, side by side."""

    device: IntArray
    log: IntArray  # -profile.number for a reading without number
    seq: IntArray
    time_ms: IntArray  # NO_TIME where the time is not believed
    boot: IntArray
    is_stamped: BoolArray
    record: IntArray

    def take(self, index: IntArray | slice) -> "Arrivals":
        """Return a selection, in its order."""
        return Arrivals(
            self.device[index],
            self.log[index],
            self.seq[index],
            self.time_ms[index],
            self.boot[index],
            self.is_stamped[index],
            self.record[index],
        )


def arrivals_of(
    batches: Sequence[DecodedBatch],
    is_mistimed: Sequence[BoolArray] | None,
    numbers: Mapping[str, int],
) -> Arrivals:
    """Put the batches one after the other."""
    parts = []
    for place, batch in enumerate(batches):
        rows = batch.readings
        log, time_ms = rows.log, rows.time_ms
        is_unnumbered = rows.seq == NO_SEQ
        if is_unnumbered.any():
            log = np.where(is_unnumbered, -numbers[rows.profile], log)
        if is_mistimed is not None and is_mistimed[place].any():
            time_ms = np.where(is_mistimed[place], NO_TIME, time_ms)
        columns = (rows.device_index, log, rows.seq, time_ms, batch.boot, rows.record)
        parts.append((columns, batch.is_stamped))
    if len(parts) == 1:
        (device, log, seq, time_ms, boot, record), is_stamped = parts[0]
    else:
        device, log, seq, time_ms, boot, record = (
            np.concatenate(column) for column in zip(*(part[0] for part in parts), strict=True)
        )
        is_stamped = np.concatenate([part[1] for part in parts])
    return Arrivals(device, log, seq, time_ms, boot, is_stamped, record)


def stable_order(keys: IntArray) -> IntArray | None:
    """Return the stable order that sorts ``keys``; None where they are sorted already."""
    if np.any(keys[1:] < keys[:-1]):
        return np.argsort(keys, kind="stable")
    return None
