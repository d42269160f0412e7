"""Who hides energy: shares k ≥ 0 of what each meter showed that explain what is missing.

All shares are found together, and each as if it were the only one: where readings are missing and
clocks wrong, like meters take each other's part. Slots that bridged gaps spoil weigh less, and
what a wrong clock of the head would bring is taken off first: of 25 kW a minute is 400 Wh, and a
thief of 0.7 % takes 90 Wh out of a slot.
"""

from typing import NamedTuple

import numpy as np

from gateway.energy.loss.balance import Metered
from gateway.energy.loss.doubt import clock_course, doubt_wh2
from gateway.energy.loss.nnls import nnls
from gateway.energy.loss.policy import LossPolicy
from gateway.model import BoolArray, FloatArray, IntArray

_HUBER = 2.5  # residuals beyond so many deviations weigh less
_MAD = 1.4826  # of a normal distribution
_ROUNDS = 3
_HOUR_WH = 1000.0  # scale of the constant column: any number near the others
_SMOOTH = 0.3  # of the deviation of what is missing: noise that is in every slot


class Signs(NamedTuple):
    """What else speaks against meters, (meters,)."""

    is_tampered: BoolArray  # an event of ``policy.corroboration.tamper_codes`` since the loss began
    is_prosumer: BoolArray  # may feed in


class Suspect(NamedTuple):
    """A meter that may not show all."""

    meter: int  # row of the meters given
    score: float  # standard errors, with what events are worth
    confidence: float  # standard errors of the share alone
    share: float  # hidden Wh for each Wh shown; of a meter that stands still, of its usual use
    hidden_wh: float  # in all, over the slots given
    reasons: tuple[str, ...]  # profile | tamper | zero_use | negative_use


class Suspicion(NamedTuple):
    """The suspects of one transformer, most likely first."""

    suspects: tuple[Suspect, ...]
    unmetered_wh: float  # missing all day long: a load without a meter
    missing_wh: float  # what is to be explained
    explained: float  # share of it that the suspects hide
    coverage: float  # share of meters that were read, mean over the slots


def noise_memory(clean_residual_wh: FloatArray) -> float:
    """Return how much of a slot's noise the next takes back, 0 to 1, from clean slots."""
    values = clean_residual_wh[np.isfinite(clean_residual_wh)]
    values = values - values.mean() if values.size else values
    power = float((values**2).sum())
    if power <= 0:
        return 0.0
    # of a moving average x_t − m·x_{t−1} the correlation of neighbours is −m / (1 + m²)
    lag = max(min(float((values[1:] * values[:-1]).sum()) / power, 0.0), -0.499)
    return 0.0 if lag == 0 else (1 - (1 - 4 * lag * lag) ** 0.5) / (-2 * lag)


