"""The control socket: how ``infragate tap``, ``status`` and ``requeue`` reach the intake.

A Unix socket in the data directory, readable by its owner only. A request is one line of JSON
``{"do": name, …}``; the answer is one line, or for ``tap`` as many as come until either hangs up.
A tap may carry a request ``then``, done once it is open: so an answer to it cannot be missed.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.ports import Intake, Message, Publisher
from gateway.topics import OUR_TOPICS, filter_matches

MAX_REQUEST_BYTES = 1 << 20
MAX_TAP_QUEUE = 1000  # a slow terminal loses samples, it never holds the intake up

Answer = dict[str, Any]
Handler = Callable[[dict[str, Any]], Answer | Awaitable[Answer]]


class Taps:
    """Copies of passing messages for whoever looks on."""

    def __init__(self) -> None:
        self._taps: dict[asyncio.Queue[bytes], str] = {}

    def __bool__(self) -> bool:
        """Return whether anyone looks on; the hot path asks nothing else."""
        return bool(self._taps)

    def see(self, topic: bytes, payload: bytes) -> None:
        """Offer one message to all onlookers."""
        name = topic.decode("utf-8", "replace")
        line = b""
        for queue, wanted in self._taps.items():
            if filter_matches(wanted, name) and not queue.full():
                line = line or _tap_line(name, payload)
                queue.put_nowait(line)

    async def watch(
        self, wanted: str, then: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncIterator[bytes]:
        """Call ``then``, and yield matching messages as lines of JSON until the caller stops."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(MAX_TAP_QUEUE)
        self._taps[queue] = wanted
        try:
            if then is not None:
                await then()
            while True:
                yield await queue.get()
        finally:
            del self._taps[queue]


def _tap_line(topic: str, payload: bytes) -> bytes:
    try:
        shown = {"topic": topic, "payload": payload.decode("utf-8")}
    except UnicodeDecodeError:
        shown = {"topic": topic, "payload_base64": base64.b64encode(payload).decode()}
    return json.dumps(shown, ensure_ascii=False).encode() + b"\n"


class WatchedIntake:
    """See ``ports.Intake``: the same, with onlookers."""

    def __init__(self, intake: Intake, taps: Taps) -> None:
        self._intake = intake
        self._taps = taps
        self.on_durable = intake.on_durable
        self.on_relief = intake.on_relief

    @property
    def is_congested(self) -> bool:
        """See ``ports.Intake``."""
        return self._intake.is_congested

    def append(self, source: int, flags: int, topic: bytes, payload: bytes) -> int:
        """See ``ports.Intake``."""
        if self._taps:
            self._taps.see(topic, payload)
        return self._intake.append(source, flags, topic, payload)

    def extend(self, source: int, messages: Sequence[Message]) -> int:
        """See ``ports.Intake``."""
        if self._taps:
            for _, topic, payload in messages:
                self._taps.see(topic, payload)
        return self._intake.extend(source, messages)


def announcer(publishers: Sequence[Publisher]) -> Callable[[dict[str, Any]], Answer]:
    """Return what publishes calls ``[topic, payload, retain]`` of the annunciator."""

    def announce(request: dict[str, Any]) -> dict[str, Any]:
        for topic, payload, retain in request.get("calls", ()):
            if not str(topic).startswith(OUR_TOPICS):
                return {"error": f"{topic!r} is none of our topics"}
            for publisher in publishers:
                publisher.publish(str(topic), str(payload).encode(), retain=bool(retain))
        return {"announced": len(publishers)}

    return announce


class ControlServer:
    """Answers requests; no handler may block, one that has to wait for something is awaited."""

    def __init__(self, path: Path, handlers: dict[str, Handler], taps: Taps) -> None:
        self._path = path
        self._handlers = handlers
        self._taps = taps

    async def run(self) -> None:
        """Serve until cancelled."""
        self._path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(
            self._serve, str(self._path), limit=MAX_REQUEST_BYTES
        )
        self._path.chmod(0o600)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            request = json.loads(await reader.readline() or b"{}")
            if request.get("do") == "tap":
                await self._serve_tap(request, writer)
            else:
                writer.write(json.dumps(await self._answer(request)).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, request: dict[str, Any]) -> Answer:
        handler = self._handlers.get(str(request.get("do")))
        if handler is None:
            return {"error": f"unknown request; known: {', '.join(sorted(self._handlers))}"}
        answer = handler(request)
        return answer if isinstance(answer, dict) else await answer

    async def _serve_tap(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        async def then() -> None:
            answer = await self._answer(request["then"]) if "then" in request else {}
            if "error" in answer:
                writer.write(json.dumps(answer).encode() + b"\n")

        async for line in self._taps.watch(str(request.get("filter", "#")), then):
            writer.write(line)
            await writer.drain()
