"""A database on loopback that really stores lines and fails as a test tells it to.

It takes the write paths of InfluxDB 1, 2, 3 and VictoriaMetrics and gives the canary back. What
it cannot prove is how the real servers behave; ``tests/integration/test_sinks_servers.py`` does.
"""

import asyncio
import contextlib
import gzip
import json
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

_TIME = re.compile(r"(?:time = |time\(v: |_millis\()(\d+)")


class Hit(NamedTuple):
    """One request as it arrived."""

    at_s: float  # monotonic
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes  # decompressed

    @property
    def is_write(self) -> bool:
        """Whether it carries lines of readings or the canary."""
        return self.method == "POST" and "write" in self.path

    @property
    def lines(self) -> list[bytes]:
        """What it carries."""
        return self.body.splitlines()


class Reply(NamedTuple):
    """What to do instead of the normal thing."""

    status: int = 204
    headers: tuple[str, ...] = ()
    body: bytes = b""
    applies: bool = False  # store the lines although the answer says otherwise
    hangs: bool = False
    resets: bool = False  # end the connection with a TCP reset instead of an answer
    drips: bool = False  # a byte of the answer's head now and then, for ever


@dataclass
class ScriptedDatabase:
    """Points by (series, time); a point written twice is one, as in the real ones."""

    points: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    # None: behave
    fault: Callable[[Hit], Reply | None] = lambda _hit: None
    started: str = "2026-11-21T22:00:00Z"
    port: int = 0
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def writes(self) -> list[Hit]:
        """Requests that carried readings, without the canary's."""
        return [hit for hit in self.hits if hit.is_write and not hit.body.startswith(b"infragate_")]

    @property
    def readings(self) -> dict[tuple[bytes, bytes], bytes]:
        """Points without the canaries."""
        return {k: v for k, v in self.points.items() if not k[0].startswith(b"infragate_")}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedDatabase"]:
        """Listen until the end of the block; connections end with it."""
        server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=1 << 24, ssl=self.tls
        )
        self.port = server.sockets[0].getsockname()[1]
        tasks = self._tasks = set[asyncio.Task[None]]()
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._answer_one(reader, writer):
                pass
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        hit = await _read(reader)
        self.hits.append(hit)
        reply = self.fault(hit)
        if reply is None:
            reply = self._behave(hit)
        elif reply.applies:
            self._store(hit.lines)
        if reply.resets:
            return False
        while reply.hangs or reply.drips:
            if reply.drips:
                writer.write(b"H")
                await writer.drain()  # raises once the other side is tired of it
            await asyncio.sleep(0.1)
        head = f"HTTP/1.1 {reply.status} x\r\n" + "".join(f"{h}\r\n" for h in reply.headers)
        writer.write(f"{head}Content-Length: {len(reply.body)}\r\n\r\n".encode() + reply.body)
        await writer.drain()
        return True

    def _behave(self, hit: Hit) -> Reply:
        if hit.is_write:
            self._store(hit.lines)
            return Reply()
        words = hit.query.get("q", [""])[0] or hit.body.decode()
        if "DIAGNOSTICS" in words:
            series = {
                "name": "system",
                "columns": ["PID", "started"],
                "values": [[1, self.started]],
            }
            return _json({"results": [{"series": [series]}]})
        if hit.path == "/api/v2/buckets":
            return _json({"buckets": [{"name": "infragate", "retentionRules": []}]})
        if hit.path == "/api/v1/export":
            words = f"time = {hit.query['start'][0].replace('.', '')}"
        found = _TIME.search(words)
        if found is None:  # CREATE DATABASE, /metrics
            return _json({"results": [{}]})
        return self._canary(hit.path, found[1])

    def _canary(self, path: str, time_text: str) -> Reply:
        time_ms = time_text[:13].encode()
        value = next(
            float(fields.removeprefix(b"value="))
            for (series, at), fields in self.points.items()
            if series.startswith(b"infragate_canary") and at == time_ms
        )
        if path == "/query":
            series = {"columns": ["time", "value"], "values": [[int(time_ms), value]]}
            return _json({"results": [{"series": [series]}]})
        if path == "/api/v1/export":
            return _json({"metric": {}, "values": [value], "timestamps": [int(time_ms)]})
        if path == "/api/v3/query_sql":
            return _json([{"value": value}])
        csv = (
            "#datatype,string,long,double,string\r\n#group,false,false,false,true\r\n"
            f"#default,_result,,,\r\n,result,table,_value,sink\r\n,,0,{value},s\r\n\r\n"
        )
        return Reply(200, ("Content-Type: text/csv",), csv.encode())

    def _store(self, lines: list[bytes]) -> None:
        for line in lines:
            series, fields, time_ms = line.split(b" ")
            self.points[series, time_ms] = fields


def _json(value: object) -> Reply:
    return Reply(200, ("Content-Type: application/json",), json.dumps(value).encode())


async def _read(reader: asyncio.StreamReader) -> Hit:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    parts = urlsplit(target)
    return Hit(time.monotonic(), method, parts.path, parse_qs(parts.query), headers, body)
