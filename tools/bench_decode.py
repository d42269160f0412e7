"""What decoding costs, per message: foreign formats, and native rows beside them.

Run it with ``make bench-decode``. Each figure is the best of some rounds of 5,000 messages, a
batch of the pipeline: from journal records to columns, the cost of making columns included.

Beside each stands what ``json.loads`` of the same payloads takes, measured in turn with it, and
the ratio of the two: on a machine that others use both grow, the ratio stays. A Sparkplug payload
is no JSON; its reference is JSON of the same seven metrics by name.
"""

import base64
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402

from gateway.config.foreign import ForeignSection  # noqa: E402
from gateway.decode import Collector, Decoders  # noqa: E402
from gateway.decode.foreign import build_foreign  # noqa: E402
from gateway.decode.foreign.protobuf import (  # noqa: E402
    DOUBLE,
    FLOAT,
    write_bytes,
    write_number,
)
from gateway.model import Record  # noqa: E402
from gateway.profiles import load_profiles  # noqa: E402
from gateway.registry import Directory  # noqa: E402

RECEIVED_MS = 1_795_300_260_000
MESSAGES = 5000
DEVICES = 500
ROUNDS = 15

Make = Callable[[int], tuple[str, bytes]]


def tasmota(number: int, devices: int = DEVICES, moment: str = "") -> tuple[str, bytes]:
    """Return what a Tasmota plug with a meter sends, the whole of it."""
    energy = {
        "TotalStartTime": "2025-01-01T00:00:00",
        "Total": round(941.481 + number / 1000, 3),
        "Yesterday": 1.308,
        "Today": 0.205,
        "Period": 5,
        "Power": 100 + number % 50,
        "ApparentPower": 130,
        "ReactivePower": 42,
        "Factor": 0.95,
        "Voltage": 231,
        "Current": 0.562,
    }
    moment = moment or f"2026-11-21T22:{number // 60 % 60:02d}:{number % 60:02d}"
    payload = msgspec.json.encode({"Time": moment, "ENERGY": energy})
    return f"tele/plug_{number % devices}/SENSOR", payload


def shelly(number: int) -> tuple[str, bytes]:
    """Return the state of a switch of a Shelly of the second generation."""
    state = {
        "id": 0,
        "source": "init",
        "output": True,
        "apower": number % 90 + 0.5,
        "voltage": 229.4,
        "current": 0.19,
        "aenergy": {
            "total": 300.614 + number,
            "by_minute": [1.0, 2.0, 3.0],
            "minute_ts": 1_795_300_200,
        },
        "temperature": {"tC": 44.5, "tF": 112.1},
    }
    payload = msgspec.json.encode(state)
    return f"shelly-{number % DEVICES}/status/switch:0", payload


def zigbee(number: int) -> tuple[str, bytes]:
    """Return what zigbee2mqtt says of a sensor."""
    state = {
        "battery": number % 100,
        "humidity": 45.2,
        "linkquality": number % 255,
        "pressure": 1012.4,
        "temperature": round(20 + number % 7 / 10, 2),
        "voltage": 2985,
    }
    payload = msgspec.json.encode(state)
    return f"zigbee2mqtt/sensor_{number % DEVICES}", payload


def lorawan(number: int, profile: str) -> tuple[str, bytes]:
    """Return an uplink of ChirpStack 4 with the frame of a room sensor, of five values."""
    degrees, ppm = 200 + number % 80, 400 + number % 900
    frame = b"\x01\x75\x64\x03\x67" + degrees.to_bytes(2, "little") + b"\x04\x68\x73\x05\x7d"
    frame += ppm.to_bytes(2, "little") + b"\x06\x73\x68\x27"
    uplink = {
        "time": "2026-11-21T22:30:00Z",
        "deviceInfo": {"deviceProfileName": profile},
        "dr": 5,
        "fCnt": number,
        "fPort": 85,
        "data": base64.b64encode(frame).decode(),
        "rxInfo": [{"rssi": -106, "snr": 3.0}],
        "txInfo": {"frequency": 868_300_000},
    }
    return f"application/1/device/eui-{number % DEVICES}/event/up", msgspec.json.encode(uplink)


