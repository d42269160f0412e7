"""The outbox: a second journal in which the processor leaves graded pages for the sinks.

One process is its only writer and deleter: the processor for readings, the keeper for rollups,
which have an outbox of their own. Two small files beside it let the processes meet:
``durable`` says how far the keeper may read, ``keep`` from where the sinks still need it.
"""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from gateway.journal import Journal
from gateway.journal.segments import list_segments
from gateway.model import ReadingBatch
from gateway.store.pages import encode_page

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 16 << 20
MAX_BYTES = 8 << 30  # weeks of 10,000 meters
FULL_SHARE = 0.9  # of MAX_BYTES: then the oldest goes, as a dead sink must not stop the store
MAX_ROWS = 5_000  # a page at a time is what a sink holds in memory
TRIM_EVERY = 100  # commits


class Outbox:
    """The processor's end."""

    def __init__(self, folder: Path, journal: Journal, clock: Callable[[], int]) -> None:
        self._folder = folder
        self._journal = journal
        self._clock = clock
        self._commits = 0

    @classmethod
    def open(cls, folder: Path, clock: Callable[[], int]) -> Self:
        """Open or create the outbox in ``folder``; numbers never fall behind a sink's cursor."""
        journal = Journal.open(
            folder,
            segment_bytes=SEGMENT_BYTES,
            max_bytes=MAX_BYTES,
            clock=clock,
            not_before=_read(folder / "durable") + 1,
        )
        return cls(folder, journal, clock)

    def put(self, batches: Sequence[ReadingBatch]) -> None:
        """See ``processor.Outbox``. A retry after a full disk repeats lines, which is harmless.

        Raises:
            JournalFullError: the disk or the outbox is full.
        """
        self._trim()
        if self._journal.pending_count == 0:
            for batch in batches:
                for first in range(0, len(batch), MAX_ROWS):
                    page = encode_page(batch.part(first, first + MAX_ROWS))
                    self._journal.append(self._clock(), 0, 0, batch.profile.encode(), page)
        _write(self._folder / "durable", self._journal.commit())

    def put_once(self, batches: Sequence[ReadingBatch]) -> None:
        """Put batches of a caller that does not come again with the same ones after an error.

        Raises:
            JournalFullError: as ``put``; what waited from an earlier call may be durable.
        """
        if self._journal.pending_count:
            self.put(())
        self.put(batches)

    def _trim(self) -> None:
        self._commits += 1
        if self._commits % TRIM_EVERY != 1:
            return
        self._journal.delete_before(_read(self._folder / "keep"))
        while self._journal.size_bytes > FULL_SHARE * MAX_BYTES:
            # the drain counts what it then skips; the store still has it (``infragate export``)
            oldest, following, *_ = list_segments(self._folder)
            logger.error("outbox full: %s goes before every sink has it", oldest.path.name)
            self._journal.delete_before(following.first)


def durable_number(folder: Path) -> int:
    """Return the last outbox record that the keeper may read."""
    return _read(folder / "durable")


def keep_from(folder: Path, number: int) -> None:
    """Say that no sink needs what is before ``number``."""
    _write(folder / "keep", number)


def _read(file: Path) -> int:
    try:
        return int(file.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return 0


def _write(file: Path, number: int) -> None:
    half = file.with_suffix(".tmp")
    half.write_text(str(number), "ascii")
    os.replace(half, file)  # noqa: PTH105  # atomic on POSIX
