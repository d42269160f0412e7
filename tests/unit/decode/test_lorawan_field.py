"""LoRaWAN frames of the field (shared data): each value that the maker's software makes of them.

``expected`` names values as ThingsBoard's converters do; ``COLUMNS`` says, by hand, in which column
each must be, and its factor to the column's unit. What has no column must be in the report under
its name, as it is. The rows do not say which device sent them: their ``note`` does, and is declared
as the registry would.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from math import isclose
from typing import Any

import pytest

from gateway.config.foreign import ForeignSection
from gateway.decode.foreign import build_foreign
from gateway.decode.foreign.trial import Outcome, Stored, try_message
from tests.shared import SHARED, needs_shared
from tests.unit.decode.support import PROFILES, RECEIVED_MS, kept

pytestmark = needs_shared

FORMATS = build_foreign(ForeignSection(), PROFILES)
_SIGNS = re.compile("[: ]")
RELATIVE = 1e-6  # columns resolve a millionth of their scale

# name in ``expected`` -> columns it may be in, factor to their unit
COLUMNS: dict[str, tuple[str, float]] = {
    "battery": ("node1.battery", 1),
    "battery_voltage": ("node1.battery_u", 1),
    "battery_volt": ("node1.battery_u", 1),
    "vdd": ("node1.battery_u", 0.001),
    "batteryVolt": ("node1.battery_u", 1),
    "batteryLevelInPercentage": ("node1.battery", 1),
    "rem_batt_capacity": ("node1.battery", 1),
    "occupied": ("clim1.occupied", 1),
    "ambient_temperature": ("clim1.temp", 1),
    "input2_voltage_to_temp": ("clim1.soil_temp", 1),
    "internalCircuitTemperature": ("node1.temp", 1),
    "relative_humidity": ("clim1.rh", 1),
    "voltageL1N": ("em3.u_l1", 1),
    "voltageL2N": ("em3.u_l2", 1),
    "voltageL3N": ("em3.u_l3", 1),
    "currentL1": ("em3.i_l1", 0.001),
    "currentL2": ("em3.i_l2", 0.001),
    "currentL3": ("em3.i_l3", 0.001),
    "activePowerL123": ("em3.p", 1),
    "activePowerL1": ("em3.p_l1", 1),
    "activePowerL2": ("em3.p_l2", 1),
    "activePowerL3": ("em3.p_l3", 1),
    "frequency": ("em3.f", 1),
    "fPort": ("node1.fport", 1),
    "temperature": ("clim1.temp clim1.soil_temp wx1.temp wq1.temp node1.temp", 1),
    "humidity": ("clim1.rh wx1.rh", 1),
    "moisture": ("clim1.soil_rh", 1),
    "ec": ("clim1.ec", 1),
    "co2": ("clim1.co2", 1),
    "tvoc": ("clim1.tvoc", 1),
    "hcho": ("clim1.hcho", 1),
    "pm2_5": ("clim1.pm25", 1),
    "pm10": ("clim1.pm10", 1),
    "illumination": ("clim1.lux", 1),
    "light": ("clim1.lux", 1),
    "soundAvg": ("clim1.noise", 1),
    "LAeq": ("clim1.noise", 1),
    "noise": ("clim1.noise", 1),
    "distance": ("clim1.distance", 0.001),
    "pressure": ("clim1.pressure", 1),
    "water_level": ("wq1.level", 0.01),
    "current": ("plug1.i", 1),
    "pulse": ("clim1.count", 1),
    "total_in": ("clim1.count_in", 1),
    "total_out": ("clim1.count_out", 1),
    "total_counter_in": ("clim1.count_in", 1),
    "total_counter_out": ("clim1.count_out", 1),
    "rssi": ("node1.rssi", 1),
    "snr": ("node1.snr", 1),
    "dr": ("node1.dr", 1),
    "fCnt": ("node1.fcnt", 1),
    "temperature_target": ("clim1.temp_set", 1),
}
# … of Decentlab, whose names say more
COLUMNS |= {
    "lora_frame_counter": ("node1.fcnt", 1),
    "lora_frame_port": ("node1.fport", 1),
    "lora_frequency": ("node1.freq", 1),
    "lora_spreading_factor": ("node1.sf", 1),
    "lora_rssi": ("node1.rssi", 1),
    "lora_snr": ("node1.snr", 1),
    "soil_temperature": ("clim1.soil_temp", 1),
    "incoming_radiation": ("wx1.irradiance", 1),
    "reflected_radiation": ("wx1.reflected", 1),
    "solar_radiation": ("wx1.irradiance", 1),
    "precipitation": ("wx1.rain_part", 1),
    "cumulative_precipitation": ("wx1.rain", 1),
    "lightning_strike_count": ("wx1.lightning", 1),
    "wind_speed": ("wx1.wind", 1),
    "wind_direction": ("wx1.wind_dir", 1),
    "maximum_wind_speed": ("wx1.gust", 1),
    "air_temperature": ("wx1.temp clim1.temp", 1),
    "air_temperature_radiation_shield": ("wx1.temp", 1),
    "air_humidity": ("wx1.rh clim1.rh", 1),
    "air_humidity_radiation_shield": ("wx1.rh", 1),
    "relative_humidity": ("wx1.rh clim1.rh", 1),
    "dew_point": ("wx1.dew clim1.dew", 1),
    "surface_temperature": ("wx1.surface", 1),
    "temperature_target": ("wx1.surface clim1.temp_set", 1),
    "atmospheric_pressure": ("wx1.pressure clim1.pressure", 10),  # kPa
    "barometric_pressure": ("clim1.pressure", 0.01),  # Pa
    "sensor_temperature": ("node1.temp", 1),
    "sensor_temperature_internal": ("node1.temp", 1),
    "temperature_head": ("node1.temp", 1),
    "head_temperature": ("node1.temp", 1),
    "temperature_electronics": ("node1.temp", 1),
    "temperature_pt1000": ("wq1.temp", 1),
    "water_depth": ("wq1.level", 0.001),
    "freezing_flag": ("wq1.ice", 1),
    "electrical_conductivity": ("wq1.ec clim1.ec", 1),
    "oxygen_saturation": ("wq1.oxygen", 1),
    "ph": ("wq1.ph", 1),
    "co2_concentration": ("clim1.co2", 1),
    "illuminance": ("clim1.lux", 1),
    "total_voc": ("clim1.tvoc", 1),
    "cumulative_pulse_count": ("clim1.count", 1),
    "ch0_cumulative_pulse_count": ("clim1.count", 1),
    "ch1_cumulative_pulse_count": ("clim1.count", 1),
    "distance_average": ("clim1.distance", 0.001),
    "pm1_0_mass_concentration": ("clim1.pm1", 1),
    "pm2_5_mass_concentration": ("clim1.pm25", 1),
    "pm10_mass_concentration": ("clim1.pm10", 1),
}
# where a maker gives the name another meaning or unit
SPECIAL: dict[tuple[str, str], tuple[str, float]] = {
    ("EM500-PP", "pressure"): ("wq1.pressure", 0.01),  # kPa
    ("DL-PR21", "pressure"): ("wq1.pressure", 1),
    ("DL-PR26", "pressure"): ("wq1.pressure", 1),
    ("DL-PR36", "pressure"): ("wq1.pressure", 1),
    ("DL-PR36CTD", "pressure"): ("wq1.pressure", 1),
    ("DL-PR36CTD", "electrical_conductivity"): ("wq1.ec", 1000),  # mS/cm
}
# what these sensors have of their own, as the maker's decoders are named after them
PARAMETERS = {
    "DL-DLR2-004": "R=10.0",
    "DL-DLR2-008": "R=2000",
    "DL-DLR2-009": "R=2000",
    "DL-DWS": "f02=232263168, s=0.000302459, m0=1370",
    "DL-KL66": "f0=15383.72, k=46.4859",
    "DL-PR21": "Pmin=-1.0, Pmax=10.0",
    "DL-PR26": "Pmin=0.0, Pmax=1.0",
    "DL-PR36": "kp=8192",
    "DL-PR36CTD": "kp=8192, kec=1024",
    "DL-TBRG": "resolution=0.1",
}
# words that are a code of a column
CODES: dict[tuple[str, object], tuple[str, float]] = {
    ("pir", "trigger"): ("clim1.motion", 1),
    ("magnet_status", "open"): ("clim1.open", 1),
    ("water_leak", "leak"): ("clim1.leak", 1),
    ("occupied", "on"): ("clim1.occupied", 1),
    ("smokeAlarm", "Normal"): ("clim1.smoke", 0),
    ("leakage_status", "leak"): ("clim1.leak", 1),
    ("leakage_status", "normal"): ("clim1.leak", 0),
    ("occupancy", "occupied"): ("clim1.occupied", 1),
    ("tamper_status", "uninstalled"): ("clim1.tamper", 1),
}
# the frame itself, which the gateway has in its journal and not in a report
LEFT_OUT = {"hexString"}
# of the elements of lists: where in the frame the converter stood, 8 and 16 or 40 and 48
COUNTERS = {"i"}
# other names of ours
NAMES = {("alarm", "read failed"): "current"}
# the converter cuts 50.5 % and 57.5 % to whole ones; the maker gives steps of half a percent
CUT = {("EM300-DI", "humidity"), ("EM500-SMTC", "moisture")}
# 39,733 var are said as 39.73 kvar
ROUNDED = {"totalSystemReactivePower", "totalSystemApparentPower"}
# 79.0 is half of 0x9e, a byte of the time; the humidity is 0x5d = 93 halves of a percent
# 2.32 V takes 0xd3 for -45; the maker says that it is unsigned: 2500 + 4 x 211 = 3344 mV
MISTAKEN = {
    ("lorawan-chirpstack-0103", "humidity"),
    ("lorawan-chirpstack-0191", "battery_voltage"),
    ("lorawan-chirpstack-0191", "battery_health"),
    ("lorawan-chirpstack-0194", "battery_voltage"),
    ("lorawan-chirpstack-0194", "battery_health"),
}
# registers of two tariffs, added up: column of both
TARIFFS = {
    "activeEnergyImportL1": "plug1.ea_imp",
    "activeEnergyImportL123": "em3.ea_imp",
    "activeEnergyExportL123": "em3.ea_exp",
}


def rows(maker: str) -> Iterator[dict[str, Any]]:
    assert SHARED is not None
    text = (SHARED / "data" / "devices" / "payloads_dev.jsonl").read_text("utf-8")
    for line in text.splitlines():
        row = json.loads(line)
        if row["family"].startswith("lorawan") and row["note"].startswith(maker):
            yield row


def outcome(row: Mapping[str, Any], model: str) -> Outcome:
    payload = row["payload"].encode()
    return try_message(FORMATS, row["topic"], payload, RECEIVED_MS, PROFILES, model=model)


def telemetry(row: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Return times and values that are expected; some rows nest them."""
    found = row["expected"]["telemetry"]
    each = found if isinstance(found, list) else [found]
    plain = [one["values"] if "values" in one["values"] else one for one in each]
    return [(milliseconds(one["ts"]), one["values"]) for one in plain if one["values"]]


