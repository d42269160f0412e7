"""A TCP proxy with the faults of real networks: black hole, reset, latency."""

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Self

_READ_BYTES = 1 << 16


class Proxy:
    """Forwards to ``127.0.0.1:target``; change the attributes at any time.

    Attributes:
        is_black_hole: bytes vanish in both directions, connections stay open, as behind a
            router that has forgotten them.
        latency_s: every read waits so long before it is passed on.
        accepted: how many connections have come in.
    """

    def __init__(self, target: int) -> None:
        self.is_black_hole = False
        self.latency_s = 0.0
        self.accepted = 0
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> None:
        """End every connection with RST, as a crashed peer does."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.cut()

    def cut(self) -> None:
        """End every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(far_writer)
        for pair in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._forward(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                if not self.is_black_hole:
                    writer.write(data)
                    await writer.drain()
        if not self.is_black_hole:
            writer.close()
            self._writers.discard(writer)
