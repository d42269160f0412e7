"""Energy in, energy out, by transformer and by feeder; never without its coverage.

The registers of a meter bridge its gaps: the energy of a gap is exact, only its course is not.
Where a meter's register is not known at all, its usual energy stands in, and coverage says so.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray


class Metered(NamedTuple):
    """Energy of each meter and slot, (meters, slots)."""

    energy_wh: FloatArray  # NaN where unknown
    is_measured: BoolArray  # both registers of the slot were read; else bridged or unknown


class Balance(NamedTuple):
    """Energy in and out of each node (transformer or feeder) and slot, (nodes, slots)."""

    in_wh: FloatArray  # NaN where its own meter is silent
    out_wh: FloatArray  # with usual energy for meters that are not known
    coverage: FloatArray  # share of ``out_wh`` that meters showed, in the slot or over a gap
    measured: FloatArray  # share of meters that were read in the slot itself
    slots_per_day: int

    @property
    def loss_wh(self) -> FloatArray:
        """Return what came in and did not come out; of no use without ``coverage``."""
        return self.in_wh - self.out_wh

    def slots(self, begin: int, end: int) -> "Balance":
        """Return a part of the time."""
        part = (slice(None), slice(begin, end))
        ends = (self.in_wh[part], self.out_wh[part])
        return Balance(*ends, self.coverage[part], self.measured[part], self.slots_per_day)


def metered(register_wh: FloatArray) -> Metered:
    """Return energies of registers (meters, marks) that only grow; NaN marks are bridged."""
    marks = register_wh.shape[1]
    known = np.isfinite(register_wh)
    place = np.arange(marks)
    before = np.maximum.accumulate(np.where(known, place, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, place, marks)[:, ::-1], axis=1)[:, ::-1]
    is_inside = (before >= 0) & (after < marks)
    low, high = np.maximum(before, 0), np.minimum(after, marks - 1)
    begin, end = (np.take_along_axis(register_wh, at, axis=1) for at in (low, high))
    with np.errstate(invalid="ignore"):
        share = (place - low) / np.maximum(high - low, 1)
        filled = np.where(known, register_wh, begin + (end - begin) * share)
    filled[~is_inside] = np.nan
    return Metered(np.diff(filled, axis=1), known[:, 1:] & known[:, :-1])


def usual_energy(energy_wh: FloatArray, slots_per_day: int) -> FloatArray:
    """Return the mean energy of each meter by slot of the day, (meters, slots_per_day)."""
    days = energy_wh.shape[1] // slots_per_day
    folded = energy_wh[:, : days * slots_per_day].reshape(-1, days, slots_per_day)
    known = np.isfinite(folded)
    count = known.sum(axis=1)
    total = np.where(known, folded, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.zeros_like(total), where=count > 0))


def balance(
    in_wh: FloatArray,
    meters: Metered,
    node: IntArray,
    usual_wh: FloatArray,
    slots_per_day: int,
) -> Balance:
    """Return the balance of every node.

    Args:
        in_wh: net energy into each node, (nodes, slots); of a feeder, what its head showed.
        meters: net energies below; of a feeder, those of its transformers' meters.
        node: of each meter; −1 = of none.
        usual_wh: of each meter by slot of the day, from ``usual_energy``.
        slots_per_day: the first slot must begin a day.
    """
    slots = in_wh.shape[1]
    usual = np.tile(usual_wh, (1, -(-slots // slots_per_day)))[:, :slots]
    is_known = np.isfinite(meters.energy_wh)
    out = _by_node(np.where(is_known, meters.energy_wh, usual), node, len(in_wh))
    weight = np.abs(usual) + 1e-9  # a meter that never used anything still is one
    shown = _by_node(np.where(is_known, weight, 0.0), node, len(in_wh))
    whole = _by_node(weight, node, len(in_wh))
    read = _by_node(meters.is_measured.astype(np.float64), node, len(in_wh))
    count = np.bincount(node[node >= 0], minlength=len(in_wh))[:, None]
    coverage = np.divide(shown, whole, out=np.zeros_like(shown), where=whole > 0)
    share = np.divide(read, count, out=np.zeros_like(read), where=count > 0)
    return Balance(in_wh, out, coverage, share, slots_per_day)


def _by_node(values: FloatArray, node: IntArray, nodes: int) -> FloatArray:
    """Return the sum of each node's rows."""
    order = np.argsort(node, kind="stable")
    order = order[node[order] >= 0]
    sums = np.zeros((nodes, values.shape[1]))
    if order.size:
        here, begin = np.unique(node[order], return_index=True)
        sums[here] = np.add.reduceat(values[order], begin, axis=0)
    return sums
