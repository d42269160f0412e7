"""Slots folded into bins, (lanes, slots) → (lanes, bins, slots of a bin)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model import FloatArray


def per_bin(fine_ms: int, coarse_ms: int, slots: int) -> int:
    """Return how many slots a bin has.

    Raises:
        ValueError: bins do not consist of whole slots, or the last one is not whole.
    """
    per, rest = divmod(coarse_ms, fine_ms)
    if rest or not per or slots % per:
        raise ValueError(f"{slots} slots of {fine_ms} ms are no whole bins of {coarse_ms} ms")
    return per


def folded(values: NDArray[Any], per: int) -> NDArray[Any]:
    """Return a view with one axis more."""
    return values.reshape(*values.shape[:-1], values.shape[-1] // per, per)


def total(values: FloatArray, per: int) -> FloatArray:
    """Return the sum of what is there in each bin, NaN where nothing is."""
    parts = folded(values, per)
    is_there = np.isfinite(parts)
    summed = np.where(is_there, parts, 0.0).sum(axis=-1)
    return np.where(is_there.any(axis=-1), summed, np.nan)


def mean(values: FloatArray, per: int) -> FloatArray:
    """Return the mean of what is there in each bin, NaN where nothing is."""
    return ratio(total(values, per), np.isfinite(folded(values, per)).sum(axis=-1))


def weighted(values: FloatArray, weight: FloatArray, per: int) -> FloatArray:
    """Return the weighted mean of what is there in each bin, NaN where nothing weighs."""
    weight = np.where(np.isfinite(values), weight, 0.0)
    heavy = folded(np.where(weight > 0, values * weight, 0.0), per).sum(axis=-1)
    return ratio(heavy, folded(weight, per).sum(axis=-1))


def ratio(upper: NDArray[Any], lower: NDArray[Any]) -> FloatArray:
    """Return the quotient, NaN where it has none."""
    found: FloatArray = np.full(np.broadcast_shapes(upper.shape, lower.shape), np.nan)
    np.divide(upper, lower, out=found, where=lower > 0)
    return found
