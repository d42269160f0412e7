"""What would help a transformer or feeder most, and the numbers that say so."""

from typing import NamedTuple

import numpy as np

from gateway.energy.load.policy import LoadPolicy
from gateway.energy.load.profile import Profile
from gateway.energy.load.tally import VOLT_BIN_PU, VOLT_BINS, VOLT_LOW, Tally
from gateway.model import FloatArray, IntArray


class Advice(NamedTuple):
    """One thing to do at one node."""

    node: int
    what: str  # retap | balance | capacitor | uprate
    severity: float  # share of copper losses saved, of voltages mended, or of rating lacking
    coverage: float
    evidence: tuple[tuple[str, float], ...]


def advise(of: Tally, found: Profile, rating_va: FloatArray, policy: LoadPolicy) -> list[Advice]:
    """Return what to do, most severe first; nothing where too little is known."""
    advices: list[Advice] = []
    for node in np.flatnonzero(found.coverage >= policy.min_coverage).tolist():
        advices += _uprate(node, found, rating_va, policy)
        advices += _balance(node, found, policy)
        advices += _capacitor(node, of, found, policy)
        advices += _retap(node, of.voltage[node], found, policy)
    return sorted(advices, key=lambda one: (-one.severity, one.node, one.what))


def _made(node: int, what: str, severity: float, found: Profile, **evidence: float) -> list[Advice]:
    coverage = float(found.coverage[node])
    named = tuple((name, float(value)) for name, value in evidence.items())
    return [Advice(node, what, float(severity), coverage, named)]


def _is_loaded(node: int, found: Profile, policy: LoadPolicy) -> bool:
    loading = found.loading_pu[node]
    # a feeder without a rating has no loading; it is judged all the same
    return bool(np.isnan(loading) or loading >= policy.min_loading)


def _uprate(node: int, found: Profile, rating_va: FloatArray, policy: LoadPolicy) -> list[Advice]:
    loading = found.loading_pu[node]
    if not loading >= policy.uprate_at:
        return []
    cosine = found.power_factor[node]
    # what a capacitor would leave of it, so that nobody buys a transformer in its stead
    mended = loading * min(cosine / policy.power_factor, 1.0) if np.isfinite(cosine) else loading
    above = found.duration[node, min(round(100 * policy.uprate_at), found.duration.shape[1] - 1)]
    return _made(
        node,
        "uprate",
        loading - policy.uprate_at + above,
        found,
        loading_pu=loading,
        peak_pu=found.peak_pu[node],
        time_above=above,
        needed_kva=loading * rating_va[node] / 1000,
        loading_with_capacitor_pu=mended,
    )


def _balance(node: int, found: Profile, policy: LoadPolicy) -> list[Advice]:
    imbalance = found.imbalance[node]
    if not (imbalance > policy.imbalance and _is_loaded(node, found, policy)):
        return []
    extra = found.unbalance_loss[node]
    saved = extra / (1 + extra)
    return _made(node, "balance", saved, found, imbalance=imbalance, copper_loss_saved=saved)


def _capacitor(node: int, of: Tally, found: Profile, policy: LoadPolicy) -> list[Advice]:
    cosine = found.power_factor[node]
    is_inductive = of.reactive_varh[node] > 0  # a capacitor would make the other kind worse
    if not (cosine < policy.power_factor and is_inductive and _is_loaded(node, found, policy)):
        return []
    hours = max(float(of.hours[node]), 1e-9)
    wanted = np.sqrt(1 / policy.power_factor**2 - 1)
    lacking_var = (of.reactive_varh[node] - of.measured_wh[node] * wanted) / hours
    saved = 1 - (cosine / policy.power_factor) ** 2
    return _made(
        node,
        "capacitor",
        saved,
        found,
        power_factor=cosine,
        needed_kvar=lacking_var / 1000,
        copper_loss_saved=saved,
    )


def _retap(node: int, counts: IntArray, found: Profile, policy: LoadPolicy) -> list[Advice]:
    total = int(counts.sum())
    if not total:
        return []
    steps = [0]
    for size in range(1, policy.tap_steps + 1):
        steps += [size, -size]
    out = [_outside(counts, step * policy.tap_step_pu, policy) / total for step in steps]
    best = int(np.argmin(out))  # of equals the smallest step
    if out[0] < policy.voltage_share or out[best] >= out[0] / 2:
        return []
    change = steps[best] * policy.tap_step_pu
    evidence = {"out_now": out[0], "out_then": out[best], "values": float(total)}
    return _made(node, "retap", out[0] - out[best], found, change_pu=change, **evidence)


def _outside(counts: IntArray, change_pu: float, policy: LoadPolicy) -> int:
    """Return how many values would be out of the band if all moved by ``change_pu``."""
    middle = VOLT_LOW + VOLT_BIN_PU * (np.arange(VOLT_BINS) + 0.5) + change_pu
    outside = (middle < policy.voltage_low_pu) | (middle > policy.voltage_high_pu)
    return int(counts[outside].sum())
