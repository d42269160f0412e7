"""Hand-computed vectors for every step of the ladder, and what a recomputation must give."""

import numpy as np
import pytest

from gateway.energy import vee
from gateway.energy.vee.grading import espi_quality
from gateway.energy.vee.lineage import changes
from gateway.energy.vee.types import Method
from gateway.model import FloatArray, Quality, Reason
from tests.unit.energy.rig import (
    DAY,
    HALF_HOUR_MS,
    MONDAY_MS,
    NAN,
    POLICY,
    graded,
    job_of,
    past_days,
    registers_of,
    varied,
    window_of,
)

SHAPE = varied(DAY)


def with_holes(uses: FloatArray, first: int, stop: int) -> list[float]:
    """Return registers of which the marks from ``first`` to before ``stop`` are missing."""
    shown = registers_of(uses)
    shown[first:stop] = [NAN] * (stop - first)
    return shown


def methods(found: vee.Intervals, row: int = 0) -> list[int]:
    of_row: list[int] = found.method[row].tolist()
    return of_row


def test_step_1_backlog_is_measured_data_that_came_late() -> None:
    window = window_of([registers_of([100.0, 110, 120])])
    window.quality[0, 2] = int(Quality.RECOVERED)
    window.reasons[0, 2] = int(Reason.LATE)
    found = vee.run(job_of(window))
    assert methods(found) == [Method.MEASURED, Method.BACKLOG, Method.MEASURED]
    assert graded(found, Quality.RECOVERED) == [1]
    assert found.is_final.all()


def test_step_2_up_to_two_hours_the_register_is_spread_evenly() -> None:
    # 1000 → 1500 over four slots: 125 each
    found = vee.run(job_of(window_of([[1000, NAN, NAN, NAN, 1500, 1600]])))
    assert found.import_wh[0].tolist() == [125, 125, 125, 125, 100]
    assert methods(found) == [Method.FLAT_SCALED] * 4 + [Method.MEASURED]
    assert graded(found, Quality.ESTIMATED_FLAT) == [0, 1, 2, 3]
    assert found.is_final.all()
    assert espi_quality(found.quality)[0].tolist() == [9, 9, 9, 9, 17]


def test_step_3_beyond_two_hours_in_the_shape_of_like_days() -> None:
    # Like days use 1, 2, 3, 4, 5 x 100 Wh in the first five slots; the register says 3000.
    like = SHAPE.copy()
    like[:5] = [100, 200, 300, 400, 500]
    shown = [1000, NAN, NAN, NAN, NAN, 4000.0]
    found = vee.run(job_of(window_of([shown]), history=past_days(MONDAY_MS, 7, like[None])))
    assert found.import_wh[0] == pytest.approx([200, 400, 600, 800, 1000], abs=1e-9)
    assert methods(found) == [Method.LIKE_DAY_SCALED] * 5
    assert graded(found, Quality.ESTIMATED_LIKE_DAY) == [0, 1, 2, 3, 4]
    assert found.is_final.all()
    assert espi_quality(found.quality)[0].tolist() == [8] * 5


def test_step_3_takes_the_nearest_good_days_of_the_type() -> None:
    # Before Monday 9 March: Fri 6, Thu 5, Wed 4 are the nearest workdays; Thursday was not good.
    days = np.repeat(SHAPE[None, None], 7, axis=1)  # Mon 2 … Sun 8
    for place, level in ((0, 1.0), (1, 2.0), (2, 3.0), (3, 99.0), (4, 4.0), (5, 99.0), (6, 99.0)):
        days[0, place, 0] = level * 100
        days[0, place, 1:6] = 100
    history = past_days(MONDAY_MS, 7, days)
    history.is_good[0, 3] = False
    shown = [[1000, NAN, NAN, NAN, NAN, NAN, NAN]]
    ladder = POLICY.ladder.model_copy(update={"like_days": 3})
    policy = POLICY.model_copy(update={"ladder": ladder})
    found = vee.run(job_of(window_of(shown), history=history, policy=policy))
    assert found.import_wh[0].tolist() == [300, 100, 100, 100, 100, 100]  # Fri 4, Wed 3, Tue 2


