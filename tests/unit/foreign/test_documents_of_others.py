"""wmbusmeters, NGSI TrafficFlowObserved and IRIS vehicle logs."""

import json
from datetime import UTC, date, datetime

import pytest

from gateway.decode.foreign.vlog import place_in_time, read_vlog
from tests.shared import SHARED, needs_shared
from tests.unit.foreign.rig import RECEIVED_MS, Rig

WATER = {
    "_": "telegram",
    "media": "cold water",
    "meter": "iperl",
    "name": "cellar",
    "id": "33225544",
    "total_m3": 123.529,
    "max_flow_m3h": 0.1,
    "flow_temperature_c": 11.5,
    "status": "OK",
    "timestamp": "2026-11-21T23:10:00Z",
}


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000


def test_a_water_meter_of_wmbusmeters() -> None:
    (row,) = Rig().send("wmbusmeters/cellar", json.dumps(WATER).encode())
    assert (row.device, row.profile) == ("wmbus-33225544", "wtr1")
    assert row.time_ms == ms("2026-11-21T23:10:00Z")
    assert row.values == {"vol": 123.529, "temp": 11.5}


def test_an_electricity_meter_of_wmbusmeters_on_any_topic() -> None:
    fields = {
        "media": "electricity",
        "meter": "amiplus",
        "name": "flat",
        "id": "10101010",
        "total_energy_consumption_kwh": 4405.315,
        "total_energy_production_kwh": 1.25,
        "current_power_consumption_kw": 0.535,
        "voltage_at_phase_1_v": 236,
        "timestamp": "2026-11-21T23:10:00Z",
    }
    (row,) = Rig().send("attic/radio", json.dumps(fields).encode())
    assert row.values == {"ea_imp": 4_405_315, "ea_exp": 1250, "p": 535, "u_l1": 236}


@pytest.mark.parametrize(
    ("media", "column"), [("heat", "heat"), ("heat/cooling load", "heat"), ("cooling load", "cold")]
)
def test_what_a_heat_meter_counts_is_no_electricity(media: str, column: str) -> None:
    fields = {
        "media": media,
        "meter": "kamheat",
        "name": "house",
        "id": "78345612",
        "total_energy_consumption_kwh": 1234.5,
        "total_volume_m3": 9.251,
        "volume_flow_m3h": 0.5,
        "t1_temperature_c": 60.25,
        "t2_temperature_c": 40.5,
        "timestamp": "2026-11-21T23:10:00Z",
    }
    (row,) = Rig().send("wmbusmeters/house", json.dumps(fields).encode())
    assert (row.device, row.profile) == ("wmbus-78345612", "thm1")
    measured = {"vol": 9.251, "flow": 0.5, "t_flow": 60.25, "t_return": 40.5}
    assert row.values == {column: 1_234_500, **measured}


def test_a_telegram_without_any_column_is_quarantined() -> None:
    fields = {**WATER, "media": "smoke detector"}
    fields = {key: fields[key] for key in ("media", "meter", "name", "id", "timestamp", "status")}
    assert Rig().why("wmbusmeters/x", json.dumps(fields).encode()) == "unmapped"
    assert Rig().why("wmbusmeters/x", b'{"media":"water"}') == "schema"


@needs_shared
@pytest.mark.parametrize("name", ["example.json", "example-normalized.json", "example.jsonld"])
def test_traffic_flow_observed_in_all_its_spellings(name: str) -> None:
    assert SHARED is not None
    folder = SHARED / "data" / "conformance" / "fiware" / "Transportation" / "TrafficFlowObserved"
    texts = [(folder / "examples" / name).read_bytes()]
    texts.append(b'{"subscriptionId":"x","data":[' + texts[0] + b"]}")
    texts.append(b"[" + texts[0] + b"]")
    for text in texts:
        (row,) = Rig().send("city/flow", text)
        assert row.device == "trafficflowobserved-valladolid-osm-60821-lane-1" or (
            row.device.startswith("trafficflowobserved-valladolid-osm")
            and row.device.endswith("-lane-1")
        )
        assert (row.profile, row.time_ms) == ("tl1", ms("2016-12-07T11:15:00Z"))
        assert row.values == {"count": 197, "occ": 0.76, "v_mean": 52.6}


