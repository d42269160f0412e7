"""Reading a whole journal for what is wrong with it (``infragate journal verify``)."""

import os
from pathlib import Path
from typing import NamedTuple

from gateway.journal.layout import HEADER_BYTES, Key, find_records, read_header
from gateway.journal.segments import Segment, find_key, list_segments, size_of


class Damage(NamedTuple):
    """A stretch that cannot be read; no number is missing where only spare bytes were hit."""

    segment: int  # number in the file's name
    offset: int
    size: int
    first_missing: int
    missing: int  # how many records


class Report(NamedTuple):
    """What ``verify`` found."""

    segments: int
    bytes: int
    records: int
    first: int  # number of the oldest record; 0 in an empty journal
    last: int
    damaged: tuple[Damage, ...]
    torn_bytes: int  # after the last record; a start cuts them off

    @property
    def is_sound(self) -> bool:
        """Whether no record is missing; a torn tail was never durable."""
        return not any(damage.missing for damage in self.damaged)


def verify(folder: Path) -> Report:
    """Read every record of a journal that may be in use; changes nothing.

    Raises:
        JournalDamagedError: a newer version wrote it.
        OSError: the folder or a segment cannot be read.
    """
    segments = list_segments(folder)
    key = find_key(segments)
    if key is None:
        return _unreadable(segments)
    audit = _Audit(key, segments[0].first)
    for index, segment in enumerate(segments):
        bound = segments[index + 1].first if index + 1 < len(segments) else None
        audit.read(segment, bound)
    return Report(
        len(segments),
        sum(map(size_of, segments)),
        audit.records,
        segments[0].first if audit.records else 0,
        audit.next - 1 if audit.records else 0,
        tuple(audit.damaged),
        audit.torn_bytes,
    )


def last_number(folder: Path) -> int:
    """Return the number of the last record, 0 where there is none; reads the last segment only.

    While a writer is at work this may be a record that is not durable yet.

    Raises:
        JournalDamagedError: a newer version wrote it.
    """
    segments = list_segments(folder)
    key = find_key(segments)
    if key is None:
        return 0
    fd = os.open(segments[-1].path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        numbers = (found.number for found in find_records(fd, HEADER_BYTES, key))
        return max(numbers, default=segments[-1].first - 1)
    finally:
        os.close(fd)


class _Audit:
    def __init__(self, key: Key, first: int) -> None:
        self.next = first
        self.records = 0
        self.damaged: list[Damage] = []
        self.torn_bytes = 0
        self._key = key

    def read(self, segment: Segment, bound: int | None) -> None:
        """Take stock of one segment; ``bound`` is the first number of the following one."""
        fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._read(fd, segment.first, bound)
        finally:
            os.close(fd)

    def _read(self, fd: int, first: int, bound: int | None) -> None:
        size = os.fstat(fd).st_size
        if read_header(fd) is None:
            self._note(first, 0, min(size, HEADER_BYTES), self.next)
        end = HEADER_BYTES
        for found in find_records(fd, HEADER_BYTES, self._key):
            if bound is not None and found.number >= bound:
                break  # the leftover of a failed commit
            if found.number < self.next:
                continue
            if found.offset > end or found.number > self.next:
                self._note(first, end, found.offset - end, found.number)
            self.records += 1
            self.next = found.number + 1
            end = found.end
        if bound is None:
            self.torn_bytes = max(size - end, 0)
        elif self.next < bound:
            self._note(first, end, size - end, bound)

    def _note(self, segment: int, offset: int, size: int, following: int) -> None:
        missing = following - self.next
        self.damaged.append(Damage(segment, offset, size, self.next, missing))
        self.next = following


def _unreadable(segments: list[Segment]) -> Report:
    """Report on a journal without a single header: nothing can be told from its bytes."""
    damaged = []
    for index, segment in enumerate(segments):
        size = size_of(segment)
        after = segments[index + 1].first if index + 1 < len(segments) else segment.first
        missing = max(after - segment.first, int(size > HEADER_BYTES))  # at least one
        damaged.append(Damage(segment.first, 0, size, segment.first, missing))
    return Report(len(segments), sum(item.size for item in damaged), 0, 0, 0, tuple(damaged), 0)
