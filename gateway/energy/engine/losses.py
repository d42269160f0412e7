"""What a transformer gives and its meters do not show: balance, model, alarm, suspects, by day.

A day is balanced once its meters' day is worked out, and again when late data changes that. The
model of a transformer is fitted on its first clean days and then kept: a theft that lasts would
otherwise become normal. Days without enough coverage have a balance, and no verdict.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gateway.energy import loss
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.halfhours import DayEnergy, half_hours
from gateway.energy.engine.lossalarms import Case, LossAlarms
from gateway.energy.engine.lossbooks import (
    SLOTS,
    Models,
    joined,
    pack_balance,
    pack_models,
    unpack_balance,
    unpack_models,
)
from gateway.energy.engine.pieces import GROUP
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.engine.publish import DOMAIN
from gateway.energy.engine.remembered import unpack
from gateway.energy.engine.roster import Roster
from gateway.energy.engine.telling import encode, number
from gateway.model import IntArray
from gateway.ports import Alarm, Memo, Result

BALANCE, MODEL = "balance", "loss-model"
MODEL_NUMBER = 1 << 40  # a memo that is never too old
MOST_DAYS = 100  # of the sum of residuals; memos are kept for 120
HEADS = frozenset({"dtm"})


class Recalling(Protocol):
    """``store.derived.DerivedReader``."""

    def memos(self, domain: str, name: str, first: int, stop: int) -> Sequence[Memo]:
        """Return memos by number."""


class LossOutcome(NamedTuple):
    """What a day's balance brought."""

    results: Sequence[Result] = ()
    memos: Sequence[Memo] = ()
    alarms: Sequence[Alarm] = ()


