"""From the pages of a day to the readings that answer a query, with bounded memory."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, ReadingBatch
from gateway.store.pages import concat
from gateway.store.rolled import ROLLUP
from gateway.store.rollup import latest
from gateway.store.winners import in_order, winners

# Rows gathered before those that cannot be among the first ``limit`` are let go: 40 MB of em1.
# A day of 10,000 devices has millions of rows, and an API call shows 100,000 at most.
_GATHERED_ROWS = 1 << 18


class Query(NamedTuple):
    """Which readings are wanted."""

    shape: str  # Profile.shape, or ROLLUP
    lineage: bool
    after: tuple[int, ...]  # time, device, sequence number, log, record; or empty
    device_index: int | None
    from_ms: int
    to_ms: int


def select(pages: Iterable[ReadingBatch], query: Query, limit: int) -> ReadingBatch | None:
    """Return the first ``limit`` readings that a query shows of a day, None where there are none.

    Args:
        pages: all pages of the day that may have rows of the query.
        query: the query.
        limit: how many.
    """
    gathered: list[ReadingBatch] = []
    count, bound = 0, max(_GATHERED_ROWS, 2 * limit)
    last_ms = query.to_ms - 1
    for page in pages:
        found = page.take(_matches(page, query, last_ms))
        if not len(found):
            continue
        gathered.append(found)
        count += len(found)
        if count > bound:
            # All rows of the last time shown must stay: they still contend with what comes.
            rows = concat(gathered)
            shown = _shown(rows, query)
            if len(shown) >= limit:
                last_ms = int(shown.time_ms[limit - 1])
                rows = rows.take(rows.time_ms <= last_ms)
            gathered, count = [rows], len(rows)
            bound = max(bound, 2 * count)
    if not gathered:
        return None
    shown = _shown(concat(gathered), query)
    return shown if len(shown) <= limit else shown.take(np.arange(limit))


def parse_key(text: str | None, parts: int) -> tuple[int, ...]:
    """Return the numbers of an ``after`` token.

    Raises:
        ValueError: it has another form.
    """
    if text is None:
        return ()
    key = tuple(int(part) for part in text.split("."))
    if len(key) != parts or any(abs(number) >= 1 << 63 for number in key):
        raise ValueError(f"{text!r} is not what an earlier page returned as 'after'")
    return key


def format_after(batch: ReadingBatch) -> str:
    """Return the token that stands for the last reading of a batch."""
    key = (batch.time_ms, batch.device_index, batch.seq, batch.log, batch.record)
    return ".".join(str(column[-1]) for column in key)


def _matches(page: ReadingBatch, query: Query, last_ms: int) -> BoolArray:
    mask: BoolArray = (page.time_ms >= query.from_ms) & (page.time_ms <= last_ms)
    if query.device_index is not None:
        mask &= page.device_index == query.device_index
    return mask


def _shown(rows: ReadingBatch, query: Query) -> ReadingBatch:
    by_sequence = query.shape == "events"
    if query.shape == ROLLUP:
        shown = in_order(latest(rows))
    elif query.lineage:
        shown = in_order(rows)
    else:
        shown = winners(rows, by_sequence=by_sequence)
    if not query.after:
        return shown
    key = [shown.time_ms, shown.device_index]
    if by_sequence or query.lineage:
        # One reading per device and time is found again by these two, even if another one has
        # won since the page before.
        key += [shown.seq, shown.log, shown.record]
    is_later = np.zeros(len(shown), np.bool_)
    is_equal = np.ones(len(shown), np.bool_)
    for column, value in zip(key, query.after, strict=False):
        is_later |= is_equal & (column > value)
        is_equal &= column == value
    return shown.take(is_later)
