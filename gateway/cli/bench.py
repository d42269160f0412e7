"""``bench``: one table from one run on this machine, with a real Mosquitto.

Every figure comes from outside the gateway: the load generator's clocks, the API's accounts,
/proc. Rates are *to the store*: from the first publish until the accounts show every reading.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from gateway.cli.benchrig import Load, Rig
from gateway.cli.common import Commands, add_command, add_json, print_json
from gateway.errors import GatewayError
from gateway.supervisor import allow_many_files

IDLE_CONNECTIONS = 5000
SHOW_WHOLE = 1000  # larger figures need no decimals


class Figure(NamedTuple):
    """One line of the table."""

    key: str
    text: str
    target: str


FIGURES = (
    Figure(
        "messages_per_s", "single-reading messages/s to the store, behind Mosquitto", "≥ 60,000"
    ),
    Figure("readings_per_s", "readings/s to the store in batches of 60", "≥ 400,000"),
    Figure("gateway_cpu_us_per_message", "gateway CPU per single-reading message, µs", "≤ 1.5 x"),
    Figure("broker_cpu_us_per_message", "Mosquitto CPU per the same message, µs", ""),
    Figure("listener_messages_per_s", "messages/s on the listener, 200 connections", "≥ 100,000"),
    Figure("listener_puback_p50_ms", "publish → PUBACK at 10,000/s on the listener, p50, ms", ""),
    Figure(
        "listener_puback_p99_ms", "publish → PUBACK at 10,000/s on the listener, p99, ms", "< 20"
    ),
    Figure("queryable_p50_ms", "publish → queryable at 10,000/s, p50, ms", ""),
    Figure("queryable_p99_ms", "publish → queryable at 10,000/s, p99, ms", "< 500"),
    Figure("receipt_p99_ms", "publish → receipt at 10,000/s, p99, ms", "< 1,500"),
    Figure("listener_idle_rss_mb", "memory of the intake, 5,000 idle connections, MB", "< 150"),
    Figure("rss_mb", "memory of all processes but the web, MB", "< 200"),
    Figure("web_rss_mb", "memory of the web process, MB", ""),
    Figure("bytes_per_reading", "bytes per reading on disk, as written", ""),
)


def add_to(commands: Commands) -> None:
    """Add this command."""
    parser = add_command(commands, "bench", _bench, "Measure this machine; one table, one run.")
    parser.add_argument("--seconds", type=float, default=8, metavar="S", help="of each load")
    add_json(parser)


def _bench(options: argparse.Namespace) -> int:
    if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
        raise GatewayError("mosquitto is not installed: `make servers` installs it (needs root)")
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="infragate-bench-") as folder:
        for number, scenario in enumerate((_singles, _batches, _listener, _latency, _idle)):
            home = Path(folder) / str(number)
            home.mkdir()
            print((scenario.__doc__ or "").partition("\n")[0], file=sys.stderr, flush=True)
            results |= scenario(home, options.seconds)
    if options.json:
        print_json(results)
    else:
        _print_table(results)
    return 0


def _singles(home: Path, seconds: float) -> dict[str, float]:
    """Single readings as fast as they go, through Mosquitto."""
    with Rig(home, behind_broker=True) as rig:
        run = rig.run(Load(2000, connections=20, rate="max", batch=1, seconds=seconds, window=1000))
        rss, web_rss = rig.rss_bytes(web=False), rig.rss_bytes(web=True)
    cpu_s = {"gateway": run.gateway_cpu_s, "broker": run.broker_cpu_s, **run.roles_s}
    return {
        "messages_per_s": run.readings / run.took_s,
        **{f"{name}_cpu_us_per_message": s / run.messages * 1e6 for name, s in cpu_s.items()},
        "load_cpu_us_per_message": run.report["cpu_us_per_message"],
        "rss_mb": rss / 1e6,
        "web_rss_mb": web_rss / 1e6,
        "bytes_per_reading": rig.store_bytes() / run.readings,
    }


def _batches(home: Path, seconds: float) -> dict[str, float]:
    """Batches of 60 as fast as they go, through Mosquitto."""
    with Rig(home, behind_broker=True) as rig:
        run = rig.run(Load(2000, connections=20, rate="max", batch=60, seconds=seconds, window=100))
        return {
            "readings_per_s": run.readings / run.took_s,
            "gateway_cpu_us_per_reading": run.gateway_cpu_s / run.readings * 1e6,
        }


def _listener(home: Path, seconds: float) -> dict[str, float]:
    """200 pipelined connections straight on the listener."""
    with Rig(home, behind_broker=False) as rig:
        run = rig.run(Load(2000, connections=200, rate="max", batch=1, seconds=seconds, window=200))
        return {
            "listener_messages_per_s": run.report["messages_per_s"],
            "listener_stored_per_s": run.readings / run.took_s,
        }


def _latency(home: Path, seconds: float) -> dict[str, float]:
    """10,000 messages a second on the listener, after a second of the same to warm up.

    The first batches of a start are small, so that even a crash loop gets on, and 2,000 devices
    that have never been seen come at once: both would be most of the last percent.
    """
    load = Load(2000, 200, rate="10000", batch=1, seconds=seconds, window=1000, receipts=20)
    with Rig(home, behind_broker=False) as rig:
        rig.run(load._replace(seconds=1.0, receipts=0))
        run = rig.run(load)
        return {
            "listener_puback_p50_ms": run.report["puback_p50_ms"],
            "listener_puback_p99_ms": run.report["puback_p99_ms"],
            "queryable_p50_ms": run.report["queryable_p50_ms"],
            "queryable_p99_ms": run.report["queryable_p99_ms"],
            "receipt_p99_ms": run.report["receipt_p99_ms"],
        }


def _idle(home: Path, _seconds: float) -> dict[str, float]:
    """5,000 devices that are connected and silent."""
    allow_many_files()
    with Rig(home, behind_broker=False) as rig:
        return {"listener_idle_rss_mb": rig.idle_bytes(IDLE_CONNECTIONS) / 1e6}


def _print_table(results: dict[str, float]) -> None:
    table = Table(title="infragate bench", title_justify="left")
    for heading in ("what", "measured", "to reach"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for figure in FIGURES:
        value = results[figure.key]
        shown = f"{value:,.0f}" if value >= SHOW_WHOLE else f"{value:,.2f}"
        table.add_row(figure.text, shown, figure.target)
    ratio = results["gateway_cpu_us_per_message"] / results["broker_cpu_us_per_message"]
    table.add_row("gateway CPU ÷ Mosquitto CPU per message", f"{ratio:.2f}", "≤ 1.5")
    Console().print(table)
