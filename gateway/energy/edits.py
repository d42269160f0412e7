"""Corrections by people: a line of JSON each, appended under a lock, synced, never changed.

The file is the audit: who, when, why, and what. A line that cannot be read (a torn write, a
hand in the file) is passed over and counted; the lines behind it hold.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec

from gateway.store import audit

logger = logging.getLogger(__name__)

FILE_NAME = "edits.jsonl"


class EditLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One word on the use of one slot."""

    device: str
    slot_ms: int  # any moment within the slot but its end
    value_wh: float | None  # None: as it is, verified
    who: str
    when_ms: int
    why: str


_DECODER = msgspec.json.Decoder(EditLine)


def append(data_dir: Path, line: EditLine) -> None:
    """Add a line; when this returns it is on disk.

    Raises:
        OSError: it is not there.
        ValueError: it is longer than anybody reads.
    """
    audit.append(data_dir / FILE_NAME, line)


class EditBook:
    """All edits, read on as the file grows."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FILE_NAME
        self._by_device: dict[str, list[EditLine]] = {}
        self.offset = 0  # bytes read

    def news(self) -> list[tuple[int, EditLine]]:
        """Return the lines that were added since the last call, each with where it begins."""
        try:
            size = self._file.stat().st_size
        except FileNotFoundError:
            return []
        if size <= self.offset:
            return []
        with self._file.open("rb") as lines:
            lines.seek(self.offset)
            added = lines.read(size - self.offset)
        whole = added[: added.rfind(b"\n") + 1]
        found = []
        at = self.offset
        for raw in whole.splitlines(keepends=True):
            try:
                line = _DECODER.decode(raw)
            except msgspec.DecodeError as error:
                if raw.strip():
                    logger.warning("%s: byte %d is no edit: %s", self._file.name, at, error)
            else:
                found.append((at, line))
                self._by_device.setdefault(line.device, []).append(line)
            at += len(raw)
        self.offset = at
        return found

    def of(self, devices: Iterable[str], from_ms: int, to_ms: int) -> list[tuple[int, EditLine]]:
        """Return the edits of slots within a time, each with the place of its device."""
        return [
            (place, line)
            for place, device in enumerate(devices)
            for line in self._by_device.get(device, ())
            if from_ms <= line.slot_ms < to_ms
        ]
