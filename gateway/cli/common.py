"""What several commands share: options, times, talking to a running gateway."""

import argparse
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import asking
from gateway.config import Settings, load_settings
from gateway.errors import ConfigError

# add_subparsers returns a private class; this is what it is for a type checker
Commands = Any
Do = Callable[[argparse.Namespace], int]


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
    """Load the configuration that ``-c`` names.

    Raises:
        ConfigError: names the file and every wrong key.
    """
    if not options.config.exists():
        raise ConfigError(
            f"{options.config}: no such file. `infragate init` writes a first one, `-c FILE` names "
            "another, and `infragate demo` needs none."
        )
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
    """Ask the running gateway one thing; see ``asking.ask``."""
    return asking.ask(settings.gateway.data_dir, request)


def listen(
    settings: Settings, request: dict[str, Any], timeout_s: float | None = None
) -> Iterator[dict[str, Any]]:
    """Yield every answer of the running gateway to one request."""
    return asking.listen(settings.gateway.data_dir, request, timeout_s)
