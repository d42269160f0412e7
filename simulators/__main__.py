"""``python -m simulators``: a city with truth, load, bad networks, faults, attacks."""

import argparse
import asyncio
import contextlib
import json
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, cast

from simulators.amounts import amount, whole
from simulators.city.command import add_city, run_city
from simulators.commands import attack, chaos, foreign, load, network
from simulators.fleet import Fleet, Plan
from simulators.parent import die_with
from simulators.replay import replay
from simulators.score.command import add_score, run_score
from simulators.shelf import Shelf
from simulators.target import add_target_options, target_of


class Command(Protocol):
    """A module of ``simulators.commands``."""

    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


COMMANDS: dict[str, tuple[Command, str]] = {
    "load": (cast("Command", load), "as many messages as you ask for, and latencies"),
    "foreign": (cast("Command", foreign), "plugs, meters and lanes in formats of other makers"),
    "network": (cast("Command", network), "a bad network in front of any server"),
    "chaos": (cast("Command", chaos), "kills and faults for a gateway of its own, and a verdict"),
    "attack": (
        cast("Command", attack),
        "a flood, stolen identities, nonsense; and the truth of it",
    ),
}
PROGRESS_S = 10.0
MOST_FILES = 1 << 15  # 20,000 connections and what else is open
SHORTEST_MS = 100  # the ticker of a fleet does not go faster


def make_parser() -> argparse.ArgumentParser:
    """Return what understands the command line."""
    parser = argparse.ArgumentParser(prog="simulators", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_fleet(commands.add_parser("fleet", help="meters and detectors with believable readings"))
    _add_replay(commands.add_parser("replay", help="recordings: CSV files, captures of JSON lines"))
    for name, (module, words) in COMMANDS.items():
        module.add_options(commands.add_parser(name, help=words))
    add_score(commands.add_parser("score", help="the gateway's alarms against a truth file"))
    add_city(commands.add_parser("city", help="a city with ground truth, dry or on the air"))
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one simulator; exit code 2 for a wrong command line."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    _raise_file_limit()
    try:
        return _run(options)
    except OSError as error:
        print(f"simulators: {getattr(options, 'mqtt', options.command)}: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return 130  # as a shell says of a program that Ctrl-C has ended


def _run(options: argparse.Namespace) -> int:
    if options.command in COMMANDS:
        return COMMANDS[options.command][0].run(options)
    if options.command == "city":
        return run_city(options)
    if options.command == "score":
        return run_score(options)
    if options.command == "fleet":
        return asyncio.run(_run_fleet(options))
    sent = asyncio.run(replay(options.file, options.topic, target_of(options), options.pace))
    print(json.dumps({"sent": sent}) if options.json else f"{sent} messages acknowledged")
    return 0


def _add_replay(parser: argparse.ArgumentParser) -> None:
    add_target_options(parser)
    parser.add_argument("file", type=Path, nargs="+")
    parser.add_argument("--topic", help="of the rows of a CSV file; of all, if given")
    parser.add_argument("--pace", type=amount, default=0, metavar="RATE", help="messages a second")
    parser.add_argument("--json", action="store_true", help="report as JSON in the last line")


def _add_fleet(parser: argparse.ArgumentParser) -> None:
    add_target_options(parser)
    parser.add_argument("--meters", type=whole, default=20, metavar="N")
    parser.add_argument("--detectors", type=whole, default=10, metavar="N")
    parser.add_argument("--interval-s", type=amount, help="default: 1800 meters, 30 detectors")
    parser.add_argument("--seed", type=int, default=1, help="names the whole city")
    parser.add_argument("--org", default="demo")
    parser.add_argument("--state", type=Path, metavar="DIR", help="go on where the last run was")
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this process does")
    how_long = parser.add_mutually_exclusive_group(required=True)
    how_long.add_argument("--seconds", type=amount)
    how_long.add_argument("--forever", action="store_true")
    parser.add_argument("--json", action="store_true", help="report as JSON in the last line")


async def _run_fleet(options: argparse.Namespace) -> int:
    interval_ms = None if options.interval_s is None else round(options.interval_s * 1000)
    fewest, most = sorted((options.meters, options.detectors))
    if fewest < 0 or most < 1 or (interval_ms is not None and interval_ms < SHORTEST_MS):
        raise ValueError("a fleet needs a node, and an interval of at least 0.1 s")
    if options.parent is not None:
        die_with(options.parent)
    plan = Plan(options.meters, options.detectors, interval_ms, options.seed, options.org)
    shelf = None if options.state is None else Shelf(options.state)
    fleet = Fleet(plan, target_of(options), shelf)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if options.seconds is not None:
        loop.call_later(options.seconds, stop.set)
    progress = asyncio.create_task(_show_progress(fleet))
    await fleet.run(stop)
    progress.cancel()
    report = fleet.report()
    fleet.close()
    if shelf is not None:
        shelf.close()
    print(json.dumps(report) if options.json else _in_words(report), flush=True)
    return 0 if report["connected"] else 1


async def _show_progress(fleet: Fleet) -> None:
    while True:
        await asyncio.sleep(PROGRESS_S)
        print(_in_words(fleet.report()), file=sys.stderr, flush=True)


def _in_words(report: Mapping[str, object]) -> str:
    return "  ".join(f"{name} {value}" for name, value in report.items())


def _raise_file_limit() -> None:
    """A connection is a file: take what the system grants, and more where we may ask for it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = max(hard, MOST_FILES)
    with contextlib.suppress(OSError, ValueError):  # only root may
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))


if __name__ == "__main__":
    sys.exit(main())
