"""What ``docs/sinks.md`` says there is to ask: measurements, their tags, their fields.

A test holds this against that page and the gateway's profiles.
"""

from typing import NamedTuple


class Measurement(NamedTuple):
    """One measurement: which tags tell its series apart, and how far apart its points are."""

    series: tuple[str, ...]
    tags: frozenset[str]
    fields: frozenset[str]
    every: str


_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _of(tags: str, every: str, fields: str, series: tuple[str, ...] | None = None) -> Measurement:
    names = tuple(tags.split())
    known = series or tuple(name for name in names if name not in {"org", "area", "sector"})
    return Measurement(known, frozenset(names), frozenset(fields.split()), every)


def _profile(every: str, fields: str) -> Measurement:
    return _of("device org sector", every, f"{fields} quality reasons")


_METER_LINE = "ea_imp ea_exp p"
_PHASES = " ".join(f"{name}_l{phase}" for name in "ui" for phase in (1, 2, 3))
_ROAD = (
    "flow_veh_h flow_pcu_h flow_moto_veh_h flow_car_veh_h flow_bus_veh_h flow_truck_veh_h"
    " flow_long_veh_h occupancy speed_kmh space_mean_speed_kmh v85_kmh density_veh_km_lane"
    " level_of_service observed method quality"
)

