"""Who may connect: enrolled, rotated and revoked by the command line while the gateway runs."""

import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import trustme
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.cli.loopback import free_port
from tests.support.clients import ask, cli
from tests.support.running import Gateway, running, wait_until

pytestmark = pytest.mark.servers

REVOKED_WITHIN_S = 5.0
ROW = b'{"p":"em1","n":1,"t":0,"r":[[0,1234567,0,812,2304,371,982,0]]}'


class House:
    """A gateway whose listener wants TLS and a password."""

    def __init__(self, gateway: Gateway, port: int, ca: Path) -> None:
        self.gateway = gateway
        self.port = port
        self.ca = ca

    def enrol(self, device: str, *more: str) -> str:
        """Return the secret of a new device."""
        issued = ask(self.gateway, "device", "enrol", device, "--org", "evn", *more)
        assert (issued["device"], issued["method"]) == (device, "password")
        return str(issued["secret"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("devices")
    authority, port = trustme.CA(), free_port()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "gateway.pem")
    certificate.private_key_pem.write_to_path(folder / "gateway.key")
    (folder / "gateway.key").chmod(0o600)
    source = (
        f'[[source]]\ntype = "listener"\nlisten = "127.0.0.1:{port}"\nanonymous = false\n'
        'cert = "gateway.pem"\nkey = "gateway.key"\n'
    )
    with running(folder, source) as gateway:
        yield House(gateway, port, folder / "ca.pem")


class Client:
    """A device with paho and TLS, MQTT 5: it is told why it is refused."""

    def __init__(self, house: House, device: str, secret: str) -> None:
        self.refusals: list[int] = []
        self.reason = -1
        self._answered = threading.Event()
        self._gone = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=device, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.tls_set(str(house.ca), tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self._client.username_pw_set(device, secret)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self._gone.set()
        self._client.on_publish = self._on_publish
        self._client.reconnect_delay_set(60, 60)
        self._client.connect("localhost", house.port)
        self._client.loop_start()
        assert self._answered.wait(10)

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, *_: Any) -> None:
        self.reason = reason.value
        self._answered.set()

    def _on_publish(self, _client: Any, _data: Any, _mid: int, reason: Any, *_: Any) -> None:
        self.refusals.append(reason.value)

    def publish(self, topic: str) -> int:
        """Return the reason code of the PUBACK."""
        count = len(self.refusals)
        self._client.publish(topic, ROW, qos=1)
        wait_until(lambda: len(self.refusals) > count, what="PUBACK")
        return self.refusals[-1]

    def gone_within(self, limit_s: float) -> bool:
        """Whether the connection ends in this time."""
        return self._gone.wait(limit_s)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def reason_of(house: House, device: str, secret: str) -> int:
    client = Client(house, device, secret)
    client.close()
    return client.reason


def test_a_device_may_write_its_own_topics_and_no_other(house: House) -> None:
    client = Client(house, "meter-1", house.enrol("meter-1"))
    house.enrol("meter-2")
    assert client.reason == 0
    assert client.publish("tg/1/evn/energy/meter-1/t") == 0
    for topic in (
        "tg/1/evn/energy/meter-2/t", "tg/1/evn/energy/nobody/t", "tg/1/other/energy/meter-1/t",
        "tg/1/evn/water/meter-1/t", "tg/1/evn/energy/meter-1/a", "tele/x/SENSOR",
    ):  # fmt: skip
        assert client.publish(topic) == 0x87
    client.close()
    wait_until(lambda: house.gateway.accounting()["stored"] >= 1, what="stored")
    devices = [device["device"] for device in house.gateway.get("/api/v1/devices")["devices"]]
    assert "meter-2" not in devices
    assert "nobody" not in devices


def test_nobody_comes_in_without_the_right_secret(house: House) -> None:
    secret = house.enrol("meter-3")
    assert reason_of(house, "meter-3", secret) == 0
    for device, tried in (("meter-3", "wrong"), ("meter-3", ""), ("meter-99", secret)):
        assert reason_of(house, device, tried) in {0x86, 0x87}


def test_a_revoked_device_is_cut_off_at_once_and_stays_out(house: House) -> None:
    secret = house.enrol("meter-4")
    client = Client(house, "meter-4", secret)
    assert client.publish("tg/1/evn/energy/meter-4/t") == 0
    assert ask(house.gateway, "device", "revoke", "meter-4") == {"revoked": 1}
    began_s = time.monotonic()
    assert client.gone_within(REVOKED_WITHIN_S), time.monotonic() - began_s
    client.close()
    assert reason_of(house, "meter-4", secret) in {0x86, 0x87}
    (shown,) = ask(house.gateway, "device", "show", "meter-4")
    assert shown["state"] == "revoked"
    again = cli("device", "revoke", "meter-4", "-c", str(house.gateway.config))
    assert (again.returncode, again.stdout) == (1, "")


def test_a_rotated_secret_overlaps_with_the_old_one_as_long_as_asked(house: House) -> None:
    old = house.enrol("meter-5")
    new = ask(house.gateway, "device", "rotate", "meter-5", "--overlap", "1h")["secret"]
    assert reason_of(house, "meter-5", old) == reason_of(house, "meter-5", new) == 0
    newest = ask(house.gateway, "device", "rotate", "meter-5")["secret"]
    assert reason_of(house, "meter-5", newest) == 0
    for gone in (old, new):
        assert reason_of(house, "meter-5", gone) in {0x86, 0x87}
    states = [one["state"] for one in ask(house.gateway, "device", "show", "meter-5")]
    assert states == ["ended", "ended", "good"]


@pytest.mark.clause("749.IV.5-0")
def test_secrets_are_shown_once_and_never_listed(house: House) -> None:
    secret = house.enrol("meter-6", "--valid-days", "30")
    config = str(house.gateway.config)
    listed = {one["device"]: one for one in ask(house.gateway, "device", "list")}
    assert listed["meter-6"]["state"] == "good"
    assert listed["meter-6"]["valid_until"]
    for words in (
        ("list",),
        ("list", "--json"),
        ("show", "meter-6"),
        ("show", "meter-6", "--json"),
    ):
        shown = cli("device", *words, "-c", config)
        assert shown.returncode == 0
        assert "meter-6" in shown.stdout
        assert secret not in shown.stdout + shown.stderr
    assert secret.encode() not in (house.gateway.data_dir / "registry.sqlite").read_bytes()
    assert secret not in house.gateway.log.read_text()
    twice = cli("device", "enrol", "meter-6", "--org", "evn", "-c", config)
    assert twice.returncode == 2
    assert "is enrolled: rotate or revoke it" in twice.stderr


def test_a_concentrator_writes_for_the_devices_under_it(house: House) -> None:
    more = ("--role", "concentrator", "--under", "meter-7", "water/w-1")
    client = Client(house, "dcu-1", house.enrol("dcu-1", *more))
    for topic, code in (
        ("tg/1/evn/energy/dcu-1/t", 0),
        ("tg/1/evn/energy/meter-7/t", 0),
        ("tg/1/evn/water/w-1/t", 0),
        ("tg/1/evn/water/meter-7/t", 0x87),
        ("tg/1/evn/energy/meter-8/t", 0x87),
    ):
        assert client.publish(topic) == code
    client.close()


def test_a_monitor_may_write_nothing(house: House) -> None:
    client = Client(house, "wall-1", house.enrol("wall-1", "--role", "monitor"))
    assert client.publish("tg/1/evn/energy/wall-1/t") == 0x87
    client.close()


def test_a_certificate_comes_with_its_key(house: House) -> None:
    issued = ask(
        house.gateway, "device", "enrol", "meter-9", "--org", "evn", "--method", "certificate"
    )
    assert issued["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE KEY" in issued["key"]
    assert issued["valid_until"]
