"""The command ``infragate``: arguments in, exit code out; the only rooms that print.

Exit codes: 0 done, 1 failed, 2 misuse or a wrong configuration. Each module here adds its own
commands by ``add_to(commands)``; only the one that is asked for is loaded, since a gateway that
was killed is not back before it has loaded what it does not need.
"""

import argparse
import os
import select
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, cast

from gateway import __version__
from gateway.errors import ConfigError, GatewayError
from gateway.imports import load

MODULES = {
    "run": ("run", "demo", "check"),
    "look": ("status", "tap", "journal"),
    "quarantine": ("quarantine",),
    "init": ("init",),
    "device": ("device",),
    "operator": ("operator",),
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
UNREAD = 128 + signal.SIGPIPE  # as the shell sees a filter whose reader has gone


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
    try:
        code = int(options.do(options))
        sys.stdout.flush()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (GatewayError, OSError, sqlite3.Error) as error:  # a file, a port, a disk
        if isinstance(error, BrokenPipeError) and _is_unread():
            return UNREAD
        print(f"infragate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _is_unread() -> bool:
    """Whether the reader of our output has gone (``infragate … | head``): then end quietly.

    The signal stays ignored: left to the kernel it would also end us, without a word, at a write
    to a server that has gone.
    """
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output, 0)  # errors are told unasked
    if not poll.poll(0):
        return False
    # what the interpreter still flushes at its end goes nowhere
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), output)
    return True


def _needed(words: Sequence[str]) -> Iterable[str]:
    """Return the module that knows the command; all of them for help, and for a wrong word."""
    return [name for name, known in MODULES.items() if words and words[0] in known] or MODULES
