"""Alert rules as Grafana evaluates them: query, last value, bounds, how long it has been so."""

from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import yaml

from tests.support.boards.asking import Influx, Labels, Victoria
from tests.support.boards.panes import FOLDER, SETS, Question, Range, seconds, text_of


class Firing(NamedTuple):
    """A rule fires for a group since a moment."""

    rule: str
    labels: Labels
    at_ms: int


def rules(dialect: str) -> dict[str, dict[str, Any]]:
    """Return the rules of the provisioning file, by their keys."""
    path = FOLDER / "provisioning" / dialect / "alerting" / "infragate.yaml"
    groups = yaml.safe_load(text_of(path))["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    return {rule["uid"].removeprefix("infragate-"): rule for rule in found}


class Watcher:
    """One rule at one server, evaluated moment after moment."""

    def __init__(self, server: Influx | Victoria, key: str, rule: Mapping[str, Any]) -> None:
        self._server, self._key, self._rule = server, key, rule
        self._lasting_ms = round(seconds(rule["for"]) * 1000)
        self._since: dict[Labels, int] = {}
        self._told: set[Labels] = set()

    def look(self, at_ms: int) -> Iterator[Firing]:
        """Yield for which groups it begins to fire now."""
        beyond = beyond_bounds(self._server, self._key, self._rule, at_ms)
        self._since = {labels: self._since.get(labels, at_ms) for labels in beyond}
        self._told &= beyond
        for labels in sorted(beyond - self._told):
            if at_ms - self._since[labels] >= self._lasting_ms:
                self._told.add(labels)
                yield Firing(self._key, labels, at_ms)


def firings(
    server: Influx | Victoria, key: str, rule: Mapping[str, Any], span: Range, step_ms: int
) -> Iterator[Firing]:
    """Yield when a rule begins to fire, evaluated each ``step_ms``."""
    watcher = Watcher(server, key, rule)
    for at_ms in range(span.from_ms, span.to_ms + 1, step_ms):
        yield from watcher.look(at_ms)


def beyond_bounds(
    server: Influx | Victoria, key: str, rule: Mapping[str, Any], at_ms: int
) -> set[Labels]:
    """Return the groups whose value is beyond the bounds; silence as the rule takes it."""
    query = rule["data"][0]
    span = Range(at_ms - query["relativeTimeRange"]["from"] * 1000, at_ms)
    answer = server.ask(Question("alerts", key, "alert", query["model"], "1m"), span, {})
    if not answer.values:
        return {()} if rule["noDataState"] == "Alerting" else set()
    evaluator = rule["data"][2]["model"]["conditions"][0]["evaluator"]
    return {labels for (labels, _, _), value in answer.values.items() if holds(evaluator, value)}


def holds(evaluator: Mapping[str, Any], value: float) -> bool:
    """Return whether Grafana's threshold says yes."""
    match evaluator["type"], evaluator["params"]:
        case "gt", [bound]:
            return bool(value > bound)
        case "lt", [bound]:
            return bool(value < bound)
        case "outside_range", [low, high]:
            return bool(value < low or value > high)
        case _:
            raise AssertionError(evaluator)


class Guard:
    """Watches all rules of both sets while time passes.

    Args:
        twins: the two servers, InfluxQL first.
        keys: of the rules.
    """

    def __init__(self, twins: "Both", keys: Container[str]) -> None:
        self._twins = twins
        self._watchers = [
            [Watcher(server, key, rule) for key, rule in rules(name).items() if key in keys]
            for name, server in zip(SETS, twins.both, strict=True)
        ]
        self.fired: list[list[Firing]] = [[] for _ in SETS]

    def look(self, at_ms: int) -> None:
        """Evaluate them all."""
        self._twins.prom.flush()
        for fired, watchers in zip(self.fired, self._watchers, strict=True):
            fired += [one for watcher in watchers for one in watcher.look(at_ms)]


class Both(Protocol):
    """Two servers with the same points."""

    influx: Influx
    prom: Victoria

    @property
    def both(self) -> tuple[Influx | Victoria, Influx | Victoria]:
        """InfluxQL first."""