def test_step_3_leans_on_the_shape_of_other_days_not_on_their_level() -> None:
    # Five workdays of 200 Wh in every slot, and a Saturday and a Sunday that use 3 : 1 in the two
    # halves of the day, but ten times as much. Weights 5 and 0.3 x 2 at the level of a workday:
    # 5 x 200 + 0.6 x 300 = 1180 in the morning.
    days = np.full((1, 7, DAY), 200.0)
    days[0, 5:, : DAY // 2], days[0, 5:, DAY // 2 :] = 3000.0, 1000.0
    shown = registers_of([200.0] * 17 + [212.0] * 14)
    shown[18:31] = [NAN] * 13  # slots 17 to 30: seven hours, half in the morning
    found = vee.run(job_of(window_of([shown]), history=past_days(MONDAY_MS, 7, days)))
    afternoon = 5 * 200 + 0.6 * 100
    total = 7 * 1180 + 7 * afternoon
    assert found.import_wh[0, 17:24] == pytest.approx([14 * 212 * 1180 / total] * 7)
    assert found.import_wh[0, 24:] == pytest.approx([14 * 212 * afternoon / total] * 7)
    open_gap = [1000.0] + [NAN] * 8
    found = vee.run(job_of(window_of([open_gap]), history=past_days(MONDAY_MS, 7, days)))
    assert found.import_wh[0].tolist() == [200.0] * 8


def test_step_3_a_short_gap_is_divided_as_days_with_such_a_total_divided_it() -> None:
    # Who cooks in one of two half hours does not cook in both. On four of seven days 900 and
    # 100 Wh were used, on two days nothing much, on one the other way round: a gap of 1000 Wh is
    # 900 and 100 (the median of alike days), not 500 and 500, and one of 60 Wh is 30 and 30.
    days = np.full((1, 7, DAY), 200.0)
    for day, pair in enumerate([(900, 100), (30, 30), (900, 100), (100, 900)] + [(900, 100)] * 2):
        days[0, day, :2] = pair
    days[0, 6, :2] = 30
    # half an hour earlier and later, nothing is like the gap
    days[0, :, 2], days[0, :, DAY - 1] = 5000.0, 5000.0
    for total, first in ((1000.0, 900.0), (60.0, 30.0)):
        shown = [1000, NAN, 1000 + total]
        found = vee.run(job_of(window_of([shown]), history=past_days(MONDAY_MS, 7, days)))
        assert found.import_wh[0] == pytest.approx([first, total - first], abs=0.5)
        assert methods(found) == [Method.LIKE_DAY_SCALED] * 2
        assert graded(found, Quality.ESTIMATED_LIKE_DAY) == [0, 1]
    six_days = past_days(MONDAY_MS, 7, days)
    six_days.is_good[0, 0] = False  # habits are known from seven days on
    found = vee.run(job_of(window_of([[1000, NAN, 2000]]), history=six_days))
    assert found.import_wh[0].tolist() == [500, 500]
    assert methods(found) == [Method.FLAT_SCALED] * 2


def test_step_3_without_like_days_is_spread_evenly() -> None:
    found = vee.run(job_of(window_of([[1000, NAN, NAN, NAN, NAN, 2000]])))
    assert found.import_wh[0].tolist() == [200] * 5
    assert methods(found) == [Method.FLAT_SCALED] * 5


def test_step_4_a_check_meter_where_no_register_closes_the_gap() -> None:
    check = np.array([[101.0, 102.0, 103.0, NAN]])
    window = window_of([[1000, 1100, NAN, NAN, NAN]])
    history = past_days(MONDAY_MS, 7, SHAPE[None])
    found = vee.run(job_of(window, history=history, extra=vee.Extra(check_wh=check)))
    assert found.import_wh[0].tolist() == [100, 102, 103, SHAPE[3]]
    assert methods(found) == [
        Method.MEASURED,
        Method.CHECK_METER,
        Method.CHECK_METER,
        Method.LIKE_DAY,
    ]
    assert graded(found, Quality.IMPUTED) == [1, 2]
    assert found.is_final[0].tolist() == [True, False, False, False]
    assert espi_quality(found.quality)[0].tolist() == [17, 11, 11, 8]


def test_step_5_like_days_as_they_are_until_the_register_comes() -> None:
    history = past_days(MONDAY_MS, 7, SHAPE[None])
    window = window_of([[1000, 1100, NAN, NAN, NAN]])
    found = vee.run(job_of(window, history=history))
    assert found.import_wh[0].tolist() == [100, *SHAPE[1:4]]
    assert methods(found) == [Method.MEASURED, *[Method.LIKE_DAY] * 3]
    assert found.is_final[0].tolist() == [True, False, False, False]


def test_step_5_becomes_final_when_the_register_arrives() -> None:
    history = past_days(MONDAY_MS, 7, SHAPE[None])
    uses = SHAPE[:20] * 1.5
    early = vee.run(job_of(window_of([with_holes(uses, 3, 21)]), history=history))
    late = vee.run(job_of(window_of([with_holes(uses, 3, 20)]), history=history))
    assert not early.is_final[0, 2:].any()
    assert late.is_final.all()
    assert late.import_wh[0].sum() == pytest.approx(uses.sum(), abs=1e-6)
    # the shape of the like days, one and a half times as high
    assert late.import_wh[0, 2:] == pytest.approx(uses[2:], abs=1e-6)


def test_step_6_a_persons_word_stands_and_the_rest_of_the_gap_gives_way() -> None:
    window = window_of([[1000, NAN, NAN, NAN, 1500]])
    edit = vee.Edit(0, MONDAY_MS + HALF_HOUR_MS, 200.0, "mai", 5, "read from the display")
    found = vee.run(job_of(window, extra=vee.Extra(edits=(edit,))))
    assert found.import_wh[0].tolist() == [100, 200, 100, 100]
    assert methods(found)[1] == Method.EDITED
    assert graded(found, Quality.EDITED) == [1]
    assert espi_quality(found.quality)[0, 1] == 7


def test_step_6_the_newest_edit_holds_and_an_edit_beats_a_measurement() -> None:
    window = window_of([registers_of([100.0, 110, 120])])
    at = MONDAY_MS + HALF_HOUR_MS
    edits = (vee.Edit(0, at, 99.0, "mai", 20, "x"), vee.Edit(0, at, 50.0, "lan", 10, "y"))
    found = vee.run(job_of(window, extra=vee.Extra(edits=edits)))
    assert found.import_wh[0].tolist() == [100, 99, 120]
    assert not (found.reasons[0] & int(Reason.SUM_CHECK)).any()


def test_step_6_a_suspect_value_may_be_verified_as_it_is() -> None:
    uses = SHAPE.copy()
    uses[20] = 3000
    edit = vee.Edit(0, MONDAY_MS + 20 * HALF_HOUR_MS, None, "mai", 5, "welding that day")
    suspect = vee.run(job_of(window_of([registers_of(uses)])))
    verified = vee.run(job_of(window_of([registers_of(uses)]), extra=vee.Extra(edits=(edit,))))
    assert graded(suspect, Quality.SUSPECT) == [20]
    assert not suspect.is_good_day[0, 0]
    assert graded(verified, Quality.VERIFIED) == [20]
    assert verified.import_wh[0, 20] == 3000
    assert verified.is_good_day[0, 0]


def test_an_outage_takes_nothing_of_the_gap() -> None:
    dark = np.array([[False, True, True, False, False]])
    window = window_of([[1000, NAN, NAN, NAN, 1300, 1400]])
    found = vee.run(job_of(window, extra=vee.Extra(is_outage=dark)))
    assert found.import_wh[0].tolist() == [150, 0, 0, 150, 100]
    dark[:] = True  # "everything dark" while the register counted cannot be
    found = vee.run(job_of(window, extra=vee.Extra(is_outage=dark)))
    assert found.import_wh[0].tolist() == [75, 75, 75, 75, 100]


def test_what_the_load_profile_knows_of_a_gap_is_kept() -> None:
    profile = np.array([[NAN, 130.0, NAN, NAN]])
    window = window_of([[1000, NAN, NAN, NAN, 1400]])
    found = vee.run(job_of(window, extra=vee.Extra(interval_wh=profile)))
    assert found.import_wh[0].tolist() == [90, 130, 90, 90]
    assert methods(found)[1] == Method.MEASURED


def test_without_anything_to_go_by_nothing_is_made_up() -> None:
    found = vee.run(job_of(window_of([[1000, 1100, NAN]])))
    assert np.isnan(found.import_wh[0, 1])
    assert methods(found) == [Method.MEASURED, Method.UNKNOWN]
    assert graded(found, Quality.MISSING) == [1]
    assert not found.is_final[0, 1]


@pytest.mark.clause("749.VIII.6-2b")
def test_lineage_tells_old_and_new_value_rule_who_and_when() -> None:
    history = past_days(MONDAY_MS, 7, SHAPE[None])
    uses = SHAPE[:8] * 2
    early = vee.run(job_of(window_of([with_holes(uses, 2, 9)]), history=history))
    late = vee.run(job_of(window_of([with_holes(uses, 2, 8)]), history=history))
    first = changes(None, early, (), 1000)
    assert [(one.slot_ms, one.old_wh, one.new_wh, one.rule) for one in first] == [
        (MONDAY_MS + k * HALF_HOUR_MS, None, SHAPE[k], "like_day") for k in range(1, 8)
    ]
    second = changes(early, late, (), 2000)
    assert {(one.rule, one.who, one.when_ms, one.old_rule) for one in second} == {
        ("like_day_scaled", "vee", 2000, "like_day")
    }
    assert [one.old_wh for one in second] == SHAPE[1:8].tolist()
    assert sum(one.new_wh or 0 for one in second) == pytest.approx(uses[1:8].sum())
    assert changes(late, late, (), 3000) == []
    shorter = vee.run(job_of(window_of([with_holes(uses, 2, 8)[:6]]), history=history))
    assert {one.slot_ms for one in changes(shorter, late, (), 3000)} == {
        MONDAY_MS + k * HALF_HOUR_MS for k in range(1, 8)
    }
    edit = vee.Edit(0, MONDAY_MS + 3 * HALF_HOUR_MS, 1.0, "mai", 9, "display")
    edited = vee.run(
        job_of(window_of([with_holes(uses, 2, 8)]), history=history, extra=vee.Extra(edits=(edit,)))
    )
    by_hand = [one for one in changes(late, edited, (edit,), 4000) if one.who != "vee"]
    assert [(one.who, one.when_ms, one.why, one.new_wh, one.rule) for one in by_hand] == [
        ("mai", 9, "display", 1.0, "edited")
    ]
    seen = vee.Edit(0, MONDAY_MS + 3 * HALF_HOUR_MS, None, "mai", 9, "seen")
    verified = vee.run(
        job_of(window_of([with_holes(uses, 2, 8)]), history=history, extra=vee.Extra(edits=(seen,)))
    )
    assert [(one.who, one.why) for one in changes(late, verified, (seen,), 4000)] == [
        ("mai", "seen")
    ]
    whole = vee.run(job_of(window_of([registers_of(uses)]), history=history))
    assert {one.rule for one in changes(late, whole, (), 5000)} == {"measured"}


def _run_days(
    shown: list[list[float]], history: vee.History, spans: list[tuple[int, int]]
) -> tuple[FloatArray, vee.Carry, vee.History]:
    """Run consecutive windows of whole days, state carried from one to the next."""
    carry = vee.Carry.nothing(len(shown))
    parts = []
    for first, stop in spans:
        part = [row[first * DAY : stop * DAY + 1] for row in shown]
        window = window_of(part, MONDAY_MS + first * DAY * HALF_HOUR_MS)
        job = job_of(window, history=history, carry=carry)
        found = vee.run(job)
        carry, history = found.carry, vee.remember(job, found)
        parts.append(np.stack([found.import_wh, found.quality, found.reasons]))
    return np.concatenate(parts, axis=2), carry, history


def test_day_by_day_gives_the_same_as_one_window() -> None:
    rng = np.random.default_rng(5)
    uses = np.rint(rng.gamma(3.0, 80.0, (6, 5 * DAY)))
    uses[1, 60:130] = 0
    uses[2, 90:100] = 333
    uses[3, 100] = 4000
    uses[4, 3 * DAY : 4 * DAY] *= 6
    shown = [registers_of(row) for row in uses]
    shown[5][70:75] = [NAN] * 5
    history = past_days(MONDAY_MS, 14, np.rint(rng.gamma(3.0, 80.0, (6, 14, DAY))))
    whole, carry, past = _run_days(shown, history, [(0, 5)])
    split, split_carry, split_past = _run_days(shown, history, [(k, k + 1) for k in range(5)])
    assert np.array_equal(whole, split, equal_nan=True)
    for name in vee.Carry._fields:
        one, other = getattr(carry, name), getattr(split_carry, name)
        assert np.array_equal(one, other, equal_nan=True), name
    for name in vee.History._fields:
        assert np.array_equal(getattr(past, name), getattr(split_past, name)), name
    reasons = whole[2].astype(np.int64)
    for reason in (Reason.ZERO, Reason.FLAT_LINE, Reason.SPIKE, Reason.HIGH_LOW, Reason.GAP):
        assert (reasons & int(reason)).any()


def test_an_older_window_is_run_again_with_the_history_of_then() -> None:
    rng = np.random.default_rng(6)
    shown = [registers_of(np.rint(rng.gamma(3.0, 80.0, 3 * DAY)))]
    shown[0][5:20] = [NAN] * 15
    history = past_days(MONDAY_MS, 14, np.rint(rng.gamma(3.0, 80.0, (1, 14, DAY))))
    _, _, newest = _run_days(shown, history, [(0, 1), (1, 2), (2, 3)])
    first = window_of([shown[0][: DAY + 1]])
    then, now = (vee.run(job_of(first, history=past)) for past in (history, newest))
    assert np.array_equal(then.import_wh, now.import_wh)


def test_reach_back_names_gaps_that_began_before_the_window() -> None:
    before = window_of([[1000, 1100, NAN], [1000, 1100, 1200], [1000, 1100, NAN]])
    first = vee.run(job_of(before))
    assert first.carry.known_ms.tolist() == [MONDAY_MS + k * HALF_HOUR_MS for k in (1, 2, 1)]
    later_ms = MONDAY_MS + 2 * HALF_HOUR_MS
    later = window_of([[NAN, 1350, 1400], [1200, 1300, 1400], [NAN, NAN, NAN]], later_ms)
    found = vee.run(job_of(later, carry=first.carry))
    rows, since = vee.reach_back(found, first.carry)
    assert rows.tolist() == [0]
    assert since.tolist() == [MONDAY_MS + HALF_HOUR_MS]
    again = window_of([[1000, 1100, NAN, 1350, 1400]])
    assert vee.run(job_of(again)).import_wh[0].tolist() == [100, 125, 125, 50]


def test_history_is_bounded() -> None:
    depth = POLICY.ladder.depth_days + POLICY.ladder.late_days
    history = past_days(MONDAY_MS, depth, SHAPE[None])
    job = job_of(window_of([registers_of(SHAPE)]), history=history)
    grown = vee.remember(job, vee.run(job))
    assert len(grown.day) == depth
    assert grown.energy_wh.shape == (1, depth, DAY)
    assert grown.day[-1] == history.day[-1] + 1
    assert grown.energy_wh[0, -1].tolist() == SHAPE.tolist()
    assert grown.is_good[0, -1]
