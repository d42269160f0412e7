"""What both databases should hold of derived measurements, and what they do hold.

Truth is what the store has, made to points anew in this process; a point is known by series and
time.
"""

import json
import math
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.roles.files import load_all_profiles
from gateway.roles.telling import ask
from gateway.sinks.derived import Point
from gateway.sinks.derived.stored import stored_points
from tests.servers import Server
from tests.support.databases import get, influx_query

Series = frozenset[tuple[str, str]]  # tags
DOCUMENT = Path(__file__).parents[2] / "docs" / "sinks.md"
Held = dict[tuple[str, Series, str, int], float]  # measurement, tags, field, time


def held_of(points: Iterable[Point]) -> Held:
    """Return points as values by series, field and time; the later of two holds."""
    return {
        (point.measurement, _series(point.tags), name, point.time_ms): round(float(value), 6)
        for point in points
        for name, value in point.fields.items()
        if value is not None and not math.isnan(value)
    }


def stored(settings: Any, now_ms: int, *, halves: bool = False) -> Held:
    """Return what stands in a data directory, as of a moment."""
    asked = ask(settings, load_all_profiles(settings), lambda: now_ms)
    made = asked.halves if halves else (lambda _: iter(()))
    pages = stored_points(asked.stored(), made, 0, now_ms)
    return held_of(point for page in pages for point in page)


def influx_held(server: Server, measurements: Iterable[str]) -> Held:
    """Return all values of measurements in InfluxDB 1."""
    held: Held = {}
    for name in measurements:
        for series in influx_query(server, f'SELECT * FROM "{name}" GROUP BY *'):
            held |= _values(name, series)
    return held


def _values(name: str, series: Mapping[str, Any]) -> Held:
    tags, columns = _series(series["tags"]), series["columns"][1:]
    return {
        (name, tags, column, row[0]): float(value)
        for row in series["values"]
        for column, value in zip(columns, row[1:], strict=True)
        if value is not None
    }


def victoria_held(server: Server, measurements: Iterable[str]) -> tuple[Held, int]:
    """Return all values of measurements in VictoriaMetrics, and how many samples they are."""
    held: Held = {}
    samples = 0
    for name in measurements:
        # another selector each time: it remembers for 10 s that one has found nothing
        match = f'{{__name__=~"{name}_[a-z].*",look!="{time.monotonic_ns()}"}}'
        for line in get(server.url, "/api/v1/export", match=match).splitlines():
            series = json.loads(line)
            labels = dict(series["metric"])
            field = labels.pop("__name__").removeprefix(f"{name}_")
            labels.pop("db")
            for time_ms, value in zip(series["timestamps"], series["values"], strict=True):
                held[name, _series(labels), field, time_ms] = float(value)
                samples += 1
    return held, samples


def measurements(held: Held) -> set[str]:
    """Return their names."""
    return {key[0] for key in held}


def _series(tags: Mapping[str, str]) -> Series:
    return frozenset((key, value) for key, value in tags.items() if value)


def documented() -> dict[str, set[str]]:
    """Return the words in code of each row of the tables, by measurement."""
    section = DOCUMENT.read_text("utf-8").split("## Derived measurements")[1].split("### Codes")[0]
    rows = [row for row in section.splitlines() if re.match(r"\| `[a-z]+_[a-z_]+` \|", row)]
    words = {row.split("`")[1]: set(re.findall(r"`([a-z0-9_]+)`", row)) for row in rows}
    words["road_live"] |= words["road_state"]  # "the same"
    words["meter_month"] |= words["meter_day"]
    words["alarm_life"] |= words["alarm_event"]
    return words
