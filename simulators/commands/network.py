"""``python -m simulators network``: a bad network in front of any server."""

import argparse
import asyncio
import contextlib
import json
import signal
from dataclasses import replace

from simulators.amounts import amount, whole
from simulators.network import PROFILES, Conditions
from simulators.parent import die_with
from simulators.proxy import Proxy
from simulators.target import address_of


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``run`` reads."""
    parser.add_argument("--mqtt", required=True, metavar="URL", help="where connections go")
    parser.add_argument(
        "--listen", type=whole, default=0, metavar="PORT", help="default: a free one"
    )
    parser.add_argument("--seconds", type=amount, help="default: until Ctrl-C")
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this process does")
    add_network_options(parser, default="4g")


def add_network_options(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add a profile and the numbers that may differ from it."""
    parser.add_argument("--network", choices=tuple(PROFILES), default=default, help="profile")
    parser.add_argument("--delay-ms", type=amount, help="one way")
    parser.add_argument("--jitter-ms", type=amount, help="standard deviation of it")
    parser.add_argument("--loss", type=amount, metavar="SHARE", help="of segments: they come late")
    parser.add_argument("--kbit-s", type=amount, help="each direction of a connection")
    parser.add_argument("--rebind-s", type=amount, help="mean life of a connection's NAT mapping")


def conditions_of(options: argparse.Namespace) -> Conditions | None:
    """Return what the options say, None where they say nothing.

    Raises:
        ValueError: a number is out of range.
    """
    told = {
        "delay_s": _scaled(options.delay_ms, 0.001),
        "jitter_s": _scaled(options.jitter_ms, 0.001),
        "loss": options.loss,
        "bytes_per_s": _scaled(options.kbit_s, 125),
        "rebind_s": options.rebind_s,
    }
    changes = {name: value for name, value in told.items() if value is not None}
    if options.network is None and not changes:
        return None
    if min(changes.values(), default=0) < 0 or changes.get("loss", 0) >= 1:
        raise ValueError("network: numbers are positive, and loss is below 1")
    return replace(PROFILES[options.network or "lan"], **changes)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def run(options: argparse.Namespace) -> int:
    """Forward until told to stop."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    if options.parent is not None:
        die_with(options.parent)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    proxy = Proxy(*address_of(options.mqtt), conditions_of(options))
    await proxy.start(options.listen)
    print(json.dumps({"port": proxy.port}), flush=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(options.seconds):
            await stop.wait()
    proxy.close()
    print(json.dumps({"accepted": proxy.accepted, "rebound": proxy.rebound}), flush=True)
    return 0
