"""What the contract of a source needs around it: an MQTT peer that a test plays by hand.

A source joins the contract by a rig in ``RIGS``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from gateway.config.sections import BrokerSource, ListenerSource
from gateway.mqtt import V5, V311, Ack, PacketType
from gateway.ports import Intake, Source
from gateway.security import Authenticator
from gateway.sources.broker import BrokerClient
from gateway.sources.listener import Listener
from gateway.sources.paho_client import PahoClient
from gateway.stats import Stats
from tests.mqtt_client import RawClient
from tests.scripted_broker import ScriptedBroker

SOURCE_INDEX = 3
UP_TOPIC = "tg/1/site/energy/meter-1/t"
DOWN_TOPIC = "tg/1/site/energy/meter-1/a"


class Rig(Protocol):
    """A running source and the peer it has its messages from."""

    source: Source

    def send(self, packet_id: int, payload: bytes) -> None:
        """Have the peer send one QoS 1 message on ``UP_TOPIC``."""

    async def acked(self, count: int) -> list[int]:
        """Return the ids of the next ``count`` PUBACKs."""

    async def is_quiet(self) -> bool:
        """Return whether the source sends nothing for a moment."""

    async def down(self) -> bytes:
        """Return the payload of the next message on ``DOWN_TOPIC``."""

    async def reconnect(self) -> None:
        """Cut the connection and make a new one."""


RigMaker = Callable[[Intake, Path], AbstractAsyncContextManager[Rig]]


@asynccontextmanager
async def running(
    section: ListenerSource, intake: Intake, data_dir: Path, stats: Stats | None = None
) -> AsyncIterator[Listener]:
    """A listener that listens, and is cancelled in the end."""
    authenticator = Authenticator(data_dir)
    listener = Listener(SOURCE_INDEX, section, intake, authenticator, stats or Stats())
    task = asyncio.create_task(listener.run())
    started = asyncio.create_task(listener.started.wait())
    await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            task.result()
        yield listener
    finally:
        started.cancel()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        authenticator.close()


class ListenerRig:
    """A device that is connected to a listener."""

    def __init__(self, source: Listener, version: int) -> None:
        self.source: Source = source
        self._port = source.port
        self._version = version
        self._client = RawClient(source.port, version)

    async def connect(self) -> None:
        self._client = await RawClient(self._port, self._version).open()
        assert (await self._client.hello("meter-1")).code == 0
        await self._client.subscribe(DOWN_TOPIC)

    def send(self, packet_id: int, payload: bytes) -> None:
        self._client.publish(UP_TOPIC, payload, packet_id)

    async def acked(self, count: int) -> list[int]:
        acks = [await self._client.next_of(Ack) for _ in range(count)]
        assert {ack.kind for ack in acks} <= {PacketType.PUBACK}
        return [ack.packet_id for ack in acks]

    async def is_quiet(self) -> bool:
        return await self._client.is_quiet()

    async def down(self) -> bytes:
        item = await self._client.next()
        assert isinstance(item, tuple)
        assert item[2] == DOWN_TOPIC.encode()
        return item[3]

    async def reconnect(self) -> None:
        self._client.abort()
        await self.connect()

    async def close(self) -> None:
        await self._client.close()


def _listener(version: int) -> RigMaker:
    @asynccontextmanager
    async def make(intake: Intake, folder: Path) -> AsyncIterator[Rig]:
        section = ListenerSource(type="listener", listen="127.0.0.1:0")
        async with running(section, intake, folder) as listener:
            rig = ListenerRig(listener, version)
            await rig.connect()
            yield rig
            await rig.close()

    return make


class BrokerRig:
    """A broker that a source is the client of."""

    def __init__(self, source: Source, broker: ScriptedBroker) -> None:
        self.source = source
        self._broker = broker

    def send(self, packet_id: int, payload: bytes) -> None:
        self._broker.publish(packet_id, UP_TOPIC, payload)

    async def acked(self, count: int) -> list[int]:
        return await self._broker.acked(count)

    async def is_quiet(self) -> bool:
        return await self._broker.is_quiet()

    async def down(self) -> bytes:
        _, _, topic, payload = await self._broker.next_publish()
        assert topic == DOWN_TOPIC.encode()
        return payload

    async def reconnect(self) -> None:
        self._broker.cut()
        await self._broker.until_ready()


def is_connected(stats: Stats) -> bool:
    """Whether a broker source has said that it is connected."""
    return any(s.value for s in stats.samples() if s.name == "infragate_source_connected")


def _broker(kind: type[BrokerClient | PahoClient], version: str) -> RigMaker:
    @asynccontextmanager
    async def make(intake: Intake, folder: Path) -> AsyncIterator[Rig]:
        stats = Stats()
        async with ScriptedBroker() as broker:
            url = f"mqtt://127.0.0.1:{broker.port}"
            section = BrokerSource.model_validate(
                {"type": "broker", "url": url, "client_id": "infragate-1", "version": version}
            )
            source = kind(SOURCE_INDEX, section, intake, stats)
            task = asyncio.create_task(source.run())
            await broker.until_ready()
            while not is_connected(stats):
                await asyncio.sleep(0.005)
            yield BrokerRig(source, broker)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return make


RIGS: Collection[tuple[str, RigMaker]] = (
    ("listener-3.1.1", _listener(V311)),
    ("listener-5", _listener(V5)),
    ("broker-3.1.1", _broker(BrokerClient, "3.1.1")),
    ("broker-5", _broker(BrokerClient, "5")),
    ("paho-3.1.1", _broker(PahoClient, "3.1.1")),
    ("paho-5", _broker(PahoClient, "5")),
)
