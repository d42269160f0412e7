"""A day of meters of any interval in half hours."""

from typing import NamedTuple

import numpy as np

from gateway.energy import vee
from gateway.energy.engine.lossbooks import SLOTS
from gateway.energy.engine.remembered import DayMemo
from gateway.model import BoolArray, FloatArray, IntArray

_KNOWN = (
    vee.Method.MEASURED,
    vee.Method.BACKLOG,
    vee.Method.FLAT_SCALED,
    vee.Method.LIKE_DAY_SCALED,
    vee.Method.EDITED,
)


class DayEnergy(NamedTuple):
    """A day of all meters in half hours."""

    device_index: IntArray
    is_head: BoolArray  # the transformer's own meter
    energy_wh: FloatArray  # net import, (meters, SLOTS), estimates included
    is_known: BoolArray  # a register vouches for it
    is_measured: BoolArray

    def take(self, chosen: BoolArray) -> "DayEnergy":
        """Return some meters."""
        return DayEnergy(
            self.device_index[chosen],
            self.is_head[chosen],
            self.energy_wh[chosen],
            self.is_known[chosen],
            self.is_measured[chosen],
        )


def half_hours(memo: DayMemo, is_head: bool) -> DayEnergy | None:  # noqa: FBT001
    """Return a complete day in half hours, None where its slots do not fit into them."""
    meters, slots = memo.energy_wh.shape
    if not memo.is_complete or slots % SLOTS:
        return None
    shape = (meters, SLOTS, slots // SLOTS)
    net = memo.energy_wh.astype(np.float64) - memo.export_wh
    known: BoolArray = np.isin(memo.method, [int(one) for one in _KNOWN])
    measured: BoolArray = memo.method <= int(vee.Method.BACKLOG)
    return DayEnergy(
        memo.device_index,
        np.full(meters, is_head),
        net.reshape(shape).sum(axis=2),
        np.asarray(known.reshape(shape).all(axis=2)),
        np.asarray(measured.reshape(shape).all(axis=2)),
    )
