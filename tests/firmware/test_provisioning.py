"""A claim over the cable, a password over TLS: against the real gateway and its command line."""

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fieldnode.core import config as configuration
from fieldnode.core.claim import Login
from fieldnode.core.mqtt import MqttError, Session
from gateway.cli.loopback import free_port
from gateway.security.authority import Authority
from tests.firmware.tools import ROOT, tool
from tests.firmware.twice.support import Draw
from tests.support.clients import ask, cli
from tests.support.running import Gateway, running

pytestmark = pytest.mark.servers


class House:
    """A gateway with the built-in authority, and what nodes need to know of it."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway, self.port = gateway, port
        self.ca = gateway.data_dir / "ca" / "ca.pem"

    def claim(self, device: str, *more: str) -> str:
        issued = ask(self.gateway, "device", "claim", device, "--org", "evn", *more)
        assert issued["method"] == "claim"
        assert issued["valid_until"]
        return str(issued["secret"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder, port = tmp_path_factory.mktemp("claims"), free_port()
    authority = Authority(folder / "data" / "ca", lambda: 1_795_300_200_000)
    files = authority.issue("localhost", 800, server_names=["localhost", "127.0.0.1"])
    (folder / "gateway.pem").write_bytes(files.certificate_pem)
    (folder / "gateway.key").write_bytes(files.key_pem)
    (folder / "gateway.key").chmod(0o600)
    source = (
        f'[[source]]\ntype = "listener"\nlisten = "127.0.0.1:{port}"\nanonymous = false\n'
        'cert = "gateway.pem"\nkey = "gateway.key"\n'
    )
    with running(folder, source) as gateway:
        yield House(gateway, port)


class Node:
    """The node's own code for claim, configuration and MQTT, on a socket."""

    def __init__(self, house: House, device: str, claim: str, seed: int = 1) -> None:
        self.house = house
        self.config: dict[str, Any] = configuration.defaults()
        self.config.update(org="evn", device=device, claim=claim)
        self.stored: dict[str, Any] = {}
        draw = Draw(seed)
        self.login = Login(self.config, self.stored.update, lambda: draw(2**31) * 2)

    def connect(self) -> int:
        """Return the reason code of the CONNACK."""
        context = ssl.create_default_context(cafile=str(self.house.ca))
        device = self.config["device"]
        session = Session(device, 60, device, self.login.password())
        with (
            socket.create_connection(("localhost", self.house.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as wire,
        ):
            wire.sendall(session.connect())
            try:
                session.feed(wire.recv(512))
            except MqttError as error:
                self.login.refused()
                return error.code
        self.login.accepted()
        return 0


BAD_CREDENTIALS = 0x86


def test_a_node_trades_its_claim_for_a_password_of_its_own(house: House) -> None:
    claim = house.claim("meter-1")
    node = Node(house, "meter-1", claim)
    assert node.connect() == 0
    assert node.stored["claim"] == ""
    assert (len(node.stored["password"]), node.stored["password"] == claim) == (64, False)
    assert node.connect() == 0  # by its password, now
    thief = Node(house, "meter-1", claim, seed=2)
    assert [thief.connect() for _ in range(3)] == [BAD_CREDENTIALS] * 3
    shown = ask(house.gateway, "device", "show", "meter-1")
    assert [(one["method"], one["state"]) for one in shown] == [
        ("claim", "used"),
        ("password", "good"),
    ]


def test_a_node_that_was_cut_off_in_the_middle_gets_in(house: House) -> None:
    claim = house.claim("meter-2")
    first = Node(house, "meter-2", claim)
    assert first.connect() == 0
    again = Node(house, "meter-2", claim)  # it never learned that the claim was taken
    assert again.config["password"] == first.config["password"]
    assert [again.connect(), again.connect()] == [BAD_CREDENTIALS, 0]
    assert again.stored["claim"] == ""


def test_a_claim_ends_and_is_for_one_device(house: House) -> None:
    claim = house.claim("meter-3", "--valid", "1s")
    stranger = Node(house, "meter-4", claim)
    assert stranger.connect() == BAD_CREDENTIALS
    time.sleep(1.1)
    assert Node(house, "meter-3", claim).connect() == BAD_CREDENTIALS
    revoked = house.claim("meter-5")
    ask(house.gateway, "device", "revoke", "meter-5")
    assert Node(house, "meter-5", revoked).connect() == BAD_CREDENTIALS


def test_no_secret_is_in_a_log_or_on_the_gateways_disk(house: House) -> None:
    claim = house.claim("meter-6")
    node = Node(house, "meter-6", claim, seed=6)
    assert node.connect() == 0
    folder = house.gateway.folder
    for file in (path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        assert claim.encode() not in content, file
        assert node.config["password"].encode() not in content, file
    reported = json.dumps(configuration.reported(node.config))
    assert node.config["password"] not in reported


def test_the_tool_writes_what_a_node_reads(house: House, tmp_path: Path) -> None:
    claim = house.claim("meter-7")
    (tmp_path / "claim").write_text(claim + "\n")
    (tmp_path / "secret").write_text("hush\n")
    out = tmp_path / "node"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "firmware.tools.provision", str(out), "--device", "meter-7"),
            *("--org", "evn", "--host", "localhost", "--port", str(house.port)),
            *("--claim-file", str(tmp_path / "claim"), "--ca", str(house.ca)),
            *("--secret-file", str(tmp_path / "secret")),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "firmware")},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out}\n", "")
    stored = out / "config"
    assert stored.stat().st_mode & 0o077 == 0
    node = Node(house, "meter-7", "")
    node.config.update(configuration.load(stored.read_text()))
    assert (node.config["claim"], node.config["driver_secret"]) == (claim, "hush")
    draw = Draw(7)
    node.login = Login(node.config, node.stored.update, lambda: draw(2**31))
    assert ssl.DER_cert_to_PEM_cert((out / "ca").read_bytes()).split() == (
        house.ca.read_text().split()
    )
    assert node.connect() == 0


def test_the_tool_refuses_what_a_node_would_refuse(tmp_path: Path) -> None:
    provision = tool("provision")
    wrong = ["--device", "Meter 1", "--org", "evn", "--host", "h"]
    assert provision.main([str(tmp_path / "a"), *wrong]) == 1
    assert provision.main([str(tmp_path / "b"), *wrong, "--set", "sector=gas"]) == 1
    assert not (tmp_path / "a").exists()
    assert cli("device", "claim", "Meter 1", "--org", "evn").returncode == 2