def suspects(  # a case file
    residual_wh: FloatArray,
    head: Metered,
    meters: Metered,
    usual_wh: FloatArray,
    signs: Signs,
    policy: LossPolicy,
) -> Suspicion:
    """Return who may hide what is missing at one transformer.

    Args:
        residual_wh: loss beyond the technical one, (slots,), whole days after the one on which
            the loss began (that is partly honest); NaN slots are left out.
        head: what came in, (1, slots).
        meters: of the transformer, (meters, slots).
        usual_wh: from before, (meters, slots of a day).
        signs: of each meter.
        policy: what they are worth.
    """
    slots = len(residual_wh)
    shown = np.where(np.isfinite(meters.energy_wh), meters.energy_wh, 0.0)
    usual = np.tile(usual_wh, (1, -(-slots // usual_wh.shape[1])))[:, :slots]
    is_still = _is_still(meters.energy_wh, usual)
    course = np.where(is_still[:, None], usual, np.maximum(shown, 0.0))
    missing = np.nan_to_num(residual_wh)
    is_known = np.isfinite(residual_wh)
    course = np.where(is_known, course, 0.0)
    besides = np.where(is_known, [np.full(slots, _HOUR_WH), clock_course(head.energy_wh[0])], 0.0)
    besides = besides[np.abs(besides).sum(axis=1) > 0]
    trust = _trust(missing, (head, meters), is_known, usual_wh.shape[1])
    weight, alone = _robust(course, besides, missing, trust)
    design = np.vstack([course, besides, -besides[1:]]) * weight
    found = nnls(design.T, missing * weight)
    share, error = found.x[: len(course)], found.error[: len(course)]
    together = np.where(share > 0, share / np.maximum(error, 1e-12), 0.0)
    # with all others beside it a true one loses, alone a like one gains: half of each
    confidence = (together + alone) / 2
    hidden = share * course.sum(axis=1)
    net = np.where(np.isfinite(meters.energy_wh), meters.energy_wh, 0.0).sum(axis=1)
    is_negative = (net < 0) & ~signs.is_prosumer
    facts = (signs.is_tampered, is_still, is_negative)
    ranked = _ranked(confidence, share, hidden, facts, policy)
    total = float(missing.sum())
    explained = sum(one.hidden_wh for one in ranked) / total if total > 0 else 0.0
    coverage = float(meters.is_measured.mean()) if meters.is_measured.size else 0.0
    unmetered = float(found.x[len(course)] * besides[0].sum()) if len(besides) else 0.0
    return Suspicion(ranked, unmetered, total, min(explained, 1.0), coverage)


def _trust(
    missing: FloatArray, shown: tuple[Metered, ...], is_known: BoolArray, slots_per_day: int
) -> FloatArray:
    """Return the weight of each slot by what is known of it beforehand, at most 1."""
    doubt = sum(doubt_wh2(part, slots_per_day).sum(axis=0) for part in shown)
    everywhere = _SMOOTH**2 * float(np.mean(missing[is_known] ** 2)) if is_known.any() else 0.0
    return np.asarray(np.where(is_known, 1 / np.sqrt(1 + doubt / max(everywhere, 1.0)), 0.0))


def _robust(
    course: FloatArray, besides: FloatArray, missing: FloatArray, trust: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return weights of slots, and the standard errors of each share if it were the only one.

    Bridged gaps of a large meter put more into a slot than any thief takes out of it; slots beside
    what the best single suspect leaves weigh less.
    """
    known = trust > 0
    weight = trust.copy()
    alone = np.zeros(len(course))
    for _ in range(_ROUNDS):
        base = np.linalg.qr((besides * weight).T)[0]
        rows, rest = course * weight, missing * weight
        rows = rows - (rows @ base) @ base.T
        rest = rest - base @ (base.T @ rest)
        power = np.maximum((rows**2).sum(axis=1), 1e-9)
        share = np.maximum(rows @ rest, 0.0) / power
        best = int((share**2 * power).argmax()) if len(share) else 0
        left = rest - share[best] * rows[best] if len(share) else rest
        deviation = max(float(np.sqrt((left**2).sum() / max(int(known.sum()), 1))), 1e-9)
        alone = share * np.sqrt(power) / deviation
        off = np.abs(left) / np.maximum(weight, 1e-9) * trust
        limit = _HUBER * _MAD * float(np.median(off[known])) if known.any() else 0.0
        light = np.minimum(1.0, limit / np.maximum(off, max(limit, 1e-9)))
        weight = trust * light
    return weight, alone


def tampered(rows: IntArray, codes: IntArray, meters: int, policy: LossPolicy) -> BoolArray:
    """Return which meters sent an event of tampering; give those since the loss began."""
    found = np.zeros(meters, np.bool_)
    found[rows[np.isin(codes, policy.corroboration.tamper_codes)]] = True
    return found


def _is_still(energy_wh: FloatArray, usual: FloatArray) -> BoolArray:
    """Return who shows nothing although energy is usual there."""
    shows = np.where(np.isfinite(energy_wh), np.abs(energy_wh), 0.0).sum(axis=1)
    still: BoolArray = (shows <= 0) & (usual.sum(axis=1) > 0) & np.isfinite(energy_wh).any(axis=1)
    return still


def unmoved(rows: FloatArray, memory: float) -> FloatArray:
    """Undo a moving average along the slots: y_t = x_t + m·y_{t−1}."""
    done = rows.copy()
    for slot in range(1, rows.shape[1]):
        done[:, slot] += memory * done[:, slot - 1]
    return done


def _ranked(
    confidence: FloatArray,
    share: FloatArray,
    hidden: FloatArray,
    facts: tuple[BoolArray, BoolArray, BoolArray],
    policy: LossPolicy,
) -> tuple[Suspect, ...]:
    worth = policy.corroboration
    is_tampered, is_still, is_negative = facts
    score = confidence + worth.tamper * is_tampered
    score = score + worth.zero_use * is_still + worth.negative_use * is_negative
    order = np.argsort(-score, kind="stable")[: policy.suspect_max]
    ranked = []
    for meter in order[score[order] >= policy.min_confidence].tolist():
        named = (
            ("profile", confidence[meter] >= policy.min_confidence),
            ("tamper", is_tampered[meter]),
            ("zero_use", is_still[meter]),
            ("negative_use", is_negative[meter]),
        )
        reasons = tuple(name for name, holds in named if holds)
        score_here, own = float(score[meter]), float(confidence[meter])
        hides = (float(share[meter]), float(hidden[meter]))
        ranked.append(Suspect(meter, score_here, own, *hides, reasons))
    return tuple(ranked)
