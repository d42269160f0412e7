"""Voltages of meters at the half hours of a day: kept for the days in which wires are looked for.

They are at hand when a day of meters is worked out; to find them in the store again would mean to
read every reading of a week for every feeder.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.columns import pack_columns, unpack_columns
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.halfhours import SLOTS
from gateway.energy.engine.days.pieces import GROUP, Piece, name_of
from gateway.energy.engine.days.remembered import matched
from gateway.energy.engine.findings.recall import RecallsMemos
from gateway.energy.engine.findings.series import DOMAIN
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.series import PHASES, Window
from gateway.model import FloatArray, IntArray, Quality
from gateway.ports import Memo

MOST_DAYS = 16  # one memo takes the place of that of so many days before
_NUMBER = 1 << 41  # numbers that are never too old
_MARK_MS = DAY_MS // SLOTS
_STEP_V = 0.1


class Volts(NamedTuple):
    """Of some devices; NaN where not read."""

    volts: FloatArray  # (phases, devices, SLOTS)
    power_w: FloatArray  # (devices, SLOTS), of the first phase

    @classmethod
    def nothing(cls, devices: int) -> "Volts":
        """Return what is known before anything is read."""
        return cls(np.full((PHASES, devices, SLOTS), np.nan), np.full((devices, SLOTS), np.nan))


def volts_memo(piece: Piece, window: Window) -> Memo:
    """Return the voltages of a day of a group of meters (ascending) as a memo."""
    found = Volts.nothing(window.meters)
    is_slot = (window.mark_ms()[:-1] - window.start_ms) % _MARK_MS == 0
    mark = np.flatnonzero(is_slot)
    slot = (window.mark_ms()[mark] - window.start_ms) // _MARK_MS
    is_told = window.quality[:, mark] < int(Quality.FAILED)
    phases = window.phases
    if phases is None:
        found.volts[0][:, slot] = np.where(is_told, window.voltage_v[:, mark], np.nan)
    else:
        found.volts[:, :, slot] = np.where(is_told, phases.voltage_v[:, :, mark], np.nan)
    power_w = window.power_w if phases is None else phases.power_w[0]
    found.power_w[:, slot] = np.where(is_told, power_w[:, mark], np.nan)
    tenths = np.where(np.isfinite(found.volts), np.rint(found.volts / _STEP_V), -1)
    columns: dict[str, NDArray[Any]] = {
        "device_index": window.device_index,
        "tenths": tenths.astype(np.int16),
        "power_w": found.power_w.astype(np.float32),
    }
    return Memo(_name(piece), _number(piece.day), pack_columns(columns, day=piece.day))


def volts_of(recall: RecallsMemos, roster: Roster, day: int, devices: IntArray) -> Volts:
    """Return the voltages of devices on a day."""
    found = Volts.nothing(len(devices))
    groups = {(roster.profile_of[index], index // GROUP) for index in devices.tolist()}
    for profile, group in sorted(groups):
        name, number = _name(Piece(day, profile, group)), _number(day)
        for one in recall.memos(DOMAIN, name, number, number + 1):
            columns, told = unpack_columns(one.data)
            if told["day"] != day:
                continue
            here, there = matched(devices, columns["device_index"])
            tenths = columns["tenths"][:, there].astype(np.float64)
            found.volts[:, here] = np.where(tenths < 0, np.nan, tenths * _STEP_V)
            found.power_w[here] = columns["power_w"][there]
    return found


def _name(piece: Piece) -> str:
    return f"volts/{name_of(piece)}"


def _number(day: int) -> int:
    return _NUMBER + day % MOST_DAYS
