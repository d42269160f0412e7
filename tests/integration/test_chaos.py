"""The chaos command finds nothing wrong with the gateway, and everything with broken ones."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulators.chaos.field import Field, Task
from simulators.chaos.run import Chaos
from tests.faults import IS_SOAK, quick_or_soak
from tests.support.running import wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
FOUND = ("lost", "duplicated", "corrupted", "phantom", "missing_quarantine")
BROKEN = {
    "acknowledge-early": "lost",
    "drop": "lost",
    "double": "duplicated",
    "corrupt": "corrupted",
    "invent": "phantom",
    "forget-bad": "missing_quarantine",
    "shorten-bad": "missing_quarantine",
}


def chaos(*arguments: str) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-m", "simulators", "chaos", *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=1500)
    lines = done.stdout.splitlines()
    assert lines, done.stderr.decode()
    report: dict[str, Any] = json.loads(lines[-1])
    return done.returncode, report, done.stderr.decode()


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_doubled_or_changed(seed: int, record_property: Any) -> None:
    seconds, kills = quick_or_soak(6, 300), quick_or_soak(3, 100)
    options = ("--seconds", str(seconds), "--kills", str(kills), "--seed", str(seed))
    code, report, story = chaos(*options)
    record_property("chaos", json.dumps(report))
    assert {name: report[name] for name in FOUND} == dict.fromkeys(FOUND, 0), (report, story)
    assert code == 0, (report, story)
    assert report["sent"] == report["receipted"]
    assert report["sent"] > 100 * seconds
    assert report["bad_sent"] > seconds
    assert report["faults"].get("kill-gateway", 0) + report["faults"].get("kill-child", 0) == kills
    assert report["unsettled"] == report["never_taken"] == report["database_missing"] == 0


# one by one they are seven runs: together, as far as one does not hide another, three
TOGETHER = ("acknowledge-early", "drop+corrupt+invent+forget-bad", "double+shorten-bad")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", BROKEN if IS_SOAK else TOGETHER)
def test_a_gateway_that_is_broken_on_purpose_is_found_out(how: str, tmp_path: Path) -> None:
    gateway = f"{sys.executable} -m tests.support.broken_gateway {how}"
    kills = "4" if how == "acknowledge-early" else "1"
    options = ("--seconds", "4", "--kills", kills, "--seed", "3", "--out", str(tmp_path / "out"))
    code, report, story = chaos(*options, "--gateway", gateway)
    assert code == 1, (report, story)
    for found in {BROKEN[one] for one in how.split("+")}:
        assert report[found] > 0, (report, story)
        assert report["examples"][found]
    assert not report["ok"]
    assert any((tmp_path / "out" / "evidence").iterdir()) or not report["faults"].get("disk-full")


def test_a_gateway_that_does_not_start_is_said_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simulators", "chaos", "--seconds", "1", "--kills", "0"]
    command += ["--gateway", "false", "--start-s", "3", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "did not start" in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_a_load_that_dies_is_no_good_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Field, "_read", lambda _, due: due / 0)
    task = Task(seconds=2, kills=0, rate=20)
    run = Chaos(task, tmp_path, [sys.executable, "-m", "gateway"], lambda _: None).run()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_of_it_stays_behind(number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "simulators", "chaos", "--seconds", "60", "--kills", "1"]
    with subprocess.Popen(
        [*command, "--out", str(out)], cwd=ROOT, stderr=subprocess.DEVNULL
    ) as process:
        wait_until(lambda: len(children_of(out)) >= 4, 30, "broker, gateway and its processes")
        assert (out / "infragate.toml").exists()
        process.send_signal(number)
        process.wait(20)
        wait_until(lambda: not children_of(out), 15, "all gone")
    mounts = Path("/proc/mounts").read_text()
    assert str(out) not in mounts


def children_of(out: Path) -> list[int]:
    """Return the processes whose command line names the folder."""
    return [pid for pid in map(pid_of, Path("/proc").iterdir()) if pid and names(pid, str(out))]


def pid_of(folder: Path) -> int:
    return int(folder.name) if folder.name.isdigit() else 0


def names(pid: int, folder: str) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return folder.encode() in words and b"simulators" not in words
    return False
