"""What the sums say of a node: loading, duration, factors, imbalance."""

from typing import NamedTuple

import numpy as np

from gateway.energy.load.policy import LoadPolicy
from gateway.energy.load.tally import BIN_PU, BINS, Tally
from gateway.model import FloatArray, IntArray


class Profile(NamedTuple):
    """Of each node, (nodes,); NaN where nothing is known."""

    coverage: FloatArray  # share of the slots with a known power
    peak_va: FloatArray
    peak_ms: IntArray
    peak_pu: FloatArray  # of the rating
    loading_pu: FloatArray  # at the policy's quantile of time
    duration: FloatArray  # (nodes, BINS): share of time at or above each percent of the rating
    load_factor: FloatArray  # mean over peak
    power_factor: FloatArray  # of the energies
    imbalance: FloatArray  # largest phase above the mean, weighted by load
    unbalance_loss: FloatArray  # copper losses beyond those of equal phases, share
    export_wh: FloatArray
    reverse_peak_w: FloatArray


def profile(of: Tally, rating_va: FloatArray, policy: LoadPolicy) -> Profile:
    """Return the profile of each node."""
    counted = of.loading.sum(axis=1)
    above = np.cumsum(of.loading[:, ::-1], axis=1)[:, ::-1]
    duration = _share(above, counted[:, None])
    place = (duration > 1 - policy.loading_quantile + 1e-12).sum(axis=1)
    loading = np.where(counted > 0, np.clip(place, 1, BINS) * BIN_PU - BIN_PU, np.nan)
    through = np.hypot(of.measured_wh, of.reactive_varh)
    phases = of.phase_ah.sum(axis=1)
    mean_va = _share(of.apparent_vah, of.hours)
    return Profile(
        _share(of.known, of.slots),
        of.peak_va,
        of.peak_ms,
        _share(of.peak_va, rating_va),
        loading,
        duration,
        _share(mean_va, of.peak_va),
        _share(of.measured_wh, through),
        _share(of.excess_ah, phases / 3),
        _share(of.phase_a2h.sum(axis=1), 3 * of.mean_a2h) - 1,
        of.export_wh,
        of.reverse_peak_w,
    )


def _share(part: FloatArray | IntArray, whole: FloatArray | IntArray) -> FloatArray:
    shape = np.broadcast_shapes(part.shape, whole.shape)
    return np.asarray(np.divide(part, whole, out=np.full(shape, np.nan), where=whole > 0))
