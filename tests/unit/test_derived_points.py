"""Findings as points: every number of the lines below is computed by hand in its comment."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.ports import Alarm, Result
from gateway.registry import Registry
from gateway.sinks.derived import Point, Writer
from gateway.sinks.derived.fleet import site_points
from gateway.sinks.derived.own import Own
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.sent import Sent
from gateway.sinks.derived.series import SERIES, points_of
from gateway.stats import Stats

DAY_MS = 86_400_000
T = 20_000 * DAY_MS  # begin of the lines' day
NOW = T + 10 * DAY_MS
REGISTRY = """
[[node]]
id = "f-2"
kind = "feeder"
[[node]]
id = "tba-1"
kind = "transformer"
parent = "f-2"
place = { lat = 21.03, lon = 105.85 }
rating = { kva = 160 }
title = "Cầu Giấy 1"
[[node]]
id = "c-1"
kind = "corridor"
[[node]]
id = "s-1"
kind = "section"
class = "urban"
parent = "c-1"
[[node]]
id = "st-1"
kind = "station"
parent = "s-1"
[[device]]
id = "m-1"
org = "evn"
sector = "energy"
parent = "tba-1"
[[device]]
id = "loop-1"
org = "vec"
sector = "transport"
parent = "st-1"
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / "registry.toml").write_text(REGISTRY, "utf-8")
    return Registry.load(tmp_path / "registry.toml")


@pytest.fixture
def places(registry: Registry) -> Places:
    return Places(registry, {"m-1": "evn", "lost-1": "other"}.get)  # type: ignore[arg-type]


def tell(
    places: Places,
    domain: str,
    line: tuple[str, str, int, int],
    body: Mapping[str, object],
    now: int = NOW,
) -> list[str]:
    """Return the lines of a finding without the time of its day, sorted by nothing."""
    points = points_of(domain, Result(*line, json.dumps(body)), places, now)
    assert points is not None
    return [each.decode() for each in Writer().lines(points)]


def test_the_quarters_of_a_load_carry_loading_and_power_factor(places: Places) -> None:
    course = {
        "interval_s": 900,
        "rating_va": 160_000,
        "active_w": [64_000, None, -8_000],
        "apparent_va": [80_000, None, 8_000],
        "imbalance": [0.125, None, None],
    }
    line = ("load", "transformer:tba-1", T, T + DAY_MS)
    body = {"peak_va": 80_000, "coverage": 0.02, "course": course}
    body["share_of_time_above_pu"] = {"0.8": 0.25, "1": 0.1, "1.2": 0}
    of_day = tell(places, "energy", line, body)
    tags = "area=f-2,level=transformer,place=tba-1"
    # 80/160 kVA is half the rating; 64/80 is a power factor of 0.8; what flows back has |P|
    assert of_day == [
        (
            f"grid_load,{tags} p_w=64000.0,s_va=80000.0,rating_va=160000.0,loading_pu=0.5,"
            f"power_factor=0.8,imbalance=0.125 {T}"
        ),
        (
            f"grid_load,{tags} p_w=-8000.0,s_va=8000.0,rating_va=160000.0,loading_pu=0.05,"
            f"power_factor=1.0 {T + 1_800_000}"
        ),
        (
            f"grid_load_day,{tags} coverage=0.02,peak_va=80000.0,above_80=0.25,above_100=0.1,"
            f"above_120=0.0 {T}"
        ),
    ]
    assert len(tell(places, "energy", line, body, now=T + 3_600_000)) == 2  # the day lasts


def test_a_balance_has_shares_of_what_came_in(places: Places) -> None:
    body = {"in_wh": 200, "loss_wh": 16, "technical_wh": 6, "residual_wh": 10, "coverage": 0.97}
    (line,) = tell(places, "energy", ("balance", "feeder:f-2", T, T + DAY_MS), body)
    assert line == (
        "grid_balance,area=f-2,level=feeder,place=f-2 in_wh=200.0,loss_wh=16.0,technical_wh=6.0,"
        "residual_wh=10.0,coverage=0.97,out_wh=184.0,loss_share=0.08,technical_share=0.03,"
        f"residual_share=0.05 {T}"
    )


