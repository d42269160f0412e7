"""The command line as people and programs use it: a child process, its output and exit code."""

import csv
import io
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.glossary import METRICS
from gateway.cli.loopback import free_port
from gateway.quarantine import QuarantineReader
from gateway.store import StoreReader
from tests.servers import mosquitto
from tests.spine import PROFILES
from tests.support import hostile
from tests.support.clients import ask, cli, sender
from tests.support.databases import metric
from tests.support.running import (
    ROOT,
    Gateway,
    broker,
    listener,
    row,
    running,
    wait_until,
)

pytestmark = pytest.mark.servers

METER = "tg/1/evn/energy/meter-1/t"
FOREVER = "&from=0&to=4102444800000"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Gateway]:
    """A gateway with 20 readings, none of them ever changed, and some quarantine."""
    folder = tmp_path_factory.mktemp("cli")
    with running(folder, listener(port)) as running_gateway:
        with sender(port) as client:
            start_ms = now_ms() - 60_000
            for seq in range(20):
                client.send([(METER, json.dumps(row(seq, start_ms + 1000 * seq)).encode())])
            client.send([(METER, bad.payload) for bad in hostile.NUMBERS])
        running_gateway.settle(messages=20 + len(hostile.NUMBERS))
        yield running_gateway


def write(folder: Path, text: str, name: str = "infragate.toml") -> Path:
    file = folder / name
    file.write_text(text, "utf-8")
    return file


# -- check --


def test_check_counts_what_it_found(tmp_path: Path) -> None:
    registry = ROOT / "docs" / "examples" / "registry.toml"
    file = write(tmp_path, f'{listener(1883)}[registry]\nfile = "{registry}"\n')
    done = cli("check", "-c", str(file), "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"], found["sources"]) == (0, True, 1)
    assert found["devices"] > 1
    assert cli("check", "-c", str(file)).stdout.startswith(f"{file}: good\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[gateway]\ndata_dri = 'x'", "infragate.toml: gateway.data_dri: unknown key"),
        ("[registry]\nfile = 'registry.toml'", "registry.toml:3: "),
        ("[gateway]\nprofiles = 'none'", "profiles folder"),
        (listener(1) + "cert = 'no.pem'\nkey = 'no.key'", "source.0: cert "),
        (broker(1) + "password = {env = 'INFRAGATE_NO_SUCH'}\nusername = 'u'", "source.0: secret"),
        ("[http]\ntoken = {file = 'open.token'}", "http: secret file "),
        ("[[sink]]\nname='a'\ntype='influx1'\nurl='https://h'\nca='no.pem'", "sink.0: ca "),
        (
            "[[mapping]]\nname='m'\ntopic='x/+'\nprofile='em9'\ncolumns={p='p'}",
            "mapping 'm': profile",
        ),
        ('[[source]]\ntype="listener"\nlisten="0.0.0.0:1883"', "insecure = true"),
    ],
)
def test_check_and_run_name_the_key_or_the_line(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, "[[device]]\nid = 'm-1'\nsectr = 'energy'\n", "registry.toml")
    write(tmp_path, "secret", "open.token").chmod(0o644)
    file = write(tmp_path, text)
    done = cli("check", "-c", str(file))
    assert done.returncode == 2
    assert words in done.stderr
    assert not done.stdout
    answer = cli("check", "-c", str(file), "--json")
    assert answer.returncode == 2
    assert json.loads(answer.stdout) == {"ok": False, "errors": done.stderr.splitlines()}
    started = cli("run", "-c", str(file))
    assert (started.returncode, started.stderr) == (2, done.stderr)


# -- doctor --


@pytest.mark.parametrize(
    ("conf", "level"),
    [
        ("allow_anonymous true\n", "fail"),
        ("allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n", "ok"),
    ],
)
def test_doctor_finds_the_queue_that_drops_messages(tmp_path: Path, conf: str, level: str) -> None:
    with mosquitto(conf) as server:
        file = write(tmp_path, broker(server.port))
        done = cli("doctor", "-c", str(file), "--json")
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)}
    assert {"disk", "fsync", "clock"} <= findings.keys()
    url = f"broker mqtt://127.0.0.1:{server.port}"
    assert findings[url]["level"] == "ok"
    assert findings[f"{url} queue"]["level"] == level
    assert done.returncode == (1 if level == "fail" else 0)


def test_doctor_says_that_nobody_is_there(tmp_path: Path) -> None:
    done = cli("doctor", "-c", str(write(tmp_path, broker(free_port()))))
    assert done.returncode == 1
    assert "cannot connect" in done.stdout


