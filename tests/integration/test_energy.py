"""Energy through a real gateway: readings in over MQTT, intervals and alarms out over HTTP."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli.loopback import free_port
from gateway.views.engineering import time_text
from tests.support.running import ROOT, Gateway, listener, running, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

HALF_HOUR_MS = 1_800_000
DAY_MS = 86_400_000
HANOI_MS = 7 * 3_600_000
METERS = 6
ENERGY = "/api/v1/energy"
REGISTRY = """
[[node]]
id = "sub-1"
kind = "substation"
[[node]]
id = "fdr-1"
kind = "feeder"
parent = "sub-1"
[[node]]
id = "tba-1"
kind = "transformer"
parent = "fdr-1"
"""


def register(meter: int, mark: int) -> int:
    return 100_000 * (meter + 1) + 250 * mark + mark % 5


class Street:
    """Meters of one transformer on one connection."""

    def __init__(self, port: int) -> None:
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, clean_session=True)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_until(self._client.is_connected, what="a connection")

    def say(self, meter: int, lane: str, body: dict[str, Any]) -> float:
        """Publish and return how long its PUBACK took, in seconds."""
        begun_s = time.monotonic()
        topic = f"tg/1/evn/energy/meter-{meter}/{lane}"
        self._client.publish(topic, json.dumps(body), qos=1).wait_for_publish(10)
        return time.monotonic() - begun_s

    def read(self, meter: int, marks: Sequence[int], start_ms: int, lane: str = "t") -> None:
        """Publish the registers of a meter at marks."""
        rows = [[m * HALF_HOUR_MS, register(meter, m), 0, 500, 2300, 220, 990, 0] for m in marks]
        self.say(meter, lane, {"p": "em1", "log": 1, "b": 1, "t": start_ms, "r": rows})

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    file = tmp_path / "registry.toml"
    devices = (
        f'[[device]]\nid = "meter-{k}"\norg = "evn"\nsector = "energy"\nparent = "tba-1"\n'
        for k in range(METERS)
    )
    file.write_text(REGISTRY + "".join(devices), "utf-8")
    return file


def local_midnight_ms(days_ago: int) -> int:
    now_ms = time.time_ns() // 1_000_000 + HANOI_MS
    return now_ms - now_ms % DAY_MS - HANOI_MS - days_ago * DAY_MS


def line(gateway: Gateway, series: str, meter: int, begin_ms: int) -> Callable[[], Any]:
    """Return what asks for the values of one line, None while there is none."""
    path = f"{ENERGY}/{series}?place=device:meter-{meter}&from={begin_ms}&to={begin_ms + 1}"

    def ask() -> Any:
        found = gateway.get(path)["results"]
        return found[0]["values"] if found else None

    return ask


def test_a_day_is_worked_out_and_late_readings_change_it_across_a_kill(
    tmp_path: Path, registry: Path
) -> None:
    port, start_ms = free_port(), local_midnight_ms(1)
    marks = [m for m in range(49) if m != 20]
    with running(tmp_path, listener(port), registry=registry) as gateway:
        street = Street(port)
        for meter in range(METERS):
            street.read(meter, marks, start_ms)
        intervals = line(gateway, "intervals", 2, start_ms)
        body = wait_until(intervals, 30, "a day's intervals")
        assert sum(body["import_wh"]) == register(2, 48) - register(2, 0)
        assert estimated(body) == [19, 20]
        killed = gateway.kill_role("analyst")
        street.read(2, [20], start_ms, "b")
        wait_until(lambda: gateway.roles().get("analyst", killed) != killed, 20, "the next analyst")
        wait_until(lambda: not estimated(intervals()), 30, "the late reading")
        assert intervals()["import_wh"] == [register(2, m + 1) - register(2, m) for m in range(48)]
        (change,) = line(gateway, "lineage", 2, start_ms + 20 * HALF_HOUR_MS)()["changes"][1:]
        assert (change["old_rule"], change["who"]) == ("flat_scaled", "vee")
        assert change["rule"] in {"measured", "backlog"}
        day = line(gateway, "days", 2, start_ms)()
        assert day["import_wh"] == register(2, 48) - register(2, 0)
        assert day["open_slots"] == 0
        at = time_text(start_ms + 7 * HALF_HOUR_MS)
        correct(gateway, "meter-2", at, "--wh", "42", "--why", "seen", "--who", "an")
        wait_until(lambda: intervals()["import_wh"][7] == 42, 20, "a person's word")
        (edit,) = line(gateway, "lineage", 2, start_ms + 7 * HALF_HOUR_MS)()["changes"]
        assert (edit["rule"], edit["who"], edit["why"]) == ("edited", "an", "seen")
        street.close()


def test_gasps_become_one_alarm_of_their_transformer_though_the_analyst_dies(
    tmp_path: Path, registry: Path
) -> None:
    port = free_port()
    with running(tmp_path, listener(port), registry=registry) as gateway:
        street = Street(port)
        now_ms = time.time_ns() // 1_000_000
        start_ms = now_ms - now_ms % HALF_HOUR_MS - HALF_HOUR_MS
        for meter in range(METERS):
            street.read(meter, [0, 1], start_ms)
        wait_until(lambda: "intervals" in energy_series(gateway), 30, "the analyst at work")
        # neighbours have 20 s to speak; here most of it is over already
        dark_ms = time.time_ns() // 1_000_000 - 12_000
        delays_s = [street.say(m, "e", {"c": 99, "t": dark_ms + m}) for m in range(METERS)]
        time.sleep(2)
        assert not alarms(gateway)
        gateway.kill_role("analyst")
        (alarm,) = wait_until(lambda: alarms(gateway), 30, "an alarm")
        assert (alarm["kind"], alarm["place"]) == ("transformer_outage", "transformer:tba-1")
        assert alarm["cleared"] is None
        assert alarm["evidence"]["devices"] == METERS
        back_ms = time.time_ns() // 1_000_000
        assert back_ms - dark_ms < 60_000  # issue D
        for meter in range(METERS):
            street.say(meter, "e", {"c": 2, "t": back_ms})
        wait_until(lambda: alarms(gateway)[0]["cleared"], 20, "its end")
        assert len(alarms(gateway)) == 1
        assert max(delays_s) < 1
        street.close()


def test_without_the_analyst_there_is_nothing_to_see_and_nothing_missing(tmp_path: Path) -> None:
    port = free_port()
    off = "[energy]\nenabled = false\n[transport]\nenabled = false\n"
    with running(tmp_path, listener(port), extra=off) as gateway:
        wait_until(lambda: "keeper" in gateway.roles(), what="all processes")
        time.sleep(3)
        assert "analyst" not in gateway.roles()
        assert alarms(gateway) == []


def estimated(body: Any) -> list[int]:
    """Return the slots that were not measured."""
    methods = [name for name, count in body["method"] for _ in range(count)]
    return [k for k, name in enumerate(methods) if name not in {"measured", "backlog"}]


def correct(gateway: Gateway, *words: str) -> None:
    """Run ``infragate energy edit``."""
    command = [sys.executable, "-m", "gateway", "energy", "edit", *words]
    subprocess.run([*command, "-c", str(gateway.config)], cwd=ROOT, check=True, timeout=30)


def alarms(gateway: Gateway) -> list[Any]:
    found: list[Any] = gateway.get(f"{ENERGY}/alarms")["alarms"]
    return found


def energy_series(gateway: Gateway) -> str:
    """Return which series there are, as a question for one that is not says."""
    try:
        gateway.get(f"{ENERGY}/intervals")
    except OSError:
        return ""
    return "intervals"
