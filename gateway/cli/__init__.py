"""The command ``infragate``: arguments in, exit code out; the only rooms that print.

Exit codes: 0 done, 1 failed, 2 misuse or a wrong configuration. Each module here adds its own
commands by ``add_to(commands)``; only the one that is asked for is loaded, since a gateway that
was killed is not back before it has loaded what it does not need.
"""

import argparse
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, cast

from gateway import __version__
from gateway.errors import ConfigError, GatewayError
from gateway.imports import load

MODULES = {
    "run": ("run", "demo", "check"),
    "look": ("status", "tap", "journal"),
    "quarantine": ("quarantine",),
    "device": ("device",),
    "energy": ("energy",),
    "alarms": ("alarms",),
    "export": ("export",),
    "backfill": ("backfill",),
    "bring": ("import",),
    "replay": ("replay",),
    "map": ("map",),
    "doctor": ("doctor",),
    "bench": ("bench",),
}
# A write to a peer that has gone must be an error to these, not the end of the process.
TALKERS = frozenset({"run", "demo", "backfill", "doctor", "bench"})


class _Home(Protocol):
    add_to: Callable[[object], None]


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return what the words ask for, its ``do`` does it; ends the process where they are wrong."""
    parser = argparse.ArgumentParser(
        prog="infragate",
        description="Every reading of a meter or a traffic sensor, unharmed and accounted for.",
    )
    parser.add_argument("--version", action="version", version=f"infragate {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in _needed(words):
        cast("_Home", load(f"gateway.cli.{name}")).add_to(commands)
    return parser.parse_args(words)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # one thread per process: numpy's workers would only contend, and forbid to fork
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # it would search all that is installed
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if options.command not in TALKERS:
        # `infragate … | head` must end quietly, as every other filter does
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        return int(options.do(options))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (GatewayError, OSError, sqlite3.Error) as error:  # a file, a port, a disk
        print(f"infragate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _needed(words: Sequence[str]) -> Iterable[str]:
    """Return the module that knows the command; all of them for help, and for a wrong word."""
    return [name for name, known in MODULES.items() if words and words[0] in known] or MODULES
