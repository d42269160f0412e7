"""How far the teller has come, durably."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from gateway.model import Position
from gateway.sinks.cursor import write_durably

_VERSION = 1


@dataclass(slots=True)
class Bookmark:
    """What was told before a crash is told; what comes behind it goes (once more)."""

    change: int = 0  # of ``derived.sqlite``
    alarm: int = 0  # change of ``alarms.sqlite``
    record: int = 0  # of the journal, up to which events were told
    rollups: Position = field(default_factory=Position)  # in their outbox
    half_ms: int = 0  # begin of the newest half hour that was told, or is due
    # begins of half hours that changed, and when they are due; at most those of 60 days, as
    # older readings are refused
    halves: dict[int, int] = field(default_factory=dict)


def load_bookmark(file: Path) -> Bookmark | None:
    """Return the bookmark of a file, None where there is none or it cannot be read."""
    try:
        raw = json.loads(file.read_text("utf-8"))
        if raw["version"] != _VERSION:
            return None
        halves = {int(start): int(due) for start, due in raw["halves"]}
        position = Position(*raw["rollups"])
        numbers = (raw["change"], raw["alarm"], raw["record"])
        return Bookmark(*numbers, position, raw["half_ms"], halves)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def save_bookmark(file: Path, mark: Bookmark) -> None:
    """Write a bookmark so that a power cut leaves the old one or the new one.

    Raises:
        OSError: the disk is full or fails.
    """
    raw = {
        "version": _VERSION,
        "change": mark.change,
        "alarm": mark.alarm,
        "record": mark.record,
        "rollups": mark.rollups,
        "half_ms": mark.half_ms,
        "halves": list(mark.halves.items()),
    }
    write_durably(file, json.dumps(raw))
