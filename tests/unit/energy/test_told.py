"""Intervals out of files on half hours: sums, shares, flags, parts, and what VEE makes of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.energy import told, vee
from gateway.energy.engine.days.toldsheet import extra_of
from gateway.energy.placing import Span
from gateway.energy.told import Told
from gateway.energy.vee import Method
from gateway.history import ESTIMATED_STATUS, NO_DATA_STATUS, Flag
from gateway.model import Quality, ReadingBatch, Reason
from gateway.profiles import load_profiles
from tests.unit.energy.rig import DAY, HALF_HOUR_MS, MONDAY_MS, POLICY, graded, job_of, marked

PROFILE = load_profiles()["ei1"]
MINUTE_MS, HOUR_S = 60_000, 3600
LONGEST_MS = POLICY.interval_size.longest_ms
SPAN = Span(MONDAY_MS, HALF_HOUR_MS, DAY)


class Line(NamedTuple):
    """An interval: its begin in minutes of the day, and what is told of it."""

    begin_min: int
    length_min: int
    used: int | None  # thousandths of a Wh
    flag: Flag = Flag.ACTUAL
    fed: int | None = None
    device: int = 0
    quality: Quality | None = None


def batch_of(lines: Sequence[Line]) -> ReadingBatch:
    """Return lines as the gateway grades and stores those of a file."""
    nan = float("nan")
    values = np.array(
        [
            [
                nan if one.used is None else one.used,
                nan if one.fed is None else one.fed,
                *(nan, nan, one.length_min * 60, int(one.flag)),
            ]
            for one in lines
        ],
        np.float64,
    )
    status = [one.flag.status for one in lines]
    grades = {
        0: Quality.RECOVERED,
        ESTIMATED_STATUS: Quality.SUSPECT,
        NO_DATA_STATUS: Quality.FAILED,
    }
    quality = [one.quality or grades[state] for one, state in zip(lines, status, strict=True)]
    late = int(Reason.LATE)
    reasons = [late | (int(Reason.DEVICE_STATUS) if state else 0) for state in status]
    ends = [MONDAY_MS + (one.begin_min + one.length_min) * MINUTE_MS for one in lines]
    count = len(lines)
    zero, ints = np.zeros(count, np.int64), np.int64
    return ReadingBatch(
        "ei1", np.array([one.device for one in lines], ints), zero, zero - 1,
        np.array(ends, ints), zero + MONDAY_MS, values, np.array(status, ints),
        np.array(quality, ints), np.array(reasons, ints), np.arange(count),
    )  # fmt: skip


def placed(*lines: Line, meters: int = 1) -> Told:
    batch = batch_of(lines)
    return told.on_slots(SPAN, np.arange(meters), PROFILE, batch, LONGEST_MS)


def judged(*lines: Line) -> vee.Intervals:
    found = placed(*lines)
    meters = POLICY.meter.meters(1)._replace(
        resolution_wh=found.resolution_wh, is_prosumer=np.array([True])
    )
    return vee.run(job_of(found.window, meters=meters, extra=extra_of(found)))


def day_of(length_min: int, used: Sequence[int], flag: Flag = Flag.ACTUAL) -> list[Line]:
    return [Line(k * length_min, length_min, value, flag) for k, value in enumerate(used)]


@pytest.mark.parametrize(("length_min", "each"), [(5, 6), (15, 2), (30, 1), (10, 3)])
def test_intervals_within_a_slot_are_added_up(length_min: int, each: int) -> None:
    count = 1440 // length_min
    used = [1000 * (k % 11) + 7 for k in range(count)]
    found = placed(*day_of(length_min, used))
    summed = [sum(used[k * each : (k + 1) * each]) / 1000 for k in range(DAY)]
    assert found.import_wh[0].tolist() == pytest.approx(summed, abs=1e-9)
    assert set(found.method[0].tolist()) == {Method.MEASURED}


def test_an_hour_is_halved_and_the_odd_step_goes_to_the_later_half() -> None:
    """1001 steps of 0.001 Wh: 500 and 501. Halves are named, and their total is the hour's."""
    found = placed(*day_of(60, [1001, 2000]))
    assert found.import_wh[0, :4].tolist() == [0.5, 0.501, 1.0, 1.0]
    assert found.method[0, :5].tolist() == [Method.SPLIT] * 4 + [Method.UNKNOWN]
    slots = judged(*day_of(60, [1_000_000 + 1000 * k for k in range(24)]))
    assert graded(slots, Quality.ESTIMATED_FLAT) == list(range(DAY))
    assert slots.is_final.all()


