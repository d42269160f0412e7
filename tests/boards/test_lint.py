"""Every rule of the lint holds for all boards, and finds what it is for in one that is spoilt."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.boards import lint, panes
from tests.support.boards.panes import SETS

SETS_OF_JSON = [(dialect, language) for dialect in SETS for language in ("en", "vi")]
Board = dict[str, Any]
Spoil = Callable[[Board], object]


@pytest.mark.parametrize("rule", lint.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("one", SETS_OF_JSON, ids="-".join)
def test_every_rule_holds_for_every_board(one: tuple[str, str], rule: lint.Rule) -> None:
    assert list(rule(panes.load(*one))) == []


def panel(board: Board, number: int = 0) -> dict[str, Any]:
    """Return a panel that draws numbers."""
    return [one for one in panes.panels(board) if one.get("targets")][number]


def first_step(board: Board) -> dict[str, Any]:
    """Return a threshold."""
    steps: list[dict[str, Any]] = next(
        one["fieldConfig"]["defaults"]["thresholds"]["steps"]
        for one in panes.panels(board)
        if len(one["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", ())) > 1
    )
    return steps[1]


def linked(board: Board) -> dict[str, Any]:
    """Return a link of a panel or of one of its fields."""
    configs = [one["fieldConfig"] for one in panes.panels(board)]
    found: list[list[dict[str, Any]]] = [one["defaults"].get("links", []) for one in configs]
    parts = [p for one in configs for over in one["overrides"] for p in over["properties"]]
    found += [part["value"] for part in parts if part["id"] == "links"]
    return next(one[0] for one in found if one)


def usual(board: Board) -> dict[str, Any]:
    """Return how the fields of a panel are configured."""
    found: dict[str, Any] = panel(board)["fieldConfig"]["defaults"]
    return found


def joined(board: Board) -> dict[str, Any]:
    """Return a transformation."""
    found: dict[str, Any] = next(
        one["transformations"][0] for one in panes.panels(board) if one.get("transformations")
    )
    return found


def ask(board: Board, text: str) -> None:
    """Put another query in place of one."""
    target = panel(board)["targets"][0]
    target["query" if "query" in target else "expr"] = text


def set_(part: dict[str, Any], **values: object) -> None:
    """Change some values."""
    part.update(values)


LAST = 'SELECT last("inside") '
FROM = 'FROM "grid_voltage" WHERE $timeFilter'
TAGS = 'SHOW TAG VALUES FROM "em1" WITH KEY = "device"'
NOBODY = "&x=${__field.labels.nobody}"
ODD_UNIT = {"matcher": {}, "properties": [{"id": "unit", "value": "volts"}]}
SPOILT: list[tuple[str, str, str, Spoil]] = [
    ("shape", "influxql", "a misspelt key", lambda b: set_(b, titel="x")),
    ("shape", "influxql", "one within", lambda b: set_(usual(b), unitt="V")),
    (
        "shape",
        "influxql",
        "one of options",
        lambda b: set_(panel(b)["options"], reduceOption={"calcs": []}),
    ),
    ("shape", "influxql", "one of variables", lambda b: set_(b["templating"], lst=[])),
    ("shape", "promql", "one of transformations", lambda b: joined(b).update(disable=True)),
    ("shape", "influxql", "a number as text", lambda b: set_(panel(b)["gridPos"], w="12")),
    ("shape", "influxql", "a text as number", lambda b: set_(b, refresh=30)),
    ("shape", "influxql", "a list as text", lambda b: set_(b, tags="energy")),
    ("shape", "influxql", "a word unknown", lambda b: set_(usual(b)["thresholds"], mode="absolut")),
    ("shape", "influxql", "a switch as text", lambda b: set_(b, editable="no")),
    ("titles", "influxql", "none", lambda b: set_(panel(b), title=" ")),
    ("titles", "influxql", "of a board", lambda b: set_(b, title="")),
    ("titles", "influxql", "twice", lambda b: set_(panel(b), title=panel(b, 1)["title"])),
    ("descriptions", "influxql", "none", lambda b: panel(b).pop("description")),
    (
        "descriptions",
        "influxql",
        "no question",
        lambda b: set_(panel(b), description="Voltage of all feeders. " * 3),
    ),
    ("descriptions", "influxql", "too short", lambda b: set_(panel(b), description="Why?")),
    ("thresholds", "influxql", "another value", lambda b: set_(first_step(b), value=12345)),
    ("thresholds", "influxql", "another colour", lambda b: set_(first_step(b), color="purple")),
    ("unit", "influxql", "unknown", lambda b: set_(usual(b), unit="volts")),
    ("unit", "influxql", "none", lambda b: usual(b).pop("unit")),
    (
        "unit",
        "influxql",
        "of a column",
        lambda b: panel(b)["fieldConfig"]["overrides"].append(ODD_UNIT),
    ),
    ("places", "influxql", "overlap", lambda b: set_(panel(b), gridPos=panel(b, 1)["gridPos"])),
    ("places", "influxql", "outside", lambda b: set_(panel(b)["gridPos"], x=23, w=4)),
    ("places", "influxql", "one id twice", lambda b: set_(panel(b), id=panel(b, 1)["id"])),
    (
        "places",
        "influxql",
        "one uid twice",
        lambda b: set_(b, uid=panes.load("influxql")["load"]["uid"]),
    ),
    ("links", "influxql", "no such board", lambda b: set_(linked(b), url="/d/nowhere?var-place=x")),
    (
        "links",
        "influxql",
        "no such variable",
        lambda b: set_(linked(b), url=linked(b)["url"] + "&var-nobody=x"),
    ),
    ("links", "influxql", "no such tag", lambda b: set_(linked(b), url=linked(b)["url"] + NOBODY)),
    ("links", "influxql", "another host", lambda b: set_(linked(b), url="https://example.org/")),
    ("portable", "influxql", "not in 3", lambda b: ask(b, 'SELECT sample("inside", 5) ' + FROM)),
    (
        "portable",
        "influxql",
        "a policy",
        lambda b: ask(b, LAST + FROM.replace("FROM ", 'FROM "a".')),
    ),
    ("portable", "influxql", "no time", lambda b: ask(b, LAST + 'FROM "grid_voltage"')),
    (
        "portable",
        "influxql",
        "two measurements",
        lambda b: ask(b, LAST + f'FROM "grid_load", "x" {FROM}'),
    ),
    (
        "portable",
        "influxql",
        "a variable without time",
        lambda b: set_(panes.variables(b)[0], query=TAGS),
    ),
    ("portable", "promql", "MetricsQL", lambda b: ask(b, "keep_last_value(grid_voltage_inside)")),
    ("portable", "promql", "a rate of its own", lambda b: ask(b, "rate(grid_voltage_inside[5m])")),
    ("names", "influxql", "no such field", lambda b: ask(b, 'SELECT last("insid") ' + FROM)),
    (
        "names",
        "influxql",
        "no such measurement",
        lambda b: ask(b, LAST + FROM.replace("voltage", "volts")),
    ),
    ("sources", "influxql", "no query", lambda b: set_(panel(b), targets=[])),
    (
        "sources",
        "influxql",
        "a source of its own",
        lambda b: set_(panel(b)["targets"][0]["datasource"], uid="influx"),
    ),
    (
        "sources",
        "promql",
        "of a variable",
        lambda b: set_(panes.variables(b)[0]["datasource"], uid="prom"),
    ),
    ("sources", "influxql", "never asked again", lambda b: set_(panes.variables(b)[0], refresh=1)),
    (
        "addresses",
        "influxql",
        "of a picture",
        lambda b: set_(panel(b), description="See https://example.org/?"),
    ),
    ("habits", "influxql", "editable", lambda b: set_(b, editable=True)),
    ("habits", "influxql", "too fast", lambda b: set_(b, refresh="1s")),
]


def test_every_rule_is_spoilt_somewhere() -> None:
    assert {name for name, *_ in SPOILT} == {rule.__name__ for rule in lint.RULES}


@pytest.mark.parametrize(
    ("name", "dialect", "spoil"),
    [(name, dialect, spoil) for name, dialect, _, spoil in SPOILT],
    ids=[f"{name}-{what}" for name, _, what, _ in SPOILT],
)
def test_a_spoilt_board_is_found(name: str, dialect: str, spoil: Spoil) -> None:
    rule = next(one for one in lint.RULES if one.__name__ == name)
    boards = copy.deepcopy(panes.load(dialect))
    spoil(boards["voltage"])
    assert list(rule(boards))
