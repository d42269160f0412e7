"""``python -m simulators load``: as many messages as asked for, and how long each takes."""

import argparse
import contextlib
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from simulators.amounts import amount, whole
from simulators.commands.network import add_network_options, conditions_of
from simulators.dialling import AT_ONCE
from simulators.load import Demand, Load
from simulators.network import Conditions
from simulators.target import Target, add_target_options, add_tls_options, target_of
from simulators.templates import Shape

MOST_DEVICES, LARGEST_WINDOW = 1_000_000, 60_000  # six digits in a name; packet ids
MOST_CONNECTIONS = 20_000  # one address of ours has 28,000 ports
LARGEST_BATCH = 1000
# Larger ones are refused for their unknown key (docs/protocol.md §4, §5).
LARGEST_PAYLOAD_BYTES = {"json": 64 << 10, "cbor": 16 << 10}
LEAST_CONNECT_S, SLOWEST_CONNECTS_PER_S = 10.0, 200  # then we give up before we begin
QUIET_S = 10.0  # between two lines of progress where nobody sees them change


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``run`` reads."""
    add_target_options(parser)
    add_tls_options(parser)
    parser.add_argument("--devices", type=whole, default=1000, metavar="N")
    parser.add_argument("--rate", default="max", help="messages per second, or max")
    parser.add_argument("--batch", type=whole, default=1, metavar="ROWS", help="rows per message")
    parser.add_argument("--seconds", type=amount, default=10)
    parser.add_argument("--qos", type=whole, choices=(0, 1), default=1)
    parser.add_argument("--connections", type=whole, metavar="C", help="default 10; see --storm")
    parser.add_argument("--storm", action="store_true", help="a connection of its own per device")
    parser.add_argument("--connects-at-once", type=whole, default=AT_ONCE, metavar="N")
    parser.add_argument("--window", type=whole, default=1000, help="in flight per connection")
    parser.add_argument("--patience-s", type=amount, default=30, help="for a PUBACK")
    parser.add_argument("--payload-format", choices=("json", "cbor"), default="json")
    parser.add_argument(
        "--payload-bytes", type=whole, default=0, metavar="N", help="filled up to N"
    )
    parser.add_argument("--receipts", type=whole, default=20, metavar="N", help="devices sampled")
    parser.add_argument("--api", metavar="URL", help="time until a reading can be queried")
    parser.add_argument("--server-pid", type=int, action="append", default=[], metavar="PID")
    parser.add_argument("--org", default="load")
    parser.add_argument("--log", type=int, help="log id of this run; default: the time in seconds")
    parser.add_argument("--json", action="store_true", help="report as JSON in the last line")
    add_network_options(parser)


def run(options: argparse.Namespace) -> int:
    """Send, and print the report; exit code 1 if nothing was acknowledged.

    Raises:
        ValueError: an option is out of range.
        OSError: nobody answers.
    """
    shape, demand = _shape(options), _demand(options)
    target, conditions = target_of(options), conditions_of(options)
    gc.disable()  # a pause of ours, 50 ms after 60,000 messages, would count as the server's
    with _through(target, options.mqtt, conditions) as reached:
        report = Load(shape, demand, reached, progress=_progress()).run()
    report["network"] = None if conditions is None else vars(conditions)
    words = "  ".join(f"{name} {value}" for name, value in report.items())
    print(json.dumps(report) if options.json else words, flush=True)
    return 0 if report["messages_per_s"] else 1


def _shape(options: argparse.Namespace) -> Shape:
    rate = _rate(options)
    if not 1 <= options.devices <= MOST_DEVICES or not 1 <= options.batch <= LARGEST_BATCH:
        raise ValueError(f"devices 1 … {MOST_DEVICES}, batch 1 … {LARGEST_BATCH}")
    if options.payload_bytes > LARGEST_PAYLOAD_BYTES[options.payload_format]:
        raise ValueError(f"--payload-bytes: at most {LARGEST_PAYLOAD_BYTES}")
    # a little closer than the rate needs, so that no device runs ahead of its clock
    per_row_ms = 0 if rate is None else 800 * options.devices / rate / options.batch
    return Shape(
        devices=options.devices,
        batch=options.batch,
        payload_format=options.payload_format,
        qos=options.qos,
        org=options.org,
        log=int(time.time_ns() // 1_000_000_000) if options.log is None else options.log,
        spacing_ms=int(min(max(per_row_ms, 1), 60_000)),
        payload_bytes=options.payload_bytes,
    )


def _demand(options: argparse.Namespace) -> Demand:
    connections = options.connections or (options.devices if options.storm else 10)
    if not 1 <= connections <= MOST_CONNECTIONS or not 1 <= options.window <= LARGEST_WINDOW:
        raise ValueError(f"connections 1 … {MOST_CONNECTIONS}, window 1 … {LARGEST_WINDOW}")
    if options.connects_at_once < 1 or options.seconds <= 0:
        raise ValueError("--connects-at-once and --seconds are positive")
    return Demand(
        rate=_rate(options),
        seconds=options.seconds,
        connections=connections,
        window=options.window,
        receipts=options.receipts,
        api=options.api,
        connects_at_once=options.connects_at_once,
        connect_s=LEAST_CONNECT_S + connections / SLOWEST_CONNECTS_PER_S,
        patience_s=options.patience_s,
        server_pids=options.server_pid,
    )


def _rate(options: argparse.Namespace) -> float | None:
    rate = None if options.rate == "max" else float(options.rate)
    if rate is not None and rate <= 0:
        raise ValueError("--rate is positive or max")
    return rate


@contextlib.contextmanager
def _through(target: Target, url: str, conditions: Conditions | None) -> Iterator[Target]:
    """Put a network between us and the server, in a process of its own: it needs a core too."""
    if conditions is None:
        yield target
        return
    command = [sys.executable, "-m", "simulators", "network", "--mqtt", url]
    command += ["--network", "lan", "--parent", str(os.getpid())]
    numbers = {
        "--delay-ms": conditions.delay_s * 1000,
        "--jitter-ms": conditions.jitter_s * 1000,
        "--loss": conditions.loss,
        "--kbit-s": conditions.bytes_per_s / 125,
        "--rebind-s": conditions.rebind_s,
    }
    command += [word for name, value in numbers.items() for word in (name, str(value))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # us
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            if not line:
                raise OSError("the network between us and the server did not start")
            yield replace(
                target, host="127.0.0.1", port=json.loads(line)["port"], certified=target.name
            )
        finally:
            process.terminate()
            process.communicate()  # its last words are for a person: it must not find nobody


def _progress() -> Callable[[str], None]:
    """Return what shows a line: over the last one on a terminal, now and then elsewhere."""
    if sys.stderr.isatty():
        return lambda words: print(f"\r{words}\033[K", end="", file=sys.stderr, flush=True)
    shown_s = [time.perf_counter()]

    def show(words: str) -> None:
        if time.perf_counter() - shown_s[0] > QUIET_S:
            shown_s[0] = time.perf_counter()
            print(words, file=sys.stderr, flush=True)

    return show
