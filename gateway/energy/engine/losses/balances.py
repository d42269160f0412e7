"""What a place gives and the meters below do not show: balance, model, alarm, suspects, by day.

A place is a transformer, a feeder or a substation with a meter at its head (``metering``). A day
is balanced once its meters' day is worked out, and again when late data changes that. The
model of a place is fitted on its first clean days and then kept: a theft that lasts would
otherwise become normal. Days without enough coverage have a balance, and no verdict.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy import loss
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.halfhours import SLOTS, DayEnergy, energies
from gateway.energy.engine.findings.bodies import encode, number
from gateway.energy.engine.findings.recall import RecallsMemos
from gateway.energy.engine.findings.series import DOMAIN
from gateway.energy.engine.grid.metering import Metering, metering
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.losses.alarms import Case, LossAlarms
from gateway.energy.engine.losses.books import (
    Models,
    joined,
    pack_balance,
    pack_models,
    places_of,
    unpack_balance,
    unpack_models,
)
from gateway.energy.engine.losses.suspecting import Books, Suspecting
from gateway.energy.engine.policies import EnergyPolicies
from gateway.model import BoolArray, FloatArray
from gateway.ports import Alarm, Memo, Result

BALANCE, MODEL = "balance", "loss-model"
MODEL_NUMBER = 1 << 40  # a memo that is never too old
MOST_DAYS = 100  # of the sum of residuals; memos are kept for 120


class LossOutcome(NamedTuple):
    """What a day's balance brought."""

    results: Sequence[Result] = ()
    memos: Sequence[Memo] = ()
    alarms: Sequence[Alarm] = ()
    unfit: frozenset[str] = frozenset()  # places whose model was fitted on another balance of it


class Losses:
    """Balances days.

    Args:
        recall: what days left behind.
        roster: which meter hangs where.
        policies: thresholds.
        suspecting: who may be behind a loss.
        alarms: what was told of losses.
    """

    def __init__(
        self,
        recall: RecallsMemos,
        roster: Roster,
        policies: EnergyPolicies,
        suspecting: Suspecting,
        alarms: Callable[[], LossAlarms],
    ) -> None:
        self._recall, self._roster, self._policies = recall, roster, policies
        self._suspecting, self._alarms = suspecting, alarms

    def do(self, day: int, now_ms: int) -> LossOutcome:
        """Balance a day and look at the course of all days since the models were made."""
        metered = metering(self._roster, noon_ms(self._policies, day))
        energy = energies(self._recall, self._roster, day)
        if energy is None or not metered.places:
            return LossOutcome()
        past = self._recall.memos(DOMAIN, BALANCE, day - MOST_DAYS, day + MOST_DAYS)
        places = sorted(metered.places.union(*(places_of(one.data) for one in past)))
        days = {one.number: unpack_balance(one.data, places) for one in past}
        before, days[day] = days.get(day), _balance(energy, metered, places)
        if not np.isfinite(days[day].in_wh).any():
            return LossOutcome()
        policy = self._policies.loss_at(now_ms)
        models = self._models(days, places, policy)
        is_other = _is_other(before, days[day]) & (day < models.stop_day)
        unfit = frozenset(place for place, other in zip(places, is_other, strict=True) if other)
        verdicts = {one: loss.day_loss(found, models.model, policy) for one, found in days.items()}
        memos = [
            Memo(BALANCE, day, pack_balance(days[day], places)),
            Memo(MODEL, MODEL_NUMBER, pack_models(models, places)),
        ]
        books = Books(places, days, models)
        return LossOutcome(
            self._results(day, places, verdicts[day]),
            memos,
            self._judge(books, verdicts, now_ms),
            unfit,
        )

    def refit(self, unfit: frozenset[str], now_ms: int) -> LossOutcome:
        """Make models anew of the balances as they are now, and tell all days again."""
        today = int(self._policies.calendar.day(np.array([now_ms]))[0])
        past = self._recall.memos(DOMAIN, BALANCE, today - MOST_DAYS, today + 1)
        places = sorted(set().union(*(places_of(one.data) for one in past)))
        days = {one.number: unpack_balance(one.data, places) for one in past}
        if not days:
            return LossOutcome()
        policy = self._policies.loss_at(now_ms)
        models = self._models(days, places, policy, unfit)
        verdicts = {one: loss.day_loss(found, models.model, policy) for one, found in days.items()}
        lines = [line for day in sorted(days) for line in self._results(day, places, verdicts[day])]
        memo = Memo(MODEL, MODEL_NUMBER, pack_models(models, places))
        alarms = self._judge(Books(places, days, models), verdicts, now_ms)
        return LossOutcome([one for one in lines if one.place in unfit], [memo], alarms)

    def _judge(self, books: Books, verdicts: dict[int, loss.DayLoss], now_ms: int) -> list[Alarm]:
        """Return the alarms of the days behind the models' own."""
        models = books.models
        later = sorted(one for one in verdicts if one >= int(models.stop_day.min()))
        if not later:
            return []
        stacked = loss.stacked([verdicts[one] for one in later])
        is_baseline = np.array(later)[None, :] < models.stop_day[:, None]
        residual = np.where(is_baseline, np.nan, stacked.residual_wh)
        policy = self._policies.loss_at(now_ms)
        course = loss.cusum(stacked._replace(residual_wh=residual), models.model, policy)
        case = Case(books.places, later, course, self._suspecting.behind(books, policy))
        return self._alarms().update(case, now_ms)

    def _models(
        self,
        days: dict[int, loss.Balance],
        places: Sequence[str],
        policy: loss.LossPolicy,
        unfit: frozenset[str] = frozenset(),
    ) -> Models:
        """Return the models, with those that can be made only now; ``unfit`` ones made anew."""
        kept = self._recall.memos(DOMAIN, MODEL, MODEL_NUMBER, MODEL_NUMBER + 1)
        models = unpack_models(kept[0].data, places, unfit) if kept else Models.nothing(len(places))
        order = sorted(days)
        # a place that was met later has its first days later, too
        for first in range(len(order) - policy.baseline_days + 1):
            lacking = np.flatnonzero(~np.isfinite(models.model.coefficients[:, 0]))
            if not len(lacking):
                break
            chosen = order[first : first + policy.baseline_days]
            clean = joined([days[one] for one in chosen])
            made = loss.fit(clean, policy)
            new = lacking[np.isfinite(made.coefficients[lacking, 0])]
            for old_column, column in zip(models.model, made, strict=True):
                old_column[new] = column[new]
            models.stop_day[new] = chosen[-1] + 1
            rest = clean.loss_wh - made.technical_wh(clean.in_wh)
            models.memory[new] = [loss.noise_memory(rest[node]) for node in new.tolist()]
        return models

    def _results(self, day: int, places: Sequence[str], verdict: loss.DayLoss) -> list[Result]:
        begin_ms = self._policies.calendar.start_ms(day)
        return [
            Result(
                BALANCE,
                place,
                begin_ms,
                begin_ms + DAY_MS,
                encode({name: number(column[node]) for name, column in verdict._asdict().items()}),
            )
            for node, place in enumerate(places)
            if verdict.in_wh[node] != 0
        ]