def milliseconds(moment: object) -> int:
    if isinstance(moment, str):
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    assert isinstance(moment, int)
    return moment if moment > 10**11 else moment * 1000  # some are in seconds


def same(expected: object, got: object) -> bool:
    if isinstance(expected, list):
        return (
            isinstance(got, list)
            and len(got) == len(expected)
            and all(
                same(one, other)
                for one, other in zip(sorted(expected, key=str), sorted(got, key=str), strict=True)
            )
        )
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(
            same(value, got.get(name)) for name, value in expected.items() if name not in COUNTERS
        )
    if isinstance(expected, int | float) and isinstance(got, int | float):
        return isclose(expected, got, rel_tol=RELATIVE, abs_tol=1e-6)
    # addresses and numbers in hexadecimal, with or without signs between their bytes
    return _SIGNS.sub("", str(expected)).lower() == _SIGNS.sub("", str(got)).lower()


def in_columns(name: str, value: object, model: str, stored: list[Stored]) -> bool:
    if isinstance(value, int | float):
        total = (TARIFFS.get(name, ""), 1.0)
        columns, factor = SPECIAL.get((model, name)) or COLUMNS.get(name) or total
        wanted: float = value * factor
    elif isinstance(value, str) and (name, value) in CODES:
        columns, wanted = CODES[name, value]
    else:
        return False
    for column in columns.split():
        profile, _, key = column.partition(".")
        for one in stored:
            got = one.values.get(key) if one.profile == profile else None
            if got is not None and isclose(got, wanted, rel_tol=RELATIVE, abs_tol=1e-6):
                return True
            if got is not None and (model, name) in CUT and int(got) == value:
                return True
    return False


