"""The generated files: up to date, complete, in Grafana's own shape, in the subset all can read."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from dashboards.alerts.provision import ALERTS
from dashboards.boards import BOARDS
from dashboards.files import stale
from dashboards.measurements import MEASUREMENTS
from dashboards.words import VOLTAGE_BAND
from gateway.profiles import load_profiles
from gateway.store.rolled import shown_profiles
from tests.support.boards import panes
from tests.support.boards.panes import FOLDER, SETS
from tests.support.running import ROOT

SETS_OF_JSON = [(dialect, language) for dialect in SETS for language in ("en", "vi")]
UNITS = {getattr(units, name) for name in dir(units) if isinstance(getattr(units, name), str)}


@pytest.fixture(scope="module", params=SETS_OF_JSON, ids="-".join)
def boards(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """One of the four sets."""
    return panes.load(*request.param)


def test_the_committed_files_are_what_the_specification_says() -> None:
    assert stale(FOLDER) == []


def test_there_are_nine_boards(boards: dict[str, dict[str, Any]]) -> None:
    assert len(boards) == 9
    assert [board.title.en[0] for board in BOARDS] == list("123456789")


def test_every_board_is_in_grafanas_shape(boards: dict[str, dict[str, Any]]) -> None:
    """Read by the SDK's model and written again it is the same: what it does not know it drops."""
    register_default_plugins()
    for key, board in boards.items():
        again = json.loads(json.dumps(model.Dashboard.from_json(board), cls=JSONEncoder))
        for path, value in leaves(board):
            # the model knows targets of Grafana's own annotations only
            if path[:2] != ("annotations", "list") or "target" not in path:
                assert at(again, path) == value, (key, path, value)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [(("titel",), "x"), (("panels", 1, "fieldConfig", "defaults", "unitt"), "volt"),
     (("panels", 1, "options", "reduceOption"), {"calcs": []}), (("templating", "lst"), [])],
)  # fmt: skip
def test_a_misspelt_key_is_noticed(path: tuple[Any, ...], wrong: object) -> None:
    register_default_plugins()
    board = panes.load("influxql")["voltage"]
    place = board
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong
    again = json.loads(json.dumps(model.Dashboard.from_json(board), cls=JSONEncoder))
    assert any(at(again, where) != value for where, value in leaves(board))


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], object]]:
    """Yield every plain value of a document and where it is."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
        if not node:
            yield path, node
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from leaves(value, (*path, number))
        if not node:
            yield path, node
    else:
        yield path, node


def at(node: Any, path: tuple[Any, ...]) -> object:
    """Return the value there; where there is none something that nothing equals."""
    for step in path:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return KeyError
    return node


def test_ids_are_unique_and_nothing_overlaps() -> None:
    uids = [board["uid"] for one in SETS_OF_JSON for board in panes.load(*one).values()]
    assert len(set(uids)) == len(uids) == 36
    for board in panes.load("influxql").values():
        numbers = [panel["id"] for panel in board["panels"]]
        assert len(set(numbers)) == len(numbers)
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            cells = {
                (place["x"] + dx, place["y"] + dy)
                for dx in range(place["w"])
                for dy in range(place["h"])
            }
            assert not cells & taken, panel["title"]
            taken |= cells


def test_every_panel_says_what_it_is_for(boards: dict[str, dict[str, Any]]) -> None:
    for key, board in boards.items():
        titles = [panel["title"] for panel in panes.panels(board)]
        assert len(set(titles)) == len(titles), (key, titles)
        assert board["editable"] is False
        for panel in panes.panels(board):
            assert "?" in panel["description"], (key, panel["title"])
            assert len(panel["description"]) > 30
            assert panel["type"] == "alertlist" or panel["targets"]


def test_every_threshold_has_its_meaning(boards: dict[str, dict[str, Any]]) -> None:
    for board in boards.values():
        for panel in panes.panels(board):
            config = panel["fieldConfig"]
            found = [config["defaults"].get("thresholds")]
            found += [p["value"] for one in config["overrides"] for p in one["properties"]
                      if p["id"] == "thresholds"]  # fmt: skip
            for step in (step for one in found if one for step in one["steps"]):
                since = "" if step["value"] is None else f" ≥ {step['value']:g}"
                assert f"- {step['color']}{since}: " in panel["description"], panel["title"]


def test_units_are_grafanas(boards: dict[str, dict[str, Any]]) -> None:
    for board in boards.values():
        for panel in panes.panels(board):
            config = panel["fieldConfig"]
            found = [config["defaults"]["unit"]]
            found += [p["value"] for one in config["overrides"] for p in one["properties"]
                      if p["id"] == "unit"]  # fmt: skip
            for unit in found:
                assert unit in UNITS or unit.startswith("suffix:"), (panel["title"], unit)


def test_no_link_leads_nowhere(boards: dict[str, dict[str, Any]]) -> None:
    known = {
        board["uid"]: {one["name"] for one in board["templating"]["list"]}
        for board in boards.values()
    }
    links = 0
    for board in boards.values():
        for url in re.findall(r'"url": "([^"]+)"', json.dumps(board)):
            target = re.fullmatch(r"/d/([\w-]+)\?(.*)", url)
            assert target, url
            assert target[1] in known, url
            handed = set(re.findall(r"var-(\w+)=", target[2]))
            assert handed <= known[target[1]], url
            links += 1
    assert links > 30


@pytest.mark.parametrize("dialect", SETS)
def test_a_link_hands_over_a_tag_that_the_answer_has(dialect: str) -> None:
    for key, panel in all_panels(dialect):
        text = json.dumps(panel["fieldConfig"])
        queries = " ".join(map(panes.query_of, panel.get("targets", [])))
        for tag in re.findall(r"\$\{__(?:field\.labels|data\.fields)\.(\w+)\}", text):
            assert re.search(rf"\b{tag}\b", queries), (key, panel["title"], tag)


def test_no_address_but_our_own(boards: dict[str, dict[str, Any]]) -> None:
    for board in boards.values():
        assert "://" not in json.dumps(board)
    for path in (FOLDER / "provisioning").rglob("*.yaml"):
        assert "://" not in path.read_text("utf-8")


# What InfluxDB 3 does not have of InfluxQL, what only 1 has, and names of retention policies.
_NOT_PORTABLE = re.compile(
    r"\b(SLIMIT|SOFFSET|SAMPLE|HOLT_WINTERS|INTO|SHOW SERIES|CARDINALITY)\b|\"\.\"", re.IGNORECASE
)
_METRICSQL = re.compile(
    r"\b(keep_last_value|histogram\(|range_\w+\(|union\(|WITH\s*\(|default\b|rollup|tlast_|"
    r"first_over_time|median_over_time|label_set)"
)


def test_queries_keep_to_the_portable_subset() -> None:
    for one in panes.questions("influxql"):
        query = panes.query_of(one.target)
        assert not _NOT_PORTABLE.search(query), one.name
        assert "$timeFilter" in query
        assert len(set(re.findall(r'FROM "(\w+)"', query))) == 1, one.name
    for one in panes.questions("promql"):
        query = panes.query_of(one.target)
        assert not _METRICSQL.search(query), one.name
        assert "rate(" not in query or "$__rate_interval" in query
    for board in panes.load("influxql").values():
        for variable in panes.variables(board):
            # InfluxDB 3 looks at one day where there is no time
            assert "time > now() - " in variable["query"]


def test_every_query_asks_for_what_there_is() -> None:
    for one in panes.questions("influxql"):
        query = panes.query_of(one.target)
        measurement = re.findall(r'FROM "(\w+)"', query)[0]
        known = MEASUREMENTS[measurement]
        names = set(re.findall(r'"(\w+)"', query)) - {measurement, "value"}
        made = set(re.findall(r' AS "(\w+)"', query))
        assert names - made <= known.fields | known.tags, (one.name, names)
        assert "time" not in made  # InfluxDB keeps the name for itself


@pytest.mark.parametrize("dialect", SETS)
def test_everything_goes_through_the_variable_of_the_data_source(dialect: str) -> None:
    for _, panel in all_panels(dialect):
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
    for board in panes.load(dialect).values():
        for variable in panes.variables(board):
            assert variable["refresh"] == 2  # with the time range
            assert variable["datasource"]["uid"] == "${datasource}"


def all_panels(dialect: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the panels of all boards of a set."""
    for key, board in panes.load(dialect).items():
        yield from ((key, panel) for panel in panes.panels(board))


