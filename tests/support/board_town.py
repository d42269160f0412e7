"""A town for the board: registry, readings of now and findings, as large as wanted.

What it says is made up and known by heart; the real engines are tested where they are, and the
board over them in tests/boards.
"""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gateway.model import Position
from gateway.ports import Alarm, Checkpoint, CountRow, DeviceRow, Findings, Result, Totals
from gateway.store import Store
from gateway.store.derived import DerivedStore
from tests.support.stores import LANE_ROW, METER_ROW, Rows, newest

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
LOCAL_MS = 7 * HOUR_MS  # days are those of Vietnam
METERS_BELOW, LANES_AT, STATIONS_OF = 60, 3, 10  # transformer, station, corridor


class Town(NamedTuple):
    """What there is."""

    meters: int = 120
    lanes: int = 30

    @property
    def transformers(self) -> int:
        return math.ceil(self.meters / METERS_BELOW)

    @property
    def stations(self) -> int:
        return math.ceil(self.lanes / LANES_AT)

    def transformer(self, meter: int) -> str:
        return f"tba-{meter // METERS_BELOW + 1:04}"

    def names(self) -> list[tuple[str, str, str]]:
        """Return name, sector and profile of every device."""
        found = [(f"em-{one:05}", "energy", "em1") for one in range(self.meters)]
        return found + [(f"loop-{one:05}", "transport", "tl1") for one in range(self.lanes)]


def registry_of(town: Town) -> str:
    """Return the registry file: places on a grid, feeders of ten transformers, corridors of ten."""
    lines = ['[[node]]\nid = "ss-01"\nkind = "substation"\nplace = { lat = 21.0, lon = 105.8 }\n']
    for one in range(town.transformers):
        if one % 10 == 0:
            lines.append(
                f'[[node]]\nid = "f-{one // 10 + 1:03}"\nkind = "feeder"\nparent = "ss-01"\n'
            )
        place = f"lat = {21.0 + one % 10 / 200:.4f}, lon = {105.8 + one // 10 / 150:.4f}"
        lines.append(
            f'[[node]]\nid = "tba-{one + 1:04}"\nkind = "transformer"\ntitle = "Trạm {one + 1}"\n'
            f'parent = "f-{one // 10 + 1:03}"\nplace = {{ {place} }}\n'
        )
    for one in range(town.stations):
        road, stop = one // STATIONS_OF + 1, one % STATIONS_OF
        if stop == 0:
            lines.append(
                f'[[node]]\nid = "ex-{road:03}"\nkind = "corridor"\ntitle = "Cao tốc {road}"\n'
            )
        place = f"lat = {20.95 - road / 300:.4f}, lon = {105.8 + stop / 80:.4f}"
        lines.append(
            f'[[node]]\nid = "sec-{one + 1:04}"\nkind = "section"\nclass = "expressway"\n'
            f'parent = "ex-{road:03}"\n[[node]]\nid = "st-{one + 1:04}"\nkind = "station"\n'
            f'parent = "sec-{one + 1:04}"\nplace = {{ {place} }}\n'
        )
    lines += [
        f'[[device]]\nid = "em-{one:05}"\norg = "evn"\nsector = "energy"\n'
        f'parent = "{town.transformer(one)}"\n'
        for one in range(town.meters)
    ]
    lines += [
        f'[[device]]\nid = "loop-{one:05}"\norg = "vec"\nsector = "transport"\n'
        f'parent = "st-{one // LANES_AT + 1:04}"\nlane = {one % LANES_AT + 1}\n'
        for one in range(town.lanes)
    ]
    return "\n".join(lines)


def fill_town(folder: Path, town: Town, now_ms: int | None = None) -> Path:
    """Write store and findings; return the registry file."""
    now = time.time_ns() // MINUTE_MS // 1_000_000 * MINUTE_MS if now_ms is None else now_ms
    registry = folder / "registry.toml"
    registry.write_text(registry_of(town), "utf-8")
    _fill_store(folder, town, now)
    derived = DerivedStore(folder)
    derived.commit("energy", Findings(energy_alarms(now), list(energy_lines(town, now))), 1)
    derived.commit("transport", Findings(road_alarms(now), list(road_lines(town, now))), 1)
    derived.close()
    return registry


def _fill_store(folder: Path, town: Town, now: int) -> None:
    store = Store.open(folder)
    before = store.load()
    rows, counts, latest, batches = [], [], [], []
    for index, (name, sector, profile) in enumerate(town.names()):
        row = METER_ROW if profile == "em1" else LANE_ROW
        batch = Rows(profile, index, row, 12, end_ms=now).batch()
        batches.append(batch)
        rows.append(DeviceRow(index, "evn", sector, name, 1, now))
        latest.append(newest(batch, received_ms=now))
        counts.append(CountRow(index, 12, 0, 0, 12, 0, 0, now, "online"))
    total = 12 * len(rows)
    store.write(batches, [])
    store.checkpoint(
        Checkpoint(
            before.position._replace(number=Position(100).number),
            Totals(total, total, 0, 0, total, 0, 0),
            rows,
            [],
            latest,
            counts,
        )
    )
    store.close()


