"""Detectors that report each vehicle: nothing is lost between the vehicle and the bin."""

import numpy as np

from gateway.model import FloatArray, IntArray, Quality
from gateway.transport.aggregate.folding import ratio
from gateway.transport.policy import Bins as BinPolicy
from gateway.transport.series import Bins, Method, VehicleClass, Vehicles

_V85 = 0.85


def bins_of_vehicles(
    vehicles: Vehicles, device_index: IntArray, span: tuple[int, int, int], policy: BinPolicy
) -> Bins:
    """Return bins of detectors that report each vehicle; who saw nobody counted zero.

    Args:
        vehicles: in any order; those of other detectors and times are left out.
        device_index: ascending, one row each.
        span: begin, length of a bin, both ms, and number of bins.
        policy: which speeds a detector can mean.
    """
    start_ms, interval_ms, slots = span
    size = len(device_index) * slots
    cell, inside = _cells(vehicles, device_index, span)
    kmh = vehicles.speed_kmh[inside]
    has_speed = (kmh >= policy.speed_min_kmh) & (kmh <= policy.speed_max_kmh)
    at, kmh = cell[has_speed], kmh[has_speed]
    shape = (len(device_index), slots)
    with_speed = np.bincount(at, minlength=size).astype(np.float64)
    occupied_ms = np.bincount(cell, np.nan_to_num(vehicles.duration_ms[inside]), size)
    kinds = vehicles.kind[inside]
    classes = [np.bincount(cell[kinds == one + 1], minlength=size) for one in VehicleClass]
    counted = np.bincount(cell, minlength=size).reshape(shape).astype(float)
    return Bins(
        start_ms,
        interval_ms,
        counted,
        np.minimum(occupied_ms / interval_ms, 1.0).reshape(shape),
        ratio(np.bincount(at, kmh, size), with_speed).reshape(shape),
        ratio(with_speed, np.bincount(at, 1 / kmh, size)).reshape(shape),
        _quantile(at, kmh, size).reshape(shape),
        np.stack(classes).reshape(len(VehicleClass), *shape).astype(float),
        np.ones(shape),
        np.full(shape, int(Method.OBSERVED), np.int8),
        np.full(shape, int(Quality.VALID), np.int64),
    )


def _cells(
    vehicles: Vehicles, device_index: IntArray, span: tuple[int, int, int]
) -> tuple[IntArray, IntArray]:
    """Return the bin of each vehicle that has one, numbered row by row, and which these are."""
    start_ms, interval_ms, slots = span
    row = np.minimum(
        np.searchsorted(device_index, vehicles.device_index), max(len(device_index) - 1, 0)
    )
    slot = (vehicles.time_ms - start_ms) // interval_ms
    is_inside = (slot >= 0) & (slot < slots)
    if len(device_index):
        is_inside &= device_index[row] == vehicles.device_index
    else:
        is_inside &= False
    inside = np.flatnonzero(is_inside)
    return row[inside] * slots + slot[inside], inside


def _quantile(cell: IntArray, kmh: FloatArray, size: int) -> FloatArray:
    """Return the 85th percentile of each bin by nearest rank, NaN where there is no vehicle."""
    order = np.lexsort((kmh, cell))
    count = np.bincount(cell, minlength=size)
    rank = np.cumsum(count) - count + np.ceil(_V85 * count).astype(np.int64) - 1
    found = np.full(size, np.nan)
    some = count > 0
    found[some] = kmh[order][rank[some]]
    return found