def noon_ms(policies: EnergyPolicies, day: int) -> int:
    """Return the moment whose registry holds for a day."""
    return policies.calendar.start_ms(day) + DAY_MS // 2


def _balance(energy: DayEnergy, metered: Metering, places: list[str]) -> loss.Balance:
    measures, counts_at = metered.rows(energy.device_index, places)
    in_wh = np.full((len(places), SLOTS), np.nan)
    known = np.where(energy.is_known, energy.energy_wh, np.nan)
    heads = np.flatnonzero(measures >= 0)
    in_wh[measures[heads]] = 0.0
    np.add.at(in_wh, measures[heads], known[heads])
    shown = loss.Metered(known, energy.is_measured)
    return loss.balance(in_wh, shown, counts_at, _usual(energy.energy_wh), SLOTS)


def _is_other(before: loss.Balance | None, now: loss.Balance) -> BoolArray:
    """Return at which places a day was balanced otherwise."""
    if before is None:
        return np.zeros(len(now.in_wh), np.bool_)
    pairs = ((before.in_wh, now.in_wh), (before.out_wh, now.out_wh))
    same = [np.isclose(a, b, rtol=0, atol=1.0, equal_nan=True).all(axis=1) for a, b in pairs]
    return np.asarray(~(same[0] & same[1]))


def _usual(energy_wh: FloatArray) -> FloatArray:
    """Return what stands in where nothing was shown: the estimate, else the nearest slot."""
    is_known = np.isfinite(energy_wh)
    place = np.arange(energy_wh.shape[1])
    before = np.maximum.accumulate(np.where(is_known, place, -SLOTS), axis=1)
    behind = np.where(is_known, place, 2 * SLOTS)[:, ::-1]
    after = np.minimum.accumulate(behind, axis=1)[:, ::-1]
    nearest = np.where(place - before <= after - place, before, after)
    found = np.take_along_axis(energy_wh, np.clip(nearest, 0, SLOTS - 1), axis=1)
    return np.asarray(np.nan_to_num(found))
