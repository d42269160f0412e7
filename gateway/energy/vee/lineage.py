"""Lineage: what became of the value of a slot, by which rule, by whom and when."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gateway.energy.vee.types import Edit, Intervals, Method
from gateway.model import FloatArray, IntArray, Reason

SYSTEM = "vee"
_CAUSES = {
    Reason.OUTAGE_AGREE: "an interruption of its power covers the slot",
    Reason.METER_EXCHANGE: "a meter was put up or taken down in the slot",
}
_WHY = {  # where the name of the rule says too little
    Method.PARTLY: "the file tells of a part of the slot",
    Method.SPLIT: "the slot's share, by time, of a longer interval",
    Method.SOURCE_FINAL: "the source says: final substitute",
    Method.SOURCE_SUBSTITUTE: "the source says: substitute",
    Method.SOURCE_ESTIMATE: "the source says: estimate",
}
_NO_METHOD = -1
_SAME_WH = 1e-6  # less is arithmetic


class Change(NamedTuple):
    """One step in the life of a slot's value; energies in Wh, None where there was none."""

    device_index: int
    slot_ms: int
    old_wh: float | None
    new_wh: float | None
    old_rule: str | None
    rule: str
    who: str
    when_ms: int
    why: str


class _Stored(NamedTuple):
    """Columns of the old slots, as wide as the new ones."""

    import_wh: FloatArray
    method: IntArray
    quality: IntArray


def changes(
    old: Intervals | None, new: Intervals, edits: Iterable[Edit], when_ms: int
) -> list[Change]:
    """Return what ``new`` changes in the slots as they were stored.

    A value that was measured at once has no history. Everything else has: an estimate, an edit
    or verification, and a measurement that takes the place of one.

    Args:
        old: what was stored of these meters, from the same start on but maybe not so far; None
            where nothing was.
        new: the same meters, run again.
        edits: those of the run.
        when_ms: time of the run; an edit has its own.
    """
    stored = _stored(old, new)
    is_new = stored.method == _NO_METHOD
    is_other = ~np.isclose(stored.import_wh, new.import_wh, rtol=0, atol=_SAME_WH, equal_nan=True)
    is_other |= (stored.method != new.method) & ~is_new
    is_other &= ~(is_new & (new.method <= int(Method.BACKLOG)))
    by_place: dict[tuple[int, int], Edit] = {}
    for edit in sorted(edits, key=lambda one: one.when_ms):
        slot = (edit.slot_ms - new.start_ms) // new.interval_ms
        if 0 <= slot < new.slots:
            by_place[edit.row, slot] = edit
            place = edit.row, slot
            is_other[place] |= stored.quality[place] != new.quality[place]
    return [
        _change(stored, new, (row, slot), by_place.get((row, slot)), when_ms)
        for row, slot in np.argwhere(is_other).tolist()
    ]


def _change(
    stored: _Stored, new: Intervals, place: tuple[int, int], edit: Edit | None, when_ms: int
) -> Change:
    row, slot = place
    was, is_now = int(stored.method[place]), Method(int(new.method[place]))
    return Change(
        int(new.device_index[row]),
        new.start_ms + slot * new.interval_ms,
        _number(stored.import_wh[place]),
        _number(new.import_wh[place]),
        None if was == _NO_METHOD else Method(was).name.lower(),
        is_now.name.lower(),
        SYSTEM if edit is None else edit.who,
        when_ms if edit is None else edit.when_ms,
        _why(is_now, int(new.reasons[place])) if edit is None else edit.why,
    )


def _why(method: Method, reasons: int) -> str:
    """Return what the name of the rule does not say of a value, and the world outside of it."""
    causes = (text for reason, text in _CAUSES.items() if reasons & int(reason))
    return "; ".join([*([_WHY[method]] if method in _WHY else ()), *causes])


def _stored(old: Intervals | None, new: Intervals) -> _Stored:
    stored = _Stored(
        np.full(new.import_wh.shape, np.nan),
        np.full(new.import_wh.shape, _NO_METHOD, np.int64),
        np.full(new.import_wh.shape, _NO_METHOD, np.int64),
    )
    if old is not None:
        count = min(old.slots, new.slots)
        stored.import_wh[:, :count] = old.import_wh[:, :count]
        stored.method[:, :count] = old.method[:, :count]
        stored.quality[:, :count] = old.quality[:, :count]
    return stored


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
