"""A broker, a gateway and a load generator as child processes, watched through /proc."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from gateway.cli import procfs
from gateway.cli.loopback import free_port
from gateway.errors import GatewayError
from gateway.mqtt import V311, ConnAck, Connect, encode
from gateway.roles import now_ms

READY_S = 20
SETTLE_S = 60
ROLES = 7  # processes of a whole gateway: the nursery and who is forked at once or seconds later
CALM_S, CALM_SHARE = 0.5, 0.1  # of a core: what is loaded at a start is loaded
POLL_S = 0.1  # what the rates are exact to; a look costs the gateway about 3 ms of CPU

MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
max_inflight_messages 0
"""
BROKER_SOURCE = (
    '[[source]]\ntype = "broker"\nurl = "mqtt://127.0.0.1:{port}"\nclient_id = "bench"\n'
)
LISTENER_SOURCE = '[[source]]\ntype = "listener"\nlisten = "127.0.0.1:{port}"\n'
LISTENER_LIMITS = "max_rate_per_device = 1000000\n"
CONFIG = """\
[gateway]
data_dir = "data"
{source}
[registry]
auto_enrol = true
[http]
listen = "127.0.0.1:{http_port}"
{more}
"""

Beside = Callable[[int], int]
"""Sends something of its own for a while to a port, and returns how many messages."""


class Load(NamedTuple):
    """What the generator shall do."""

    devices: int
    connections: int
    rate: str
    batch: int
    seconds: float
    window: int  # in flight on each connection
    receipts: int = 0  # devices whose receipts and queries are timed, at the cost of CPU


class Seen(NamedTuple):
    """What the accounts said at a moment."""

    at_s: float  # Unix
    stored: int  # messages


class Run(NamedTuple):
    """What came of it."""

    report: dict[str, Any]  # the generator's own
    messages: int
    readings: int
    took_s: float  # first publish → everything in the store
    gateway_cpu_s: float  # intake, processor, keeper and web together
    roles_s: dict[str, float]
    broker_cpu_s: float


