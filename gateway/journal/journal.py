"""The writer of a journal: pack, commit, rotate, delete (``layout`` says how and why)."""

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Self
from zlib import crc32

from gateway.errors import JournalFullError
from gateway.journal.layout import BODY, FIXED_BYTES, FRAME, HEADER_BYTES, MAX_LENGTH
from gateway.journal.segments import lock_folder, sync_folder
from gateway.journal.tail import Tail

# looked up once: append runs for every message
_pack_body = BODY.pack
_pack_frame = FRAME.pack


def _random_bits() -> int:
    return secrets.randbits(64)


Message = tuple[int, bytes, bytes]  # flags, topic, payload


class Limits(NamedTuple):
    """How large a segment and a journal may become."""

    segment_bytes: int
    max_bytes: int


class Journal:
    """Append-only log of raw messages.

    One thread appends; another may commit and delete at the same time. What is pending stays in
    memory until it is on disk, so a failed commit loses nothing and may be tried again.
    """

    def __init__(self, lock: int, tail: Tail, limits: Limits) -> None:
        """See ``open``."""
        self._lock = lock
        self._tail = tail
        self._limits = limits
        # alone in the journal, with its own header and room for the next one
        self._max_length = min(MAX_LENGTH, limits.max_bytes - 2 * HEADER_BYTES - FRAME.size - 4)
        self._marker, self._seed = tail.key
        self._next = tail.last + 1
        self._pending: list[bytes] = []  # the records after ``durable``, in order
        self._appended_bytes = 0  # changed by the appending thread only …
        self._committed_bytes = 0  # … and this by the committing thread only
        self._disk = threading.Lock()  # held by all that touches files, so never by append

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        segment_bytes: int,
        max_bytes: int,
        clock: Callable[[], int],
        not_before: int = 1,
        random_bits: Callable[[], int] = _random_bits,
    ) -> Self:
        """Open or create the journal in ``folder`` for writing, and cut off its torn tail.

        ``not_before`` is the lowest number that may be given out. Pass the readers' position: a
        disk that lied about fdatasync may have forgotten records they have already seen, and
        they would step over new ones of the same number.

        Raises:
            GatewayError: another process writes it, or a newer version wrote it.
            OSError: the folder cannot be created or read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
        with contextlib.ExitStack() as undo:
            lock = lock_folder(folder)
            undo.callback(os.close, lock)
            tail = Tail(folder, clock, random_bits)
            undo.pop_all()
        if tail.last + 1 < not_before:
            tail.skip_to(not_before - 1)
        return cls(lock, tail, Limits(segment_bytes, max_bytes))

    def append(
        self, received_ms: int, source: int, flags: int, topic: bytes, payload: bytes
    ) -> int:
        """Pack a message and return its number; until ``commit`` it is in memory only.

        Raises:
            ValueError: larger than a record may be: 64 MiB, or what ``max_bytes`` leaves.
        """
        topic_size = len(topic)
        length = FIXED_BYTES + topic_size + len(payload)
        if length > self._max_length:
            raise ValueError(f"a record of {length} bytes is too large for this journal")
        number = self._next
        body = _pack_body(length, number, received_ms, source, flags, topic_size) + topic + payload
        self._pending.append(_pack_frame(self._marker, crc32(body, self._seed)) + body)
        self._appended_bytes += length + 12
        self._next = number + 1
        return number

    def extend(self, received_ms: int, source: int, messages: Iterable[Message]) -> int:
        """Pack messages as ``append`` does, in a third of the time; return the last number.

        Raises:
            ValueError: as ``append``; those before it are taken.
        """
        marker, seed, longest, number = self._marker, self._seed, self._max_length, self._next
        packed: list[bytes] = []
        size = 0
        try:
            for flags, topic, payload in messages:
                topic_size = len(topic)
                length = FIXED_BYTES + topic_size + len(payload)
                if length > longest:
                    raise ValueError(f"a record of {length} bytes is too large for this journal")
                body = _pack_body(length, number, received_ms, source, flags, topic_size)
                body += topic + payload
                packed.append(_pack_frame(marker, crc32(body, seed)) + body)
                size += length
                number += 1
        finally:
            self._pending += packed
            self._appended_bytes += size + 12 * len(packed)
            self._next = number
        return number - 1

    def commit(self, limit: int | None = None) -> int:
        """Make what is pending durable, at most ``limit`` records, and return ``durable``.

        Blocks as long as the disk takes. Records appended meanwhile wait for the next call.

        Raises:
            JournalFullError: the disk is full or fails, or ``max_bytes`` is reached. The first
                records may have become durable; the others stay pending for the next call.
        """
        with self._disk:
            count = len(self._pending)
            last = self._tail.last + (count if limit is None else min(count, limit))
            try:
                while self._tail.last < last:
                    self._commit_some(last - self._tail.last)
            except OSError as error:
                raise JournalFullError(f"journal: {error.strerror}") from error
            return self._tail.last

    def delete_before(self, number: int) -> int:
        """Delete the segments that hold only records before ``number``; return how many.

        The last one always stays, so that numbers go on after a restart. Blocks like ``commit``.
        """
        with self._disk:
            return self._tail.delete_before(number)

    def close(self) -> None:
        """Let go of the files; what was not committed is forgotten."""
        with self._disk:
            self._tail.close()
            os.close(self._lock)

    @property
    def durable(self) -> int:
        """Every record up to this number is on disk."""
        return self._tail.last

    @property
    def next_number(self) -> int:
        """What ``append`` will return next."""
        return self._next

    @property
    def pending_count(self) -> int:
        """How many records wait in memory."""
        return len(self._pending)

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait in memory."""
        return self._appended_bytes - self._committed_bytes

    @property
    def size_bytes(self) -> int:
        """What all segments take on disk."""
        return self._tail.size_bytes

    def _commit_some(self, count: int) -> None:
        """Commit as many of the next ``count`` records as the segment takes, or begin another."""
        if not self._tail.is_open:
            self._tail.begin_segment()
        batch = self._pending[:count]
        in_journal = self._limits.max_bytes - self._tail.size_bytes - HEADER_BYTES
        is_empty = self._tail.end == HEADER_BYTES
        in_segment = self._limits.segment_bytes - self._tail.end
        if is_empty:  # a record larger than a segment has one to itself
            in_segment = max(in_segment, len(batch[0]))
        _shorten(batch, min(in_journal, in_segment))
        if batch:
            data = b"".join(batch)
            self._tail.write(data, len(batch))
            self._committed_bytes += len(data)
            del self._pending[: len(batch)]
            return
        if not is_empty:  # at the limit too: only what is no longer active can be deleted
            self._tail.begin_segment()
        if len(self._pending[0]) > in_journal:
            raise JournalFullError(f"journal: its limit of {self._limits.max_bytes} bytes")


def _shorten(batch: list[bytes], room: int) -> None:
    """Drop from the end of ``batch`` what does not fit into ``room`` bytes."""
    total = sum(map(len, batch))
    while batch and total > room:
        total -= len(batch.pop())
