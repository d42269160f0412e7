"""The HTTP API: read only, over the store and the snapshots of the other processes.

``app`` knows every room in every process; FastAPI and what it brings are loaded only where
``serve`` is called, since four processes share the memory of a Pi.
"""

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from gateway.config import Settings
from gateway.imports import load
from gateway.profiles import Profiles


def serve(
    settings: Settings,
    profiles: Profiles | None = None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    mounts: Sequence[Callable[[Any], None]] = (),
    door: socket.socket | None = None,
    durable: Callable[[], int] = lambda: 0,
) -> int:
    """Run the web process until SIGTERM or SIGINT; return its exit code.

    ``door`` listens already; without one the address of the settings is bound. ``durable`` returns
    the last record of the journal on disk, where somebody knows.
    """
    code: int = cast("Any", load("gateway.api.server")).serve(
        settings, profiles, clock, mounts, door, durable
    )
    return code
