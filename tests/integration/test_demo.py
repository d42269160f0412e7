"""``infragate demo``: one command, a town on the board, Ctrl-C, and on it goes."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.demo import DETECTORS, METERS, Demo
from tests.support.running import wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


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
