"""What is kept of a local day of some meters, so that other days can be worked out from it.

History and carry for VEE, figures for the bill: all else of a day can be read again from the store.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.columns import pack_columns, unpack_columns
from gateway.energy import vee
from gateway.energy.billing import DayFigures
from gateway.model import BoolArray, IntArray

_VERSION = 2
_FIGURES = set(DayFigures._fields) - {"day", "rates"}
Columns = dict[str, NDArray[np.generic]]


class DayMemo(NamedTuple):
    """One day of the meters of a group, row by row."""

    day: int
    device_index: IntArray  # ascending
    is_complete: bool  # the day is over; else it is no history yet
    energy_wh: NDArray[np.float32]  # (meters, slots of a day)
    export_wh: NDArray[np.float32]  # 0 where unknown
    method: NDArray[np.int8]  # vee.Method; UNKNOWN for slots that are not over
    is_good: BoolArray  # (meters,)
    carry: vee.Carry  # at its end
    figures: DayFigures


def pack(memo: DayMemo) -> bytes:
    """Return a memo as bytes."""
    columns: Columns = {
        "device_index": memo.device_index,
        "energy_wh": memo.energy_wh,
        "export_wh": memo.export_wh,
        "method": memo.method,
        "is_good": memo.is_good,
    }
    columns |= {f"carry.{name}": column for name, column in memo.carry._asdict().items()}
    figures = memo.figures._asdict()
    figures.pop("day")
    rates = figures.pop("rates")
    columns |= {f"figures.{name}": column for name, column in figures.items()}
    more = {"day": memo.day, "is_complete": memo.is_complete, "rates": rates}
    return pack_columns(columns, version=_VERSION, **more)


def unpack(data: bytes) -> DayMemo | None:
    """Return a memo, None where an other version of the program wrote it.

    What a later version carries more begins as for a new meter: like days are not forgotten by an
    upgrade.
    """
    columns, body = unpack_columns(data)
    if body["version"] != _VERSION:
        return None
    figures = {
        name.removeprefix("figures."): column
        for name, column in columns.items()
        if name.startswith("figures.")
    }
    if figures.keys() != _FIGURES:
        return None
    new = vee.Carry.nothing(len(columns["device_index"]))._asdict()
    carry = [columns.get(f"carry.{name}", column) for name, column in new.items()]
    return DayMemo(
        body["day"],
        columns["device_index"],
        body["is_complete"],
        columns["energy_wh"],
        columns["export_wh"],
        columns["method"],
        columns["is_good"],
        vee.Carry._make(carry),
        DayFigures(day=body["day"], rates=tuple(body["rates"]), **figures),
    )


def is_same_past(one: DayMemo | None, other: DayMemo) -> bool:
    """Return whether other days see no difference between two memos of one day."""
    if one is None or one.is_complete != other.is_complete:
        return False
    columns = zip(_seen(one), _seen(other), strict=True)
    return all(
        a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in columns
    )


def _seen(memo: DayMemo) -> tuple[NDArray[np.generic], ...]:
    energy = memo.energy_wh * memo.is_good[:, None]
    return memo.device_index, memo.is_good, energy, *memo.carry


def history_of(memos: Sequence[DayMemo], device_index: IntArray, slots: int) -> vee.History:
    """Return complete days as the history of meters, ascending; zeros where a day has no row."""
    days = [memo for memo in memos if memo.is_complete and memo.energy_wh.shape[1] == slots]
    if not days:
        return vee.History.nothing(len(device_index), slots)
    energy = np.zeros((len(device_index), len(days), slots), np.float32)
    is_good = np.zeros((len(device_index), len(days)), np.bool_)
    for place, memo in enumerate(days):
        here, there = matched(device_index, memo.device_index)
        energy[here, place] = memo.energy_wh[there]
        is_good[here, place] = memo.is_good[there]
    return vee.History(np.array([memo.day for memo in days], np.int64), energy, is_good)


def carry_of(memo: DayMemo | None, device_index: IntArray) -> vee.Carry:
    """Return the carry behind a day, of meters without a row that of the beginning."""
    carry = vee.Carry.nothing(len(device_index))
    if memo is None or not memo.is_complete:
        return carry
    here, there = matched(device_index, memo.device_index)
    for column, kept in zip(carry, memo.carry, strict=True):
        column[here] = kept[there]
    return carry


def figures_of(memo: DayMemo, device_index: IntArray) -> DayFigures:
    """Return the figures of meters; nothing used and all slots open where a day has no row."""
    here, there = matched(device_index, memo.device_index)
    made: dict[str, object] = {"day": memo.day, "rates": memo.figures.rates}
    for name, column in memo.figures._asdict().items():
        if isinstance(column, np.ndarray):
            blank = np.full(
                (len(device_index), *column.shape[1:]), _blank(name, memo), column.dtype
            )
            blank[here] = column[there]
            made[name] = blank
    return DayFigures(**made)  # type: ignore[arg-type]  # one value for each of its fields


def _blank(name: str, memo: DayMemo) -> float:
    if name == "open_slots":
        return float(memo.energy_wh.shape[1])
    if name.startswith(("register_", "reactive_")) or name in {"export_wh", "demand_w"}:
        return float("nan")
    return 0


def matched(wanted: IntArray, known: IntArray) -> tuple[IntArray, IntArray]:
    """Return places in ``wanted`` and in ``known`` (ascending) that are of the same device."""
    if not len(known):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    there = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    here = np.flatnonzero(known[there] == wanted)
    return here, there[here]