MEASUREMENTS: dict[str, Measurement] = {
    # readings and rollups, as far as boards ask for them
    "em1": _profile("30m", f"{_METER_LINE} u i pf"),
    "em3": _profile("30m", f"{_METER_LINE} er_imp er_exp {_PHASES} pf f"),
    "dtm": _profile("15m", f"{_METER_LINE} {_PHASES} q f t_oil t_wind t_amb"),
    "tl1": _profile("30s", "count cum_count occ v_mean v85 n_moto n_car n_bus n_truck n_long"),
    "pq3": _profile("10m", "f unb n_sag_l1 n_swell_l1"),
    "em1_1d": _profile("1d", "n good ea_imp_increase ea_imp_last"),
    # grid
    "grid_load": _of(
        "level place area", "15m", "p_w s_va rating_va loading_pu power_factor imbalance"
    ),
    "grid_load_day": _of(
        "level place area",
        "1d",
        "coverage peak_va peak_pu loading_pu load_factor power_factor imbalance unbalance_loss"
        " export_wh reverse_peak_w above_80 above_100 above_120",
    ),
    "grid_balance": _of(
        "level place area",
        "1d",
        "in_wh out_wh loss_wh technical_wh residual_wh loss_share technical_share residual_share"
        " coverage",
    ),
    "grid_voltage": _of(
        "level place area", "30m", "meters low_v p5_v p50_v p95_v high_v inside nominal_v"
    ),
    "grid_compliance": _of(
        "level place area rule", "1d", "share coverage verdict meters meters_that_keep"
    ),
    "meter_compliance": _of("device org area rule", "1d", "share coverage verdict"),
    "voltage_violation": _of("device level place area kind", "1m", "worst_pu duration_s withdrawn"),
    "grid_outage": _of("level place area", "1m", "customers dark share"),
    "meter_interruption": _of("device org area", "1m", "ended minutes withdrawn"),
    "grid_reliability": _of(
        "level place area",
        "1d",
        "customers sustained momentary saidi_min saifi caidi_min maifi",
    ),
    "loss_suspect": _of(
        "device org area level place",
        "1h",
        "rank confidence_sigmas hidden_wh share missing_wh",
    ),
    # meters
    "meter_interval": _of("device org area", "30m", "import_wh export_wh quality method"),
    "meter_day": _of(
        "device org area",
        "1d",
        "import_wh export_wh demand_w power_factor open_slots held_slots ready",
    ),
    "billing_ready": _of("level place area", "1h", "meters ready share open_slots held_slots"),
    "billing_curve": _of("level place area", "1h", "meters share"),
    # roads
    "road_state": _of("level place area", "5m", _ROAD),
    "road_live": _of("level place area", "30s", f"{_ROAD} travel_speed_kmh"),
    "corridor_live": _of(
        "level place area",
        "30s",
        "travel_time_s free_travel_time_s travel_time_index delay_s length_km congested_km"
        " silent_stations",
    ),
    "corridor_hour": _of("level place area", "1h", "travel_time_s travel_time_index"),
    "corridor_day": _of(
        "level place area",
        "1d",
        "vkt vht speed_kmh delay_veh_h free_travel_time_s travel_time_index planning_time_index"
        " buffer_index jams bottlenecks",
    ),
    "corridor_coverage": _of("level place area", "1d", "length_km covered_km share"),
    "station_hour": _of("level place area", "1h", "vehicles"),
    "station_day": _of(
        "level place area",
        "1d",
        "vehicles pcu vkt vht travel_time_index delay_veh_h lost_lane_km_h observed",
    ),
    "detector_state": _of("device org area", "5m", "fault"),
    "detector_day": _of(
        "device org area",
        "1d",
        "status samples expected completeness zero_occupancy high_occupancy covered_without_count"
        " count_without_occupancy",
    ),
    "toll_hour": _of(
        "device org area",
        "1h",
        "passages repeated_reads etc_share read_rate exception_rate class_mismatch_share"
        " transaction_p95_ms uptime",
    ),
    "asset_day": _of(
        "device org area",
        "1d",
        "stage service_s down_s failures availability below_target mtbf_h mttr_h",
    ),
    "work_open": _of("level place area", "1h", "open"),
    # alarms, events, fleet, sites, the gateway itself
    "alarm_event": _of(
        "domain kind level place area", "1m", "severity confidence cleared duration_s withdrawn"
    ),
    "alarm_standing": _of("domain kind level place area", "1m", "lasts severity confidence"),
    "alarm_open": _of(
        "domain area", "1m", "note warning serious critical open", ("domain", "area")
    ),
    "device_event": _of("device org area event", "1m", "code"),
    "fleet_state": _of(
        "sector area",
        "1m",
        "devices alive lost silent alive_share urgent age_p50_s age_p95_s delay_p50_s delay_p95_s",
        ("sector", "area"),
    ),
    "area_quality": _of(
        "sector area",
        "30m",
        "devices expected received completeness good complete_devices",
        ("sector", "area"),
    ),
    "site_info": _of(
        "level place area parent title org sector",
        "1h",
        "number lat lon rating_va",
        ("level", "place"),
    ),
    "gateway_self": _of(
        "source event child reason domain sink kind sector state",
        "1m",
        "messages_received_total messages_stored_total messages_duplicate_total"
        " messages_quarantined_total messages_pending readings_received_total"
        " readings_stored_total readings_quarantined_total devices journal_bytes"
        " journal_congested commit_seconds_p50 commit_seconds_p99 listener_connections"
        " source_connected source_reconnects_total child_restarts_total insecure"
        " step_seconds_p99 end_to_end_seconds_p50 end_to_end_seconds_p99 quarantined_total"
        " disk_full_total findings_total analysis_step_seconds_p99 analysis_pending sink_up"
        " sink_lag_seconds sink_pending_records sink_written_total sink_refused_total"
        " sink_errors_total sink_replays_total sink_skipped_records_total",
        ("none",),
    ),
    "gateway_disk": _of("", "1m", "free_bytes total_bytes", ("none",)),
}


def identity(measurement: str) -> tuple[str, ...]:
    """Return the tags that tell the series of a measurement apart."""
    series = MEASUREMENTS[measurement].series
    return () if series == ("none",) else series


def spacing(measurement: str) -> str:
    """Return how far apart its points are; a minute at the least, boards look no closer."""
    return max("1m", MEASUREMENTS[measurement].every, key=seconds)


def seconds(duration: str) -> float:
    """Return a duration such as ``15m`` in seconds."""
    return float(duration[:-1]) * _UNITS_S[duration[-1]]
