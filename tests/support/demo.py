"""``infragate demo`` as a process, watched over its API."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from gateway.cli.loopback import free_port
from tests.support.running import ROOT

METERS, DETECTORS = 200, 40


class Demo:
    """The demo in a process group of its own, as a shell starts it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port, self.mqtt_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "demo.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        ports = ["--port", str(self.port), "--mqtt-port", str(self.mqtt_port)]
        options = ["--data", str(self._folder / "var"), *ports, *more]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "demo", *options],
                cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def press_ctrl_c(self) -> float:
        """Signal the whole group as a terminal does; return how long the end took."""
        assert self._process is not None
        begun_s = time.monotonic()
        os.killpg(self._process.pid, signal.SIGINT)
        assert self._process.wait(10) == 0
        return time.monotonic() - begun_s

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def get(self, path: str) -> bytes:
        """GET from its API."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return bytes(answer.read())

    def accounts(self) -> dict[str, Any]:
        """Return the accounts, after checking that they add up."""
        accounts: dict[str, Any] = json.loads(self.get("/api/v1/accounting"))
        for part in (accounts, accounts["messages"], accounts["readings"]):
            total = part["stored"] + part["duplicate"] + part["quarantined"] + part["pending"]
            assert part["received"] == total, accounts
        return accounts

    def are_all_alive(self) -> bool:
        lines = self.get("/metrics").decode().splitlines()
        alive = {
            line.split('"')[1]: float(line.split()[-1])
            for line in lines
            if line.startswith("infragate_devices{") and 'state="alive"' in line
        }
        return alive.get("energy", 0) >= METERS and alive.get("transport", 0) >= DETECTORS

    @property
    def log(self) -> str:
        return self._log.read_text()
