"""Days of meters of any interval in half hours, as the days' own work has left them."""

from typing import NamedTuple

import numpy as np

from gateway.energy import loss, vee
from gateway.energy.engine.days.kin import all_groups
from gateway.energy.engine.days.remembered import DayMemo, unpack
from gateway.energy.engine.findings.recall import RecallsMemos
from gateway.energy.engine.findings.series import DOMAIN
from gateway.energy.engine.grid.roster import Roster
from gateway.model import BoolArray, FloatArray, IntArray

SLOTS = 48  # half hours: what all meters can be brought to
_KNOWN = (
    vee.Method.MEASURED,
    vee.Method.BACKLOG,
    vee.Method.FLAT_SCALED,
    vee.Method.LIKE_DAY_SCALED,
    vee.Method.CHECK_METER,
    vee.Method.EDITED,
    vee.Method.SPLIT,
    vee.Method.SOURCE_FINAL,
    vee.Method.SOURCE_SUBSTITUTE,
    vee.Method.ABSENT,
)


class DayEnergy(NamedTuple):
    """A day of all meters in half hours."""

    device_index: IntArray
    energy_wh: FloatArray  # net import, (meters, SLOTS), estimates included; NaN where none
    is_known: BoolArray  # a register vouches for it, or who wrote its file
    is_measured: BoolArray

    def take(self, chosen: BoolArray) -> "DayEnergy":
        """Return some meters."""
        return DayEnergy(
            self.device_index[chosen],
            self.energy_wh[chosen],
            self.is_known[chosen],
            self.is_measured[chosen],
        )


def energies(
    recall: RecallsMemos, roster: Roster, day: int, only: IntArray | None = None
) -> DayEnergy | None:
    """Return the day of all meters, or of some device indexes; None where nothing is known."""
    parts = []
    seen = np.zeros(0, np.int64)
    for profile, group in all_groups(roster):
        for one in recall.memos(DOMAIN, f"{profile}/{group}", day, day + 1):
            memo = unpack(one.data)
            if memo is None:
                continue
            part = half_hours(memo)
            if part is not None:
                # of a meter that both tell of, until the file's day is written without it
                parts.append(part.take(~np.isin(part.device_index, seen)))
            seen = np.concatenate([seen, memo.device_index])
    if not parts:
        return None
    found = DayEnergy(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return found if only is None else found.take(np.isin(found.device_index, only))


def placed(recall: RecallsMemos, roster: Roster, day: int, meters: IntArray) -> loss.Metered:
    """Return the day of these meters, ascending, in their order; unknown where it has none."""
    energy = np.full((len(meters), SLOTS), np.nan)
    measured = np.zeros((len(meters), SLOTS), np.bool_)
    found = energies(recall, roster, day, meters)
    if found is not None:
        at = np.searchsorted(meters, found.device_index)
        energy[at] = np.where(found.is_known, found.energy_wh, np.nan)
        measured[at] = found.is_measured
    return loss.Metered(energy, measured)


def half_hours(memo: DayMemo) -> DayEnergy | None:
    """Return a complete day in half hours, None where its slots do not fit into them."""
    meters, slots = memo.energy_wh.shape
    if not memo.is_complete or slots % SLOTS:
        return None
    shape = (meters, SLOTS, slots // SLOTS)
    net = memo.energy_wh.astype(np.float64) - memo.export_wh
    net[memo.method == int(vee.Method.UNKNOWN)] = np.nan  # no zero
    known: BoolArray = np.isin(memo.method, [int(one) for one in _KNOWN])
    measured: BoolArray = memo.method <= int(vee.Method.BACKLOG)
    measured |= memo.method == int(vee.Method.ABSENT)
    return DayEnergy(
        memo.device_index,
        net.reshape(shape).sum(axis=2),
        np.asarray(known.reshape(shape).all(axis=2)),
        np.asarray(measured.reshape(shape).all(axis=2)),
    )
