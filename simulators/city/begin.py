"""When a city began, and what stood in its devices then: what a later start must know.

``start.json`` has when, ``past.json`` what stood in the registers. The nodes' own memory is the
shelf; a city whose nodes have recorded nothing yet has not begun.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from simulators.city.frame import Carried
from simulators.city.past import seam_ms
from simulators.shelf import Shelf

VERSION = 1
START_FILE, PAST_FILE = "start.json", "past.json"


class Begin(NamedTuple):
    """When a run began.

    Attributes:
        start_ms: what scenarios count their seconds from.
        past_days: how long before that its devices recorded already.
        is_new: nobody has recorded anything yet.
    """

    start_ms: int
    past_days: float
    is_new: bool

    @property
    def from_ms(self) -> int:
        """Return from when on the city is stepped."""
        return seam_ms(self.start_ms) if self.past_days else self.start_ms


def begin_of(folder: Path | None, start_ms: Callable[[], int], past_days: float) -> Begin:
    """Return the begin that a state folder remembers, else a new one.

    Raises:
        OSError: the folder cannot be read.
    """
    if folder is None or not (file := folder / START_FILE).exists():
        return Begin(start_ms(), past_days, is_new=True)
    known = json.loads(file.read_text("utf-8"))
    shelf = Shelf(folder)
    is_new = shelf.is_empty
    shelf.close()
    if is_new:
        return Begin(start_ms() if past_days else int(known["start_ms"]), past_days, is_new)
    return Begin(int(known["start_ms"]), float(known.get("past_days", 0)), is_new)


def remember(folder: Path, begin: Begin) -> None:
    """Keep when it began."""
    content = {"start_ms": begin.start_ms, "past_days": begin.past_days}
    _write(folder / START_FILE, content)


def keep_carried(folder: Path, carried: Carried) -> None:
    """Keep what stood in the devices, before any of their readings is kept."""
    _write(folder / PAST_FILE, {"version": VERSION, "carried": carried})


def carried_in(folder: Path) -> Carried | None:
    """Return what stood in the devices; None: nobody knows any more."""
    try:
        content = json.loads((folder / PAST_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    is_ours = isinstance(content, dict) and content.get("version") == VERSION
    return dict(content["carried"]) if is_ours else None


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(file.name + ".part")
    draft.write_text(json.dumps(content), "utf-8")
    draft.replace(file)
