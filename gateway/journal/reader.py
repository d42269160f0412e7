"""A reader of a journal with a place of its own (``layout`` says how it reads over damage)."""

import logging
import os
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from gateway.journal.layout import (
    HEADER_BYTES,
    MAX_LENGTH,
    RECORD,
    WINDOW_BYTES,
    Found,
    Key,
    find_records,
    read_header,
    take_records,
)
from gateway.journal.segments import Segment, find_key, list_segments
from gateway.model import Position, Quarantined, QuarantineReason, Record

logger = logging.getLogger(__name__)

# A call ends after as many windows of the file: 5,000 single readings are half of one, minutes of
# 60 readings are cut at 45,000 readings. More at once would only cost memory.
WINDOWS_AT_ONCE = 2
QUOTE_BYTES = 1 << 20  # of a damaged stretch that go to quarantine; a lost segment has 64 MiB
# Where no header of any segment is left nothing can be decoded: a marker that matches nothing.
_NO_KEY = Key(0xF3A1_C79D, 0)


class JournalReader:
    """See ``ports.JournalReading``. Reads while the journal is written, without a lock."""

    def __init__(self, folder: Path, position: Position) -> None:
        """Begin at ``position``; opens nothing before the first ``read``."""
        self._folder = folder
        self._hint = position  # where to begin in the first segment, if it is true
        self._next = max(position.number, 1)
        self._segment: Segment | None = None
        self._bound: int | None = None  # first number of the following segment, if there is one
        self._fd = -1
        self._key = _NO_KEY
        self._created_ms = 0
        self._is_checked = True  # the place is known to be right, not a hint
        self._base = 0  # where in the file the buffer begins
        self._buffer = b""
        self._place = 0  # in the buffer
        self._filled_up_to = 0  # what lies beyond in the buffer is not to be taken
        self._is_fresh = False  # the buffer begins at the place and was filled by this ``read``
        self._quoted = (0, 0)  # segment and offset of the stretch last handed over
        self._skipped = 0

    @property
    def position(self) -> Position:
        """Where the next ``read`` begins."""
        if self._segment is None:
            return Position(self._next, self._hint.segment, self._hint.offset)
        return Position(self._next, self._segment.first, self._base + self._place)

    @property
    def skipped(self) -> int:
        """How many numbers were deleted before this reader came to them."""
        return self._skipped

    def read(self, limit: int, up_to: int) -> tuple[Sequence[Record], Sequence[Quarantined]]:
        """Return at most ``limit`` records and losses with numbers ≤ ``up_to`` and move on."""
        records: list[Record] = []
        damaged: list[Quarantined] = []
        windows = 0
        self._is_fresh = False
        while self._next <= up_to:
            room = limit - len(records) - len(damaged)
            if room <= 0:
                break
            last = min(self._next + room - 1, self._filled_up_to, up_to)
            numbers = range(self._next, last + 1)
            taken, self._place = take_records(
                self._buffer, self._place, numbers, self._key, records
            )
            if taken:
                self._next += taken
                self._is_fresh = False
                self._is_checked = True
            elif self._is_fresh:
                damaged += self._mend(up_to, room)
            elif windows >= WINDOWS_AT_ONCE and (records or damaged):
                break
            elif self._refill(up_to):
                windows += 1
            else:
                break
        return records, damaged

    def close(self) -> None:
        """Let go of the open segment; reading on opens it again."""
        if self._fd >= 0:
            self._hint = self.position
            os.close(self._fd)
            self._fd, self._segment = -1, None
            self._buffer, self._base, self._place, self._filled_up_to = b"", 0, 0, 0

    def _refill(self, up_to: int) -> bool:
        """Fill the buffer from the place on, where need be in the next segment."""
        if not self._locate():
            return False
        start = self._base + self._place
        data = os.pread(self._fd, WINDOW_BYTES, start)
        if len(data) >= RECORD.size:
            length = RECORD.unpack_from(data)[2]
            if len(data) == WINDOW_BYTES and WINDOW_BYTES < length + 12 <= MAX_LENGTH + 12:
                data = os.pread(self._fd, length + 12, start)
        self._buffer, self._base, self._place = data, start, 0
        # what stands behind the bound is the leftover of a failed commit
        self._filled_up_to = up_to if self._bound is None else min(up_to, self._bound - 1)
        self._is_fresh = True
        return True

    def _locate(self) -> bool:
        """Open the segment in which the next number must be; False where there is none."""
        while True:
            try:
                segments = list_segments(self._folder)
                if not segments:
                    return False
                index = bisect_right(segments, self._next, key=lambda segment: segment.first) - 1
                if index < 0:
                    index = 0
                    self._skip_to(segments[0].first)
                self._bound = segments[index + 1].first if index + 1 < len(segments) else None
                self._open(segments, index)
            except FileNotFoundError:
                if not self._folder.exists():
                    return False
                continue  # deleted since it was listed
            return True

    def _open(self, segments: list[Segment], index: int) -> None:
        segment = segments[index]
        if segment == self._segment:
            return
        fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        self.close()
        self._fd, self._segment = fd, segment
        header = read_header(fd)
        self._key = header.key if header else find_key(segments) or _NO_KEY
        self._created_ms = header.created_ms if header else 0
        hint = self._hint
        self._is_checked = not (
            hint.segment == segment.first
            and hint.number == self._next
            and HEADER_BYTES <= hint.offset <= os.fstat(fd).st_size
        )
        self._base = HEADER_BYTES if self._is_checked else hint.offset

    def _skip_to(self, first: int) -> None:
        logger.warning("journal begins after reader number=%d first=%d", self._next, first)
        self._skipped += first - self._next
        self._next = first

    def _mend(self, up_to: int, room: int) -> list[Quarantined]:
        """Go to the next valid record and account for the numbers that are missing before it."""
        assert self._segment is not None  # noqa: S101  # _refill
        if not self._is_checked:
            self._is_checked = True
            self._move(HEADER_BYTES)
            return []
        begin, found = self._search()
        end = found.offset if found else os.fstat(self._fd).st_size
        after = found.number if found else self._bound or up_to + 1
        missing = range(self._next, min(after, up_to + 1))
        lost = self._account(missing[:room], begin, end, found)
        self._next += len(lost)
        is_told = len(lost) == len(missing)
        self._move(found.offset if found and is_told else begin)
        return lost

    def _search(self) -> tuple[int, Found | None]:
        """Return where the damage begins, and the next valid record of this segment after it."""
        begin = self._base
        for found in find_records(self._fd, begin, self._key):
            if self._bound is not None and found.number >= self._bound:
                break  # the leftover of a failed commit
            if found.number >= self._next:
                return begin, found
            begin = found.end
        return begin, None

    def _account(
        self, missing: range, begin: int, end: int, found: Found | None
    ) -> list[Quarantined]:
        assert self._segment is not None  # noqa: S101  # _refill
        if not missing:
            return []
        stretch = (self._segment.first, begin)
        quote = b""
        if stretch != self._quoted:  # once, though the numbers may take several reads
            quote = os.pread(self._fd, min(end - begin, QUOTE_BYTES), begin)
            self._quoted = stretch
        detail = f"segment {self._segment.first}, bytes {begin} to {end}"
        logger.error("journal damaged first=%d count=%d %s", missing[0], len(missing), detail)
        received_ms = found.received_ms if found else self._created_ms
        reason = QuarantineReason.JOURNAL_DAMAGE
        return [
            Quarantined(number, received_ms, -1, b"", b"" if place else quote, reason, detail)
            for place, number in enumerate(missing)
        ]

    def _move(self, offset: int) -> None:
        """Go to another place in the open segment; the buffer is filled anew from there."""
        self._base, self._buffer, self._place, self._is_fresh = offset, b"", 0, False