# -- look --


def test_the_metrics_of_a_running_gateway_are_those_of_the_glossary(gateway: Gateway) -> None:
    both = (b"infragate_step_seconds", b"infragate_commit_seconds")  # processor's and intake's
    wait_until(lambda: all(one in gateway.get("/metrics") for one in both), what="snapshots")
    seen = set()
    for family in text_string_to_metric_families(gateway.get("/metrics").decode()):
        if family.name.startswith("infragate_web_"):  # the process's own: memory, CPU
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        term = METRICS[name]
        assert (family.type, family.documentation) == (term.kind, term.text)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(term.labels), name
        seen.add(name)
    assert len(seen) > 15


def test_status_tells_how_far_the_gateway_is(gateway: Gateway) -> None:
    def processed() -> Any:
        status = ask(gateway, "status")
        return status if status["processed_record"] == status["durable_record"] else None

    status = wait_until(processed, what="a processor that has done all")
    assert status["processor"] == "attached"
    assert status["processed_record"] >= 20
    shown = cli("status", "-c", str(gateway.config)).stdout
    assert {line.split()[0] for line in shown.splitlines()} == set(status)


def test_tap_shows_messages_as_they_pass(gateway: Gateway, port: int) -> None:
    command = [sys.executable, "-m", "gateway", "tap", "tg/1/+/water/#", "--count", "2", "--json"]
    tap = subprocess.Popen(
        [*command, "-c", str(gateway.config)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        with sender(port) as client:
            # nobody tells when the tap is open, so until it has seen both
            while tap.poll() is None:
                client.send([("tg/1/evn/water/w-1/t", b"\xff\0"), (METER, b"{}")])
                time.sleep(0.1)
        assert tap.stdout is not None
        seen = [json.loads(line) for line in tap.stdout]
    finally:
        tap.kill()
        tap.wait()
    assert seen == [{"topic": "tg/1/evn/water/w-1/t", "payload_base64": "/wA="}] * 2
    assert tap.returncode == 0


def test_commands_that_need_a_gateway_say_that_there_is_none(tmp_path: Path) -> None:
    file = write(tmp_path, listener(1883))
    for words in (
        ("status",),
        ("tap",),
        ("quarantine", "requeue", "1"),
        ("quarantine", "drop", "1"),
    ):
        done = cli(*words, "-c", str(file))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"infragate: no gateway runs on {tmp_path}/var\n"


def test_misuse_is_exit_code_2(tmp_path: Path) -> None:
    file = str(write(tmp_path, listener(1883)))
    for words in (
        (), ("fly",), ("quarantine",), ("quarantine", "requeue"), ("quarantine", "show", "x"),
        ("device", "rotate", "m-1", "--overlap", "soon"), ("device", "enrol", "M 1", "--org", "o1"),
        ("export", "--device", "m-1"),
        ("export", "--device", "m", "--profile", "em1", "--from", "x"),
        ("replay", "--from", "a"), ("check", "-c", f"{file}.none"),
    ):  # fmt: skip
        done = cli(*words) if "-c" in words or not words else cli(*words, "-c", file)
        assert done.returncode == 2, words
        assert "Traceback" not in done.stderr
        assert done.stderr


# -- quarantine --


def test_quarantine_is_listed_shown_and_exported_byte_for_byte(
    gateway: Gateway, tmp_path: Path
) -> None:
    entries = [e for e in ask(gateway, "quarantine", "list") if e["topic"] == METER]
    bad = {entry["id"]: bad for entry, bad in zip(entries, hostile.NUMBERS, strict=False)}
    for entry in entries[: len(hostile.NUMBERS)]:
        wanted = bad[entry["id"]]
        assert (entry["reason"], entry["size"]) == (wanted.reason, len(wanted.payload))
        shown = ask(gateway, "quarantine", "show", str(entry["id"]))
        assert bytes.fromhex(shown.pop("payload_hex")) == wanted.payload
        assert shown == entry
    exported = ask(gateway, "quarantine", "export", str(tmp_path / "out"), "--reason", "encoding")
    files = {int(file.stem): file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert exported["exported"] == len(files)
    for number, wanted in bad.items():
        if wanted.reason == "encoding":
            assert files[number] == wanted.payload
    text = cli("quarantine", "show", str(entries[0]["id"]), "-c", str(gateway.config)).stdout
    assert text.endswith(hostile.NUMBERS[0].payload.decode() + "\n")
    missing = cli("quarantine", "show", "999999", "-c", str(gateway.config))
    assert (missing.returncode, missing.stderr) == (1, "infragate: no entry 999999\n")


def test_quarantine_pages_by_id_and_forgets_what_is_dropped(gateway: Gateway, port: int) -> None:
    with sender(port) as client:
        client.send([("drop/me", b"1"), ("drop/me", b"2")])
    wait_until(lambda: len(unmapped(gateway)) == 2, what="quarantined")
    first, second = unmapped(gateway)
    page = ask(gateway, "quarantine", "list", "--after", str(first["id"]), "--limit", "1")
    assert [entry["id"] for entry in page] == [second["id"]]
    before = gateway.settle()
    assert ask(gateway, "quarantine", "drop", str(first["id"])) == {"dropped": 1}
    assert [entry["id"] for entry in unmapped(gateway)] == [second["id"]]
    assert gateway.settle() == before  # they were received, and could not be read
    assert ask(gateway, "quarantine", "drop", str(first["id"]), str(second["id"]))["dropped"] == 1


def unmapped(gateway: Gateway) -> Any:
    return ask(gateway, "quarantine", "list", "--reason", "unmapped")


# -- readings --


def export(gateway: Gateway, form: str, *more: str) -> bytes:
    command = [sys.executable, "-m", "gateway", "export", "--device", "meter-1", "--profile", "em1"]
    command += ["--from", "2020-01-01", "--to", "2099-01-01", "--format", form, *more]
    return subprocess.run(
        [*command, "-c", str(gateway.config)], cwd=ROOT, capture_output=True, check=True, timeout=20
    ).stdout


def from_api(gateway: Gateway, form: str) -> bytes:
    url = f"http://127.0.0.1:{gateway.http_port}/api/v1/readings?device=meter-1&profile=em1"
    with urllib.request.urlopen(f"{url}{FOREVER}&limit=1000&format={form}", timeout=10) as answer:
        return bytes(answer.read())


def test_export_writes_what_the_api_answers(gateway: Gateway, tmp_path: Path) -> None:
    for form in ("csv", "ndjson"):
        assert export(gateway, form) == from_api(gateway, form)
    rows = list(csv.DictReader(io.StringIO(export(gateway, "csv").decode())))
    assert [int(line["seq"]) for line in rows] == list(range(20))
    file = tmp_path / "meter.parquet"
    assert export(gateway, "parquet", "-o", str(file)) == b""
    tables = [
        pyarrow.parquet.read_table(io.BytesIO(data))
        for data in (file.read_bytes(), from_api(gateway, "parquet"))
    ]
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows == 20
    unknown = cli("export", "--device", "nobody", "--profile", "em1", "-c", str(gateway.config))
    assert (unknown.returncode, unknown.stdout) == (1, "")


# -- journal --


def test_verify_finds_a_flipped_bit(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listener(port)) as gateway, sender(port) as client:
        client.send([(METER, json.dumps(row(seq, now_ms())).encode()) for seq in range(50)])
        sound = ask(gateway, "journal", "verify")
        assert (sound["records"], sound["first"], sound["last"]) == (50, 1, 50)
        assert not sound["damaged"]
    (segment,) = (tmp_path / "data" / "journal").glob("*.journal")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 4
    segment.write_bytes(data)
    done = cli("journal", "verify", "-c", str(gateway.config), "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["records"] == 49
    assert len(report["damaged"]) == 1
    shown = cli("journal", "verify", "-c", str(gateway.config))
    assert shown.returncode == 1
    assert shown.stdout.startswith("damaged: 49 records, 1 to 50\n")


MAPPING = """
[[mapping]]
name = "plug"
topic = "plant/{device}/SENSOR"
profile = "em1"
time = { path = "t", format = "unix_ms" }
columns = { p = "w" }
"""


def test_replay_shows_what_a_mended_configuration_would_make_of_it(tmp_path: Path) -> None:
    port = free_port()
    into = tmp_path / "into"
    with running(tmp_path, listener(port)) as gateway, sender(port) as client:
        start_ms = now_ms()
        client.send([(METER, json.dumps(row(n, start_ms + n)).encode()) for n in range(10)])
        client.send(
            [("plant/p-1/SENSOR", b'{"t":%d,"w":%d}' % (start_ms + n, n)) for n in range(5)]
        )
        client.send([(METER, b"broken")])
        accounts = gateway.settle(messages=16)
        live = ask(gateway, "replay")
        assert live["readings"] == {"stored": 10, "duplicate": 0, "quarantined": 6}
        assert live["quarantined_by_reason"] == {"unmapped": 5, "encoding": 1}
        gateway.config.write_text(gateway.config.read_text() + MAPPING)
        # put back in vain, as the running gateway has no mapping yet: the journal has them twice
        assert ask(gateway, "quarantine", "requeue", "--reason", "unmapped")["requeued"] == 5
        wait_until(lambda: min(e["id"] for e in unmapped(gateway)) > 16)
        mended = ask(gateway, "replay", "--into", str(into))
        assert mended["readings"] == {"stored": 15, "duplicate": 0, "quarantined": 1}
        assert mended["messages"] == {"stored": 15, "duplicate": 0, "quarantined": 1}
        assert gateway.settle() == accounts  # the live data is untouched
    store = StoreReader(into, PROFILES)
    batch, _ = store.readings("em1", None, 0, 1 << 60, 1000)
    assert len(batch) == 15
    totals = store.accounting()
    assert (totals.received_messages, totals.pending_messages) == (16, 0)
    assert [entry.reason for entry in QuarantineReader(into).list(10)] == ["encoding"]
    again = cli("replay", "--into", str(into), "-c", str(gateway.config))
    assert again.returncode == 1
    assert "holds a store already" in again.stderr
    own = cli("replay", "--into", str(tmp_path / "data"), "-c", str(gateway.config))
    assert own.returncode == 1


# -- run --


def test_run_says_one_line_for_each_source_and_nothing_else(tmp_path: Path) -> None:
    port = free_port()
    with mosquitto() as server:
        sources = listener(port) + broker(server.port, "infragate-1")
        with running(tmp_path, sources) as gateway:
            wait_until(lambda: "connected" in gateway.log.read_text(), what="connected")
            wait_until(lambda: "API and board" in gateway.log.read_text(), what="API")
            time.sleep(1)
        broker_url, url = f"mqtt://127.0.0.1:{server.port}", f"mqtt://127.0.0.1:{port}"
        lines, who = gateway.log.read_text().splitlines(), "with credentials and without"
    assert sorted(line.split(" INFO ")[1] for line in lines) == [
        f"gateway.api.server API and board on http://127.0.0.1:{gateway.http_port}",
        f"gateway.sources.broker_standing source=infragate-1 connected to {broker_url}",
        f"gateway.sources.listener source=0 listening on {url} (clients {who})",
    ]


@pytest.mark.parametrize("what", ["listener", "http"])
def test_a_port_in_use_is_one_line_and_exit_code_1(
    gateway: Gateway, port: int, tmp_path: Path, what: str
) -> None:
    other = Gateway(tmp_path, listener(port if what == "listener" else free_port()))
    if what == "http":
        text = other.config.read_text()
        other.config.write_text(text.replace(str(other.http_port), str(gateway.http_port)))
    done = cli("run", "-c", str(other.config))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "in use" in line
    assert str(gateway.http_port if what == "http" else port) in line


def test_two_gateways_on_one_folder_are_one_too_many(gateway: Gateway, tmp_path: Path) -> None:
    text = gateway.config.read_text()
    other = write(tmp_path, text.replace(str(gateway.http_port), str(free_port())))
    done = cli("run", "-c", str(other))
    assert done.returncode == 1
    assert done.stderr == f"infragate: another gateway runs on {gateway.data_dir}\n"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    file = write(tmp_path, "[gateway]\ndata_dir = '/proc/none'\n")
    for command in ("run", "doctor"):
        done = cli(command, "-c", str(file))
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "/proc/none" in done.stderr


def test_what_is_insecure_is_said_in_the_log_in_metrics_and_on_the_board(
    gateway: Gateway, tmp_path: Path
) -> None:
    assert metric(gateway, "infragate_insecure") == 0
    # 0.0.0.0 as a place to connect to is this machine, but no address of the loopback
    source = f"{broker(free_port())}insecure = true\n".replace("//127.0.0.1", "//0.0.0.0")
    other = Gateway(tmp_path, source)
    text = other.config.read_text()
    refused = write(tmp_path, text.replace("insecure = true", ""), "refused.toml")
    assert "insecure = true" in cli("run", "-c", str(refused)).stderr
    other.config.write_text(text.replace("board = false", "board = true"))
    with running_as_written(other):
        assert metric(other, "infragate_insecure") == 1
        line = other.log.read_text().splitlines()[0]
        assert "WARNING" in line
        assert line.endswith("is talked to without TLS")
        assert b"open to the network without protection" in other.get("/")


def running_as_written(gateway: Gateway) -> Any:
    class Running:
        def __enter__(self) -> None:
            gateway.start()

        def __exit__(self, *_: object) -> None:
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGTERM)
            gateway.process.wait(10)

    return Running()
