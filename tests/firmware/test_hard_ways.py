"""A node under MicroPython where ways go wrong: TLS, keys, time, small windows, dead peers."""

import asyncio
import contextlib
import datetime as dt
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.cli.loopback import free_port
from gateway.security import CredentialStore, Method, Request
from gateway.security.authority import Authority, write_private
from tests.firmware.nodes import Node, check, finish
from tests.proxy import Proxy
from tests.servers import mosquitto
from tests.support.running import Gateway, broker, listener, running, wait_until

pytestmark = pytest.mark.servers
_FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
_DAY_MS = 86_400_000
_IN_2000_MS = 946_684_800_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def der_of(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


def key_der_of(pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class House:
    """A listener with TLS whose certificates, and those of its devices, come from the gateway's CA.

    ``server_days`` counts from ``issued_ms`` on.
    """

    def __init__(
        self, folder: Path, name: str = "localhost", issued_ms: int = 0, server_days: int = 30
    ) -> None:
        self.data = folder / "data"
        self.port = free_port()
        clock = (lambda: issued_ms) if issued_ms else now_ms
        self.store = CredentialStore(self.data, clock)
        authority = Authority(self.data / "ca", clock)
        server = authority.issue(name, server_days, server_names=[name])
        (folder / "server.pem").write_bytes(server.certificate_pem)
        write_private(folder / "server.key", server.key_pem)
        self.ca = der_of(authority.certificate_file.read_bytes())
        self.section = listener(self.port) + "".join(
            f'{key} = "{path}"\n'
            for key, path in {
                "cert": folder / "server.pem",
                "key": folder / "server.key",
                "ca": authority.certificate_file,
            }.items()
        )

    def enrol(self, node: Node, valid_days: int = 30) -> None:
        """Give a node a certificate."""
        request = Request(
            node.name, "evn", "energy", method=Method.CERTIFICATE, valid_days=valid_days
        )
        issued = self.store.enrol(request)
        assert issued.certificate is not None
        node.put("ca", self.ca)
        node.put("cert", der_of(issued.certificate.certificate_pem))
        node.put("key", key_der_of(issued.certificate.key_pem))


def has_rows(gateway: Gateway, count: int = 10) -> Any:
    return lambda: gateway.accounting()["readings"]["stored"] >= count


@pytest.mark.clause("749.III.5")
def test_mutual_tls(tmp_path: Path, image: Path) -> None:
    house = House(tmp_path)
    node = Node(tmp_path, image, "meter-1", house.port, host="localhost", tls="cert")
    house.enrol(node)
    with running(tmp_path, house.section, data_dir=house.data) as gateway, node:
        wait_until(has_rows(gateway), what="rows")
        gateway.kill()
        gateway.start()
        wait_until(has_rows(gateway, 30), what="rows after the restart")
        finish([node])
        assert check(gateway, node) >= 30


@pytest.mark.parametrize(
    ("name", "age_days", "says"),
    [("elsewhere.example", 0, "CERT_VERIFY"), ("localhost", 60, "CERT_VERIFY")],
    ids=["another name", "expired"],
)
def test_a_wrong_server_gets_nothing(
    name: str, age_days: int, says: str, tmp_path: Path, image: Path
) -> None:
    issued_ms = now_ms() - age_days * _DAY_MS if age_days else 0
    house = House(tmp_path, name, issued_ms, server_days=30)
    node = Node(tmp_path, image, "meter-1", house.port, host="localhost", tls="cert")
    house.enrol(node, valid_days=365)
    with running(tmp_path, house.section, data_dir=house.data) as gateway, node:
        wait_until(lambda: says in node.console, 40, "the reason on the console")
        time.sleep(1)
        assert gateway.accounting()["messages"]["received"] == 0
        assert node.ring().rows.done == 0


def test_an_expired_device_is_turned_away(tmp_path: Path, image: Path) -> None:
    house = House(tmp_path, issued_ms=now_ms() - 60 * _DAY_MS, server_days=365)
    node = Node(tmp_path, image, "meter-1", house.port, host="localhost", tls="cert")
    house.enrol(node, valid_days=30)
    with running(tmp_path, house.section, data_dir=house.data) as gateway, node:
        wait_until(lambda: node.console.count("connection: ") >= 2, what="it to be refused")
        assert "is our certificate expired or revoked" in node.console
        assert gateway.accounting()["messages"]["received"] == 0
        assert node.ring().rows.done == 0


def test_without_its_certificate_authority_a_node_does_not_fall_back(
    tmp_path: Path, image: Path
) -> None:
    port = free_port()
    node = Node(tmp_path, image, "meter-1", port, host="localhost", tls="cert")
    with running(tmp_path, listener(port)) as gateway, node:
        wait_until(lambda: "no ca" in node.console, what="the reason on the console")
        assert gateway.accounting()["messages"]["received"] == 0


def test_a_pre_shared_key(tmp_path: Path, image: Path) -> None:
    secret = "00112233445566778899aabbccddeeff"
    keys = tmp_path / "keys"
    keys.write_text(f"meter-1:{secret}\n")
    port = free_port()
    settings = (
        "user root\nallow_anonymous true\nset_tcp_nodelay true\n"
        f"listener {port} 127.0.0.1\npsk_file {keys}\npsk_hint site\n"
        "use_identity_as_username true\n"
    )
    good = Node(tmp_path, image, "meter-1", port, tls="psk", psk=secret)
    bad = Node(tmp_path, image, "meter-2", port, tls="psk", psk=secret[::-1])
    with (
        mosquitto(settings) as server,
        running(tmp_path, broker(server.port)) as gateway,
        good,
        bad,
    ):
        wait_until(has_rows(gateway), what="rows")
        finish([good])
        assert check(gateway, good) >= 10
        assert bad.ring().rows.done == 0
        assert "connection: OSError" in bad.console
        assert secret not in good.console
        assert secret[::-1] not in bad.console


@contextlib.contextmanager
def sntp_server() -> Iterator[int]:
    """An SNTP server (RFC 4330) that tells this machine's time; yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.1)
        is_over = threading.Event()

        def serve() -> None:
            while not is_over.is_set():
                with contextlib.suppress(TimeoutError):
                    question, sender = sock.recvfrom(512)
                    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
                    stamp = struct.pack(
                        ">II", seconds + 2_208_988_800, rest * (1 << 32) // 1_000_000_000
                    )
                    head = bytes([0x24, 1]) + bytes(22)
                    sock.sendto(head + question[40:48] + stamp + stamp, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(sock.getsockname()[1])
        finally:
            is_over.set()
            thread.join()


@pytest.mark.skipif(not _FAKETIME, reason="faketime is not installed")
def test_a_clock_at_2000(tmp_path: Path, image: Path) -> None:
    """The chip wakes up in 2000, when no certificate is valid yet: SNTP first, or the flash."""
    house = House(tmp_path)
    stamp = tmp_path / "offset"
    node = Node(tmp_path, image, "meter-1", house.port, host="localhost", tls="cert")
    house.enrol(node)
    node.setenv(
        LD_PRELOAD=str(_FAKETIME[0]),
        FAKETIME_TIMESTAMP_FILE=str(stamp),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        DONT_FAKE_MONOTONIC="1",
    )

    def power_on() -> None:
        stamp.write_text(f"{(_IN_2000_MS - now_ms()) // 1000:+d}")
        node.start()

    with (
        sntp_server() as port,
        running(tmp_path, house.section, data_dir=house.data) as gateway,
        contextlib.closing(contextlib.ExitStack()) as stack,
    ):
        stack.callback(node.kill)
        node.configure(ntp=f"127.0.0.1:{port}")
        power_on()
        wait_until(has_rows(gateway, 30), what="rows with the time of SNTP")
        node.kill()
        node.configure(ntp="")  # from here on only the flash knows that it is not 2000 any more
        power_on()
        before = gateway.accounting()["readings"]["stored"]
        wait_until(has_rows(gateway, before + 20), what="rows with the floor of the flash")
        wait_until(node.is_drained, what="drained")
        node.kill()
        check(gateway, node)
        path = f"/api/v1/readings?device=meter-1&profile=em1&from=0&to={1 << 42}"
        times = [row["time"] for row in gateway.get(path)["readings"]]
        stamps = [dt.datetime.fromisoformat(text).timestamp() for text in times]
        assert max(abs(stamp - time.time_ns() / 1e9) for stamp in stamps) < 120


def test_a_window_of_one(tmp_path: Path, image: Path) -> None:
    settings = "allow_anonymous true\nset_tcp_nodelay true\nmax_inflight_messages 1\n"
    with mosquitto(settings) as server, running(tmp_path, broker(server.port)) as gateway:
        with Node(tmp_path, image, "meter-1", server.port) as node:
            wait_until(has_rows(gateway, 20), what="rows")
            server.kill()
            time.sleep(2)  # a backlog
            server.start()
            wait_until(has_rows(gateway, 50), what="rows after the restart")
            finish([node])
        assert check(gateway, node) >= 50


async def test_a_half_open_connection(tmp_path: Path, image: Path) -> None:
    """The router forgets the connection: no end is heard, and nothing arrives any more."""
    port = free_port()
    with running(tmp_path, listener(port)) as gateway:
        async with Proxy(port) as proxy:
            with Node(tmp_path, image, "meter-1", proxy.port, keepalive_s=5) as node:
                await asyncio.to_thread(wait_until, has_rows(gateway, 10))
                proxy.is_black_hole = True
                await asyncio.to_thread(wait_until, lambda: "0x8d" in node.console, 20)
                proxy.is_black_hole = False
                proxy.cut()
                stored = gateway.accounting()["readings"]["stored"]
                await asyncio.to_thread(wait_until, has_rows(gateway, stored + 40), 20)
                await asyncio.to_thread(finish, [node])
            assert check(gateway, node) > stored + 40
            assert gateway.accounting()["readings"]["duplicate"] == 0