def test_an_interval_over_an_edge_is_shared_out_by_time() -> None:
    """20 to 40 past: ten of its twenty minutes in either half hour, 33.333 Wh: 16.666, 16.667."""
    found = placed(Line(0, 20, 1000), Line(20, 20, 33_333), Line(40, 20, 2000))
    assert found.import_wh[0, :2].tolist() == pytest.approx([17.666, 18.667], abs=1e-9)
    assert found.method[0, :2].tolist() == [Method.SPLIT] * 2


@given(
    st.sampled_from([5, 6, 10, 15, 20, 30, 45, 60]).flatmap(
        lambda length: st.tuples(
            st.just(length),
            st.lists(st.integers(0, 10**9), min_size=1440 // length, max_size=1440 // length),
        )
    )
)
def test_no_length_of_intervals_loses_or_makes_a_step(drawn: tuple[int, list[int]]) -> None:
    length_min, used = drawn
    found = placed(*day_of(length_min, used))
    steps = np.rint(found.import_wh[0] * 1000).astype(np.int64)
    assert int(steps.sum()) == sum(used)
    assert not np.isnan(found.import_wh).any()


def test_an_hour_over_midnight_is_shared_by_two_days() -> None:
    over = Line(-30, 60, 700)
    assert placed(over).import_wh[0, 0] == 0.35
    before = SPAN._replace(start_ms=MONDAY_MS - DAY * HALF_HOUR_MS)
    found = told.on_slots(before, np.arange(1), PROFILE, batch_of([over]), LONGEST_MS)
    assert found.import_wh[0, -1] == 0.35


@pytest.mark.parametrize(
    ("flag", "method", "quality", "is_final"),
    [
        (Flag.NOTHING, Method.BACKLOG, Quality.RECOVERED, True),
        (Flag.ACTUAL, Method.BACKLOG, Quality.RECOVERED, True),
        (Flag.ESTIMATED, Method.SOURCE_ESTIMATE, Quality.ESTIMATED_LIKE_DAY, False),
        (Flag.FINAL_SUBSTITUTE, Method.SOURCE_FINAL, Quality.EDITED, True),
        (Flag.SUBSTITUTE, Method.SOURCE_SUBSTITUTE, Quality.IMPUTED, True),
        (Flag.QUESTIONABLE, Method.BACKLOG, Quality.SUSPECT, True),
    ],
)
def test_what_the_source_says_becomes_method_grade_and_whether_it_is_final(
    flag: Flag,
    method: Method,
    quality: Quality,
    is_final: bool,  # noqa: FBT001
) -> None:
    found = judged(Line(0, 30, 1000), Line(30, 15, 400, flag), Line(45, 15, 300))
    assert (found.import_wh[0, 1], found.method[0, 1]) == (0.7, method)
    assert (found.quality[0, 1], bool(found.is_final[0, 1])) == (quality, is_final)
    assert found.quality[0, 0] == Quality.RECOVERED


def test_no_data_is_no_value_and_the_day_stays_open_there() -> None:
    lines = day_of(30, [1_000_000 + 1000 * k for k in range(DAY)])
    lines[7] = Line(7 * 30, 30, None, Flag.NO_DATA)
    found = judged(*lines)
    assert np.isnan(found.import_wh[0, 7])
    assert (found.method[0, 7], found.quality[0, 7]) == (Method.UNKNOWN, Quality.MISSING)
    assert marked(found, Reason.GAP) == [7]
    assert found.is_final[0].tolist() == [k != 7 for k in range(DAY)]


def test_nothing_is_made_up_for_a_gap_though_like_days_are_known() -> None:
    lines = day_of(30, [1_000_000] * DAY)[:-2]
    found = placed(*lines)
    energy = np.full((1, 20, DAY), 1000.0, np.float32)
    day = np.arange(20) + MONDAY_MS // (DAY * HALF_HOUR_MS) - 20
    history = vee.History(day, energy, np.ones((1, 20), np.bool_))
    slots = vee.run(job_of(found.window, history=history, extra=extra_of(found)))
    assert np.isnan(slots.import_wh[0, -2:]).all()
    assert np.nansum(slots.import_wh) == 46_000


def test_a_slot_of_which_a_part_is_told_keeps_that_part_and_stays_open() -> None:
    found = judged(*day_of(5, [100, 200, 300, 400, 500]))
    assert found.import_wh[0, 0] == 1.5
    assert (found.method[0, 0], bool(found.is_final[0, 0])) == (Method.PARTLY, False)
    assert found.quality[0, 0] == Quality.SUSPECT
    assert 0 in marked(found, Reason.GAP)


def test_of_two_readings_of_an_interval_the_better_grade_counts_and_the_clash_is_told() -> None:
    better = Line(0, 30, 900)
    for lines in (
        (Line(0, 30, 500, Flag.ESTIMATED), better),
        (better, Line(0, 30, 500, Flag.ESTIMATED)),
    ):
        found = judged(*lines)
        assert (found.import_wh[0, 0], found.quality[0, 0]) == (0.9, Quality.RECOVERED)
        assert marked(found, Reason.CONFLICT) == [0]


def test_no_moment_counts_twice_though_a_file_comes_in_another_grain() -> None:
    """Half an hour, then the same in quarters: the first received stands, or the better grade."""
    quarters = [Line(0, 15, 300), Line(15, 15, 301)]
    assert placed(Line(0, 30, 600), *quarters).import_wh[0, 0] == 0.6
    found = placed(Line(0, 30, 600, Flag.ESTIMATED), *quarters)
    assert found.import_wh[0, 0] == 0.601
    # another device's quarters have nothing to do with it
    other = [one._replace(device=1) for one in quarters]
    assert placed(Line(0, 30, 600), *other, meters=2).import_wh[:, 0].tolist() == [0.6, 0.601]


def test_a_stream_of_what_is_fed_in_uses_nothing_and_its_idle_nights_are_no_fault() -> None:
    lines = [Line(k * 30, 30, None, fed=1000 * (k % 5)) for k in range(DAY)]
    found = placed(*lines)
    assert found.import_wh[0].tolist() == [0.0] * DAY
    assert found.export_wh[0].sum() == sum(k % 5 for k in range(DAY))
    carry = vee.Carry.nothing(1)._replace(zero_run=np.array([400]))
    slots = vee.run(job_of(found.window, carry=carry, extra=extra_of(found)))
    assert not marked(slots, Reason.ZERO)
    assert slots.is_final.all()
    # who draws power and has used none for so long is looked at, as with registers
    idle = placed(*[Line(k * 30, 30, 0) for k in range(DAY)])
    slots = vee.run(job_of(idle.window, carry=carry, extra=extra_of(idle)))
    assert len(marked(slots, Reason.ZERO)) == DAY


def test_the_last_digit_is_that_of_the_file() -> None:
    """In steps of 10 Wh a fridge shows 20 Wh for hours; in steps of 1 Wh 1,111 Wh are a fault."""
    coarse = judged(*day_of(30, [20_000] * 20 + [30_000] * 28))
    assert not marked(coarse, Reason.FLAT_LINE)
    assert placed(*day_of(30, [20_000] * 20 + [30_000])).resolution_wh.tolist() == [10.0]
    fine = judged(*day_of(30, [1_111_000] * DAY))
    assert marked(fine, Reason.FLAT_LINE) == list(range(5, DAY))


def test_reactive_energy_alone_and_days_in_one_piece_make_no_slot() -> None:
    reactive = batch_of([Line(0, 30, None)])
    reactive.values[:, 2] = 1000
    assert not told.tells(PROFILE, reactive).any()
    found = placed(Line(0, 1440, 24_000_000))
    assert np.isnan(found.import_wh).all()
