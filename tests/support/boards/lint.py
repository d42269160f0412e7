"""What is wrong with a set of boards, rule by rule; nothing of it needs a server.

A rule takes all boards of one set, by their keys, and yields a fault for each place. ``RULES`` has
them all; that each of them finds what it is for is tested by spoiling a board.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from grafana_foundation_sdk.models import units

from dashboards.measurements import MEASUREMENTS
from tests.support.boards import panes
from tests.support.boards.schema import shape_faults

Boards = Mapping[str, dict[str, Any]]
Rule = Callable[[Boards], Iterator[str]]

UNITS = {getattr(units, name) for name in dir(units) if isinstance(getattr(units, name), str)}
COLUMNS = 24
LEAST_LETTERS = 30  # of a panel's description: shorter ones are no question
FASTEST_S = 30
# What InfluxDB 3 does not have of InfluxQL, what only 1 has, and names of retention policies.
_NOT_PORTABLE = re.compile(
    r"\b(SLIMIT|SOFFSET|SAMPLE|HOLT_WINTERS|INTO|SHOW SERIES|CARDINALITY)\b|\"\.\"", re.IGNORECASE
)
_METRICSQL = re.compile(
    r"\b(keep_last_value|histogram\(|range_\w+\(|union\(|WITH\s*\(|default\b|rollup|tlast_|"
    r"first_over_time|median_over_time|label_set)"
)


def _panels(boards: Boards) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, board in boards.items():
        for panel in panes.panels(board):
            yield f"{key} / {panel.get('title')}", panel


def _targets(boards: Boards) -> Iterator[tuple[str, str]]:
    """Yield where a query is, and the query."""
    for where, panel in _panels(boards):
        for target in panel.get("targets", []):
            yield where, panes.query_of(target)
    for key, board in boards.items():
        for one in board["annotations"]["list"]:
            if "target" in one:
                yield f"{key} / {one['name']}", panes.query_of(one["target"])


def shape(boards: Boards) -> Iterator[str]:
    """Yield what is not in Grafana's schema."""
    for key, board in boards.items():
        yield from (f"{key}: {fault}" for fault in shape_faults(board))


def titles(boards: Boards) -> Iterator[str]:
    """Yield boards and panels without a title, and titles that two panels of a board have."""
    for key, board in boards.items():
        found = [panel.get("title", "") for panel in panes.panels(board)]
        yield from (f"{key}: no title" for title in (board["title"], *found) if not title.strip())
        yield from (f"{key}: twice {one}" for one in set(found) if found.count(one) > 1)


def descriptions(boards: Boards) -> Iterator[str]:
    """Yield panels whose description is no question."""
    for where, panel in _panels(boards):
        text = panel.get("description", "")
        if "?" not in text or len(text) <= LEAST_LETTERS:
            yield f"{where}: {text!r} is no question"


def thresholds(boards: Boards) -> Iterator[str]:
    """Yield thresholds whose meaning the description does not say."""
    for where, panel in _panels(boards):
        found = [one for one in _configured(panel, "thresholds") if one]
        for step in (step for one in found for step in one["steps"]):
            since = "" if step["value"] is None else f" ≥ {step['value']:g}"
            if f"- {step['color']}{since}: " not in panel.get("description", ""):
                yield f"{where}: what does {step['color']}{since} mean?"


def unit(boards: Boards) -> Iterator[str]:
    """Yield units that Grafana does not know, and panels without any."""
    for where, panel in _panels(boards):
        if "unit" not in panel["fieldConfig"]["defaults"]:
            yield f"{where}: no unit"
        for one in _configured(panel, "unit"):
            if one is not None and one not in UNITS and not one.startswith("suffix:"):
                yield f"{where}: {one!r} is no unit"


