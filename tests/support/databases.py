"""What a real database holds, asked back value by value, and what the gateway says it stored."""

import json
import time
import urllib.parse
import urllib.request
from datetime import datetime
from typing import Any, NamedTuple

from gateway.model import Reason
from tests.servers import Server
from tests.support.running import Gateway

Points = dict[tuple[str, str, int], float]  # device, field, time in ms
_TAGS = frozenset({"time", "device", "org", "sector", "slot"})
_NO_FIELDS = frozenset({"time", "device", "log", "seq", "status", "quality", "reasons"})


class Held(NamedTuple):
    """The values of one measurement and how many rows they stand in."""

    points: Points
    rows: int


def get(url: str, path: str, **query: str) -> bytes:
    """GET; ``match`` is written ``match[]`` as Prometheus wants it."""
    names = {key.replace("match", "match[]"): value for key, value in query.items()}
    with urllib.request.urlopen(f"{url}{path}?{urllib.parse.urlencode(names)}", timeout=30) as out:
        return bytes(out.read())


def influx_query(server: Server, query: str, database: str = "infragate") -> list[dict[str, Any]]:
    """Return the series of an InfluxQL answer."""
    answer = json.loads(get(server.url, "/query", db=database, epoch="ms", q=query))
    series: list[dict[str, Any]] = answer["results"][0].get("series", [])
    return series


def influx_count(server: Server, profile: str = "em1", database: str = "infragate") -> int:
    """Return how many rows of a profile InfluxDB 1 has."""
    series = influx_query(server, f"SELECT count(quality) FROM {profile}", database)
    return int(series[0]["values"][0][1]) if series else 0


def influx_points(server: Server, profile: str = "em1", database: str = "infragate") -> Held:
    """Return all values of a profile in InfluxDB 1."""
    points: Points = {}
    rows = 0
    for series in influx_query(server, f"SELECT * FROM {profile} GROUP BY device", database):
        rows += len(series["values"])
        cells = (
            (name, row[0], value)
            for row in series["values"]
            for name, value in zip(series["columns"], row, strict=True)
            if name not in _TAGS and value is not None
        )
        for name, time_ms, value in cells:
            points[series["tags"]["device"], name, time_ms] = value
    return Held(points, rows)


def victoria_series(server: Server, profile: str = "em1") -> list[dict[str, Any]]:
    """Return every series of a profile in VictoriaMetrics, as exported."""
    # another selector each time: it remembers for 10 s that one has found nothing
    # (a letter: what begins with a digit are the rollups of the profile)
    selector = f'{{__name__=~"{profile}_[a-z].*",poll!="{time.monotonic_ns()}"}}'
    lines = get(server.url, "/api/v1/export", match=selector).splitlines()
    return [json.loads(line) for line in lines]


def victoria_points(server: Server, profile: str = "em1") -> Held:
    """Return all values of a profile in VictoriaMetrics; rows are samples of ``quality``."""
    points: Points = {}
    rows = 0
    for series in victoria_series(server, profile):
        name = series["metric"]["__name__"].removeprefix(f"{profile}_")
        rows += len(series["values"]) if name == "quality" else 0
        for time_ms, value in zip(series["timestamps"], series["values"], strict=True):
            points[series["metric"]["device"], name, time_ms] = value
    return Held(points, rows)


def stored_points(gateway: Gateway, profile: str = "em1") -> Held:
    """Return all values of a profile that the API shows, quality and reasons included."""
    points: Points = {}
    rows = 0
    path = f"/api/v1/readings?profile={profile}&from=0&to=4102444800000&limit=100000"
    after = ""
    while True:
        page = gateway.get(f"{path}{after}")
        rows += len(page["readings"])
        for reading in page["readings"]:
            _add(points, reading)
        if page["next"] is None:
            return Held(points, rows)
        after = f"&after={page['next']}"


def _add(points: Points, reading: dict[str, Any]) -> None:
    device, time_ms = reading["device"], ms_of(reading["time"])
    points[device, "quality", time_ms] = reading["quality"]
    points[device, "reasons", time_ms] = sum(Reason[name.upper()] for name in reading["reasons"])
    for name, value in reading.items():
        if name not in _NO_FIELDS and value is not None:
            points[device, name, time_ms] = value


def ms_of(text: str) -> int:
    """Return an RFC 3339 time in Unix ms."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def metric(gateway: Gateway, name: str, **labels: str) -> float | None:
    """Return a sample of ``/metrics``, None where there is none."""
    wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
    for line in gateway.get("/metrics").decode().splitlines():
        if line.startswith((f"{name}{{{wanted}}} ", f"{name} ")):
            return float(line.rsplit(" ", 1)[1])
    return None
