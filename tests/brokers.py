"""A real Mosquitto on a free loopback port, which a test may kill and start again."""

import contextlib
import getpass
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cli.loopback import free_port

_START_S = 10.0
_POLL_S = 0.02
# Without these Mosquitto 2.0 silently drops what exceeds 1,000 queued messages.
_SETTINGS = ("max_queued_messages 0", "max_queued_bytes 0", "set_tcp_nodelay true")


@dataclass
class Mosquitto:
    """One broker; ``settings`` are further lines of its configuration."""

    folder: Path
    settings: tuple[str, ...] = ("allow_anonymous true",)
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where a plain client connects."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "mosquitto.log").read_text("utf-8", "replace")

    @property
    def pid(self) -> int:
        """Process id, 0 while it does not run."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start and wait until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # started by root it would become a user who cannot read a test's folder
        lines = (
            f"user {getpass.getuser()}",
            "per_listener_settings false",
            f"listener {self.port} 127.0.0.1",
            *_SETTINGS,
        )
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join((*lines, *self.settings, "")), "utf-8")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(["mosquitto", "-c", config], stdout=log, stderr=log)
        deadline_s = time.monotonic() + _START_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.kill()
                raise RuntimeError(f"mosquitto did not start:\n{self.log}")
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it save its state and end (SIGTERM)."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            self._process.wait(_START_S)
            self._process = None

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.5).close()
        except OSError:
            return False
        return True


@contextlib.contextmanager
def mosquitto(port: int | None = None) -> Iterator[Mosquitto]:
    """Run a broker that lets everybody in."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder), port=port or free_port())
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()
