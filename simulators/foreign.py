"""Devices of other makers: the same homes and lanes, in the words of those who sell the meters.

Nothing of infragate's own format is spoken here. Homes have a Tasmota plug, a Shelly, a Glow
display, a zigbee2mqtt plug or a HomeWizard meter in turn; lanes are told as NGSI entities. Physics
is that of ``homes`` and ``lanes``, so what comes out can be compared with the other fleet.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from simulators.homes import WATT_MS_PER_WH, Home
from simulators.lanes import Lane


class Said(NamedTuple):
    """A message."""

    topic: str
    payload: str


class Meter(NamedTuple):
    """What a home's meter shows: Wh, W, V, A, and the power factor."""

    energy_wh: float
    power_w: int
    voltage_v: float
    current_a: float
    factor: float


Speak = Callable[[int, Meter, int], Said]
"""Number of the home, its meter and the time in Unix ms → what the device says."""


def _iso(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tasmota(number: int, meter: Meter, time_ms: int) -> Said:
    """A plug tells its local time without offset, as it is set up: UTC."""
    energy = {
        "TotalStartTime": "2026-01-01T00:00:00",
        "Total": round(meter.energy_wh / 1000, 3),
        "Power": meter.power_w,
        "Factor": meter.factor,
        "Voltage": round(meter.voltage_v),
        "Current": meter.current_a,
    }
    said = {"Time": _iso(time_ms)[:19], "ENERGY": energy}
    return Said(f"tele/tasmota_{number:05X}/SENSOR", json.dumps(said))


def shelly(number: int, meter: Meter, time_ms: int) -> Said:
    """A Shelly of the second generation notifies of a change."""
    name = f"shellyplus1pm-{number:012x}"
    switch = {
        "id": 0,
        "apower": meter.power_w,
        "voltage": meter.voltage_v,
        "current": meter.current_a,
        "pf": meter.factor,
        "aenergy": {"total": meter.energy_wh, "by_minute": [0, 0, 0], "minute_ts": time_ms // 1000},
    }
    params = {"ts": time_ms / 1000, "switch:0": switch}
    said = {"src": name, "dst": f"{name}/events", "method": "NotifyStatus", "params": params}
    return Said(f"{name}/events/rpc", json.dumps(said))


def glow(number: int, meter: Meter, time_ms: int) -> Said:
    """An in-home display reads the smart meter over its radio."""
    energy = {
        "export": {"cumulative": 0.0, "units": "kWh"},
        "import": {"cumulative": round(meter.energy_wh / 1000, 3), "units": "kWh"},
    }
    power = {"value": meter.power_w / 1000, "units": "kW"}
    body = {"timestamp": _iso(time_ms), "energy": energy, "power": power}
    topic = f"glow/GLOW{number:08X}/SENSOR/electricitymeter"
    return Said(topic, json.dumps({"electricitymeter": body}))


def zigbee(number: int, meter: Meter, time_ms: int) -> Said:
    """A plug behind zigbee2mqtt, with ``last_seen`` switched on."""
    said = {
        "energy": round(meter.energy_wh / 1000, 3),
        "power": meter.power_w,
        "voltage": meter.voltage_v,
        "current": meter.current_a,
        "linkquality": 100 + number % 100,
        "state": "ON",
        "last_seen": _iso(time_ms),
    }
    return Said(f"zigbee2mqtt/plug {number}", json.dumps(said))


def homewizard(number: int, meter: Meter, time_ms: int) -> Said:
    """A meter with a local API, told by a bridge; its second version knows the time."""
    said = {
        "timestamp": _iso(time_ms)[:19],
        "energy_import_kwh": round(meter.energy_wh / 1000, 3),
        "energy_export_kwh": 0,
        "power_w": meter.power_w,
        "voltage_v": meter.voltage_v,
        "current_a": meter.current_a,
    }
    return Said(f"homewizard/kwh-{number}/measurement", json.dumps(said))


TONGUES: Sequence[Speak] = (tasmota, shelly, glow, zigbee, homewizard)


def ngsi(number: int, row: Sequence[int | None], from_ms: int, to_ms: int) -> Said:
    """A lane as a city's context broker tells of it (Smart Data Models, key-values)."""
    count, _, occupancy, speed, *_ = row
    entity = {
        "id": f"urn:ngsi-ld:TrafficFlowObserved:foreign-{number:04d}",
        "type": "TrafficFlowObserved",
        "dateObservedFrom": _iso(from_ms),
        "dateObservedTo": _iso(to_ms),
        "intensity": count,
        "occupancy": None if occupancy is None else occupancy / 1000,
        "averageVehicleSpeed": None if speed is None else speed / 10,
    }
    said = {key: value for key, value in entity.items() if value is not None}
    return Said(f"city/traffic/foreign-{number:04d}", json.dumps(said))


class Town:
    """Homes and lanes, and the time up to which each was told of."""

    def __init__(self, homes: int, lanes: int, seed: int) -> None:
        # numbers far from those of the native fleet: other homes of the same kind
        self._homes = [Home(seed, 50_000 + number) for number in range(homes)]
        self._lanes = [Lane(seed, 50_000 + number) for number in range(lanes)]

    def memory(self) -> list[int]:
        """Return what must survive a restart: the registers."""
        return [one.accrued for one in self._everybody()]

    def restore(self, memory: Sequence[int]) -> None:
        """Go on from the registers of an earlier run; of another town they are left."""
        everybody = self._everybody()
        if len(memory) == len(everybody):
            for one, accrued in zip(everybody, memory, strict=True):
                one.accrued = accrued

    def _everybody(self) -> list[Home | Lane]:
        return [*self._homes, *self._lanes]

    def say(self, from_ms: int, to_ms: int) -> Iterator[Said]:
        """Let the time pass and yield what all devices say at its end."""
        for number, home in enumerate(self._homes):
            _, _, power_w, tenths_v, hundredths_a, thousandths = home.row(from_ms, to_ms)
            meter = Meter(
                round(home.accrued / WATT_MS_PER_WH, 1),
                power_w or 0,
                (tenths_v or 0) / 10,
                (hundredths_a or 0) / 100,
                (thousandths or 0) / 1000,
            )
            yield TONGUES[number % len(TONGUES)](number, meter, to_ms)
        for number, lane in enumerate(self._lanes):
            yield ngsi(number, lane.row(from_ms, to_ms), from_ms, to_ms)
