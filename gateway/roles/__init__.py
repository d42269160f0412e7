"""What runs in each process of the gateway; a module is loaded by the process that needs it.

A restart waits for what it loads: numpy, the database clients and the web server together take
longer than everything else a start does.
"""

import socket
import time
from typing import Protocol, cast

from gateway.config import Settings
from gateway.imports import load

NAMES = ("processor", "keeper", "web")  # beside the intake


class Role(Protocol):
    """A module of this package that is a process of its own."""

    def run(self, settings: Settings, sock: socket.socket | None) -> int:
        """Work until told to stop; return the exit code."""


def now_ms() -> int:
    """Return the wall clock in Unix milliseconds: the only place that reads it."""
    return time.time_ns() // 1_000_000


def run_role(name: str, settings: Settings, sock: socket.socket | None) -> int:
    """Run one of the processes beside the intake, in the process that is to be it."""
    role = cast("Role", load(f"gateway.roles.{name}"))
    return role.run(settings, sock)