def energy_alarms(now: int) -> list[Alarm]:
    """Return an outage, a theft, a low voltage that lasts, and one that is over."""
    names = [f"em-{one:05}" for one in range(60)]
    outage = {"devices": 60, "available": 0.85, "score_nats": 21.5, "names": names}
    outage |= {"facts": {"power_word": [51, 14.2], "no_gasp": [9, -1.5]}}
    suspect = {"device": "em-00077", "share": 0.5, "confidence_sigmas": 7.1, "hidden_wh": 41_000}
    theft: dict[str, Any] = {
        "excess_wh_per_day": 5900,
        "coverage": 0.998,
        "level": 9.2,
        "missing_wh": 41_300,
    }
    theft |= {"suspects": [suspect | {"reasons": ["profile", "tamper"]}]}
    volts = {"worst_pu": 0.912, "worst_v": 209.8, "limit_pu": 0.95, "norm": "vn-39-2015"}
    return [
        _alarm("transformer_outage", "transformer:tba-0001", now - 4 * MINUTE_MS, 3, outage),
        _alarm("loss", "transformer:tba-0002", now - 5 * DAY_MS, 3, theft),
        _alarm("undervoltage", "device:em-00003", now - HOUR_MS, 2, volts),
        _alarm("undervoltage", "device:em-00004", now - 3 * HOUR_MS, 2, volts, now - HOUR_MS),
    ]


def road_alarms(now: int) -> list[Alarm]:
    """Return an incident and a detector that is not believed."""
    incident = {"after_station": "st-0003", "signs": ["storage", "slow"], "stored_vehicles": 32}
    incident |= {"queue_stations": ["st-0002"], "lane": None}
    silent = {"value": 1.0, "station": "st-0005", "cause": "comms", "cause_confidence": 0.94}
    silent |= {"nats": {"power": -1.0, "comms": 3.5, "device": 0.5}}
    return [
        _alarm("incident", "section:sec-0003", now - 9 * MINUTE_MS, 3, incident),
        _alarm("detector_no_data", "device:loop-00013", now - 2 * HOUR_MS, 2, silent),
    ]


def _alarm(
    kind: str, place: str, raised: int, severity: int, body: dict[str, Any], cleared: int = 0
) -> Alarm:
    return Alarm(kind, place, raised, raised + 25_000, cleared, severity, 0.96, json.dumps(body))


def energy_lines(town: Town, now: int) -> Iterator[Result]:
    """Yield lines of every series that the energy pages show: two days, a week, a month."""
    today = (now + LOCAL_MS) // DAY_MS * DAY_MS - LOCAL_MS
    for one in range(town.transformers):
        place = f"transformer:tba-{one + 1:04}"
        lost = 41_000 if one == 1 else 2_100
        for back in (2, 1):
            day = (today - back * DAY_MS, today - (back - 1) * DAY_MS)
            yield _line("balance", place, day, _balance(lost))
            yield _line("load", place, day, _load(1.31 if one == 0 else 0.42))
        week = (today - 6 * DAY_MS, today + DAY_MS)
        rule = {"voltage": {"share": 0.971 if one else 0.91, "coverage": 0.99, "holds": one > 0}}
        volts = {"norm": "vn-39-2015", "days": 5, "lowest_pu": 0.912, "highest_pu": 1.031}
        yield _line("compliance", place, week, volts | {"rules": rule, "meters": METERS_BELOW})
        evidence = {"peak_pu": 1.31, "time_above": 0.08}
        told = {"what": "uprate", "rank": one + 1, "severity": 1.0, "coverage": 0.98}
        yield _line("advice", place, week, {"advice": [told | {"evidence": evidence}]})
    yield from _customer_lines(town, now)


def _customer_lines(town: Town, now: int) -> Iterator[Result]:
    today = (now + LOCAL_MS) // DAY_MS * DAY_MS - LOCAL_MS
    month = (today - 20 * DAY_MS, today + 10 * DAY_MS)
    for one in range(town.meters):
        body = {"import_wh": 151_000 + one, "open_slots": 3 * (one % 20 == 0), "held_slots": 0}
        body |= {"missing_days": 0, "is_billing_ready": one % 20 != 0}
        yield _line("determinants", f"device:em-{one:05}", month, body)
        slots = {"quality_slots": {"valid": 46, "estimated_like_day": 2}, "open_slots": 2}
        yield _line("days", f"device:em-{one:05}", (today - DAY_MS, today), slots)
    whole = {"customers": town.meters, "sustained": 1, "momentary": 0, "customer_minutes": 4200}
    indices = {"saidi_min": 35.0, "saifi": 0.5, "caidi_min": 70.0, "maifi": 0.0}
    yield _line("reliability", "grid:all", month, whole | indices)
    curve = {"meters": 120, "ready": 118, "share": 0.983, "hours_after_end": [0, 6, 24]}
    last = (month[0] - 30 * DAY_MS, month[0])
    yield _line("readiness", "grid:all", last, curve | {"share_ready": [0.91, 0.97, 0.983]})
    for one in range(METERS_BELOW):
        yield _line("interruptions", f"device:em-{one:05}", (now - 240_000, now), {"is_open": True})
    run = {"kind": "undervoltage", "worst_pu": 0.912}
    yield _line("violations", "device:em-00003", (now - HOUR_MS, now), run)