class Rig:
    """Starts everything on entering, stops it on leaving.

    Args:
        home: an empty folder.
        behind_broker: through Mosquitto, else on the gateway's own listener.
        filters: what it subscribes to at the broker, if not the native topics alone.
        more: further sections of the configuration.
    """

    def __init__(
        self, home: Path, *, behind_broker: bool, filters: Sequence[str] = (), more: str = ""
    ) -> None:
        self._home, self._more = home, more
        self._behind_broker = behind_broker
        self._source = BROKER_SOURCE if behind_broker else LISTENER_SOURCE + LISTENER_LIMITS
        if filters:
            self._source += f"filters = {json.dumps(list(filters))}\n"
        self._mqtt_port, self._http_port = free_port(), free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._seen = [Seen(0.0, 0)]

    def __enter__(self) -> Self:
        """Start broker and gateway and wait until both answer."""
        if self._behind_broker:
            conf = self._home / "mosquitto.conf"
            conf.write_text(MOSQUITTO_CONF.format(port=self._mqtt_port))
            binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
            self._start("broker", [binary, "-c", str(conf)])
            time.sleep(0.3)
        config = self._home / "infragate.toml"
        source = self._source.format(port=self._mqtt_port)
        config.write_text(CONFIG.format(source=source, http_port=self._http_port, more=self._more))
        self._start("gateway", [sys.executable, "-m", "gateway", "run", "-c", str(config)])
        try:
            self._wait_ready()
            self._wait_calm()
        except GatewayError:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what was started."""
        self._stop()

    def _stop(self) -> None:
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def run(self, load: Load, beside: Beside | None = None) -> Run:
        """Run one load, and what goes beside it, and wait until the store has all of it."""
        stored_before = self._messages_stored()
        before = self._cpu_s()
        broker_before_s = self._broker_cpu_s()
        with ThreadPoolExecutor(1) as pool:
            other = None if beside is None else pool.submit(beside, self._mqtt_port)
            report = self._generate(load)
            others = 0 if other is None else other.result()
        messages = int(report["messages_sent"])
        settled_s = self._settled_s(stored_before + messages + others)
        # by number first: a process says its role a little after it has begun
        roles_s = {procfs.name_of(p): s - before.get(p, 0) for p, s in self._cpu_s().items()}
        return Run(
            report,
            messages,
            messages * load.batch,
            settled_s - report["began_ms"] / 1000,
            sum(roles_s.values()),
            roles_s,
            self._broker_cpu_s() - broker_before_s,
        )

    def alone(self, beside: Beside) -> None:
        """Let something alone be sent, and wait until the store has all of it."""
        self._settled_s(self._messages_stored() + beside(self._mqtt_port))

    def rss_bytes(self, *, web: bool) -> int:
        """Return the memory of the web process, or of all others."""
        pids = procfs.tree(self._processes["gateway"].pid)
        return procfs.rss_bytes([pid for pid in pids if (procfs.name_of(pid) == "web") == web])

    def idle_bytes(self, count: int) -> int:
        """Return the memory of the intake while ``count`` devices are connected and silent."""
        with contextlib.ExitStack() as stack:
            for number in range(count):
                address = ("127.0.0.1", self._mqtt_port)
                sock = stack.enter_context(socket.create_connection(address, READY_S))
                sock.sendall(encode(Connect(V311, f"idle-{number:06d}", keepalive_s=600), V311))
                if sock.recv(4) != encode(ConnAck(), V311):
                    raise GatewayError(f"connection {number} was refused")
            return procfs.resident_bytes(self._processes["gateway"].pid)

    def store_bytes(self) -> int:
        """Return what the store takes on disk; only right once the rig has been left.

        It is then that SQLite has moved its log into the files.
        """
        return sum(file.stat().st_size for file in (self._home / "data" / "store").glob("*.sqlite"))

    def _start(self, name: str, command: list[str]) -> None:
        with (self._home / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603

    def _cpu_s(self) -> dict[int, float]:
        pids = procfs.tree(self._processes["gateway"].pid)
        return {pid: procfs.cpu_s([pid]) for pid in pids}

    def _broker_cpu_s(self) -> float:
        broker = self._processes.get("broker")
        return 0.0 if broker is None else procfs.cpu_s([broker.pid])

    def _generate(self, load: Load) -> dict[str, Any]:
        command = [sys.executable, "-m", "simulators", "load", "--json"]
        command += ["--mqtt", f"mqtt://127.0.0.1:{self._mqtt_port}"]
        if load.receipts:
            command += ["--api", f"http://127.0.0.1:{self._http_port}"]
        for name, value in load._asdict().items():
            command += [f"--{name}", str(value)]
        out = self._home / "load.json"
        with out.open("wb") as stdout:
            load_process = subprocess.Popen(command, stdout=stdout)  # noqa: S603  # our own
            self._processes["load"] = load_process
            self._watch(lambda: load_process.poll() is not None, load.seconds * 3 + SETTLE_S)
        if load_process.returncode:
            raise GatewayError(f"the load generator failed: exit code {load_process.returncode}")
        report: dict[str, Any] = json.loads(out.read_text("utf-8").strip().splitlines()[-1])
        return report

    def _settled_s(self, wanted: int) -> float:
        """Return when the store had so many messages, in Unix seconds."""
        self._watch(lambda: self._seen[-1].stored >= wanted, SETTLE_S)
        return next(seen.at_s for seen in self._seen if seen.stored >= wanted)

    def _watch(self, is_over: Callable[[], bool], longest_s: float) -> None:
        """Look at the accounts now and then, until it is over."""
        deadline_s = time.monotonic() + longest_s
        while not is_over():
            if time.monotonic() > deadline_s:
                raise GatewayError(f"not at an end after {longest_s:.0f} s: {self._accounts()}")
            time.sleep(POLL_S)
            self._seen.append(Seen(now_ms() / 1000, self._messages_stored()))

    def _messages_stored(self) -> int:
        return int(self._accounts()["messages"]["stored"])

    def _accounts(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._http_port}/api/v1/accounting"
        with urllib.request.urlopen(url, timeout=5) as answer:  # loopback
            accounts: dict[str, Any] = json.load(answer)
            return accounts

    def _wait_calm(self) -> None:
        """Let all processes begin: what their start costs is no cost of messages."""
        deadline_s = time.monotonic() + READY_S
        begun: dict[int, float] = {}
        while time.monotonic() < deadline_s:
            before, begun = begun, self._cpu_s()
            spent_s = sum(begun.values()) - sum(before.values())
            if len(begun) >= ROLES and spent_s < CALM_SHARE * CALM_S:
                return
            time.sleep(CALM_S)
        raise GatewayError(f"{len(begun)} of {ROLES} processes, and no calm")

    def _wait_ready(self) -> None:
        deadline_s = time.monotonic() + READY_S
        url = f"http://127.0.0.1:{self._http_port}/readyz"
        while time.monotonic() < deadline_s:
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
                return
            time.sleep(POLL_S)
        log = (self._home / "gateway.log").read_text("utf-8", "replace")
        raise GatewayError(f"the gateway did not become ready: {log[-800:]}")