def wrong(row: Mapping[str, Any], got: Outcome) -> list[str]:
    """Return the names of the expected values that are neither in a column nor in the report."""
    model = row["note"].split(maxsplit=1)[1].removesuffix("_Hall")
    found = list(kept(got.reports))
    missing = []
    for time_ms, values in telemetry(row):
        # readings of another time than the message's are in rows of that time
        stored = [one for one in got.readings if abs(one.time_ms - time_ms) < 1000]
        for name, value in summed(values).items():
            if name in LEFT_OUT or (row["id"], name) in MISTAKEN:
                continue
            if in_columns(name, value, model, stored):
                continue
            if name in ROUNDED:
                found += [(key, rounded(other)) for key, other in found if key == name]
            ours = NAMES.get((name, str(value)), name)
            if not any(key == ours and same(value, other) for key, other in found):
                missing.append(f"{name} {value}")
    return missing


def rounded(value: object) -> object:
    return round(value, 2) if isinstance(value, float) else value


def summed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with the registers of two tariffs added up."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        stem = re.sub("T[12]$", "", name)
        found[stem] = value + found.get(stem, 0) if stem in TARIFFS else value
    return found


def declared(note: str) -> str:
    own = PARAMETERS.get(note.split(maxsplit=1)[1])
    return f"{note} ({own})" if own else note


