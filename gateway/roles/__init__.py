"""What runs in each process of the gateway; a module is loaded by the process that needs it.

A restart waits for what it loads: numpy, the database clients and the web server together take
longer than everything else a start does.
"""

import os
import socket
import time
from typing import NamedTuple, Protocol, cast

from gateway.config import Settings
from gateway.imports import load
from gateway.waterline import Waterline

# Beside the intake, and how far each stands back for it where there are too few cores: a merge or
# a query that takes a core delays PUBACKs otherwise. Nice levels: each takes a fifth of the share.
STANDS_BACK = {"processor": 3, "web": 5, "annunciator": 6, "analyst": 8, "keeper": 10}
NAMES = tuple(STANDS_BACK)
# Loaded before they are forked: loading touches the counts of names all over memory, and each
# process that does so itself has 7 MB of its own. The others load much that no other one needs.
TAUGHT = ("processor", "keeper", "annunciator")


class Heritage(NamedTuple):
    """What a process has from the one it was forked from."""

    sock: socket.socket | None  # the processor's link, the port of the web process
    waterline: Waterline
    started_ms: int = 0  # when the gateway was started; a process of it may have been since


class Role(Protocol):
    """A module of this package that is a process of its own."""

    def run(self, settings: Settings, heritage: Heritage) -> int:
        """Work until told to stop; return the exit code."""


def now_ms() -> int:
    """Return the wall clock in Unix milliseconds: the only place that reads it."""
    return time.time_ns() // 1_000_000


def run_role(name: str, settings: Settings, heritage: Heritage) -> int:
    """Run one of the processes beside the intake, in the process that is to be it."""
    os.nice(STANDS_BACK[name])
    role = cast("Role", load(f"gateway.roles.{name}"))
    return role.run(settings, heritage)
