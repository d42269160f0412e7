"""Real servers for tests: each starts on free loopback ports, waits until it answers, is killed.

``start`` may be called again after ``kill`` to bring the server back on its data and its port.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port

_START_S = 20.0
_POLL_S = 0.05


class Server:
    """A process with a port; never more than one at a time."""

    def __init__(
        self, arguments: Sequence[str], port: int, folder: Path, is_ready: Callable[[], bool]
    ) -> None:
        self.port = port
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self._arguments = arguments
        self._is_ready = is_ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers."""
        log = (self.folder / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(self._arguments, stdout=log, stderr=log)
        deadline_s = time.monotonic() + _START_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                words = (self.folder / "server.log").read_text("utf-8", "replace")
                self.kill()
                raise RuntimeError(f"{self._arguments[0]} did not start:\n{words[-2000:]}")
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL) and wait for that."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let it hang: connections are accepted by the kernel, nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def influxd() -> Iterator[Server]:
    """InfluxDB 1.x with its defaults."""
    program = _find("influxd")
    port, rpc_port = free_port(), free_port()
    with _folder() as folder:
        (folder / "influxd.conf").write_text(
            f"""
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
"""
        )
        arguments = [program, "run", "-config", str(folder / "influxd.conf")]
        with _running(Server(arguments, port, folder, _answers(port, "/ping"))) as server:
            yield server


@contextlib.contextmanager
def victoria(*flags: str) -> Iterator[Server]:
    """VictoriaMetrics with the deduplication that ``docs/sinks.md`` asks for."""
    program = _find("victoria-metrics")
    port = free_port()
    with _folder() as folder:
        arguments = [
            program,
            f"-httpListenAddr=127.0.0.1:{port}",
            f"-storageDataPath={folder}/data",
            "-dedup.minScrapeInterval=1ms",
            "-retentionPeriod=100y",
            *flags,
        ]
        with _running(Server(arguments, port, folder, _answers(port, "/health"))) as server:
            yield server


@contextlib.contextmanager
def mosquitto(conf: str = "allow_anonymous true\n") -> Iterator[Server]:
    """Mosquitto with ``conf`` after its listener line; ``{folder}`` in it is the server's own."""
    program = _find("mosquitto")
    port = free_port()
    with _folder() as folder:
        file = folder / "mosquitto.conf"
        file.write_text(f"listener {port} 127.0.0.1\n" + conf.replace("{folder}", str(folder)))
        arguments = [program, "-c", str(file)]
        with _running(Server(arguments, port, folder, _listens(port))) as server:
            yield server


def _find(program: str) -> str:
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="infragate-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextlib.contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _listens(port: int) -> Callable[[], bool]:
    def check() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return check


def _answers(port: int, path: str) -> Callable[[], bool]:
    def check() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as answer:
                return bool(answer.status < 300)
        except (urllib.error.URLError, OSError):
            return False

    return check
