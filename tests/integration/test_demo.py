"""``infragate demo``: one command, a town on the board, Ctrl-C, and on it goes."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.demo import METERS, Demo
from tests.support.running import wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


@pytest.fixture
def demo(tmp_path: Path) -> Any:
    one = Demo(tmp_path)
    yield one
    one.kill()


def test_a_town_is_alive_at_once_ctrl_c_ends_it_and_the_next_start_goes_on(
    demo: Demo, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    demo.start()
    begun_s = time.monotonic()
    wait_until(demo.are_all_alive, 60, "200 meters and 40 detectors alive")
    record_property("all_alive_after_s", round(time.monotonic() - begun_s, 1))
    # eight days of 200 half-hour meters alone are 76,800 readings
    wait_until(lambda: demo.accounts()["readings"]["stored"] > 76_800, 60, "the past")
    record_property("past_after_s", round(time.monotonic() - begun_s, 1))
    accounts = demo.accounts()
    for _ in range(10):
        time.sleep(0.3)
        accounts = demo.accounts()
    took_s = demo.press_ctrl_c()
    record_property("ctrl_c_s", round(took_s, 2))
    assert took_s < 5
    assert "ERROR" not in demo.log
    _, unreceipted = in_flash(tmp_path)
    duplicate = accounts["readings"]["duplicate"] + unreceipted

    demo.start()
    wait_until(demo.are_all_alive, 60, "all alive again")
    stored = demo.accounts()["readings"]["stored"]
    assert stored >= 76_800
    wait_until(lambda: demo.accounts()["readings"]["stored"] > stored + 240, 30, "it goes on")
    accounts = demo.accounts()["readings"]
    assert accounts["quarantined"] == 0
    assert accounts["duplicate"] <= duplicate  # sent, and not yet receipted at the end
    assert demo.press_ctrl_c() < 5


def test_a_demo_that_is_killed_while_the_past_comes_loses_nothing(
    demo: Demo, tmp_path: Path
) -> None:
    demo.start("--past-days", "2", "--detectors", "8")
    wait_until(lambda: demo.accounts()["readings"]["stored"] > 0, 60, "the past begins to come")
    demo.kill()
    wait_until(lambda: not processes_about(tmp_path), 5, "all gone")
    _, unreceipted = in_flash(tmp_path)
    assert unreceipted > 5000  # two days of 200 meters are 19,200 readings
    demo.start("--past-days", "2", "--detectors", "8")
    wait_until(lambda: in_flash(tmp_path)[1] < 3 * METERS, 60, "the past is in")
    assert demo.press_ctrl_c() < 5
    demo.start("--no-fleet")  # the gateway alone: what it has now is all it will have
    wait_until(lambda: b"alive" in demo.get("/healthz"), 20, "the gateway")
    accounts = demo.accounts()["readings"]
    recorded, unreceipted = in_flash(tmp_path)
    assert recorded > 19_200
    assert recorded - unreceipted <= accounts["stored"] <= recorded
    assert accounts["quarantined"] == 0


def in_flash(folder: Path) -> tuple[int, int]:
    """Return how many readings the nodes have ever numbered, and how many have no receipt."""
    with closing(sqlite3.connect(folder / "var" / "city" / "fleet.sqlite")) as shelf:
        (recorded,) = shelf.execute("SELECT sum(next_seq - 1) FROM device").fetchone()
        (unreceipted,) = shelf.execute("SELECT count(*) FROM kept").fetchone()
    return int(recorded or 0), int(unreceipted)


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