def scores(maker: str, *, is_declared: bool) -> tuple[Counter[str], dict[str, list[str]]]:
    fates: Counter[str] = Counter()
    problems: dict[str, list[str]] = {}
    for row in rows(maker):
        got = outcome(row, declared(row["note"]) if is_declared else "")
        missing = wrong(row, got) if got.refused is None else []
        fates[got.refused or ("wrong" if missing else "right")] += 1
        if missing:
            problems[f"{row['id']} {row['note']}"] = missing
    return fates, problems


# maker -> what becomes of its rows where the model is declared, and where it is not
FATES: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "Milesight": (
        # the stored record in the frames of four rows (one frame) has its bytes reversed: highest
        # first it is 22.5 °C, 55 %, 450 ppm, 1013.5 hPa of October 2023; lowest first, as its maker
        # and its live values have it and as is expected, -793.6 °C (5,760 without the sign) and
        # 14,080 % of the year 1976: test_lorawan_mistaken
        {"right": 126, "schema": 4},
        {"right": 99, "unmapped": 31},
    ),
    "Decentlab": ({"right": 85}, {"unmapped": 85}),  # frames do not say of which model they are
    "Netvox": ({"right": 43}, {"right": 43}),  # a frame says the type of its device
    "Tektelic": ({"right": 16}, {"right": 16}),
    "Yobiiq": ({"right": 21}, {"right": 11, "unmapped": 10}),  # ChirpStack's profile is the model
    "Nwave": ({"right": 10}, {"unmapped": 10}),
    "Bosch": ({"right": 5}, {"unmapped": 5}),
    "SensiEDGE": ({"right": 1}, {"unmapped": 1}),
    "Elsys": ({"right": 9}, {"unmapped": 9}),  # recorded on port 85, where others send, too
}


@pytest.mark.parametrize("maker", FATES)
def test_every_expected_value_of_a_declared_model_is_stored(maker: str) -> None:
    fates, problems = scores(maker, is_declared=True)
    assert problems == {}
    assert fates == FATES[maker][0]


@pytest.mark.parametrize("maker", FATES)
def test_a_frame_of_an_undeclared_model_is_read_right_or_not_at_all(maker: str) -> None:
    fates, problems = scores(maker, is_declared=False)
    assert problems == {}
    assert fates == FATES[maker][1]
