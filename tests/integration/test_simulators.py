"""The command lines of the simulators against a real Mosquitto."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.brokers import mosquitto

pytestmark = pytest.mark.servers
ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "simulators", *arguments]


def run(*arguments: str) -> dict[str, Any]:
    started = command(*arguments, "--json")
    done = subprocess.run(started, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=50)
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@contextlib.contextmanager
def listening(port: int, topic_filter: str = "tg/1/#") -> Iterator[list[tuple[str, Any]]]:
    """Collect topics and payloads."""
    heard: list[tuple[str, Any]] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _c, _u, m: heard.append((m.topic, json.loads(m.payload)))
    client.connect("127.0.0.1", port)
    client.subscribe(topic_filter)
    client.loop_start()
    yield heard
    client.disconnect()
    client.loop_stop()


def wait_until(is_so: Callable[[], bool], longest_s: float = 15) -> None:
    deadline_s = time.monotonic() + longest_s
    while not is_so():
        assert time.monotonic() < deadline_s, "did not happen"
        time.sleep(0.05)


def numbers(heard: list[tuple[str, Any]], topic: str) -> list[int]:
    messages = [message for name, message in heard if name == topic]
    return [message["n"] + k for message in messages for k in range(len(message["r"]))]


def test_every_node_of_a_fleet_is_born_and_heard_within_ten_seconds() -> None:
    with mosquitto() as broker, listening(broker.port) as heard:
        url = ("--mqtt", broker.url)
        report = run("fleet", *url, "--meters", "40", "--detectors", "20", "--seconds", "9")
        topics = {topic for topic, _ in heard}
    assert report["connected"] == 60
    assert report["all_connected_ms"] < 5000
    assert sum(topic.endswith("/s") for topic in topics) == 60
    assert sum(topic.endswith("/t") for topic in topics) == 60
    births = [message for topic, message in heard if topic.endswith("/s")]
    assert {birth["st"] for birth in births if "boot" in birth} == {"online"}


def test_a_killed_fleet_is_lost_by_its_wills_and_goes_on_where_it_was(tmp_path: Path) -> None:
    options = ["--meters", "3", "--detectors", "0", "--interval-s", "0.5", "--state", str(tmp_path)]
    topic = "tg/1/demo/energy/meter-00001"
    with mosquitto() as broker, listening(broker.port) as heard:
        fleet = command("fleet", "--mqtt", broker.url, *options, "--forever")
        process = subprocess.Popen(fleet, cwd=ROOT, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(numbers(heard, f"{topic}/t")) >= 4)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_until(lambda: (f"{topic}/s", {"st": "lost"}) in heard)
        before = numbers(heard, f"{topic}/t")
        heard.clear()
        report = run("fleet", "--mqtt", broker.url, *options, "--seconds", "5")
        # nobody gave receipts: what was sent is sent again, beside what is new
        again = numbers(heard, f"{topic}/t") + numbers(heard, f"{topic}/b")
        birth = next(m for name, m in heard if name == f"{topic}/s" and m["st"] == "online")
    assert birth["boot"] == 2
    assert sorted(set(again)) == list(range(1, max(again) + 1))
    assert max(again) > max(before)
    assert report["kept"] >= max(again)


def test_a_fleet_comes_back_after_its_broker() -> None:
    with mosquitto() as broker:
        options = ["--meters", "20", "--detectors", "20", "--interval-s", "0.5", "--seconds", "12"]
        fleet = command("fleet", "--mqtt", broker.url, *options, "--json")
        with subprocess.Popen(fleet, cwd=ROOT, stdout=subprocess.PIPE) as process:
            time.sleep(4)
            broker.kill()
            time.sleep(0.5)
            broker.start()
            out, _ = process.communicate(timeout=30)
    report = json.loads(out.splitlines()[-1])
    assert report["connected"] == 40
    assert report["lost_connections"] == 40
    assert report["overwritten"] == 0


def test_the_load_generator_loses_nothing_and_says_what_it_did() -> None:
    with mosquitto() as broker, listening(broker.port, "tg/1/load/energy/load-000003/t") as heard:
        load = ("load", "--mqtt", broker.url, "--devices", "10", "--connections", "3")
        report = run(*load, "--rate", "1000", "--batch", "2", "--seconds", "2")
        time.sleep(0.3)
        seen = numbers(heard, "tg/1/load/energy/load-000003/t")
    assert report["messages_sent"] == pytest.approx(2000, rel=0.1)
    assert report["readings_sent"] == 2 * report["messages_sent"]
    assert report["messages_unacknowledged"] == report["lost_connections"] == 0
    assert 0 < report["puback_p50_ms"] <= report["puback_p99_ms"] < 1000
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == pytest.approx(400, rel=0.2)


def test_the_load_generator_survives_its_broker_and_counts_what_it_cannot_know() -> None:
    with mosquitto() as broker:
        load = command("load", "--mqtt", broker.url, "--rate", "2000", "--seconds", "4", "--json")
        with subprocess.Popen(load, cwd=ROOT, stdout=subprocess.PIPE) as process:
            time.sleep(1.5)
            broker.kill()
            broker.start()
            out, _ = process.communicate(timeout=40)
    report = json.loads(out.splitlines()[-1])
    assert report["lost_connections"] >= 10
    assert report["messages_sent"] > 4000


@pytest.mark.parametrize(
    "arguments",
    [
        ["load", "--mqtt", "http://127.0.0.1"],
        ["load", "--mqtt", "mqtt://127.0.0.1", "--batch", "0"],
        ["fleet", "--mqtt", "mqtt://127.0.0.1", "--meters", "0", "--detectors", "0", "--forever"],
        ["fleet", "--mqtt", "mqtt://127.0.0.1"],
    ],
)
def test_a_wrong_command_line_exits_with_two(arguments: list[str]) -> None:
    done = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 2


def test_nobody_there_is_said_in_one_line() -> None:
    arguments = command("load", "--mqtt", "mqtt://127.0.0.1:1", "--seconds", "1")
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    assert "Traceback" not in done.stderr
