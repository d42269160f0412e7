"""Mappings proposed for devices that nobody knows: what is in them, and what is left out."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.decode.foreign.family import parse_family
from gateway.decode.foreign.guess import guess, load_names
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.proposal import example_lines
from gateway.decode.foreign.suggest import Sample, suggest
from gateway.decode.foreign.trial import Outcome, run_examples, try_message
from tests.unit.decode.support import PROFILES, RECEIVED_MS

OPTIONS = Options(PROFILES, (), None, "site")


def heat_pump(number: int) -> Sample:
    said = {
        "deviceId": f"HP-{number}",
        "timestamp": 1_795_300_200,
        "compressor": {"frequency_hz": 48, "running": True},
        "temperatures": {"outdoor": -2.5, "supply": 38.4, "return": 32.1, "hotWater": 51.2},
        "electrical": {"power_kw": 1.84, "energyTotal_kwh": 15_234.5, "voltage": [231, 230, 229]},
        "heat": {"power_kw": 6.9, "energy_mwh": 61.204, "flow_lpm": 17.5},
        "cop": 3.75,
    }
    return Sample(f"heatpumps/v2/HP-{number}/telemetry", json.dumps(said).encode())


def read(text: str, *samples: Sample) -> list[Outcome]:
    formats = [MappedFamily(parse_family(text, Path("plant.toml")), OPTIONS)]
    return [try_message(formats, *sample, RECEIVED_MS, PROFILES) for sample in samples]


def values(got: Outcome) -> dict[tuple[str, str], dict[str, float]]:
    return {(row.device, row.profile): dict(row.values) for row in got.readings}


def test_a_heat_pump_is_a_meter_of_electricity_and_one_of_heat() -> None:
    samples = [heat_pump(1), heat_pump(2)]
    text = suggest("plant", samples, PROFILES)
    assert 'topic = ["heatpumps/v2/{device}/telemetry"]' in text
    got = read(text, *samples)[1]
    assert {row.time_ms for row in got.readings} == {1_795_300_200_000}
    assert values(got) == {
        ("hp-2", "em3"): {"ea_imp": 15_234_500, "p": 1840, "u_l1": 231, "u_l2": 230, "u_l3": 229},
        # 17.5 l/min = 1.05 m³/h
        ("hp-2", "thm1"): {
            "heat": 61_204_000,
            "power": 6900,
            "flow": pytest.approx(1.05),
            "t_flow": 38.4,
            "t_return": 32.1,
        },
        ("hp-2-outdoor", "clim1"): {"temp": -2.5},
        ("hp-2-hot-water", "clim1"): {"temp": 51.2},
    }


def test_a_number_that_is_something_else_stays_in_the_report() -> None:
    """A compressor does not run at the frequency of the mains, hot water at 51 °C is no volume."""
    (got,) = read(suggest("plant", [heat_pump(1)], PROFILES), heat_pump(1))
    assert not any("f" in row.values or row.profile == "wtr1" for row in got.readings)
    assert got.kept == {
        "deviceId": "HP-1",
        "compressor": {"frequency_hz": 48, "running": True},
        "cop": 3.75,
    }


def test_what_is_assumed_and_what_has_no_column_is_written_beside_it() -> None:
    text = suggest("plant", [heat_pump(1)], PROFILES)
    assert 'p = { path = "electrical.power_kw", unit = "kW" }  # 1.84\n' in text
    assert 'unit = "V" }  # 231, its unit is assumed\n' in text
    assert '#   "cop"  3.75\n' in text
    local = Sample("a/b1/c", b'{"Time":"2026-11-21T22:30:00","power":1}')
    assert "# without offset: `zone` here" in suggest("plant", [local], PROFILES)


def test_numbers_on_topics_of_their_own_and_a_word_that_says_whether_it_is_there() -> None:
    topics = {"power_w": "7400", "energy_kwh": "1523.25", "plug": "locked", "status": "Online"}
    samples = [
        Sample(f"wallbox/site A/WB{number}/{name}", value.encode())
        for number in (1, 2)
        for name, value in topics.items()
    ]
    text = suggest("plant", samples, PROFILES)
    assert 'topic = ["wallbox/site A/{device}/{key}"]' in text
    power, energy, plug, status = read(text, *samples)[4:]
    assert values(power) == {("wb2", "plug1"): {"p": 7400}}
    assert values(energy) == {("wb2", "plug1"): {"ea_imp": 1_523_250}}
    assert (plug.kept, status.state) == ({"plug": "locked"}, "online")
    (will,) = read(text, Sample("wallbox/site A/WB1/status", b"Offline"))
    assert will.state == "lost"


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ({"temperature": 20, "freezer": {"temperature": -18}}, {"d1", "d1-freezer"}),
        ({"channels": [{"power": 1}, {"power": 2}]}, {"d1-0", "d1-1"}),
        ({"outlet_1": {"power": 1}, "outlet_2": {"power": 2}}, {"d1-1", "d1-2"}),
        ({"power_L1": 1, "power_L2": 2, "power_L3": 3}, {"d1"}),
        ({"a": {"temp": 1}, "b": {"temp": 2}, "a_": {"temp": 3}}, {"d1-a", "d1-b", "d1-a-1"}),
    ],
)
def test_values_of_one_kind_are_parts_called_after_what_tells_them_apart(
    said: dict[str, Any], parts: set[str]
) -> None:
    sample = Sample("x/d1", json.dumps(said).encode())
    (got,) = read(suggest("plant", [sample], PROFILES), sample)
    assert {row.device for row in got.readings} == parts


@pytest.mark.parametrize(
    "key",
    ['po"wer', "po\\wer power", "power\n[[message]]", "power'", "power ☃", "a.power", "power\x7f"],
)
def test_no_key_breaks_out_of_the_file(key: str) -> None:
    sample = Sample("x/{device}/*/d1", json.dumps({key: 5, "power": 7}).encode())
    text = suggest("plant", [sample], PROFILES)
    assert len(tomllib.loads(text)["message"]) == 1
    (got,) = read(text, sample)
    found = [value for row in got.readings for value in row.values.values()]
    assert sorted(map(str, [*found, *got.kept.values()])) in (["5", "7.0"], ["5.0", "7.0"])


def test_examples_are_written_that_hold() -> None:
    samples = [heat_pump(1), Sample("heatpumps/v2/HP-1/status", b"online")]
    text = suggest("plant", samples, PROFILES)
    for sample, got in zip(samples, read(text, *samples), strict=True):
        text += "\n".join(example_lines(sample.topic, sample.payload.decode(), None, got)) + "\n"
    family = parse_family(text, Path("plant.toml"))
    assert len(family.example) == 2
    assert run_examples(family, OPTIONS, RECEIVED_MS) == []


def test_nothing_is_proposed_where_no_name_says_anything() -> None:
    samples = [Sample("x/d1", b'{"a":1,"b":"c"}'), Sample("x/d1/s", b"online")]
    assert suggest("plant", [*samples, Sample("x", b"\xff"), Sample("y", b"")], PROFILES) == ""


@pytest.mark.parametrize("topic", ["$SYS/broker/v2/load", "tg/1/acme/energy/m-1/r", "$/a/b/c", ""])
def test_what_no_pattern_may_say_is_left_out_of_a_capture(topic: str) -> None:
    own = Sample(topic, heat_pump(1).payload)
    text = suggest("plant", [own, heat_pump(1)], PROFILES)
    assert text == suggest("plant", [heat_pump(1)], PROFILES)
    assert not read(text, own)[0].readings
    assert suggest("plant", [own], PROFILES) == ""


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_of_any_length_is_a_time_or_none(sign: int) -> None:
    said = f'{{"ts":{"-" * (sign < 0)}{"9" * 400},"temperature":21.5}}'
    sample = Sample("x/d1", said.encode())
    text = suggest("plant", [sample], PROFILES)
    assert "time = " not in text
    assert 'path = "temperature"' in text


@pytest.mark.parametrize(
    ("name", "unit", "column"),
    [
        ("Heat pump energy", "kWh", "plug1.ea_imp"),
        ("heat_pump.power", "W", "plug1.p"),
        ("heatPumpPower", "W", "plug1.p"),
        ("Heat pumps power", "W", "plug1.p"),
        ("Heat pump heat energy", "kWh", "thm1.heat"),
        ("Heat heat pump power", "W", "thm1.power"),
        ("heat.energy", "kWh", "thm1.heat"),
        ("Heat power", "W", "thm1.power"),
        ("Heat pump flow", "l/min", "thm1.flow"),
        ("Heat pump flow temperature", "°C", "thm1.t_flow"),
    ],
)
def test_what_a_heat_pump_takes_is_electricity_unless_it_says_heat(
    name: str, unit: str, column: str
) -> None:
    found = guess(name, unit, PROFILES, load_names())
    assert found is not None
    assert f"{found.profile}.{found.column}" == column


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("total_kWh", "ea_imp"),
        ("meterTotalWh", "ea_imp"),
        ("register_kwh", "ea_imp"),
        ("counter_kWh", "ea_imp"),
        ("total_import_kWh", "ea_imp"),
        ("total_export_kWh", "ea_exp"),
        ("totalReturned_kWh", "ea_exp"),
        ("total_reverse_kWh", None),
        ("total_today_kWh", None),
        ("pv_total_kWh", None),
        ("total", None),
        ("total_kvarh", None),
    ],
)
def test_a_count_in_watt_hours_is_a_register(name: str, column: str | None) -> None:
    found = guess(name, None, PROFILES, load_names())
    assert (found and (found.profile, found.column)) == (column and ("plug1", column))
