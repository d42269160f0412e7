"""What a customer can do with the meter's word: a line of each day that is over, and two alerts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy import insight
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.pieces import month_of
from gateway.energy.engine.days.remembered import DayMemo, history_of
from gateway.energy.engine.findings.alarmbook import AlarmBook, Finding
from gateway.energy.engine.findings.bodies import encode, number, numbers
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.vee import History
from gateway.model import FloatArray, IntArray
from gateway.ports import Alarm, Result

INSIGHT, STANDBY, BUDGET = "insight", "standby", "budget"
_SEVERITY = 1
_SURE = 0.9


class _Verdicts(NamedTuple):
    base_w: FloatArray
    standby: insight.StandbyVerdict
    usage: insight.Usage | None  # None where the rates have no prices
    weekday: insight.SameWeekday
    budget: insight.BudgetVerdict


class Customers:
    """Looks at days that are over.

    Args:
        roster: names, budgets.
        policies: prices, limits.
        alarms: what was told.
    """

    def __init__(self, roster: Roster, policies: EnergyPolicies, alarms: AlarmBook) -> None:
        self._roster, self._policies, self._alarms = roster, policies, alarms

    def look(
        self, memos: Sequence[DayMemo], newest: int, now_ms: int
    ) -> tuple[list[Result], list[Alarm]]:
        """Return the lines of the last day given, and the alerts if no later one is over.

        Args:
            memos: days of a group up to the one meant.
            newest: the newest local day that is over.
            now_ms: the moment.
        """
        last = memos[-1]
        start_ms = self._policies.calendar.start_ms(last.day)
        rows = self._roster.rows_of(last.device_index)
        chosen = np.flatnonzero(self._roster.is_customer(start_ms)[rows] & (rows >= 0))
        meters = last.device_index[chosen]
        if not len(meters):
            return [], []
        budget_wh = self._roster.places_of(meters, start_ms).budget_wh
        found = self._verdicts(memos, meters, budget_wh)
        prices = self._policies.prices_at(start_ms)
        rates = last.figures.rates
        results = []
        for row, index in enumerate(meters.tolist()):
            place = f"device:{self._roster.name(index)}"
            body = _body(found, row) | _prices(found.usage, row, rates, prices.currency)
            results.append(Result(INSIGHT, place, start_ms, start_ms + DAY_MS, encode(body)))
        alarms = self._alerts(found, meters, start_ms, now_ms) if last.day == newest else []
        return results, alarms

    def _verdicts(
        self, memos: Sequence[DayMemo], meters: IntArray, budget_wh: FloatArray
    ) -> _Verdicts:
        last, calendar = memos[-1], self._policies.calendar
        policy = self._policies.insight_at(calendar.start_ms(last.day))
        history = history_of(memos, meters, last.energy_wh.shape[1])
        recent = _last(history, policy.budget.past_days)
        slots = insight.slots_ms(recent, calendar)
        shares = self._policies.shares(slots, DAY_MS // history.energy_wh.shape[2])
        prices = self._policies.prices_at(calendar.start_ms(last.day))
        has_prices = set(shares.rates) <= prices.per_kwh.keys()
        return _Verdicts(
            insight.base_load_w(_last(history, 1), policy)[:, 0],
            insight.standby(history, policy),
            insight.usage(recent, shares, prices, policy) if has_prices else None,
            insight.same_weekday(history, policy),
            insight.budget(history, month_of(last.day), budget_wh, calendar, policy),
        )

    def _alerts(
        self, found: _Verdicts, meters: IntArray, start_ms: int, now_ms: int
    ) -> list[Alarm]:
        findings = []
        places = [f"device:{self._roster.name(index)}" for index in meters.tolist()]
        for row in np.flatnonzero(found.standby.is_risen).tolist():
            evidence: dict[str, object] = {
                "base_w": number(found.standby.now_w[row]),
                "before_w": number(found.standby.before_w[row]),
            }
            findings.append(_finding(STANDBY, places[row], start_ms, evidence))
        over = found.budget.is_over | found.budget.will_be_over
        for row in np.flatnonzero(over).tolist():
            evidence = {
                "used_wh": number(found.budget.used_wh[row]),
                "expected_wh": number(found.budget.expected_wh[row]),
                "is_over": bool(found.budget.is_over[row]),
            }
            findings.append(_finding(BUDGET, places[row], start_ms, evidence))
        span = (start_ms, start_ms + DAY_MS)
        return self._alarms.update((STANDBY, BUDGET), findings, span, now_ms, only=set(places))


def _finding(kind: str, place: str, start_ms: int, evidence: dict[str, object]) -> Finding:
    return Finding(kind, place, start_ms, 0, _SEVERITY, _SURE, evidence)


def _last(history: History, days: int) -> History:
    return History(history.day[-days:], history.energy_wh[:, -days:], history.is_good[:, -days:])


def _prices(
    usage: insight.Usage | None, row: int, rates: Sequence[str], currency: str
) -> dict[str, object]:
    if usage is None:
        return {}
    return {
        "share_by_rate": dict(zip(rates, numbers(usage.share[row]), strict=True)),
        "shift_wh": number(usage.shift_wh[row]),
        "shift_saves": number(usage.saving[row]),
        "currency": currency,
    }


def _body(found: _Verdicts, row: int) -> dict[str, object]:
    budget = found.budget
    return {
        "base_load_w": number(found.base_w[row]),
        "used_wh": number(found.weekday.used_wh[row]),
        "same_weekday_wh": number(found.weekday.usual_wh[row]),
        "same_weekday_ratio": number(found.weekday.ratio[row]),
        "standby_w": number(found.standby.now_w[row]),
        "standby_before_w": number(found.standby.before_w[row]),
        "is_standby_risen": bool(found.standby.is_risen[row]),
        "month_used_wh": number(budget.used_wh[row]),
        "month_expected_wh": number(budget.expected_wh[row]),
    }
