"""The record of a local day that bills are added up from."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model import BoolArray, FloatArray, IntArray

_UNREAD = frozenset(  # of a day on which a meter did not count
    {"demand_w", "register_start_wh", "register_end_wh", "reactive_start_varh", "reactive_end_varh"}
)


class DayFigures(NamedTuple):
    """One local day of many meters; shape (meters,) unless said otherwise."""

    day: int  # local day number
    rates: tuple[str, ...]
    by_rate_wh: FloatArray  # (meters, rates)
    import_wh: FloatArray
    export_wh: FloatArray  # NaN where a register is missing
    demand_w: FloatArray  # highest mean of a block, measured slots only; NaN without one
    demand_ms: IntArray  # beginning of that block
    # as shown at the midnights, or when the meter came or went within the day; NaN unknown
    register_start_wh: FloatArray
    register_end_wh: FloatArray
    reactive_start_varh: FloatArray
    reactive_end_varh: FloatArray
    grades: IntArray  # (meters, grades): slots of each model.Quality
    open_slots: IntArray  # not final, or not there yet
    held_slots: IntArray  # suspect or failed: a person must look


def without(day: DayFigures, is_away: BoolArray) -> DayFigures:
    """Return a day on which some meters do not count: nothing used, missed or held."""
    if not is_away.any():
        return day
    changed: dict[str, NDArray[Any]] = {}
    for name, column in day._asdict().items():
        if isinstance(column, np.ndarray):
            changed[name] = column.copy()
            changed[name][is_away] = np.nan if name in _UNREAD else 0
    return day._replace(**changed)  # type: ignore[arg-type]  # one value for each of its fields
