"""What a customer can do with the meter's word: base load, rates, habits, standby, budget.

Works on VEE's ``History`` of complete days; only days that passed validation count. Everything is
(meters,) with NaN where there are too few days to say anything.
"""

from typing import NamedTuple

import numpy as np
from pydantic import Field

from gateway.energy.calendar import DAY_MS, Calendar
from gateway.energy.tariff import Prices, RateShares
from gateway.energy.vee.types import History
from gateway.errors import ConfigError
from gateway.model import BoolArray, FloatArray, IntArray
from gateway.policies import Part, Policy

INSIGHT_DOMAIN = "insight"
_HOURS_PER_DAY = 24
_DAYS_PER_WEEK = 7
_WH_PER_KWH = 1000


class Base(Part):
    """Base load."""

    quantile: float = Field(gt=0, lt=1)


class Standby(Part):
    """When base load has risen."""

    recent_days: int = Field(ge=1)
    past_days: int = Field(ge=3)
    rise_share: float = Field(gt=0)
    rise_w: float = Field(gt=0)


class Weekday(Part):
    """Comparison with the same day of the weeks before."""

    weeks: int = Field(ge=1)


class Shift(Part):
    """How much of the peak can be moved."""

    share: float = Field(gt=0, le=1)


class Budget(Part):
    """What the rest of a cycle is expected to be like."""

    past_days: int = Field(ge=7)


class InsightPolicy(Policy):
    """One edition."""

    base: Base
    standby: Standby
    weekday: Weekday
    shift: Shift
    budget: Budget


class Usage(NamedTuple):
    """Where the energy of some days goes."""

    by_rate_wh: FloatArray  # (meters, rates)
    share: FloatArray  # (meters, rates), of the whole
    shift_wh: FloatArray  # what could be moved from the dearest to the cheapest rate
    saving: FloatArray  # what that would save, in the currency of the prices


class StandbyVerdict(NamedTuple):
    """Base load now and before."""

    now_w: FloatArray
    before_w: FloatArray
    is_risen: BoolArray


class SameWeekday(NamedTuple):
    """The last day against the same day of the weeks before."""

    used_wh: FloatArray
    usual_wh: FloatArray
    ratio: FloatArray


class BudgetVerdict(NamedTuple):
    """How a cycle will end."""

    used_wh: FloatArray
    expected_wh: FloatArray  # at the end of the cycle
    is_over: BoolArray  # already
    will_be_over: BoolArray  # at the rate of the last weeks
    over_day: IntArray  # local day on which it happens, -1 if not within the cycle


def base_load_w(history: History, policy: InsightPolicy) -> FloatArray:
    """Return the base load of every day, (meters, days); NaN for days that do not count."""
    slots = history.energy_wh.shape[2]
    place = min(slots - 1, int(policy.base.quantile * slots))
    low = np.partition(history.energy_wh, place, axis=2)[:, :, place]
    power = low.astype(np.float64) * slots / _HOURS_PER_DAY
    return np.where(history.is_good, power, np.nan)


def standby(history: History, policy: InsightPolicy) -> StandbyVerdict:
    """Return whether each of the last days had a base load well above that of the weeks before."""
    rule = policy.standby
    base = base_load_w(history, policy)
    recent = base[:, -rule.recent_days :]
    past = base[:, -rule.recent_days - rule.past_days : -rule.recent_days]
    is_enough = np.isfinite(past).sum(axis=1) * 2 > rule.past_days
    before = np.where(is_enough, _median(past), np.nan)
    is_whole = recent.shape[1] == rule.recent_days
    lowest = recent.min(axis=1) if is_whole else np.full(len(base), np.nan)
    is_risen = lowest > np.maximum(before * (1 + rule.rise_share), before + rule.rise_w)
    return StandbyVerdict(_median(recent), before, is_risen)


