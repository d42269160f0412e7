"""What ``ports.Sink`` promises, kept by every sink against one scripted database.

The four write to the same points; ``tests/integration/test_sinks_servers.py`` has the real
servers that can be had.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from gateway.errors import (
    ConfigError,
    SinkDeniedError,
    SinkRefusedError,
    SinkUnavailableError,
)
from gateway.ports import Sink
from gateway.sinks import open_sink
from tests.outbox import section, wall_ms
from tests.scripted_database import Hit, Reply, ScriptedDatabase

TYPES = ["influx1", "influx2", "influx3", "victoriametrics"]
LINES = [b"em1,device=m-%d p=1.5 %d" % (number, 1000 + number) for number in range(100)]
POINTS = {(line.split(b" ")[0], line.split(b" ")[2]): b"p=1.5" for line in LINES}


@pytest.fixture
async def database() -> AsyncIterator[ScriptedDatabase]:
    async with ScriptedDatabase().running() as server:
        yield server


@pytest.fixture(params=TYPES)
async def sink(request: pytest.FixtureRequest, database: ScriptedDatabase) -> AsyncIterator[Sink]:
    made = open_sink(section(request.param, database.url, timeout="1s"), wall_ms)
    yield made
    await made.close()


async def test_connect_writes_a_point_and_reads_it_back(
    sink: Sink, database: ScriptedDatabase
) -> None:
    await sink.connect()
    assert [series for series, _ in database.points] == [b"infragate_canary,sink=db"]


async def test_a_database_that_forgets_the_canary_is_not_connected(
    sink: Sink, database: ScriptedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sinks.canary._PATIENCE_S", 0.5)
    empty = {"/api/v2/query": b"", "/api/v2/buckets": None}

    def fault(hit: Hit) -> Reply | None:
        body = empty.get(hit.path, b"{}")
        return Reply() if hit.is_write else body if body is None else Reply(200, body=body)

    database.fault = fault
    with pytest.raises(SinkUnavailableError, match="did not give it back"):
        await sink.connect()


async def test_lines_are_written_as_they_are(sink: Sink, database: ScriptedDatabase) -> None:
    await sink.write(LINES)
    assert database.points == POINTS
    assert database.hits[0].body.strip() == b"\n".join(LINES)
    precision = database.hits[0].query["precision"]
    assert precision in (["ms"], ["millisecond"])


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, SinkRefusedError),
        (413, SinkRefusedError),
        (422, SinkRefusedError),
        (401, SinkDeniedError),
        (403, SinkDeniedError),
        (404, SinkDeniedError),
        (408, SinkUnavailableError),
        (429, SinkUnavailableError),
        (500, SinkUnavailableError),
        (503, SinkUnavailableError),
    ],
)
async def test_each_status_is_the_same_error_on_every_sink(
    sink: Sink, database: ScriptedDatabase, status: int, error: type[Exception]
) -> None:
    database.fault = lambda _hit: Reply(status, body=b'{"error": "the server\'s words"}')
    with pytest.raises(error, match="the server's words"):
        await sink.write(LINES)
    database.fault = lambda _hit: None
    await sink.write(LINES)  # and it is none the worse for it
    assert database.points == POINTS


async def test_retry_after_is_handed_on(sink: Sink, database: ScriptedDatabase) -> None:
    database.fault = lambda _hit: Reply(503, ("Retry-After: 7",))
    with pytest.raises(SinkUnavailableError) as caught:
        await sink.write(LINES)
    assert caught.value.retry_after_s == 7


async def test_a_database_that_is_not_there_is_unavailable(
    sink: Sink, database: ScriptedDatabase
) -> None:
    await sink.write(LINES[:1])
    database.fault = lambda _hit: Reply(resets=True)
    with pytest.raises(SinkUnavailableError):
        await sink.write(LINES)


async def test_a_write_that_hangs_ends_with_the_timeout(
    sink: Sink, database: ScriptedDatabase
) -> None:
    database.fault = lambda _hit: Reply(hangs=True)
    begun_s = time.monotonic()
    with pytest.raises(SinkUnavailableError):
        await sink.write(LINES)
    assert time.monotonic() - begun_s < 2


async def test_a_write_that_is_cancelled_leaves_the_sink_usable(
    sink: Sink, database: ScriptedDatabase
) -> None:
    database.fault = lambda _hit: Reply(hangs=True)
    task = asyncio.create_task(sink.write(LINES))
    await asyncio.sleep(0.2)
    begun_s = time.monotonic()
    task.cancel()
    await asyncio.wait([task])
    assert time.monotonic() - begun_s < 1
    database.fault = lambda _hit: None
    await asyncio.sleep(1)  # influxdb-client's thread comes free with its own timeout
    await sink.write(LINES)
    assert database.points == POINTS


async def test_a_connection_the_server_closed_while_idle_is_no_error(
    database: ScriptedDatabase,
) -> None:
    sink = open_sink(section("influx1", database.url), wall_ms)
    await sink.write(LINES[:50])
    for task in database._tasks:
        task.cancel()
    await asyncio.sleep(0.1)
    await sink.write(LINES[50:])
    assert database.points == POINTS
    await sink.close()


async def test_an_answer_without_end_is_cut_off(database: ScriptedDatabase) -> None:
    sink = open_sink(section("influx1", database.url), wall_ms)
    database.fault = lambda _hit: Reply(400, body=b"x" * (1 << 23))
    with pytest.raises(SinkRefusedError) as caught:
        await sink.write(LINES)
    assert len(str(caught.value)) < 600
    database.fault = lambda _hit: None
    await sink.write(LINES)
    assert database.points == POINTS
    await sink.close()


@pytest.mark.parametrize("type_", TYPES)
async def test_a_token_is_sent_and_never_shown(
    type_: str, database: ScriptedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_TOKEN", "s3cr3t")
    sink = open_sink(section(type_, database.url, token={"env": "DB_TOKEN"}), wall_ms)
    await sink.write(LINES)
    scheme = "Token" if type_ == "influx2" else "Bearer"
    assert database.hits[0].headers["authorization"] == f"{scheme} s3cr3t"
    database.fault = lambda _hit: Reply(401, body=b"no")
    with pytest.raises(SinkDeniedError) as caught:
        await sink.write(LINES)
    assert "s3cr3t" not in repr(caught.value)
    await sink.close()


async def test_a_user_and_password_are_sent(
    database: ScriptedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "pässword")
    more = {"username": "gw", "password": {"env": "DB_PASSWORD"}}
    sink = open_sink(section("influx1", database.url, **more), wall_ms)
    await sink.write(LINES)
    pair = base64.b64encode("gw:pässword".encode()).decode()
    assert database.hits[0].headers["authorization"] == f"Basic {pair}"
    await sink.close()


def test_a_secret_that_is_not_there_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError):
        open_sink(section("influx1", "http://127.0.0.1:1", token={"env": "NO_SUCH"}), wall_ms)


@pytest.mark.parametrize("type_", TYPES)
async def test_tls_is_checked_against_the_authority_that_is_named(
    type_: str, tmp_path: Path
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    for name, which in (("ca", authority), ("stranger", stranger)):
        which.cert_pem.write_to_path(str(tmp_path / name))
    async with ScriptedDatabase(tls=context).running() as database:
        url = f"https://127.0.0.1:{database.port}"
        sink = open_sink(section(type_, url, ca=tmp_path / "ca"), wall_ms)
        await sink.write(LINES)
        assert database.points == POINTS
        await sink.close()
        wary = open_sink(section(type_, url, ca=tmp_path / "stranger"), wall_ms)
        with pytest.raises(SinkUnavailableError):
            await wary.write(LINES)
        await wary.close()
