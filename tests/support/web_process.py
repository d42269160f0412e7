"""The web process itself, over a data directory: ``python -m tests.support.web_process``."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from gateway import api, board
from gateway.cli.loopback import free_port
from gateway.config import Settings

ROOT = Path(__file__).parents[2]


class WebProcess:
    """A running web process."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = folder / "web.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(folder), self.url.removeprefix("http://")],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def wait(self, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"the web process does not answer:\n{self.log.read_text()}")

    def stop(self) -> float:
        """Send SIGTERM; return how long it took, in seconds."""
        begin_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        return time.monotonic() - begin_s


@contextlib.contextmanager
def web_process(folder: Path) -> Iterator[WebProcess]:
    """Run the web process over a data directory as long as the block lasts."""
    web = WebProcess(folder)
    try:
        web.wait()
        yield web
    finally:
        if web.process.poll() is None:
            web.process.kill()
            web.process.wait()


def main(folder: str, listen: str) -> int:
    registry, http = Path(folder) / "registry.toml", Path(folder) / "http.json"
    more = json.loads(http.read_text("utf-8")) if http.exists() else {}
    settings = Settings.model_validate(
        {
            "gateway": {"data_dir": folder},
            "http": {"listen": listen, **more},
            "registry": {"file": registry if registry.exists() else None},
        }
    )
    return api.serve(settings, mounts=[board.mount])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
