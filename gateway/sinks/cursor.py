"""How far a sink has come, durably, and how far back it must go when its server restarts."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from gateway.model import Position

_VERSION = 1
_MARKS = 32  # in a replay window: a rewind repeats at most 1/32 of it more than it must


@dataclass(slots=True)
class Cursor:
    """A sink's place in the outbox.

    ``trail`` holds (time, position) pairs: everything before the position had been acknowledged
    by then. Its length is bounded by ``_MARKS`` + 2.
    """

    position: Position = field(default_factory=Position)
    token: str | None = None  # of the server's start
    acknowledged_ms: int = 0
    trail: list[tuple[int, Position]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.trail:
            self.trail.append((0, self.position))

    def advance(self, position: Position, now_ms: int, window_ms: int) -> None:
        """Move on: the server has acknowledged everything before ``position``."""
        self.position = position
        self.acknowledged_ms = now_ms
        # < 0: the clock was set back; old marks would hold back the outbox until it catches up
        if not 0 <= now_ms - self.trail[-1][0] < window_ms / _MARKS:
            self.trail.append((now_ms, position))
        while len(self.trail) > 1 and self._is_covered(window_ms):
            del self.trail[0]

    def _is_covered(self, window_ms: int) -> bool:
        is_old = self.trail[1][0] <= self.acknowledged_ms - window_ms
        return is_old or len(self.trail) > _MARKS + 2

    def replay_from(self) -> Position:
        """Return where a server that has just lost its last moments needs to be sent again.

        Counted from the last acknowledgement, not from now: the server may have been away
        for hours.
        """
        return self.trail[0][1]

    def rewind(self) -> None:
        """Go back to ``replay_from``."""
        del self.trail[1:]
        self.position = self.trail[0][1]


def load_cursor(file: Path) -> Cursor:
    """Return the cursor in a file, a new one (the oldest record) where there is none.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return Cursor()
    try:
        raw = json.loads(text)
        if raw["version"] != _VERSION:
            raise ValueError(f"version {raw['version']!r} is not {_VERSION}")
        return Cursor(
            Position(*raw["position"]),
            raw["token"],
            raw["acknowledged_ms"],
            [(int(time_ms), Position(*position)) for time_ms, position in raw["trail"]],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file}: {error!r}") from error


def save_cursor(file: Path, cursor: Cursor) -> None:
    """Write a cursor so that a power cut leaves the old one or the new one.

    Raises:
        OSError: the disk is full or fails.
    """
    raw = {
        "version": _VERSION,
        "position": cursor.position,
        "token": cursor.token,
        "acknowledged_ms": cursor.acknowledged_ms,
        "trail": cursor.trail,
    }
    write_durably(file, json.dumps(raw))


def write_durably(file: Path, text: str) -> None:
    """Write a file so that a power cut leaves the old one or the new one.

    Raises:
        OSError: the disk is full or fails.
    """
    half = file.with_suffix(".tmp")
    with half.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(half, file)  # noqa: PTH105  # atomic on POSIX
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
