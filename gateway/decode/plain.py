"""Ordinary rows of known devices, thousands at once: this is where a processor spends its time.

Ordinary is a JSON message that begins with the name of its profile and in which nothing is amiss.
A message that is odd in any way is handed back untouched and takes the exact path of ``rows``,
which knows how to say what is wrong with it. So this path never has to decide what an error is.
"""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec
import numpy as np

from gateway.decode.collect import as_integers
from gateway.decode.rows import MANY_BYTES, RowsReader
from gateway.decode.wire import MAX_ROWS
from gateway.model import IntArray, Record
from gateway.ports import Collecting, RowsHeads

_FEW = 16  # a run this short is handed back whole rather than searched for what is odd

_T = TypeVar("_T")


class Origin(NamedTuple):
    """What the topic of a message says of its rows."""

    device_index: int
    is_registered: bool
    is_backlog: bool


class Run(NamedTuple, Generic[_T]):
    """Messages that are all read alike, such as those that begin like one profile."""

    records: list[Record]
    origins: list[_T]  # of each record: what its topic says

    def part(self, start: int, stop: int) -> "Run[_T]":
        """Return some of them."""
        return Run(self.records[start:stop], self.origins[start:stop])

    def add(self, add_all: Callable[["Run[_T]"], bool]) -> list[Record]:
        """Add what is ordinary; return the records of what is odd.

        ``add_all`` adds a run; or nothing, and returns False, where one of its messages is odd.
        """
        if add_all(self):
            return []
        size = len(self.records)
        if size <= _FEW:
            return self.records
        return self.part(0, size // 2).add(add_all) + self.part(size // 2, size).add(add_all)


class PlainRows:
    """Adds runs of messages.

    Args:
        max_age_ms: what each source's ``max_age`` says, 0 = the default.
    """

    def __init__(self, max_age_ms: Sequence[int]) -> None:
        self._max_age_ms = np.array(max_age_ms, np.int64)

    def add(self, reader: RowsReader, run: Run[Origin], out: Collecting) -> list[Record]:
        """Add what is ordinary; return the records of what is odd."""
        return run.add(lambda part: self._add_all(reader, part, out))

    def _add_all(self, reader: RowsReader, run: Run[Origin], out: Collecting) -> bool:
        number, received_ms, source, _, _, payloads = zip(*run.records, strict=True)
        if max(map(len, payloads)) > MANY_BYTES:  # its rows are counted before they are read
            return False
        try:
            messages = list(map(reader.decode, payloads))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        rows = [message.r for message in messages]
        log = as_integers([message.log for message in messages])
        boot = as_integers([message.b for message in messages])
        seq = as_integers([message.n for message in messages])
        interval_ms = as_integers([message.i for message in messages])
        # each key has one colon, so a count tells duplicate or unknown keys
        colons = as_integers([payload.count(b":") for payload in payloads])
        keys = sum((column >= 0) * 1 for column in (log, boot, seq, interval_ms)) + 3
        if not all(rows) or max(map(len, rows)) > MAX_ROWS or (colons != keys).any():
            return False
        device, is_registered, is_backlog = map(as_integers, zip(*run.origins, strict=True))
        time_ms = as_integers([message.t for message in messages])
        heads = RowsHeads(
            *(reader.name, device, np.maximum(log, 0), boot, seq, time_ms, is_backlog),
            *(as_integers(number), as_integers(received_ms), is_registered, self._ages(source)),
        )
        out.add_messages(heads, rows)
        return True

    def _ages(self, sources: Sequence[int]) -> IntArray:
        if not self._max_age_ms.any():
            return np.zeros(len(sources), np.int64)
        return self._max_age_ms[as_integers(sources)]
