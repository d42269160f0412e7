"""What pages show of findings: the order of alarms, points of the map, courses of roads."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.board.looks.alarms import AlarmLine, DerivedAlarms, Seen
from gateway.board.looks.evidence import evidence_of
from gateway.board.looks.grades import days_of, grades_of
from gateway.board.looks.lines import DAY_MS, Lines
from gateway.board.looks.marks import marks_of
from gateway.board.looks.roads import BIN_MS, corridor_of, corridors_of, space_time
from gateway.board.looks.sites import sites_of
from gateway.ports import Alarm, CountRow, DeviceRow, Findings, LatestRow, Result, Totals
from gateway.registry import Registry
from gateway.store.derived import DerivedReader, DerivedStore
from gateway.views.fleet import Fleet, build_fleet
from tests.support.board_town import Town, fill_town
from tests.support.stores import NOW_MS

NOW = NOW_MS - NOW_MS % BIN_MS
NO_FLEET = build_fleet((NOW, {}), Totals(0, 0, 0, 0, 0, 0, 0), ([], []), ())


def written(folder: Path, domain: str, findings: Findings) -> DerivedReader:
    store = DerivedStore(folder)
    store.commit(domain, findings, 1)
    store.close()
    return DerivedReader(folder)


def alarm(place: str, raised: int, severity: int, cleared: int = 0, body: str = "{}") -> Alarm:
    return Alarm("incident", place, raised, raised, cleared, severity, 0.9, body)


def test_what_lasts_and_is_severe_and_new_comes_first(tmp_path: Path) -> None:
    found = [
        alarm("section:over", NOW - 10, 4, NOW - 5),
        alarm("section:old", NOW - 9, 3),
        alarm("section:new", NOW - 8, 3),
        alarm("section:worst", NOW - 20, 4),
    ]
    alarms = DerivedAlarms(written(tmp_path, "transport", Findings(found)))
    told = alarms.between(NOW - 100, NOW)
    assert [one.place for one in told] == [
        "section:worst",
        "section:new",
        "section:old",
        "section:over",
    ]
    assert [one.place for one in alarms.between(0, NOW, only_open=True)] == [
        one.place for one in told[:3]
    ]
    for one in told:
        assert alarms.find(one.id) == one


@pytest.mark.parametrize("asked", ["", "transport-", "transport-9", "water-1", "transport-²", "-1"])
def test_an_alarm_that_is_not_there_is_none(asked: str, tmp_path: Path) -> None:
    alarms = DerivedAlarms(written(tmp_path, "transport", Findings([alarm("section:s", NOW, 3)])))
    assert alarms.find(asked) is None


def line(**changes: Any) -> AlarmLine:
    usual = AlarmLine("energy-1", "energy", "loss", "transformer:t", NOW, NOW, 0, 3, 0.9, {})
    return usual._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "raised"),
        ({"seen": Seen("an", NOW, "crew is out")}, "acknowledged"),
        ({"seen": Seen("an", NOW, ""), "suppressed": "0badcafe"}, "suppressed"),
        ({"suppressed": "alarm:0badcafe0bad"}, "follows"),
        ({"cleared_ms": NOW}, "cleared"),
        ({"cleared_ms": NOW, "evidence": {"withdrawn": "late data"}}, "withdrawn"),
    ],
)
def test_the_life_of_an_alarm_is_one_word(changes: dict[str, object], state: str) -> None:
    assert line(**changes).state == state


def test_evidence_is_facts_weights_suspects_and_who_is_concerned() -> None:
    suspect = {"device": "m-2", "share": 0.5, "hidden_wh": 41_000, "reasons": ["tamper"]}
    body = {
        "coverage": 0.998,
        "nothing": None,
        "names": ["m-1", "m-2"],
        "facts": {"no_gasp": [9, -1.5], "power_word": [51, 14.2]},
        "suspects": [suspect],
    }
    found = evidence_of(line(evidence=body))
    assert found.facts == [("coverage", 0.998)]
    assert [(one.name, one.times, one.nats) for one in found.weights] == [
        ("power_word", 51, 14.2),
        ("no_gasp", 9, -1.5),
    ]
    assert [one.device for one in found.suspects] == ["m-2"]
    assert found.devices == ["m-1", "m-2"]
    alone = evidence_of(line(place="device:m-9", evidence={"nats": {"comms": 3.5}}))
    assert (alone.devices, alone.weights[0].nats) == (["m-9"], 3.5)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.load(fill_town(tmp_path, Town(120, 30), NOW))


def test_a_device_stands_on_the_map_where_it_hangs(registry: Registry) -> None:
    sites = sites_of(registry, NOW)
    names = [one.place for one in sites.points]
    assert len(names) == 1 + 2 + 10  # a substation, two transformers, ten stations
    second = names.index("transformer:tba-0002")
    assert sites.covers["device:em-00060"] == [second]  # 60 meters hang on each
    assert sites.covers["feeder:f-001"] == [names.index("transformer:tba-0001"), second]
    assert sites.titles["transformer:tba-0002"] == "Trạm 2"
    # 0.005 degrees of latitude are 0.557 km, whatever the longitude
    first = sites.points[names.index("transformer:tba-0001")]
    assert sites.points[second].y_km - first.y_km == pytest.approx(0.557, abs=0.001)
    assert ("feeder:f-001", tuple(sites.covers["feeder:f-001"])) in sites.lines


def test_a_feeder_is_drawn_as_the_shortest_tree(tmp_path: Path) -> None:
    """Of four transformers in a row, listed in any order, no line skips one."""
    places = {"a": 21.00, "c": 21.02, "b": 21.01, "d": 21.03}
    nodes = "".join(
        f'[[node]]\nid = "t-{name}"\nkind = "transformer"\nparent = "f-1"\n'
        f"place = {{ lat = {lat}, lon = 105.8 }}\n"
        for name, lat in places.items()
    )
    file = tmp_path / "registry.toml"
    file.write_text(f'[[node]]\nid = "f-1"\nkind = "feeder"\n{nodes}')
    sites = sites_of(Registry.load(file), NOW)
    names = [one.place[-1] for one in sites.points]
    ways = {"".join(sorted(names[i] for i in way)) for _, way in sites.lines}
    assert ways == {"ab", "bc", "cd"}


def test_without_a_registry_there_is_no_map() -> None:
    assert sites_of(None, NOW).points == ()
    assert corridors_of(None, NOW) == ()


def test_a_point_is_as_bad_as_the_worst_that_is_said_of_it(registry: Registry) -> None:
    sites = sites_of(registry, NOW)
    names = [one.place for one in sites.points]
    alarms = [
        line(place="device:em-00001", severity=2),
        line(place="transformer:tba-0001", severity=3),
        line(place="section:sec-0004", severity=1),
    ]
    levels = {"station:st-0004": "F", "station:st-0005": "B"}
    marks = marks_of(sites, alarms, NO_FLEET, levels)
    tones = {name: mark.tone for name, mark in zip(names, marks, strict=True)}
    assert tones["transformer:tba-0001"] == "bad"
    assert tones["transformer:tba-0002"] == "quiet"
    assert tones["station:st-0004"] == "bad"  # jammed; the note is less
    assert tones["station:st-0005"] == "quiet"
    assert marks[names.index("transformer:tba-0001")].alarms == 2


def fleet_of(states: list[str]) -> Fleet:
    rows = [DeviceRow(k, "evn", "energy", f"em-{k:05}", 1, NOW) for k in range(len(states))]
    counts = [CountRow(k, 1, 0, 0, 1, 0, 0, NOW, state) for k, state in enumerate(states)]
    return build_fleet((NOW, {}), Totals(0, 0, 0, 0, 0, 0, 0), (rows, counts), ())


def test_a_place_of_which_most_devices_are_lost_is_seen(registry: Registry) -> None:
    sites = sites_of(registry, NOW)
    at = [one.place for one in sites.points].index("transformer:tba-0001")
    few, most = ["lost", "online", "online"], ["lost", "lost", "online"]
    assert marks_of(sites, [], fleet_of(few), {})[at].tone == "quiet"
    mark = marks_of(sites, [], fleet_of(most), {})[at]
    assert (mark.tone, mark.lost, mark.devices) == ("warn", 2, 3)


def test_the_newest_day_is_found_without_those_before_it(tmp_path: Path) -> None:
    days = [
        Result("load", f"feeder:{name}", at, at + DAY_MS, f'{{"peak_pu":{back}}}')
        for back in (6, 3)
        for name in "ab"
        for at in [NOW - back * DAY_MS]
    ]
    lines = Lines(written(tmp_path, "energy", Findings((), days)), "energy")
    found = lines.newest("load", NOW, 8 * DAY_MS)
    assert [(one.place, one.values["peak_pu"]) for one in found] == [
        ("feeder:a", 3),
        ("feeder:b", 3),
    ]
    assert lines.newest("load", NOW, 2 * DAY_MS) == []
    assert lines.newest("balance", NOW, 8 * DAY_MS) == []


def test_a_jam_of_five_minutes_is_still_seen_in_a_week(tmp_path: Path, registry: Registry) -> None:
    corridor = corridor_of(corridors_of(registry, NOW), "section:sec-0004")
    assert corridor is not None
    assert [stop.place for stop in corridor.stops] == [f"station:st-{k:04}" for k in range(1, 11)]
    # one eightieth of a degree of longitude at 20.9467 degrees north is 1.2995 km
    assert corridor.stops[1].km == pytest.approx(1.2995, abs=0.001)
    begin = NOW - 3 * DAY_MS
    folder = tmp_path / "jam"
    folder.mkdir()
    body = {"level_of_service": ["A", "F", "A"], "speed_kmh": [90.0, 9.0, 91.0]}
    told = [Result("state", "station:st-0004", begin, begin + 3 * BIN_MS, json.dumps(body))]
    derived = written(folder, "transport", Findings((), told))
    week = space_time(derived, corridor, NOW - 7 * DAY_MS, NOW)
    assert week.column_ms == 7 * BIN_MS  # 2,016 bins in 288 columns
    assert {(row, level, kmh) for _, row, level, kmh in week.cells} == {(3, 5, 9.0)}
    ((column, *_),) = week.cells
    assert week.begins_ms[column] <= begin + BIN_MS < week.begins_ms[column] + week.column_ms
    day = space_time(derived, corridor, begin - BIN_MS, begin + 3 * BIN_MS)
    assert [(row, level) for _, row, level, _ in day.cells] == [(3, 0), (3, 5), (3, 0)]
    assert day.known == 3


def test_grades_are_counted_by_sector_and_days_by_slot(tmp_path: Path) -> None:
    row = LatestRow(0, "em1", NOW, NOW, 0, 1, 0, 8, 1 << 3, b"", b"")
    rows = [DeviceRow(0, "evn", "energy", "em-1", 1, NOW)]
    fleet = build_fleet((NOW, {}), Totals(0, 0, 0, 0, 0, 0, 0), (rows, []), [row])
    found = grades_of(fleet)
    assert found.by_sector == {"energy": {"suspect": 1}}
    assert found.reasons == [(8, 1)]
    lines = [
        Result("days", f"device:{k}", NOW, NOW, '{"quality_slots":{"valid":40},"open_slots":8}')
        for k in range(3)
    ]
    derived = written(tmp_path, "energy", Findings((), lines))
    (day,) = days_of(list(Lines(derived, "energy").between("days", 0, NOW + 1)))
    assert (day.slots, day.open_slots) == ({"valid": 120}, 24)
