"""``python -m simulators city``: reads its options, runs a city dry or on the air."""

import argparse
import asyncio
import json
import math
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from simulators.amounts import amount, whole
from simulators.city.begin import Begin, begin_of, carried_in, keep_carried, remember
from simulators.city.city import City, Order, Size, parse_ms, usual_start_ms
from simulators.city.dry import run_dry, run_into
from simulators.city.frame import ORG, Span
from simulators.city.live import LiveCity, Recall
from simulators.city.past import Past, record
from simulators.city.times import rfc3339
from simulators.parent import die_with
from simulators.shelf import Shelf
from simulators.target import add_target_options, target_of

DAY_MS = 86_400_000
# A dry run has no reason to know today: the same command is the same city for ever. A Monday.
DRY_START = "2026-06-01T00:00:00+07:00"
_TRUTH_EVERY_S = 5.0
_PROGRESS_S = 10.0
_SHORTEST_MS = 1000
MOST_METERS, MOST_LANES = 100_000, 10_000
MOST_PAST_DAYS = 30.0  # a node's flash holds 19 days of half hours


def add_city(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``city``."""
    add_target_options(parser, required=False)
    parser.add_argument("--seed", type=int, default=1, help="names the whole city")
    parser.add_argument("--meters", type=whole, default=200, metavar="N")
    parser.add_argument("--lanes", type=whole, default=40, metavar="N")
    parser.add_argument("--days", type=amount, default=1.0, metavar="D")
    parser.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME|FILE",
        help="NAME[:where=…,from=S,to=S,…], S in seconds after the start; or a JSON file of them",
    )
    parser.add_argument("--pace", help="realtime, a factor, or max; default: max without --mqtt")
    parser.add_argument("--start", metavar="TIME", help="RFC 3339; default: so that it ends now")
    parser.add_argument(
        "--past-days",
        type=amount,
        default=0.0,
        metavar="D",
        help="devices have recorded for D days, and send it as backlog at the first start",
    )
    parser.add_argument("--interval-s", type=amount, help="of every device, in place of its own")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="truth.json, …")
    parser.add_argument("--dump", action="store_true", help="without --mqtt: DIR/capture.jsonl")
    parser.add_argument("--org", default=ORG)
    parser.add_argument("--state", type=Path, metavar="DIR", help="go on where the last run was")
    parser.add_argument("--forever", action="store_true", help="go on when the days are over")
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this process does")
    parser.add_argument(
        "--check", action="store_true", help="only DIR/registry.toml, and whether the orders can be"
    )
    parser.add_argument("--json", action="store_true", help="report as JSON in the last line")


def run_city(options: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ValueError: an option is wrong.
        OSError: the server, or a file.
    """
    factor = _factor(options)
    size = _size(options)
    begin = _begin(options, factor)
    span = Span(begin.from_ms, begin.start_ms + round(options.days * DAY_MS))
    orders = [order for text in options.scenario for order in read_orders(text, begin.start_ms)]
    city = City(size, span, orders, ends=not options.forever)
    if city.attacks.is_ordered and factor != 1.0:
        raise ValueError("attacks need --mqtt and real time")
    if options.state is not None and options.mqtt is not None:
        remember(options.state, begin)
    city.write_registry(options.out, options.org)
    if options.check:
        return 0
    began_s = time.monotonic()
    if options.mqtt is None:
        report: dict[str, object] = _dry(city, options)
    else:
        report = asyncio.run(_live(city, options, factor, begin))
    city.write_truth(options.out)
    taken_s = time.monotonic() - began_s
    report |= _cost(city, taken_s, report)
    print(json.dumps(report) if options.json else _in_words(report), flush=True)
    return 0 if report.get("connected", 1) else 1


def _size(options: argparse.Namespace) -> Size:
    interval_ms = None if options.interval_s is None else round(options.interval_s * 1000)
    if interval_ms is not None and (interval_ms < _SHORTEST_MS or DAY_MS % interval_ms):
        raise ValueError("--interval-s: at least 1, and a part of a day")
    if not 1 <= options.meters <= MOST_METERS or not 0 <= options.lanes <= MOST_LANES:
        raise ValueError(f"--meters 1 to {MOST_METERS}, --lanes up to {MOST_LANES}")
    if not 0 < options.days < math.inf:
        raise ValueError("--days must be positive")
    return Size(options.seed, options.meters, options.lanes, interval_ms)


def _factor(options: argparse.Namespace) -> float | None:
    """Return how many times faster than real time; None: as fast as possible."""
    pace = options.pace or ("max" if options.mqtt is None else "realtime")
    if options.mqtt is None and (pace != "max" or options.forever):
        raise ValueError("without --mqtt a city runs as fast as it can, and ends")
    if pace in {"max", "realtime"}:
        return None if pace == "max" else 1.0
    factor = float(pace)
    if not 0 < factor < math.inf:
        raise ValueError("--pace must be realtime, max or a positive factor")
    return factor


def _begin(options: argparse.Namespace, factor: float | None) -> Begin:
    if not 0 <= options.past_days <= MOST_PAST_DAYS:
        raise ValueError(f"--past-days: 0 to {MOST_PAST_DAYS:.0f}")
    if options.past_days and (options.mqtt is None or factor != 1.0):
        raise ValueError("--past-days needs --mqtt and real time")
    if options.start is not None:
        fixed_ms = parse_ms(options.start)
        known = begin_of(options.state, lambda: fixed_ms, options.past_days)
        return known._replace(start_ms=fixed_ms)
    if options.mqtt is None:
        return Begin(parse_ms(DRY_START), 0.0, is_new=True)

    def now_ms() -> int:
        wall_ms = time.time_ns() // 1_000_000
        return wall_ms if factor == 1.0 else usual_start_ms(wall_ms, options.days)

    return begin_of(options.state, now_ms, options.past_days)


def read_orders(text: str, start_ms: int) -> list[Order]:
    """Return the scenarios of one ``--scenario``.

    Raises:
        ValueError: it is neither a name with parameters nor a file with orders.
        OSError: the file cannot be read.
    """
    if not text.endswith(".json"):
        kind, _, rest = text.partition(":")
        pairs = [part.partition("=") for part in rest.split(",") if part]
        return [_order(kind, {key: _value(value) for key, _, value in pairs}, start_ms)]
    content = json.loads(Path(text).read_text("utf-8"))
    entries = content.get("scenarios") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{text}: a JSON list of objects is wanted")
    orders = []
    for entry in entries:
        wish = {**entry, **entry.get("parameters", {})}
        kind = str(wish.pop("kind", wish.pop("what", "")))
        wish.pop("parameters", None)
        orders.append(_order(kind, wish, start_ms))
    return orders


def _value(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _order(kind: str, wish: dict[str, object], start_ms: int) -> Order:
    for name in ("from", "to"):
        if name in wish:
            when = wish.pop(name)
            wish[f"{name}_ms"] = (
                start_ms + round(when * 1000)
                if isinstance(when, int | float)
                else parse_ms(str(when))
            )
    return Order(kind, wish)


def _dry(city: City, options: argparse.Namespace) -> dict[str, object]:
    shown_s = time.monotonic()

    def progress(world_ms: int) -> None:
        nonlocal shown_s
        if time.monotonic() - shown_s > _PROGRESS_S:
            shown_s = time.monotonic()
            print(rfc3339(world_ms), file=sys.stderr, flush=True)

    if options.dump:
        tally = run_into(city, options.org, options.out, progress)
    else:
        tally = run_dry(city, progress)
    made = {"devices": len(city.devices()), "readings": tally.readings, "events": tally.events}
    return made | _passed(city, city.ended_ms)


def _recall(city: City, options: argparse.Namespace, begin: Begin) -> Recall | None:
    """Return the past that is still to be made; what is known of it already is carried on."""
    if not begin.past_days:
        return None

    def made(is_wanted: Callable[[], bool]) -> Past:
        return record(city.size, begin.past_days, begin.from_ms, is_wanted)

    def keep(past: Past) -> None:
        if options.state is not None:
            keep_carried(options.state, past.carried)

    if begin.is_new:
        return Recall(made, keep, begin.start_ms)
    city.carry(carried_in(options.state) or made(lambda: True).carried)
    return None


async def _live(
    city: City, options: argparse.Namespace, factor: float | None, begin: Begin
) -> dict[str, object]:
    if options.parent is not None:
        die_with(options.parent)
    recall = _recall(city, options, begin)
    if options.state is not None and factor == 1.0 and recall is None:
        city.skip_to(time.time_ns() // 1_000_000)
    shelf = None if options.state is None else Shelf(options.state)
    target = target_of(options)
    live = LiveCity(city, target, options.org, factor, shelf)
    if recall is not None:
        live.begin_with(recall)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    watch = asyncio.create_task(_write_truth(city, options.out))
    attacks = asyncio.create_task(
        city.attacks.carry_out(target, options.org, lambda: time.time_ns() // 1_000_000)
    )
    await live.run_through(stop)
    attacks.cancel()
    await asyncio.gather(attacks, return_exceptions=True)
    watch.cancel()
    # the city is stepped a little ahead of its clock
    report = dict(live.report()) | _passed(city, live.world_ms)
    live.close()
    if shelf is not None:
        shelf.close()
    return report


async def _write_truth(city: City, folder: Path) -> None:
    while True:
        city.write_truth(folder)
        await asyncio.sleep(_TRUTH_EVERY_S)


def _passed(city: City, world_ms: int) -> dict[str, object]:
    return {
        "from": rfc3339(city.span.from_ms),
        "to": rfc3339(world_ms),
        "simulated_s": (world_ms - city.span.from_ms) / 1000,
    }


def _cost(city: City, taken_s: float, passed: dict[str, object]) -> dict[str, object]:
    simulated_s = float(str(passed["simulated_s"]))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "scenarios": len(city.scenarios),
        "taken_s": round(taken_s, 3),
        "times_real_time": round(simulated_s / max(taken_s, 1e-9), 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_rss_bytes": usage.ru_maxrss * 1024,
    }


def _in_words(report: Mapping[str, object]) -> str:
    return "  ".join(f"{name} {value}" for name, value in report.items())
