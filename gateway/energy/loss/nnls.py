"""Least squares with no negative share: Lawson and Hanson's active set (1974, ch. 23)."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray

_TOLERANCE = 1e-10
_ROUNDS_PER_COLUMN = 3  # as scipy's; in practice fewer than one is needed


class Shares(NamedTuple):
    """Solution of min ‖A·x − b‖ with x ≥ 0."""

    x: FloatArray
    error: FloatArray  # standard error of each share in the active set; inf outside
    is_exact: bool  # the active set came to rest


def nnls(a: FloatArray, b: FloatArray) -> Shares:
    """Solve by the normal equations: few columns, many rows.

    Args:
        a: (rows, columns), of full rank in any active set.
        b: (rows,).
    """
    scale = np.maximum(np.sqrt((a**2).sum(axis=0)), 1e-300)
    unit = a / scale
    gram, right = unit.T @ unit, unit.T @ b
    columns = len(right)
    x, active = np.zeros(columns), np.zeros(columns, np.bool_)
    limit = _TOLERANCE * max(float(np.abs(right).max(initial=0.0)), 1e-300)
    is_exact = False
    for _ in range(_ROUNDS_PER_COLUMN * columns):
        slope = np.where(active, -np.inf, right - gram @ x)
        best = int(np.argmax(slope)) if columns else 0
        if not columns or slope[best] <= limit:
            is_exact = True
            break
        active[best] = True
        x = _step(gram, right, x, active)
    return Shares(x / scale, _errors(unit, b, x, active) / scale, is_exact)


def _step(gram: FloatArray, right: FloatArray, x: FloatArray, active: BoolArray) -> FloatArray:
    """Move to the solution of the active set, dropping what would become negative."""
    while active.any():
        want = np.zeros_like(x)
        want[active] = np.linalg.lstsq(gram[np.ix_(active, active)], right[active], rcond=None)[0]
        below = active & (want <= 0)
        if not below.any():
            return want
        way = float(np.min(x[below] / np.maximum(x[below] - want[below], 1e-300)))
        x = x + way * (want - x)
        active &= x > _TOLERANCE
        x[~active] = 0.0
    return np.zeros_like(x)


def _errors(a: FloatArray, b: FloatArray, x: FloatArray, active: BoolArray) -> FloatArray:
    error = np.full(len(x), np.inf)
    freedom = max(len(b) - int(active.sum()), 1)
    spread = float(((b - a @ x) ** 2).sum()) / freedom
    inner = np.linalg.pinv(a[:, active].T @ a[:, active])
    error[active] = np.sqrt(spread * np.diag(inner))
    return error
