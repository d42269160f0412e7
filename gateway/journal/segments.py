"""The folder of a journal: which segments there are, making one, and the writer's lock."""

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

from gateway.errors import GatewayError
from gateway.journal.layout import Header, Key, pack_header, read_header

SUFFIX = ".journal"
_DIGITS = 20  # of 2**64


class Segment(NamedTuple):
    """One file of a journal."""

    first: int
    path: Path


def segment_path(folder: Path, first: int) -> Path:
    """Return where the segment that begins with record ``first`` is."""
    return folder / f"{first:0{_DIGITS}d}{SUFFIX}"


def list_segments(folder: Path) -> list[Segment]:
    """Return the segments in the order of their records."""
    names = [
        name
        for name in os.listdir(folder)  # noqa: PTH208  # once per read: Path.iterdir costs 5×
        if name.endswith(SUFFIX) and name[: -len(SUFFIX)].isdecimal()
    ]
    return sorted(Segment(int(name[: -len(SUFFIX)]), folder / name) for name in names)


def size_of(segment: Segment) -> int:
    """Return the size of a segment, 0 where it is gone."""
    try:
        return segment.path.stat().st_size
    except FileNotFoundError:
        return 0


def find_key(segments: list[Segment]) -> Key | None:
    """Return the key of the journal from any header that is whole.

    Raises:
        JournalDamagedError: see ``layout.read_header``.
    """
    for segment in reversed(segments):
        try:
            fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # deleted since it was listed
        try:
            header = read_header(fd)
        finally:
            os.close(fd)
        if header is not None:
            return header.key
    return None


def sync_folder(folder: Path) -> None:
    """Make creations, renames and deletions in ``folder`` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_segment(folder: Path, header: Header) -> int:
    """Create an empty segment, durably, and return its file descriptor.

    It replaces one of the same name: that one holds nothing but leftovers of a failed commit.
    """
    path = segment_path(folder, header.first)
    half = path.with_suffix(".new")
    fd = os.open(half, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        write_all(fd, pack_header(header), 0)
        os.fdatasync(fd)
        half.rename(path)
        sync_folder(folder)
    except OSError:
        os.close(fd)
        half.unlink(missing_ok=True)  # a full disk must not keep it
        raise
    return fd


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write ``data`` at ``offset``; a disk that fills up takes only part of it at first."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def lock_folder(folder: Path) -> int:
    """Return a file descriptor that keeps other writers out until it is closed.

    Raises:
        GatewayError: another process writes this journal.
    """
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise GatewayError(f"{folder} is being written by another process ({owner})") from error
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
    except OSError:
        pass  # a full disk: the name of the owner is a courtesy, the lock holds
    return fd
