"""A registered Sparkplug edge node on a real gateway: asked for its birth, understood after kills.

The node is a simple one: it gives birth only when it is asked to. So after a kill there is nothing
but what the gateway kept.
"""

import random
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from gateway.cli.loopback import free_port
from tests.support.clients import ask
from tests.support.running import Gateway, listener, running, wait_until
from tests.unit.foreign.sparkplug_node import FLOAT, METER, UINT64, M, payload

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

BASE = "spBv1.0/plant"
REGISTRY = f"""
[[device]]
id = "edge-7"
org = "evn"
sector = "energy"
topics = ["{BASE}/+/edge7", "{BASE}/+/edge7/#"]
"""


class EdgeNode:
    """Publishes one message at a time until its PUBACK, gives birth when it is asked."""

    def __init__(self, port: int, secret: str, start_ms: int) -> None:
        self.seq = 0
        self.sent = 0  # data messages
        self.births = 0
        self.granted: list[int] = []
        self._start_ms = start_ms
        self._asked = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="edge7")
        self._client.username_pw_set("edge-7", secret)
        self._client.reconnect_delay_set(0.05, 0.05)  # type: ignore[arg-type]
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = lambda *_: self._asked.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_until(lambda: self.granted, what="a SUBACK")

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        filters = [f"{BASE}/NCMD/edge7/#", f"{BASE}/DCMD/edge7/#", f"{BASE}/NCMD/edge8"]
        client.subscribe([(one, 0) for one in filters])

    def _on_subscribe(
        self, _c: mqtt.Client, _d: object, _m: int, codes: list[ReasonCode], _p: object
    ) -> None:
        self.granted = [code.value for code in codes]

    def data(self) -> None:
        """Send seven metrics by alias, a second after the last ones."""
        self._next()
        self.sent += 1
        time_ms = self._start_ms + self.sent * 1000
        metrics = [
            M(value + self.sent * (name == "ea_imp"), kind, alias=alias, says_type=False)
            for alias, (name, kind, value, _) in enumerate(METER)
        ]
        sent = [metric._replace(time_ms=time_ms) for metric in metrics]
        self._publish(f"{BASE}/NDATA/edge7", payload(sent, self.seq, time_ms))

    def device_data(self) -> None:
        """Send the temperature that a device behind the node measures, by alias."""
        self._next()
        metric = M(20 + self.sent % 9, FLOAT, alias=100, says_type=False, time_ms=None)
        time_ms = self._start_ms + self.sent * 1000
        self._publish(f"{BASE}/DDATA/edge7/th1", payload([metric], self.seq, time_ms))

    def birth_if_asked(self) -> bool:
        """Give birth to node and device if a request is there."""
        if not self._asked.is_set():
            return False
        self._asked.clear()
        self.births += 1
        self.seq = 0
        metrics = [
            M(value, kind, name, alias, unit, time_ms=None)
            for alias, (name, kind, value, unit) in enumerate(METER)
        ]
        metrics.append(M(3, UINT64, "bdSeq", time_ms=None))
        self._publish(f"{BASE}/NBIRTH/edge7", payload(metrics, 0, self._start_ms))
        self._next()
        metric = M(20.5, FLOAT, "Outside/Temperature", 100, "degC", time_ms=None)
        self._publish(f"{BASE}/DBIRTH/edge7/th1", payload([metric], 1, self._start_ms))
        return True

    def _next(self) -> None:
        self.seq = (self.seq + 1) % 256

    def _publish(self, topic: str, data: bytes) -> None:
        self._client.publish(topic, data, qos=1).wait_for_publish(60)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_a_node_that_only_sends_aliases_is_understood_after_every_kill(
    tmp_path: Path, *, soak: bool
) -> None:
    port, rng = free_port(), random.Random(7)
    (tmp_path / "registry.toml").write_text(REGISTRY)
    source = listener(port) + "anonymous = false\n"
    start_ms = time.time_ns() // 1_000_000 - 3_600_000
    with running(tmp_path, source, registry=tmp_path / "registry.toml") as gateway:
        issued = ask(gateway, "device", "enrol", "edge-7", "--org", "evn")
        node = EdgeNode(port, str(issued["secret"]), start_ms)
        assert node.granted == [0, 0, 128], "its own commands, and nobody else's"
        node.data()  # no birth has named its aliases
        wait_until(node.birth_if_asked, 30, "a request for a birth")
        for number in range(30 if soak else 3):
            _kill_amid(gateway, node, rng, whole=number % 3 != 1)
        for _ in range(5):
            node.data()
        node.device_data()
        accounts = gateway.settle(60)
        node.close()
        assert node.births == 1
        # what came before the birth; nothing else was refused
        assert accounts["messages"]["quarantined"] == 1, gateway.get("/api/v1/quarantine")
        found = _rows(gateway, start_ms)
        # the birth, and each message of data but the first, by its number
        wanted = {1_234_567, *(1_234_567 + number for number in range(2, node.sent + 1))}
        assert {row["ea_imp"] for row in found} == wanted
        assert len(found) == len(wanted)
        events = gateway.get("/api/v1/events?kind=event")["events"]
        assert events == [], "a message sent twice after a kill is no leap"


def _kill_amid(gateway: Gateway, node: EdgeNode, rng: random.Random, *, whole: bool) -> None:
    """SIGKILL the gateway, or its processor, while the node sends; return when it is back."""

    def send() -> None:
        for _ in range(40):
            node.data()
            node.device_data()

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(rng.uniform(0.02, 0.4))
    if whole:
        gateway.kill()
        gateway.start()
    else:
        gateway.kill_role("processor")
    sender.join(120)
    assert not sender.is_alive()


def _rows(gateway: Gateway, start_ms: int) -> list[dict[str, int]]:
    path = f"/api/v1/readings?device=edge-7&profile=em3&from={start_ms - 1}&limit=100000"
    return list(gateway.get(path)["readings"])
