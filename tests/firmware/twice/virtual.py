"""A node in virtual time: an event loop that skips what it would wait, a board, and a server.

The server speaks MQTT 5 by hand, as far as a node does; nothing here is the firmware's own codec.
"""

import json
import struct
import sys

from fieldnode.core.block import read_header
from fieldnode.hal import tasks
from fieldnode.hal.sim import VirtualClock
from fieldnode.hal.simboard import SimBoard
from tests.firmware.twice.support import Draw, flash_of, is_micropython

if False:  # for the type checker
    from collections.abc import Coroutine
    from typing import Any

NTP_EPOCH_S = 2_208_988_800


class _Skip:
    """The streams of MicroPython's tasks, of which there are none: time passes instead."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def look(self, wait_ms: int) -> None:
        if wait_ms > 0:
            self._clock.advance(wait_ms)


def run(clock: VirtualClock, work: "Coroutine[Any, Any, None]") -> None:
    """Run until ``work`` is done; no real time passes but for the computing."""
    if not is_micropython():
        from tests.firmware.virtual_loop import run_virtually  # noqa: PLC0415 - CPython only

        run_virtually(clock, work)
        return
    inside: "Any" = sys.modules["fieldnode.hal.tasks_mp"]
    before = inside.ticks_ms, inside._streams
    inside.ticks_ms = lambda: clock.true_ms
    inside._streams = _Skip(clock)
    try:
        tasks.run(work)
    finally:
        inside.ticks_ms, inside._streams = before


class Wire:
    """A connection to the server, in memory (hal/base.py)."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._there = tasks.Event()
        self._data = b""
        self.is_over = False

    async def read(self, limit: int) -> bytes:
        while not self._data and not self.is_over:
            self._there.clear()
            await self._there.wait()
        data, self._data = self._data[:limit], self._data[limit:]
        return data

    async def write(self, data: "bytes | memoryview") -> None:
        if self.is_over:
            raise OSError(104)
        self._server.take_in(self, bytes(data))

    def say(self, data: bytes) -> None:
        """Send something to the node."""
        self._data += data
        self._there.set()

    def close(self) -> None:
        self.is_over = True
        self._there.set()


class Server:
    """Takes blocks, and gives receipts for what it has without a gap."""

    def __init__(self, base: bytes) -> None:
        self._base = base
        self.is_up = True
        self.wire: "Wire | None" = None
        self.next = 0  # number of the row that it wants
        self.blocks: "list[bytes]" = []
        self.connects = self.downs = self.repeated = self.births = 0

    def connect(self) -> Wire:
        if not self.is_up:
            raise OSError(111)
        self.connects += 1
        self.wire = Wire(self)
        return self.wire

    def go_down(self) -> None:
        self.is_up = False
        self.downs += 1
        if self.wire:
            self.wire.close()

    def take_in(self, wire: Wire, packet: bytes) -> None:
        """Take in what the node wrote: one packet a write."""
        kind, at, size = packet[0] >> 4, 1, 0
        while True:  # MQTT's length: seven bits a byte, the low ones first
            size |= (packet[at] & 127) << 7 * (at - 1)
            at += 1
            if packet[at - 1] < 128:
                break
        assert len(packet) == at + size
        if kind == 1:
            wire.say(b"\x20\x03\x00\x00\x00")
        elif kind == 8:
            wire.say(b"\x90\x04" + packet[at : at + 2] + b"\x00\x01")
        elif kind == 12:
            wire.say(b"\xd0\x00")
        elif kind == 3:
            self._published(wire, packet[0], packet[at:])

    def _published(self, wire: Wire, head: int, body: bytes) -> None:
        size = struct.unpack_from(">H", body, 0)[0]
        assert body[2 : 2 + size].startswith(self._base)
        lane = body[2 + len(self._base) : 2 + size]
        at = 2 + size
        if head & 6:  # QoS 1
            wire.say(b"\x40\x02" + body[at : at + 2])
            at += 2
        payload = body[at + 1 + body[at] :]
        if lane in (b"t", b"b"):
            self._block(wire, payload)
        elif lane == b"s":
            self.births += json.loads(payload)["st"] == "online"

    def _block(self, wire: Wire, block: bytes) -> None:
        log, _, seq, n, _, _, _ = read_header(block)
        if seq == self.next:
            self.next += n
            self.blocks.append(block)
        elif seq < self.next:
            self.repeated += 1
        receipt = b'{"log":%d,"seq":%d}' % (log, self.next - 1)
        topic = self._base + b"a"
        body = struct.pack(">H", len(topic)) + topic + b"\0" + receipt
        assert len(body) < 128
        wire.say(b"\x30" + bytes([len(body)]) + body)


class ResetError(Exception):
    """The board starts again; what it has stored stays."""


class Board(SimBoard):
    """A simulated board in virtual time, all in memory."""

    def __init__(self, clock: VirtualClock, server: Server, sectors: int) -> None:
        self._clock = clock
        self._server = server
        self._draw = Draw(31)
        self._kv: "dict[str, bytes]" = {}
        self.flash = flash_of(sectors)
        self.fed = 0
        self.inputs = {}
        self.has_time = True  # whether the time servers answer
        self.lines: "list[str]" = []

    def random_u32(self) -> int:
        return self._draw(1 << 31)

    def reset_reason(self) -> int:
        return 1

    def kv_get(self, key: str) -> "bytes | None":
        return self._kv.get(key)

    def kv_put(self, key: str, value: "bytes | None") -> None:
        if value is None:
            self._kv.pop(key, None)
        else:
            self._kv[key] = value

    async def connect(self, host: str, port: int, tls: object) -> Wire:
        return self._server.connect()

    async def exchange_udp(self, host: str, port: int, data: bytes, wait_ms: int) -> bytes:
        """Answer as a time server does that is up to 20 ms wrong."""
        await self.sleep_ms(self._draw(40))
        if not self.has_time:
            raise OSError(110)
        unix_ms = self._clock.true_ms + self._draw(41) - 20  # type: ignore[union-attr]
        seconds, part_ms = divmod(unix_ms, 1000)
        stamp = struct.pack(">II", seconds + NTP_EPOCH_S & 0xFFFFFFFF, (part_ms << 32) // 1000)
        return b"\x24\x01" + bytes(22) + data[40:48] + stamp + stamp

    def reset(self, is_hard: bool) -> None:  # noqa: FBT001 - as every board
        self._clock.reboot(keeps_rtc=not is_hard)  # type: ignore[union-attr]
        raise ResetError

    def log(self, line: str) -> None:
        if not line.startswith("connection: "):
            self.lines.append(line)
