"""Which points a line of a derived series, or an alarm, is."""

from collections.abc import Mapping

import msgspec

from gateway.ports import Alarm, Result
from gateway.sinks.derived import grid, meters, roads
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.point import Point
from gateway.sinks.derived.roads import Tell
from gateway.store.alarms import KeptAlarm

_TELL: Mapping[tuple[str, str], Tell] = {
    ("energy", "load"): grid.load,
    ("energy", "balance"): grid.balance,
    ("energy", "compliance"): grid.compliance,
    ("energy", "violations"): grid.violation,
    ("energy", "interruptions"): grid.interruption,
    ("energy", "reliability"): grid.reliability,
    ("energy", "readiness"): grid.readiness,
    ("energy", "intervals"): meters.intervals,
    ("energy", "days"): meters.day,
    ("energy", "determinants"): meters.month,
    ("transport", "state"): roads.state,
    ("transport", "live"): roads.live,
    ("transport", "days"): roads.station_day,
    ("transport", "congestion"): roads.congestion,
    ("transport", "detectors"): roads.detector_day,
    ("transport", "assets"): roads.asset_day,
    ("transport", "work"): roads.work,
    ("transport", "coverage"): roads.plainly(
        "corridor_coverage", "length_km", "covered_km", "share"
    ),
    ("transport", "tolls"): roads.plainly(
        *("toll_hour", "passages", "repeated_reads", "etc_share", "read_rate", "exception_rate"),
        *("class_mismatch_share", "transaction_p95_ms", "uptime"),
    ),
    ("transport", "weighing"): roads.plainly(
        "weighing_hour", "vehicles", "sound", "overloaded", "gross_t"
    ),
    ("transport", "gates"): roads.plainly(
        *("gate_hour", "came", "left", "vehicles_inside", "stays"),
        *("dwell_median_h", "dwell_p90_h"),
    ),
    ("transport", "years"): roads.plainly(
        *("station_year", "days", "aadt", "aadt_astm", "mean_daily", "k30", "k50", "k100"),
    ),
    ("transport", "vehicles"): roads.plainly(
        *("radar_hour", "vehicles", "speed_kmh", "space_mean_speed_kmh", "v85_kmh", "headway_s"),
    ),
}
DOMAINS = ("energy", "transport")
SERIES = tuple(_TELL)


def points_of(domain: str, line: Result | Alarm, places: Places, now_ms: int) -> list[Point] | None:
    """Return the points of a line or an alarm, none of a series that no board needs.

    None where its body cannot be read: a version before or after ours wrote it.
    """
    try:
        if isinstance(line, Alarm):
            return [alarm_point(domain, line, places)]
        tell = _TELL.get((domain, line.series))
        if tell is None:
            return []
        return list(tell(line, msgspec.json.decode(line.body), places, now_ms))
    except (ValueError, KeyError, TypeError):
        return None


def alarm_point(domain: str, alarm: Alarm, places: Places) -> Point:
    """Return an alarm where it began; what changes of it only grows."""
    tags = {"domain": domain, "kind": alarm.kind, **places.place(alarm.place, alarm.raised_ms)}
    fields: dict[str, float | None] = {
        "severity": float(alarm.severity),
        "confidence": float(alarm.confidence),
        "cleared": float(alarm.cleared_ms > 0),
        "withdrawn": float("withdrawn" in msgspec.json.decode(alarm.evidence)),
    }
    if alarm.cleared_ms:
        fields["duration_s"] = max(0, alarm.cleared_ms - alarm.raised_ms) / 1000
    return Point("alarm_event", tags, fields, alarm.raised_ms)


def life_point(alarm: KeptAlarm, places: Places) -> Point:
    """Return what people and time have made of an alarm, where it began."""
    tags = {
        "domain": alarm.domain,
        "kind": alarm.kind,
        **places.place(alarm.place, alarm.raised_ms),
    }
    fields: dict[str, float | None] = {
        "severity": float(alarm.severity),
        "times": float(alarm.times),
        "cleared": float(alarm.cleared_ms > 0),
        "acknowledged": float(alarm.ack_ms > 0),
        "suppressed": float(bool(alarm.suppressed)),
    }
    if alarm.ack_ms:
        fields["acknowledged_after_s"] = max(0, alarm.ack_ms - alarm.found_ms) / 1000
    if alarm.cleared_ms:
        fields["duration_s"] = max(0, alarm.cleared_ms - alarm.raised_ms) / 1000
    return Point("alarm_life", tags, fields, alarm.raised_ms)
