"""What a broker may say to us, and what we make of it."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable

import pytest
from typing_extensions import override

from gateway.config.sections import BrokerSource
from gateway.model import RecordFlag
from gateway.mqtt import FLAG_QOS2, Ack, Code, ConnAck, Disconnect, PacketType, Prop
from gateway.sources.backoff import (
    FIRST_S,
    LAST_S,
    REFUSED_FIRST_S,
    STABLE_S,
    UP_LAST_S,
    Backoff,
)
from gateway.sources.broker import BrokerClient
from gateway.sources.reconnect import Surroundings
from gateway.stats import Stats
from tests.intakes import MemoryIntake
from tests.scripted_broker import ScriptedBroker
from tests.source_rigs import is_connected

TOPIC = "tg/1/site/energy/meter-1/t"


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    async with ScriptedBroker() as made:
        yield made


async def eventually(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)


class Running:
    """A source in front of the scripted broker, with what it waited and said."""

    def __init__(self, port: int, **more: object) -> None:
        self.intake, self.stats, self.waits = MemoryIntake(), Stats(), list[float]()
        values = {"type": "broker", "url": f"mqtt://127.0.0.1:{port}", "client_id": "infragate-1"}
        self.section = BrokerSource.model_validate(values | more)
        around = Surroundings(rng=random.Random(1), sleep=self._sleep)
        self.source = BrokerClient(0, self.section, self.intake, self.stats, around)
        self.task = asyncio.create_task(self.source.run())

    async def until(self, count: int) -> None:
        await eventually(lambda: len(self.intake.taken) >= count)

    async def until_connected(self) -> None:
        await eventually(lambda: is_connected(self.stats))

    def value(self, name: str) -> float:
        return sum(sample.value for sample in self.stats.samples() if sample.name == name)

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def _sleep(self, wait_s: float) -> None:
        self.waits.append(wait_s)
        await asyncio.sleep(min(wait_s, 0.05))


@contextlib.asynccontextmanager
async def running(port: int, **more: object) -> AsyncIterator[Running]:
    made = Running(port, **more)
    yield made
    await made.stop()


async def test_the_opening_asks_for_a_session_that_outlives_us(broker: ScriptedBroker) -> None:
    async with running(broker.port, window=321, session_expiry="2h") as run:
        await run.until_connected()
    connect = broker.connects[0]
    assert not connect.clean_start
    assert connect.client_id == "infragate-1"
    assert connect.properties[Prop.RECEIVE_MAXIMUM] == 321
    assert connect.properties[Prop.SESSION_EXPIRY_S] == 7200
    assert [s.topic_filter for s in broker.subscribes[0].subscriptions] == [*run.section.filters]
    assert {s.qos for s in broker.subscribes[0].subscriptions} == {1}


async def test_a_refused_filter_is_said_and_counted_and_the_others_still_serve(
    broker: ScriptedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.codes = {"tg/1/+/+/+/t": 0x87, "tg/1/+/+/+/b": 0}
    async with running(broker.port) as run:
        await run.until_connected()
        broker.publish(1, "tg/1/site/energy/meter-1/e", b"event")
        await run.until(1)
        assert run.value("infragate_source_filters_refused") == 2
    assert "tg/1/+/+/+/t refused: 0x87" in caplog.text
    assert "tg/1/+/+/+/b only QoS 0" in caplog.text


async def test_a_resumed_session_of_mqtt_3_is_not_subscribed_again(broker: ScriptedBroker) -> None:
    async with running(broker.port, version="3.1.1") as run:
        await run.until_connected()
        broker.connack = ConnAck(session_present=True)
        broker.cut()
        await eventually(lambda: len(broker.connects) == 2 and is_connected(run.stats))
        broker.publish(1, TOPIC, b"payload")
        await run.until(1)
        assert run.value("infragate_source_sessions_lost_total") == 0
    assert len(broker.subscribes) == 1


async def test_qos_2_of_an_old_session_is_handled_to_its_end(broker: ScriptedBroker) -> None:
    async with running(broker.port) as run:
        await run.until_connected()
        broker.publish(7, TOPIC, b"payload", flags=FLAG_QOS2)
        await run.until(1)
        assert run.intake.taken[0].flags == RecordFlag.QOS1
        assert await broker.is_quiet()
        run.intake.commit()
        assert await broker.next_packet() == Ack(PacketType.PUBREC, 7)
        broker.send(Ack(PacketType.PUBREL, 7))
        assert await broker.next_packet() == Ack(PacketType.PUBCOMP, 7)


async def test_qos_0_is_taken_and_not_acknowledged(broker: ScriptedBroker) -> None:
    async with running(broker.port) as run:
        await run.until_connected()
        broker.publish(0, TOPIC, b"payload", flags=0)
        await run.until(1)
        run.intake.commit()
        assert await broker.is_quiet()
        assert run.intake.taken[0].flags == 0


async def test_a_taken_over_session_is_not_fought_for(
    broker: ScriptedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(broker.port) as run:
        await run.until_connected()
        broker.send(Disconnect(Code.SESSION_TAKEN_OVER))
        await eventually(lambda: bool(run.waits))
        assert run.waits[0] >= REFUSED_FIRST_S
    assert "session taken over" in caplog.text


@pytest.mark.parametrize(
    ("version", "code", "words"),
    [("5", Code.NOT_AUTHORISED, "not authorised: not on the list"), ("3.1.1", 4, "password")],
)
async def test_a_refusal_is_said_in_words_and_tried_rarely(
    broker: ScriptedBroker, caplog: pytest.LogCaptureFixture, version: str, code: int, words: str
) -> None:
    broker.refuse(code, {Prop.REASON_STRING: "not on the list"} if version == "5" else None)
    with caplog.at_level(logging.INFO):
        async with running(broker.port, version=version) as run:
            await eventually(lambda: len(run.waits) >= 3)
            assert min(run.waits) >= REFUSED_FIRST_S
            assert not is_connected(run.stats)
    assert words in caplog.text
    assert caplog.text.count("refused us") == 1  # the same words are not repeated at once


async def test_a_broker_that_is_only_busy_is_tried_soon(broker: ScriptedBroker) -> None:
    broker.refuse(3)
    async with running(broker.port, version="3.1.1") as run:
        await eventually(lambda: bool(run.waits))
        assert run.waits[0] <= FIRST_S


async def test_more_than_the_window_is_left_in_the_socket(broker: ScriptedBroker) -> None:
    async with running(broker.port, window=10) as run:
        await run.until_connected()
        for packet_id in range(1, 20_001):  # a broker that has not heard of Receive Maximum
            broker.publish(packet_id, TOPIC, bytes(500))
        await asyncio.sleep(0.3)
        held = len(run.intake.taken)
        assert 10 <= held < 10_000  # one read of 256 KiB may come on top
        for _ in range(200):
            run.intake.commit()
            await asyncio.sleep(0.01)
            if len(run.intake.taken) == 20_000:
                break
    assert len(run.intake.taken) == 20_000


async def test_what_is_not_mqtt_ends_the_connection_and_not_the_source(
    broker: ScriptedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(broker.port) as run:
        await run.until_connected()
        broker.send(ConnAck())  # a second one
        await eventually(lambda: run.value("infragate_source_reconnects_total") == 1)
        broker.publish(1, TOPIC, b"payload")
        await run.until(1)
    assert "broke the protocol" in caplog.text


class Longest(random.Random):
    """Jitter that always waits to its bound."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_wait_doubles_to_its_bound_and_only_a_lasting_connection_resets_it() -> None:
    backoff = Backoff(Longest())
    assert [backoff.wait_s(0) for _ in range(4)] == [0.1, 0.2, 0.4, 0.8]
    assert backoff.wait_s(STABLE_S - 1) == 1.6
    assert backoff.wait_s(STABLE_S) == FIRST_S
    assert max(backoff.wait_s(0) for _ in range(20)) == LAST_S


def test_a_broker_that_is_there_is_asked_again_soon() -> None:
    backoff = Backoff(Longest())
    assert max(backoff.wait_s(1.0) for _ in range(20)) == UP_LAST_S
    assert max(backoff.wait_s(0) for _ in range(20)) == LAST_S
    assert backoff.wait_s(1.0) == UP_LAST_S


def test_the_wait_is_anywhere_below_its_bound() -> None:
    waits = [Backoff(random.Random(seed)).wait_s(0) for seed in range(200)]
    assert min(waits) < 0.01
    assert max(waits) > 0.09