class Losses:
    """Balances days.

    Args:
        recall: what days left behind.
        roster: which meter hangs where.
        policies: thresholds.
        alarms: what was told of losses.
    """

    def __init__(
        self,
        recall: Recalling,
        roster: Roster,
        policies: EnergyPolicies,
        alarms: Callable[[], LossAlarms],
    ) -> None:
        self._recall, self._roster, self._policies = recall, roster, policies
        self._alarms = alarms

    def do(self, day: int, now_ms: int) -> LossOutcome:
        """Balance a day and look at the course of all days since the models were made."""
        names = self._roster.transformers.names
        energy = self.energies(day)
        if not names or energy is None or not energy.is_head.any():
            return LossOutcome()
        today = self._balance(energy, day)  # a tree of another day may bring further names
        past = self._recall.memos(DOMAIN, BALANCE, day - MOST_DAYS, day + MOST_DAYS)
        days = {one.number: unpack_balance(one.data, names) for one in past}
        days[day] = today
        policy = self._policies.loss_at(now_ms)
        models = self._models(days, policy)
        verdicts = {one: loss.day_loss(found, models.model, policy) for one, found in days.items()}
        memos = [
            Memo(BALANCE, day, pack_balance(days[day], names)),
            Memo(MODEL, MODEL_NUMBER, pack_models(models, names)),
        ]
        alarms = self._judge(days, verdicts, models, now_ms)
        return LossOutcome(self._results(day, verdicts[day]), memos, alarms)

    def _judge(
        self,
        days: dict[int, loss.Balance],
        verdicts: dict[int, loss.DayLoss],
        models: Models,
        now_ms: int,
    ) -> list[Alarm]:
        """Return the alarms of the days behind the models' own."""
        later = sorted(one for one in verdicts if one >= int(models.stop_day.min()))
        if not later:
            return []
        stacked = loss.stacked([verdicts[one] for one in later])
        is_baseline = np.array(later)[None, :] < models.stop_day[:, None]
        residual = np.where(is_baseline, np.nan, stacked.residual_wh)
        policy = self._policies.loss_at(now_ms)
        course = loss.cusum(stacked._replace(residual_wh=residual), models.model, policy)

        def suspects(node: int, since: int) -> dict[str, object]:
            return self._suspects(node, since, days, models)

        return self._alarms().update(Case(later, course, suspects), now_ms)

    def energies(self, day: int, only: IntArray | None = None) -> DayEnergy | None:
        """Return the day of all meters, or of some device indexes."""
        parts = []
        sends = self._roster.profile_of.items()
        for profile, group in sorted({(name, index // GROUP) for index, name in sends}):
            for one in self._recall.memos(DOMAIN, f"{profile}/{group}", day, day + 1):
                memo = unpack(one.data)
                part = None if memo is None else half_hours(memo, profile in HEADS)
                if part is not None:
                    parts.append(part)
        if not parts:
            return None
        found = DayEnergy(
            np.concatenate([part.device_index for part in parts]),
            np.concatenate([part.is_head for part in parts]),
            np.concatenate([part.energy_wh for part in parts]),
            np.concatenate([part.is_known for part in parts]),
            np.concatenate([part.is_measured for part in parts]),
        )
        return found if only is None else found.take(np.isin(found.device_index, only))

    def _transformers(self, device_index: IntArray, day: int) -> IntArray:
        """Return under which transformer meters hung that day."""
        noon_ms = self._policies.calendar.start_ms(day) + DAY_MS // 2
        return self._roster.places_of(device_index, noon_ms).transformer

    def _balance(self, energy: DayEnergy, day: int) -> loss.Balance:
        node = self._transformers(energy.device_index, day)
        nodes = len(self._roster.transformers.names)
        in_wh = np.full((nodes, SLOTS), np.nan)
        heads = np.flatnonzero(energy.is_head & (node >= 0))
        shown = np.where(energy.is_known[heads], energy.energy_wh[heads], np.nan)
        in_wh[node[heads]] = 0.0
        np.add.at(in_wh, node[heads], shown)
        below = ~energy.is_head
        known = np.where(energy.is_known[below], energy.energy_wh[below], np.nan)
        metered = loss.Metered(known, energy.is_measured[below])
        return loss.balance(in_wh, metered, node[below], energy.energy_wh[below], SLOTS)

    def _models(self, days: dict[int, loss.Balance], policy: loss.LossPolicy) -> Models:
        """Return the models, with those that can be made only now."""
        names = self._roster.transformers.names
        kept = self._recall.memos(DOMAIN, MODEL, MODEL_NUMBER, MODEL_NUMBER + 1)
        models = unpack_models(kept[0].data, names) if kept else Models.nothing(len(names))
        order = sorted(days)
        # a transformer that was met later has its first days later, too
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

    def _suspects(
        self, node: int, since: int, days: dict[int, loss.Balance], models: Models
    ) -> dict[str, object]:
        """Return who may hide what is missing since a day: evidence of an alarm."""
        policy = self._policies.loss_at(0)
        # the day on which it began was partly honest
        after = [d for d in sorted(days) if d > since][: policy.suspect_days]
        stop = int(models.stop_day[node])
        before = [d for d in sorted(days) if d < stop][-policy.suspect_days :]
        meters = self._meters_of(node, since)
        parts = [self._placed(d, meters) for d in after]
        usual = [self._placed(d, meters).energy_wh for d in before]
        if not parts or not usual:
            return {}
        whole = joined([days[d] for d in after])
        residual = (whole.loss_wh - models.model.technical_wh(whole.in_wh))[node]
        metered = loss.Metered(
            np.concatenate([part.energy_wh for part in parts], axis=1),
            np.concatenate([part.is_measured for part in parts], axis=1),
        )
        nobody = np.zeros(len(meters), np.bool_)
        usual_wh = np.nan_to_num(np.mean(np.stack(usual), axis=0))
        noon_ms = self._policies.calendar.start_ms(since) + DAY_MS // 2
        signs = loss.Signs(nobody, self._roster.places_of(meters, noon_ms).is_prosumer)
        memory = float(models.memory[node])
        return told(
            loss.suspects(residual, metered, usual_wh, memory, signs, policy), self._named(meters)
        )

    def _meters_of(self, node: int, day: int) -> IntArray:
        sends = self._roster.profile_of
        known = np.array(self._roster.order(), np.int64)
        here = known[self._transformers(known, day) == node].tolist()
        return np.array(sorted(k for k in here if k in sends and sends[k] not in HEADS), np.int64)

    def _named(self, meters: IntArray) -> list[str]:
        return [self._roster.name(index) for index in meters.tolist()]

    def _placed(self, day: int, meters: IntArray) -> loss.Metered:
        """Return a day of these meters in their order; unknown where a day has none."""
        energy = np.full((len(meters), SLOTS), np.nan)
        measured = np.zeros((len(meters), SLOTS), np.bool_)
        found = self.energies(day, meters)
        if found is not None:
            at = np.searchsorted(meters, found.device_index)
            energy[at] = np.where(found.is_known, found.energy_wh, np.nan)
            measured[at] = found.is_measured
        return loss.Metered(energy, measured)

    def _results(self, day: int, verdict: loss.DayLoss) -> list[Result]:
        begin_ms = self._policies.calendar.start_ms(day)
        names = self._roster.transformers.names
        return [
            Result(
                BALANCE,
                f"transformer:{names[node]}",
                begin_ms,
                begin_ms + DAY_MS,
                encode({name: number(column[node]) for name, column in verdict._asdict().items()}),
            )
            for node in range(len(names))
            if verdict.in_wh[node] != 0
        ]


def told(found: loss.Suspicion, names: Sequence[str]) -> dict[str, object]:
    """Return suspects as evidence."""
    return {
        "missing_wh": number(found.missing_wh),
        "unmetered_wh": number(found.unmetered_wh),
        "suspects": [
            {
                "device": names[one.meter],
                "share": number(one.share),
                "confidence_sigmas": number(one.confidence),
                "hidden_wh": number(one.hidden_wh),
                "reasons": list(one.reasons),
            }
            for one in found.suspects
        ],
    }
