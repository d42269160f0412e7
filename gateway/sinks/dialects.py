"""What each server wants to be asked, and how to read its answers. No network in here.

Every dialect writes with a precision of milliseconds: ``ms`` is the one that all of them know
(InfluxDB 1 takes ``us`` for nanoseconds and answers 204), ``millisecond`` in InfluxDB 3.
"""

import json
import re
from typing import Protocol

from typing_extensions import override

from gateway.config.sections import SinkSection
from gateway.sinks.http import Request
from gateway.sinks.readings import CANARY

# both are in /metrics of VictoriaMetrics; the second is every Go or Rust process exporter's
_START = re.compile(
    rb"^(?:vm_app_start_timestamp|process_start_time_seconds)(?:\{[^}\n]*\})? (\S+)", re.MULTILINE
)


class Dialect(Protocol):
    """One kind of server. Answers are given to ``find_…`` only if their status was OK."""

    def create(self) -> Request | None:
        """Return how to make the database, None where writing does."""

    def write(self) -> Request:
        """Return how to write; the body is put in by the caller."""

    def read_back(self, sink: str, time_ms: int, attempt: int) -> Request:
        """Return how to read the canary point of that time; ``attempt`` counts up."""

    def find_canary(self, body: bytes) -> float | None:
        """Return the value of the canary in an answer, None where it is not there."""

    def start(self) -> Request:
        """Return how to learn when the server was started."""

    def find_start(self, body: bytes) -> str | None:
        """Return a token that changes with every start, None where there is none."""


class _Metrics:
    """Servers that say in Prometheus format when they were started."""

    def start(self) -> Request:
        """See ``Dialect``."""
        return Request("GET", "/metrics")

    def find_start(self, body: bytes) -> str | None:
        """See ``Dialect``."""
        return find_start(body)


def find_start(metrics: bytes) -> str | None:
    """Return when a process began, from its Prometheus metrics; None where they do not say."""
    match = _START.search(metrics)
    return match[1].decode("latin-1") if match else None


class Influx1(Dialect):
    """InfluxDB 1.x. On a partial write its 400 comes after the good lines were stored."""

    def __init__(self, section: SinkSection) -> None:
        self._database = section.database

    @override
    def create(self) -> Request:
        name = self._database.replace("\\", "\\\\").replace('"', '\\"')
        return Request("POST", "/query", {"q": f'CREATE DATABASE "{name}"'})

    @override
    def write(self) -> Request:
        return Request("POST", "/write", {"db": self._database, "precision": "ms"})

    @override
    def read_back(self, sink: str, time_ms: int, attempt: int) -> Request:
        select = f"SELECT value FROM {CANARY} WHERE sink = '{sink}' AND time = {time_ms}ms"  # noqa: S608
        return Request("GET", "/query", {"db": self._database, "epoch": "ms", "q": select})

    @override
    def find_canary(self, body: bytes) -> float | None:
        return _number(_influxql_value(body, "value"))

    @override
    def start(self) -> Request:
        return Request("GET", "/query", {"q": "SHOW DIAGNOSTICS FOR 'system'"})

    @override
    def find_start(self, body: bytes) -> str | None:
        started = _influxql_value(body, "started")
        return started if isinstance(started, str) else None


class Influx3(_Metrics, Dialect):
    """InfluxDB 3 Core and Enterprise. Writing makes the database."""

    def __init__(self, section: SinkSection) -> None:
        self._database = section.database

    @override
    def create(self) -> None:
        return None

    @override
    def write(self) -> Request:
        query = {"db": self._database, "precision": "millisecond", "accept_partial": "true"}
        return Request("POST", "/api/v3/write_lp", query)

    @override
    def read_back(self, sink: str, time_ms: int, attempt: int) -> Request:
        select = (
            f"SELECT value FROM {CANARY} "  # noqa: S608
            f"WHERE sink = '{sink}' AND time = to_timestamp_millis({time_ms})"
        )
        query = {"db": self._database, "format": "json", "q": select}
        return Request("GET", "/api/v3/query_sql", query)

    @override
    def find_canary(self, body: bytes) -> float | None:
        rows = _json(body)
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            return _number(rows[0].get("value"))
        return None


class VictoriaMetrics(_Metrics, Dialect):
    """VictoriaMetrics, or vmauth before a cluster (vminsert by itself cannot read back).

    The database becomes the label ``db``, as everywhere in VictoriaMetrics' own documentation
    of this path: two gateways with two databases on one server stay apart, as on InfluxDB.
    """

    def __init__(self, section: SinkSection) -> None:
        self._database = section.database

    @override
    def create(self) -> None:
        return None

    @override
    def write(self) -> Request:
        return Request("POST", "/write", {"db": self._database, "precision": "ms"})

    @override
    def read_back(self, sink: str, time_ms: int, attempt: int) -> Request:
        # It remembers for 10 s that a selector found nothing (1.79: seen after 10.1 s instead of
        # 1.0), so each attempt is another selector: no series has this label.
        labels = f'sink={json.dumps(sink)},db={json.dumps(self._database)},attempt!="{attempt}"'
        match = f"{CANARY}_value{{{labels}}}"
        at_s = f"{time_ms / 1000:.3f}"
        query = {"match[]": match, "start": at_s, "end": at_s}
        return Request("GET", "/api/v1/export", query)

    @override
    def find_canary(self, body: bytes) -> float | None:
        found = _json(body.partition(b"\n")[0])
        values = found.get("values") if isinstance(found, dict) else None
        return _number(values[-1]) if isinstance(values, list) and values else None


def _json(body: bytes) -> object:
    try:
        found: object = json.loads(body)
    except ValueError:
        return None
    return found


def _influxql_value(body: bytes, column: str) -> object:
    """Return the first value of a column in the first series of an InfluxQL answer."""
    answer = _json(body)
    try:
        series = answer["results"][0]["series"][0]  # type: ignore[index]
        value: object = series["values"][0][series["columns"].index(column)]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None  # no such series, or the answer of some other server
    return value


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