def test_refresh_is_not_faster_than_data() -> None:
    for board in panes.load("influxql").values():
        fastest = min(panes.seconds(panel.get("interval", "1d")) for panel in panes.panels(board))
        assert panes.seconds(board["refresh"]) >= min(30, fastest / 2)


def test_the_two_languages_say_as_much() -> None:
    for dialect in SETS:
        english, vietnamese = panes.load(dialect, "en"), panes.load(dialect, "vi")
        for key, board in english.items():
            other = vietnamese[key]
            assert board["title"] != other["title"]
            for one, two in zip(panes.panels(board), panes.panels(other), strict=True):
                queries = [[panes.query_of(t) for t in p.get("targets", [])] for p in (one, two)]
                assert queries[0] == queries[1]
                assert one["description"] != two["description"]


def test_names_are_those_of_the_sinks_page() -> None:
    """The table of docs/sinks.md is the contract; boards may use a part of it."""
    text = (ROOT / "docs" / "sinks.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|", text, re.MULTILINE)
    described = {name: (tags, fields) for name, tags, fields in rows if "_" in name}
    for name, known in MEASUREMENTS.items():
        if name in {"gateway_self", "em1_1d"} or name not in described:
            assert name in {"gateway_self", "em1_1d", *load_profiles()}, name
            continue
        tags, fields = (set(re.findall(r"`(\w+)`", part)) for part in described[name])
        assert known.tags <= tags | {"area"}, (name, known.tags - tags)
        if "the same" not in described[name][1]:
            assert known.fields <= fields, (name, known.fields - fields)


