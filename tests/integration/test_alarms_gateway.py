"""Alarms of a running gateway: raised by itself, called out, acknowledged, and killed."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli.loopback import free_port
from tests.brokers import mosquitto
from tests.faults import quick_or_soak
from tests.support.clients import ask, cli, sender
from tests.support.running import Gateway, broker, listener, running, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

NONSENSE = 150  # above the 100 of one reason in ten minutes (policies/alarms)


class Monitor:
    """Subscribes to alarms, and knows of each topic what a wall would show."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.shown: dict[str, dict[str, Any]] = {}
        self.messages: list[tuple[str, dict[str, Any] | None]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"monitor-{port}")
        self._client.on_connect = lambda client, *_: client.subscribe("infragate/1/+/alarms/#")
        self._client.on_message = lambda _client, _data, message: self._hear(message)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def _hear(self, message: mqtt.MQTTMessage) -> None:
        body = json.loads(message.payload) if message.payload else None
        self.messages.append((message.topic, body))
        if body is None:
            self.shown.pop(message.topic, None)
        else:
            self.shown[message.topic] = body

    def alarm(self, kind: str) -> dict[str, Any] | None:
        """What is shown of the only alarm of a kind."""
        found = [one for topic, one in self.shown.items() if topic.split("/")[5] == kind]
        return found[0] if len(found) == 1 else None

    def state(self, kind: str) -> str:
        """The state that is shown of it."""
        return str((self.alarm(kind) or {}).get("state"))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def monitor(port: int) -> Iterator[Monitor]:
    one = Monitor(port)
    try:
        yield one
    finally:
        one.close()


def babble(port: int, count: int = NONSENSE) -> None:
    """Send what cannot be read."""
    with sender(port) as client:
        client.send([("tg/1/evn/energy/m-1/t", b"{") for _ in range(count)])


def post(gateway: Gateway, path: str, body: dict[str, Any]) -> dict[str, Any]:
    url = f"http://127.0.0.1:{gateway.http_port}{path}"
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), head)
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def until_alarms_are_counted(gateway: Gateway) -> None:
    """Wait for the annunciator, which starts after the others."""
    wait_until(
        lambda: gateway.get("/metrics").count(b"infragate_alarms_open"), 60, "the annunciator"
    )


def alarms(gateway: Gateway, question: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gateway.get(f"/api/v1/alarms{question}")["alarms"]
    return found


@pytest.mark.clause("749.IV.5.e-1")
def test_an_alarm_is_called_out_acknowledged_and_survives_kills(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listener(port)) as gateway, monitor(port) as wall:
        wait_until(lambda: "annunciator" in gateway.roles(), timeout_s=60, what="all processes")
        until_alarms_are_counted(gateway)
        babble(port)
        raised = wait_until(lambda: wall.alarm("quarantine_burst"), 30, "a call")
        assert (raised["state"], raised["place"]) == ("raised", "reason:encoding")
        assert raised["evidence"]["readings"] >= 100
        (shown,) = alarms(gateway, "?kind=quarantine_burst")
        assert shown["id"] == raised["id"]
        assert gateway.get(raised["links"]["api"])["quarantine"]  # the evidence itself

        post(gateway, f"/api/v1/alarms/{raised['id']}/acknowledge", {"note": "a new mapping"})
        wait_until(lambda: wall.state("quarantine_burst") == "acknowledged", 30, "a call")
        for _ in range(quick_or_soak(2, 20)):  # each comes back a little later
            gateway.kill_role("annunciator")
            time.sleep(0.5)
            wait_until(lambda: "annunciator" in gateway.roles(), 30, "another one")
        gateway.kill()
        wall.shown.clear()
        gateway.start()
        again = wait_until(lambda: wall.alarm("quarantine_burst"), 60, "retained calls")
        assert (again["id"], again["state"]) == (raised["id"], "acknowledged")
        story = gateway.get(f"/api/v1/alarms/{raised['id']}")["history"]
        assert [one["what"] for one in story if one["by"]] == ["acknowledged"]


def test_acknowledgements_under_kills_are_neither_lost_nor_doubled(tmp_path: Path) -> None:
    """Each answer 200 or 202 is a word on disk; each has its effect once, whenever it is killed."""
    port = free_port()
    with running(tmp_path, listener(port)) as gateway:
        until_alarms_are_counted(gateway)
        babble(port)
        (one,) = wait_until(lambda: alarms(gateway, "?kind=quarantine_burst"), 30, "an alarm")
        notes = []
        for number in range(quick_or_soak(6, 60)):
            note = f"note {number}"
            if number % 3 == 1:
                gateway.kill_role("annunciator")
            if number % 3 == 2:
                gateway.kill()
                gateway.start()
            post(gateway, f"/api/v1/alarms/{one['id']}/acknowledge", {"note": note})
            notes.append(note)

        def said() -> list[dict[str, Any]]:
            history = gateway.get(f"/api/v1/alarms/{one['id']}")["history"]
            return [line for line in history if line["by"]]

        wait_until(lambda: said()[-1]["note"] == notes[-1], 30, "every word")
        kept = notes if len(notes) <= 28 else [*notes[:3], *notes[-28:]]
        assert [line["note"] for line in said()] == kept
        assert [line["what"] for line in said()] == ["acknowledged", *["noted"] * (len(kept) - 1)]


def test_nobody_but_the_gateway_speaks_of_alarms(tmp_path: Path) -> None:
    port = free_port()
    topic = "infragate/1/evn/alarms/energy/feeder_outage/0123456789ab"
    with running(tmp_path, listener(port)) as gateway, monitor(port) as wall:
        liar = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="liar", protocol=mqtt.MQTTv5)
        liar.connect("127.0.0.1", port)
        liar.loop_start()
        for qos in (0, 1):
            liar.publish(topic, b'{"state":"raised"}', qos=qos, retain=True)
        liar.publish("tg/1/evn/energy/m-1/t", b"{", qos=1).wait_for_publish(20)
        liar.disconnect()
        liar.loop_stop()
        gateway.settle(messages=1)
        assert gateway.accounting()["messages"]["received"] == 1
        assert not wall.messages


