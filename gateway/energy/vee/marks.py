"""Rules that look at one mark: V01, V09, V15 to V17 and V19. Each returns reason bits."""

import numpy as np

from gateway.energy.vee.types import Job
from gateway.model import BoolArray, FloatArray, IntArray, Reason
from gateway.validate import Status

_MS_PER_S = 1000
_MAD_TO_SIGMA = 1.4826  # of a normal distribution
_CLOCK = int(Status.CLOCK_INVALID | Status.CLOCK_ADJUSTED)


def time_sync(job: Job) -> tuple[IntArray, BoolArray]:
    """V01: return the bits, and which marks fail."""
    window, policy = job.window, job.policy.time_sync
    is_warned = (window.status & _CLOCK) != 0
    is_failed = (window.status & int(Status.CLOCK_INVALID)) != 0
    if job.extra.clock_offset_ms is not None:
        ahead_s = job.extra.clock_offset_ms / _MS_PER_S
        off_s = np.abs(ahead_s)
        counts = window.is_present() & ((ahead_s > 0) | policy.behind_fails)
        is_warned = is_warned | (window.is_present() & (off_s > policy.warn_s))
        is_failed = is_failed | (counts & (off_s > policy.fail_s))
    return _bits(is_warned, Reason.TIME_SYNC), is_failed


def tou_sum(job: Job) -> IntArray:
    """V09: the meter's own tariff registers must add up to its total."""
    window = job.window
    if window.rates_wh is None:
        return np.zeros_like(window.reasons)
    off = np.abs(window.rates_wh.sum(axis=0) - window.import_wh)
    most = job.policy.tou_sum.resolutions * job.meters.resolution_wh
    return _bits(off > most[:, None], Reason.TOU_SUM)


def phase_consistency(job: Job) -> IntArray:
    """V16: the phases must add up to the whole, and no power without voltage and current."""
    window, policy = job.window, job.policy.phase_consistency
    power = np.abs(window.power_w)
    is_off = power > apparent_va(job) * policy.margin + policy.floor_w
    if window.phases is not None:
        off = np.abs(window.power_w - window.phases.power_w.sum(axis=0))
        is_off |= (off > power * policy.share) & (off > policy.floor_w)
    return _bits(is_off, Reason.PHASE_CONSISTENCY)


def power_factor(job: Job) -> IntArray:
    """V17: cos φ within -1 and 1, no more reactive than apparent power."""
    window = job.window
    is_off = np.abs(window.power_factor) > 1
    if window.reactive_power_var is not None:
        most = apparent_va(job) + job.policy.phase_consistency.floor_w
        is_off |= np.abs(window.reactive_power_var) > most
    return _bits(is_off, Reason.POWER_FACTOR)


def reverse(job: Job, export_wh: FloatArray) -> IntArray:
    """V15, for slots: energy fed in by somebody who is not registered to."""
    is_fed = export_wh > job.meters.resolution_wh[:, None]
    return _bits(is_fed & ~job.meters.is_prosumer[:, None], Reason.REVERSE)


def neighbour_voltage(job: Job, import_wh: FloatArray) -> IntArray:
    """V19: a voltage far from that of the others under the transformer, at normal load."""
    window, policy = job.window, job.policy.neighbour_voltage
    is_off = np.zeros(window.reasons.shape, np.bool_)
    transformer = job.meters.transformer
    order = np.argsort(transformer, kind="stable")
    starts = np.flatnonzero(np.diff(transformer[order], prepend=-1))
    for group in np.split(order, starts)[1:]:
        voltage = window.voltage_v[group]
        is_told = np.isfinite(voltage)
        enough = is_told.sum(axis=0) >= policy.meters
        if not enough.any():
            continue
        middle = _median(voltage)
        off = np.abs(voltage - middle)
        sigma = np.maximum(_MAD_TO_SIGMA * _median(off), policy.floor_v)
        is_off[group] = (off > policy.sigmas * sigma) & enough
    normal = _is_normal_load(import_wh, policy.load_factor)
    is_off[:, 1:] &= normal
    return _bits(is_off, Reason.NEIGHBOUR_VOLTAGE)


def apparent_va(job: Job) -> FloatArray:
    """Return voltage times current over all phases; NaN where one is not measured."""
    window = job.window
    single: FloatArray = window.voltage_v * np.abs(window.current_a)
    if window.phases is None:
        return single
    of_phases = (window.phases.voltage_v * np.abs(window.phases.current_a)).sum(axis=0)
    return np.where(job.meters.phase_count[:, None] > 1, of_phases, single)


def _is_normal_load(import_wh: FloatArray, factor: float) -> BoolArray:
    known = np.where(np.isfinite(import_wh), import_wh, 0.0)
    mean = known.sum(axis=1) / np.maximum(1, np.isfinite(import_wh).sum(axis=1))
    normal: BoolArray = known <= factor * mean[:, None]
    return normal


def _median(values: FloatArray) -> FloatArray:
    """Return the median over the rows, as nanmedian does but without its loop over columns."""
    count = np.isfinite(values).sum(axis=0)
    ordered = np.sort(values, axis=0)  # NaN last
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, len(values) - 1)
    lower = np.take_along_axis(ordered, low[None], axis=0)[0]
    upper = np.take_along_axis(ordered, high[None], axis=0)[0]
    middle: FloatArray = (lower + upper) / 2
    return middle


def _bits(where: BoolArray, reason: Reason) -> IntArray:
    return np.where(where, int(reason), 0)
