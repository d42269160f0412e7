"""A year of a station: annual average daily traffic three ways, and its high hours."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model import FloatArray, IntArray
from gateway.transport.aggregate.folding import ratio

MONTHS, WEEKDAYS = 12, 7
_RANKS = (30, 50, 100)


class Annual(NamedTuple):
    """Vehicles a day; NaN where the method has not what it needs."""

    days: int  # that were measured
    mean: float  # of all days
    astm: float  # E1442: months of the mean of their weekdays; needs all twelve
    aashto: float  # weekdays of the mean of their months; a missing month biases nothing else
    k: tuple[float, float, float]  # 30th, 50th, 100th highest hour as a share of ``aashto``


def annual(day: NDArray[np.datetime64], passed: FloatArray, hours: FloatArray) -> Annual:
    """Return the averages of a year.

    Args:
        day: local days, numpy dates.
        passed: vehicles of each day, NaN where too little of it was measured.
        hours: vehicles of single hours of the year, in any order, NaN likewise.
    """
    is_known = np.isfinite(passed)
    day, passed = day[is_known], passed[is_known]
    if not len(day):
        nan = float("nan")
        return Annual(0, nan, nan, nan, (nan, nan, nan))
    month = day.astype("datetime64[M]").astype(np.int64) % MONTHS
    weekday = (day.astype("datetime64[D]").astype(np.int64) + 3) % WEEKDAYS  # 1970 on a Thursday
    cells = _means(month * WEEKDAYS + weekday, passed, MONTHS * WEEKDAYS)
    table = cells.reshape(MONTHS, WEEKDAYS)
    of_months = _known_mean(table, 1)
    astm = float(of_months.mean()) if np.isfinite(of_months).all() else float("nan")
    aashto = float(_known_mean(_known_mean(table, 0)[None], 1)[0])
    return Annual(len(day), float(passed.mean()), astm, aashto, _highest(hours, aashto))


def _means(cell: IntArray, values: FloatArray, size: int) -> FloatArray:
    number = np.bincount(cell, minlength=size)
    total = np.bincount(cell, values, size)
    return ratio(total, number)


def _known_mean(table: FloatArray, axis: int) -> FloatArray:
    is_known = np.isfinite(table)
    number = is_known.sum(axis=axis)
    total = np.where(is_known, table, 0.0).sum(axis=axis)
    return ratio(total, number)


def _highest(hours: FloatArray, daily: float) -> tuple[float, float, float]:
    falling = -np.sort(-hours[np.isfinite(hours)])
    one, two, three = (
        float(falling[rank - 1]) / daily if len(falling) >= rank else float("nan")
        for rank in _RANKS
    )
    return one, two, three
