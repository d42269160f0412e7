"""The command ``infragate``: arguments in, exit code out; the only rooms that print.

Exit codes: 0 done, 1 failed, 2 misuse or a wrong configuration. Each module here adds its own
commands by ``add_to(commands)``.
"""

import argparse
import signal
import sqlite3
import sys
from collections.abc import Sequence

from gateway import __version__
from gateway.cli import backfill, bench, device, doctor, export, look, quarantine, replay, run
from gateway.errors import ConfigError, GatewayError

MODULES = (run, look, quarantine, device, export, backfill, replay, doctor, bench)
# A write to a peer that has gone must be an error to these, not the end of the process.
TALKERS = frozenset({"run", "demo", "_role", "backfill", "doctor", "bench"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="infragate",
        description="Every reading of a meter or a traffic sensor, unharmed and accounted for.",
    )
    parser.add_argument("--version", action="version", version=f"infragate {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in MODULES:
        module.add_to(commands)
    options = parser.parse_args(arguments)
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