def _configured(panel: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield what a panel's fields are configured with, usual and overridden."""
    config = panel["fieldConfig"]
    yield config["defaults"].get(name)
    for one in config["overrides"]:
        yield from (part["value"] for part in one["properties"] if part["id"] == name)


def places(boards: Boards) -> Iterator[str]:
    """Yield panels that overlap or stand outside, and numbers that two have."""
    for key, board in boards.items():
        numbers = [panel["id"] for panel in board["panels"]]
        if len(set(numbers)) < len(numbers):
            yield f"{key}: two panels have one id"
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
            if not cells or at["x"] < 0 or at["x"] + at["w"] > COLUMNS:
                yield f"{key} / {panel['title']}: outside"
            if cells & taken:
                yield f"{key} / {panel['title']}: overlaps"
            taken |= cells
    uids = [board["uid"] for board in boards.values()]
    yield from (f"two boards have the uid {one}" for one in set(uids) if uids.count(one) > 1)


def links(boards: Boards) -> Iterator[str]:
    """Yield links to boards or variables that do not exist, or with a tag no answer has."""
    known = {
        board["uid"]: {one["name"] for one in board["templating"]["list"]}
        for board in boards.values()
    }
    for key, board in boards.items():
        for url in re.findall(r'"url": "([^"]+)"', json.dumps(board)):
            target = re.fullmatch(r"/d/([\w-]+)\?(.*)", url)
            if target is None or target[1] not in known:
                yield f"{key}: {url} leads nowhere"
            elif not set(re.findall(r"var-(\w+)=", target[2])) <= known[target[1]]:
                yield f"{key}: {url} hands over what its board does not ask"
    for where, panel in _panels(boards):
        text = json.dumps(panel["fieldConfig"])
        queries = " ".join(map(panes.query_of, panel.get("targets", [])))
        for tag in re.findall(r"\$\{__(?:field\.labels|data\.fields)\.(\w+)\}", text):
            if not re.search(rf"\b{tag}\b", queries):
                yield f"{where}: no answer has {tag}"


def portable(boards: Boards) -> Iterator[str]:
    """Yield queries beyond what all databases of the language can."""
    yield from (f"{where}: {query}" for where, query in _targets(boards) if is_beyond(query))
    for key, board in boards.items():
        for variable in panes.variables(board):
            query = variable["query"]
            # InfluxDB 3 looks at one day where there is no time
            if isinstance(query, str) and "time > now() - " not in query:
                yield f"{key} / {variable['name']}: without a time"


def is_beyond(query: str) -> bool:
    """Return whether a query needs more than all databases of its language have."""
    if "FROM" in query:
        is_of_one = len(set(re.findall(r'FROM "(\w+)"', query))) == 1
        return bool(_NOT_PORTABLE.search(query)) or "$timeFilter" not in query or not is_of_one
    return bool(_METRICSQL.search(query)) or ("rate(" in query and "$__rate_interval" not in query)


def names(boards: Boards) -> Iterator[str]:
    """Yield queries for what the gateway does not write."""
    for where, query in _targets(boards):
        for measurement in re.findall(r'FROM "(\w+)"', query):
            known = MEASUREMENTS.get(measurement)
            asked = set(re.findall(r'"(\w+)"', query)) - {measurement, "value"}
            asked -= set(re.findall(r' AS "(\w+)"', query))
            if known is None or not asked <= known.fields | known.tags:
                yield f"{where}: {measurement} has no {asked}"


def sources(boards: Boards) -> Iterator[str]:
    """Yield panels without a query, and what does not go through the variable of the source."""
    for where, panel in _panels(boards):
        targets = panel.get("targets", [])
        if not targets and panel["type"] != "alertlist":
            yield f"{where}: asks nothing"
        if any(one["datasource"]["uid"] != "${datasource}" for one in targets):
            yield f"{where}: another data source"
    for key, board in boards.items():
        for variable in panes.variables(board):
            if variable["datasource"]["uid"] != "${datasource}":
                yield f"{key} / {variable['name']}: another data source"
            if variable["refresh"] != 2:  # Grafana's word for: with the time range
                yield f"{key} / {variable['name']}: not asked again with another time"


def addresses(boards: Boards) -> Iterator[str]:
    """Yield boards that name another host."""
    yield from (f"{key}: an address" for key, board in boards.items() if "://" in json.dumps(board))


def habits(boards: Boards) -> Iterator[str]:
    """Yield boards that can be edited in place, or ask faster than data come."""
    for key, board in boards.items():
        if board["editable"] is not False:
            yield f"{key}: editable"
        fastest = min(panes.seconds(panel.get("interval", "1d")) for panel in panes.panels(board))
        if panes.seconds(board["refresh"]) < min(FASTEST_S, fastest / 2):
            yield f"{key}: asks each {board['refresh']}"


RULES: tuple[Rule, ...] = (
    *(shape, titles, descriptions, thresholds, unit, places, links, portable, names, sources),
    *(addresses, habits),
)
