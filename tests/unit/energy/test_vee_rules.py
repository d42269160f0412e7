"""Hand-computed vectors for the rules V01 to V20."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gateway.energy import vee
from gateway.energy.placing import LeftOut, Span, place
from gateway.energy.series import Phases
from gateway.model import Quality, ReadingBatch, Reason
from gateway.profiles import load_profiles
from gateway.validate import Status
from tests.unit.energy.rig import (
    DAY,
    HALF_HOUR_MS,
    MONDAY_MS,
    NAN,
    POLICY,
    graded,
    job_of,
    marked,
    ms,
    past_days,
    registers_of,
    run_uses,
    varied,
    window_of,
)

EM1 = load_profiles()["em1"]


def _batch(rows: Sequence[tuple[int, int, float, Quality]]) -> ReadingBatch:
    """Return em1 readings of (device, time, register, quality)."""
    count = len(rows)
    values = np.full((count, len(EM1.columns)), np.nan)
    values[:, 0] = [row[2] for row in rows]
    zeros = np.zeros(count, np.int64)
    return ReadingBatch(
        "em1",
        np.array([row[0] for row in rows]),
        zeros.copy(),
        np.arange(count),
        np.array([row[1] for row in rows]),
        zeros.copy(),
        values,
        zeros.copy(),
        np.array([int(row[3]) for row in rows]),
        zeros.copy(),
        np.arange(1, count + 1),
    )


SPAN = Span(MONDAY_MS, HALF_HOUR_MS, 2)
TWO = np.array([7, 3])


def test_v01_clock_off_by_more_than_5_s_is_marked_by_more_than_60_s_held() -> None:
    window = window_of([registers_of([100, 110])] * 4)
    offsets = np.array([5_000.0, -5_001.0, 60_000.0, 60_001.0])
    found = vee.run(job_of(window, extra=vee.Extra(clock_offset_ms=offsets[:, None])))
    assert [marked(found, Reason.TIME_SYNC, row) for row in range(4)] == [
        [],
        [0, 1],
        [0, 1],
        [0, 1],
    ]
    assert [graded(found, Quality.SUSPECT, row) for row in range(4)] == [[], [], [], [0, 1]]
    assert found.import_wh[3].tolist() == [100, 110]  # the register is right all the same


@pytest.mark.parametrize("behind_fails", [False, True])
def test_v01_whether_a_clock_that_seems_to_be_behind_fails_is_a_matter_of_policy(
    *, behind_fails: bool
) -> None:
    time_sync = POLICY.time_sync.model_copy(update={"behind_fails": behind_fails})
    policy = POLICY.model_copy(update={"time_sync": time_sync})
    window = window_of([registers_of([100, 110])] * 2)
    extra = vee.Extra(clock_offset_ms=np.array([[-60_001.0], [-60_000.0]]))
    found = vee.run(job_of(window, extra=extra, policy=policy))
    assert [marked(found, Reason.TIME_SYNC, row) for row in range(2)] == [[0, 1], [0, 1]]
    failed = [0, 1] if behind_fails else []
    assert [graded(found, Quality.SUSPECT, row) for row in range(2)] == [failed, []]


def test_v01_a_day_by_a_clock_that_is_off_by_a_known_time_is_still_like_others() -> None:
    """The gaps of its meter lie in the same hours; of a clock that is not valid nobody knows."""
    window = window_of([registers_of(varied(DAY))] * 2)
    window.status[1, 20] = int(Status.CLOCK_INVALID)
    offsets = np.array([[90_000.0], [0.0]])
    found = vee.run(job_of(window, extra=vee.Extra(clock_offset_ms=offsets)))
    assert len(graded(found, Quality.SUSPECT, 0)) == DAY
    assert found.is_good_day.tolist() == [[True], [False]]


def test_v01_the_devices_own_word_on_its_clock() -> None:
    window = window_of([registers_of([100, 110, 120])])
    window.status[0, 1] = int(Status.CLOCK_ADJUSTED)
    window.status[0, 2] = int(Status.CLOCK_INVALID)
    found = vee.run(job_of(window))
    assert marked(found, Reason.TIME_SYNC) == [0, 1]
    assert graded(found, Quality.SUSPECT) == [1]


def test_v02_the_same_reading_twice_is_counted_and_dropped() -> None:
    placed = place(
        SPAN,
        TWO,
        [
            (
                EM1,
                _batch(
                    [
                        (7, MONDAY_MS, 100, Quality.VALID),
                        (7, MONDAY_MS, 100, Quality.VALID),
                        (7, MONDAY_MS + HALF_HOUR_MS, 140, Quality.VALID),
                        (3, MONDAY_MS, 50, Quality.VALID),
                        (9, MONDAY_MS, 1, Quality.VALID),  # not a meter of the window
                    ]
                ),
            )
        ],
    )
    assert placed.left_out == LeftOut(duplicates=1)
    assert placed.window.import_wh[0].tolist()[:2] == [100, 140]
    assert placed.window.import_wh[1, 0] == 50
    assert placed.window.quality[1].tolist() == [1, 10, 10]


def test_v03_a_time_beside_the_grid_is_refused() -> None:
    rows = [
        (7, MONDAY_MS, 100, Quality.VALID),
        (7, MONDAY_MS + 1, 101, Quality.VALID),
        (7, MONDAY_MS + HALF_HOUR_MS + 1000, 140, Quality.VALID),
        (7, MONDAY_MS - 1000, 99, Quality.VALID),
    ]
    placed = place(SPAN, TWO, [(EM1, _batch(rows))])
    assert placed.left_out.off_grid == 3
    assert placed.window.is_present().sum() == 1
    tolerant = place(SPAN._replace(tolerance_ms=1000.0), TWO, [(EM1, _batch(rows[2:3]))])
    assert tolerant.left_out.off_grid == 0
    assert tolerant.window.import_wh[0, 1] == 140


def test_v03_a_meter_that_sends_more_often_loses_nothing() -> None:
    minutely = EM1.model_copy(update={"interval_s": 60})
    rows = [(7, MONDAY_MS + 60_000 * k, 1000.0 + k, Quality.VALID) for k in range(61)]
    placed = place(SPAN, TWO, [(minutely, _batch(rows))])
    assert placed.left_out.off_grid == 0
    assert placed.window.import_wh[0].tolist() == [1000, 1030, 1060]


def test_v04_missing_slots_are_gaps() -> None:
    found = vee.run(job_of(window_of([[1000, 1100, NAN, NAN, 1400, 1500]])))
    assert marked(found, Reason.GAP) == [1, 2, 3]


def test_v05_of_two_values_the_better_grade_is_shown_and_both_are_told() -> None:
    placed = place(
        SPAN,
        TWO,
        [
            (
                EM1,
                _batch(
                    [
                        (7, MONDAY_MS, 100, Quality.SUSPECT),
                        (7, MONDAY_MS, 103, Quality.VALID),
                    ]
                ),
            )
        ],
    )
    assert placed.window.import_wh[0, 0] == 103
    assert placed.window.reasons[0, 0] == int(Reason.CONFLICT)
    assert placed.left_out == LeftOut(conflicts=1)


def test_v06_a_single_reading_that_runs_backwards_is_left_out_and_the_total_kept() -> None:
    found = vee.run(job_of(window_of([[5000, 5100, 4900, 5300, 5400]])))
    assert marked(found, Reason.REGISTER_BACKWARDS) == [1]
    assert found.import_wh[0].tolist() == [100, 100, 100, 100]
    assert np.isnan(found.register_wh[0, 2])


def test_v06_a_register_that_stays_lower_goes_on_from_there() -> None:
    found = vee.run(job_of(window_of([[5000, 5100, 3000, 3100, 3250]])))
    assert marked(found, Reason.REGISTER_BACKWARDS) == [1]
    assert found.import_wh[0, [0, 2, 3]].tolist() == [100, 100, 150]
    assert np.isnan(found.import_wh[0, 1])  # what was used there nobody knows
    assert graded(found, Quality.MISSING) == [1]


def test_v06_the_last_reading_waits_as_failed() -> None:
    found = vee.run(job_of(window_of([[5000, 5100, 3000]])))
    assert marked(found, Reason.REGISTER_BACKWARDS) == [1]
    assert found.is_final[0].tolist() == [True, False]


def test_v06_rollover_of_nine_digits() -> None:
    found = vee.run(job_of(window_of([[999_999_700, 999_999_900, 100, 350]])))
    assert found.import_wh[0].tolist() == [200, 200, 250]
    assert marked(found, Reason.ROLLOVER) == [1]
    assert graded(found, Quality.VALID) == [0, 1, 2]


def test_v06_no_rollover_from_the_middle_of_the_count() -> None:
    found = vee.run(job_of(window_of([[899_999_900, 899_999_950, 100, 350]])))
    assert marked(found, Reason.ROLLOVER) == []


def test_v06_reset_counts_from_zero() -> None:
    found = vee.run(job_of(window_of([[500_000, 500_100, 40, 140]])))
    assert found.import_wh[0].tolist() == [100, 40, 100]
    assert marked(found, Reason.REGISTER_RESET) == [1]


def test_v06_a_glitch_to_zero_is_no_reset() -> None:
    found = vee.run(job_of(window_of([[500_000, 500_100, 0, 500_300, 500_400]])))
    assert found.import_wh[0].tolist() == [100, 100, 100, 100]
    assert marked(found, Reason.REGISTER_RESET) == []
    assert marked(found, Reason.REGISTER_BACKWARDS) == [1]


def test_v06_exchange_with_its_protocol_is_exact() -> None:
    exchange = vee.Exchange(0, MONDAY_MS + HALF_HOUR_MS + 600_000, 71_060.0, 5.0)
    window = window_of([[70_900, 71_000, 135, 235]])
    found = vee.run(job_of(window, extra=vee.Extra(exchanges=(exchange,))))
    assert found.import_wh[0].tolist() == [100, 60 + 130, 100]
    assert marked(found, Reason.METER_EXCHANGE) == [1]


def test_v06_exchange_is_of_both_registers_of_a_prosumer() -> None:
    """Fed in: 900 to 940 by the old one, 7 to 19 by the new one; without a note, 19."""
    exchange = vee.Exchange(0, MONDAY_MS + HALF_HOUR_MS + 600_000, 71_060.0, 5.0)
    for noted, fed in (((940.0, 7.0), 40 + 12), ((NAN, NAN), 19)):
        told = exchange._replace(old_final_export_wh=noted[0], new_start_export_wh=noted[1])
        window = window_of([[70_900, 71_000, 135, 235]])
        window.export_wh[0] = [880, 900, 19, 25]
        found = vee.run(job_of(window, extra=vee.Extra(exchanges=(told,))))
        assert found.export_wh[0].tolist() == [20, fed, 6]
        assert found.import_wh[0].tolist() == [100, 190, 100]
        assert marked(found, Reason.CAPABILITY) == []


def test_v06_exchange_without_protocol_counts_what_the_new_meter_showed() -> None:
    window = window_of([[70_900, 71_000, 135, 235]])
    window.reasons[0, 2] = int(Reason.METER_EXCHANGE)
    found = vee.run(job_of(window))
    assert found.import_wh[0].tolist() == [100, 135, 100]


def test_v07_more_than_the_connection_can_carry() -> None:
    # 230 V x 80 A x 0.5 h x 1.1 = 10,120 Wh, and two last digits
    assert marked(run_uses([100, 10_122, 100, 100]), Reason.CAPABILITY) == []
    found = run_uses([100, 10_123, 100, 100])
    assert marked(found, Reason.CAPABILITY) == [1]
    # the reading at that mark is left out; over both slots the register may be right
    assert found.import_wh[0].tolist() == [100, 5111.5, 5111.5, 100]
    far = run_uses([100, 50_000, 100, 100])
    assert marked(far, Reason.CAPABILITY) == [1]
    assert not np.isfinite(far.import_wh[0, 1])
    assert far.import_wh[0, [0, 2, 3]].tolist() == [100, 100, 100]


def test_v07_three_phases_carry_three_times_as_much() -> None:
    meters = POLICY.meter.meters(1)._replace(phase_count=np.array([3]))
    window = window_of([registers_of([100, 30_000, 100])])
    assert marked(vee.run(job_of(window, meters=meters)), Reason.CAPABILITY) == []


def test_v07_of_a_load_profile() -> None:
    window = window_of([[1000, NAN, NAN, 1600]])
    extra = vee.Extra(interval_wh=np.array([[200.0, 10_121.0, 250.0]]))
    found = vee.run(job_of(window, extra=extra))
    assert marked(found, Reason.CAPABILITY) == [1]
    assert found.import_wh[0].tolist() == [200, 150, 250]  # the register knows the rest


@pytest.mark.parametrize(("second", "is_held"), [(302.0, False), (303.0, True)])
def test_v08_load_profile_against_register(second: float, *, is_held: bool) -> None:
    # 1000 → 1500: 500 Wh; 0.1 % is half a watt-hour, so two last digits rule
    window = window_of([[1000, 1200, 1500]])
    extra = vee.Extra(interval_wh=np.array([[200.0, second]]))
    found = vee.run(job_of(window, extra=extra))
    assert marked(found, Reason.SUM_CHECK) == ([0, 1] if is_held else [])
    assert graded(found, Quality.SUSPECT) == ([0, 1] if is_held else [])


@pytest.mark.parametrize(("off", "is_held"), [(7.0, False), (9.0, True)])
def test_v08_of_8000_wh_a_thousandth_is_8(off: float, *, is_held: bool) -> None:
    window = window_of([[1000, 5000, 9000]])
    extra = vee.Extra(interval_wh=np.array([[4000.0, 4000.0 + off]]))
    assert bool(marked(vee.run(job_of(window, extra=extra)), Reason.SUM_CHECK)) == is_held


def test_v09_tariff_registers_must_add_up() -> None:
    window = window_of([[1000, 1100, 1210]])
    rates = np.array([[[400, 440, 480]], [[300, 320, 340]], [[300, 337, 394]]], np.float64)
    found = vee.run(job_of(replace(window, rates_wh=rates)))
    # sums 1000, 1097 (3 off: allowed), 1214 (4 off)
    assert marked(found, Reason.TOU_SUM) == [1]
    assert graded(found, Quality.SUSPECT) == [1]


def test_v10_spike_stands_out_from_the_third_highest_of_the_day() -> None:
    uses = varied(DAY)
    third = np.sort(np.delete(uses, 20))[-2]
    uses[20] = np.ceil(third * 2.8) + 1
    assert marked(run_uses(uses), Reason.SPIKE) == [20]
    uses[20] = np.floor(third * 2.8) - 1
    assert marked(run_uses(uses), Reason.SPIKE) == []


def test_v10_a_small_peak_is_no_spike() -> None:
    uses = varied(DAY, 50.0)
    uses[20] = 500
    assert marked(run_uses(uses), Reason.SPIKE) == []  # not above 0.5 kWh
    uses[20] = 501
    assert marked(run_uses(uses), Reason.SPIKE) == [20]


def test_v10_waits_for_the_day_to_end() -> None:
    uses = varied(DAY)
    uses[20] = 3000
    assert marked(run_uses(uses[:-1]), Reason.SPIKE) == []


@pytest.mark.parametrize(
    ("factor", "is_odd"), [(0.29, True), (0.31, False), (2.99, False), (3.01, True)]
)
def test_v11_a_day_against_the_mean_of_four_like_it(factor: float, *, is_odd: bool) -> None:
    usual = varied(DAY, 1000.0)[None]
    window = window_of([registers_of(usual[0] * factor)], MONDAY_MS)
    # Of the 7 days before Monday 9 March five are workdays (2-6 March), enough for four.
    found = vee.run(job_of(window, history=past_days(MONDAY_MS, 7, usual)))
    assert bool(marked(found, Reason.HIGH_LOW)) == is_odd
    # Of the 5 days before, three are workdays: too few to say anything.
    found = vee.run(job_of(window, history=past_days(MONDAY_MS, 5, usual)))
    assert marked(found, Reason.HIGH_LOW) == []


def test_v11_compares_sundays_with_sundays() -> None:
    usual = np.repeat(varied(DAY, 1000.0)[None, None], 28, axis=1)
    is_sunday = np.arange(28) % 7 == 6  # the last day before a Monday is a Sunday
    usual[:, is_sunday] *= 4
    sunday_ms = ms("2026-03-29T00:00")  # no holiday in the four weeks before
    history = past_days(sunday_ms, 28, np.roll(usual, 1, axis=1))
    for factor, is_odd in ((4.0, False), (1.0, True)):
        window = window_of([registers_of(varied(DAY, 1000.0) * factor)], sunday_ms)
        found = vee.run(job_of(window, history=history))
        assert bool(marked(found, Reason.HIGH_LOW)) == is_odd


def test_v12_zero_for_more_than_a_day() -> None:
    found = run_uses([*varied(3), *[0.0] * 50, 200.0])
    # slots 3..52 are zero: 24 h are 48 slots, the 49th (slot 51) is more
    assert marked(found, Reason.ZERO) == [51, 52]
    assert graded(found, Quality.SUSPECT) == [51, 52]


def test_v12_goes_on_over_midnight_and_over_a_gap_without_use() -> None:
    window = window_of([[500, 500, NAN, NAN, 500]])
    carry = vee.Carry.nothing(1)._replace(zero_run=np.array([46]), last_wh=np.array([0.0]))
    found = vee.run(job_of(window, carry=carry))
    assert marked(found, Reason.ZERO) == [2, 3]
    assert found.carry.zero_run.tolist() == [50]


def test_v12_a_known_outage_or_disconnection_excuses() -> None:
    window = window_of([[500.0] * 51])
    dark = np.ones((1, 50), np.bool_)
    assert marked(vee.run(job_of(window)), Reason.ZERO) == [48, 49]
    for extra in (vee.Extra(is_outage=dark), vee.Extra(is_disconnected=dark)):
        assert marked(vee.run(job_of(window, extra=extra)), Reason.ZERO) == []


def test_v13_use_behind_a_disconnected_meter() -> None:
    meters = POLICY.meter.meters(2)._replace(is_connected=np.array([False, True]))
    found = vee.run(job_of(window_of([[1000, 1000, 1001]] * 2), meters=meters))
    assert marked(found, Reason.INACTIVE_USE, 0) == [1]
    assert graded(found, Quality.FAILED, 0) == [1]
    assert marked(found, Reason.INACTIVE_USE, 1) == []
    since = vee.Extra(is_disconnected=np.array([[False, False], [False, True]]))
    found = vee.run(job_of(window_of([[1000, 1000, 1001]] * 2), extra=since))
    assert [marked(found, Reason.INACTIVE_USE, row) for row in (0, 1)] == [[], [1]]


def test_v14_six_times_the_same() -> None:
    found = run_uses([150, *[200.0] * 7, 150])
    assert marked(found, Reason.FLAT_LINE) == [6, 7]  # the sixth and the seventh
    assert marked(run_uses([150, *[200.0] * 5, 150]), Reason.FLAT_LINE) == []


def test_v14_below_the_resolution_nothing_can_vary() -> None:
    assert marked(run_uses([20.0] * 10), Reason.FLAT_LINE) == []
    assert marked(run_uses([21.0] * 10), Reason.FLAT_LINE) == [5, 6, 7, 8, 9]


def test_v14_goes_on_over_midnight() -> None:
    first = vee.run(job_of(window_of([registers_of([150.0, 200, 200, 200])])))
    later = window_of([registers_of([200.0, 200, 200, 150])], MONDAY_MS + 4 * HALF_HOUR_MS)
    found = vee.run(job_of(later, carry=first.carry))
    assert first.carry.flat_run.tolist() == [3]
    assert marked(found, Reason.FLAT_LINE) == [2]


def test_v15_export_of_who_is_no_prosumer() -> None:
    window = window_of([registers_of([100, 110, 120])] * 2)
    window.export_wh[:] = [0, 1, 3, 3]  # one last digit is let pass
    meters = POLICY.meter.meters(2)._replace(is_prosumer=np.array([False, True]))
    found = vee.run(job_of(window, meters=meters))
    assert marked(found, Reason.REVERSE, 0) == [1]
    assert marked(found, Reason.REVERSE, 1) == []
    assert found.export_wh[1].tolist() == [1, 2, 0]


def test_v16_power_without_the_current_for_it() -> None:
    window = window_of([registers_of([100, 110])])
    window.voltage_v[:], window.current_a[:] = 230, 10
    window.power_w[0] = [0, 2300 * 1.02 + 30, 2300 * 1.02 + 31]
    assert marked(vee.run(job_of(window)), Reason.PHASE_CONSISTENCY) == [1]


def test_v16_phases_must_add_up_within_two_percent() -> None:
    window = window_of([registers_of([100, 110, 120])])
    window.power_w[0] = [0, 3000, 3000, 3000]
    power = np.array([1000.0, 1020.0, 979.0, 1021.0])  # sums 3000, 3060, 2937, 3063
    phases = Phases(np.tile(power, (3, 1, 1)), np.full((3, 1, 4), 230.0), np.full((3, 1, 4), 10.0))
    meters = POLICY.meter.meters(1)._replace(phase_count=np.array([3]))
    found = vee.run(job_of(replace(window, phases=phases), meters=meters))
    assert marked(found, Reason.PHASE_CONSISTENCY) == [1, 2]


def test_v17_power_factor_and_reactive_power() -> None:
    window = window_of([registers_of([100, 110, 120])])
    window.power_factor[0] = [NAN, 1.0, -1.001, 0.5]
    window.voltage_v[:], window.current_a[:] = 230, 10
    reactive = np.array([[0.0, 2330.0, 0.0, -2331.0]])  # S = 2300 VA, 30 for the last digits
    found = vee.run(job_of(replace(window, reactive_power_var=reactive)))
    assert marked(found, Reason.POWER_FACTOR) == [1, 2]
    assert graded(found, Quality.FAILED) == [1, 2]


def test_v18_zero_with_power_down_is_a_true_zero() -> None:
    window = window_of([[1000, 1100, 1100, 1100, 1200]])
    window.status[0, 2] = int(Status.POWER_DOWN)
    window.status[0, 4] = int(Status.POWER_DOWN)  # down at the end, but it had used power
    found = vee.run(job_of(window))
    assert marked(found, Reason.OUTAGE_AGREE) == [1]
    assert graded(found, Quality.VALID) == [0, 1, 2, 3]
    assert found.import_wh[0].tolist() == [100, 0, 0, 100]


def test_v18_the_device_is_silent_and_its_register_did_not_move() -> None:
    found = vee.run(job_of(window_of([[1000, NAN, NAN, NAN, 1000]])))
    assert found.import_wh[0].tolist() == [0, 0, 0, 0]
    assert graded(found, Quality.RECOVERED) == [0, 1, 2, 3]
    assert found.is_final.all()


def test_v19_a_voltage_unlike_that_of_the_neighbours() -> None:
    window = window_of([registers_of([100, 110, 120])] * 12)
    window.voltage_v[:] = (228 + np.arange(12) % 3)[:, None]
    window.voltage_v[4, 1:] = [233.6, 233.4, 220.0]  # median 229, at most 3 x 1.5 V away
    window.voltage_v[11, 1:] = 200.0
    meters = POLICY.meter.meters(12)._replace(transformer=np.array([0] * 11 + [1]))
    found = vee.run(job_of(window, meters=meters))
    assert marked(found, Reason.NEIGHBOUR_VOLTAGE, 4) == [0, 2]
    assert [marked(found, Reason.NEIGHBOUR_VOLTAGE, row) for row in (0, 11)] == [[], []]


def test_v19_a_heavy_load_explains_its_voltage() -> None:
    window = window_of([registers_of([100] * 9 + [5000])] + [registers_of(varied(10))] * 6)
    window.voltage_v[:] = 230
    window.voltage_v[0] = 215
    meters = POLICY.meter.meters(7)._replace(transformer=np.zeros(7, np.int64))
    found = vee.run(job_of(window, meters=meters))
    assert marked(found, Reason.NEIGHBOUR_VOLTAGE) == list(range(9))


def test_v20_more_than_three_days_estimated() -> None:
    slots = 4 * DAY
    shown = [NAN] * (slots + 1)
    shown[0] = 1000
    usual = varied(DAY)[None]
    found = vee.run(job_of(window_of([shown]), history=past_days(MONDAY_MS, 7, usual)))
    assert marked(found, Reason.PROLONGED_ESTIMATION) == list(range(3 * DAY, slots))
    assert found.carry.estimated_run.tolist() == [slots]


def test_a_reading_that_was_bad_at_first_sight_is_judged_anew() -> None:
    window = window_of([registers_of([100, 110, 120])])
    window.reasons[0, 2] = int(Reason.REGISTER_BACKWARDS | Reason.LATE | Reason.FLAT_LINE)
    window.quality[0, 2] = int(Quality.FAILED)
    found = vee.run(job_of(window))
    assert found.reasons[0, 1] == int(Reason.LATE)
    assert graded(found, Quality.VALID) == [0, 1, 2]
