"""Every attack is in the gateway's data as its truth says, and honest devices do not notice."""

import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli.loopback import free_port
from simulators.attacks.insiders import mutated
from simulators.attacks.run import KINDS
from tests.faults import quick_or_soak
from tests.support.clients import ask
from tests.support.running import Gateway, row, running, wait_until
from tests.support.server_tls import Authority

pytestmark = [pytest.mark.servers, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
ORG = "evn"
RATE_LIMIT = 500  # messages per second of one device, so that a flood is one on a busy machine
HONEST_RATE = 20
INSIDERS = ("meter-2", "fuzzer", "meter-3", "meter-4", "flooder", "intruder")


class House:
    """A gateway that wants TLS and passwords, with all its people enrolled."""

    def __init__(self, gateway: Gateway, port: int, ca: Path) -> None:
        self.gateway, self.port, self.ca = gateway, port, ca
        self.secrets = {name: self._enrol(name) for name in ("meter-1", *INSIDERS)}
        self.secrets["watch"] = self._enrol("watch", "--role", "monitor")

    def _enrol(self, name: str, *more: str) -> str:
        return str(ask(self.gateway, "device", "enrol", name, "--org", ORG, *more)["secret"])

    def attack(self, kind: str, *options: str, identity: str) -> dict[str, Any]:
        """Run one and return its truth."""
        url = f"mqtts://localhost:{self.port}"
        command = [sys.executable, "-m", "simulators", "attack", kind, "--mqtt", url, "--json"]
        command += ["--ca", str(self.ca), "--as", identity, "--password-env", "PREY", "--org", ORG]
        secrets = {"PREY": self.secrets[identity], "SPY": self.secrets["watch"]}
        done = subprocess.run(
            [*command, "--seconds", str(quick_or_soak(3, 30)), *options],
            cwd=ROOT,
            env={**os.environ, **secrets},
            stdout=subprocess.PIPE,
            check=True,
            timeout=90,
        )
        truth: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert truth["what"] == f"attack-{kind}"
        assert datetime.fromisoformat(truth["from"]) < datetime.fromisoformat(truth["to"])
        return truth

    def counted(self, event: str) -> float:
        """How often something has happened at the listener, once the snapshots rest."""
        self._wait_for_snapshot()
        seen, now = -1.0, self._count(event)
        while now != seen:
            self._wait_for_snapshot()  # on a busy machine the one just read may be old
            time.sleep(0.5)
            seen, now = now, self._count(event)
        return now

    def _wait_for_snapshot(self) -> None:
        """Wait for one that is newer than all that has happened, however busy the machine is."""
        file = self.gateway.data_dir / "run" / "intake.json"
        asked_ns = time.time_ns()
        wait_until(lambda: file.stat().st_mtime_ns > asked_ns, 30, "a snapshot")

    def _count(self, event: str) -> float:
        lines = self.gateway.get("/metrics").decode().splitlines()
        wanted = ("infragate_listener_events_total{", f'event="{event}"')
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if all(word in line for word in wanted)
        )

    def device(self, name: str) -> dict[str, Any]:
        """What the gateway knows of a device; nothing where it has never heard of it."""
        self.gateway.settle()
        found: dict[str, Any] = {"stored": 0, "duplicate": 0, "quarantined": 0}
        for line in self.gateway.get("/api/v1/devices")["devices"]:
            if line["device"] == name:
                found = line
        return found

    def readings(self, name: str) -> list[dict[str, Any]]:
        """All readings of a device."""
        if not self.device(name)["stored"]:
            return []
        path = f"/api/v1/readings?device={name}&profile=em1&from=0&to=4102444800000&limit=100000"
        readings: list[dict[str, Any]] = self.gateway.get(path + "&lineage=true")["readings"]
        return readings

    def quarantined(self, name: str) -> list[dict[str, Any]]:
        """All quarantined messages of a device."""
        self.gateway.settle()
        lines = self.gateway.get("/api/v1/quarantine?limit=100000")["quarantine"]
        return [line for line in lines if line["topic"].split("/")[4:5] == [name]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("attacks")
    authority, port = Authority(folder), free_port()
    source = (
        f'[[source]]\ntype = "listener"\nlisten = "127.0.0.1:{port}"\nanonymous = false\n'
        f'cert = "server.pem"\nkey = "server.key"\nmax_rate_per_device = {RATE_LIMIT}\n'
    )
    with running(folder, source) as gateway:
        yield House(gateway, port, authority.ca)


class Honest:
    """A meter that goes on as always; ``check`` says whether it was let."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._sent_s: dict[int, float] = {}
        self._took_s: list[float] = []
        self._losses = 0
        self._done = threading.Event()
        self._before = {reading["seq"] for reading in house.readings("meter-1")}
        self._last = max(self._before, default=0)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="meter-1")
        self._client.tls_set(str(house.ca))
        self._client.username_pw_set("meter-1", house.secrets["meter-1"])
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._client.connect("localhost", house.port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._publish)

    def _on_publish(self, _client: Any, _data: Any, mid: int, *_: Any) -> None:
        self._took_s.append(time.monotonic() - self._sent_s[mid])

    def _on_disconnect(self, *_: Any) -> None:
        self._losses += not self._done.is_set()

    def _publish(self) -> None:
        while not self._done.wait(1 / HONEST_RATE):
            self._last += 1
            payload = json.dumps(row(self._last, time.time_ns() // 1_000_000))
            # the number of a packet is known before it is sent: one after the other, from 1
            self._sent_s[len(self._sent_s) + 1] = time.monotonic()
            self._client.publish(f"tg/1/{ORG}/energy/meter-1/t", payload, qos=1)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        if error is None:
            wait_until(lambda: len(self._took_s) == len(self._sent_s), 10, "PUBACKs for all")
        self._client.disconnect()
        self._client.loop_stop()
        if error is None:
            self._check()

    def _check(self) -> None:
        assert self._losses == 0
        assert len(self._took_s) > HONEST_RATE
        assert statistics.median(self._took_s) < 0.5
        stored = [reading["seq"] for reading in self._house.readings("meter-1")]
        assert sorted(stored) == list(range(1, self._last + 1))


def test_a_flood_is_slowed_down_and_its_readings_are_counted(house: House) -> None:
    throttled = house.counted("throttled")
    with Honest(house):
        truth = house.attack("flood", identity="flooder")
    magnitude = truth["magnitude"]
    assert house.counted("throttled") > throttled
    known = house.device("flooder")
    arrived = known["stored"] + known["duplicate"] + known["quarantined"]
    assert 0 < arrived <= magnitude["messages"]
    # what the sockets still held is read, as slowly, when the flood is over: the time to compare
    # with is that of the arrivals
    received = [datetime.fromisoformat(line["received"]) for line in house.readings("flooder")]
    seconds = (max(received) - min(received)).total_seconds()
    # the limit for as long as they came, a second's worth at once, and what one read brought
    assert arrived < RATE_LIMIT * (seconds + 10)


def test_a_spoofed_identity_gets_nothing_in(house: House) -> None:
    denied = house.counted("denied_messages")
    with Honest(house):
        truth = house.attack("spoofed-identity", "--victim", "meter-1", identity="intruder")
    magnitude = truth["magnitude"]
    assert truth["where"] == "meter-1"
    assert magnitude["messages"] > 5
    assert magnitude["acknowledged"] == 0
    assert house.counted("denied_messages") - denied == magnitude["messages"]
    assert house.device("intruder")["stored"] == 0


def test_probing_topics_finds_nothing(house: House) -> None:
    refused, denied = house.counted("denied_subscriptions"), house.counted("denied_messages")
    with Honest(house):
        truth = house.attack("topic-probing", "--victim", "meter-1", identity="intruder")
    magnitude = truth["magnitude"]
    assert magnitude["asked"] > 5
    assert magnitude["granted"] == magnitude["heard"] == 0
    assert house.counted("denied_subscriptions") - refused == magnitude["asked"]
    assert house.counted("denied_messages") - denied == magnitude["forged"]


def test_stuffed_credentials_open_no_door(house: House) -> None:
    names = ("refused_bad_credentials", "refused_not_authorised")
    before = sum(house.counted(name) for name in names)
    victims = ("--victim", "meter-1", "--victim", "meter-2", "--victim", "no-such")
    with Honest(house):
        truth = house.attack("credential-stuffing", *victims, identity="intruder")
    magnitude = truth["magnitude"]
    assert magnitude["attempts"] > 5
    assert (magnitude["let_in"], magnitude["refused"]) == (0, magnitude["attempts"])
    assert sum(house.counted(name) for name in names) - before == magnitude["attempts"]


def test_what_is_replayed_is_a_duplicate_and_changes_nothing(house: House) -> None:
    before = house.device("meter-1")
    spy = ("--victim", "meter-1", "--spy", "watch", "--spy-password-env", "SPY")
    with Honest(house):
        truth = house.attack("replay", *spy, identity="meter-1")
    magnitude = truth["magnitude"]
    assert magnitude["captured"] > 5
    assert magnitude["acknowledged"] == magnitude["messages"] > 5
    after = house.device("meter-1")
    assert after["duplicate"] - before["duplicate"] == magnitude["readings"]
    assert after["quarantined"] == before["quarantined"]


def test_replaying_in_ones_own_name_is_spoofing(house: House) -> None:
    denied, before = house.counted("denied_messages"), house.device("meter-1")
    spy = ("--victim", "meter-1", "--spy", "watch", "--spy-password-env", "SPY")
    with Honest(house):
        house.attack("replay", *spy, identity="intruder")
    assert house.counted("denied_messages") > denied
    assert house.device("meter-1")["duplicate"] == before["duplicate"]


def test_fuzzed_payloads_are_in_quarantine_byte_for_byte(house: House) -> None:
    with Honest(house):
        truth = house.attack("payload-fuzz", "--seed", "7", "--rate", "60", identity="fuzzer")
    magnitude = truth["magnitude"]
    assert magnitude["acknowledged"] == magnitude["messages"] > 20
    chance = random.Random(7)
    chance.getrandbits(32)  # for the client id
    sent = [mutated(chance, number) for number in range(int(magnitude["messages"]))]
    wanted = Counter(hashlib.sha256(payload).hexdigest() for payload in sent)
    found = Counter(line["sha256"] for line in house.quarantined("fuzzer"))
    assert found == wanted
    assert house.device("fuzzer")["stored"] == 0


def test_injected_values_are_refused_or_marked(house: House) -> None:
    with Honest(house):
        truth = house.attack("value-injection", identity="meter-3")
    magnitude = truth["magnitude"]
    assert magnitude["acknowledged"] == magnitude["messages"]
    reasons = Counter(line["reason"] for line in house.quarantined("meter-3"))
    assert reasons == {"limit": magnitude["impossible"]}
    readings = house.readings("meter-3")
    assert len(readings) == magnitude["backwards"] + 1
    marks = Counter(reason for reading in readings for reason in reading["reasons"])
    assert marks["register_backwards"] == magnitude["backwards"], marks
    energies = [reading["ea_imp"] for reading in sorted(readings, key=lambda one: one["seq"])]
    assert energies[0] - energies[-1] == magnitude["hidden_wh"]


def test_jumped_clocks_are_refused_or_marked(house: House) -> None:
    with Honest(house):
        truth = house.attack("clock-jump", identity="meter-4")
    magnitude = truth["magnitude"]
    assert magnitude["acknowledged"] == magnitude["messages"]
    reasons = Counter(line["reason"] for line in house.quarantined("meter-4"))
    assert reasons == {"time": magnitude["far"]}
    readings = house.readings("meter-4")
    assert len(readings) == magnitude["near"]
    assert all({"late", "time_sync"} & set(reading["reasons"]) for reading in readings)


def test_an_attacker_who_is_not_let_in_is_told_so(house: House, tmp_path: Path) -> None:
    house.secrets["nobody"] = "wrong"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        house.attack("payload-fuzz", identity="nobody")
    assert caught.value.returncode == 1


def test_on_an_anonymous_listener_the_truth_file_says_what_was_stored(tmp_path: Path) -> None:
    port = free_port()
    source = f'[[source]]\ntype = "listener"\nlisten = "127.0.0.1:{port}"\n'
    with running(tmp_path, source) as gateway:
        command = [sys.executable, "-m", "simulators", "attack", "spoofed-identity"]
        command += ["--mqtt", f"mqtt://127.0.0.1:{port}", "--victim", "meter-1", "--seconds", "1"]
        subprocess.run([*command, "--out", str(tmp_path / "out")], cwd=ROOT, check=True, timeout=60)
        truth = json.loads((tmp_path / "out" / "truth.json").read_text())
        (entry,) = truth["scenarios"]
        accounts = gateway.settle(messages=int(entry["magnitude"]["messages"]))
    assert entry["magnitude"]["acknowledged"] == accounts["stored"] > 0
    assert entry["touches"] == ["meter-1", "intruder"]


@pytest.mark.clause("749.IV.5.c-1")
def test_every_kind_has_a_test() -> None:
    text = Path(__file__).read_text()
    assert all(f'house.attack("{kind}"' in text for kind in KINDS)


def test_an_attack_is_a_scenario_of_a_city(tmp_path: Path) -> None:
    port = free_port()
    source = f'[[source]]\ntype = "listener"\nlisten = "127.0.0.1:{port}"\n'
    out = tmp_path / "out"
    command = [sys.executable, "-m", "simulators", "city", "--meters", "5", "--lanes", "0"]
    command += ["--out", str(out), "--days", str(20 / 86_400), "--pace", "realtime"]
    command += ["--scenario", "attack-payload-fuzz:from=2,to=5,rate=30", "--interval-s", "1"]
    with running(tmp_path, source) as gateway:
        city = [*command, "--mqtt", f"mqtt://127.0.0.1:{port}"]
        subprocess.run(city, cwd=ROOT, check=True, timeout=90)
        truth = json.loads((out / "truth.json").read_text())
        accounts = gateway.settle()
    (entry,) = [one for one in truth["scenarios"] if one["what"] == "attack-payload-fuzz"]
    assert entry["magnitude"]["messages"] > 20
    assert accounts["messages"]["quarantined"] == entry["magnitude"]["acknowledged"]
    dry = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
    assert dry.returncode == 2
