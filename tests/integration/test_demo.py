"""``infragate demo``: one command, a town on the board, Ctrl-C, and on it goes."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import ROOT, free_port, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

METERS, DETECTORS = 200, 40


class Demo:
    """The demo in a process group of its own, as a shell starts it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = free_port(), free_port()
        self._log = folder / "demo.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        port, mqtt_port = map(str, self._ports)
        options = ["--data", str(self._folder / "var"), "--port", port, "--mqtt-port", mqtt_port]
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

    def get(self, path: str) -> Any:
        url = f"http://127.0.0.1:{self._ports[0]}{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read()

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
        return alive == {"energy": METERS, "transport": DETECTORS}

    @property
    def log(self) -> str:
        return self._log.read_text()


@pytest.fixture
def demo(tmp_path: Path) -> Any:
    one = Demo(tmp_path)
    yield one
    one.kill()


def test_a_town_is_alive_at_once_ctrl_c_ends_it_and_the_next_start_goes_on(
    demo: Demo, record_property: Callable[[str, object], None]
) -> None:
    demo.start()
    begun_s = time.monotonic()
    wait_until(demo.are_all_alive, 60, "200 meters and 40 detectors alive")
    record_property("all_alive_after_s", round(time.monotonic() - begun_s, 1))
    for _ in range(10):
        demo.accounts()
        time.sleep(0.3)
    took_s = demo.press_ctrl_c()
    record_property("ctrl_c_s", round(took_s, 2))
    assert took_s < 5
    assert "ERROR" not in demo.log

    demo.start()
    wait_until(demo.are_all_alive, 60, "all alive again")
    stored = demo.accounts()["readings"]["stored"]
    assert stored >= METERS + DETECTORS
    wait_until(lambda: demo.accounts()["readings"]["stored"] > stored + 240, 30, "it goes on")
    accounts = demo.accounts()
    assert accounts["quarantined"] == 0
    assert accounts["duplicate"] <= METERS + DETECTORS  # sent, and not yet receipted at the end
    assert demo.press_ctrl_c() < 5


def test_a_demo_that_is_killed_leaves_nobody_behind(demo: Demo, tmp_path: Path) -> None:
    demo.start()
    wait_until(demo.are_all_alive, 60, "alive")
    demo.kill()
    wait_until(lambda: not processes_about(tmp_path), 5, "all gone")


def processes_about(folder: Path) -> list[str]:
    """Return the command lines that name a folder, of everybody but us."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in words and file.parent.name != str(os.getpid()):
            found.append(words)
    return found