def test_slots_of_a_meter_are_points_with_their_grade_and_method(places: Places) -> None:
    body = {
        "interval_s": 1800,
        "import_wh": [420, None],
        "quality": [["valid", 1], ["missing", 1]],
        "method": [["measured", 1], ["unknown", 1]],
        "open_slots": 1,
    }
    line = ("intervals", "device:m-1", T, T + 3_600_000)
    assert tell(places, "energy", line, body) == [
        f"meter_interval,area=f-2,device=m-1,org=evn import_wh=420.0,quality=1.0,method=0.0 {T}",
        f"meter_interval,area=f-2,device=m-1,org=evn quality=10.0,method=7.0 {T + 1_800_000}",
    ]


def test_a_compliance_stands_at_the_end_of_the_days_it_is_made_of(places: Places) -> None:
    rules = {"voltage": {"share": 0.93, "coverage": 0.99, "holds": False}}
    body = {"days": 3, "rules": rules, "meters": 61, "share_of_meters_that_keep": {"voltage": 0.9}}
    (node,) = tell(places, "energy", ("compliance", "feeder:f-2", T, T + 7 * DAY_MS), body)
    assert node == (
        "grid_compliance,area=f-2,level=feeder,place=f-2,rule=voltage share=0.93,coverage=0.99,"
        f"verdict=0.0,meters=61.0,meters_that_keep=0.9 {T + 3 * DAY_MS}"
    )
    (meter,) = tell(places, "energy", ("compliance", "device:m-1", T, T + 7 * DAY_MS), body)
    assert meter.startswith("meter_compliance,area=f-2,device=m-1,org=evn,rule=voltage share=0.93")


def test_what_changes_of_an_interruption_only_grows(places: Places) -> None:
    """VictoriaMetrics keeps the larger of two."""
    start = ("interruptions", "device:m-1", T, T)
    (opened,) = tell(places, "energy", start, {"is_open": True})
    ended = ("interruptions", "device:m-1", T, T + 90_000)
    (closed,) = tell(places, "energy", ended, {"is_open": False, "minutes": 1.5})
    (none,) = tell(places, "energy", start, {"withdrawn": True})
    head = "meter_interruption,area=f-2,device=m-1,org=evn "
    assert opened == f"{head}withdrawn=0.0,ended=0.0 {T}"
    assert closed == f"{head}minutes=1.5,withdrawn=0.0,ended=1.0 {T}"
    assert none == f"{head}withdrawn=1.0,ended=1.0 {T}"


def test_a_station_is_told_bin_by_bin_and_live_at_the_end_of_its_time(places: Places) -> None:
    body: dict[str, object] = {
        "interval_s": 300,
        "flow_veh_h": [1200, 900, None],
        "speed_kmh": [52.1, 30.0, None],
        "level_of_service": ["A", "F", None],
        "method": ["observed", "local", "nothing"],
        "quality": ["valid", "imputed", "missing"],
    }
    tags = "area=c-1,level=station,place=st-1"
    assert tell(places, "transport", ("state", "station:st-1", T, T + 900_000), body) == [
        (
            f"road_state,{tags} flow_veh_h=1200.0,speed_kmh=52.1,level_of_service=1.0,method=0.0,"
            f"quality=1.0 {T}"
        ),
        (
            f"road_state,{tags} flow_veh_h=900.0,speed_kmh=30.0,level_of_service=6.0,method=3.0,"
            f"quality=6.0 {T + 300_000}"
        ),
        f"road_state,{tags} method=9.0,quality=10.0 {T + 600_000}",
    ]
    now = {"interval_s": 300, "flow_veh_h": 1200, "travel_speed_kmh": 48.0}
    line = ("live", "station:st-1", T, T + 30_000)
    assert tell(places, "transport", line, now) == [
        f"road_live,{tags} flow_veh_h=1200.0,travel_speed_kmh=48.0 {T + 30_000}"
    ]
    corridor = {"travel_time_s": 620, "free_travel_time_s": 400, "travel_time_index": 1.55}
    line = ("live", "corridor:c-1", T, T + 30_000)
    assert tell(places, "transport", line, corridor) == [
        (
            "corridor_live,area=c-1,level=corridor,place=c-1 travel_time_s=620.0,"
            f"free_travel_time_s=400.0,travel_time_index=1.55,delay_s=220.0 {T + 30_000}"
        )
    ]


