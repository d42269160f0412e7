"""The generated JSON, and every query in it with its macros and variables filled in.

Macros and formats as Grafana's documentation describes them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.running import ROOT

FOLDER = ROOT / "dashboards"
SETS = ("influxql", "promql")
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
_POINTS = 1000  # a panel's width in pixels, which is how many points Grafana asks for
_STEPS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600,
            43200, 86400, 604800)  # fmt: skip
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_VARIABLE = re.compile(r"\$\{(\w+):regex\}")

Choice = Mapping[str, list[str] | None]  # variable → values; None: All


class Range(NamedTuple):
    """A time range, Unix ms."""

    from_ms: int
    to_ms: int


class Question(NamedTuple):
    """A query of a board."""

    board: str
    panel: str  # or the name of a variable or annotation
    kind: str  # of the panel; "variable", "annotation"
    target: Mapping[str, Any]
    every: str  # smallest window

    @property
    def name(self) -> str:
        return f"{self.board} / {self.panel} / {self.target.get('refId', '')}"


def load(dialect: str, language: str = "en") -> dict[str, dict[str, Any]]:
    """Return the boards of a set by their keys."""
    files = sorted((FOLDER / "json" / dialect / language).glob("*.json"))
    return {path.stem: json.loads(path.read_text("utf-8")) for path in files}


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a board, without headlines."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def variables(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the variables that ask the database."""
    return [one for one in board["templating"]["list"] if one["type"] == "query"]


def questions(dialect: str) -> Iterator[Question]:
    """Yield every query of panels and annotations."""
    for key, board in load(dialect).items():
        for panel in panels(board):
            for target in panel.get("targets", []):
                every = panel.get("interval", "1m")
                yield Question(key, panel["title"], panel["type"], target, every)
        for one in board["annotations"]["list"]:
            if one.get("type") != "dashboard":
                yield Question(key, one["name"], "annotation", one.get("target", one), "1m")


def seconds(text: str) -> float:
    """Return a duration such as ``15m`` in seconds."""
    return float(text[:-1]) * _UNITS_S[text[-1]]


def window_s(span: Range, every: str) -> int:
    """Return ``$__interval``: the range over the points, rounded, not below ``every``."""
    wanted = (span.to_ms - span.from_ms) / 1000 / _POINTS
    rounded = next(step for step in _STEPS_S if step >= wanted)
    return max(rounded, round(seconds(every)))


def filled(text: str, span: Range, every: str, choice: Choice) -> str:
    """Return a query as Grafana would send it."""

    def value(found: re.Match[str]) -> str:
        return chosen(choice.get(found[1]))

    window = window_s(span, every)
    macros = {
        "$timeFilter": f"time >= {span.from_ms}ms and time <= {span.to_ms}ms",
        "$__rate_interval": f"{max(4 * 15, window + 15)}s",
        "$__interval": f"{window}s",
        "$__range": f"{(span.to_ms - span.from_ms) // 1000}s",
        "$price": "2204.0655",
    }
    text = _VARIABLE.sub(value, text)
    for name, filling in macros.items():
        text = text.replace(name, filling)
    assert "$" not in text.replace("$/", "/"), text
    return text


def chosen(values: list[str] | None) -> str:
    """Return a choice in the format ``regex``; All has the boards' own value."""
    if values is None:
        return ".*"
    escaped = [re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def query_of(target: Mapping[str, Any]) -> str:
    """Return the text of a target, in either language."""
    return str(target.get("query", target.get("expr")))


def text_of(path: Path) -> str:
    """Return a file's text."""
    return path.read_text("utf-8")
