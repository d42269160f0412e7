"""The writing side of a connection against a peer that does not read."""

import asyncio
from pathlib import Path

import pytest
from typing_extensions import override

from gateway.config.sections import ListenerSource
from gateway.ports import Credentials
from gateway.security import Authenticator
from gateway.sources.listener_hub import Hub, Shelf
from gateway.sources.listener_wire import CONGESTED, TOO_FAST, Wire
from tests.intakes import MemoryIntake


class DeafPeer(asyncio.Transport):
    """Takes writes into its buffer and never gets rid of them."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = b""
        self.is_aborted = False
        self.reads: list[bool] = []

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:  # type: ignore[override,unused-ignore]
        self.buffer += data

    @override
    def get_write_buffer_size(self) -> int:
        return len(self.buffer)

    @override
    def abort(self) -> None:
        self.is_aborted = True

    @override
    def is_closing(self) -> bool:
        return self.is_aborted

    @override
    def pause_reading(self) -> None:
        self.reads.append(False)

    @override
    def resume_reading(self) -> None:
        self.reads.append(True)


@pytest.fixture
async def peer(tmp_path: Path) -> tuple[Wire, DeafPeer]:
    section = ListenerSource(type="listener", max_packet_bytes=1024)
    authenticator = Authenticator(tmp_path)
    shelf = Shelf(0, section, MemoryIntake(), authenticator, lambda: 0, lambda: "id")
    wire, transport = Wire(Hub(shelf, asyncio.get_running_loop())), DeafPeer()
    wire._transport, wire._limit_bytes = transport, 1 << 28
    authenticator.close()
    return wire, transport


async def test_a_peer_that_never_reads_its_answers_is_cut_off(peer: tuple[Wire, DeafPeer]) -> None:
    wire, transport = peer
    for _ in range(1024):
        wire.write(b"x" * 1024)
    await asyncio.sleep(0)
    assert not transport.is_aborted
    wire.write(b"x" * 2048)
    await asyncio.sleep(0)
    assert transport.is_aborted


async def test_deliveries_beyond_the_bound_are_dropped(peer: tuple[Wire, DeafPeer]) -> None:
    wire, transport = peer
    for _ in range(1000):
        wire.deliver(b"x" * 1024)
    wire.flush()
    assert len(transport.buffer) == 512 << 10
    assert wire.hub.counts["undelivered"] == 1000 - 512


async def test_one_message_larger_than_the_bound_still_passes(peer: tuple[Wire, DeafPeer]) -> None:
    wire, transport = peer
    wire.deliver(b"x" * (600 << 10))
    wire.deliver(b"small")
    wire.flush()
    assert len(transport.buffer) == 600 << 10


async def test_reading_goes_on_only_when_no_reason_is_left(peer: tuple[Wire, DeafPeer]) -> None:
    wire, transport = peer
    wire.hold(CONGESTED)
    wire.hold(TOO_FAST)
    wire.let_go(CONGESTED)
    assert transport.reads == [False]
    wire.let_go(TOO_FAST)
    wire.let_go(TOO_FAST)
    assert transport.reads == [False, True]


def test_what_a_client_shows_does_not_show_its_password() -> None:
    shown = Credentials("meter-1", b"canary")
    assert "canary" not in repr(shown)
