"""What was found as it is kept and shown: JSON with units in its names."""

from collections.abc import Sequence

import msgspec
import numpy as np

from gateway.model import BoolArray, FloatArray, Quality
from gateway.ports import Alarm
from gateway.transport import aggregate, state
from gateway.transport.engine.policies import Rules
from gateway.transport.health import ALARM_KIND, SEVERITY, Change
from gateway.transport.incidents import NOT_YET, Incident, Sign
from gateway.transport.series import Bins, Method, Road
from gateway.transport.state import Level

_SURE, _LIKELY = 0.95, 0.7
_METHODS = [method.name.lower() for method in Method]
_QUALITIES = {int(grade): grade.name.lower() for grade in Quality}
_CLASSES = ("moto", "car", "bus", "truck", "long")
_INCIDENT_SEVERITY = 3
INCIDENT, LANE_CLOSED, SPILLBACK = "incident", "lane_closed", "queue_spillback"
ADVICE = "speed_advice"
# found interval by interval
KINDS = frozenset({*ALARM_KIND.values(), INCIDENT, LANE_CLOSED, SPILLBACK, ADVICE})
_CLOSED_LANE_SEVERITY = 2


def encode(body: dict[str, object]) -> str:
    """Return a body as JSON."""
    return msgspec.json.encode(body).decode()


