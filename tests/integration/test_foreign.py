"""Devices of other makers on a real gateway: plugged in and understood; or understood later."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli.loopback import free_port
from tests.integration.test_real_input import publish
from tests.support.running import ROOT, listener, running, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

PLUG = '{"Time":"2026-01-01T00:00:00","ENERGY":{"Total":%.3f,"Power":%d,"Voltage":231}}'


def test_a_plug_a_sensor_and_a_will_are_understood_without_a_word(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listener(port), extra="[foreign]\nannounce = true\n") as gateway:
        heard = listening(port, "homeassistant/#", "infragate/state/#")
        publish(
            port,
            [
                ("tele/plug_1/LWT", "Online"),
                ("tele/plug_1/STATE", '{"Vcc":3.2,"POWER":"ON","Wifi":{"RSSI":62,"SSId":"net"}}'),
                ("tele/plug_1/SENSOR", PLUG % (12.345, 42)),
                ("zigbee2mqtt/küche/fenster", '{"contact":false,"battery":97,"temperature":21.4}'),
                ("tele/plug_1/SENSOR", '{"ENERGY":{"Total":'),
            ],
        )
        accounts = gateway.settle(messages=5)
        assert accounts["quarantined"] == 1  # the one that is cut off
        devices = {one["device"]: one for one in gateway.get("/api/v1/devices")["devices"]}
        assert devices["plug-1"]["sector"] == "energy"
        states = gateway.get("/api/v1/events?kind=state")["events"]
        assert [one["detail"] for one in states] == [{"st": "online"}]
        (window,) = [name for name in devices if name.startswith("k-che-fenster-")]
        assert devices[window]["sector"] == "env"
        (row,) = rows_of(gateway, "plug-1", "plug1")
        assert (row["ea_imp"], row["p"], row["u"]) == (12345, 42, 231)
        # nobody declared a zone, so the time of the plug is not used, and the grade says so
        assert {"no_clock", "unregistered"} <= set(row["reasons"])
        assert "null_value" not in row["reasons"]
        (state,) = rows_of(gateway, "plug-1", "node1")
        assert (state["vcc"], state["wifi"], state["on"]) == (3.2, 62, 1)
        reports = gateway.get("/api/v1/events?kind=report")["events"]
        assert [one["detail"] for one in reports] == [{"Wifi": {"SSId": "net"}}]
        (climate,) = rows_of(gateway, window, "clim1")
        assert (climate["temp"], climate["open"]) == (21.4, 1)
        # what is stored is announced to Home Assistant, as this gateway was told to
        newest = "infragate/state/site/plug-1/plug1"
        wait_until(lambda: newest in heard, 30, "an announcement")
        assert heard[newest]["p"] == 42
        config = heard["homeassistant/sensor/site-plug-1-plug1-ea_imp/config"]
        assert config["state_topic"] == newest
        assert (config["device_class"], config["unit_of_measurement"]) == ("energy", "Wh")
        assert (config["state_class"], config["value_template"]) == (
            "total_increasing",
            "{{ value_json.ea_imp }}",
        )


def listening(port: int, *filters: str) -> dict[str, Any]:
    """Return what comes on some topics, as it comes."""
    heard: dict[str, Any] = {}
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="home")
    client.on_message = lambda _c, _u, message: heard.update(
        {message.topic: json.loads(message.payload)}
    )
    client.connect("127.0.0.1", port)
    client.loop_start()
    wait_until(client.is_connected, what="a connection")
    client.subscribe([(one, 0) for one in filters])
    return heard


def rows_of(gateway: Any, device: str, profile: str) -> list[dict[str, Any]]:
    found = gateway.get(f"/api/v1/readings?device={device}&profile={profile}&from=2020-01-01")
    return list(found["readings"])


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_nobody_knew_is_read_after_a_mapping_was_suggested(tmp_path: Path) -> None:
    port = free_port()
    messages: list[tuple[str, str | bytes]] = [
        (f"plant/line-{line}/meter", json.dumps({"activePower_kW": 1.5 * line, "voltage": 230 + n}))
        for line in (1, 2)
        for n in range(3)
    ]
    with running(tmp_path, listener(port)) as gateway:
        publish(port, messages)
        assert gateway.settle(messages=6)["quarantined"] == 6
        words = ["map", "suggest", "-c", str(gateway.config), "--name", "plant", "--yes"]
        done = command(*words)
        assert done.returncode == 0, done.stderr
        assert 'topic = ["plant/{device}/meter"]' in done.stdout
        assert "6 put back" in done.stderr
        wait_until(lambda: gateway.get("/api/v1/accounting")["messages"]["stored"] == 6, 30)
        accounts = gateway.get("/api/v1/accounting")["messages"]
        assert (accounts["quarantined"], accounts["received"]) == (0, 6)
        assert sorted(row["u"] for row in rows_of(gateway, "line-1", "plug1")) == [230, 231, 232]
        assert {row["p"] for row in rows_of(gateway, "line-2", "plug1")} == {3000}
        # reading the mappings anew is no fault of the processor, which ends for it
        assert b"child_restarts" not in gateway.get("/metrics")
        written = Path(gateway.config).parent.rglob("mappings/plant.toml")
        done = command("map", "test", *map(str, written))
        assert (done.returncode, done.stdout) == (0, "1 examples, 0 problems\n")


def test_nothing_is_put_back_before_the_new_mapping_is_read(tmp_path: Path) -> None:
    """On a busy machine the process that does not know it yet ended long after it was told to."""
    port = free_port()
    voltages = [json.dumps({"voltage": 230 + n}) for n in range(3)]
    with running(tmp_path, listener(port)) as gateway:
        publish(port, [("plant/line-1/meter", voltage) for voltage in voltages])
        assert gateway.settle(messages=3)["quarantined"] == 3
        nursery = gateway.roles()["nursery"]
        words = ["map", "suggest", "-c", str(gateway.config), "--name", "plant", "--yes"]
        os.kill(nursery, signal.SIGSTOP)  # who would end it is not heard of for a while
        try:
            threading.Timer(3, os.kill, [nursery, signal.SIGCONT]).start()
            done = command(*words)
        finally:
            os.kill(nursery, signal.SIGCONT)
        assert "3 put back" in done.stderr
        wait_until(lambda: gateway.get("/api/v1/accounting")["messages"]["stored"] == 3, 30)


def uplink(frame: str) -> str:
    moment = datetime.fromtimestamp(time.time_ns() / 1e9, UTC).isoformat()
    data = base64.b64encode(bytes.fromhex(frame)).decode()
    return json.dumps({"time": moment, "fPort": 85, "data": data, "deviceInfo": {}})


def test_a_frame_is_read_by_the_codec_of_the_declared_model(tmp_path: Path) -> None:
    """A door says 0300 01 (open); so does a desk, of which nobody has said that it is one."""
    port = free_port()
    messages: list[tuple[str, str | bytes]] = [
        ("application/doors/device/24e124136b502217/event/up", uplink("017564030001040001")),
        ("application/desks/device/24e124136b502218/event/up", uplink("017564030001")),
    ]
    declared = '[foreign.models]\n"application/doors/#" = "Milesight WS301"\n'
    with running(tmp_path, listener(port), extra=declared) as gateway:
        publish(port, messages)
        accounts = gateway.settle(messages=2)
        assert accounts["quarantined"] == 1
        (door,) = rows_of(gateway, "24e124136b502217", "clim1")
        assert (door["open"], door["tamper"]) == (1, 1)
        (node,) = rows_of(gateway, "24e124136b502217", "node1")
        assert (node["battery"], node["fport"]) == (100, 85)
        (entry,) = gateway.get("/api/v1/quarantine?limit=10")["quarantine"]
        assert entry["reason"] == "unmapped"
        assert "[foreign] models" in entry["detail"]
        words = ["map", "suggest", "-c", str(gateway.config)]
        command = [sys.executable, "-m", "gateway", *words]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
    # a mapping of what is around the frame would store the radio and lose the door
    assert done.returncode == 1
    assert "1 LoRaWAN frames: a frame of 6 bytes on port 85 may be of milesight" in done.stderr


DAY_MS = 86_400_000
HANOI_MS = 7 * 3_600_000


@pytest.mark.parametrize(("every_s", "beside_s"), [(1800, 0), (300, 7)])
def test_a_plug_is_billed_as_a_meter_is(tmp_path: Path, every_s: int, beside_s: int) -> None:
    """A day of half hours, local times and kWh: intervals and the day's energy in Wh.

    Plugs send when they like: every five minutes, seven seconds beside the full one.
    """
    now_ms = time.time_ns() // 1_000_000 + HANOI_MS
    start_ms = now_ms - now_ms % DAY_MS - HANOI_MS - DAY_MS  # yesterday's midnight in Ha Noi
    messages: list[tuple[str, str | bytes]] = [("tele/plug_9/LWT", "Online")]
    times_s = range(beside_s - every_s * (beside_s > 0), 86_401 + beside_s, every_s)
    for since_s in times_s:
        local = datetime.fromtimestamp((start_ms + HANOI_MS) / 1000 + since_s, UTC)
        energy = {"Total": 941.481 + 0.25 * since_s / 1800, "Power": 500, "Voltage": 230}
        said = {"Time": local.isoformat()[:19], "ENERGY": energy}
        messages.append(("tele/plug_9/SENSOR", json.dumps(said)))
    port = free_port()
    zone = '[foreign]\nzone = "Asia/Ho_Chi_Minh"\n'
    with running(tmp_path, listener(port), extra=zone) as gateway:
        publish(port, messages)
        assert gateway.settle(messages=len(times_s) + 1)["quarantined"] == 0
        path = f"/api/v1/energy/intervals?place=device:plug-9&from={start_ms}&to={start_ms + 1}"
        found = wait_until(lambda: gateway.get(path)["results"], 60, "a day's intervals")
        assert found[0]["values"]["import_wh"] == [pytest.approx(250, abs=0.1)] * 48


def test_a_fleet_of_other_makers_is_understood_to_the_last_message(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listener(port), extra='[foreign]\nzone = "UTC"\n') as gateway:
        url = f"mqtt://127.0.0.1:{port}"
        words = ["foreign", "--mqtt", url, "--meters", "10", "--detectors", "2", "--rounds", "3"]
        subprocess.run(
            [sys.executable, "-m", "simulators", *words, "--interval-s", "1"],
            cwd=ROOT,
            check=True,
            timeout=60,
        )
        accounts = gateway.settle(messages=36)
        assert (accounts["quarantined"], accounts["duplicate"]) == (0, 0)
        devices = gateway.get("/api/v1/devices?limit=100")["devices"]
        assert len(devices) == 12
        by_sector = {one["sector"] for one in devices}
        assert by_sector == {"energy", "transport"}
        # every one tells its time in a way that is understood: none is suspect
        assert {one["quality"] for one in devices} == {1}
