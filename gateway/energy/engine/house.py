"""Where the engine reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.profiles import Profile
from gateway.registry import Registry
from gateway.store import StoreReader
from gateway.store.derived import DerivedReader


class House(NamedTuple):
    """Where the engine reads."""

    reader: StoreReader
    derived: DerivedReader
    profiles: Mapping[str, Profile]
    registry: Registry | None
    data_dir: Path
    started_ms: int = 0  # nobody listened between an earlier life and this