def native(number: int) -> tuple[str, bytes]:
    """Return a row of a meter in our own JSON."""
    row = [0, 1_000_000 + number, 0, 812, 2304, 371, 982, 0]
    head = {"p": "em1", "log": 7, "b": 1, "n": number // DEVICES, "t": 1_795_300_200_000}
    topic = f"tg/1/site/energy/meter-{number % DEVICES}/t"
    return topic, msgspec.json.encode({**head, "r": [row]})


KINDS: dict[str, Make] = {
    "Tasmota, plug with meter": tasmota,
    "Shelly 2, switch with meter": shelly,
    "zigbee2mqtt, climate": zigbee,
    "LoRaWAN frame, its model declared": lambda number: lorawan(number, "Milesight EM500-CO2"),
    "LoRaWAN frame, known by its shape": lambda number: lorawan(number, ""),
    "native JSON, one row": native,
}


class Cost(NamedTuple):
    """Of a message, in µs, each the best of some rounds that take turns."""

    ours: float
    reference: float  # json.loads of the same payloads

    @property
    def ratio(self) -> float:
        """How many times the reference."""
        return self.ours / self.reference


def cost(make: Make, decoders: Decoders, rounds: int = ROUNDS) -> Cost:
    """Return what messages of a kind cost."""
    records = [_record(number, make) for number in range(MESSAGES)]
    payloads = [record.payload for record in records]
    directory = Directory(None, enrols=True, max_devices=100_000)
    turns = [(_round(records, decoders, directory), _loads(payloads)) for _ in range(rounds)]
    return _cost(turns)


def _cost(turns: Sequence[tuple[float, float]]) -> Cost:
    ours, reference = (min(times) / MESSAGES * 1e6 for times in zip(*turns, strict=True))
    return Cost(ours, reference)


def _loads(payloads: Sequence[bytes]) -> float:
    begin = time.perf_counter()
    for payload in payloads:
        json.loads(payload)
    return time.perf_counter() - begin


def _record(number: int, make: Make) -> Record:
    topic, payload = make(number)
    return Record(number + 1, RECEIVED_MS, 0, 1, topic.encode(), payload)


def _round(records: Sequence[Record], decoders: Decoders, directory: Directory) -> float:
    begin = time.perf_counter()
    out = Collector()
    for record in decoders.decode_plain(records, out):
        decoders.decode(record, directory, out)
    batches = out.batches()
    took = time.perf_counter() - begin
    if sum(len(batch.readings) for batch in batches) < len(records):
        raise SystemExit("not every message became a reading")
    return took


def decoders_in(zone: str | None = "Europe/Berlin") -> Decoders:
    """Return all decoders, as a gateway has them."""
    profiles = load_profiles()
    foreign = build_foreign(ForeignSection(zone=zone), profiles)
    return Decoders(profiles, foreign=foreign)


_UINT64, _FLOAT, _DOUBLE = 8, 9, 10  # Sparkplug's numbers of data types
# names, types, values and units of a meter behind an edge node: seven metrics
_METRICS = (
    ("ea_imp", _UINT64, 1_234_567, "Wh"),
    ("ea_exp", _UINT64, 12_345, "Wh"),
    ("Active Power", _DOUBLE, 812.5, "W"),
    ("Voltage L1", _FLOAT, 230.1, "V"),
    ("Voltage L2", _FLOAT, 229.9, "V"),
    ("Voltage L3", _FLOAT, 231.4, "V"),
    ("Frequency", _FLOAT, 49.98, "Hz"),
)


def sparkplug(
    node: int, seq: int, *, is_birth: bool = False, time_ms: int = 0
) -> tuple[str, bytes]:
    """Return what an edge node sends: its birth, or seven metrics by alias with their times."""
    time_ms = time_ms or 1_795_300_200_000 + seq * 1000
    body = write_number(1, time_ms)
    for alias, (name, kind, value, unit) in enumerate(_METRICS):
        metric = write_bytes(1, name.encode()) if is_birth else b""
        metric += write_number(2, alias) + write_number(3, time_ms) + write_number(4, kind)
        if is_birth:
            text = write_number(1, 12) + write_bytes(8, unit.encode())
            metric += write_bytes(9, write_bytes(1, b"engUnit") + write_bytes(2, text))
        grown = value + (seq if kind == _UINT64 else seq % 16)  # within what a meter can measure
        body += write_bytes(2, metric + _value_of(kind, grown))
    kind_of_message = "NBIRTH" if is_birth else "NDATA"
    return f"spBv1.0/plant/{kind_of_message}/edge{node}", body + write_number(3, seq % 256)


def _value_of(kind: int, value: float) -> bytes:
    if kind == _UINT64:
        return write_number(11, int(value))
    if kind == _FLOAT:
        return b"\x65" + FLOAT.pack(value)
    return b"\x69" + DOUBLE.pack(value)


def sparkplug_cost(decoders: Decoders, rounds: int = ROUNDS) -> Cost:
    """Return the cost of data messages; nodes gave birth before, and their ``seq`` goes on."""
    directory = Directory(None, enrols=True, max_devices=100_000)
    births = [sparkplug(node, 0, is_birth=True) for node in range(DEVICES)]
    for number, (topic, payload) in enumerate(births, 1):
        record = Record(number, RECEIVED_MS, 0, 1, topic.encode(), payload)
        decoders.decode(record, directory, Collector())
    named = {name: value for name, _, value, _ in _METRICS}
    reference = [msgspec.json.encode({"timestamp": RECEIVED_MS, **named})] * MESSAGES
    turns = []
    each = MESSAGES // DEVICES
    for turn in range(rounds):
        sent = [
            sparkplug(node, 1 + turn * each + seq) for seq in range(each) for node in range(DEVICES)
        ]
        records = [
            Record(number, RECEIVED_MS, 0, 1, topic.encode(), payload)
            for number, (topic, payload) in enumerate(sent, 1)
        ]
        turns.append((_round(records, decoders, directory), _loads(reference)))
    return _cost(turns)


def main() -> None:
    """Print the table."""
    decoders = decoders_in()
    costs = {name: cost(make, decoders) for name, make in KINDS.items()}
    costs["Sparkplug B, seven metrics by alias"] = sparkplug_cost(decoders)
    print("| format | µs a message | json.loads of it, µs | ratio |\n|---|---|---|---|")
    for name, one in costs.items():
        print(f"| {name} | {one.ours:.2f} | {one.reference:.2f} | {one.ratio:.2f} |")


if __name__ == "__main__":
    main()
