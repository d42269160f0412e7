"""A broker that a test plays by hand: it answers the opening and keeps everything else."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from gateway.mqtt import (
    FLAG_QOS1,
    Ack,
    ConnAck,
    Connect,
    Packet,
    PacketType,
    Parser,
    PingReq,
    PingResp,
    Prop,
    Publish,
    Role,
    SubAck,
    Subscribe,
    encode,
    encode_publish,
)

_QUIET_S = 0.15
_PATIENCE_S = 5.0


class ScriptedBroker:
    """Serves one client at a time on a free loopback port.

    Attributes:
        connack: what it answers to CONNECT; ``session_present`` is its own business.
        codes: SUBACK code by filter; 1 where none is given.
        connects, subscribes: what has come, over all connections.
        ready: set while a client is connected and subscribed.
    """

    def __init__(self) -> None:
        self.connack = ConnAck()
        self.codes: dict[str, int] = {}
        self.connects: list[Connect] = []
        self.subscribes: list[Subscribe] = []
        self.ready = asyncio.Event()
        self.port = 0
        self._publishes: asyncio.Queue[Publish] = asyncio.Queue()
        self._packets: asyncio.Queue[Packet] = asyncio.Queue()
        self._version = 0
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
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
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until_ready(self) -> None:
        """Wait for a client that has subscribed."""
        async with asyncio.timeout(_PATIENCE_S):
            await self.ready.wait()

    def cut(self) -> None:
        """End the connection without a word."""
        self.ready.clear()
        if self._writer is not None:
            self._writer.transport.abort()

    def send(self, packet: Packet) -> None:
        """Send a control packet."""
        self._write(encode(packet, self._version))

    def publish(
        self, packet_id: int, topic: str, payload: bytes, *, flags: int = FLAG_QOS1
    ) -> None:
        """Deliver a message."""
        self._write(encode_publish((packet_id, flags, topic.encode(), payload), self._version))

    async def next_publish(self) -> Publish:
        """Return the next message that the client has published."""
        async with asyncio.timeout(_PATIENCE_S):
            return await self._publishes.get()

    async def next_packet(self) -> Packet:
        """Return the next control packet after the opening; no pings."""
        async with asyncio.timeout(_PATIENCE_S):
            return await self._packets.get()

    async def acked(self, count: int) -> list[int]:
        """Return the ids of the next ``count`` PUBACKs."""
        ids = []
        for _ in range(count):
            packet = await self.next_packet()
            assert isinstance(packet, Ack)
            assert packet.kind is PacketType.PUBACK
            ids.append(packet.packet_id)
        return ids

    async def is_quiet(self) -> bool:
        """Return whether the client sends nothing for a moment."""
        await asyncio.sleep(_QUIET_S)
        return self._packets.empty() and self._publishes.empty()

    def refuse(self, code: int, properties: Mapping[Prop, int | str] | None = None) -> None:
        """Answer the next CONNECTs with a failure."""
        self.connack = ConnAck(code, properties=dict(properties or {}))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writer = writer
        parser = Parser(Role.SERVER)
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                for item in parser.feed(data):
                    self._version = parser.version
                    self._handle(item)
        writer.transport.abort()

    def _handle(self, item: list[Publish] | Packet) -> None:
        match item:
            case list():
                for publish in item:
                    self._publishes.put_nowait(publish)
            case Connect():
                self.connects.append(item)
                self.send(self.connack)
            case Subscribe():
                self.subscribes.append(item)
                names = [subscription.topic_filter for subscription in item.subscriptions]
                codes = tuple(self.codes.get(name, 1) for name in names)
                self.send(SubAck(item.packet_id, codes))
                self.ready.set()
            case PingReq():
                self.send(PingResp())
            case _:
                self._packets.put_nowait(item)

    def _write(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)
