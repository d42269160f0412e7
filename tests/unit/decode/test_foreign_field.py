"""Payloads of the field (shared data): what each must become, value by value.

``expected`` names values as their device does; ``COLUMNS`` says, by hand, which column and factor
that is here. What has no column must be in the report, as sent.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from math import isclose, isnan
from typing import Any

import pytest

from gateway.config.foreign import ForeignSection
from gateway.decode.foreign import build_foreign
from gateway.decode.foreign.trial import Outcome, try_message
from tests.shared import SHARED, needs_shared
from tests.unit.decode.support import PROFILES, RECEIVED_MS

pytestmark = needs_shared

FORMATS = build_foreign(ForeignSection(), PROFILES)

# the last part of an expected name → column, factor, offset
COLUMNS: dict[str, tuple[str, float, float]] = {
    "Total": ("ea_imp", 1000, 0),
    "Yesterday": ("ea_prev", 1000, 0),
    "Today": ("ea_day", 1000, 0),
    "Period": ("ea_part", 1, 0),
    "Power": ("p", 1, 0),
    "ApparentPower": ("s", 1, 0),
    "ReactivePower": ("q", 1, 0),
    "Factor": ("pf", 1, 0),
    "Voltage": ("u", 1, 0),
    "Current": ("i", 1, 0),
    "Vcc": ("vcc", 1, 0),
    "RSSI": ("wifi", 1, 0),
    "Humidity": ("rh", 1, 0),
}


def rows(*families: str) -> Iterator[dict[str, Any]]:
    assert SHARED is not None
    text = (SHARED / "data" / "devices" / "payloads_dev.jsonl").read_text("utf-8")
    for line in text.splitlines():
        row = json.loads(line)
        if row["family"] in families:
            yield row


def outcome(row: Mapping[str, Any], topic: str = "") -> Outcome:
    payload = row["payload"]
    raw = bytes.fromhex(payload) if row["encoding"] == "hex" else payload.encode()
    return try_message(FORMATS, topic or row["topic"], raw, RECEIVED_MS, PROFILES)


def plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def leaves(node: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Return what is in a report, by names joined as ``expected`` joins them."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from leaves(value, f"{name}_{key}" if name else key)
    else:
        yield name, node


def is_kept(name: str, value: object, got: Outcome) -> bool:
    words: dict[object, object] = {True: "ON", False: "OFF"}
    wanted = plain(re.sub(r"^(INFO|MARGINS)\.", "", name))
    for key, kept in leaves(got.kept):
        if plain(key) == wanted:
            as_switch = words[value] if isinstance(value, bool) else value
            return kept in (value, as_switch) or (value is False and kept == 0)
    return False


def is_stored(name: str, value: float, got: Outcome, payload: str) -> bool:
    part, _, last = name.replace(".", "_").rpartition("_")
    column, factor, offset = COLUMNS.get(last, ("", 1.0, 0.0))
    if last == "POWER":
        column = "on"
    elif last == "Temperature":
        column, is_f = "temp", '"TempUnit":"F"' in payload
        factor, offset = (5 / 9, -160 / 9) if is_f else (1, 0)
    elif last == "Pressure":
        column, factor = "pressure", 1.33322387415 if "mmHg" in payload else 1
    of = [one for one in got.readings if not part or part in {"ENERGY", "Wifi"} or ends(one, part)]
    return any(
        isclose(one.values.get(column, float("nan")), value * factor + offset, abs_tol=1e-6)
        for one in of
    )


def ends(one: Any, part: str) -> bool:
    return plain(one.device).endswith(plain(part)) or one.profile == "node1"


def test_every_tasmota_row_is_stored_with_all_that_is_expected() -> None:
    right: Counter[str] = Counter()
    for row in rows("tasmota-iobroker"):
        got, expected = outcome(row), row.get("expected") or {}
        wanted = {
            name: value for name, value in expected.items() if value is not None and name != "Time"
        }
        if got.refused is not None:
            assert not wanted, (row["id"], got)
            right[got.refused] += 1
            continue
        for name, value in wanted.items():
            is_number = isinstance(value, int | float)
            assert (is_number and is_stored(name, value, got, row["payload"])) or is_kept(
                name, value, got
            ), (row["id"], name, value, got)
        right["stored"] += 1
    # refused: a topic for commands, a will that says neither, a telegram cut in its head
    assert right == {"stored": 48, "unmapped": 1, "schema": 1, "encoding": 1}


def test_a_probe_that_does_not_answer_costs_the_others_nothing() -> None:
    (row,) = (one for one in rows("tasmota-iobroker") if "nan" in one["payload"])
    got = outcome(row)
    by_device = {one.device: one.values for one in got.readings}
    assert by_device == {
        "nan-si7021-00": {"temp": pytest.approx(17.1), "rh": pytest.approx(70.0)},
        "nan-si7021-02": {},  # stored as measured and not there: null_value, grade missing
        "nan-si7021-04": {"temp": pytest.approx(10.0), "rh": pytest.approx(59.7)},
        "nan-si7021-05": {"temp": pytest.approx(8.8), "rh": pytest.approx(79.3)},
    }
    assert not any(isnan(value) for one in got.readings for value in one.values.values())


def test_times_without_offset_are_not_used_unless_a_zone_is_declared() -> None:
    zoneless = [row for row in rows("tasmota-iobroker") if row["payload"].startswith('{"Time":"')]
    assert len(zoneless) == 18
    declared = build_foreign(ForeignSection(zone="Europe/Berlin"), PROFILES)
    for row in zoneless:
        got = outcome(row)
        assert all(one.is_stamped for one in got.readings), row["id"]
        zoned = try_message(declared, row["topic"], row["payload"].encode(), RECEIVED_MS, PROFILES)
        assert not any(one.is_stamped for one in zoned.readings), row["id"]


def test_the_three_phases_of_a_shelly() -> None:
    (row,) = rows("shelly-ha")
    (got,) = (one for one in outcome(row).readings if one.profile == "em3")
    assert got.values["p"] == pytest.approx(row["expected"]["reported_total"])
    phases = sum(got.values[f"p_l{phase}"] for phase in (1, 2, 3))
    assert phases == pytest.approx(row["expected"]["sum_phase_act_power_W"])


def test_every_shelly_component_is_read() -> None:
    found = [(row, outcome(row)) for row in rows("shelly-gen2")]
    assert [row["id"] for row, got in found if got.refused] == []
    status = {row["id"]: got for row, got in found}["shelly-gen2-0006"]
    by_profile = {one.profile: one for one in status.readings}
    # cover:0 of the response, and its own clock: 1760364737 s
    assert by_profile["plug1"].values["ea_imp"] == pytest.approx(314.614)
    assert by_profile["plug1"].values["u"] == pytest.approx(219.2)
    assert by_profile["plug1"].time_ms == 1_760_364_737_000
    assert by_profile["node1"].values["rssi"] == -38


def test_homewizard_is_known_by_its_payload_whatever_the_topic() -> None:
    fates: Counter[str] = Counter()
    for row in rows("homewizard"):
        payload = json.loads(row["payload"])
        got = outcome(row, f"foreign/{row['id']}")
        fates[got.refused or "stored"] += 1
        values = [one.values for one in got.readings]
        power = payload.get("active_power_w", payload.get("power_w"))
        if power is not None:
            assert any(one.get("p") == pytest.approx(power) for one in values), row["id"]
        gas = payload.get("total_gas_m3")
        if gas is not None and power is not None:
            assert any(one.get("vol") == pytest.approx(gas) for one in values), row["id"]
    assert fates == {"stored": 15}


def test_what_no_device_publishes_is_not_taken_for_a_message() -> None:
    """Dumps of a library's tests: settings and states of a Shelly in one document."""
    got = Counter(outcome(row, f"foreign/{row['id']}").refused for row in rows("shelly-fixture"))
    assert got == {"unmapped": 8}
