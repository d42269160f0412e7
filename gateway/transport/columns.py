"""Rows of devices that speak of single events, as columns in the units of their profile."""

import numpy as np

from gateway.model import FloatArray, IntArray, ReadingBatch
from gateway.profiles import Profile
from gateway.views.engineering import engineer


def column(profile: Profile, batch: ReadingBatch, name: str) -> FloatArray:
    """Return a column in its unit, NaN where not measured.

    Raises:
        KeyError: the profile has no such column.
    """
    place = profile.column_index(name)
    if place is None:
        raise KeyError(name)
    return engineer(profile.columns[place], batch.values[:, place])


def codes(profile: Profile, batch: ReadingBatch, name: str, unknown: int = 0) -> IntArray:
    """Return a column of codes, ``unknown`` where not measured.

    Raises:
        KeyError: the profile has no such column.
    """
    values = column(profile, batch, name)
    return np.where(np.isnan(values), unknown, values).astype(np.int64)


def rows_of(device_index: IntArray, known: IntArray) -> IntArray:
    """Return the place of each device among ``known`` (ascending), −1 for others."""
    if not known.size:
        return np.full(device_index.shape, -1, np.int64)
    place = np.minimum(np.searchsorted(known, device_index), known.size - 1)
    return np.where(known[place] == device_index, place, -1)
