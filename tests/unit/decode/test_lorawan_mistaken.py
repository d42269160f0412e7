"""Expected values that are not reproduced: what speaks against each, without our codecs.

Four rows are refused and nine values differ (``test_lorawan_field``). The evidence is in other rows
of the same collection, read here with ``struct``, and in what the makers publish.
"""

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.shared import needs_shared
from tests.unit.decode.test_lorawan_field import (
    MISTAKEN,
    declared,
    outcome,
    rows,
    telemetry,
)

pytestmark = needs_shared

RECORD = b"\x20\xce"  # a reading that the sensor had stored


def frame(row: Mapping[str, Any]) -> bytes:
    uplink = json.loads(row["payload"])
    return base64.b64decode(uplink.get("data") or uplink["uplink_message"]["frm_payload"])


def of_models(*names: str) -> Iterator[dict[str, Any]]:
    for row in rows(names[0].split()[0]):
        if row["note"] in names:
            yield row


def stored(row: Mapping[str, Any], column: str) -> list[float]:
    """Return what we store in a column."""
    got = outcome(row, declared(row["note"].removesuffix("_Hall")))
    assert got.refused is None, got.detail
    return [one.values[column] for one in got.readings if column in one.values]


def reversed_rows() -> list[dict[str, Any]]:
    names = ("Milesight AM319", "Milesight AM319L")
    return [row for row in of_models(*names) if RECORD in frame(row)]


def test_the_refused_record_is_in_no_single_byte_order() -> None:
    """Four rows, one frame. Highest byte first all of it is plausible but formaldehyde, last."""
    frames = {frame(row) for row in reversed_rows()}
    assert (len(reversed_rows()), len(frames)) == (4, 1)
    record = frames.pop().partition(RECORD)[2]
    names = ("temp", "rh", "pir", "level", "co2", "tvoc", "pressure", "pm25", "pm10", "hcho")
    seconds, *values = struct.unpack(">IhHBBHHHHHH", record)
    highest = dict(zip(names, values, strict=True))
    assert datetime.fromtimestamp(seconds, UTC).date().isoformat() == "2023-10-23"
    assert (highest["temp"], highest["rh"], highest["pressure"]) == (225, 110, 10135)
    assert highest["hcho"] == 1024  # 10.24 mg/m³: a hundred times what the WHO allows
    seconds, *values = struct.unpack("<IhHBBHHHHHH", record)
    lowest = dict(zip(names, values, strict=True))
    assert datetime.fromtimestamp(seconds, UTC).year == 1976  # LoRaWAN is of 2015
    assert (lowest["temp"], lowest["rh"], lowest["pressure"]) == (-7936, 28160, 38695)
    assert lowest["hcho"] == 4  # 0.04 mg/m³, as the live value in the same frame
    assert b"\x0a\x7d\x04\x00" in frame(reversed_rows()[0])


def test_what_is_expected_of_the_refused_record_cannot_be_measured() -> None:
    for row in reversed_rows():
        (_, live), (time_ms, record) = telemetry(row)
        assert (live["temperature"], live["humidity"], live["pressure"]) == (23.8, 62.0, 1008.6)
        assert (record["temperature"], record["humidity"]) == (5760.0, 14080.0)
        assert (record["pressure"], record["co2"], time_ms) == (3869.5, 49665, 214_578_533_000)
        assert outcome(row, row["note"]).refused == "schema"


def test_all_other_stored_records_have_their_lowest_byte_first() -> None:
    """So the order is not a matter of the firmware: times lie in 2022 and 2023."""
    seen = set()
    for row in rows("Milesight"):
        before, sign, record = frame(row).partition(RECORD)
        if sign and row["note"].split()[1] not in {"AM319", "AM319L", "WT201"}:
            del before
            (seconds,) = struct.unpack("<I", record[:4])
            assert datetime.fromtimestamp(seconds, UTC).year in {2022, 2023}, row["id"]
            assert seconds * 1000 in {time_ms for time_ms, _ in telemetry(row)}, row["id"]
            seen.add(row["note"].split()[1])
    assert len(seen) >= 8


@pytest.mark.parametrize(
    ("model", "entry", "cut", "right", "column", "others"),
    [
        # as in the maker's examples for the EM320-TH, and for this very frame of the EM500-SMTC
        ("EM300-DI", "046865", 50, 50.5, "rh", 10),
        ("EM500-SMTC", "046873", 57, 57.5, "soil_rh", 2),
    ],
)
def test_half_a_percent_is_expected_of_the_same_bytes_elsewhere(
    model: str, entry: str, cut: int, right: float, column: str, others: int
) -> None:
    found = []
    for row in rows("Milesight"):
        if frame(row).hex().find(entry) % 2:
            continue
        said = [
            values.get("humidity", values.get("moisture"))
            for _, values in telemetry(row)
            if "battery" in values
        ]
        if row["note"].endswith(model):
            assert said == [cut]
            assert right in stored(row, column)
        else:
            found += said
    assert found.count(right) == len(found) == others


def test_a_humidity_is_taken_for_a_byte_of_the_time() -> None:
    """The same record, byte for byte, is right in the rows of another model."""
    record = bytes.fromhex("20ce9e74466310015d")
    seconds, temp, rh = struct.unpack("<IhB", record[2:])
    assert (seconds, temp / 10, rh / 2) == (1_665_561_758, 27.2, 46.5)
    assert record[2] / 2 == 79.0
    right = [
        values["humidity"]
        for row in of_models("Milesight EM300-DI")
        for time_ms, values in telemetry(row)
        if time_ms == seconds * 1000 and record in frame(row)
    ]
    (row,) = [one for one in of_models("Milesight EM300-SLD-ZLD") if record in frame(one)]
    assert (row["id"], "humidity") in MISTAKEN
    assert [values["humidity"] for _, values in telemetry(row) if values] == [79.0]
    assert right == [46.5, 46.5]
    assert stored(row, "rh") == [46.5]


def test_a_battery_voltage_is_read_with_a_sign() -> None:
    """The maker: (2500 + X x 4) mV, "X is the value as unsigned integer": never below 2.5 V.

    Its counters, by the same formula and with smaller bytes, are expected as they are.
    """
    for row in of_models("Nwave G4_NCC_FM", "Nwave G4_NCC_SM"):
        _, battery, mean = frame(row)
        ((_, values),) = telemetry(row)
        assert values["battery_voltage"] == pytest.approx(2.5 + battery * 0.004)
        assert values["battery_voltage_mean_24h"] == pytest.approx(2.5 + mean * 0.004)
    mistaken = [row for row in rows("Nwave") if (row["id"], "battery_voltage") in MISTAKEN]
    assert len(mistaken) == 2
    for row in mistaken:
        (signed,) = struct.unpack("b", frame(row)[1:2])
        ((_, values),) = telemetry(row)
        assert values["battery_voltage"] == pytest.approx(2.5 + signed * 0.004) == 2.32
        assert stored(row, "battery_u") == [pytest.approx(2.5 + frame(row)[1] * 0.004)]
        assert 2.5 + frame(row)[1] * 0.004 == pytest.approx(3.344)
