"""Real recordings through the whole gateway, against answers computed by somebody else."""

import csv
import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli.loopback import free_port
from tests.shared import SHARED, needs_shared
from tests.support.running import listener, running

pytestmark = [pytest.mark.servers, needs_shared, pytest.mark.timeout(180)]

UCI_MAPPING = """
[[mapping]]
name = "uci"
topic = "uci/{device}"
profile = "em1"
max_age = "9999d"
time = { path = "at", format = "%d/%m/%Y %H:%M:%S", zone = "UTC" }
[mapping.columns]
p = { path = "global_active_power", unit = "kW" }
u = { path = "voltage", unit = "V" }
i = { path = "global_intensity", unit = "A" }
"""


def publish(port: int, messages: list[tuple[str, str | bytes]]) -> None:
    """Publish at QoS 1 with an ordinary client and wait for every PUBACK."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="recording")
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", port)
    client.loop_start()
    infos = [client.publish(topic, payload, qos=1) for topic, payload in messages]
    for info in infos:
        info.wait_for_publish(60)
        assert info.is_published()
    client.disconnect()
    client.loop_stop()


def number(text: str) -> float | None:
    return float(text) if text not in {"", "NA", "?", "NULL"} else None


def test_a_household_recorded_by_minute_gives_the_known_energy(tmp_path: Path) -> None:
    assert SHARED is not None
    messages: list[tuple[str, str | bytes]] = []
    with (SHARED / "data" / "meters" / "uci_household_2007-02.csv").open() as file:
        for line in csv.DictReader(file):
            names = ("global_active_power", "voltage", "global_intensity")
            body: dict[str, Any] = {name: number(line[name]) for name in names}
            body["at"] = f"{line['date']} {line['time']}"
            messages.append(("uci/house-1", json.dumps(body)))
    port = free_port()
    with running(tmp_path, listener(port), extra=UCI_MAPPING) as gateway:
        publish(port, messages)
        accounts = gateway.settle(60, messages=40_320)
        assert accounts["stored"] == 40_320
        window = "device=house-1&profile=em1&column=p&from=2007-02-01&to=2007-03-01"
        total = gateway.get(f"/api/v1/aggregate?{window}&fn=integral")
        assert total["buckets"][0]["value"] / 1000 == pytest.approx(941.4814, abs=5e-5)
        daily = gateway.get(f"/api/v1/aggregate?{window}&fn=integral&every=1d")
        kwh = [round(value["value"] / 1000, 4) for value in daily["buckets"]]
        assert kwh[:4] == [30.4127, 27.7956, 67.162, 59.9323]
        demand = gateway.get(f"/api/v1/aggregate?{window}&fn=mean&every=15m")
        highest = max(demand["buckets"], key=lambda value: value["value"] or 0)
        assert round(highest["value"] / 1000, 4) == 8.2311
        assert highest["time"].startswith("2007-02-22T21:00:00")
        evening = gateway.get(
            "/api/v1/readings?device=house-1&profile=em1"
            "&from=2007-02-22T22:50:00Z&to=2007-02-22T23:05:00Z"
        )
        flagged = [
            r["time"][11:16]
            for r in evening["readings"]
            if "null_value" in r["reasons"] and r["p"] is None
        ]
        assert flagged == ["22:58", "22:59"]
        assert all(r["quality"] == 10 for r in evening["readings"] if r["p"] is None)


def test_fourteen_thousand_radar_vehicles_keep_their_speeds(tmp_path: Path) -> None:
    assert SHARED is not None
    rows = []
    file = SHARED / "data" / "traffic" / "moers-radar" / "roemerstrasse-415_T30_2016-10-24.txt"
    for line in file.read_text("latin-1").splitlines():
        if line.strip():
            at, _, speed, length, direction = line.strip().split(";")
            moment = datetime.strptime(at, "%d.%m.%y %H:%M:%S").replace(tzinfo=UTC)
            rows.append((round(moment.timestamp() * 1000), int(speed), int(length), int(direction)))
    assert len(rows) == 14_152
    port = free_port()
    source = listener(port) + 'max_age = "9999d"\n'
    with running(tmp_path, source) as gateway:
        columns = {c["name"]: c for c in profile_of(gateway, "pv1")["columns"]}
        order = list(columns)
        messages: list[tuple[str, str | bytes]] = []
        for first in range(0, len(rows), 100):
            part = rows[first : first + 100]
            packed = [pack(order, columns, row, part[0][0]) for row in part]
            body = {"p": "pv1", "n": first, "t": part[0][0], "r": packed}
            messages.append(("tg/1/moers/transport/radar-415/t", json.dumps(body)))
        publish(port, messages)
        assert gateway.settle(messages=142)["stored"] == 14_152
        speeds = [
            reading["speed"]
            for reading in gateway.get(
                "/api/v1/readings?device=radar-415&profile=pv1"
                "&from=2016-10-24&to=2016-10-28&limit=100000"
            )["readings"]
        ]
    assert len(speeds) == 14_152
    assert sum(speeds) / len(speeds) == pytest.approx(28.0148, abs=5e-5)
    assert sorted(speeds)[int(0.85 * len(speeds))] == 33


def profile_of(gateway: Any, name: str) -> dict[str, Any]:
    catalog = gateway.get("/api/v1/catalog")
    return next(data for data in catalog["datasets"] if data["profile"] == name)


def pack(
    order: list[str], columns: dict[str, Any], row: tuple[int, int, int, int], base_ms: int
) -> list[int | None]:
    known = {"speed": row[1], "length": row[2], "direction": row[3]}
    packed: list[int | None] = [row[0] - base_ms]
    for name in order:
        value = known.get(name)
        packed.append(None if value is None else round(value / columns[name]["scale"]))
    return [*packed, 0]


def test_vendor_payloads_without_mappings_are_quarantined_byte_for_byte(tmp_path: Path) -> None:
    assert SHARED is not None
    rows = [
        json.loads(line)
        for line in (SHARED / "data" / "devices" / "payloads_dev.jsonl")
        .read_text("utf-8")
        .splitlines()
    ]
    assert len(rows) == 408
    messages = []
    for row in rows:
        payload = row["payload"]
        raw = bytes.fromhex(payload) if row["encoding"] == "hex" else payload.encode()
        messages.append((row["topic"] or f"foreign/{row['id']}", raw))
    port = free_port()
    with running(tmp_path, listener(port), extra="[foreign]\nenabled = false\n") as gateway:
        publish(port, messages)
        accounts = gateway.settle(messages=408)
        assert accounts["quarantined"] == 408
        assert accounts["stored"] == 0
        entries = []
        page = gateway.get("/api/v1/quarantine?limit=1000")
        entries = page["quarantine"]
        assert len(entries) == 408
        sent = sorted((topic, payload) for topic, payload in messages)
        kept = sorted((entry["topic"], fetch(gateway, entry["id"])) for entry in entries)
        assert kept == sent
        assert {entry["reason"] for entry in entries} == {"unmapped"}


def fetch(gateway: Any, number: int) -> bytes:
    url = f"http://127.0.0.1:{gateway.http_port}/api/v1/quarantine/{number}/payload"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())