def test_fields_of_readings_are_those_of_the_profiles() -> None:
    profiles = load_profiles()
    shown = {**profiles, **shown_profiles(profiles)}
    for name in ("em1", "em3", "dtm", "tl1", "pq3", "em1_1d"):
        columns = {column.name for column in shown[name].columns} | {"quality", "reasons"}
        assert MEASUREMENTS[name].fields <= columns, name


def test_own_metrics_are_those_of_the_operations_page() -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    names = set(re.findall(r"`infragate_(\w+?)(?:\{[^`]*)?`", text))
    for field in MEASUREMENTS["gateway_self"].fields:
        assert re.sub(r"_p\d\d$", "", field) in names, field


def test_the_band_is_that_of_the_norm() -> None:
    norm = tomllib.loads(panes.text_of(ROOT / "gateway/policies/voltage/vn-39-2015.toml"))
    low, high = (step.since for step in VOLTAGE_BAND[1:])
    assert (low, high) == (round(0.95 * norm["nominal_v"], 1), round(1.05 * norm["nominal_v"], 1))


@pytest.mark.parametrize("dialect", SETS)
def test_provisioning_is_whole(dialect: str) -> None:
    folder = FOLDER / "provisioning" / dialect
    source = yaml.safe_load(panes.text_of(folder / "datasources" / "infragate.yaml"))
    assert [one["uid"] for one in source["datasources"]] == ["infragate"]
    providers = yaml.safe_load(panes.text_of(folder / "dashboards" / "infragate.yaml"))
    assert {one["folderUid"] for one in providers["providers"]} == {"infragate-en", "infragate-vi"}
    alerting = yaml.safe_load(panes.text_of(folder / "alerting" / "infragate.yaml"))
    rules = [rule for group in alerting["groups"] for rule in group["rules"]]
    assert len(rules) == len(ALERTS) >= 12
    assert len({rule["uid"] for rule in rules}) == len(rules)
    boards = {board["uid"]: board for board in panes.load(dialect, "vi").values()}
    for rule in rules:
        numbers = [panel["id"] for panel in boards[rule["dashboardUid"]]["panels"]]
        assert rule["panelId"] in numbers
        assert rule["annotations"]["__panelId__"] == str(rule["panelId"])
        assert len(rule["annotations"]["runbook_en"]) > 80 < len(rule["annotations"]["runbook_vi"])
        assert rule["noDataState"] in {"OK", "Alerting", "NoData"}
        assert [step["refId"] for step in rule["data"]] == ["A", "B", rule["condition"]]
        model_of_a = rule["data"][0]["model"]
        text = model_of_a.get("query", model_of_a.get("expr"))
        # rules have no variables
        assert not re.sub(r"\$(timeFilter|__range|__interval|/)", "", text).count("$")
