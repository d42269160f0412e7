"""Loads that are constant by nature, told from meters that are stuck: the exceptions of V14.

A cabinet at the road, a lamp, a telecom site use the same in every slot. A meter that is stuck, or
a value that is sent again, looks alike if the register is all there is. What tells them apart is in
the same reading: power, voltage and current. Of a constant load they agree with what the register
says and with each other, and the voltage goes with the grid all the time; of a reading that is sent
again nothing moves, and where only the register is stuck, power and current go their own way. Where
a meter has no such gauges, the days that people have verified stand in.
"""

import numpy as np

from gateway.energy.vee.marks import apparent_va
from gateway.energy.vee.types import Job
from gateway.model import BoolArray, FloatArray


def vouched(job: Job, import_wh: FloatArray, is_same: BoolArray) -> BoolArray:
    """Return of the slots with the same use as before those for which gauges speak.

    It takes a power factor: without one nothing says how much of a current is active.
    """
    vouches = np.zeros(is_same.shape, np.bool_)
    rows = np.flatnonzero(is_same.any(axis=1))
    if not len(rows):
        return vouches
    part = job._replace(window=job.window.take(rows), meters=job.meters.take(rows))
    window, use, share = part.window, import_wh[rows], job.policy.flat_line.gauge_share
    slack_wh = job.policy.capability.slack_resolutions * part.meters.resolution_wh[:, None]
    power_w, apparent = window.power_w, apparent_va(part)
    agrees = np.abs(power_w[:, 1:] * job.slot_h - use) <= share * use + slack_wh
    off_w = np.abs(np.abs(power_w) - apparent * np.abs(window.power_factor))
    agrees &= (off_w <= share * apparent)[:, 1:]
    gauges = (window.voltage_v, window.current_a, power_w)
    moved = np.any([np.abs(np.diff(gauge, axis=1)) > 0 for gauge in gauges], axis=0)
    vouches[rows] = agrees & _of_late(moved, job.policy.flat_line.still_slots) & is_same[rows]
    return vouches


def _of_late(moved: BoolArray, slots: int) -> BoolArray:
    """Return where anything has moved in so many slots: by chance two readings may be alike.

    Before the window nobody knows; so few slots at its begin do not make a run.
    """
    late = moved.copy()
    for back in range(1, slots):
        late[:, back:] |= moved[:, : moved.shape[1] - back]
    late[:, : slots - 1] = True
    return late


def accepted(job: Job, is_flat: BoolArray, import_wh: FloatArray) -> BoolArray:
    """Return which flat slots are at a level that was flat, and found right, on other days.

    A day with a flat run is good, and so in the history, only if somebody vouched for it.
    """
    policy, known = job.policy.flat_line, np.zeros(is_flat.shape, np.bool_)
    if not len(job.history.day):
        return known
    for row in np.flatnonzero(is_flat.any(axis=1)).tolist():
        level, slots = _levels(job, row), np.flatnonzero(is_flat[row])
        use = import_wh[row, slots][:, None, None]
        near = np.abs(level[None] - use) <= policy.known_share * use
        known[row, slots] = near.any(axis=2).sum(axis=1) >= policy.known_days
    return known


def _levels(job: Job, row: int) -> FloatArray:
    """Return the values of flat runs of good days, (days, slots of a day), NaN elsewhere."""
    least = job.policy.flat_line.intervals
    energy = job.history.energy_wh[row].astype(np.float64)
    is_same = np.zeros(energy.shape, np.bool_)
    is_same[:, 1:] = np.abs(np.diff(energy, axis=1)) < job.meters.resolution_wh[row] / 2
    place = np.arange(energy.shape[1])
    broken = np.maximum.accumulate(np.where(is_same, 0, place), axis=1)
    is_run = (place - broken + 1 >= least) & job.history.is_good[row][:, None]
    return np.where(is_run, energy, np.nan)
