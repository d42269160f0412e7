"""Files of what people said and ordered: a line of JSON each, appended under a lock, synced."""

import fcntl
import os
from pathlib import Path

import msgspec

MOST_LINE_BYTES = 4096


def append(file: Path, line: msgspec.Struct) -> None:
    """Add a line; when this returns it is on disk.

    Raises:
        OSError: it is not there.
        ValueError: it is longer than anybody reads.
    """
    raw = msgspec.json.encode(line) + b"\n"
    if len(raw) > MOST_LINE_BYTES:
        raise ValueError(f"a line has at most {MOST_LINE_BYTES} bytes")
    with file.open("a+b") as out:
        fcntl.flock(out, fcntl.LOCK_EX)
        out.seek(0, os.SEEK_END)
        if out.tell():
            out.seek(-1, os.SEEK_END)
            if out.read(1) != b"\n":  # somebody was cut off: his line must not spoil ours
                raw = b"\n" + raw
        out.write(raw)
        out.flush()
        os.fsync(out.fileno())
