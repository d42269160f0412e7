"""``python -m simulators chaos``: kills, full disks, broken networks, and a ledger that judges."""

import argparse
import asyncio
import json
import shlex
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from simulators.amounts import amount, whole
from simulators.chaos.api import ApiError
from simulators.chaos.field import Task
from simulators.chaos.run import Chaos


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``run`` reads."""
    parser.add_argument("--seconds", type=amount, default=60, help="in which faults begin")
    parser.add_argument("--kills", type=whole, default=10, metavar="N", help="of the gateway")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same faults")
    parser.add_argument("--devices", type=whole, default=10, metavar="N")
    parser.add_argument("--rate", type=amount, default=200, help="readings per second")
    parser.add_argument("--start-s", type=amount, default=30, help="for the gateway's first start")
    parser.add_argument(
        "--gateway", metavar="COMMAND", help="what gets `run -c FILE`; default: python -m gateway"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="logs and data; must be new")
    parser.add_argument("--json", action="store_true", help="report as JSON in the last line")


def run(options: argparse.Namespace) -> int:
    """Do it, and print the report; exit code 1 where anything was found.

    Raises:
        ValueError: an option is out of range.
    """
    if options.seconds <= 0 or options.kills < 0 or options.devices < 2 or options.rate <= 0:  # noqa: PLR2004  # one of each kind
        raise ValueError("--seconds and --rate are positive, --devices at least 2")
    # otherwise nobody sends anything, and nothing can be found to be lost
    if not options.seconds * options.rate >= options.devices:
        raise ValueError("--seconds times --rate: a reading for each device at least")
    task = Task(options.seconds, options.kills, options.seed, options.devices, options.rate)
    task = replace(task, start_s=options.start_s)
    gateway = shlex.split(options.gateway) if options.gateway else [sys.executable, "-m", "gateway"]
    if options.out is not None and options.out.exists() and any(options.out.iterdir()):
        raise ValueError(f"--out: {options.out} is not empty")
    folder = options.out or Path(tempfile.mkdtemp(prefix="infragate-chaos-"))
    try:
        report = asyncio.run(Chaos(task, folder.resolve(), gateway, _show).run())
    except ApiError as error:
        print(f"simulators: {error} (logs in {folder})", file=sys.stderr)
        return 1
    if options.out is None and report["ok"]:
        shutil.rmtree(folder)
    else:
        report["folder"] = str(folder)
    words = "\n".join(f"{name:>20}  {value}" for name, value in report.items())
    print(json.dumps(report) if options.json else words, flush=True)
    return 0 if report["ok"] else 1


def _show(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
