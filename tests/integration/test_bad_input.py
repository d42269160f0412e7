"""The whole gateway and all that is wrong: in quarantine, byte for byte, and counted."""

import hashlib
import json
import random
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import procfs
from gateway.cli.loopback import free_port
from tests.faults import quick_or_soak
from tests.shared import needs_shared
from tests.support import hostile
from tests.support.clients import ask, sender
from tests.support.running import Gateway, listener, running, wait_until

pytestmark = [pytest.mark.clause("749.IV.4-0"), pytest.mark.servers]

ROLES = {"processor", "keeper", "web", "analyst", "annunciator"}
MAPPING = """
[[mapping]]
name = "plug"
topic = "plant/{device}/SENSOR"
profile = "em1"
time = { path = "t", format = "unix_ms" }
[mapping.columns]
ea_imp = "wh"
p = "w"
"""


def listed(gateway: Gateway) -> list[dict[str, Any]]:
    """Return all entries of the quarantine."""
    page = gateway.get("/api/v1/quarantine?limit=10000")
    assert page["next"] is None
    entries: list[dict[str, Any]] = page["quarantine"]
    return entries


def quarantined(gateway: Gateway) -> list[dict[str, Any]]:
    """Return all entries, each after comparing its bytes with the hash that the API gives."""
    entries = listed(gateway)
    for entry in entries:
        url = f"http://127.0.0.1:{gateway.http_port}/api/v1/quarantine/{entry['id']}/payload"
        with urllib.request.urlopen(url, timeout=10) as answer:
            payload = answer.read()
        assert len(payload) == entry["size"]
        assert sha256(payload) == entry["sha256"]
    return entries


def sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def processes(gateway: Gateway) -> set[int]:
    assert gateway.process is not None
    return set(procfs.tree(gateway.process.pid))


@contextmanager
def unshaken(gateway: Gateway) -> Iterator[None]:
    """Assert that no process of the gateway dies or complains meanwhile."""
    wait_until(lambda: set(gateway.roles()) >= ROLES, what="all roles")
    before = processes(gateway)
    yield
    assert processes(gateway) == before
    assert b"child_restarts" not in gateway.get("/metrics")
    log = gateway.log.read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log


@needs_shared
def test_all_of_jsontestsuite_ends_in_quarantine_byte_for_byte(tmp_path: Path) -> None:
    port = free_port()
    sent = {
        f"tg/1/suite/energy/{kind}-{number}/t": (payload, reason)
        for kind, reason, files in (
            ("broken", "encoding", hostile.must_fail()),
            ("sound", "schema", hostile.must_pass()),
        )
        for number, (_, payload) in enumerate(files)
    }
    assert len(sent) == 188 + 95
    with running(tmp_path, listener(port)) as gateway, sender(port) as client:
        with unshaken(gateway):
            client.send([(topic, payload) for topic, (payload, _) in sent.items()])
            accounts = gateway.settle(messages=len(sent))
            assert accounts["readings"]["quarantined"] == len(sent)
            assert accounts["readings"]["stored"] == 0
            found = {e["topic"]: (e["sha256"], e["reason"]) for e in quarantined(gateway)}
        assert found == {t: (sha256(payload), reason) for t, (payload, reason) in sent.items()}


def test_hostile_payloads_and_names_end_in_quarantine_byte_for_byte(tmp_path: Path) -> None:
    port = free_port()
    good = [(f"tg/1/evn/energy/meter-{n}/t", hostile.row("812", time_ms=0)) for n in range(3)]
    bad = [(f"tg/1/evn/energy/bad-{n}/t", b.payload) for n, b in enumerate(hostile.ALL)]
    reasons = [b.reason for b in hostile.ALL]
    names = [("tg/1/{}/energy/a1/t", "tg/1/evn/{}/a1/t", "tg/1/evn/energy/{}/t", "plant/{}/x")]
    bad += [
        (form.format(n), good[0][1]) for forms in names for form in forms for n in hostile.NAMES
    ]
    reasons += ["topic"] * 3 * len(hostile.NAMES) + ["unmapped"] * len(hostile.NAMES)
    with running(tmp_path, listener(port)) as gateway, sender(port) as client:
        with unshaken(gateway):
            client.send([*good, *bad])
            send_raw(port, b"tg/1/evn/energy/a\0b/t", b"{}")  # which MQTT forbids
            send_raw(port, b"tg/1/evn/energy/a1/t", b"a" * hostile.MIB)  # beyond max_packet_bytes
            send_raw(port, b"tg/1/\xff/energy/a1/t", b"{}")
            send_raw(port, b"tg/1/evn/energy/+/t", b"{}")
            accounts = gateway.settle(messages=len(good) + len(bad))
            assert accounts["messages"]["received"] == len(good) + len(bad)
            assert accounts["readings"]["stored"] == len(good)
            assert accounts["readings"]["quarantined"] == len(bad)
            entries = quarantined(gateway)
        assert [entry["sha256"] for entry in entries] == [sha256(payload) for _, payload in bad]
        assert [entry["reason"] for entry in entries] == reasons
        devices = {device["device"] for device in gateway.get("/api/v1/devices")["devices"]}
        assert devices == {topic.split("/")[4] for topic, _ in [*good, *bad[: len(hostile.ALL)]]}