def test_an_interval_without_zone_is_stamped_or_read_in_the_zone_of_the_configuration() -> None:
    entity = {
        "id": "a1",
        "type": "TrafficFlowObserved",
        "intensity": 5,
        "dateObserved": "2026-11-22T06:05:00/2026-11-22T06:10:00",
    }
    text = json.dumps(entity).encode()
    assert Rig().send("city/flow", text)[0].is_stamped
    (row,) = Rig(zone="Asia/Ho_Chi_Minh").send("city/flow", text)
    assert row.time_ms == ms("2026-11-21T23:10:00Z")


# the example of IRIS' own documentation, with the times that it gives
LOG = """296,9930,17:49:36
231,14069
240,453,,45
296,23510,,53
259,1321
?,?
249,?
323,4638,17:50:28
258,5967
111,1542
304,12029
"""
TIMES = (
    "17:49:36 17:49:50 17:49:50 17:50:14 17:50:15 ? 17:50:23 17:50:28 17:50:33 17:50:35 17:50:47"
)


def test_times_of_a_vehicle_log_come_from_stamps_and_headways() -> None:
    shown = []
    for vehicle in read_vlog(LOG):
        second = None if vehicle.of_day_ms is None else vehicle.of_day_ms // 1000
        shown.append(
            "?" if second is None else f"{second // 3600}:{second // 60 % 60:02}:{second % 60:02}"
        )
    assert shown == TIMES.split()


def test_a_vehicle_log_becomes_single_vehicles_and_those_without_time_are_counted() -> None:
    """45 mph = 72.42 km/h, shown to 0.1; gap = headway 453 − duration 231 of the one before."""
    rig = Rig(zone="America/Chicago")
    rows = rig.send("mndot/D100.vlog", LOG.encode(), ms("2026-11-22T00:00:00Z"))
    assert len(rows) == 10
    assert rows[0].device == "mndot-d100"
    assert rows[0].time_ms == ms("2026-11-21T17:49:36-06:00")
    assert rows[2].time_ms - rows[0].time_ms == 14_069 + 453
    assert rows[2].values["gap"] == 0.222
    assert rows[2].values["speed"] == pytest.approx(72.42, abs=0.05)
    assert json.loads(rig.events[0].detail) == {"vehicles_without_time": 1}


def test_a_vehicle_log_needs_a_zone_and_its_own_lines() -> None:
    assert Rig().why("mndot/D100.vlog", LOG.encode()) == "time"
    assert Rig(zone="UTC").why("mndot/D100.vlog", b"296,9930,17:49:36\nnonsense\n") == "encoding"


def test_a_log_goes_past_midnight() -> None:
    vehicles = read_vlog("100,5000,23:59:58\n100,4000\n")
    times = place_in_time(vehicles, date(2026, 11, 21), "UTC")
    first = int(datetime(2026, 11, 21, 23, 59, 58, tzinfo=UTC).timestamp()) * 1000
    assert times == [first, first + 4000]


def test_topics_of_nobody_and_odd_topics_are_safe() -> None:
    for topic in ("a/b", "küche/ß", "😀", "a//b", "spBv1.0", "wmbusmeters/", "senml/"):
        assert Rig().why(topic, b"\x00\x01") in {"unmapped", "encoding", "schema"}
    assert Rig().why(b"\xff\xfe", b"{}") == "topic"
    assert Rig().send("küche/zähler", json.dumps(WATER).encode())[0].device == "wmbus-33225544"


def test_nothing_of_another_maker_is_read_where_the_received_time_is_all_there_is() -> None:
    (row,) = Rig().send("x", json.dumps({**WATER, "timestamp": None}).encode())
    assert (row.is_stamped, row.time_ms) == (True, RECEIVED_MS)
