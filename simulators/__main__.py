"""``python -m simulators``: devices with physics, a city with truth, as much load as possible."""

import argparse
import asyncio
import gc
import json
import resource
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from simulators.city.command import add_city, run_city
from simulators.fleet import Fleet, Plan
from simulators.load import Demand, Load
from simulators.parent import die_with
from simulators.replay import replay
from simulators.score.command import add_score, run_score
from simulators.shelf import Shelf
from simulators.target import add_target_options, target_of
from simulators.templates import Shape

PROGRESS_S = 10.0
MOST_DEVICES, LARGEST_WINDOW = 1_000_000, 60_000  # six digits in a name; packet ids
LARGEST_BATCH = 1000
SHORTEST_MS = 100  # the ticker of a fleet does not go faster


def make_parser() -> argparse.ArgumentParser:
    """Return what understands the command line."""
    parser = argparse.ArgumentParser(prog="simulators", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_fleet(commands.add_parser("fleet", help="meters and detectors with believable readings"))
    _add_load(commands.add_parser("load", help="as many messages as you ask for, and latencies"))
    _add_replay(commands.add_parser("replay", help="recordings: CSV files, captures of JSON lines"))
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
        print(f"simulators: {options.command}: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        parser.error(str(error))


def _run(options: argparse.Namespace) -> int:
    if options.command == "load":
        return _load(options)
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
    parser.add_argument("--pace", type=float, default=0, metavar="RATE", help="messages per second")
    parser.add_argument("--json", action="store_true", help="report as JSON in the last line")


def _add_fleet(parser: argparse.ArgumentParser) -> None:
    add_target_options(parser)
    parser.add_argument("--meters", type=int, default=20, metavar="N")
    parser.add_argument("--detectors", type=int, default=10, metavar="N")
    parser.add_argument("--interval-s", type=float, help="default: 1800 meters, 30 detectors")
    parser.add_argument("--seed", type=int, default=1, help="names the whole city")
    parser.add_argument("--org", default="demo")
    parser.add_argument("--state", type=Path, metavar="DIR", help="go on where the last run was")
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this process does")
    how_long = parser.add_mutually_exclusive_group(required=True)
    how_long.add_argument("--seconds", type=float)
    how_long.add_argument("--forever", action="store_true")
    parser.add_argument("--json", action="store_true", help="report as JSON in the last line")


def _add_load(parser: argparse.ArgumentParser) -> None:
    add_target_options(parser)
    parser.add_argument("--devices", type=int, default=1000, metavar="N")
    parser.add_argument("--rate", default="max", help="messages per second, or max")
    parser.add_argument("--batch", type=int, default=1, metavar="ROWS", help="rows per message")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--qos", type=int, choices=(0, 1), default=1)
    parser.add_argument("--connections", type=int, default=10, metavar="C")
    parser.add_argument("--window", type=int, default=1000, help="in flight per connection")
    parser.add_argument("--payload-format", choices=("json", "cbor"), default="json")
    parser.add_argument("--receipts", type=int, default=20, metavar="N", help="devices sampled")
    parser.add_argument("--api", metavar="URL", help="time until a reading can be queried")
    parser.add_argument("--org", default="load")
    parser.add_argument("--log", type=int, help="log id of this run; default: the time in seconds")
    parser.add_argument("--json", action="store_true", help="report as JSON in the last line")


def _load(options: argparse.Namespace) -> int:
    rate = None if options.rate == "max" else float(options.rate)
    bounds = (options.devices, options.batch, options.connections, options.window)
    if min(bounds) < 1 or options.devices > MOST_DEVICES or options.window > LARGEST_WINDOW:
        raise ValueError("devices, batch, connections and window must be positive and bounded")
    if options.batch > LARGEST_BATCH or (rate is not None and rate <= 0):
        raise ValueError(f"batch is at most {LARGEST_BATCH}, rate is positive or max")
    # a little closer than the rate needs, so that no device runs ahead of its clock
    per_row_ms = 0 if rate is None else 800 * options.devices / rate / options.batch
    log = int(time.time_ns() // 1_000_000_000) if options.log is None else options.log
    shape = Shape(
        devices=options.devices,
        batch=options.batch,
        payload_format=options.payload_format,
        qos=options.qos,
        org=options.org,
        log=log,
        spacing_ms=int(min(max(per_row_ms, 1), 60_000)),
    )
    demand = Demand(
        rate=rate,
        seconds=options.seconds,
        connections=options.connections,
        window=options.window,
        receipts=options.receipts,
        api=options.api,
    )
    gc.disable()  # a pause of ours, 50 ms after 60,000 messages, would count as the server's
    report = Load(shape, demand, target_of(options)).run()
    print(json.dumps(report) if options.json else _in_words(report), flush=True)
    return 0


async def _run_fleet(options: argparse.Namespace) -> int:
    interval_ms = None if options.interval_s is None else round(options.interval_s * 1000)
    if options.meters + options.detectors < 1 or (
        interval_ms is not None and interval_ms < SHORTEST_MS
    ):
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
    """A connection is a file: take what the system grants without asking."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
