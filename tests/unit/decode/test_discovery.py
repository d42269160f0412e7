"""Home Assistant's discovery messages: an entity that was announced maps itself."""

import json
from math import isnan
from typing import Any

import pytest

from gateway.config.foreign import ForeignSection
from gateway.decode import Collector, Decoders
from gateway.decode.foreign import build_foreign
from gateway.errors import RejectedError
from gateway.model import Event, Record
from gateway.store.notes import Notes, load_notes
from tests.unit.decode.support import PROFILES, RECEIVED_MS, Directory

CONFIG = "homeassistant/sensor/boiler/flow_temp/config"
ANNOUNCED = {
    "~": "boiler/1",
    "stat_t": "~/flow",
    "unit_of_meas": "°F",
    "dev_cla": "temperature",
    "dev": {"ids": ["boiler-7"], "name": "Boiler"},
}


class Rig:
    """Decoders that live for several messages."""

    def __init__(self, remembered: list[tuple[str, bytes]] | None = None) -> None:
        foreign = build_foreign(ForeignSection(), PROFILES, remembered=remembered or [])
        self._decoders = Decoders(PROFILES, foreign=foreign)
        self.directory = Directory()

    def send(self, topic: str, said: Any) -> Collector:
        payload = said if isinstance(said, str) else json.dumps(said)
        out = Collector()
        record = Record(1, RECEIVED_MS, 0, 0, topic.encode(), payload.encode())
        self._decoders.decode(record, self.directory, out)
        return out

    def row(self, topic: str, said: Any) -> dict[str, float]:
        (batch,) = self.send(topic, said).batches()
        columns = PROFILES[batch.readings.profile].columns
        values = zip(columns, batch.readings.values[0].tolist(), strict=True)
        return {c.name: value * c.scale for c, value in values if not isnan(value)}


def test_an_announced_value_is_read_in_its_unit() -> None:
    rig = Rig()
    with pytest.raises(RejectedError, match="unmapped"):
        rig.send("boiler/1/flow", "140")
    rig.send(CONFIG, ANNOUNCED)
    assert rig.row("boiler/1/flow", "140") == {"temp": pytest.approx(60)}  # (140 − 32) / 1.8
    assert rig.directory.asked[-1] == ("site", "env", "boiler-7")


def test_entities_of_one_payload_are_one_row() -> None:
    rig = Rig()
    device = {"identifiers": "inverter-1"}
    for key, kind, unit in (("p", "power", "kW"), ("e", "energy", "kWh"), ("v", "voltage", "V")):
        said = {
            "state_topic": "solar/state",
            "value_template": f"{{{{ value_json.now['{key}'] | float }}}}",
            "device_class": kind,
            "unit_of_measurement": unit,
            "device": device,
        }
        rig.send(f"homeassistant/sensor/{key}/config", said)
    row = rig.row("solar/state", {"now": {"p": 1.5, "e": 12.3456, "v": 231}, "mode": "mppt"})
    assert row == {"p": 1500, "ea_imp": pytest.approx(12345.6), "u": 231}


def test_a_door_says_yes_and_no_in_its_own_words() -> None:
    rig = Rig()
    said = {"stat_t": "door/1", "dev_cla": "door", "pl_on": "open", "pl_off": "shut"}
    rig.send("homeassistant/binary_sensor/door1/config", said)
    assert rig.row("door/1", "open") == {"open": 1}
    assert rig.row("door/1", "shut") == {"open": 0}


@pytest.mark.parametrize(
    "change",
    [
        {"val_tpl": "{{ value_json.x * 10 }}"},  # it computes: nothing is guessed
        {"unit_of_meas": "kWh"},  # no temperature
        {"dev_cla": "enum"},
        {"stat_t": "a/{device}"},
        {"stat_t": None},
    ],
)
def test_what_is_not_understood_is_not_mapped(change: dict[str, Any]) -> None:
    rig = Rig()
    (event,) = rig.send(CONFIG, {**ANNOUNCED, **change}).events
    assert event.kind == "discovery"
    with pytest.raises(RejectedError, match="unmapped"):
        rig.send("boiler/1/flow", "140")


def test_a_family_that_knows_the_topic_keeps_it() -> None:
    rig = Rig()
    said = {**ANNOUNCED, "stat_t": "zigbee2mqtt/room", "val_tpl": "{{ value_json.temperature }}"}
    rig.send(CONFIG, said)
    assert rig.row("zigbee2mqtt/room", {"temperature": 21.5}) == {"temp": 21.5}


def test_an_entity_that_is_taken_back_is_unknown_again() -> None:
    rig = Rig()
    rig.send(CONFIG, ANNOUNCED)
    rig.send(CONFIG, "")
    with pytest.raises(RejectedError, match="unmapped"):
        rig.send("boiler/1/flow", "140")


def test_announcements_outlive_the_process(tmp_path: Any) -> None:
    notes = Notes(tmp_path)
    (event,) = Rig().send(CONFIG, ANNOUNCED).events
    notes.add([event, Event(1, 1, 0, "report", 0, "{}", 1)])
    with (tmp_path / "discovered.jsonl").open("a") as file:
        file.write('{"topic":"cut o')
    rig = Rig(load_notes(tmp_path))
    assert rig.row("boiler/1/flow", "140") == {"temp": pytest.approx(60)}


@pytest.mark.parametrize("topic", ["$SYS/broker/load", "$..tate", "#", "tg/1/evn/energy/m/t"])
def test_an_entity_cannot_take_topics_that_are_not_for_others(topic: str) -> None:
    rig = Rig()
    (event,) = rig.send(CONFIG, {**ANNOUNCED, "~": "", "stat_t": topic}).events
    assert event.kind == "discovery"  # what it said is kept
    rig.send(CONFIG, ANNOUNCED)
    assert rig.row("boiler/1/flow", "140") == {"temp": pytest.approx(60)}
