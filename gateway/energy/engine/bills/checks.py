"""What check meters showed in the slots of their main meters."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gateway.energy import vee
from gateway.energy.engine.grid.pairs import Check
from gateway.energy.series import Window
from gateway.model import FloatArray, IntArray, Quality, Reason

_SHOWN = (int(vee.Method.MEASURED), int(vee.Method.BACKLOG), int(vee.Method.EDITED))
_GOOD = tuple(
    int(grade) for grade in (Quality.VALID, Quality.RECOVERED, Quality.VERIFIED, Quality.EDITED)
)
# only what was counted since is known of such a slot
_PARTLY = int(Reason.METER_EXCHANGE | Reason.REGISTER_RESET)


class Checked(NamedTuple):
    """For the slots of a window; None where no meter of it has a check meter."""

    import_wh: FloatArray | None = None  # (meters, slots), NaN where none showed anything
    check_index: IntArray | None = None  # (meters, slots): who did


def checked(
    window: Window, pairs: Iterable[tuple[int, Check]], shown_wh: dict[int, FloatArray]
) -> Checked:
    """Return the slots of check meters where their main meters stand; the first that knows counts.

    Args:
        window: of the main meters.
        pairs: row of the main meter, and a check meter of it.
        shown_wh: of check meters by device index, slot by slot of the window.
    """
    shape = (window.meters, window.slots)
    use, source = np.full(shape, np.nan), np.full(shape, -1, np.int64)
    begin_ms = window.slot_ms()
    for row, check in pairs:
        values = shown_wh.get(check.device_index)
        if values is None:
            continue
        holds = begin_ms >= check.link.from_ms
        holds &= begin_ms + window.interval_ms <= check.link.to_ms
        is_new = holds & np.isfinite(values) & np.isnan(use[row])
        use[row, is_new], source[row, is_new] = values[is_new], check.device_index
    return Checked(use, source)


def shown(found: vee.Intervals, exchanges: Iterable[vee.Exchange], window: Window) -> FloatArray:
    """Return what check meters measured and nothing speaks against, (meters, slots of ``window``).

    Args:
        found: of the check meters, from the window's begin on.
        exchanges: of theirs.
        window: of the main meters; of longer slots theirs are added up, of shorter ones not split.
    """
    is_part = (found.reasons & _PARTLY) != 0
    for one in exchanges:
        slot = (one.time_ms - found.start_ms - 1) // found.interval_ms
        # one at the first mark is of the slot before
        if slot >= 0 and np.isfinite(one.old_final_wh) and np.isfinite(one.new_start_wh):
            is_part[one.row, slot] = False
    is_good = np.isin(found.method, _SHOWN) & np.isin(found.quality, _GOOD) & ~is_part
    use = np.where(is_good, found.import_wh, np.nan)
    times, rest = divmod(window.interval_ms, found.interval_ms)
    if rest:
        return np.full((len(use), window.slots), np.nan)
    return np.asarray(use[:, : times * window.slots].reshape(len(use), -1, times).sum(axis=2))
