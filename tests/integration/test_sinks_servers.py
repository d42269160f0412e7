"""Sinks against the real InfluxDB 1.6.7 and VictoriaMetrics, killed in the middle of it.

No InfluxDB 2 or 3 server can be had for the build machine: ``influx2`` is shown through
influxdb-client against VictoriaMetrics' ``/api/v2/write``, its queries and all of ``influx3``
against the scripted database only.
"""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.errors import SinkDeniedError, SinkUnavailableError
from gateway.model import Position, ReadingBatch
from gateway.sinks import open_sink
from tests.outbox import PROFILES, Outbox, Rig, em1_batch, name_of, section, wall_ms
from tests.servers import Server, influxd, victoria
from tests.support.databases import Held, Points, influx_points, victoria_points

pytestmark = [pytest.mark.clause("942.I.4"), pytest.mark.servers, pytest.mark.timeout(120)]

ROWS = 20_000
PAGE = 500


@pytest.fixture
def influx() -> Iterator[Server]:
    with influxd() as server:
        yield server


@pytest.fixture
def metrics() -> Iterator[Server]:
    with victoria() as server:
        yield server


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def expected(batch: ReadingBatch) -> Points:
    """Return what a batch must be in a database, computed without the encoder."""
    points: Points = {}
    columns = PROFILES[batch.profile].columns
    for row in range(len(batch)):
        device, time_ms = name_of(int(batch.device_index[row]))[2], int(batch.time_ms[row])
        points[device, "quality", time_ms] = int(batch.quality[row])
        points[device, "reasons", time_ms] = int(batch.reasons[row])
        for column, value in zip(columns, batch.values[row], strict=True):
            if not np.isnan(value):
                points[device, column.name, time_ms] = round(float(value) * column.scale, 6)
    return points


