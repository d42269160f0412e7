"""The web process as it runs: streams, slow clients, the end."""

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from gateway.api.guard import Guard
from gateway.api.keys import Keys
from gateway.api.server import PatientProtocol
from gateway.ports import LatestRow
from gateway.store import Store
from tests.support.alarms import Room, alarm
from tests.support.stores import METER, METER_ROW, NOW_MS, fill
from tests.support.web_process import web_process


def store_one_more(folder: Path, u_dv: float) -> None:
    """Commit another reading of the meter, as the processor does."""
    store = Store.open(folder)
    before = store.load()
    old = next(row for row in before.latest if row.device_index == METER)
    values = np.array([*METER_ROW[:3], u_dv, *METER_ROW[4:]]).astype("<f8").tobytes()
    row: LatestRow = old._replace(values=values, seq=old.seq + 1)
    old_totals = before.totals
    totals = old_totals._replace(
        received_messages=old_totals.received_messages + 1,
        stored=old_totals.stored + 1,
        messages_stored=old_totals.messages_stored + 1,
    )
    store.checkpoint(
        before._replace(totals=totals, latest=[row], devices=[], streams=[], counts=[])
    )
    store.close()


async def next_event(lines: Any) -> tuple[str, Any]:
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            return name, json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


@pytest.mark.servers
async def test_the_stream_tells_the_account_and_what_changed_and_ends_at_sigterm(
    tmp_path: Path,
) -> None:
    fill(tmp_path)
    with web_process(tmp_path) as web:
        async with (
            httpx.AsyncClient(timeout=10) as client,
            client.stream("GET", f"{web.url}/api/v1/stream") as answer,
        ):
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            name, account = await next_event(lines)
            assert (name, account["stored"]) == ("accounting", 186)
            await asyncio.to_thread(store_one_more, tmp_path, 2391.0)
            events = [await next_event(lines) for _ in range(4)]
            latest = [item for name, content in events if name == "latest" for item in content]
            assert [(one["device"], one["values"]["u"]) for one in latest] == [("meter-1", 239.1)]
            assert events[-1][1]["stored"] == 187
            room = Room(tmp_path)
            await asyncio.to_thread(room.tell, alarm("loss", "transformer:t-9", NOW_MS))
            events = [await next_event(lines) for _ in range(3)]
            told = [item for name, content in events if name == "alarms" for item in content]
            assert [(one["kind"], one["state"]) for one in told] == [("loss", "raised")]
            assert await asyncio.to_thread(web.stop) < 3
        assert web.process.returncode == 0
        assert "Traceback" not in web.log.read_text()


class Impatient(PatientProtocol):
    head_timeout_s = 0.3
    stall_timeout_s = 0.3


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"x" * (64 << 20))(scope, receive, send)


async def serve_impatiently() -> tuple[asyncio.Server, tuple[str, int], ServerState]:
    config = Config(Guard(large, Keys()), log_config=None, log_level="critical", lifespan="off")
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Impatient(config, state, {}), "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[:2], state


async def wait_gone(state: ServerState) -> float:
    begin_s = time.monotonic()
    while state.connections:
        await asyncio.sleep(0.02)
    return time.monotonic() - begin_s


@pytest.mark.parametrize("request_", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n"])
async def test_a_client_that_does_not_finish_its_request_is_cut(request_: bytes) -> None:
    server, address, state = await serve_impatiently()
    async with server:
        _, writer = await asyncio.open_connection(*address)
        writer.write(request_)
        await asyncio.sleep(0.05)
        assert len(state.connections) == 1
        assert await asyncio.wait_for(wait_gone(state), 5) < 2
        writer.close()


async def test_a_client_that_does_not_read_is_cut_and_its_answer_freed() -> None:
    server, address, state = await serve_impatiently()
    async with server:
        client = socket.create_connection(address)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.05)
        assert len(state.connections) == 1
        assert await asyncio.wait_for(wait_gone(state), 5) < 2
        while state.tasks:
            await asyncio.sleep(0.01)
        client.close()


async def test_a_client_that_reads_gets_the_whole_answer_and_may_ask_again() -> None:
    server, address, _ = await serve_impatiently()
    async with server, httpx.AsyncClient(timeout=10) as client:
        for _ in range(2):
            answer = await client.get(f"http://{address[0]}:{address[1]}/")
            assert len(answer.content) == 64 << 20
