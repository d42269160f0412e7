"""Meters that send at their own moments: registers at marks between the readings around them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.energy.bridging import BridgedSheet
from gateway.energy.placing import Span
from gateway.model import Quality, ReadingBatch, Reason
from tests.unit.energy.desk import PROFILES
from tests.unit.energy.rig import HALF_HOUR_MS, MONDAY_MS

EM3, BRIDGE_MS, SLOTS, METERS = PROFILES["em3"], 600_000, 4, 3
SPAN = Span(MONDAY_MS, HALF_HOUR_MS, SLOTS, phases=True)
P, U1 = (EM3.column_index(name) or 0 for name in ("p", "u_l1"))
Row = tuple[int, int, float]  # meter, ms after the first mark, register


def readings(rows: list[Row], quality: Quality = Quality.VALID, record: int = 1) -> ReadingBatch:
    """Return em3 readings; the power is their time in minutes, of a phase's voltage its tenth."""
    device, since_ms, shown = (np.array(column) for column in zip(*rows, strict=True))
    values = np.full((len(rows), len(EM3.columns)), np.nan)
    values[:, 0], values[:, P] = shown, since_ms // 60_000
    values[:, U1] = since_ms // 60_000
    zero, time_ms = np.zeros(len(rows), np.int64), MONDAY_MS + since_ms.astype(np.int64)
    return ReadingBatch(
        "em3", device, zero, zero - 1, time_ms, time_ms + 700, values, zero,
        zero + int(quality), zero, np.arange(len(rows)) + record,
    )  # fmt: skip


def sheet_of(*batches: ReadingBatch) -> BridgedSheet:
    sheet = BridgedSheet(SPAN, BRIDGE_MS)
    for batch in batches:
        sheet.add(EM3, batch)
    return sheet


def expected(rows: list[Row], meter: int, mark: int) -> float:
    """Return the register at a mark, by looking at all readings."""
    own = {since_ms: shown for of, since_ms, shown in rows if of == meter}
    at_ms = mark * HALF_HOUR_MS
    if at_ms in own:
        return own[at_ms]
    before, behind = [t for t in own if t < at_ms], [t for t in own if t > at_ms]
    if not before or not behind or min(behind) - max(before) > BRIDGE_MS:
        return float("nan")
    low, high = own[max(before)], own[min(behind)]
    share = (at_ms - max(before)) / (min(behind) - max(before))
    return low + (high - low) * share if high >= low else float("nan")


_NEAR_MS = st.builds(
    lambda mark, off_ms: mark * HALF_HOUR_MS + off_ms,
    st.integers(0, SLOTS),
    st.sampled_from([0, 1, 2500, 300_000, 599_999, 600_000, 600_001])
    | st.integers(-BRIDGE_MS, BRIDGE_MS),
)


@given(st.data())
def test_marks_are_bridged_from_the_nearest_readings_however_they_come(data: st.DataObject) -> None:
    places = st.tuples(st.integers(0, METERS - 1), _NEAR_MS)
    times = data.draw(st.lists(places, min_size=1, unique=True))
    rows = [(*place, float(data.draw(st.integers(1000, 1009)))) for place in times]
    order, parts = data.draw(st.permutations(rows)), data.draw(st.integers(1, 4))
    batches = [readings(part) for k in range(parts) if (part := order[k::parts])]
    sheet = sheet_of(*batches, *batches[:1])
    window = sheet.window(np.arange(METERS))
    wanted = [[expected(rows, meter, mark) for mark in range(SLOTS + 1)] for meter in range(METERS)]
    assert window.import_wh == pytest.approx(np.array(wanted), nan_ok=True)
    is_there = np.isfinite(wanted)
    assert np.array_equal(window.is_present(), is_there)
    assert not window.reasons.any()
    assert sheet.seen(SLOTS + 1).tolist() == np.flatnonzero(is_there.any(axis=1)).tolist()
    some = sheet.window(np.array([2, 0]), 1, 2)
    assert some.import_wh == pytest.approx(np.array(wanted)[[2, 0], 1:4], nan_ok=True)


def test_no_watt_hour_is_won_or_lost_between_marks() -> None:
    """Every ten seconds, 3.7 s beside the grid; 500 W and then none."""
    times = np.arange(-6_300, 2 * HALF_HOUR_MS + 10_000, 10_000)
    shown = np.minimum(times + 6_300, 1_203_000) / 3_600_000 * 500
    rows = [(0, int(at), float(wh)) for at, wh in zip(times, shown, strict=True)]
    registers = sheet_of(readings(rows)).window(np.array([0])).import_wh[0]
    assert registers[:3] == pytest.approx([0.875, 167.08, 167.08], abs=0.01)
    assert np.isnan(registers[3:]).all()


def test_gauges_are_those_of_the_nearer_reading_and_the_grade_is_that_of_the_worse() -> None:
    good = readings([(0, HALF_HOUR_MS - 120_000, 5.0)])
    late = readings([(0, HALF_HOUR_MS + 60_000, 8.0)], Quality.RECOVERED)
    late.reasons[:] = int(Reason.LATE)
    window = sheet_of(good, late).window(np.array([0]))
    assert window.import_wh[0, 1] == pytest.approx(7)
    assert window.power_w[0, 1] == 31
    assert window.phases is not None
    assert window.phases.voltage_v[0, 0, 1] == pytest.approx(3.1)
    assert window.quality[0, 1] == int(Quality.RECOVERED)
    assert window.reasons[0, 1] == int(Reason.LATE)
    assert window.late_ms is not None
    assert np.isnan(window.late_ms[0, 1])  # that of backlog says nothing of a clock


def test_a_reading_of_a_better_grade_goes_before_a_nearer_one_and_of_edits_the_nearer() -> None:
    rows = [(0, -5_000, 1.0), (0, -1_000, 2.0)]
    behind = readings([(0, 1_000, 4.0)])
    for grade in (Quality.VALID, Quality.EDITED):
        for turn in (rows, rows[::-1]):
            parts = [readings([row], grade) for row in turn]
            assert sheet_of(behind, *parts).window(np.array([0])).import_wh[0, 0] == 3
    suspect = readings([rows[1]], Quality.SUSPECT)
    window = sheet_of(behind, suspect, readings([rows[0]])).window(np.array([0]))
    assert window.import_wh[0, 0] == pytest.approx(1 + 3 * 5 / 6)


def test_who_tells_each_value_apart_is_bridged_by_what_tells_a_register() -> None:
    rows = [(0, off_ms, float(off_ms)) for off_ms in (-90_000, -60_000, -30_000, 1_000, 30_000)]
    said = readings(rows)
    said.values[[1, 2, 3], 0] = np.nan  # a power alone
    assert sheet_of(said).window(np.array([0])).import_wh[0, 0] == pytest.approx(0)


def test_a_sheet_without_readings_beside_marks_is_as_large_as_ever() -> None:
    sheet = sheet_of(readings([(0, k * HALF_HOUR_MS, 1.0) for k in range(SLOTS + 1)]))
    assert sheet.cells == 2 * (SLOTS + 1)
    sheet.add(EM3, readings([(0, 5, 1.0)]))
    assert sheet.cells > 2 * (SLOTS + 1)
    never = BridgedSheet(SPAN, 0)
    never.add(EM3, readings([(0, -1, 1.0), (0, 1, 2.0)]))
    assert not never.window(np.array([0])).is_present().any()
    assert never.is_near(MONDAY_MS + np.array([0, 1])).tolist() == [True, False]
