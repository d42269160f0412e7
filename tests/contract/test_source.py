"""The contract of ``ports.Source``, for every source in ``tests/source_rigs.py``."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.model import RecordFlag
from tests.intakes import MemoryIntake
from tests.source_rigs import DOWN_TOPIC, RIGS, SOURCE_INDEX, UP_TOPIC, Rig, RigMaker


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has come about."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture(params=[pytest.param(maker, id=name) for name, maker in RIGS])
async def rig(
    request: pytest.FixtureRequest, intake: MemoryIntake, tmp_path: Path
) -> AsyncIterator[Rig]:
    make: RigMaker = request.param
    async with make(intake, tmp_path) as made:
        yield made


async def taken(intake: MemoryIntake, count: int) -> None:
    await until(lambda: len(intake.taken) >= count)


async def test_a_message_reaches_the_intake_byte_for_byte(rig: Rig, intake: MemoryIntake) -> None:
    payload = bytes(range(256))
    rig.send(1, payload)
    await taken(intake, 1)
    number, source, flags, topic, got = intake.taken[0]
    assert (number, source, topic, got) == (1, SOURCE_INDEX, UP_TOPIC.encode(), payload)
    assert flags == RecordFlag.QOS1


async def test_nothing_is_acknowledged_before_it_is_durable(rig: Rig, intake: MemoryIntake) -> None:
    rig.send(1, b"payload")
    await taken(intake, 1)
    assert await rig.is_quiet()
    intake.commit()
    assert await rig.acked(1) == [1]


async def test_acknowledgements_keep_the_order_of_the_messages(
    rig: Rig, intake: MemoryIntake
) -> None:
    ids = [9, 3, 500, 1, 65_535]
    for packet_id in ids:
        rig.send(packet_id, b"payload")
    await taken(intake, 5)
    intake.commit()
    assert await rig.acked(5) == ids


async def test_a_commit_acknowledges_no_further_than_it_goes(
    rig: Rig, intake: MemoryIntake
) -> None:
    for packet_id in range(1, 6):
        rig.send(packet_id, b"payload")
    await taken(intake, 5)
    intake.commit(up_to=2)
    assert await rig.acked(2) == [1, 2]
    assert await rig.is_quiet()
    intake.commit(up_to=5)
    assert await rig.acked(3) == [3, 4, 5]


async def test_a_lost_connection_takes_no_acknowledgement_along(
    rig: Rig, intake: MemoryIntake
) -> None:
    rig.send(1, b"before")
    await taken(intake, 1)
    await rig.reconnect()
    intake.commit()
    assert await rig.is_quiet()  # that message was promised to nobody on this connection
    rig.send(2, b"after")
    await taken(intake, 2)
    intake.commit()
    assert await rig.acked(1) == [2]


async def test_congestion_stops_reading_and_loses_nothing(rig: Rig, intake: MemoryIntake) -> None:
    intake.is_congested = True
    rig.send(1, b"1")
    await taken(intake, 1)  # by this message the source learns of it
    await asyncio.sleep(0.05)
    for packet_id in range(2, 2002):
        rig.send(packet_id, b"%d" % packet_id)
    await asyncio.sleep(0.1)
    held_back = len(intake.taken)
    intake.relieve()
    await taken(intake, 2001)
    assert held_back < 2001
    assert intake.payloads == [b"%d" % n for n in range(1, 2002)]
    intake.commit()
    assert await rig.acked(2001) == list(range(1, 2002))


async def test_what_goes_down_reaches_a_subscriber(rig: Rig) -> None:
    rig.source.publish(DOWN_TOPIC, b"receipt 1")
    rig.source.publish(DOWN_TOPIC, b"receipt 2")
    assert [await rig.down(), await rig.down()] == [b"receipt 1", b"receipt 2"]


async def test_publishing_to_nobody_does_no_harm(rig: Rig, intake: MemoryIntake) -> None:
    rig.source.publish("tg/1/site/energy/meter-2/a", b"receipt", retain=True)
    rig.send(1, b"payload")
    await taken(intake, 1)
    intake.commit()
    assert await rig.acked(1) == [1]
