"""The outbox: a second journal in which the processor leaves graded pages for the sinks.

One process is its only writer and deleter: the processor for readings, the keeper for rollups,
which have an outbox of their own. Two small files beside it let the processes meet:
``durable`` says how far the keeper may read, ``keep`` from where the sinks still need it.
"""

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from gateway.errors import JournalFullError
from gateway.journal import Journal
from gateway.journal.segments import list_segments
from gateway.model import ReadingBatch
from gateway.store.pages import encode_page

logger = logging.getLogger(__name__)

MAX_BYTES = 8 << 30  # weeks of 10,000 meters …
DISK_SHARE = 4  # … but a quarter of the disk at most: the store and the journal need the rest
FULL_SHARE = 0.9  # of that: then the oldest goes, as a dead sink must not stop the store
SEGMENT_BYTES = 16 << 20
MIN_SEGMENTS = 16  # in a full outbox: what goes at once is a small part of it
MAX_ROWS = 5_000  # a page at a time is what a sink holds in memory
TRIM_EVERY = 100  # commits


class Outbox:
    """The processor's end."""

    def __init__(
        self, folder: Path, journal: Journal, clock: Callable[[], int], max_bytes: int
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._clock = clock
        self._max_bytes = max_bytes
        self._commits = 0
        self._published = 0

    @classmethod
    def open(cls, folder: Path, clock: Callable[[], int], max_bytes: int = MAX_BYTES) -> Self:
        """Open or create the outbox in ``folder``; numbers never fall behind a sink's cursor."""
        folder.mkdir(parents=True, exist_ok=True)
        max_bytes = min(max_bytes, shutil.disk_usage(folder).total // DISK_SHARE)
        journal = Journal.open(
            folder,
            segment_bytes=min(SEGMENT_BYTES, max_bytes // MIN_SEGMENTS),
            max_bytes=max_bytes,
            clock=clock,
            not_before=_read(folder / "durable") + 1,
        )
        outbox = cls(folder, journal, clock, max_bytes)
        outbox.publish()  # a crash may have come between the last commit and this
        return outbox

    def put(self, batches: Sequence[ReadingBatch]) -> None:
        """See ``processor.Outbox``. A retry after a full disk repeats lines, which is harmless.

        Raises:
            JournalFullError: the disk is full.
        """
        self._make_room()
        if self._journal.pending_count == 0:
            for batch in batches:
                for first in range(0, len(batch), MAX_ROWS):
                    page = encode_page(batch.part(first, first + MAX_ROWS))
                    self._journal.append(self._clock(), 0, 0, batch.profile.encode(), page)
        self._journal.commit()

    def put_once(self, batches: Sequence[ReadingBatch]) -> None:
        """Put and publish batches of a caller that may come with others after an error.

        Raises:
            JournalFullError: as ``put``; what waited from an earlier call may be durable.
        """
        if self._journal.pending_count:
            self.put(())
        self.put(batches)
        self.publish()

    def publish(self) -> None:
        """See ``processor.Outbox``."""
        durable = self._journal.durable
        if durable != self._published:
            try:
                _write(self._folder / "durable", durable)
            except OSError as error:  # at a full disk: the next checkpoint tells it
                logger.warning("outbox: %s", error)
            else:
                self._published = durable

    def _make_room(self) -> None:
        self._commits += 1
        limit = FULL_SHARE * self._max_bytes
        if self._commits % TRIM_EVERY != 1 and self._journal.size_bytes <= limit:
            return
        try:
            self._journal.delete_before(_read(self._folder / "keep"))
            while self._journal.size_bytes > limit:
                # the drain counts what it then skips; the store still has it (backfill)
                oldest, following, *_ = list_segments(self._folder)
                logger.error("outbox full: %s goes before every sink has it", oldest.path.name)
                self._journal.delete_before(following.first)
        except OSError as error:
            raise JournalFullError(f"outbox: {error.strerror}") from error


def durable_number(folder: Path) -> int:
    """Return the last outbox record that the keeper may read."""
    return _read(folder / "durable")


def keep_from(folder: Path, number: int) -> None:
    """Say that no sink needs what is before ``number``.

    Raises:
        OSError: the disk is full; more is kept until it is said again.
    """
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
