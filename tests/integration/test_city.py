"""A city on the air against a running gateway: births, wills, receipts, backlog, truth, score."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import mosquitto
from tests.support.demo import Demo
from tests.support.running import ROOT, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]


@pytest.fixture
def demo(tmp_path: Path) -> Any:
    one = Demo(tmp_path)
    yield one
    one.kill()


def simulate(*arguments: str) -> Any:
    command = [sys.executable, "-m", "simulators", *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=80)
    return json.loads(done.stdout.splitlines()[-1])


def events(demo: Demo, kind: str) -> list[Any]:
    found: list[Any] = json.loads(demo.get(f"/api/v1/events?kind={kind}&limit=10000"))["events"]
    return found


def test_hours_of_a_city_arrive_whole_and_its_outage_is_scored(demo: Demo, tmp_path: Path) -> None:
    demo.start("--no-fleet")
    wait_until(lambda: b"alive" in demo.get("/healthz"), 20, "the gateway")
    out = tmp_path / "city"
    scenarios = ("transformer_outage:where=tba-0001", "comms_outage:where=dcu-0002", "theft")
    report = simulate(
        *("city", "--meters", "120", "--lanes", "8", "--days", "0.25", "--pace", "2000"),
        *("--mqtt", f"mqtt://127.0.0.1:{demo.mqtt_port}", "--out", str(out)),
        *(word for name in scenarios for word in ("--scenario", name)),
    )
    assert report["receipted"] == report["readings"] > 4_000
    assert report["kept"] == report["overwritten"] == 0
    # an outage of power or of the link costs a connection, and no reading
    truth = json.loads((out / "truth.json").read_text())
    gone = {s["what"]: s for s in truth["scenarios"]}
    assert report["lost_connections"] >= len(gone["transformer_outage"]["touches"])
    wait_until(
        lambda: demo.accounts()["readings"]["stored"] == report["readings"], 15, "all stored"
    )
    assert demo.accounts()["quarantined"] == 0
    states = events(demo, "state")
    dark = set(gone["transformer_outage"]["touches"])
    boots = {e["device"] for e in states if e["detail"].get("boot") == 2}
    assert boots == dark  # who lost power boots, who lost only the link does not
    scored = simulate(
        "score", "--truth", str(out / "truth.json"), "--api", demo.url, "--slack-s", "60"
    )
    outage = scored["transformer_outage"]
    assert (outage["true_positive"], outage["false_negative"]) == (1, 0)
    assert 0 < outage["delay_p50_s"] <= 2
    assert outage["reported"]
    assert scored["comms_outage"]["false_negative"] == 1
    assert scored["comms_outage"]["reported"]


def test_at_full_speed_nothing_is_overrun(demo: Demo, tmp_path: Path) -> None:
    demo.start("--no-fleet")
    wait_until(lambda: b"alive" in demo.get("/healthz"), 20, "the gateway")
    report = simulate(
        *("city", "--meters", "40", "--lanes", "4", "--days", "0.25", "--pace", "max"),
        *("--mqtt", f"mqtt://127.0.0.1:{demo.mqtt_port}", "--out", str(tmp_path / "city")),
    )
    assert report["receipted"] == report["readings"]
    assert report["overwritten"] == 0
    assert report["times_real_time"] > 200


def test_a_city_in_real_time_goes_on_where_it_was(tmp_path: Path) -> None:
    options = [
        *("city", "--meters", "20", "--lanes", "0", "--interval-s", "1", "--forever"),
        *("--state", str(tmp_path / "state"), "--out", str(tmp_path / "out"), "--json"),
    ]
    reports = []
    with mosquitto() as broker:
        for _ in range(2):
            command = [sys.executable, "-m", "simulators", *options, "--mqtt", broker.url]
            city = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
            try:
                time.sleep(6)
                city.send_signal(signal.SIGINT)
                said, _ = city.communicate(timeout=20)
            finally:
                city.kill()
            reports.append(json.loads(said.splitlines()[-1]))
    first, second = reports
    assert first["connected"] == second["connected"] == first["devices"]
    assert first["from"] == second["from"]
    assert second["simulated_s"] > first["simulated_s"] + 5
    # nobody receipts here: what was kept is still there, and the numbers go on
    assert second["kept"] > first["kept"] > 20


def test_an_outage_is_heard_in_a_demo_at_once(demo: Demo, tmp_path: Path) -> None:
    demo.start("--past-days", "0", "--scenario", "transformer_outage:where=tba-0002,from=10,to=30")
    truth_file = tmp_path / "var" / "city" / "truth.json"

    def struck() -> set[str]:
        told = json.loads(truth_file.read_text())["scenarios"]
        # the truth of the grid, and of the cabinet that the road has on that transformer
        return {name for entry in told for name in entry["touches"]}

    dark = wait_until(struck, 40, "the outage has begun")
    assert len(dark) > 50
    wait_until(lambda: len(said(demo, 99)) > len(dark) / 2, 20, "last gasps")
    assert said(demo, 99) <= dark
    assert demo.accounts()["quarantined"] == 0
    assert demo.press_ctrl_c() < 5


def said(demo: Demo, code: int) -> set[str]:
    return {event["device"] for event in events(demo, "event") if event["code"] == code}


def test_a_demo_without_such_a_scenario_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway", "demo", "--data", str(tmp_path)]
    done = subprocess.run(
        [*command, "--scenario", "earthquake"],
        cwd=ROOT, stderr=subprocess.PIPE, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"earthquake" in done.stderr
    assert b"theft" in done.stderr
