"""Drivers of meters against telegrams that real meters sent, with independent answers."""

import json
from decimal import Decimal
from typing import Any

import pytest
from han import obis_map

from fieldnode.drivers import load
from tests.firmware.expected_rows import row_of
from tests.firmware.twice import build_dlms
from tests.shared import SHARED, needs_shared

pytestmark = needs_shared
_PREFIXES = {"k": 1000, "M": 1_000_000}


def _cases(name: str) -> list[dict[str, Any]]:
    path = SHARED / "data" / "devices" / name if SHARED else None
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path else []


def _p1_values(decoded: dict[str, Any]) -> dict[str, Decimal]:
    values = {}
    for code, items in decoded.items():
        medium, cde = code.split(":")
        text = items[0][0]
        if medium == "1-0" and isinstance(text, list):
            number, unit = text
            values[cde] = Decimal(str(number)) * _PREFIXES.get(unit[:1], 1)
        elif code.startswith(("0-0:96.7.", "1-0:32.3", "1-0:52.3", "1-0:72.3")) and text.isdigit():
            values["0." + cde if medium == "0-0" else cde] = Decimal(text)
    return values


@pytest.mark.parametrize("profile", ["em1", "em3", "pq3"])
@pytest.mark.parametrize("case", _cases("p1_dev.jsonl"), ids=lambda case: case["name"])
def test_p1(case: dict[str, Any], profile: str) -> None:
    row = row_of(profile, _p1_values(case["decoded"]))
    telegram = case["telegram"].encode()
    driver = load("p1", profile)
    driver.feed(telegram, 0)
    is_good = row is not None and case["crc_ok"]
    assert driver.take(0) == ((row, 0) if is_good else None)
    unchecked = load("p1", profile, {"unchecked": True})
    unchecked.feed(telegram, 0)
    if row is not None:
        assert unchecked.take(0) == (row, 0 if case["crc_ok"] else 1)


def _dlms_values(expected: dict[str, Any]) -> dict[str, Decimal]:
    return {
        obis_map.name_obis_map[name][0]: Decimal(str(value))
        for name, value in expected.items()
        if isinstance(value, int | float)
    }


@pytest.mark.parametrize("profile", ["em1", "em3", "dtm"])
@pytest.mark.parametrize("case", _cases("dlms_push_dev.jsonl"), ids=lambda case: case["id"])
def test_dlms(case: dict[str, Any], profile: str) -> None:
    driver = load("dlms", profile)
    driver.feed(build_dlms.hdlc(bytes.fromhex(case["hex"])), 0)
    row = row_of(profile, _dlms_values(case["expected"]))
    assert row is not None
    assert driver.take(0) == (row, 0)
