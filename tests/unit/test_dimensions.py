"""The nine dimensions of 1437.II.2.d.iii, counted by hand."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from gateway.model import NO_SEQ, Quality, ReadingBatch, Reason
from gateway.profiles import load_profiles
from gateway.registry import Registry
from gateway.views.daily import Day
from gateway.views.dimensions import (
    GROUPS,
    NAME,
    DimensionTally,
    Score,
    facts_known,
    quality_policies,
)

PROFILES = load_profiles()
MINUTE_MS = 60_000
BEGIN_MS = round(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
DAY = Day("2026-11-21", BEGIN_MS, BEGIN_MS + 1440 * MINUTE_MS)

REGISTRY = """
[[node]]
id = "tr-1"
kind = "transformer"
place = { lat = 10.77, lon = 106.70 }

[[device]]
id = "meter-1"
org = "evn"
sector = "energy"
parent = "tr-1"

[[device]]
id = "meter-2"
org = "evn"
sector = "energy"
"""


def batch(profile: str, rows: list[tuple[int, int, int, Quality, Reason]]) -> ReadingBatch:
    """Rows: number, minute of the day, seconds on the way, grade, reasons."""
    count = len(rows)
    seq, minute, way_s, quality, reasons = (
        np.array(one, dtype=np.int64) for one in zip(*rows, strict=True)
    )
    times = BEGIN_MS + minute * MINUTE_MS
    return ReadingBatch(
        profile,
        np.ones(count, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        seq,
        times,
        times + way_s * 1000,
        np.zeros((count, len(PROFILES[profile].columns))),
        np.zeros(count, dtype=np.int64),
        quality,
        reasons,
        np.arange(count),
    )


def score(
    profile: str,
    rows: list[tuple[int, int, int, Quality, Reason]],
    completeness: float | None = None,
    expected: int | None = None,
) -> Score:
    policy = quality_policies().at(NAME, BEGIN_MS)
    tally = DimensionTally(DAY, PROFILES[profile], policy, inventory=0.8)
    if rows:
        tally.add([batch(profile, rows)])
    return tally.result(completeness, expected)


@pytest.mark.clause("1437.II.2.d.iii")
def test_nine_dimensions_by_hand() -> None:
    interval_s = PROFILES["em1"].interval_s
    late_s = 2 * interval_s + 1
    step = interval_s // 60
    no, gap, spike = Reason(0), Reason.SEQ_GAP, Reason.SPIKE
    found = score(
        "em1",
        [
            (1, 0, 1, Quality.VALID, no),
            (2, step, 2 * interval_s, Quality.VALID, no),  # just in time
            (4, 3 * step, late_s, Quality.RECOVERED, gap),
            (5, 4 * step, 1, Quality.SUSPECT, spike),
            (6, 5 * step, 1, Quality.FAILED, no),
        ],
        completeness=0.5,
        expected=8,
    )
    assert found.dimensions == {
        "accuracy": 0.8,  # one of five failed
        "integrity": 0.8,  # before one, others are missing
        "completeness": 0.5,
        "availability": 0.5,  # of eight intervals, four have a value that is not refused
        "timeliness": 0.8,
        "inventory": 0.8,
        "usability": 0.6,  # two valid, one recovered
        "uniqueness": 1.0,
        "unusual": 0.8,
    }
    assert found.groups == {"correct": 0.8, "sufficient": 0.5, "clean": 0.8, "alive": 0.6}
    assert found.score == 0.5
    assert found.below == [
        "accuracy",
        "integrity",
        "completeness",
        "availability",
        "timeliness",
        "inventory",
        "usability",
    ]


def test_traffic_is_late_after_a_minute() -> None:
    rows = [(1, 0, 60, Quality.VALID, Reason(0)), (2, 1, 61, Quality.VALID, Reason(0))]
    assert score("tl1", rows).dimensions["timeliness"] == 0.5


def test_identities_without_numbers_are_times() -> None:
    rows = [(NO_SEQ, 0, 1, Quality.VALID, Reason(0)), (NO_SEQ, 0, 1, Quality.VALID, Reason(0))]
    assert score("em1", rows).dimensions["uniqueness"] == 0.5


@pytest.mark.clause("1437.II.2.d.iii")
def test_a_dead_meter_does_not_hide_behind_clean_data() -> None:
    silent = score("em1", [], completeness=0.0, expected=96)
    assert silent.score == 0.0
    assert silent.dimensions["accuracy"] is None
    assert silent.below == ["completeness", "availability", "inventory"]


def test_every_dimension_is_in_one_group() -> None:
    members = sorted(name for group in GROUPS.values() for name in group)
    assert members == sorted(score("em1", []).dimensions)
    assert len(members) == 9


@pytest.mark.parametrize(
    ("device", "share"), [("meter-1", 1.0), ("meter-2", 0.8), ("meter-3", 0.6)]
)
def test_facts_known(device: str, share: float, tmp_path: Path) -> None:
    file = tmp_path / "registry.toml"
    file.write_text(REGISTRY)
    assert facts_known(Registry.load(file), device, BEGIN_MS) == share
    assert facts_known(None, device, BEGIN_MS) == 0.6
