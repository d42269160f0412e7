"""A database in which every measurement of ``docs/sinks.md`` has values, written by hand.

Not what a gateway would find, but all that a board may ask for: so no query can be wrong unseen.
"""

import itertools
import random
from collections.abc import Iterator, Mapping

from dashboards.measurements import MEASUREMENTS
from gateway.sinks.line_protocol import encode_point
from tests.support.boards.panes import DAY_MS, HOUR_MS, seconds

END_MS = 1_780_358_400_000  # 2026-06-02T00:00:00Z
DENSE_MS, SPARSE_MS = 25 * HOUR_MS, 8 * DAY_MS
AREAS = {"feeder": ("ql-1", "ql-2"), "corridor": ("qa-1", "qa-2")}
_SINKS = ({"sink": "plant"}, {"sink": "plant-derived"})
_SELF = {
    "quarantined_total": ({"reason": "range"}, {"reason": "malformed"}),
    "child_restarts_total": ({"child": "web"}, {"child": "keeper"}),
    "listener_connections": ({"source": "listener"},),
    "source_connected": ({"source": "broker"},),
    "analysis_pending": ({"domain": "energy"}, {"domain": "transport"}),
    "findings_total": ({"domain": "energy"},),
    "sink_errors_total": ({"sink": "plant", "kind": "denied"},),
    "devices": ({"sector": "energy", "state": "online"},),
}
_WIDE = {  # fields that are not shares: low, high
    "u": (205, 235), "f": (49.7, 50.3), "lat": (10.7, 10.9), "lon": (106.6, 106.8),
    "t_oil": (40, 110), "level_of_service": (1, 6), "severity": (1, 4), "code": (1, 99),
    "fault": (0, 12), "status": (0, 12), "speed_kmh": (5, 70), "rank": (1, 5), "cleared": (0, 1),
    "travel_time_index": (1, 3), "lasts": (0, 1),
}  # fmt: skip
_ROADS = ("road", "corridor", "station", "detector", "toll", "asset", "tl1")
_WHOLE = frozenset(
    ("level_of_service", "severity", "code", "fault", "status", "rank", "cleared", "lasts")
)


def lines() -> Iterator[bytes]:
    """Yield every point."""
    chance = random.Random(7)
    for name, measurement in MEASUREMENTS.items():
        if name == "gateway_self":
            yield from _own(chance)
            continue
        every_ms = round(seconds(measurement.every) * 1000)
        since_ms = DENSE_MS if every_ms < 15 * 60_000 else SPARSE_MS
        times = range(END_MS - since_ms, END_MS, max(every_ms, 60_000))
        for tags, at_ms in itertools.product(_series(name), times):
            fields = {one: _value(one, chance) for one in sorted(measurement.fields)}
            if name == "meter_day" and tags["device"] == "m-01":
                fields["import_wh"] = 0.0  # nobody lives there
            yield encode_point(name, tags, fields, at_ms)


def _own(chance: random.Random) -> Iterator[bytes]:
    totals: dict[tuple[str, str], float] = {}
    names = sorted(MEASUREMENTS["gateway_self"].fields)
    series = [(name, tags) for name in names for tags in _labels_of(name)]
    times = range(END_MS - DENSE_MS, END_MS, 60_000)
    for at_ms, (name, tags) in itertools.product(times, series):
        value = chance.uniform(0, 5)
        if name.endswith("_total"):
            key = (name, str(tags))
            value = totals[key] = totals.get(key, 0.0) + chance.randrange(0, 50)
        yield encode_point("gateway_self", tags, {name: float(value)}, at_ms)


def _labels_of(name: str) -> tuple[Mapping[str, str], ...]:
    if name in _SELF:
        return _SELF[name]
    return _SINKS if name.startswith("sink_") else ({},)


def _value(name: str, chance: random.Random) -> float:
    if name in {"quality", "method"}:
        return chance.randrange(0, 8)
    low, high = _WIDE.get(name, (0.05, 0.95))
    value = chance.uniform(low, high)
    return float(round(value)) if name in _WHOLE else value


def _series(name: str) -> list[dict[str, str]]:
    """Return the tags of each series, each once."""
    tags = MEASUREMENTS[name].tags
    is_road = name.startswith(_ROADS)
    if name in {"alarm_event", "alarm_standing"}:
        return [dict(zip(sorted(tags), one, strict=True)) for one in ALARMS]
    known = _places("corridor" if is_road else "feeder", is_road=is_road)
    found = [{tag: one[tag] for tag in sorted(tags)} for one in known]
    if name.startswith("corridor"):
        found = [one for one in found if one["level"] == "corridor"]
    if name == "site_info":
        found += [
            {tag: one[tag] for tag in sorted(tags)} for one in _places("corridor", is_road=True)
        ]
    if name in {"area_quality", "fleet_state"}:
        found += [{"area": "qa-1", "sector": "transport"}]
    if name in {"grid_outage", "billing_ready", "billing_curve"}:
        found += [{"level": "grid", "place": "all", "area": "none"}]
    return [dict(one) for one in dict.fromkeys(tuple(one.items()) for one in found)]


# area, domain, kind, level, place
ALARMS = (
    ("ql-1", "energy", "loss", "transformer", "tra-01"),
    ("ql-2", "energy", "undervoltage", "feeder", "ql-2"),
    ("ql-1", "energy", "service_outage", "device", "m-00"),
    ("qa-1", "transport", "incident", "section", "sec-1"),
    ("qa-2", "transport", "detector_no_data", "device", "loop-10"),
)


def _places(top: str, *, is_road: bool) -> Iterator[dict[str, str]]:
    sector = "transport" if is_road else "energy"
    for number, area in enumerate(AREAS[top]):
        for below in range(2):
            level = {"corridor": "station", "feeder": "transformer"}[top] if below else top
            place = f"{level[:3]}-{number}{below}" if below else area
            yield {
                "device": f"{'loop' if is_road else 'm'}-{number}{below}", "org": "evn",
                "sector": sector, "area": area, "level": level, "place": place, "parent": area,
                "title": place, "rule": "within", "domain": sector, "kind": "overvoltage",
                "event": "40",
            }  # fmt: skip
