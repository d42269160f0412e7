"""Losses that do not go away: the cumulative sum of daily residuals."""

from typing import NamedTuple

import numpy as np

from gateway.energy.loss.model import DayLoss, LossModel
from gateway.energy.loss.policy import LossPolicy
from gateway.model import BoolArray, FloatArray, IntArray

NO_DAY = -1
_OVERSHOOT = 1.166  # of a discrete sum over its level
_ROUNDS = 6  # converges to four digits
_MOST_MOVES = 8  # of a begin: it is found in two or three


class Course(NamedTuple):
    """CUSUM of each node over days, (nodes, days); 1 is the alarm."""

    level: FloatArray
    is_alarm: BoolArray
    since: (
        IntArray  # of each node: the day on which the loss under way most likely began, or NO_DAY
    )
    excess_wh: FloatArray  # of each node: mean daily residual since then
    coverage: FloatArray  # of each node: mean since then, or over all days


def stacked(days: list[DayLoss]) -> DayLoss:
    """Return days side by side, (nodes, days)."""
    return DayLoss(*(np.stack(column, axis=1) for column in zip(*days, strict=True)))


def cusum(days: DayLoss, model: LossModel, policy: LossPolicy) -> Course:
    """Run the sum over the days after the baseline, in order; days without a verdict stand still.

    A function of the days alone: when late data changes one, run it again.
    """
    nodes, count = days.residual_wh.shape
    level = np.zeros((nodes, count))
    sum_wh, since = np.zeros(nodes), np.full(nodes, NO_DAY)
    sigma = model.sigma_wh
    for day in range(count):
        through = np.abs(days.in_wh[:, day])
        slack = np.maximum(policy.cusum_slack * sigma, policy.slack_share * through)
        alarm = np.maximum(
            alarm_sigmas(slack / sigma, policy.false_alarm_days) * sigma,
            policy.alarm_share * model.daily_in_wh,
        )
        uncovered = through * (1 - days.coverage[:, day])
        step = days.residual_wh[:, day] - slack - policy.uncovered_share * uncovered
        has_verdict = np.isfinite(step) & np.isfinite(alarm)
        grown = np.clip(sum_wh + np.nan_to_num(step), 0.0, np.nan_to_num(policy.cusum_cap * alarm))
        since[has_verdict & (sum_wh <= 0) & (grown > 0)] = day
        since[has_verdict & (grown <= 0)] = NO_DAY
        sum_wh = np.where(has_verdict, grown, sum_wh)
        level[:, day] = np.divide(sum_wh, alarm, out=np.zeros(nodes), where=alarm > 0)
    for node in np.flatnonzero(since != NO_DAY).tolist():
        since[node] = _begin(days.residual_wh[node], int(since[node]))
    place = np.arange(count)
    running = (place[None, :] >= since[:, None]) & (since[:, None] != NO_DAY)
    excess = _mean(days.residual_wh, running)
    coverage = _mean(days.coverage, running | (since == NO_DAY)[:, None])
    return Course(level, level > 1.0, since, excess, coverage)


def alarm_sigmas(slack_sigmas: FloatArray, days: float) -> FloatArray:
    """Return the alarm level that gives so many days between false alarms.

    Siegmund, Sequential Analysis (1985): days = (exp(2kb) − 2kb − 1) / 2k², b = level + 1.166.
    """
    twice = 2 * slack_sigmas
    reach = np.full_like(twice, 3.0)
    for _ in range(_ROUNDS):
        reach = np.log(days * twice**2 / 2 + twice * reach + 1) / twice
    return np.asarray(np.maximum(reach - _OVERSHOOT, 0.0))


def _begin(residual_wh: FloatArray, since: int) -> int:
    """Return the day on which what is missing now began, most likely, from ``since`` on.

    A sum that a drift of the model keeps above zero began days before the theft; honest days among
    those that suspects are ranked by clear a thief who shows a fifth of what he used to. The most
    likely begin of a step is where the sum of what is beyond half of it is largest (Hinkley 1970,
    Biometrika 57); the day before it may be one of which only the end was dishonest.
    """
    known = np.nan_to_num(residual_wh)
    first = since
    for _ in range(_MOST_MOVES):
        step = float(known[first:].sum()) / max(int(np.isfinite(residual_wh[first:]).sum()), 1)
        beyond = np.where(np.isfinite(residual_wh), known - step / 2, 0.0)[since:]
        best = since + int(np.cumsum(beyond[::-1])[::-1].argmax())
        if best == first:
            break
        first = best
    return max(since, first - 1)


def _mean(values: FloatArray, chosen: BoolArray) -> FloatArray:
    use = chosen & np.isfinite(values)
    total = np.where(use, values, 0.0).sum(axis=1)
    count = use.sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.zeros_like(total), where=count > 0))
