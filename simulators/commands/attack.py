"""``python -m simulators attack``: one attack, bounded in time, and the truth about it."""

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from simulators.amounts import amount
from simulators.attacks.client import RefusedError
from simulators.attacks.frame import Order
from simulators.attacks.run import KINDS, run_attack, told, write_truth
from simulators.target import Target, add_target_options, add_tls_options, target_of

LONGEST_S = 3600.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``run`` reads."""
    parser.add_argument("kind", choices=tuple(KINDS))
    add_target_options(parser)
    add_tls_options(parser)
    parser.add_argument(
        "--as", dest="identity", default="intruder", metavar="ID", help="the attacker, or its prey"
    )
    parser.add_argument(
        "--victim", action="append", default=[], metavar="ID", help="may come again"
    )
    parser.add_argument("--spy", default="", metavar="ID", help="of replay: who listens, a monitor")
    parser.add_argument("--spy-password-env", metavar="NAME", help="its password")
    parser.add_argument("--seconds", type=amount, default=10)
    parser.add_argument("--rate", type=amount, default=20, help="tries per second; not of flood")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--org", default="city")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for truth.json")
    parser.add_argument("--json", action="store_true", help="the truth as JSON in the last line")


def run(options: argparse.Namespace) -> int:
    """Attack, and print the truth; exit code 1 where the attacker is not even let in.

    Raises:
        ValueError: an option is out of range.
        OSError: nobody answers.
    """
    if not 0 < options.seconds <= LONGEST_S or options.rate <= 0:
        raise ValueError(f"--seconds up to {LONGEST_S:.0f}, --rate positive")
    order = Order(
        kind=options.kind,
        identity=options.identity,
        victims=tuple(options.victim) or (options.identity,),
        seconds=options.seconds,
        rate=options.rate,
        seed=options.seed,
        org=options.org,
        spy=options.spy,
    )
    target = target_of(options)
    attack = run_attack(order, target, _now_ms, _spy_target(options, target))
    try:
        truth = asyncio.run(attack)
    except RefusedError as error:
        print(f"simulators: {options.mqtt}: {order.identity} is refused: {error}", file=sys.stderr)
        return 1
    if options.out is not None:
        write_truth(options.out / "truth.json", [truth], order.seed)
    entry = told(truth)
    words = "\n".join(f"{name:>10}  {value}" for name, value in entry.items())
    print(json.dumps(entry) if options.json else words, flush=True)
    return 0


def _spy_target(options: argparse.Namespace, target: Target) -> Target:
    if options.spy_password_env is None:
        return target
    password = os.environ.get(options.spy_password_env)
    if not password:
        raise ValueError(f"--spy-password-env: {options.spy_password_env} is not set")
    return replace(target, password=password)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
