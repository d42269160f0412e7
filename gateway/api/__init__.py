"""The HTTP API: read only, over the store and the snapshots of the other processes.

``app`` imports every room in every process; FastAPI and what it brings are loaded only where
``serve`` is called, since four processes share the memory of a Pi.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from gateway.config import Settings
from gateway.profiles import Profiles


def serve(
    settings: Settings,
    profiles: Profiles,
    clock: Callable[[], int],
    mounts: Sequence[Callable[[Any], None]] = (),
) -> int:
    """Run the web process until SIGTERM or SIGINT; return its exit code."""
    server = importlib.import_module("gateway.api.server")
    code: int = server.serve(settings, profiles, clock, mounts)
    return code
