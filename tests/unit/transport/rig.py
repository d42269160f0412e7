"""Small roads and windows for vectors worked out by hand: 30-second slots from a Hanoi midnight."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import numpy as np

from gateway.model import FloatArray, Quality
from gateway.policies import load_policies
from gateway.transport.policy import TRAFFIC_DOMAIN, TRAFFIC_POLICY, TrafficPolicy
from gateway.transport.series import (
    Bins,
    Method,
    Road,
    RoadClass,
    StationWindow,
    Window,
    empty_window,
)

HANOI = timezone(timedelta(hours=7))
SLOT_MS, BIN_MS = 30_000, 300_000
NAN = float("nan")
EXPRESSWAY, URBAN = RoadClass.EXPRESSWAY, RoadClass.URBAN


def ms(text: str, zone: timezone = HANOI) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


MONDAY_MS = ms("2026-03-09T00:00")
POLICY = load_policies(TRAFFIC_DOMAIN, TrafficPolicy).at(TRAFFIC_POLICY, MONDAY_MS)


def road_of(
    lanes: Sequence[int], km: Sequence[float] | None = None, kind: RoadClass = EXPRESSWAY
) -> Road:
    """Return one corridor with a station in each section and so many lanes at each station."""
    stations = len(lanes)
    station = np.repeat(np.arange(stations), lanes)
    names = [f"{at + 1}-{lane + 1}" for at, many in enumerate(lanes) for lane in range(many)]
    return Road(
        np.arange(len(station)),
        tuple(f"loop-{name}" for name in names),
        np.concatenate([np.arange(many) + 1 for many in lanes]),
        station,
        tuple(f"st-{at + 1}" for at in range(stations)),
        np.arange(stations),
        np.arange(stations) - 1,
        np.append(np.arange(1, stations), -1),
        np.array(km if km is not None else np.arange(stations) * 0.5, np.float64),
        np.array(lanes),
        tuple(f"s-{at + 1}" for at in range(stations)),
        np.zeros(stations, np.int64),
        np.full(stations, int(kind)),
        ("c-1",),
    )


def window_of(
    count: Sequence[Sequence[float]] | FloatArray,
    speed_kmh: Sequence[Sequence[float]] | FloatArray | float = 60.0,
    occupancy: Sequence[Sequence[float]] | FloatArray | float = 0.1,
    start_ms: int = MONDAY_MS,
    interval_ms: int = SLOT_MS,
) -> Window:
    """Return a window with these counts; NaN is no row at all."""
    shown = np.array(count, np.float64)
    lanes, slots = shown.shape
    window = empty_window(np.arange(lanes), start_ms, interval_ms, slots)
    there = np.isfinite(shown)
    window.count[:] = shown
    window.cumulative[:] = np.where(there, 1000 + np.nancumsum(shown, axis=1), NAN)
    window.speed_kmh[:] = np.where(there & (shown > 0), speed_kmh, NAN)
    window.v85_kmh[:] = window.speed_kmh
    window.occupancy[:] = np.where(there, occupancy, NAN)
    window.class_count[:] = 0
    window.class_count[1] = shown
    window.quality[there] = int(Quality.VALID)
    return window


def bins_of(
    count: Sequence[Sequence[float]] | FloatArray,
    speed_kmh: Sequence[Sequence[float]] | FloatArray | float = 60.0,
    occupancy: Sequence[Sequence[float]] | FloatArray | float = 0.1,
    start_ms: int = MONDAY_MS,
    interval_ms: int = BIN_MS,
) -> Bins:
    """Return measured bins of cars; NaN is a bin that nobody measured."""
    shown = np.array(count, np.float64)
    there = np.isfinite(shown)
    speed = np.where(there & (shown > 0), np.asarray(speed_kmh, np.float64), NAN)
    classes = np.zeros((5, *shown.shape))
    classes[1] = shown
    return Bins(
        start_ms,
        interval_ms,
        shown,
        np.where(there, np.asarray(occupancy, np.float64), NAN),
        speed,
        speed.copy(),
        speed.copy(),
        classes,
        there.astype(np.float64),
        np.where(there, int(Method.OBSERVED), int(Method.NOTHING)).astype(np.int8),
        np.where(there, int(Quality.VALID), int(Quality.MISSING)).astype(np.int64),
    )


def station_window(
    count: Sequence[Sequence[float]], speed_kmh: Sequence[Sequence[float]] | float
) -> StationWindow:
    shown = np.array(count, np.float64)
    speed = np.where(shown > 0, np.asarray(speed_kmh, np.float64), NAN)
    seen = np.isfinite(shown).astype(np.int64)
    return StationWindow(MONDAY_MS, SLOT_MS, shown, np.zeros(shown.shape), speed, seen)
