"""A real gateway as a child process, and a device's honest book-keeping about what it sent."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli import procfs
from gateway.cli.loopback import free_port

ROOT = Path(__file__).parents[2]
READY_S = 90  # a second on a quiet machine; how fast a start is, test_kill.py measures


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def wait_until(
    condition: Any, timeout_s: float = 15, what: str = "condition", every_s: float = 0.05
) -> Any:
    """Poll until ``condition()`` is true and return its value."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, KeyError, HTTPException):
            value = condition()
            if value:
                return value
        time.sleep(every_s)
    raise AssertionError(f"{what} did not come true in {timeout_s} s")


class Gateway:
    """``infragate run`` on a configuration; may be killed and started again.

    Args:
        folder: for configuration and log, and ``data`` if nothing else is said.
        sources: their sections.
        extra: further sections.
        limits: further lines of ``[gateway]``.
        http: whether there is a web process.
        data_dir: where the data shall be.
        registry: a registry file.
        under: a command that runs it (strace).
        board: whether the web process has the pages, too.
    """

    def __init__(
        self,
        folder: Path,
        sources: str,
        *,
        extra: str = "",
        limits: str = "",
        http: bool = True,
        data_dir: Path | None = None,
        registry: Path | None = None,
        under: Sequence[str] = (),
        board: bool = False,
    ) -> None:
        self.folder = folder
        self.data_dir = data_dir or folder / "data"
        self.under = list(under)
        self.http_port = free_port()
        self.config = folder / "infragate.toml"
        web = (
            f'[http]\nlisten = "127.0.0.1:{self.http_port}"\nboard = {json.dumps(board)}\n'
            if http
            else ""
        )
        known = "" if registry is None else f'file = "{registry}"\n'
        self.config.write_text(
            f'[gateway]\ndata_dir = "{self.data_dir}"\nreceipt_ms = 100\n{limits}{sources}\n'
            f"[registry]\nauto_enrol = true\n{known}{web}{extra}"
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "gateway.log"

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.under, sys.executable, "-m", "gateway", "run", "-c", str(self.config)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        if wait:
            wait_until(lambda: self.get("/readyz"), READY_S, "gateway ready")

    def kill(self) -> float:
        """SIGKILL; return how long its children outlived it, in seconds."""
        assert self.process is not None
        pids = procfs.tree(self.process.pid)
        self.process.kill()
        self.process.wait()
        began_s = time.monotonic()
        wait_until(lambda: not any(map(is_alive, pids)), 10, "children gone", 0.002)
        return time.monotonic() - began_s

    def roles(self) -> dict[str, int]:
        """Return the process ids by role, the intake's among them."""
        assert self.process is not None
        return {procfs.name_of(pid): pid for pid in procfs.tree(self.process.pid)}

    def kill_role(self, name: str) -> int:
        """SIGKILL one of its processes and return which it was."""
        pid = int(wait_until(lambda: self.roles().get(name), what=f"a {name}"))
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, timeout_s: float = 10) -> int:
        """SIGTERM; return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def get(self, path: str) -> Any:
        """GET from its API."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body[:1] in b"[{" else body

    def accounting(self) -> dict[str, Any]:
        """Return the accounts, after checking that they add up."""
        accounts: dict[str, Any] = self.get("/api/v1/accounting")
        for part in (accounts, accounts["messages"], accounts["readings"]):
            total = part["stored"] + part["duplicate"] + part["quarantined"] + part["pending"]
            assert part["received"] == total, accounts
        return accounts

    def settle(self, timeout_s: float = 30, *, messages: int = 0) -> dict[str, Any]:
        """Wait until ``messages`` were received and nothing is pending; return the accounts."""

        def is_settled() -> dict[str, Any] | None:
            accounts = self.accounting()
            has_all = accounts["messages"]["received"] >= messages
            return accounts if has_all and accounts["pending"] == 0 else None

        return dict(wait_until(is_settled, timeout_s, "settled"))


@contextlib.contextmanager
def running(folder: Path, sources: str, **options: Any) -> Iterator[Gateway]:
    """A started gateway that is stopped at the end."""
    gateway = Gateway(folder, sources, **options)
    try:
        gateway.start()
        yield gateway
    finally:
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.process.terminate()
            try:
                gateway.process.wait(10)
            except subprocess.TimeoutExpired:
                gateway.kill()


def listener(port: int) -> str:
    """The configuration of a loopback listener."""
    return f'[[source]]\ntype = "listener"\nlisten = "127.0.0.1:{port}"\n'


def broker(port: int, client_id: str = "infragate-test") -> str:
    """The configuration of a broker client."""
    return (
        f'[[source]]\ntype = "broker"\nurl = "mqtt://127.0.0.1:{port}"\nclient_id = "{client_id}"\n'
    )


def row(seq: int, time_ms: int) -> dict[str, Any]:
    """An em1 message of one reading, every value of which follows from its number."""
    values = [1_000_000 + seq, 0, seq % 5000, 2200 + seq % 100, seq % 3000, 1000 - seq % 50, 0]
    return {"p": "em1", "log": 7, "b": 1, "n": seq, "t": time_ms, "r": [[0, *values]]}


class Device:
    """Publishes numbered readings and keeps each until the gateway's receipt covers it."""

    def __init__(self, name: str, port: int, *, org: str = "evn") -> None:
        self.name = name
        self.base = f"tg/1/{org}/energy/{name}"
        self.acked: set[int] = set()
        self.receipted = 0
        self.sent: dict[int, int] = {}  # seq -> time_ms
        self._mids: dict[int, int] = {}  # packet number -> seq
        self._early: set[int] = set()
        self._lock = threading.Lock()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        # a device that waits a second would mostly be away while gateways are killed
        self._client.reconnect_delay_set(0.05, 0.05)  # type: ignore[arg-type]
        self._client.max_inflight_messages_set(50)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(f"{self.base}/a", 0)

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        body = json.loads(message.payload)
        if body["log"] == 7:
            self.receipted = max(self.receipted, body["seq"])

    def _on_publish(self, _client: object, _data: object, mid: int, *_: object) -> None:
        with self._lock:
            self._early.add(mid)
            self._settle(mid)

    def _settle(self, mid: int) -> None:
        """Note a PUBACK, which may come before ``publish`` has told the packet's number."""
        if mid in self._early and mid in self._mids:
            self._early.remove(mid)
            self.acked.add(self._mids.pop(mid))

    def _publish(self, lane: str, seq: int) -> None:
        # not under the lock: paho calls ``_on_publish`` with its own one held
        payload = json.dumps(row(seq, self.sent[seq]))
        info = self._client.publish(f"{self.base}/{lane}", payload, qos=1)
        with self._lock:
            self._mids[info.mid] = seq
            self._settle(info.mid)

    def send(self, seq: int, time_ms: int) -> None:
        """Publish one reading at QoS 1."""
        self.sent[seq] = time_ms
        self._publish("t", seq)

    def say(self, topic: str, payload: str) -> None:
        """Publish anything else at QoS 1."""
        self._client.publish(topic, payload, qos=1)

    def resend(self) -> None:
        """Publish on the backlog lane whatever no receipt covers yet."""
        for seq in [s for s in self.sent if s > self.receipted]:
            self._publish("b", seq)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


def check_stored(gateway: Gateway, device: Device, wanted: set[int]) -> int:
    """Assert that each wanted reading is stored exactly once with the values it was sent with.

    Nothing else is stored of the device but what it sent. Return how many readings are.
    """
    low = min(device.sent.values()) - 1
    path = f"/api/v1/readings?device={device.name}&profile=em1&from={low}&to={low + 10**9}"
    found: dict[int, dict[str, Any]] = {}
    page = gateway.get(f"{path}&limit=100000&lineage=true")
    for reading in page["readings"]:
        assert reading["seq"] not in found, f"stored twice: {reading}"
        found[reading["seq"]] = reading
    assert page["next"] is None
    assert not wanted - set(found), f"lost: {sorted(wanted - set(found))[:10]}"
    for seq, reading in found.items():
        assert seq in device.sent, f"phantom: {reading}"
        assert reading["ea_imp"] == 1_000_000 + seq, f"corrupted: {reading}"
        assert reading["p"] == seq % 5000, f"corrupted: {reading}"
    return len(found)


def environment() -> dict[str, str]:
    """The environment for child processes."""
    return dict(os.environ)
