"""Plays of many seeds: some at a time, each kept, so that hours of work go on where they ended.

What a play gave is kept under ``var/plays`` for as long as no source has changed.
"""

import hashlib
import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self, TypeVar

_ROOT = Path(__file__).resolve().parents[1]
_KEPT = _ROOT / "var" / "plays"
_SOURCES = ("gateway", "simulators", "tools")

_J = TypeVar("_J")
_R = TypeVar("_R")


class Counts:
    """A dataclass of numbers and lists that can be added up."""

    def add(self, other: Self) -> None:
        """Add what another play gave."""
        one: Any
        for one in fields(self):  # type: ignore[arg-type]
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


def each(play: Callable[[_J], _R], jobs: Sequence[_J]) -> Iterator[_R]:
    """Yield what each job gives, in their order, a process for each core.

    ``play`` is a function of a module; jobs say in their ``repr`` all that they are.
    """
    folder = folder_of_sources()
    with ProcessPoolExecutor() as pool:
        yield from pool.map(partial(_kept, folder, play), jobs)


def _kept(folder: Path, play: Callable[[_J], _R], job: _J) -> _R:
    name = f"{play.__module__}.{play.__qualname__} {job!r}"
    file = folder / hashlib.sha256(name.encode()).hexdigest()
    if file.exists():
        kept: _R = pickle.loads(file.read_bytes())  # noqa: S301  # written by ourselves, below
        return kept
    gave = play(job)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_bytes(pickle.dumps(gave))
    draft.replace(file)
    return gave


@lru_cache
def folder_of_sources() -> Path:
    """Return where plays of these sources are kept; those of others are forgotten."""
    digest = hashlib.sha256()
    for file in sorted(file for source in _SOURCES for file in (_ROOT / source).rglob("*.*")):
        if file.suffix in {".py", ".toml"}:
            digest.update(f"{file.relative_to(_ROOT)}\0".encode() + file.read_bytes())
    folder = _KEPT / digest.hexdigest()[:16]
    if not folder.exists():
        shutil.rmtree(_KEPT, ignore_errors=True)
        folder.mkdir(parents=True)
    return folder
