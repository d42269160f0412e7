"""What customers are told, hand-computed."""

import numpy as np
import pytest

from gateway.energy.billing import month
from gateway.energy.insight import (
    InsightPolicy,
    base_load_w,
    budget,
    same_weekday,
    slots_ms,
    standby,
    usage,
)
from gateway.energy.tariff import Prices, Tariff, rate_shares
from gateway.energy.vee import History
from gateway.errors import ConfigError
from gateway.model import FloatArray
from gateway.policies import load_policies
from tests.unit.energy.rig import CALENDAR, DAY, HALF_HOUR_MS, MONDAY_MS, ms, past_days

POLICY = load_policies("insight", InsightPolicy).at("insight", MONDAY_MS)
PRICES = load_policies("prices", Prices).at("vn-evn-business-lv", MONDAY_MS)
TARIFFS = load_policies("tariff", Tariff)


def days_of(levels: list[float]) -> FloatArray:
    """Return one meter whose days each use that much in every half hour."""
    return np.repeat(np.array(levels)[None, :, None], DAY, axis=2)


def before(moment: str, levels: list[float]) -> History:
    return past_days(ms(moment), len(levels), days_of(levels))


def test_base_load_is_what_runs_when_nobody_does_anything() -> None:
    uses = np.full((1, 1, DAY), 400.0)
    uses[0, 0, 2:8] = [25, 30, 35, 40, 45, 50]  # the tenth part of 48 half hours: the fifth lowest
    history = past_days(MONDAY_MS, 1, uses)
    assert base_load_w(history, POLICY).tolist() == [[90.0]]
    history.is_good[0, 0] = False
    assert np.isnan(base_load_w(history, POLICY)[0, 0])


@pytest.mark.parametrize(
    ("recent", "is_risen"),
    [
        ([80.0, 80, 80], True),  # 160 W instead of 100
        ([80.0, 50, 80], False),  # one day as before: a guest
        ([64.0, 64, 64], False),  # 128 W: neither 30 % …
        ([64.9, 64.9, 64.9], False),
        ([65.5, 65.5, 65.5], True),  # … nor 30 W; 131 W is both
    ],
)
def test_standby_that_stays_higher(recent: list[float], *, is_risen: bool) -> None:
    found = standby(before("2026-03-09T00:00", [50.0] * 21 + recent), POLICY)
    assert found.before_w.tolist() == [100.0]
    assert found.is_risen.tolist() == [is_risen]


def test_standby_of_a_small_base_must_rise_by_watts() -> None:
    found = standby(before("2026-03-09T00:00", [10.0] * 21 + [20.0] * 3), POLICY)
    assert found.is_risen.tolist() == [False]  # doubled, but only by 20 W


def test_standby_says_nothing_without_a_past() -> None:
    found = standby(before("2026-03-09T00:00", [50.0] * 5 + [90.0] * 3), POLICY)
    assert not found.is_risen[0]
    assert np.isnan(found.before_w[0])


def test_usage_by_rate_and_what_a_shift_would_save() -> None:
    history = before("2026-03-16T00:00", [100.0] * 7)  # Mon 9 to Sun 15 March
    shares = rate_shares(
        TARIFFS, "vn-evn-3price", CALENDAR, slots_ms(history, CALENDAR), HALF_HOUR_MS
    )
    found = usage(history, shares, PRICES, POLICY)
    # half hours: 6 x 26 + 36 normal, 6 x 10 peak, 7 x 12 off-peak
    assert found.by_rate_wh.tolist() == [[19_200, 6_000, 8_400]]
    assert found.share[0] == pytest.approx([192 / 336, 60 / 336, 84 / 336])
    assert found.shift_wh.tolist() == [1_200.0]
    assert found.saving[0] == pytest.approx(1.2 * (4587 - 1622))


def test_a_rate_without_a_price_is_named() -> None:
    history = before("2026-03-16T00:00", [100.0])
    shares = rate_shares(
        TARIFFS, "vn-evn-3price", CALENDAR, slots_ms(history, CALENDAR), HALF_HOUR_MS
    )
    lacking = PRICES.model_copy(update={"per_kwh": {"normal": 1.0, "peak": 2.0}})
    with pytest.raises(ConfigError, match="no price for 'offpeak'"):
        usage(history, shares, lacking, POLICY)


def test_the_last_day_against_the_same_weekday() -> None:
    levels = [10.0] * 29
    levels[0], levels[7], levels[14], levels[21], levels[28] = 100, 200, 300, 400, 500
    history = before("2026-03-09T00:00", levels)
    found = same_weekday(history, POLICY)
    assert (found.used_wh[0], found.usual_wh[0], found.ratio[0]) == (24_000, 12_000, 2.0)
    history.is_good[0, [0, 7]] = False
    assert same_weekday(history, POLICY).usual_wh[0] == 350 * 48


def test_budget_knows_that_sundays_differ() -> None:
    # March 2026 begins on a Sunday. Up to Sunday 15: workdays 100, Saturdays 200, Sundays 300.
    first, stop = month(2026, 3)
    history = before("2026-03-16T00:00", [100.0, 100, 100, 100, 100, 200, 300] * 4)
    history.is_good[0, CALENDAR.is_holiday(history.day)] = False  # Tết lies in these weeks
    used = 48 * (300 + 2 * (5 * 100 + 200 + 300))
    to_come = 48 * (12 * 100 + 2 * 200 + 2 * 300)  # 16 to 31 March
    found = budget(history, (first, stop), np.array([np.inf]), CALENDAR, POLICY)
    assert (found.used_wh[0], found.expected_wh[0]) == (used, used + to_come)
    assert not found.will_be_over[0]
    # after Monday 16 and Tuesday 17 it is spent on Wednesday 18
    limit = np.array([used + 2.5 * 4800])
    found = budget(history, (first, stop), limit, CALENDAR, POLICY)
    assert (found.is_over[0], found.will_be_over[0]) == (False, True)
    assert found.over_day[0] == first + 17
    found = budget(history, (first, stop), np.array([used - 1.0]), CALENDAR, POLICY)
    assert (found.is_over[0], found.will_be_over[0], found.over_day[0]) == (True, False, -1)


def test_budget_of_a_cycle_that_is_over() -> None:
    first, stop = month(2026, 2)
    history = before("2026-03-09T00:00", [100.0] * 35)
    found = budget(history, (first, stop), np.array([1e9]), CALENDAR, POLICY)
    assert found.used_wh[0] == found.expected_wh[0] == 48 * 100 * 27  # 2 February is the oldest day
