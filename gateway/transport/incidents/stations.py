"""Lanes together as stations, for one window; lanes that are not trusted are left out."""

import numpy as np

from gateway.model import BoolArray, FloatArray
from gateway.transport.series import NOWHERE, Road, StationWindow, Window


def station_window(window: Window, road: Road, is_good: BoolArray | None = None) -> StationWindow:
    """Return what stations measured.

    Args:
        window: rows as the lanes of ``road``.
        road: where they are.
        is_good: (lanes, slots), what detector health trusts; None = all.
    """
    seen = np.isfinite(window.count) & np.isfinite(window.occupancy)
    seen &= (road.station != NOWHERE)[:, None]
    if is_good is not None:
        seen &= is_good
    station = np.where(road.station == NOWHERE, 0, road.station)

    def total(values: FloatArray) -> FloatArray:
        summed = np.zeros((len(road.stations), window.slots))
        np.add.at(summed, station, np.where(seen, values, 0.0))
        return summed

    lanes = total(np.ones(window.count.shape))
    has_speed = np.isfinite(window.speed_kmh)
    fast = np.where(has_speed, window.count, 0.0)
    vehicles = total(fast)
    speed_sum = total(fast * np.where(has_speed, window.speed_kmh, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return StationWindow(
            window.start_ms,
            window.interval_ms,
            count=np.where(lanes > 0, total(window.count), np.nan),
            occupancy=total(window.occupancy) / lanes,
            speed_kmh=speed_sum / vehicles,
            lanes_seen=lanes.astype(np.int64),
        )
