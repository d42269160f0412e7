"""Which readings are shown, and in which order.

Order is (time, device, sequence number, log, record). Of several readings of one device and
time in a profile of shape ``series`` the one with the best grade is shown (``QUALITY_RANK``);
between equal grades the first received, which is the lowest record number, except that of two
edits the latest holds. All others stay in the store and are shown as lineage.
"""

import numpy as np

from gateway.model import QUALITY_RANK, IntArray, Quality, ReadingBatch

# Within a day a time takes 27 bits; device indexes are dense and stay far below the other 36.
_TIME_BITS = 27


def in_order(batch: ReadingBatch) -> ReadingBatch:
    """Return all readings, sorted."""
    order = np.lexsort((batch.record, batch.log, batch.seq, batch.device_index, batch.time_ms))
    return batch.take(order)


def winners(batch: ReadingBatch, *, by_sequence: bool) -> ReadingBatch:
    """Return the readings that are shown, sorted.

    Args:
        batch: any readings of one profile.
        by_sequence: several readings of a device at one time are different things that
            happened (shape ``events``) and only those of one sequence number contend.
    """
    keys = [batch.device_index, batch.time_ms]
    if by_sequence:
        keys = [batch.log, batch.seq, *keys]
    order = _order(keys)
    equal = np.ones(max(len(order) - 1, 0), np.bool_)
    for key in keys:
        column = key[order]
        equal &= column[1:] == column[:-1]
    if equal.any():
        is_tied = np.zeros(len(order), np.bool_)
        is_tied[1:] |= equal
        is_tied[:-1] |= equal
        order = _without_losers(batch, keys, order, is_tied)
    return batch.take(order)


def _order(keys: list[IntArray]) -> IntArray:
    """Return the stable order by the last key, then by those before it."""
    time_ms = keys[-1]
    if len(keys) == 2 and len(time_ms):  # noqa: PLR2004  # device and time: one sort, not two
        first = int(time_ms.min())
        if int(time_ms.max()) - first < 1 << _TIME_BITS:
            device = keys[0]
            low = int(device.min())
            span = int(device.max()) - low + 1
            return np.argsort((time_ms - first) * span + (device - low), kind="stable")
    # Sequence before log: that is the order readings are shown in.
    return np.lexsort(keys)


def _without_losers(
    batch: ReadingBatch, keys: list[IntArray], order: IntArray, is_tied: np.ndarray
) -> IntArray:
    tied = order[is_tied]
    record = batch.record[tied]
    is_edited = batch.quality[tied] == Quality.EDITED
    first = np.where(is_edited, -record, record)
    rank = QUALITY_RANK[batch.quality[tied]]
    best = tied[np.lexsort((batch.seq[tied], first, rank, *(key[tied] for key in keys)))]
    is_winner = np.ones(len(best), np.bool_)
    same = np.ones(len(best) - 1, np.bool_)
    for key in keys:
        column = key[best]
        same &= column[1:] == column[:-1]
    is_winner[1:] = ~same
    kept = np.zeros(len(batch), np.bool_)
    kept[order[~is_tied]] = True
    kept[best[is_winner]] = True
    return order[kept[order]]
