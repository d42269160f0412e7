"""The end of a journal on disk, where records are written, and the segments before it."""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from gateway.journal.layout import (
    HEADER_BYTES,
    Header,
    Key,
    find_records,
    pack_header,
    read_header,
)
from gateway.journal.segments import (
    Segment,
    find_key,
    list_segments,
    make_segment,
    segment_path,
    size_of,
    sync_folder,
    write_all,
)

logger = logging.getLogger(__name__)


class Tail:
    """The segments of one journal, the last of which is written.

    Not for use by two threads at once.
    """

    def __init__(
        self, folder: Path, clock: Callable[[], int], random_bits: Callable[[], int]
    ) -> None:
        """Remove what a crash left half done and find the last record.

        Raises:
            JournalDamagedError: a newer version wrote it.
            OSError: the folder or the last segment cannot be read or cut.
        """
        self._folder = folder
        self._clock = clock
        for half in folder.glob("*.new"):
            half.unlink()
        self._segments = list_segments(folder)
        self.key = find_key(self._segments) or Key.from_bits(random_bits())
        self.last = 0  # number of the last record, durable
        self._fd: int | None = None  # of the active segment; None: there is none to be trusted
        self._end = 0
        self._closed_bytes = 0
        if self._segments:
            self._open_last()
        self._measure_closed()

    @property
    def is_open(self) -> bool:
        """Whether there is a segment that can be written."""
        return self._fd is not None

    @property
    def end(self) -> int:
        """Where the active segment ends, durably."""
        return self._end

    @property
    def size_bytes(self) -> int:
        """What all segments take on disk."""
        return self._closed_bytes + self._end

    def begin_segment(self) -> None:
        """Go on in a new segment after the last durable record.

        Raises:
            OSError: nothing has changed; try again.
        """
        first = self.last + 1
        fd = make_segment(self._folder, Header(self.key, first, self._clock()))
        self._let_go()
        if self._segments and self._segments[-1].first == first:
            self._segments.pop()  # it held nothing durable, and has just been replaced
        self._segments.append(Segment(first, segment_path(self._folder, first)))
        self._fd, self._end = fd, HEADER_BYTES
        self._measure_closed()

    def write(self, data: bytes, count: int) -> None:
        """Make ``count`` records durable, all of them or none.

        Raises:
            OSError: what was written is taken back, and the segment given up if its state
                is unknown; try again.
        """
        assert self._fd is not None  # noqa: S101  # is_open
        try:
            write_all(self._fd, data, self._end)
        except OSError:
            self._cut_back()
            raise
        try:
            os.fdatasync(self._fd)
        except OSError:
            self._cut_back()
            self._let_go()  # never sync it again: it would succeed without the lost pages
            raise
        self._end += len(data)
        self.last += count

    def skip_to(self, last: int) -> None:
        """Let the next record have a number after ``last``, in a segment of its own."""
        self._let_go()
        self.last = last

    def delete_before(self, number: int) -> int:
        """Delete the segments that hold only records before ``number``, never the last one."""
        count = 0
        try:
            # oldest first: what a crash leaves is one stretch
            while len(self._segments) > 1 and self._segments[1].first <= number:
                self._segments[0].path.unlink(missing_ok=True)
                del self._segments[0]
                count += 1
        finally:
            self._measure_closed()
        if count:
            sync_folder(self._folder)
        return count

    def close(self) -> None:
        """Let go of the active segment."""
        self._let_go()

    def _open_last(self) -> None:
        first, path = self._segments[-1]
        self.last = first - 1
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._fd, self._end = fd, HEADER_BYTES
        for found in find_records(fd, HEADER_BYTES, self.key):
            if found.number > self.last:
                self._end, self.last = found.end, found.number
        torn_bytes = os.fstat(fd).st_size - self._end
        if read_header(fd) is None and not self._mend_header(torn_bytes):
            return
        if torn_bytes > 0:
            logger.warning("torn tail cut off file=%s bytes=%d", path, torn_bytes)
            os.ftruncate(fd, self._end)
        try:
            os.fdatasync(fd)  # what a killed process wrote may be in the page cache only
        except OSError as error:
            logger.warning("segment given up file=%s error=%s", path, error.strerror)
            self._let_go()

    def _mend_header(self, unread_bytes: int) -> bool:
        """Write the last segment's header anew, or set aside a file that cannot be read."""
        first, path = self._segments[-1]
        assert self._fd is not None  # noqa: S101  # _open_last
        if self.last >= first or unread_bytes <= 0:
            logger.warning("segment header damaged, written anew file=%s", path)
            write_all(self._fd, pack_header(Header(self.key, first, self._clock())), 0)
            return True
        logger.error("segment unreadable, set aside file=%s bytes=%d", path, unread_bytes)
        self._let_go()
        path.rename(path.with_suffix(".damaged"))
        sync_folder(self._folder)
        self._segments.pop()
        return False

    def _cut_back(self) -> None:
        """Take back what a failed write left behind the durable end."""
        assert self._fd is not None  # noqa: S101  # write
        try:
            os.ftruncate(self._fd, self._end)
        except OSError:
            self._let_go()  # readers stop where the next segment begins

    def _let_go(self) -> None:
        """Give up the active segment: the next record begins another one."""
        if self._fd is not None:
            with contextlib.suppress(OSError):  # a failing disk may say so again
                os.close(self._fd)
            self._fd, self._end = None, 0
            self._measure_closed()

    def _measure_closed(self) -> None:
        closed = self._segments[:-1] if self._fd is not None else self._segments
        self._closed_bytes = sum(size_of(segment) for segment in closed)
