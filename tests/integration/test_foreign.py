"""Devices of other makers on a real gateway: plugged in and understood; or understood later."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_real_input import publish
from tests.support.running import ROOT, free_port, listener, running, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

PLUG = '{"Time":"2026-01-01T00:00:00","ENERGY":{"Total":%.3f,"Power":%d,"Voltage":231}}'


def test_a_plug_a_sensor_and_a_will_are_understood_without_a_word(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listener(port)) as gateway:
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


def rows_of(gateway: Any, device: str, profile: str) -> list[dict[str, Any]]:
    found = gateway.get(f"/api/v1/readings?device={device}&profile={profile}&from=2020-01-01")
    return list(found["readings"])


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
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert 'topic = ["plant/{device}/meter"]' in done.stdout
        assert "6 put back" in done.stderr
        wait_until(lambda: gateway.get("/api/v1/accounting")["messages"]["stored"] == 6, 30)
        accounts = gateway.get("/api/v1/accounting")["messages"]
        assert (accounts["quarantined"], accounts["received"]) == (0, 6)
        assert sorted(row["u"] for row in rows_of(gateway, "line-1", "plug1")) == [230, 231, 232]
        assert {row["p"] for row in rows_of(gateway, "line-2", "plug1")} == {3000}