def road_lines(town: Town, now: int) -> Iterator[Result]:
    """Yield how stations and corridors are now and were, detectors of yesterday, tolls."""
    hour = now // HOUR_MS * HOUR_MS
    for one in range(town.stations):
        place = f"station:st-{one + 1:04}"
        is_jammed = one in {1, 2}
        level, kmh = ("F", 12.0) if is_jammed else ("B", 88.0)
        body: dict[str, Any] = {
            "interval_s": 300,
            "flow_veh_h": 900.0,
            "occupancy": 0.6 if is_jammed else 0.08,
        }
        body |= {"speed_kmh": kmh, "density_veh_km_lane": 60.0 if is_jammed else 9.0}
        body |= {"observed": 1.0, "level_of_service": level, "method": "observed"}
        yield _line("live", place, (hour, now), body)
        if one < STATIONS_OF:
            for quarter in range(4, 0, -1):
                begin = now // 900_000 * 900_000 - quarter * 900_000
                three = {"interval_s": 300, "level_of_service": [level] * 3, "speed_kmh": [kmh] * 3}
                yield _line("state", place, (begin, begin + 900_000), three)
    for one in range(math.ceil(town.stations / STATIONS_OF)):
        index = 2.4 if one == 0 else 1.05
        body = {"travel_time_s": 300 * index, "free_travel_time_s": 300, "travel_time_index": index}
        body |= {"length_km": 12.5, "congested_km": 2.6 if one == 0 else 0.0, "silent_stations": 0}
        yield _line("live", f"corridor:ex-{one + 1:03}", (hour, now), body)
    head = {"station": "st-0003", "from_ms": now - DAY_MS, "to_ms": now - DAY_MS + HOUR_MS}
    jam = {"bottlenecks": [head | {"extent_km": 2.6, "delay_veh_h": 41.0}], "jams": []}
    yield _line("congestion", "corridor:ex-001", (now - DAY_MS + HOUR_MS, now), jam)
    yield from _device_lines(town, now)


def _device_lines(town: Town, now: int) -> Iterator[Result]:
    today = (now + LOCAL_MS) // DAY_MS * DAY_MS - LOCAL_MS
    hour = now // HOUR_MS * HOUR_MS
    for one in range(town.lanes):
        status = "no_data" if one == 13 else "good"
        body = {"status": status, "samples": 0 if one == 13 else 2040, "expected": 2040}
        shares = {"zero_occupancy": 0.1, "high_occupancy": 0.0, "covered_without_count": 0.0}
        yield _line("detectors", f"device:loop-{one:05}", (today - DAY_MS, today), body | shares)
    item = {"place": "cabinet:c-1", "action": "replace the device", "devices": ["loop-00013"]}
    yield _line("work", "site:all", (today, today + DAY_MS), {"open": 1, "items": [item]})
    toll = {"passages": 458, "etc_share": 0.965, "read_rate": 0.993, "exception_rate": 0.031}
    more = {"class_mismatch_share": 0.004, "transaction_p95_ms": 440, "uptime": 1.0}
    yield _line("tolls", "device:toll-1", (hour - HOUR_MS, hour), toll | more)
    scale = {
        "vehicles": 375,
        "sound": 374,
        "overloaded": 2,
        "gross_t": 6774.5,
        "faults": {"tilt": 1},
    }
    yield _line("weighing", "device:wim-1", (hour - HOUR_MS, hour), scale)


def _balance(lost: float) -> dict[str, Any]:
    return {
        "in_wh": 516_880,
        "loss_wh": lost,
        "technical_wh": 2_000,
        "residual_wh": lost - 2_000,
        "coverage": 0.998,
    }


def _load(peak: float) -> dict[str, Any]:
    above = {"0.8": 0.2, "1": 0.08 if peak > 1 else 0, "1.2": 0.02 if peak > 1 else 0}
    return {
        "coverage": 0.98,
        "peak_va": 250_000 * peak,
        "peak_pu": peak,
        "loading_pu": 0.9 * peak,
        "load_factor": 0.53,
        "power_factor": 0.93,
        "imbalance": 0.12,
        "reverse_peak_w": 0,
        "share_of_time_above_pu": above,
    }


def _line(series: str, place: str, span: tuple[int, int], body: dict[str, Any]) -> Result:
    return Result(series, place, *span, json.dumps(body))