async def kill_in_the_middle(
    rig: Rig, server: Server, start_ms: int, read: Callable[[], Held]
) -> None:
    """Kill the database when a quarter is acknowledged, compare every value at the end."""
    for first in range(0, ROWS, PAGE):
        rig.outbox.put(em1_batch(first, PAGE, start_ms))
    async with rig.running():
        await rig.until(lambda: rig.count("infragate_sink_written_total") >= ROWS // 4)
        await asyncio.to_thread(server.kill)
        assert rig.drain.pending > 0
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        await rig.until_empty(60)
        wanted = expected(em1_batch(0, ROWS, start_ms))

        async def is_complete() -> bool:
            return len((await asyncio.to_thread(read))[0]) == len(wanted)

        async with asyncio.timeout(30):  # VictoriaMetrics shows new rows after a second
            while not await is_complete():
                await asyncio.sleep(0.5)
    points, rows = read()
    assert points == wanted
    assert rows == ROWS
    assert rig.refused == []


async def test_influxdb_killed_half_way_has_every_value_once(
    influx: Server, outbox: Outbox
) -> None:
    rig = Rig(outbox, section("influx1", influx.url, batch=PAGE, timeout="5s"))
    await kill_in_the_middle(rig, influx, wall_ms() - 600_000, lambda: influx_points(influx))


async def test_victoriametrics_killed_half_way_has_every_value_once(
    metrics: Server, outbox: Outbox
) -> None:
    rig = Rig(outbox, section("victoriametrics", metrics.url, batch=PAGE, timeout="5s"))
    await kill_in_the_middle(rig, metrics, wall_ms() - 600_000, lambda: victoria_points(metrics))
    assert rig.count("infragate_sink_replays_total", sink="db") == 1


async def test_victoriametrics_killed_after_all_was_acknowledged_is_sent_it_again(
    metrics: Server, outbox: Outbox
) -> None:
    start_ms = wall_ms() - 600_000
    wanted = expected(em1_batch(0, 2000, start_ms))
    outbox.put(em1_batch(0, 2000, start_ms))
    rig = Rig(outbox, section("victoriametrics", metrics.url, timeout="5s", replay_window="4s"))
    async with rig.running():
        await rig.until_empty()
        await asyncio.to_thread(metrics.kill)  # within a second of its 204
        await asyncio.to_thread(metrics.start)
        forgotten = len(wanted) - len(victoria_points(metrics)[0])
        assert forgotten > 0  # else this test shows nothing
        async with asyncio.timeout(30):
            while victoria_points(metrics)[0] != wanted:
                await asyncio.sleep(0.5)


async def test_influx2_writes_through_influxdb_client(metrics: Server, outbox: Outbox) -> None:
    start_ms = wall_ms() - 600_000
    sink = open_sink(section("influx2", metrics.url), wall_ms)
    feed = outbox.feed()
    outbox.put(em1_batch(0, 1000, start_ms))
    await asyncio.to_thread(feed.seek, Position())
    load = await asyncio.to_thread(feed.read, 5000)
    await sink.write(load.lines)
    wanted = expected(em1_batch(0, 1000, start_ms))
    async with asyncio.timeout(20):
        while victoria_points(metrics)[0] != wanted:
            await asyncio.sleep(0.3)
    with pytest.raises(SinkUnavailableError):  # no Flux there: it says so instead of trusting
        await sink.connect()
    await sink.close()
    feed.close()


async def test_a_paused_database_is_left_within_the_timeout(
    metrics: Server, outbox: Outbox
) -> None:
    rig = Rig(outbox, section("victoriametrics", metrics.url, timeout="1s"))
    async with rig.running():
        await rig.until(lambda: rig.drain._is_connected)
        metrics.pause()
        outbox.put(em1_batch(0, 100, wall_ms() - 600_000))
        await rig.until(lambda: rig.count("infragate_sink_errors_total") > 0, timeout_s=3)
        metrics.resume()
        await rig.until_empty()


@pytest.mark.parametrize("type_", ["influx1", "victoriametrics"])
async def test_the_start_token_is_new_after_a_restart_and_only_then(
    type_: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue("influx" if type_ == "influx1" else "metrics")
    sink = open_sink(section(type_, server.url), wall_ms)
    first = await sink.started_at()
    assert first
    assert await sink.started_at() == first
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(1)  # VictoriaMetrics tells whole seconds
    await asyncio.to_thread(server.start)
    assert await sink.started_at() not in {first, None}
    await sink.close()


async def test_a_dialect_of_the_wrong_server_is_found_out_at_connect(influx: Server) -> None:
    for type_ in ("influx3", "influx2"):
        sink = open_sink(section(type_, influx.url, timeout="2s"), wall_ms)
        with pytest.raises(SinkDeniedError):
            await sink.connect()
        await sink.close()


async def test_a_victoriametrics_that_drops_what_it_acknowledges_is_found_out() -> None:
    with victoria() as server:
        # a clock ten days ahead: VictoriaMetrics answers 204 and drops
        sink = open_sink(
            section("victoriametrics", server.url, timeout="2s"), lambda: wall_ms() + 864_000_000
        )
        with pytest.raises(SinkUnavailableError, match="did not give it back"):
            await sink.connect()
        await sink.close()


HOSTILE: list[Any] = ["a,host=x", "a b", "a=b", "naïve-🚦", '"quoted"', "a\\b", "#x", "x" * 200]


@pytest.mark.parametrize("server_name", ["influx", "metrics"])
async def test_a_hostile_identifier_is_never_another_series(
    server_name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(server_name)
    outbox = Outbox(tmp_path / "hostile")
    type_ = "influx1" if server_name == "influx" else "victoriametrics"
    rig = Rig(
        outbox, section(type_, server.url), names=lambda index: ("o", "energy", HOSTILE[index])
    )
    outbox.put(em1_batch(0, len(HOSTILE), wall_ms() - 60_000))
    async with rig.running():
        await rig.until_empty()
    carried = {name for name in HOSTILE if "\\" not in name}
    assert len(rig.refused) == len(HOSTILE) - len(carried)

    def seen() -> set[str]:
        if server_name == "metrics":
            return {key[0] for key in victoria_points(server)[0]}
        return {key[0] for key in influx_points(server)[0]}

    async with asyncio.timeout(10):
        while len(seen()) < len(carried):
            await asyncio.sleep(0.3)
    assert seen() == carried
