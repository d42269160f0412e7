"""A simulated city as the rooms of transport see it: windows of all lanes, hour by hour."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gateway.model import FloatArray, IntArray, Quality
from gateway.transport.series import NOWHERE, Road, RoadClass, VehicleClass, Window, empty_window
from simulators.city.city import City, Order, Size
from simulators.city.frame import NULL, DeviceRow, NodeRow, Readings, Span, Step

INTERVAL_MS = 30_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
_KM_PER_DEGREE = 111.2
_SCALES = (1.0, 1.0, 0.001, 0.1, 0.1)


class Hour(NamedTuple):
    """What an hour brought."""

    span: Span
    step: Step
    window: Window


class Town:
    """A city in time.

    Args:
        seed: names it.
        lanes: under detectors.
        meters: of the grid that feeds the cabinets.
        span: the run.
        orders: what goes wrong.
        interval_ms: at which everything is read.
    """

    def __init__(
        self,
        seed: int,
        lanes: int,
        meters: int,
        span: Span,
        orders: Sequence[Order] = (),
        interval_ms: int | None = None,
    ) -> None:
        self.city = City(Size(seed, meters, lanes, interval_ms), span, orders)
        self._interval_ms = interval_ms or INTERVAL_MS
        nodes = [node for world in self.city.worlds for node in world.nodes()]
        self.devices = self.city.devices()
        self.road = road_of(nodes, self.devices)

    def hours(self) -> Iterator[Hour]:
        """Let the time pass; yield each hour."""
        for span, step in self.city.steps(HOUR_MS):
            yield Hour(span, step, window_of(step.readings, self.road, span, self._interval_ms))


def road_of(nodes: Sequence[NodeRow], devices: Sequence[DeviceRow]) -> Road:
    """Return the road of a city; rows are its loops in the order of the registry."""
    above = {node.id: node.parents[0].id if node.parents else "" for node in nodes}
    stations = [node for node in nodes if node.kind == "station"]
    sections = [node for node in nodes if node.kind == "section"]
    corridors = [node.id for node in nodes if node.kind == "corridor"]
    number = {node.id: k for k, node in enumerate(stations)}
    of_section = {node.id: k for k, node in enumerate(sections)}
    loops = [device for device in devices if device.profile == "tl1"]
    at = np.array([number[loop.parents[0].id] for loop in loops], np.int64)
    section = np.array([of_section[above[node.id]] for node in stations], np.int64)
    corridor = np.array([corridors.index(above[node.id]) for node in sections], np.int64)
    lanes = np.bincount(at, minlength=len(stations))
    upstream = np.full(len(stations), NOWHERE, np.int64)
    downstream = upstream.copy()
    for k in range(1, len(stations)):
        if corridor[section[k]] == corridor[section[k - 1]]:
            upstream[k], downstream[k - 1] = k - 1, k
    classes = [RoadClass[(node.road_class or "unknown").upper()] for node in sections]
    return Road(
        device_index=np.arange(len(loops), dtype=np.int64),
        devices=tuple(loop.id for loop in loops),
        lane=np.array([loop.lane[0] if loop.lane else 0 for loop in loops], np.int64),
        station=at,
        stations=tuple(node.id for node in stations),
        section=section,
        upstream=upstream,
        downstream=downstream,
        km=_km(stations, upstream),
        lanes=lanes.astype(np.int64),
        sections=tuple(node.id for node in sections),
        corridor=corridor,
        road_class=np.array([int(one) for one in classes], np.int64),
        corridors=tuple(corridors),
    )


def window_of(
    readings: Sequence[Readings], road: Road, span: Span, interval_ms: int = INTERVAL_MS
) -> Window:
    """Return the rows of the loops within a span."""
    slots = (span.to_ms - span.from_ms) // interval_ms
    window = empty_window(road.device_index, span.from_ms, interval_ms, slots)
    for batch in readings:
        if batch.profile != "tl1" or not batch.device.size:
            continue
        slot = (batch.time_ms - span.from_ms) // interval_ms - 1
        values = np.where(batch.values == NULL, np.nan, batch.values.astype(np.float64))
        gauges = (window.occupancy, window.speed_kmh, window.v85_kmh)
        columns = (window.count, window.cumulative, *gauges)
        for k, (column, scale) in enumerate(zip(columns, _SCALES, strict=True)):
            column[batch.device, slot] = values[:, k] * scale
        for kind in VehicleClass:
            window.class_count[kind, batch.device, slot] = values[:, len(_SCALES) + kind]
        window.quality[batch.device, slot] = int(Quality.VALID)
    return window


def _km(stations: Sequence[NodeRow], upstream: IntArray) -> FloatArray:
    km = np.zeros(len(stations))
    for k, before in enumerate(upstream.tolist()):
        here, there = stations[k].place, stations[before].place
        if before != NOWHERE and here and there:
            north = (here[0] - there[0]) * _KM_PER_DEGREE
            east = (here[1] - there[1]) * _KM_PER_DEGREE * np.cos(np.radians(here[0]))
            km[k] = km[before] + float(np.hypot(north, east))
    return km
