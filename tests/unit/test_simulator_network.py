"""The proxy delays, stalls, narrows and forgets as its conditions say, and loses no byte else."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from statistics import mean

import pytest

from simulators.network import PROFILES, SHORTEST_RTO_S, Conditions
from simulators.proxy import QUEUE_BYTES, Proxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.CancelledError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxied(conditions: Conditions) -> AsyncIterator[tuple[Proxy, Streams]]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy = Proxy("127.0.0.1", port, conditions, random.Random(1))
    await proxy.start()
    streams = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield proxy, streams
    finally:
        streams[1].close()
        proxy.close()
        server.close()


async def ask(streams: Streams, data: bytes) -> float:
    reader, writer = streams
    began_s = time.perf_counter()
    writer.write(data)
    assert await asyncio.wait_for(reader.readexactly(len(data)), 20) == data
    return time.perf_counter() - began_s


async def test_without_conditions_bytes_pass_in_order_however_many() -> None:
    data = random.Random(2).randbytes(20 * QUEUE_BYTES)
    async with proxied(Conditions()) as (_, streams):
        await ask(streams, data)


async def test_both_ways_are_late_by_the_delay() -> None:
    async with proxied(Conditions(delay_s=0.05)) as (_, streams):
        took_s = [await ask(streams, b"x") for _ in range(5)]
    assert all(one >= 0.1 for one in took_s)
    assert min(took_s) < 0.3


async def test_jitter_does_not_reorder() -> None:
    conditions = Conditions(delay_s=0.02, jitter_s=0.02)
    async with proxied(conditions) as (_, (reader, writer)):
        sent = b""
        for number in range(60):
            sent += (piece := b"%04d" % number)
            writer.write(piece)
            await asyncio.sleep(0.002)
        assert await asyncio.wait_for(reader.readexactly(len(sent)), 10) == sent


async def test_a_narrow_line_takes_its_time() -> None:
    async with proxied(Conditions(bytes_per_s=200_000)) as (_, streams):
        assert await ask(streams, bytes(100_000)) >= 0.5


async def test_a_lost_segment_is_a_stall() -> None:
    async with proxied(Conditions(loss=0.2)) as (_, streams):
        took_s = [await ask(streams, b"x") for _ in range(12)]
    assert sum(one >= SHORTEST_RTO_S for one in took_s) >= 2
    assert min(took_s) < SHORTEST_RTO_S


def test_stalls_are_as_frequent_and_as_long_as_the_loss_says() -> None:
    conditions, chance = Conditions(delay_s=0.01, loss=0.01), random.Random(3)
    stalls = [conditions.stall_s(1000, chance) for _ in range(100_000)]
    assert mean(stall > 0 for stall in stalls) == pytest.approx(0.01, rel=0.1)
    # 0.01 · 0.2 + 0.0001 · 0.4 + …
    assert mean(stalls) == pytest.approx(0.00204, rel=0.1)
    assert conditions.stall_s(1000, random.Random(4)) == conditions.stall_s(1000, random.Random(4))


async def test_a_forgotten_mapping_leaves_both_ends_open_and_silent() -> None:
    async with proxied(Conditions()) as (proxy, streams):
        await ask(streams, b"before")
        proxy.forget()
        streams[1].write(b"after")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(streams[0].read(1), 0.3)
        assert not streams[0].at_eof()
        again = await asyncio.open_connection("127.0.0.1", proxy.port)
        await ask(again, b"a new mapping")
        again[1].close()
    assert (proxy.rebound, proxy.accepted) == (1, 2)


async def test_mappings_die_of_age_where_the_network_says_so() -> None:
    async with proxied(Conditions(rebind_s=0.05)) as (proxy, _):
        async with asyncio.timeout(5):
            while not proxy.rebound:
                await asyncio.sleep(0.02)


async def test_a_reset_is_seen_as_one() -> None:
    async with proxied(Conditions()) as (proxy, streams):
        await ask(streams, b"before")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await streams[0].read(1)
        proxy.is_refusing = True
        refused = await asyncio.open_connection("127.0.0.1", proxy.port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(refused[0].read(1), 5) == b""
        refused[1].close()


async def test_an_end_is_passed_on_after_what_came_before() -> None:
    async with proxied(Conditions(delay_s=0.05)) as (proxy, (reader, writer)):
        writer.write(b"last words")
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b"last words"
        async with asyncio.timeout(5):
            while proxy.pairs:
                await asyncio.sleep(0.02)


def test_profiles_get_worse_in_their_order() -> None:
    known = [PROFILES[name] for name in ("lan", "5g", "4g", "3g", "edge")]
    assert known == sorted(known, key=lambda one: one.delay_s)
    assert known == sorted(known, key=lambda one: one.loss)
