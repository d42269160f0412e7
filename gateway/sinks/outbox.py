"""The outbox: a second journal in which the processor leaves graded pages for the sinks.

One process is its only writer and deleter: the processor for readings, the keeper for rollups and
derived measurements, which have outboxes of their own. Two small files beside it let the
processes meet: ``durable`` says how far the keeper may read, ``keep`` from where the sinks still
need it.
"""

import logging
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Sequence
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
LINES = b"lines"  # topic of records that hold lines, not a page
_ZLIB_LEVEL = 1


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
        self._commit(
            (batch.profile.encode(), encode_page(batch.part(first, first + MAX_ROWS)))
            for batch in batches
            for first in range(0, len(batch), MAX_ROWS)
        )

    def put_lines(self, lines: Sequence[bytes]) -> None:
        """Put and publish lines that are ready to be sent.

        Raises:
            JournalFullError: the disk is full; a retry repeats lines, which is harmless.
        """
        if self._journal.pending_count:
            self.put(())
        self._commit(
            (LINES, pack_lines(lines[first : first + MAX_ROWS]))
            for first in range(0, len(lines), MAX_ROWS)
        )
        self.publish()

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

    def _commit(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        self._make_room()
        if self._journal.pending_count == 0:
            for topic, payload in records:
                self._journal.append(self._clock(), 0, 0, topic, payload)
        self._journal.commit()

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


def pack_lines(lines: Sequence[bytes]) -> bytes:
    """Return lines as the payload of a record; they repeat themselves a lot."""
    return zlib.compress(b"\n".join(lines), _ZLIB_LEVEL)


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
