"""``infragate import`` into a gateway that runs and into one that does not; foreign nodes live."""

import json
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.shared import SHARED, needs_shared
from tests.support.clients import cli
from tests.support.running import free_port, listener, running, wait_until
from tests.unit.foreign.sparkplug_node import meter_birth, meter_data

pytestmark = pytest.mark.servers

LAYOUT = """
profile = "ei1"
device = "building-7"
[time]
column = "end time"
format = "%Y-%m-%d %H:%M:%S"
zone = "UTC"
[columns]
e_imp = { column = "reading", unit = "kWh" }
length = { value = 900 }
"""
ROWS = 7200  # 75 days of quarters of an hour


class EdgeNode:
    """A Sparkplug node: it publishes, and listens for its commands."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="edge1")
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, bytes(message.payload))
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe("spBv1.0/plant/NCMD/edge1", 0)

    def say(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def bring(config: Path, *words: str) -> dict[str, object]:
    done = cli("import", *words, "-c", str(config), "--json")
    assert done.returncode in {0, 1}, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@needs_shared
def test_a_history_imported_twice_is_stored_once(tmp_path: Path) -> None:
    assert SHARED is not None
    source = SHARED / "data" / "vee" / "oed-readings" / "readings_ri_15_days_75.csv"
    layout = tmp_path / "layout.toml"
    layout.write_text(LAYOUT, "utf-8")
    config = tmp_path / "infragate.toml"
    port = free_port()
    config.write_text(f'[gateway]\ndata_dir = "data"\n{listener(port)}', "utf-8")
    words = (str(source), "--layout", str(layout))
    dry = bring(config, *words, "--dry-run")
    assert dry["files"][0]["readings"] == ROWS  # type: ignore[index]
    assert not (tmp_path / "data").exists()
    # nobody runs: into the journal
    assert bring(config, *words)["processed"] is False
    with running(tmp_path, listener(port)) as gateway:
        totals = gateway.settle()
        assert (totals["stored"], totals["duplicate"]) == (ROWS, 0)
        again = bring(gateway.config, *words)
        assert again["processed"] is True
        assert again["readings"] == {"stored": 0, "duplicate": ROWS, "quarantined": 0}
        window = "device=building-7&profile=ei1&column=e_imp&from=2022-08-01&to=2022-12-01"
        answer = gateway.get(f"/api/v1/aggregate?{window}&fn=sum")
        lines = source.read_text("utf-8").splitlines()[1:]
        kwh = sum(float(line.split(",")[0]) for line in lines)
        assert answer["buckets"][0]["value"] == pytest.approx(kwh * 1000, abs=0.001 * ROWS)


def test_a_capture_goes_in_as_if_it_had_just_come_and_refused_lines_are_named(
    tmp_path: Path,
) -> None:
    rows = {"p": "em1", "t": 0, "r": [[0, 1000, 0, 812, 2304, 371, 982, 0]]}
    capture = tmp_path / "capture.jsonl"
    topic = "tg/1/site/energy/meter-1/t"
    line = {"topic": topic, "payload": json.dumps(rows), "received": "2026-01-02T03:04:05Z"}
    capture.write_text(json.dumps(line) + "\nnonsense\n", "utf-8")
    with running(tmp_path, listener(free_port())) as gateway:
        done = cli("import", str(capture), "-c", str(gateway.config))
        assert done.returncode == 1
        assert f"{capture}:2: " in done.stderr
        assert "stored 1, duplicate 0, quarantined 0" in done.stdout
        answer = gateway.get(
            "/api/v1/readings?device=meter-1&profile=em1&from=2026-01-01&to=2026-01-03"
        )
    # it has no clock: it gets the time at which it was captured
    assert [row["time"] for row in answer["readings"]] == ["2026-01-02T03:04:05.000Z"]


def test_a_sparkplug_node_is_asked_for_its_birth_and_then_understood(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listener(port)) as gateway:
        node = EdgeNode(port)
        node.say("spBv1.0/plant/NDATA/edge1", meter_data(7))
        wait_until(lambda: bool(node.heard), 20, "a request for a birth")
        topic, payload = node.heard[0]
        assert topic == "spBv1.0/plant/NCMD/edge1"
        assert b"Node Control/Rebirth" in payload
        node.say("spBv1.0/plant/NBIRTH/edge1", meter_birth())
        node.say("spBv1.0/plant/NDATA/edge1", meter_data(1))
        gateway.settle(messages=3)
        entries = json.loads(cli("quarantine", "list", "-c", str(gateway.config), "--json").stdout)
        assert [entry["reason"] for entry in entries] == ["unmapped"]
        # now that its aliases are known, what came before can be read as well
        cli("quarantine", "requeue", "--reason", "unmapped", "-c", str(gateway.config))
        wait_until(
            lambda: gateway.get("/api/v1/accounting")["readings"]["quarantined"] == 0,
            20,
            "a requeue",
        )
        node.close()
