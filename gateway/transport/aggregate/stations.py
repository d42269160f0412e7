"""Stations: the lanes of a road side by side."""

import numpy as np

from gateway.model import BoolArray, FloatArray
from gateway.transport.aggregate.folding import ratio
from gateway.transport.aggregate.lanes import grades
from gateway.transport.series import Bins, Method, Road, StationWindow, Window


def stations(window: Window, road: Road, trusted: BoolArray) -> StationWindow:
    """Return slots of stations from the lanes that measured; the window's rows are the road's."""
    count = np.where(trusted, window.count, 0.0)
    has_speed = trusted & np.isfinite(window.speed_kmh)
    has_occupancy = trusted & np.isfinite(window.occupancy)
    seen = by_station(trusted, road)
    moving = by_station(np.where(has_speed, count, 0.0), road)
    run = by_station(np.where(has_speed, count * window.speed_kmh, 0.0), road)
    covered = by_station(np.where(has_occupancy, window.occupancy, 0.0), road)
    return StationWindow(
        window.start_ms,
        window.interval_ms,
        np.where(seen > 0, by_station(count, road), np.nan),
        ratio(covered, by_station(has_occupancy, road)),
        ratio(run, moving),
        seen.astype(np.int64),
    )


def station_bins(lanes: Bins, road: Road) -> Bins:
    """Return bins of stations; a lane without a value is stood for by the others."""
    is_there = np.isfinite(lanes.count)
    seen = by_station(is_there, road)
    scale = ratio(road.lanes[:, None] * np.ones(seen.shape), seen)
    count = by_station(np.nan_to_num(lanes.count), road) * scale
    worst = np.zeros(seen.shape, np.int8)
    for one in Method:
        if one is not Method.NOTHING:
            worst[by_station(is_there & (lanes.method == one), road) > 0] = int(one)
    worst = np.where(seen < road.lanes[:, None], np.maximum(worst, Method.LOCAL_AVERAGE), worst)
    method = np.where(seen > 0, worst, int(Method.NOTHING)).astype(np.int8)
    has_occupancy = np.isfinite(lanes.occupancy)
    return Bins(
        lanes.start_ms,
        lanes.interval_ms,
        count,
        ratio(by_station(np.nan_to_num(lanes.occupancy), road), by_station(has_occupancy, road)),
        _of_station(lanes.speed_kmh, lanes.count, road),
        1 / _of_station(1 / lanes.space_kmh, lanes.count, road),
        _of_station(lanes.v85_kmh, lanes.count, road),
        np.stack([by_station(np.nan_to_num(one), road) * scale for one in lanes.class_count]),
        ratio(by_station(lanes.observed, road), road.lanes[:, None] * np.ones(seen.shape)),
        method,
        grades(method),
    )


def by_station(values: FloatArray | BoolArray, road: Road) -> FloatArray:
    """Return the sums over the lanes of each station, (stations, slots)."""
    total = np.zeros((len(road.stations), values.shape[1]))
    order = np.argsort(road.station, kind="stable")
    order = order[road.station[order] >= 0]
    if len(order):
        which, first = np.unique(road.station[order], return_index=True)
        total[which] = np.add.reduceat(values[order].astype(np.float64), first, axis=0)
    return total


def _of_station(values: FloatArray, weight: FloatArray, road: Road) -> FloatArray:
    """Return the mean over the lanes of each station, weighted."""
    weight = np.where(np.isfinite(values), np.nan_to_num(weight), 0.0)
    return ratio(
        by_station(np.where(weight > 0, values * weight, 0.0), road), by_station(weight, road)
    )
