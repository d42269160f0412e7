"""``infragate import`` into a gateway that runs and into one that does not; foreign nodes live."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.asking import ask
from gateway.cli.loopback import free_port
from tests.shared import SHARED, needs_shared
from tests.support.clients import cli
from tests.support.running import ROOT, Gateway, listener, running, wait_until
from tests.unit.foreign.sparkplug_node import meter_birth, meter_data

pytestmark = pytest.mark.servers

LAYOUT = """
profile = "ei1"
device = "building-7"
[time]
column = "end time"
format = "%Y-%m-%d %H:%M:%S"
zone = "UTC"
[columns]
e_imp = { column = "reading", unit = "kWh" }
length = { value = 900 }
"""
ROWS = 7200  # 75 days of quarters of an hour


class EdgeNode:
    """A Sparkplug node: it publishes, and listens for its commands."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="edge1")
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, bytes(message.payload))
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe("spBv1.0/plant/NCMD/edge1", 0)

    def say(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def bring(config: Path, *words: str) -> dict[str, object]:
    done = cli("import", *words, "-c", str(config), "--json")
    assert done.returncode in {0, 1}, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@needs_shared
def test_a_history_imported_twice_is_stored_once(tmp_path: Path) -> None:
    assert SHARED is not None
    source = SHARED / "data" / "vee" / "oed-readings" / "readings_ri_15_days_75.csv"
    layout = tmp_path / "layout.toml"
    layout.write_text(LAYOUT, "utf-8")
    config = tmp_path / "infragate.toml"
    port = free_port()
    config.write_text(f'[gateway]\ndata_dir = "data"\n{listener(port)}', "utf-8")
    words = (str(source), "--layout", str(layout))
    dry = bring(config, *words, "--dry-run")
    assert dry["files"][0]["readings"] == ROWS  # type: ignore[index]
    assert dry["files"][0]["beyond_retention"] == ROWS  # type: ignore[index]  # of 2022
    assert not (tmp_path / "data").exists()
    # nobody runs: into the journal
    unheard = bring(config, *words)
    assert (unheard["processed"], unheard["compared_with_all"]) == (False, False)
    with running(tmp_path, listener(port)) as gateway:
        totals = gateway.settle()
        assert (totals["stored"], totals["duplicate"]) == (ROWS, 0)
        again = bring(gateway.config, *words)
        assert again["processed"] is True
        assert again["readings"] == {"stored": 0, "duplicate": ROWS, "quarantined": 0}
        window = "device=building-7&profile=ei1&column=e_imp&from=2022-08-01&to=2022-12-01"
        answer = gateway.get(f"/api/v1/aggregate?{window}&fn=sum")
        lines = source.read_text("utf-8").splitlines()[1:]
        kwh = sum(float(line.split(",")[0]) for line in lines)
        assert answer["buckets"][0]["value"] == pytest.approx(kwh * 1000, abs=0.001 * ROWS)


def nem12(values: list[str], qualities: list[str]) -> str:
    """A day of four intervals of six hours would be no NEM12: 24 of an hour, 20 of them 1 kWh."""
    filled = ["1"] * 20
    records = [f"400,{at},{at},{code}" for at, code in enumerate([*["A"] * 20, *qualities], 1)]
    day = f"300,20261101,{','.join([*filled, *values])},V,,,,"
    head = ["100,NEM12,202611220000,MDA1,Ret1", "200,NMI7,E1,1,E1,N1,M1,kWh,60,"]
    return "\n".join([*head, day, *records, "900"])


def test_a_corrected_market_file_replaces_what_grades_worse_and_names_the_rest(
    tmp_path: Path,
) -> None:
    """Hours 21 to 24: estimated, estimated, actual, substituted; then another file says otherwise.

    Actual beats estimated (21); an estimate does not beat another (22); two actual values that
    differ are a conflict (23); the same value, no longer substituted, is a better one (24).
    """
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(nem12(["2", "2", "2", "2"], ["E52", "E52", "A", "S14"]), "utf-8")
    second.write_text(nem12(["3", "3", "3", "2"], ["A", "E52", "A", "A"]), "utf-8")
    with running(tmp_path, listener(free_port())) as gateway:
        assert bring(gateway.config, str(first))["readings"] == {
            "stored": 24, "duplicate": 0, "quarantined": 0,
        }  # fmt: skip
        dry = bring(gateway.config, str(second), "--dry-run")["files"][0]  # type: ignore[index]
        told = bring(gateway.config, str(second))
        assert told["readings"] == {"stored": 2, "duplicate": 20, "quarantined": 0}
        file = told["files"][0]  # type: ignore[index]
        assert (dry["corrected"], dry["refused"]) == (file["corrected"], file["refused"])
        assert [one["line"] for one in file["corrected"]] == [3, 3]
        assert [one["reason"] for one in file["corrected"]] == [
            "2026-11-01T11:00:00Z: e_imp 2000 → 3000, flag 2 → 1 (suspect → recovered)",
            "2026-11-01T14:00:00Z: flag 4 → 1 (suspect → recovered)",
        ]
        assert [one["reason"] for one in file["refused"]] == [
            f"2026-11-01T{hour}:00:00Z: e_imp 2000 → 3000 ({grade} → {grade}): "
            "no better grade, what is stored stays"
            for hour, grade in ((12, "suspect"), (13, "recovered"))
        ]
        window = "device=nem-nmi7-e1&profile=ei1&from=2026-10-31&to=2026-11-03"
        shown = gateway.get(f"/api/v1/readings?{window}")["readings"]
        assert [row["e_imp"] for row in shown] == [1000] * 20 + [3000, 2000, 2000, 2000]
        assert [row["flag"] for row in shown[20:]] == [1, 2, 1, 1]
        # as a late reading, though every interval has the same length, and 20 the same energy
        assert [row["quality"] for row in shown] == [2] * 21 + [8] + [2] * 2
        assert all("seq_gap" not in row["reasons"] for row in shown)
        lineage = gateway.get(f"/api/v1/readings?{window}&lineage=true")["readings"]
        assert len(lineage) == 26
        # whichever comes again, nothing new is stored: all of it is known
        for again in (first, second):
            words = bring(gateway.config, str(again))["readings"]
            assert words["stored"] == 0, again  # type: ignore[index]
        gateway.settle()
    # without a gateway nobody knows what is in the journal yet
    third = tmp_path / "third.csv"
    third.write_text(nem12(["3", "4", "2", "2"], ["A", "A", "A", "A"]), "utf-8")
    (late,) = bring(gateway.config, str(third))["files"][0]["refused"]  # type: ignore[index]
    assert late["reason"].endswith(
        "; a correction needs a gateway that runs and has stored all it took"
    )


@contextlib.contextmanager
def held(gateway: Gateway) -> Iterator[None]:
    """The processor stands still: what comes stays in the journal."""
    pid = gateway.roles()["processor"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def begun(gateway: Gateway, file: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "gateway", "import", str(file), "-c", str(gateway.config)]
    pipe = subprocess.PIPE
    return subprocess.Popen([*words, "--json"], cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def break_off(gateway: Gateway, file: Path) -> None:
    """Import, and press Ctrl-C once the messages are in the journal."""
    with begun(gateway, file) as process:
        wait_until(lambda: is_behind(gateway), 20, "messages in the journal")
        process.send_signal(signal.SIGINT)


def is_behind(gateway: Gateway) -> bool:
    status = ask(gateway.data_dir, {"do": "status"})
    return bool(status["durable_record"] > status["processed_record"])


def end_of(gateway: Gateway) -> int:
    """The last record of the journal."""
    return int(ask(gateway.data_dir, {"do": "status"})["durable_record"])


def bring_behind(gateway: Gateway, journalled: Path, file: Path) -> dict[str, object]:
    """Import a file while an earlier one is still in the journal of the running gateway."""
    with held(gateway):
        break_off(gateway, journalled)
        end = end_of(gateway)
        process = begun(gateway, file)
        with contextlib.suppress(AssertionError):  # as long as one would take that does not wait
            wait_until(lambda: end_of(gateway) > end, 4)
    out, err = process.communicate(timeout=30)
    assert process.returncode in {0, 1}, err
    found: dict[str, object] = json.loads(out)
    return found


def test_a_correction_of_what_is_still_in_the_journal_waits_for_it(tmp_path: Path) -> None:
    """Else it is a new reading of a time that is then taken: a duplicate, and nobody told."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(nem12(["2", "2", "2", "2"], ["E52", "E52", "A", "S14"]), "utf-8")
    second.write_text(nem12(["3", "2", "2", "2"], ["A", "E52", "A", "A"]), "utf-8")
    with running(tmp_path, listener(free_port())) as gateway:
        told = bring_behind(gateway, first, second)
        assert [one["line"] for one in told["files"][0]["corrected"]] == [3, 3]  # type: ignore[index]
        assert told["compared_with_all"] is True
        assert told["readings"] == {"stored": 2, "duplicate": 22, "quarantined": 0}


def test_corrections_never_get_the_numbers_of_some_that_are_still_in_the_journal(
    tmp_path: Path,
) -> None:
    """The gateway would take those of earlier hours for the ones it has, come again."""
    files = [tmp_path / f"{name}.csv" for name in ("first", "second", "third")]
    files[0].write_text(nem12(["2", "2", "2", "2"], ["E52"] * 4), "utf-8")
    files[1].write_text(nem12(["2", "4", "2", "2"], ["E52", "A", "E52", "E52"]), "utf-8")
    files[2].write_text(nem12(["3", "2", "2", "2"], ["A", "E52", "E52", "E52"]), "utf-8")
    with running(tmp_path, listener(free_port())) as gateway:
        bring(gateway.config, str(files[0]))
        told = bring_behind(gateway, *files[1:])
        assert len(told["files"][0]["corrected"]) == 1  # type: ignore[index]
        window = "device=nem-nmi7-e1&profile=ei1&from=2026-10-31&to=2026-11-03"
        shown = gateway.get(f"/api/v1/readings?{window}")["readings"]
        assert [row["e_imp"] for row in shown[20:]] == [3000, 4000, 2000, 2000]


def test_two_files_of_one_import_that_differ_are_told(tmp_path: Path) -> None:
    """Neither is stored yet: the second is compared with what the first has sent."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(nem12(["2", "2", "2", "2"], ["A"] * 4), "utf-8")
    second.write_text(nem12(["2", "2", "2", "3"], ["A"] * 4), "utf-8")
    config = tmp_path / "infragate.toml"
    config.write_text(f'[gateway]\ndata_dir = "data"\n{listener(free_port())}', "utf-8")
    report = bring(config, str(first), str(second), "--dry-run")
    refused = [len(file["refused"]) for file in report["files"]]  # type: ignore[attr-defined]
    assert refused == [0, 1]


def test_a_capture_goes_in_as_if_it_had_just_come_and_refused_lines_are_named(
    tmp_path: Path,
) -> None:
    rows = {"p": "em1", "t": 0, "r": [[0, 1000, 0, 812, 2304, 371, 982, 0]]}
    capture = tmp_path / "capture.jsonl"
    topic = "tg/1/site/energy/meter-1/t"
    line = {"topic": topic, "payload": json.dumps(rows), "received": "2026-01-02T03:04:05Z"}
    capture.write_text(json.dumps(line) + "\nnonsense\n", "utf-8")
    with running(tmp_path, listener(free_port())) as gateway:
        done = cli("import", str(capture), "-c", str(gateway.config))
        assert done.returncode == 1
        assert f"{capture}:2: " in done.stderr
        assert "stored 1, duplicate 0, quarantined 0" in done.stdout
        answer = gateway.get(
            "/api/v1/readings?device=meter-1&profile=em1&from=2026-01-01&to=2026-01-03"
        )
    # it has no clock: it gets the time at which it was captured
    assert [row["time"] for row in answer["readings"]] == ["2026-01-02T03:04:05.000Z"]


def test_a_sparkplug_node_is_asked_for_its_birth_and_then_understood(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listener(port)) as gateway:
        node = EdgeNode(port)
        node.say("spBv1.0/plant/NDATA/edge1", meter_data(7))
        wait_until(lambda: bool(node.heard), 20, "a request for a birth")
        topic, payload = node.heard[0]
        assert topic == "spBv1.0/plant/NCMD/edge1"
        assert b"Node Control/Rebirth" in payload
        node.say("spBv1.0/plant/NBIRTH/edge1", meter_birth())
        node.say("spBv1.0/plant/NDATA/edge1", meter_data(1))
        gateway.settle(messages=3)
        entries = json.loads(cli("quarantine", "list", "-c", str(gateway.config), "--json").stdout)
        assert [entry["reason"] for entry in entries] == ["unmapped"]
        # now that its aliases are known, what came before can be read as well
        cli("quarantine", "requeue", "--reason", "unmapped", "-c", str(gateway.config))
        wait_until(
            lambda: gateway.get("/api/v1/accounting")["readings"]["quarantined"] == 0,
            20,
            "a requeue",
        )
        node.close()
