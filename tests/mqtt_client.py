"""A client over our own codec that does one thing at a time, so that a test can see all of it."""

import asyncio
from typing import Self, TypeVar

from gateway.mqtt import (
    V311,
    ConnAck,
    Connect,
    Packet,
    Parser,
    Publish,
    Role,
    SubAck,
    Subscribe,
    Subscription,
    encode,
    encode_publish,
)

Item = Packet | Publish
P = TypeVar("P", bound=Packet)
_TIMEOUT_S = 5


class RawClient:
    """One connection to a listener; ``inbox`` holds what has come and was not asked for yet."""

    def __init__(self, port: int, version: int = V311, *, host: str = "127.0.0.1") -> None:
        self.port = port
        self.version = version
        self.host = host
        self.inbox: list[Item] = []
        self.received = b""
        self._parser = Parser(Role.CLIENT, version)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, **tls: object) -> Self:
        """Connect the socket; nothing of MQTT yet."""
        self._reader, self._writer = await asyncio.open_connection(
            self.host,
            self.port,
            **tls,  # type: ignore[arg-type]
        )
        return self

    async def hello(self, client_id: str = "c1", **fields: object) -> ConnAck:
        """Send CONNECT and return the answer."""
        connect = Connect(self.version, client_id, **fields)  # type: ignore[arg-type]
        self.send_raw(encode(connect, self.version))
        answer = await self.next()
        assert isinstance(answer, ConnAck), answer
        return answer

    def send_raw(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)

    def send(self, packet: Packet) -> None:
        self.send_raw(encode(packet, self.version))

    def publish(
        self, topic: str, payload: bytes, packet_id: int = 0, *, qos: int = 1, flags: int = 0
    ) -> None:
        flags |= qos << 1 if packet_id else 0
        self.send_raw(encode_publish((packet_id, flags, topic.encode(), payload), self.version))

    async def subscribe(self, *filters: str, options: int = 0) -> tuple[int, ...]:
        """Subscribe and return the codes; messages that came before stay in the inbox."""
        self.send(Subscribe(77, tuple(Subscription(name, options) for name in filters)))
        return (await self.next_of(SubAck)).codes

    async def next(self) -> Item:
        """Return the next packet; EOFError once the server has closed."""
        while not self.inbox:
            assert self._reader is not None
            async with asyncio.timeout(_TIMEOUT_S):
                data = await self._reader.read(1 << 16)
            if not data:
                raise EOFError
            self.received += data
            for item in self._parser.feed(data):
                self.inbox += item if isinstance(item, list) else [item]
        return self.inbox.pop(0)

    async def next_of(self, kind: type[P]) -> P:
        """Return the next packet of a kind, leaving the others in the inbox."""
        others: list[Item] = []
        while not isinstance(item := await self.next(), kind):
            others.append(item)
        self.inbox = others + self.inbox
        return item

    async def closed(self) -> list[Item]:
        """Return everything that still comes until the server closes."""
        found: list[Item] = []
        try:
            while True:
                found.append(await self.next())
        except (EOFError, ConnectionError):
            return found

    async def is_quiet(self, seconds: float = 0.05) -> bool:
        """Return whether nothing comes for a moment."""
        try:
            async with asyncio.timeout(seconds):
                self.inbox.insert(0, await self.next())
        except TimeoutError:
            return True
        return False

    async def close(self) -> None:
        """Hang up without a DISCONNECT."""
        if self._writer is not None:
            self._writer.close()
            try:
                await self._writer.wait_closed()
            except (ConnectionError, OSError):
                return

    def abort(self) -> None:
        """Reset the connection."""
        assert self._writer is not None
        self._writer.transport.abort()
