"""What devices announced of themselves, kept for as long as the data is (``discovered.jsonl``).

An event goes with its day file; a device that announced itself a year ago still sends. The last
word on each topic counts. Written before the checkpoint: a replay may write a line twice.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from gateway.model import Event

FILE = "discovered.jsonl"
KIND = "discovery"
_MAX_BYTES = 64 << 20  # made-up announcements would fill the disk; later ones are not kept


class Notes:
    """Appends; one writer."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FILE

    def add(self, events: Iterable[Event]) -> None:
        """Keep the announcements among some events."""
        lines = [event.detail for event in events if event.kind == KIND]
        if not lines:
            return
        with self._file.open("a", encoding="utf-8") as file:
            if file.tell() < _MAX_BYTES:
                file.write("".join(f"{line}\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())


def load_notes(data_dir: Path) -> list[tuple[str, bytes]]:
    """Return topics and payloads of all announcements, the last of each topic."""
    file = data_dir / FILE
    if not file.exists():
        return []
    found: dict[str, bytes] = {}
    for line in file.read_text("utf-8").splitlines():
        try:
            said = json.loads(line)
            found[said["topic"]] = said["config"].encode()
        except (ValueError, KeyError, TypeError):  # cut off by a crash: it comes again
            continue
    return list(found.items())
