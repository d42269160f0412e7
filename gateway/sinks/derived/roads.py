"""Series of the road as points."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.model import Quality
from gateway.ports import Result
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.point import Point, known, number, ratio
from gateway.transport.assets import Stage
from gateway.transport.health import DayStatus
from gateway.transport.series import Method
from gateway.transport.state import Level

HOUR_MS = 3_600_000
_FLOW = (
    *("flow_veh_h", "flow_pcu_h", "occupancy", "speed_kmh", "space_mean_speed_kmh", "v85_kmh"),
    *("density_veh_km_lane", "observed", "travel_speed_kmh"),
    *(f"flow_{name}_veh_h" for name in ("moto", "car", "bus", "truck", "long")),
)
_CODES: Mapping[str, Mapping[str, float]] = {
    "level_of_service": {level.name: level + 1.0 for level in Level if level >= 0},
    "method": {method.name.lower(): float(method) for method in Method},
    "quality": {grade.name.lower(): float(grade) for grade in Quality},
}
_STAGES = {stage.value: place for place, stage in enumerate(Stage, 1)}
_STATUSES = {status.name.lower(): float(status) for status in DayStatus}
_TRAVEL = (
    *("travel_time_s", "free_travel_time_s", "travel_time_index", "length_km"),
    *("congested_km", "silent_stations"),
)
_CORRIDOR = (
    *("vkt", "vht", "speed_kmh", "delay_veh_h", "free_travel_time_s", "travel_time_index"),
    *("planning_time_index", "buffer_index"),
)
_STATION = (
    *("vehicles", "pcu", "vkt", "vht", "travel_time_index", "delay_veh_h", "lost_lane_km_h"),
    "observed",
)
_SHARES = (
    *("zero_occupancy", "high_occupancy", "covered_without_count", "count_without_occupancy"),
)

Body = Mapping[str, Any]
Tell = Callable[[Result, Body, Places, int], Iterator[Point]]


def state(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield the bins of a station's quarter of an hour."""
    tags = places.tags(line.place, line.from_ms)
    step_ms = 1000 * int(body["interval_s"])
    for slot in range((line.to_ms - line.from_ms) // step_ms):
        yield Point("road_state", tags, _flow(body, slot), line.from_ms + slot * step_ms)


def live(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield how a station or a corridor is, at the end of the time it is told of."""
    tags = places.tags(line.place, line.from_ms)
    if tags.get("level") == "corridor":
        fields = known(body, *_TRAVEL)
        travel_s, free_s = fields["travel_time_s"], fields["free_travel_time_s"]
        if travel_s is not None and free_s is not None:
            fields["delay_s"] = travel_s - free_s
        yield Point("corridor_live", tags, fields, line.to_ms)
    else:
        yield Point("road_live", tags, _flow(body, 0), line.to_ms)


def station_day(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield a station's day and its hours."""
    tags = places.tags(line.place, line.from_ms)
    yield Point("station_day", tags, known(body, *_STATION), line.from_ms)
    for hour, vehicles in enumerate(body.get("hours_veh", ())):
        fields = {"vehicles": number(vehicles)}
        yield Point("station_hour", tags, fields, line.from_ms + hour * HOUR_MS)


def congestion(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield a corridor's day and its hours."""
    tags = places.tags(line.place, line.from_ms)
    fields = known(body, *_CORRIDOR)
    fields |= {name: float(len(body.get(name, ()))) for name in ("jams", "bottlenecks")}
    yield Point("corridor_day", tags, fields, line.from_ms)
    for hour, travel_s in enumerate(body.get("travel_time_s_by_hour", ())):
        index = ratio(number(travel_s), fields["free_travel_time_s"])
        of_hour = {"travel_time_s": number(travel_s), "travel_time_index": index}
        yield Point("corridor_hour", tags, of_hour, line.from_ms + hour * HOUR_MS)


def detector_day(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield what a detector's day is called, and why."""
    fields = known(body, "samples", "expected", *_SHARES)
    fields["status"] = _STATUSES.get(str(body.get("status")))
    fields["completeness"] = ratio(fields["samples"], fields["expected"])
    yield Point("detector_day", places.tags(line.place, line.from_ms), fields, line.from_ms)


def asset_day(line: Result, body: Body, places: Places, now_ms: int) -> Iterator[Point]:
    """Yield how a device has served, once the day is over."""
    if line.to_ms > now_ms:
        return
    fields = known(body, "service_s", "down_s", "failures", "availability", "mtbf_h", "mttr_h")
    fields["stage"] = number(_STAGES.get(str(body.get("stage"))))
    fields["below_target"] = number(body.get("is_below_target"))
    yield Point("asset_day", places.tags(line.place, line.from_ms), fields, line.from_ms)


def work(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
    """Yield how much is to be done."""
    tags = places.tags(line.place, line.from_ms)
    yield Point("work_open", tags, known(body, "open"), int(body.get("as_of_ms", line.from_ms)))


def plainly(measurement: str, *names: str) -> Tell:
    """Return how lines are told of which the numbers are taken as they are."""

    def tell(line: Result, body: Body, places: Places, _now_ms: int) -> Iterator[Point]:
        tags = places.tags(line.place, line.from_ms)
        yield Point(measurement, tags, known(body, *names), line.from_ms)

    return tell


def _flow(body: Body, slot: int) -> dict[str, float | None]:
    """Return the fields of one bin; where there are several the values are lists."""

    def value(name: str) -> object:
        found = body.get(name)
        return found[slot] if isinstance(found, list) else found

    fields = {name: number(value(name)) for name in _FLOW}
    return fields | {name: codes.get(str(value(name))) for name, codes in _CODES.items()}
