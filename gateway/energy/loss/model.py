"""What a network must lose: L = c0 + c1·E + c2·E² in each slot, fitted on clean days.

c0 is iron, c1 takes up the gain errors of the meters, c2 is copper.
"""

from typing import NamedTuple

import numpy as np

from gateway.energy.loss.balance import Balance
from gateway.energy.loss.policy import LossPolicy
from gateway.model import BoolArray, FloatArray

_HUBER = 1.5  # residuals beyond so many deviations weigh less
_ROUNDS = 8
_MAD = 1.4826  # of a normal distribution
_PARAMETERS = 3


class LossModel(NamedTuple):
    """Of each node; NaN coefficients where there were too few clean days."""

    coefficients: FloatArray  # (nodes, 3): Wh, 1, 1/Wh
    sigma_wh: FloatArray  # standard deviation of a day's residual
    days: FloatArray  # clean days it was fitted on
    daily_in_wh: FloatArray  # mean energy of those days
    is_plausible: BoolArray  # could be iron, copper and gain errors alone

    def technical_wh(self, in_wh: FloatArray) -> FloatArray:
        """Return what is lost by nature, (nodes, slots)."""
        c0, c1, c2 = self.coefficients.T[:, :, None]
        through = np.abs(in_wh)  # copper does not ask which way
        return np.asarray(c0 + c1 * through + c2 * through**2)


class DayLoss(NamedTuple):
    """A day's verdict of each node, (nodes,) or (nodes, days) when stacked."""

    in_wh: FloatArray
    loss_wh: FloatArray
    technical_wh: FloatArray
    residual_wh: FloatArray  # NaN where there is no verdict
    coverage: FloatArray  # a loss is never shown without it


def fit(clean: Balance, policy: LossPolicy) -> LossModel:
    """Fit every node on a balance of whole days; days of poor coverage are left out."""
    nodes = len(clean.in_wh)
    coefficients = np.full((nodes, _PARAMETERS), np.nan)
    sigma, days = np.full(nodes, np.nan), np.zeros(nodes)
    good = _good_days(clean, policy)
    loss, through = _folded(clean.loss_wh, clean), _folded(np.abs(clean.in_wh), clean)
    days[:] = good.sum(axis=1)
    for node in np.flatnonzero(days >= policy.min_baseline_days).tolist():
        energy, lost = through[node][good[node]], loss[node][good[node]]
        coefficients[node], sigma[node] = _fit_one(energy, lost)
    with np.errstate(invalid="ignore", divide="ignore"):
        here = np.where(good, np.nansum(through, axis=2), 0.0).sum(axis=1) / days
        idle = coefficients[:, 0] * clean.slots_per_day
        plausible = (np.abs(coefficients[:, 1]) <= policy.max_gain_error) & (
            np.abs(idle) <= policy.max_idle_share * here
        )
        sigma = np.maximum(sigma, policy.sigma_floor_share * here)
    return LossModel(coefficients, sigma, days, here, plausible)


def day_loss(day: Balance, model: LossModel, policy: LossPolicy) -> DayLoss:
    """Return what one day lost beyond its nature.

    Slots in which the node's own meter was silent count on neither side.
    """
    technical = model.technical_wh(day.in_wh)
    known = np.isfinite(day.in_wh) & (day.coverage > 0)
    sums = [
        np.where(known, values, 0.0).sum(axis=1) for values in (day.in_wh, day.out_wh, technical)
    ]
    weight = np.where(known, day.out_wh, 0.0)
    whole = np.abs(weight).sum(axis=1)
    covered = (np.abs(weight) * day.coverage).sum(axis=1)
    coverage = np.divide(covered, whole, out=np.zeros_like(whole), where=whole > 0)
    loss = sums[0] - sums[1]
    enough = (coverage >= policy.min_coverage) & (known.sum(axis=1) >= policy.min_slots)
    residual = np.where(enough, loss - sums[2], np.nan)
    return DayLoss(sums[0], loss, sums[2], residual, coverage)


def _folded(values: FloatArray, of: Balance) -> FloatArray:
    days = values.shape[1] // of.slots_per_day
    return values[:, : days * of.slots_per_day].reshape(len(values), days, of.slots_per_day)


def _good_days(clean: Balance, policy: LossPolicy) -> BoolArray:
    known = np.isfinite(_folded(clean.in_wh, clean))
    covered = _folded(clean.coverage, clean).mean(axis=2) >= policy.min_coverage
    good: BoolArray = covered & (known.sum(axis=2) >= policy.min_slots)
    return good


def _fit_one(through: FloatArray, loss: FloatArray) -> tuple[FloatArray, float]:
    """Fit days × slots with Huber's weights; return coefficients and a day's deviation."""
    energy, lost = through.ravel(), loss.ravel()
    known = np.isfinite(energy) & np.isfinite(lost)
    scale = max(float(np.mean(energy[known])), 1.0)
    x = energy / scale
    design = np.stack([np.ones_like(x), x, x**2], axis=1)
    found: FloatArray = np.zeros(_PARAMETERS)
    weight = known.astype(np.float64)
    for _ in range(_ROUNDS):
        root = np.sqrt(weight[known])[:, None]
        found = np.asarray(
            np.linalg.lstsq(design[known] * root, lost[known] * root[:, 0], rcond=None)[0]
        )
        off = np.abs(lost[known] - design[known] @ found)
        limit = _HUBER * max(_MAD * float(np.median(off)), 1e-9)
        weight[known] = np.minimum(1.0, limit / np.maximum(off, 1e-12))
    residual = np.where(known, lost - np.nan_to_num(design) @ found, 0.0)
    # slots that bridge gaps are off to one side more than to the other; days are not
    shift = float(np.median(residual.reshape(through.shape).sum(axis=1))) / through.shape[1]
    found[0] += shift
    daily = (residual - np.where(known, shift, 0.0)).reshape(through.shape).sum(axis=1)
    freedom = max(len(daily) - _PARAMETERS, 1)
    deviation = float(np.sqrt((daily**2).sum() / freedom))
    robust = _MAD * float(np.median(np.abs(daily))) * np.sqrt(len(daily) / freedom)
    # a theft within the baseline widens the first, an odd day does not widen the second
    return found / scale ** np.arange(_PARAMETERS), max(robust, min(deviation, 2 * robust))