def test_the_command_line_shows_and_speaks_without_a_gateway(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listener(port)) as gateway:
        until_alarms_are_counted(gateway)
        babble(port)
        (one,) = wait_until(lambda: alarms(gateway), 30, "an alarm")
        shown = ask(gateway, "alarms", "list", "--severity", "warning")
        assert (shown["id"], shown["state"]) == (one["id"], "raised")
        ack = ("alarms", "ack", one["id"], "--note", "Trạm 4", "--who", "anna")
        assert ask(gateway, *ack)["acknowledged"]["note"] == "Trạm 4"
        config = ("-c", str(gateway.config))
        add = ("alarms", "maintenance", "add", "all", "--for", "1h", "--reason", "test")
        window = ask(gateway, *add)
        wait_until(lambda: alarms(gateway, "?suppressed=true"), 30, "quiet")
    text = cli("alarms", "list", *config)
    assert "gateway/quarantine_burst" in text.stdout
    assert "acknowledged (suppressed) by anna: Trạm 4" in text.stdout
    assert ask(gateway, "alarms", "maintenance", "list")["id"] == window["id"]
    assert ask(gateway, "alarms", "show", one["id"])["history"][1]["by"] == "anna"
    for wrong, code in (
        (("alarms", "show", "0" * 12), 1),
        (("alarms", "ack", "0" * 12), 1),
        (("alarms", "maintenance", "end", "00000000"), 1),
        (("alarms", "maintenance", "add", "all", "--reason", "x"), 2),
        (("alarms", "maintenance", "add", "a b", "--for", "1h", "--reason", "x"), 2),
        (("alarms", "maintenance", "add", "all", "--to", "2020-01-01", "--reason", "x"), 2),
    ):
        assert cli(*wrong, *config).returncode == code, wrong


def test_brokers_are_told_only_where_it_is_switched_on(tmp_path: Path) -> None:
    port = free_port()
    on = "[alarms]\nbroker = true\n"
    with mosquitto(port), monitor(port) as wall:
        (tmp_path / "off").mkdir()
        with running(tmp_path / "off", broker(port)) as gateway:
            until_alarms_are_counted(gateway)
            babble(port)
            wait_until(lambda: alarms(gateway), 30, "an alarm")
            time.sleep(1)
            assert not wall.messages
        (tmp_path / "on").mkdir()
        with running(tmp_path / "on", broker(port), extra=on) as gateway:
            until_alarms_are_counted(gateway)
            babble(port)
            wait_until(lambda: wall.alarm("quarantine_burst"), 30, "a call")
