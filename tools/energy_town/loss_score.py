"""Lets thieves and wrong wires loose on the loss room and counts what it found."""

from dataclasses import dataclass

import numpy as np

from gateway.energy import loss
from gateway.model import FloatArray, IntArray
from tools.energy_town.losses import FINE, SLOTS_PER_DAY, Street, draw_feeder, draw_street
from tools.plays import Counts

BASE_DAYS = 14
_AFTER_DAYS = 8  # a theft's first day, and seven whole ones
_STREETS, _WRONG = 10, 20


@dataclass
class LossScore(Counts):
    """Counts over seeds."""

    thefts: int = 0
    in_two_days: int = 0
    in_first_three: int = 0
    clean_months: float = 0.0
    false_alarms: int = 0
    wrong_wires: int = 0
    wires_found: int = 0
    right_wires: int = 0
    wires_accused: int = 0


def judged(
    street: Street, policy: loss.LossPolicy
) -> tuple[loss.Course, loss.Suspicion | None, float]:
    """Return the course after the baseline, the suspects after 7 days, the model's sigma."""
    meters = loss.metered(street.import_wh)
    usual = loss.usual_energy(meters.energy_wh[:, : BASE_DAYS * SLOTS_PER_DAY], SLOTS_PER_DAY)
    head = loss.metered(street.head_wh[None, :])
    node = np.zeros(len(usual), np.int64)
    whole = loss.balance(head.energy_wh, meters, node, usual, SLOTS_PER_DAY)
    clean = whole.slots(0, BASE_DAYS * SLOTS_PER_DAY)
    model = loss.fit(clean, policy)
    days = head.energy_wh.shape[1] // SLOTS_PER_DAY
    parts = [
        whole.slots(d * SLOTS_PER_DAY, (d + 1) * SLOTS_PER_DAY) for d in range(BASE_DAYS, days)
    ]
    course = loss.cusum(
        loss.stacked([loss.day_loss(part, model, policy) for part in parts]), model, policy
    )
    since = int(course.since[0])
    if since < 0 or since + 1 >= len(parts):  # no whole day after its beginning yet
        return course, None, float(model.sigma_wh[0])
    residual = (whole.loss_wh - model.technical_wh(whole.in_wh))[0]
    begin = (BASE_DAYS + since + 1) * SLOTS_PER_DAY  # the first day is partly honest
    end = min(begin + policy.suspect_days * SLOTS_PER_DAY, len(residual))
    top, part = (
        loss.Metered(of.energy_wh[:, begin:end], of.is_measured[:, begin:end])
        for of in (head, meters)
    )
    nothing = np.zeros(len(usual), np.bool_)
    signs = loss.Signs(nothing, nothing)
    found = loss.suspects(residual[begin:end], top, part, usual, signs, policy)
    return course, found, float(model.sigma_wh[0])


def score_theft(
    seed: int, policy: loss.LossPolicy, missing: float, skew_s: float, total: LossScore
) -> None:
    """Add one theft that begins on the day after the baseline."""
    rng = np.random.default_rng(seed)
    begin = BASE_DAYS + float(rng.uniform(0, 1))
    days = BASE_DAYS + _AFTER_DAYS
    street = draw_street(rng, days, thief_day=begin, missing=missing, skew_s=skew_s)
    course, found, _ = judged(street, policy)
    alarms = np.flatnonzero(course.is_alarm[0])
    total.thefts += 1
    # a day is judged at its end
    total.in_two_days += bool(alarms.size) and BASE_DAYS + alarms[0] + 1 - begin <= 2  # noqa: PLR2004
    named = [one.meter for one in found.suspects[:3]] if found else []
    total.in_first_three += street.thief in named


def score_clean(  # as ``score_theft``
    seed: int, policy: loss.LossPolicy, missing: float, skew_s: float, days: int, total: LossScore
) -> None:
    """Add one honest transformer; every alarm that begins counts."""
    rng = np.random.default_rng(seed)
    street = draw_street(rng, BASE_DAYS + days, missing=missing, skew_s=skew_s)
    course, _, _ = judged(street, policy)
    alarm = np.pad(course.is_alarm[0], (1, 0))
    total.false_alarms += int(np.count_nonzero(alarm[1:] & ~alarm[:-1]))
    total.clean_months += days / 30


def score_wires(seed: int, policy: loss.LossPolicy, missing: float, total: LossScore) -> None:
    """Add a feeder of ten transformers in whose registry some meters stand at the wrong one."""
    rng = np.random.default_rng(seed)
    feeder_v = draw_feeder(rng, 7 * SLOTS_PER_DAY * FINE)
    streets = [
        draw_street(
            rng, 7, meters=int(rng.integers(30, 70)), feeder_v=feeder_v + rng.normal(0, 0.3)
        )
        for _ in range(_STREETS)
    ]
    volts = np.concatenate([street.voltage_v for street in streets])
    power = np.concatenate([street.power_w for street in streets])
    volts[rng.random(volts.shape) < missing] = np.nan
    true = np.repeat(np.arange(_STREETS), [len(street.voltage_v) for street in streets])
    registered = true.copy()
    wrong = rng.choice(true.size, _WRONG, replace=False)
    registered[wrong] = (true[wrong] + rng.integers(1, _STREETS, _WRONG)) % _STREETS
    found = wires(volts, power, np.stack([street.head_v for street in streets]), registered, policy)
    is_wrong = registered != true
    total.wrong_wires += _WRONG
    total.wires_found += int(np.count_nonzero(found.is_wrong & is_wrong & (found.best == true)))
    total.right_wires += int(np.count_nonzero(~is_wrong))
    total.wires_accused += int(np.count_nonzero(found.is_wrong & ~is_wrong))


def wires(
    volts: FloatArray,
    power: FloatArray,
    head_v: FloatArray,
    registered: IntArray,
    policy: loss.LossPolicy,
) -> loss.Verdict:
    """Judge whole days, one tally each."""
    tallies = []
    for day in range(volts.shape[1] // SLOTS_PER_DAY):
        marks = slice(day * SLOTS_PER_DAY + 1, (day + 1) * SLOTS_PER_DAY + 1)
        heads = head_v[:, :, marks]
        refs = loss.references(heads)
        tallies.append(loss.tally(volts[:, marks], power[:, marks], heads, refs))
    return loss.verdict(loss.joined(tallies), registered, policy)
