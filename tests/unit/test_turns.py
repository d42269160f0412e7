"""The queue before a form: no single address takes all the places."""

import asyncio

import pytest

from gateway.api import turns
from gateway.api.turns import MOST_OF_ONE_PEER, MOST_WAITING, BusyError, Turns


async def test_somebody_else_has_a_place_while_one_address_floods(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turns, "REFUSED_S", 0.001)
    queue, door, had = Turns(), asyncio.Event(), []

    async def wait(peer: str) -> None:
        async with queue.of(peer):
            await door.wait()
            had.append(peer)

    flood = [asyncio.create_task(wait("192.0.2.1")) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0.05)
    refused = [one for one in flood if one.done() and isinstance(one.exception(), BusyError)]
    assert len(refused) == MOST_WAITING - MOST_OF_ONE_PEER
    others = [asyncio.create_task(wait(f"192.0.2.{k}")) for k in (2, 3, 4, 5)]
    await asyncio.sleep(0.01)
    with pytest.raises(BusyError):  # it has an end all the same
        await wait("192.0.2.6")
    door.set()
    await asyncio.gather(*others, *(one for one in flood if one not in refused))
    assert sorted(set(had)) == [f"192.0.2.{k}" for k in (1, 2, 3, 4, 5)]
    await wait("192.0.2.1")
    assert len([one for one in caplog.records if "too many wait" in one.message]) == 1
