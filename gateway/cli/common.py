"""What several commands share: options, times, talking to a running gateway."""

import argparse
import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.config import Settings, load_settings
from gateway.errors import ConfigError, GatewayError

# add_subparsers returns a private class; this is what it is for a type checker
Commands = Any
Do = Callable[[argparse.Namespace], int]

CONTROL_TIMEOUT_S = 10


def add_command(commands: Commands, name: str, do: Do, text: str) -> argparse.ArgumentParser:
    """Add a command that works on the data of a configuration file."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(do=do)
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add ``-c FILE``."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=Path("infragate.toml"),
        metavar="FILE",
        help="configuration (default: infragate.toml)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON for a program to read")


def settings_of(options: argparse.Namespace) -> Settings:
    """Load the configuration that ``-c`` names."""
    return load_settings(options.config)


def print_json(value: object) -> None:
    """Print one JSON value on one line."""
    print(json.dumps(value, ensure_ascii=False))


def time_ms(text: str) -> int:
    """Return an RFC 3339 time, or a date in UTC, in Unix milliseconds."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a time such as 2026-11-21T08:00:00Z") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def ask(settings: Settings, request: dict[str, Any]) -> dict[str, Any]:
    """Ask the running gateway one thing.

    Raises:
        GatewayError: it does not run, or it says no.
    """
    for answer in listen(settings, request, timeout_s=CONTROL_TIMEOUT_S):
        if "error" in answer:
            raise GatewayError(answer["error"])
        return answer
    raise GatewayError("the gateway hung up")


def listen(
    settings: Settings, request: dict[str, Any], timeout_s: float | None = None
) -> Iterator[dict[str, Any]]:
    """Yield every answer of the running gateway to one request."""
    path = settings.gateway.data_dir / "run" / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect(str(path))
        except OSError as error:
            raise GatewayError(f"no gateway runs on {settings.gateway.data_dir}") from error
        sock.sendall(json.dumps(request).encode() + b"\n")
        with sock.makefile("rb") as lines:
            for line in lines:
                yield json.loads(line)