def send_raw(port: int, topic: bytes, payload: bytes) -> None:
    """Send a PUBLISH that no library would; return when the gateway has hung up."""
    body = len(topic).to_bytes(2, "big") + topic + b"\0\1" + payload
    size, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        size += bytes((digit | 128 if rest else digit,))
        if not rest:
            break
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(b"\x10\x0f\0\4MQTT\4\2\0\x3c\0\3raw")
        assert sock.recv(4) == b"\x20\2\0\0"
        try:
            sock.sendall(b"\x32" + size + body)
            assert sock.recv(100) == b""
        except ConnectionError:
            pass  # hung up before it had read everything


# -- requeue --


def plug(number: int, **keys: object) -> tuple[str, bytes]:
    """Return a foreign message; ``number`` makes its device and its time."""
    now_ms = time.time_ns() // 1_000_000
    body = {"t": now_ms - 60_000 + number, "wh": 1000 + number, "w": number, **keys}
    return f"plant/plug-{number % 7}/SENSOR", json.dumps(body).encode()


def test_what_had_no_mapping_is_read_again_and_what_fails_again_stays(tmp_path: Path) -> None:
    port = free_port()
    good = [plug(number) for number in range(40)]
    wrong = [plug(100, w="much"), plug(101, t="now"), ("plant/plug-1/STATE", b'{"t":1}')]
    with running(tmp_path, listener(port)) as gateway, sender(port) as client:
        client.send([*good, *wrong, good[0]])  # one of them twice
        before = gateway.settle(messages=44)
        assert before["readings"]["quarantined"] == 44
        assert {entry["reason"] for entry in quarantined(gateway)} == {"unmapped"}
    gateway.config.write_text(gateway.config.read_text() + MAPPING)
    with unshaken_from_here(gateway):
        assert ask(gateway, "quarantine", "requeue", "--reason", "unmapped") == {
            "requeued": 44,
            "unknown": 0,
        }
        wait_until(lambda: gateway.accounting()["readings"]["stored"] == 40, what="stored")
        after = gateway.settle()
        for unit in ("messages", "readings"):
            assert after[unit] == {
                "received": 44, "stored": 40, "duplicate": 1, "quarantined": 3, "pending": 0,
            }  # fmt: skip
        entries = quarantined(gateway)
        assert [(e["reason"], e["sha256"]) for e in entries] == [
            ("schema", sha256(wrong[0][1])),
            ("schema", sha256(wrong[1][1])),
            ("unmapped", sha256(wrong[2][1])),
        ]
        assert len(readings(gateway)) == 40
        # again, by id and by reason: nothing may come of it but what was
        ids = [str(entry["id"]) for entry in entries]
        assert ask(gateway, "quarantine", "requeue", *ids)["requeued"] == 3
        wait_until(lambda: not {e["id"] for e in listed(gateway)} & set(map(int, ids)))
        assert gateway.settle() == after
        assert [e["sha256"] for e in quarantined(gateway)] == [e["sha256"] for e in entries]


@contextmanager
def unshaken_from_here(gateway: Gateway) -> Iterator[None]:
    gateway.log.write_text("")
    gateway.start()
    try:
        with unshaken(gateway):
            yield
    finally:
        gateway.stop()


def readings(gateway: Gateway) -> list[dict[str, Any]]:
    path = "/api/v1/readings?profile=em1&from=0&to=4102444800000&limit=100000&lineage=true"
    found: list[dict[str, Any]] = gateway.get(path)["readings"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kills_on_the_way_back_from_quarantine_leave_the_accounts_right(tmp_path: Path) -> None:
    port, rng = free_port(), random.Random(3)
    kills = quick_or_soak(3, 60)
    good = [plug(number) for number in range(400)]
    wrong = [plug(400 + number, w="much") for number in range(50)]
    with running(tmp_path, listener(port)) as gateway, sender(port) as client:
        client.send([*good, *wrong])
        gateway.settle(messages=450)
    gateway.config.write_text(gateway.config.read_text() + MAPPING)
    gateway.start()
    try:
        for kill in range(kills):
            reason = "schema" if kill % 2 else "unmapped"
            ask(gateway, "quarantine", "requeue", "--reason", reason)
            time.sleep(rng.uniform(0, 0.6) ** 2)
            gateway.kill()
            gateway.start()
            check_accounts(gateway, good, wrong)
        ask(gateway, "quarantine", "requeue", "--reason", "unmapped")
        wait_until(lambda: gateway.accounting()["readings"]["stored"] == 400, what="stored")
        check_accounts(gateway, good, wrong)
        assert len(quarantined(gateway)) == 50
    finally:
        gateway.stop()


def check_accounts(
    gateway: Gateway, good: list[tuple[str, bytes]], wrong: list[tuple[str, bytes]]
) -> None:
    """Assert that each message is in one place, whole, and counted there."""
    accounts = gateway.settle()
    entries = listed(gateway)
    times = [reading["time"] for reading in readings(gateway)]
    assert len(set(times)) == len(times)
    for unit in ("messages", "readings"):
        assert accounts[unit] == {
            "received": 450, "stored": len(times), "duplicate": 0,
            "quarantined": len(entries), "pending": 0,
        }  # fmt: skip
    waiting = [entry["sha256"] for entry in entries]
    assert set(waiting) <= {sha256(payload) for _, payload in [*good, *wrong]}
    assert len(set(waiting)) == len(waiting)
    assert {sha256(payload) for _, payload in wrong} <= set(waiting)