def test_an_alarm_stands_where_it_began_under_its_kind_and_place(places: Places) -> None:
    alarm = Alarm("loss", "transformer:tba-1", T, T + 5, 0, 3, 0.75, "{}")
    told = [alarm, alarm._replace(cleared_ms=T + 60_000, evidence='{"withdrawn":"late data"}')]
    lines = [Writer().lines(points_of("energy", one, places, NOW) or ()) for one in told]
    head = b"alarm_event,area=f-2,domain=energy,kind=loss,level=transformer,place=tba-1 "
    assert lines == [
        [head + b"severity=3.0,confidence=0.75,cleared=0.0,withdrawn=0.0 %d" % T],
        [head + b"severity=3.0,confidence=0.75,cleared=1.0,withdrawn=1.0,duration_s=60.0 %d" % T],
    ]


def test_whoever_the_registry_does_not_know_is_in_no_area(places: Places) -> None:
    assert places.device("lost-1", T) == {"device": "lost-1", "org": "other", "area": "none"}
    assert places.tags("station:lost-1", T)["area"] == "none"
    assert places.device("loop-1", T) == {"device": "loop-1", "org": "vec", "area": "c-1"}


def test_a_body_of_another_version_is_said_to_be_unreadable(places: Places) -> None:
    line = Result("intervals", "device:m-1", T, T + 1, '{"quality":[["nobody knows",1]]}')
    assert points_of("energy", line, places, NOW) is None
    assert points_of("energy", line._replace(series="insight"), places, NOW) == []


def test_sites_have_coordinates_names_and_what_is_above_them(
    registry: Registry, places: Places
) -> None:
    lines = [line.decode() for line in Writer().lines(site_points(registry, places, T))]
    assert lines[1] == (
        "site_info,area=f-2,level=transformer,parent=f-2,place=tba-1,title=Cầu\\ Giấy\\ 1 "
        f"number=1.0,lat=21.03,lon=105.85,rating_va=160000.0 {T}"
    )
    assert lines[5] == (  # a meter stands where its transformer does
        "site_info,area=f-2,level=device,org=evn,parent=tba-1,place=m-1,sector=energy "
        f"number=0.0,lat=21.03,lon=105.85 {T}"
    )


def test_histograms_tell_what_came_since_the_point_before() -> None:
    """0.003 s is within the bucket up to 0.005, 20 s beyond the last: 10 stands for more."""
    stats, own = Stats(), Own()
    stats.observe("infragate_commit_seconds", 0.003, times=99)
    stats.count("infragate_sink_written_total", 7, sink="db")
    first = list(own.points(list(stats.samples()), T))
    assert first[0].fields == {
        "commit_seconds_count": 99.0,
        "commit_seconds_sum": pytest.approx(0.297),
        "commit_seconds_p50": 0.005,
        "commit_seconds_p99": 0.005,
    }
    assert first[1] == Point("gateway_self", {"sink": "db"}, {"sink_written_total": 7.0}, T)
    stats.observe("infragate_commit_seconds", 20.0)
    second = next(own.points(list(stats.samples()), T + 1)).fields
    assert (second["commit_seconds_count"], second["commit_seconds_p50"]) == (100.0, 10.0)
    third = next(own.points(list(stats.samples()), T + 2)).fields
    assert third["commit_seconds_p99"] is None  # nothing came


def test_of_a_line_of_many_points_only_what_changed_goes_again() -> None:
    sent, key = Sent(), ("energy", "intervals", "device:m-1", T)
    assert sent.changed(key, [b"a", b"b"]) == [b"a", b"b"]
    assert sent.changed(key, [b"a", b"c", b"d"]) == [b"c", b"d"]
    assert sent.changed(key, [b"a", b"c", b"d"]) == []
    sent.forget()
    assert sent.changed(key, [b"a"]) == [b"a"]


def test_every_series_has_its_row_in_the_document() -> None:
    document = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text("utf-8")
    section = document.split("## Derived measurements")[1].split("### Codes")[0]
    told = set(re.findall(r"`([a-z_]+)`(?: of| which|, | \|| is)", section))
    missing = {series for _, series in SERIES} - told
    assert not missing
