"""What makes a slot of a place uncertain: gaps that were bridged, and the clock of its head.

The energy of a gap is exact, its course is not: each bridged slot is off by about as much as its
meter's slots differ at that hour. And a head whose clock is wrong moves energy of the whole place
from one slot to the next, as much as its power changes between them; that has a course of its own.
"""

import numpy as np

from gateway.energy.loss.balance import Metered
from gateway.model import FloatArray

_SLOTS_AROUND = 2  # to either side: about the same time of day
_LEAST_WH2 = 25.0  # registers count whole Wh


def doubt_wh2(meters: Metered, slots_per_day: int) -> FloatArray:
    """Return the variance of each meter's slots, (meters, slots), 0 where they were measured.

    Args:
        meters: of whole days.
        slots_per_day: of them.
    """
    is_pair = meters.is_measured[:, 1:] & meters.is_measured[:, :-1]
    step = np.where(is_pair, np.nan_to_num(np.diff(meters.energy_wh, axis=1)), 0.0)
    squares = _by_time_of_day(np.pad(step**2 / 2, ((0, 0), (1, 0))), slots_per_day)
    counts = _by_time_of_day(np.pad(is_pair.astype(np.float64), ((0, 0), (1, 0))), slots_per_day)
    variance = squares / np.maximum(counts, 1) + _LEAST_WH2
    days = meters.energy_wh.shape[1] // slots_per_day
    return np.asarray(np.where(meters.is_measured, 0.0, np.tile(variance, (1, days))))


def clock_course(in_wh: FloatArray) -> FloatArray:
    """Return how a wrong clock would show, (…, slots); 0 beside slots that are not known."""
    return np.asarray(np.nan_to_num(np.gradient(in_wh, axis=-1)))


def _by_time_of_day(values: FloatArray, slots_per_day: int) -> FloatArray:
    """Return sums over days and neighbouring slots, (meters, slots of a day)."""
    folded = values.reshape(len(values), -1, slots_per_day).sum(axis=1)
    around = range(-_SLOTS_AROUND, _SLOTS_AROUND + 1)
    return np.asarray(sum(np.roll(folded, shift, axis=1) for shift in around))
