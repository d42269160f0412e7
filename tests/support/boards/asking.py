"""The two servers, asked as Grafana asks them; the answers as one kind of table."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.servers import Server
from tests.support.boards.panes import Choice, Question, Range, filled, query_of, window_s

Labels = tuple[tuple[str, str], ...]
Key = tuple[Labels, str, int]
DATABASE = "infragate"
_NO_LABELS = frozenset({"__name__", "db", "org"})


class Answer(NamedTuple):
    """Numbers by labels and time in ms (of a number for a whole range: 0), and how long it took."""

    values: Mapping[Key, float]
    took_s: float

    def labels(self) -> set[Labels]:
        """Return the groups there are."""
        return {key[0] for key in self.values}


class Influx:
    """InfluxDB 1."""

    name = "influxql"

    def __init__(self, server: Server) -> None:
        self.server = server

    def ask(self, question: Question, span: Range, choice: Choice) -> Answer:
        """Run a query.

        Raises:
            AssertionError: the server does not take it.
        """
        text = filled(query_of(question.target), span, question.every, choice)
        began_s = time.perf_counter()
        answer = self.raw(text)
        took_s = time.perf_counter() - began_s
        is_course = "GROUP BY time(" in text
        return Answer(dict(_rows(answer, is_course=is_course)), took_s)

    def raw(self, query: str) -> list[dict[str, Any]]:
        """Return the series of an answer."""
        body = urllib.parse.urlencode({"db": DATABASE, "epoch": "ms", "q": query}).encode()
        result = _post(f"{self.server.url}/query", body)["results"][0]
        assert "error" not in result, f"{result['error']}\n{query}"
        series: list[dict[str, Any]] = result.get("series", [])
        return series

    def values(self, query: Any, span: Range, choice: Choice) -> list[str]:
        """Return the values that a variable offers."""
        # its "now" is the end of the range here: the data are not of today
        text = filled(query, span, "1m", choice).replace("now()", f"{span.to_ms}ms")
        rows = [row for one in self.raw(text) for row in one["values"]]
        return sorted({row[1] for row in rows})

    def write(self, lines: list[bytes]) -> None:
        """Write line protocol."""
        _write(f"{self.server.url}/write?db={DATABASE}&precision=ms", lines)


class Victoria:
    """VictoriaMetrics, by Prometheus' API."""

    name = "promql"

    def __init__(self, server: Server) -> None:
        self.server = server

    def ask(self, question: Question, span: Range, choice: Choice) -> Answer:
        """Run a query.

        Raises:
            AssertionError: the server does not take it.
        """
        text = filled(query_of(question.target), span, question.every, choice)
        began_s = time.perf_counter()
        if question.target.get("instant"):
            values = self._at(text, span.to_ms)
        else:
            values = self._course(text, span, window_s(span, question.every))
        return Answer(values, time.perf_counter() - began_s)

    def _at(self, text: str, at_ms: int) -> dict[Key, float]:
        # it remembers for 10 s that a selector found nothing, in which hours of a city pass
        another = f'{{db=~"{DATABASE}|{at_ms}"}}'
        bounds = {"time": f"{at_ms / 1000:.3f}", "extra_filters[]": another}
        result = self._get("/api/v1/query", query=text, **bounds)
        return {
            (_labels(one["metric"]), "value", 0): float(one["value"][1])
            for one in result
            if one["value"][1] != "NaN"
        }

    def _course(self, text: str, span: Range, step_s: int) -> dict[Key, float]:
        """Return a course; a point is named by the begin of its window, as InfluxDB does.

        Asked one millisecond before the windows' ends, so that a window has its begin, not its end.
        """
        step_ms = step_s * 1000
        first_ms = span.from_ms - span.from_ms % step_ms + step_ms - 1
        last_ms = max(first_ms, span.to_ms - span.to_ms % step_ms + step_ms - 1)
        bounds = {"start": f"{first_ms / 1000:.3f}", "end": f"{last_ms / 1000:.3f}"}
        result = self._get(
            "/api/v1/query_range", query=text, step=str(step_s), nocache="1", **bounds
        )
        return {
            (_labels(one["metric"]), "value", round(at_s * 1000) + 1 - step_ms): float(value)
            for one in result
            for at_s, value in one["values"]
            if value != "NaN"
        }

    def values(self, query: Any, span: Range, choice: Choice) -> list[str]:
        """Return the values that a variable offers: Grafana's ``label_values(selector, label)``."""
        text = filled(query["query"], span, "1m", choice)
        selector, _, label = text.removeprefix("label_values(").removesuffix(")").rpartition(", ")
        bounds = {"start": f"{span.from_ms / 1000:.3f}", "end": f"{span.to_ms / 1000:.3f}"}
        found = self._get(f"/api/v1/label/{label}/values", **{"match[]": selector}, **bounds)
        return sorted(found)

    def write(self, lines: list[bytes]) -> None:
        """Write line protocol."""
        _write(f"{self.server.url}/write?db={DATABASE}&precision=ms", lines)

    def flush(self) -> None:
        """Make what was written visible to queries."""
        with urllib.request.urlopen(f"{self.server.url}/internal/force_flush", timeout=30) as it:
            assert it.status == 200

    def _get(self, path: str, **query: str) -> Any:
        answer = _post(f"{self.server.url}{path}", urllib.parse.urlencode(query).encode())
        data = answer["data"]
        return data["result"] if isinstance(data, dict) else data


def _rows(series: list[dict[str, Any]], *, is_course: bool) -> Iterator[tuple[Key, float]]:
    for one in series:
        for row in one["values"]:
            cells = dict(zip(one["columns"], row, strict=True))
            time_ms = cells.pop("time")
            at_ms = time_ms if is_course else 0
            texts = {name: cell for name, cell in cells.items() if isinstance(cell, str)}
            labels = _labels(one.get("tags", {}) | texts)
            numbers = [pair for pair in cells.items() if isinstance(pair[1], int | float)]
            yield from (((labels, name, at_ms), float(value)) for name, value in numbers)


def _labels(names: Mapping[str, str]) -> Labels:
    return tuple(sorted((k, v) for k, v in names.items() if k not in _NO_LABELS and v))


def _post(url: str, body: bytes) -> Any:
    try:
        with urllib.request.urlopen(url, body, timeout=30) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise AssertionError(
            f"{error.read().decode()}\n{urllib.parse.unquote_plus(body.decode())}"
        ) from None


def _write(url: str, lines: list[bytes]) -> None:
    for first in range(0, len(lines), 10_000):
        with urllib.request.urlopen(
            url, b"\n".join(lines[first : first + 10_000]), timeout=60
        ) as it:
            assert it.status == 204
