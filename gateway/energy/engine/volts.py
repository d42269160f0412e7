"""Voltages of meters at the half hours of a day: kept for the days in which wires are looked for.

They are at hand when a day of meters is worked out; to find them in the store again would mean to
read every reading of a week for every feeder.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.columns import pack_columns, unpack_columns
from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.lossbooks import SLOTS
from gateway.energy.engine.pieces import GROUP, Piece, name_of
from gateway.energy.engine.publish import DOMAIN
from gateway.energy.engine.recall import RecallsMemos
from gateway.energy.engine.remembered import matched
from gateway.energy.engine.roster import Roster
from gateway.model import FloatArray, IntArray, Quality, ReadingBatch
from gateway.ports import Memo
from gateway.profiles import Profile
from gateway.units import UNITS
from gateway.views.engineering import engineer

MOST_DAYS = 16  # one memo takes the place of that of so many days before
_NUMBER = 1 << 41  # numbers that are never too old
_MARK_MS = DAY_MS // SLOTS
_PHASES = (("u", "u_l1"), ("u_l2",), ("u_l3",))
_POWER = ("p_l1", "p")  # of the first phase
_STEP_V = 0.1


class Marks(NamedTuple):
    """A day, and how far a reading may be from a half hour."""

    start_ms: int
    tolerance_ms: int


class Volts(NamedTuple):
    """Of some devices; NaN where not read."""

    volts: FloatArray  # (phases, devices, SLOTS)
    power_w: FloatArray  # (devices, SLOTS), of the first phase

    @classmethod
    def nothing(cls, devices: int) -> "Volts":
        """Return what is known before anything is read."""
        return cls(
            np.full((len(_PHASES), devices, SLOTS), np.nan), np.full((devices, SLOTS), np.nan)
        )


def volts_memo(
    piece: Piece,
    meters: IntArray,
    readings: tuple[Profile, Iterable[ReadingBatch]],
    marks: Marks,
) -> Memo:
    """Return the voltages of a day of a group of meters (ascending) as a memo."""
    profile, batches = readings
    found = Volts.nothing(len(meters))
    for batch in batches:
        since_ms = batch.time_ms - marks.start_ms + marks.tolerance_ms
        mark, off_ms = since_ms // _MARK_MS, since_ms % _MARK_MS
        row = np.minimum(np.searchsorted(meters, batch.device_index), len(meters) - 1)
        use = (meters[row] == batch.device_index) & (off_ms <= 2 * marks.tolerance_ms)
        use &= (mark >= 0) & (mark < SLOTS) & (batch.quality < int(Quality.FAILED))
        at = (row[use], mark[use])
        for phase, names in enumerate(_PHASES):
            _take(found.volts[phase], at, batch.take(use), profile, names)
        _take(found.power_w, at, batch.take(use), profile, _POWER)
    tenths = np.where(np.isfinite(found.volts), np.rint(found.volts / _STEP_V), -1)
    columns: dict[str, NDArray[Any]] = {
        "device_index": meters,
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


def _take(
    into: FloatArray,
    at: tuple[IntArray, IntArray],
    batch: ReadingBatch,
    profile: Profile,
    names: Sequence[str],
) -> None:
    """Put the first column of these names that a profile has where it belongs."""
    numbers = (profile.column_index(name) for name in names)
    number = next((known for known in numbers if known is not None), None)
    if number is not None:
        column = profile.columns[number]
        into[at] = engineer(column, batch.values[:, number]) * UNITS[column.unit][1]


def _name(piece: Piece) -> str:
    return f"volts/{name_of(piece)}"


def _number(day: int) -> int:
    return _NUMBER + day % MOST_DAYS
