"""Small roads and made-up rows for the tests of detector health."""

import numpy as np

from gateway.model import FloatArray, Quality
from gateway.policies import load_policies
from gateway.transport.health import HealthPolicy, Quarters, Usual, learn, nothing_usual
from gateway.transport.series import NOWHERE, Road, RoadClass, Window, empty_window

START_MS = 1_793_638_800_000  # 2026-11-03 00:00 in UTC+7: a whole local day
HALF_MIN_MS = 30_000
POLICY = load_policies("health", HealthPolicy).at("health", START_MS)


def at_hour(hour: float) -> int:
    """Return the time of a local hour."""
    return START_MS + round(hour * 3_600_000)


def road(*lanes: int, road_class: RoadClass = RoadClass.EXPRESSWAY) -> Road:
    """Return one corridor with so many lanes at each of its stations."""
    stations = len(lanes)
    at = np.repeat(np.arange(stations), lanes)
    number = np.concatenate([np.arange(count, 0, -1) for count in lanes])
    return Road(
        device_index=np.arange(sum(lanes)),
        devices=tuple(f"loop-{s + 1}-{n}" for s, n in zip(at, number, strict=True)),
        lane=number,
        station=at,
        stations=tuple(f"st-{s + 1}" for s in range(stations)),
        section=np.arange(stations),
        upstream=np.array([s - 1 if s else NOWHERE for s in range(stations)]),
        downstream=np.array([s + 1 if s + 1 < stations else NOWHERE for s in range(stations)]),
        km=np.linspace(0.0, 0.56 * (stations - 1), stations),
        lanes=np.array(lanes),
        sections=tuple(f"sec-{s + 1}" for s in range(stations)),
        corridor=np.zeros(stations, np.int64),
        road_class=np.full(stations, int(road_class)),
        corridors=("ex-01",),
    )


def window(
    count: FloatArray, *, start_ms: int = START_MS, speed_kmh: float = 90.0, metres: float = 6.5
) -> Window:
    """Return rows of free traffic: so many cars that cover ``metres`` each, all of one class."""
    lanes, slots = count.shape
    made = empty_window(np.arange(lanes), start_ms, HALF_MIN_MS, slots)
    made.count[:] = count
    made.cumulative[:] = np.cumsum(count, axis=1)
    made.occupancy[:] = np.minimum(count * metres / (speed_kmh / 3.6) / 30, 1.0)
    # no two rows of a working detector are alike
    wobble = 0.1 * (np.arange(slots) % 7)[None, :] + 0.01 * np.arange(lanes)[:, None]
    made.speed_kmh[:] = np.where(count > 0, speed_kmh + wobble, np.nan)
    made.v85_kmh[:] = np.where(count > 0, speed_kmh + 5.0, np.nan)
    made.class_count[:] = 0.0
    made.class_count[1] = count
    made.quality[:] = int(Quality.VALID)
    return made


def silent(made: Window, lane: int, first: int, stop: int) -> None:
    """Let a lane say nothing in some slots."""
    for column in (made.count, made.cumulative, made.occupancy, made.speed_kmh, made.v85_kmh):
        column[lane, first:stop] = np.nan
    made.class_count[:, lane, first:stop] = np.nan
    made.quality[lane, first:stop] = int(Quality.MISSING)


def day_quarters(
    per_quarter: list[float], quarters: int = 96, start_ms: int = START_MS
) -> Quarters:
    """Return quarters in which each lane counts the same all day."""
    count = np.repeat(np.array(per_quarter)[:, None], quarters, axis=1)
    whole = np.ones(count.shape, np.bool_)
    # every vehicle covers 6.5 m of detector and itself
    return Quarters(start_ms, count, whole, count * 6.5, count, np.full(count.shape, 90.0))


def usual_of(where: Road, per_quarter: list[float]) -> Usual:
    """Return what is learned of one such day."""
    good = np.zeros(len(per_quarter), np.bool_)
    return learn(nothing_usual(where), day_quarters(per_quarter), where, good, POLICY)
