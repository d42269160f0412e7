"""A client with bad intentions: it speaks MQTT right, and counts what it gets away with."""

import asyncio
import contextlib

from simulators import wire
from simulators.target import Target

TIMEOUT_S = 5.0
KEEPALIVE_S = 60
_READ_BYTES = 1 << 16
_GRANTED_QOS = 2  # the highest; 0x80 says no
MOST_HEARD = 10_000


class RefusedError(Exception):
    """The server does not let us in; ``code`` is that of the CONNACK, −1 for a closed door."""

    def __init__(self, code: int) -> None:
        super().__init__(f"CONNACK {code}")
        self.code = code


class Client:
    """One connection; made by ``open_client``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.acknowledged = self.granted = 0
        self.heard: list[tuple[str, bytes]] = []
        self._reader, self._writer = reader, writer
        self._frames = wire.Reader()
        self._packet_id = 0
        self._listening: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the server has not hung up."""
        return self._listening is not None and not self._listening.done()

    async def greet(self, login: wire.Login) -> None:
        """Send CONNECT.

        Raises:
            RefusedError: the answer is not what we want.
        """
        self._writer.write(wire.connect(login, KEEPALIVE_S))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._reader.readexactly(4)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise RefusedError(-1) from error
        if answer[0] != wire.CONNACK or answer[3]:
            raise RefusedError(answer[3])
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def publish(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 1; return whether the connection has taken it."""
        self._packet_id = self._packet_id % 65_535 + 1
        return await self.send(wire.publish(topic, payload, self._packet_id))

    async def subscribe(self, topic_filter: str) -> bool:
        """Ask for a subscription; return whether the connection has taken the question."""
        self._packet_id = self._packet_id % 65_535 + 1
        return await self.send(wire.subscribe(self._packet_id, topic_filter))

    async def send(self, data: bytes) -> bool:
        """Send any bytes; return whether the connection still stands."""
        if not self.is_open:
            return False
        self._writer.write(data)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._writer.drain()
        except OSError:
            return False
        return True

    async def wait_acknowledged(self, count: int) -> bool:
        """Wait for so many PUBACKs in all; return whether they came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT_S):
                while self.acknowledged < count and self.is_open:  # noqa: ASYNC110  # or the end
                    await asyncio.sleep(0.01)
        return self.acknowledged >= count

    async def close(self) -> None:
        """Hang up."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.transport.abort()

    async def _listen(self) -> None:
        with contextlib.suppress(OSError, wire.WireError):
            while data := await self._reader.read(_READ_BYTES):
                for frame in self._frames.feed(data):
                    self._take(frame)

    def _take(self, frame: wire.Frame) -> None:
        kind = frame.head & 0xF0
        if kind == wire.PUBACK:
            self.acknowledged += 1
        elif kind == wire.SUBACK:
            self.granted += sum(code <= _GRANTED_QOS for code in frame.body[2:])
        elif kind == wire.PUBLISH and len(self.heard) < MOST_HEARD:
            self.heard.append(wire.parse_publish(frame))


async def open_client(target: Target, login: wire.Login, name: str = "") -> Client:
    """Return a client that was let in; ``name`` is whose certificate it shows.

    Raises:
        RefusedError: it was not.
        OSError: nobody is there.
    """
    tls = target.tls_of(name or login.client_id)
    async with asyncio.timeout(TIMEOUT_S):
        streams = await asyncio.open_connection(
            target.host, target.port, ssl=tls, server_hostname=target.name if tls else None
        )
    client = Client(*streams)
    try:
        await client.greet(login)
    except RefusedError:
        await client.close()
        raise
    return client
