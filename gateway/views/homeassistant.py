"""Our devices in the words of Home Assistant: what to announce, and what they measure now.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery. Each column of a profile is a
sensor; its state is the newest good reading in engineering units, whatever format the device sends.
"""

import json
from collections.abc import Iterator

import numpy as np

from gateway.ports import DeviceRow, LatestRow
from gateway.profiles import Column, Kind, Profile
from gateway.units import UNITS

PREFIX = "homeassistant"
STATES = "infragate/state"
OWN = "infragate-"  # beginning of our devices' identifiers, so that we know them again
# what Home Assistant calls a quantity of ours; the others go without a class
_CLASSES = {
    "energy": "energy",
    "power": "power",
    "reactive_power": "reactive_power",
    "apparent_power": "apparent_power",
    "voltage": "voltage",
    "current": "current",
    "frequency": "frequency",
    "temperature": "temperature",
    "pressure": "pressure",
    "illuminance": "illuminance",
    "irradiance": "irradiance",
    "speed": "speed",
    "sound_level": "sound_pressure",
    "signal_level": "signal_strength",
}


def state_topic(row: DeviceRow, profile: Profile) -> str:
    """Return where the newest reading of a device and profile is published."""
    return f"{STATES}/{row.org}/{row.device}/{profile.name}"


def announcements(row: DeviceRow, profile: Profile) -> Iterator[tuple[str, bytes]]:
    """Yield topic and payload of what is to be retained, one for each column."""
    device = {
        "identifiers": [f"{OWN}{row.org}-{row.device}"],
        "name": row.device,
        "model": profile.title,
        "manufacturer": "infragate",
    }
    for column in profile.columns:
        name = f"{row.org}-{row.device}-{profile.name}-{column.name}"
        said = {
            "name": column.title,
            "unique_id": f"{OWN}{name}",
            "state_topic": state_topic(row, profile),
            "value_template": f"{{{{ value_json.{column.name} }}}}",
            "device": device,
            **_kind(column),
        }
        yield f"{PREFIX}/sensor/{name}/config", json.dumps(said, ensure_ascii=False).encode()


def _kind(column: Column) -> dict[str, str]:
    said = {}
    if column.unit != "1":
        said["unit_of_measurement"] = column.unit
    quantity = _CLASSES.get(UNITS[column.unit][0])
    if quantity is not None:
        said["device_class"] = quantity
    if column.kind is Kind.REGISTER:
        said["state_class"] = "total_increasing"
    elif column.kind is Kind.GAUGE:
        said["state_class"] = "measurement"
    return said


def state(row: DeviceRow, profile: Profile, latest: LatestRow) -> tuple[str, bytes]:
    """Return topic and payload of the newest reading; what was not measured is null."""
    numbers = np.frombuffer(latest.values, "<f8")[: len(profile.columns)]
    said = {
        column.name: None if np.isnan(number) else round(float(number) * column.scale, 9)
        for column, number in zip(profile.columns, numbers, strict=True)
    }
    return state_topic(row, profile), json.dumps(said).encode()
