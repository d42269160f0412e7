"""Alert rules as Grafana evaluates them: query, last value, bounds, how long it has been so."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from tests.support.boards.asking import Influx, Labels, Victoria
from tests.support.boards.panes import FOLDER, Question, Range, seconds, text_of


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


def firings(
    server: Influx | Victoria, key: str, rule: Mapping[str, Any], span: Range, step_ms: int
) -> Iterator[Firing]:
    """Yield when a rule begins to fire, evaluated each ``step_ms``."""
    lasting_ms = round(seconds(rule["for"]) * 1000)
    since: dict[Labels, int] = {}
    told: set[Labels] = set()
    for at_ms in range(span.from_ms, span.to_ms + 1, step_ms):
        beyond = beyond_bounds(server, key, rule, at_ms)
        since = {labels: since.get(labels, at_ms) for labels in beyond}
        told &= beyond
        for labels in beyond - told:
            if at_ms - since[labels] >= lasting_ms:
                told.add(labels)
                yield Firing(key, labels, at_ms)


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
