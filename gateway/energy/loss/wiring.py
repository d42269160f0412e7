"""Meters that hang on another transformer than the registry says: their voltage tells.

What all share (medium voltage) is taken off, and what a meter's own load does to its voltage; the
rest moves with the busbar of the transformer and phase that feeds it. A warning, no proof.
"""

from typing import NamedTuple

import numpy as np

from gateway.energy.loss.policy import LossPolicy
from gateway.model import BoolArray, FloatArray, IntArray


class VoltageTally(NamedTuple):
    """Sums over the moments of some days, each less the day's mean; days add up (``joined``).

    Meters and references of one substation: 2,400 meters and 120 references are 7 MB.
    """

    moments: FloatArray  # (meters,)
    meter2: FloatArray  # Σu²
    power2: FloatArray  # Σp²
    meter_power: FloatArray  # Σup
    reference2: FloatArray  # (meters, references): Σr² where the meter was read
    meter_reference: FloatArray  # Σur
    power_reference: FloatArray  # Σpr


class Verdict(NamedTuple):
    """Of each meter, (meters,)."""

    best: IntArray  # transformer whose voltage it follows; −1 = not known
    correlation: FloatArray  # with that one
    registered: FloatArray  # with the one of the registry
    is_wrong: BoolArray


def references(head_v: FloatArray) -> FloatArray:
    """Return the columns of all transformers, (3 x transformers, moments), less what all share.

    Args:
        head_v: busbars, (transformers, 3, moments); NaN where silent.
    """
    flat = head_v.reshape(-1, head_v.shape[2])
    return flat - _mean_known(flat, axis=0)


def tally(
    voltage_v: FloatArray, power_w: FloatArray, head_v: FloatArray, refs: FloatArray
) -> VoltageTally:
    """Count one day.

    Args:
        voltage_v: of meters, (meters, moments), NaN where not read.
        power_w: theirs, for their own drop.
        head_v: as for ``references``.
        refs: of ``references``.
    """
    shared = _mean_known(head_v.reshape(-1, head_v.shape[2]), axis=0)
    known = np.isfinite(voltage_v) & np.isfinite(power_w) & np.isfinite(shared)
    u = _centred(voltage_v - shared, known)
    p = _centred(power_w, known)
    mask = known.astype(np.float64)
    r = np.nan_to_num(refs - _mean_known(refs, axis=1)[:, None])
    own = (mask.sum(axis=1), (u**2).sum(axis=1), (p**2).sum(axis=1), (u * p).sum(axis=1))
    return VoltageTally(*own, mask @ (r**2).T, u @ r.T, p @ r.T)


def joined(tallies: list[VoltageTally]) -> VoltageTally:
    """Return the tally of several days."""
    return VoltageTally(*(np.sum(column, axis=0) for column in zip(*tallies, strict=True)))


def verdict(of: VoltageTally, registered: IntArray, policy: LossPolicy) -> Verdict:
    """Return which transformer each meter follows.

    Args:
        of: the days looked at.
        registered: transformer of each meter, as numbered in the references.
        policy: when a difference counts.
    """
    r = _partial(of)
    by_transformer = r.reshape(len(r), -1, 3).max(axis=2)
    best = by_transformer.argmax(axis=1)
    rows = np.arange(len(r))
    top = by_transformer[rows, best]
    here = np.where(registered >= 0, by_transformer[rows, np.maximum(registered, 0)], 0.0)
    rule = policy.wiring
    is_known = (of.moments >= rule.min_samples) & (top >= rule.min_correlation)
    follows = np.where(is_known, best, -1)
    agrees = _agreement(follows, registered, by_transformer.shape[1]) >= rule.min_agreement
    wrong = is_known & (registered >= 0) & (best != registered) & (top - here >= rule.min_lead)
    wrong &= agrees[best] & agrees[np.maximum(registered, 0)]
    return Verdict(follows, top, here, wrong)


def _agreement(follows: IntArray, registered: IntArray, transformers: int) -> FloatArray:
    """Return the share of each transformer's meters whose voltage follows it.

    A registry is mostly right. Where voltage says otherwise, meters and busbars were not read at
    the same moment, and it says nothing of wires.
    """
    known = (follows >= 0) & (registered >= 0)
    count = np.bincount(registered[known], minlength=transformers)
    right = np.bincount(registered[known & (follows == registered)], minlength=transformers)
    return np.asarray(right / np.maximum(count, 1))


def _partial(of: VoltageTally) -> FloatArray:
    """Return the correlation of voltage and reference, the meter's own power held fixed."""
    power2 = np.maximum(of.power2, 1e-9)
    slope = of.meter_power / power2
    together = of.meter_reference - slope[:, None] * of.power_reference
    own = of.meter2 - slope * of.meter_power
    spread = of.reference2 - of.power_reference**2 / power2[:, None]
    size = np.sqrt(np.maximum(spread * own[:, None], 0))
    return np.asarray(np.divide(together, size, out=np.zeros_like(together), where=size > 0))


def _centred(values: FloatArray, known: BoolArray) -> FloatArray:
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    total = np.where(known, values, 0.0).sum(axis=1, keepdims=True)
    return np.where(known, values - total / count, 0.0)


def _mean_known(values: FloatArray, axis: int) -> FloatArray:
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))
