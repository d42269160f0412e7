"""The generated files: up to date, complete, in the words of the documents. See also test_lint."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from dashboards.alerts.provision import ALERTS
from dashboards.boards import BOARDS
from dashboards.files import stale
from dashboards.measurements import MEASUREMENTS
from dashboards.words import VOLTAGE_BAND
from gateway.profiles import load_profiles
from gateway.store.rolled import shown_profiles
from tests.support.boards import lint, panes
from tests.support.boards.panes import FOLDER, SETS
from tests.support.boards.rules import rules
from tests.support.running import ROOT

SETS_OF_JSON = [(dialect, language) for dialect in SETS for language in ("en", "vi")]


@pytest.fixture(scope="module", params=SETS_OF_JSON, ids="-".join)
def boards(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """One of the four sets."""
    return panes.load(*request.param)


def test_the_committed_files_are_what_the_specification_says() -> None:
    assert stale(FOLDER) == []


def test_there_are_nine_boards(boards: dict[str, dict[str, Any]]) -> None:
    assert len(boards) == 9
    assert [board.title.en[0] for board in BOARDS] == list("123456789")


def test_uids_are_unique_over_all_sets() -> None:
    uids = [board["uid"] for one in SETS_OF_JSON for board in panes.load(*one).values()]
    assert len(set(uids)) == len(uids) == 36


@pytest.mark.parametrize("dialect", SETS)
def test_alerts_too_keep_to_the_portable_subset(dialect: str) -> None:
    for key, rule in rules(dialect).items():
        model = rule["data"][0]["model"]
        assert not lint.is_beyond(model.get("query") or model["expr"]), key


def test_no_address_in_the_provisioning_but_of_the_environment() -> None:
    for path in (FOLDER / "provisioning").rglob("*.yaml"):
        assert "://" not in path.read_text("utf-8")


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
    found = [rule for group in alerting["groups"] for rule in group["rules"]]
    assert len(found) == len(ALERTS) >= 12
    assert len({rule["uid"] for rule in found}) == len(found)
    boards = {board["uid"]: board for board in panes.load(dialect, "vi").values()}
    for rule in found:
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
