"""Every alert fires in its scenario, for the right place and in time, and is silent in the calm."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from dashboards.alerts.provision import ALERTS
from gateway.sinks.line_protocol import encode_point
from tests.boards.conftest import Twins, started
from tests.support.boards.panes import DAY_MS, SETS, Range
from tests.support.boards.rules import firings, rules

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

MINUTE_MS = 60_000
END_MS = 1_785_542_400_000  # 2026-08-01T00:00:00Z: no other test writes there
TROUBLE_MS = END_MS - 100 * MINUTE_MS  # since then it is bad
BEGIN_MS = END_MS - 160 * MINUTE_MS
STEP_MS = 5 * MINUTE_MS


class Scenario(NamedTuple):
    """What two places say: one is well all the time, the other one until the trouble."""

    measurement: str
    tags: Mapping[str, str]  # "?" is the place: "good" or "bad"
    calm: Mapping[str, float]
    bad: Mapping[str, float]
    every_min: int = 1
    label: str = "area"


SCENARIOS = {
    "silent-area": Scenario(
        "fleet_state", {"sector": "energy", "area": "?"},
        {"alive": 98, "devices": 100}, {"alive": 40, "devices": 100},
    ),
    "completeness": Scenario(
        "area_quality", {"sector": "energy", "area": "?"},
        {"received": 100, "expected": 100}, {"received": 60, "expected": 100}, 30,
    ),
    "feeder-overload": Scenario(
        "grid_load", {"level": "feeder", "place": "?", "area": "?"},
        {"loading_pu": 0.9}, {"loading_pu": 1.05}, 15, "place",
    ),
    "transformer-overload": Scenario(
        "grid_load", {"level": "transformer", "place": "?", "area": "ql"},
        {"loading_pu": 0.99}, {"loading_pu": 1.3}, 15, "place",
    ),
    "voltage": Scenario(
        "grid_voltage", {"level": "feeder", "place": "?", "area": "?"},
        {"inside": 0.99}, {"inside": 0.7}, 30, "place",
    ),
    "frequency": Scenario(
        "dtm", {"device": "dtm-9", "org": "evn", "sector": "energy"},  # of all, that of the system
        {"f": 50.05}, {"f": 49.7}, 15, "",
    ),
    "loss": Scenario(
        "alarm_standing",
        {"domain": "energy", "kind": "loss", "level": "transformer", "place": "?", "area": "ql"},
        {"lasts": 0}, {"lasts": 1, "severity": 3}, 1, "place",
    ),
    "tamper": Scenario(
        "device_event", {"device": "m-?", "org": "evn", "area": "?", "event": "40"},
        {}, {"code": 40}, 10,
    ),
    "outage": Scenario(
        "grid_outage", {"level": "feeder", "place": "?", "area": "?"},
        {"dark": 0}, {"dark": 12}, 1, "place",
    ),
    "congestion": Scenario(
        "corridor_live", {"level": "corridor", "place": "?", "area": "?"},
        {"travel_time_index": 1.4}, {"travel_time_index": 2.6}, 1, "place",
    ),
    "incident": Scenario(
        "alarm_standing",
        {"domain": "transport", "kind": "incident", "level": "section", "place": "?", "area": "qa"},
        {"lasts": 0}, {"lasts": 1, "severity": 3}, 1, "place",
    ),
    "detectors": Scenario(
        "detector_state", {"device": "loop-?", "org": "ttgt", "area": "?"},
        {"fault": 12}, {"fault": 2}, 5,
    ),
    "toll-reader": Scenario(
        "alarm_standing",
        {"domain": "transport", "kind": "toll_reader_failed", "level": "device", "place": "?",
         "area": "qa"},
        {"lasts": 0}, {"lasts": 1, "severity": 2}, 1, "place",
    ),
    "sink-lag": Scenario(
        "gateway_self", {"sink": "?"},
        {"sink_lag_seconds": 2}, {"sink_lag_seconds": 1800}, 1, "sink",
    ),
    "sink-refuses": Scenario(
        "gateway_self", {"sink": "?"},
        # counters begin at 0; one that began at 7 VictoriaMetrics takes for a rise of 7
        {"sink_refused_total": 0}, {"sink_refused_total": 83}, 1, "sink",
    ),
    "disk": Scenario(
        "gateway_disk", {}, {"free_bytes": 4e9, "total_bytes": 1e10},
        {"free_bytes": 5e8, "total_bytes": 1e10}, 1, "",
    ),
    "gateway-silent": Scenario("gateway_self", {}, {"messages_pending": 3}, {}, 1, ""),
}  # fmt: skip


def lines(scenario: Scenario, place: str) -> Iterator[bytes]:
    """Yield what a place writes."""
    tags = {name: value.replace("?", place) for name, value in scenario.tags.items()}
    first_ms = BEGIN_MS - 10 * MINUTE_MS
    for at_ms in range(first_ms, END_MS + 1, scenario.every_min * MINUTE_MS):
        is_bad = place == "bad" and at_ms >= TROUBLE_MS
        fields = scenario.bad if is_bad else scenario.calm
        if fields:
            yield encode_point(scenario.measurement, tags, dict(fields), at_ms)


@pytest.fixture(scope="module")
def played() -> Iterator[Twins]:
    """With all scenarios."""
    written = [
        line
        for scenario in SCENARIOS.values()
        for place in (("good", "bad") if "?" in str(scenario.tags) else ("bad",))
        for line in lines(scenario, place)
    ]
    with started() as twins:  # what is made up for the boards would fire here as well
        twins.write(written)
        yield twins


def test_each_alert_has_a_scenario() -> None:
    assert {alert.key for alert in ALERTS} == SCENARIOS.keys()


@pytest.mark.parametrize("number", [0, 1], ids=SETS)
@pytest.mark.parametrize("key", list(SCENARIOS))
def test_it_fires_there_and_then_and_nowhere_else(played: Twins, key: str, number: int) -> None:
    rule = rules(SETS[number])[key]
    found = list(firings(played.both[number], key, rule, Range(BEGIN_MS, END_MS), STEP_MS))
    assert len(found) == 1, found
    scenario = SCENARIOS[key]
    labels = dict(found[0].labels)
    assert labels.get(scenario.label) == (None if not scenario.label else "bad"), found
    # the trouble, the next point of its measurement, how long it must last, and a step of ours
    window_ms = rule["data"][0]["relativeTimeRange"]["from"] * 1000
    lasting_ms = int(rule["for"][:-1]) * 1000
    slack_ms = 2 * STEP_MS + scenario.every_min * MINUTE_MS
    if key in {"gateway-silent", "frequency", "tamper"}:  # they need most of their window
        slack_ms += min(window_ms, 30 * MINUTE_MS)
    assert TROUBLE_MS <= found[0].at_ms <= TROUBLE_MS + lasting_ms + slack_ms, found


@pytest.mark.parametrize("number", [0, 1], ids=SETS)
@pytest.mark.parametrize("key", ["incident", "loss", "toll-reader"])
def test_it_fires_again_for_what_comes_after_the_end(played: Twins, key: str, number: int) -> None:
    """Twenty minutes, five minutes of peace, and the same at the same place: somebody is called."""
    rule, scenario = rules(SETS[number])[key], SCENARIOS[key]
    tags = {name: value.replace("?", "again") for name, value in scenario.tags.items()}
    begin_ms = END_MS - DAY_MS  # no other test looks there
    told = dict.fromkeys((*range(20), *range(26, 40)), scenario.bad) | {20: {"lasts": 0}}
    written = (
        encode_point(scenario.measurement, tags, dict(fields), begin_ms + at * MINUTE_MS)
        for at, fields in told.items()
    )
    played.both[number].write(list(written))
    played.prom.flush()
    # half a minute after each: what was written at a moment VictoriaMetrics may not count to it
    span = Range(begin_ms - MINUTE_MS // 2, begin_ms + 60 * MINUTE_MS)
    found = firings(played.both[number], key, rule, span, MINUTE_MS)
    assert [(one.at_ms - begin_ms) // MINUTE_MS for one in found] == [0, 26]


@pytest.mark.parametrize("number", [0, 1], ids=SETS)
def test_nothing_fires_where_nothing_is(empty: Twins, number: int) -> None:
    """But the one that says so."""
    fired = {
        one.rule
        for key, rule in rules(SETS[number]).items()
        for one in firings(
            empty.both[number], key, rule, Range(END_MS - 20 * MINUTE_MS, END_MS), STEP_MS
        )
    }
    assert fired == {"gateway-silent"}