def station_bodies(
    found: Bins,
    road: Road,
    rules: Rules,
    travel_kmh: FloatArray | None = None,
    slow_now: BoolArray | None = None,
) -> list[str]:
    """Return the body of each station of bins: one value for each bin, a list where several.

    A level of five minutes shows standing traffic late, so what has just become slow says so.
    """
    hours = found.hours
    units = aggregate.pcu(found, rules.traffic.pcu)
    density = found.flow_veh_h() / found.space_kmh / np.maximum(road.lanes, 1)[:, None]
    columns: dict[str, list[list[object]]] = {
        "flow_veh_h": _table(found.count / hours, 0),
        "flow_pcu_h": _table(units / hours, 0),
        "occupancy": _table(found.occupancy, 3),
        "speed_kmh": _table(found.speed_kmh, 1),
        "space_mean_speed_kmh": _table(found.space_kmh, 1),
        "v85_kmh": _table(found.v85_kmh, 1),
        "density_veh_km_lane": _table(np.where(found.count == 0, 0.0, density), 1),
        "observed": _table(found.observed, 2),
    }
    level = state.levels(found, road, rules.traffic)
    columns["level_of_service"] = [[_level(one) for one in row] for row in level.tolist()]
    columns["method"] = [[_METHODS[one] for one in row] for row in found.method.tolist()]
    columns["quality"] = [[_QUALITIES[one] for one in row] for row in found.quality.tolist()]
    for number, name in enumerate(_CLASSES):
        columns[f"flow_{name}_veh_h"] = _table(found.class_count[number] / hours, 0)
    if travel_kmh is not None:
        columns["travel_speed_kmh"] = _table(travel_kmh[:, None], 1)
    if slow_now is not None:
        columns["slow_now"] = [[one] for one in slow_now.tolist()]
    is_one = found.slots == 1
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    head = {"interval_s": found.interval_ms // 1000}
    return [
        encode(
            head
            | {
                name: values[0] if is_one else values
                for name, values in zip(names, row, strict=True)
            }
        )
        for row in rows
    ]


def corridor_bodies(
    speed_kmh: FloatArray, hours: FloatArray, road: Road, rules: Rules
) -> list[str | None]:
    """Return the travel time of each corridor now, None of one without two stations.

    Args:
        speed_kmh: of each station.
        hours: from each station to the next.
        road: where they are.
        rules: free speeds, and what is congested.
    """
    measures = rules.traffic.measures
    total_h, left_h = state.travel_times(hours, road), state.to_the_end(hours, road)
    free_kmh = rules.traffic.free_kmh.column()[road.class_of_stations()]
    free_h = state.travel_times(state.link_hours(free_kmh, road, measures), road)
    ratio = speed_kmh / free_kmh
    slow = np.where(ratio < measures.congested_ratio, state.stretches_km(road), 0.0)
    place = np.append(road.corridor, -1)[road.section]
    bodies: list[str | None] = []
    for one in range(len(road.corridors)):
        here = place == one
        if here.sum() <= 1:
            bodies.append(None)
            continue
        known = np.isfinite(total_h[one]) and free_h[one] > 0
        bodies.append(
            encode(
                {
                    "travel_time_s": rounded(total_h[one] * 3600, 0),
                    "free_travel_time_s": rounded(free_h[one] * 3600, 0),
                    "travel_time_index": rounded(total_h[one] / free_h[one], 2) if known else None,
                    "arrival_s": [
                        rounded(one * 3600, 0)
                        for one in left_h[here][np.argsort(road.km[here], kind="stable")].tolist()
                    ],
                    "length_km": rounded(float(np.nanmax(road.km[here])), 2),
                    "congested_km": rounded(float(np.nansum(slow[here])), 2),
                    "silent_stations": int(np.isnan(speed_kmh[here]).sum()),
                }
            )
        )
    return bodies


def health_alarms(changes: Sequence[Change], road: Road) -> list[Alarm]:
    """Return what is wrong with detectors."""
    return [
        Alarm(
            ALARM_KIND[one.fault],
            f"device:{road.devices[one.lane]}",
            int(one.since_ms),
            int(one.found_ms),
            int(one.cleared_ms),
            SEVERITY[one.fault],
            _SURE,
            encode({"value": rounded(float(one.value), 3), "station": _station(road, one.lane)}),
        )
        for one in changes
    ]


def incident_alarms(
    incidents: Sequence[Incident], road: Road, began_ms: int, interval_ms: int
) -> list[Alarm]:
    """Return what stands in the way; intervals are numbered from ``began_ms``."""
    made = []
    for one in incidents:
        is_lane = Sign.LANE in one.first  # what it is does not change, or it were another alarm
        section = int(road.section[one.station])
        evidence: dict[str, object] = {
            "after_station": road.stations[one.station],
            "signs": [sign.name.lower() for sign in Sign if sign in one.signs and sign.name],
            "stored_vehicles": rounded(one.most_vehicles, 0),
            "queue_stations": [road.stations[at] for at in one.reached],
            "lane": int(road.lane[one.lane]) if one.lane != NOT_YET else None,
        }
        place = f"section:{road.sections[section]}" if section >= 0 else _place(road, one.station)
        made.append(
            Alarm(
                LANE_CLOSED if is_lane else INCIDENT,
                place,
                began_ms + one.began * interval_ms,
                began_ms + (one.found + 1) * interval_ms,
                0 if one.cleared == NOT_YET else began_ms + (one.cleared + 1) * interval_ms,
                _CLOSED_LANE_SEVERITY if is_lane else _INCIDENT_SEVERITY,
                _LIKELY if len(evidence["signs"]) == 1 else _SURE,  # type: ignore[arg-type]
                encode(evidence),
            )
        )
        if one.spilled != NOT_YET:
            spilled_ms = began_ms + (one.spilled + 1) * interval_ms
            spilled = made[-1]._replace(kind=SPILLBACK, raised_ms=spilled_ms, found_ms=spilled_ms)
            made.append(spilled._replace(severity=_INCIDENT_SEVERITY))
    return made


def _place(road: Road, station: int) -> str:
    return f"station:{road.stations[station]}"


def _station(road: Road, lane: int) -> str:
    return road.stations[int(road.station[lane])]


def _table(values: FloatArray, decimals: int) -> list[list[object]]:
    shown = np.round(values, decimals)
    if np.isfinite(shown).all():
        return list(shown.astype(np.int64).tolist() if not decimals else shown.tolist())
    return [[None if one != one else one for one in row] for row in shown.tolist()]  # noqa: PLR0124


def _level(number: int) -> str | None:
    return None if number == Level.UNKNOWN else Level(number).name


def rounded(value: float, decimals: int) -> float | int | None:
    """Return a number for JSON: None for NaN, whole where there are no decimals."""
    if not np.isfinite(value):
        return None
    shown = round(float(value), decimals)
    return int(shown) if not decimals else shown
