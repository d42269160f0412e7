"""The three things nearly every stream does, found for a whole batch at once.

It goes on counting, it repeats what is known, or (without numbers) its time moves on. Each of
these leaves nothing to decide; any other stream takes the exact rules of ``stream``.
"""

import numpy as np

from gateway.ledger.arrivals import Arrivals
from gateway.ledger.stream import FIRST_NUMBERS
from gateway.ledger.table import StreamTable
from gateway.model import NO_SEQ, BoolArray, IntArray


class Groups:
    """Rows sorted by slot, seen as one group for each stream."""

    def __init__(self, rows: Arrivals, slot: IntArray) -> None:
        self._rows, self._slot = rows, slot
        self._is_start = np.ones(len(slot), np.bool_)
        self._is_start[1:] = slot[1:] != slot[:-1]
        self.starts = np.flatnonzero(self._is_start)
        self.ends = np.append(self.starts[1:], len(slot))
        self.slot = slot[self.starts]

    def going_on(self, table: StreamTable) -> BoolArray:
        """Return which groups count on from the highest number, or from time to newer time."""
        rows, slot = self._rows, self._slot
        seq, last_ms = rows.seq, table.last_time_ms[slot]
        follows = (seq == self._before(seq, table.top[slot]) + 1) & (seq != NO_SEQ)
        follows &= (rows.boot == table.boot[slot]) & (
            ~table.has_older[slot] | (rows.time_ms > last_ms)
        )
        is_unnumbered = seq == NO_SEQ
        if is_unnumbered.any():
            follows |= is_unnumbered & (rows.time_ms > self._before(rows.time_ms, last_ms))
        return self.all(follows)

    def repeating(self, table: StreamTable) -> BoolArray:
        """Return which groups bring nothing but numbers that are known, and begin nothing anew."""
        rows, slot = self._rows, self._slot
        seq = rows.seq
        is_known = (seq >= table.first[slot]) & (seq <= table.top[slot]) & (seq != NO_SEQ)
        if not is_known.any():
            return np.zeros(len(self.starts), np.bool_)
        is_known &= ~(table.is_odd[slot] | table.has_older[slot])
        # without a boot counter, 0 or 1 with a newer time may be a restart
        is_sure = (rows.boot >= 0) | (seq > FIRST_NUMBERS)
        is_sure |= rows.time_ms <= table.last_time_ms[slot]
        return self.all(is_known & is_sure & (rows.boot == table.boot[slot]))

    def all(self, mask: BoolArray) -> BoolArray:
        """Return in which groups every row is in ``mask``."""
        whole: BoolArray = np.logical_and.reduceat(mask, self.starts)
        return whole

    def newest_ms(self) -> IntArray:
        """Return the newest time of each group."""
        newest: IntArray = np.maximum.reduceat(self._rows.time_ms, self.starts)
        return newest

    def spread(self, mask: BoolArray) -> BoolArray:
        """Return the rows of the groups in ``mask``."""
        return np.repeat(mask, self.ends - self.starts)

    def _before(self, column: IntArray, first: IntArray) -> IntArray:
        """Return the value one row up; ``first`` where the group begins."""
        above = np.empty_like(column)
        above[1:] = column[:-1]
        return np.where(self._is_start, first, above)