def usage(history: History, shares: RateShares, prices: Prices, policy: InsightPolicy) -> Usage:
    """Return the use by rate and what a shift out of the dearest one would save.

    Args:
        history: the days to look at.
        shares: rates of all its slots in order, days x slots of a day.
        prices: of each rate.
        policy: how much can be shifted.

    Raises:
        ConfigError: a rate has no price.
    """
    unknown = [rate for rate in shares.rates if rate not in prices.per_kwh]
    if unknown:
        raise ConfigError(f"policies/prices: {prices.name!r} has no price for {unknown[0]!r}")
    price = np.array([prices.per_kwh[rate] for rate in shares.rates])
    counted = np.where(history.is_good[:, :, None], history.energy_wh, 0.0)
    by_rate = counted.reshape(len(counted), -1) @ shares.share.T
    total = by_rate.sum(axis=1)
    dear, cheap = int(price.argmax()), int(price.argmin())
    moved = policy.shift.share * by_rate[:, dear]
    share = np.divide(
        by_rate, total[:, None], out=np.full_like(by_rate, np.nan), where=total[:, None] > 0
    )
    return Usage(by_rate, share, moved, moved / _WH_PER_KWH * (price[dear] - price[cheap]))


def slots_ms(history: History, calendar: Calendar) -> IntArray:
    """Return the beginnings of all slots of a history, for ``tariff.rate_shares``."""
    slots = history.energy_wh.shape[2]
    starts = history.day * DAY_MS + calendar.start_ms(0)
    grid: IntArray = starts[:, None] + np.arange(slots) * (DAY_MS // slots)
    return grid.ravel()


def same_weekday(history: History, policy: InsightPolicy) -> SameWeekday:
    """Return the last day of the history against the same day of the weeks before."""
    totals = np.where(history.is_good, history.energy_wh.sum(axis=2, dtype=np.float64), np.nan)
    last = int(history.day[-1])
    wanted = last - _DAYS_PER_WEEK * np.arange(1, policy.weekday.weeks + 1)
    usual = _mean(totals[:, np.isin(history.day, wanted)])
    used = history.energy_wh[:, -1].sum(axis=1, dtype=np.float64)
    ratio = np.divide(used, usual, out=np.full_like(usual, np.nan), where=usual > 0)
    return SameWeekday(used, usual, ratio)


def budget(
    history: History,
    cycle: tuple[int, int],
    budget_wh: FloatArray,
    calendar: Calendar,
    policy: InsightPolicy,
) -> BudgetVerdict:
    """Return how a cycle will end if the days to come are like those of the last weeks.

    Args:
        history: days up to yesterday.
        cycle: first local day, and the day behind the last.
        budget_wh: (meters,), inf where there is none.
        calendar: types of days.
        policy: how far back to look.
    """
    totals = np.where(history.is_good, history.energy_wh.sum(axis=2, dtype=np.float64), np.nan)
    shown = history.energy_wh.sum(axis=2, dtype=np.float64)
    used = shown[:, (history.day >= cycle[0]) & (history.day < cycle[1])].sum(axis=1)
    coming = np.arange(max(int(history.day[-1]) + 1, cycle[0]), cycle[1])
    recent = slice(-policy.budget.past_days, None)
    past, past_kind = totals[:, recent], calendar.day_type(history.day[recent])
    overall = _mean(past)
    expected = np.empty((len(totals), len(coming)))
    for kind in np.unique(calendar.day_type(coming)).tolist():
        of_kind = _mean(past[:, past_kind == kind])
        likely = np.where(np.isnan(of_kind), overall, of_kind)
        expected[:, calendar.day_type(coming) == kind] = likely[:, None]
    course = used[:, None] + np.cumsum(expected, axis=1)
    is_beyond = course > budget_wh[:, None]
    is_over = used > budget_wh
    will_be = is_beyond.any(axis=1)
    day = np.full(len(totals), -1, np.int64)
    if len(coming):
        day[will_be] = coming[is_beyond.argmax(axis=1)][will_be]
    end = course[:, -1] if len(coming) else used
    return BudgetVerdict(used, end, is_over, will_be & ~is_over, np.where(is_over, -1, day))


def _mean(values: FloatArray) -> FloatArray:
    count = np.isfinite(values).sum(axis=1)
    total = np.nansum(values, axis=1)
    mean: FloatArray = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return mean


def _median(values: FloatArray) -> FloatArray:
    """Return the median of each row without its NaN."""
    count = np.isfinite(values).sum(axis=1)
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    ordered = np.sort(values, axis=1)  # NaN last
    row = np.arange(len(values))
    lower = ordered[row, np.maximum(count - 1, 0) // 2]
    upper = ordered[row, np.minimum(count // 2, values.shape[1] - 1)]
    return np.where(count > 0, (lower + upper) / 2, np.nan)
