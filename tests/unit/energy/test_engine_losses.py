"""A thief on a real store: the balance of every day, the alarm, the suspect, and late data."""

import json
from pathlib import Path

import numpy as np
import pytest

from gateway.model import FloatArray, Quality, ReadingBatch
from gateway.registry import Registry
from gateway.registry.entries import RegistryFile
from tests.unit.energy.desk import PROFILES, Utility, name_of
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS
from tools.energy_town.losses import Street, draw_street

BASE_DAYS, DAYS, SLOTS = 14, 18, 48
DAY_MS = 86_400_000
COVER_REMOVED, OTHER = 40, 5
LATE = range(3 * SLOTS + 10, 3 * SLOTS + 14)  # marks that one meter sends only in the end


def registry(meters: int) -> Registry:
    nodes = [
        {"id": "fdr-1", "kind": "feeder"},
        {"id": "tba-1", "kind": "transformer", "parent": "fdr-1"},
    ]
    devices = [
        {"id": name_of(k), "org": "evn", "sector": "energy", "parent": "tba-1"}
        for k in range(meters)
    ]
    return Registry(RegistryFile.model_validate({"node": nodes, "device": devices}))


def send(utility: Utility, profile: str, device: int, marks: FloatArray, wh: FloatArray) -> None:
    """Store registers of one device at marks of half an hour."""
    columns = PROFILES[profile].columns
    values = np.full((len(marks), len(columns)), np.nan)
    values[:, 0], values[:, 1] = wh, 0
    zero = np.zeros(len(marks), np.int64)
    quality = np.full(len(marks), int(Quality.VALID))
    time_ms = (MONDAY_MS + marks * HALF_HOUR_MS).astype(np.int64)
    record = utility.next_records(len(marks))
    batch = ReadingBatch(
        profile, zero + device, zero, zero - 1, time_ms, time_ms + 200, values, zero, quality,
        zero, record,
    )  # fmt: skip
    utility.put(batch)


@pytest.fixture(scope="module")
def street() -> Street:
    return draw_street(np.random.default_rng(50_001), DAYS, meters=30, thief_day=BASE_DAYS + 0.1)


def utility_with(folder: Path, street: Street) -> Utility:
    """Return a utility that has worked all days out."""
    meters = len(street.import_wh)
    utility = Utility(folder, meters + 1, registry(meters + 1))
    marks = np.arange(DAYS * SLOTS + 1)
    quarters = np.arange(0, DAYS * SLOTS + 0.5, 0.5)
    head = np.interp(quarters, marks, street.head_wh)
    utility.at(DAYS * SLOTS)
    send(utility, "dtm", meters, quarters, np.floor(head))
    for k, registers in enumerate(street.import_wh):
        kept = marks[~np.isin(marks, LATE)] if k == 0 else marks
        send(utility, "em1", k, kept.astype(np.float64), registers[kept])
    # somebody takes the cover off on the day of the theft; elsewhere it was weeks before
    utility.say([street.thief], COVER_REMOVED, MONDAY_MS + BASE_DAYS * DAY_MS)
    utility.say([OTHER], COVER_REMOVED, MONDAY_MS + DAY_MS)
    utility.go(220)
    return utility


def test_a_thief_is_alarmed_named_and_never_without_coverage(
    tmp_path: Path, street: Street
) -> None:
    utility = utility_with(tmp_path, street)
    balances = utility.lines("balance")
    assert len(balances) == DAYS
    first = json.loads(balances[0].body)
    shown = street.import_wh[:, SLOTS] - street.import_wh[:, 0]
    lost = street.head_wh[SLOTS] - street.head_wh[0] - shown.sum()
    assert first["loss_wh"] == pytest.approx(lost, abs=5)
    assert all(json.loads(one.body)["coverage"] > 0.99 for one in balances)
    (alarm,) = utility.alarms()
    assert (alarm.kind, alarm.place) == ("loss", "transformer:tba-1")
    days_in = (alarm.raised_ms - MONDAY_MS) // DAY_MS - BASE_DAYS
    assert 0 <= days_in <= 2  # issue D: within two days
    evidence = json.loads(alarm.evidence)
    assert evidence["coverage"] > 0.99
    named = [one["device"] for one in evidence["suspects"][:3]]
    assert name_of(street.thief) in named
    tampered = {one["device"] for one in evidence["suspects"] if "tamper" in one["reasons"]}
    assert tampered == {name_of(street.thief)}
    # late readings make their day's balance again, and tell the same story
    send(utility, "em1", 0, np.array(LATE, np.float64), street.import_wh[0, list(LATE)])
    utility.go(220)
    (again,) = utility.alarms()
    assert again.raised_ms == alarm.raised_ms
    assert utility.lines("balance")[0] == balances[0]
