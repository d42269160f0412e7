"""A TCP proxy that behaves like a network: late, narrow, lossy, forgetful, or gone.

Theory of operation
    A device's connection and ours to the server are a pair. What one side reads is written to
    the other when its time has come; pieces keep their order, so that one late piece holds up
    all behind it, as TCP does. A *forgotten* pair is what a rebound NAT leaves behind: both
    sockets stay open, nothing passes any more, and the end of one side is not told to the other.
"""

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import cast

from typing_extensions import override

from simulators.network import Conditions

QUEUE_BYTES = 1 << 18  # on the way in one direction; beyond that we do not read
CONNECT_TIMEOUT_S = 10.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close() sends RST


class Proxy:
    """Listens on loopback and forwards to one address; ``conditions`` may change at any time."""

    def __init__(
        self,
        host: str,
        port: int,
        conditions: Conditions | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.conditions = conditions or Conditions()
        self.chance = chance or random.Random()
        self.port = 0
        self.is_refusing = False
        self.accepted = self.rebound = 0
        self.pairs: set[Pair] = set()
        self._address = (host, port)
        self._server: asyncio.Server | None = None
        self._dials: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", port, backlog=4096)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        for dial in self._dials:
            dial.cancel()
        self.reset()

    def reset(self) -> None:
        """End every connection with RST, as a crashed peer does."""
        for pair in list(self.pairs):
            pair.reset()

    def forget(self) -> None:
        """Forget all connections without a word, as a NAT does that was restarted."""
        for pair in list(self.pairs):
            pair.forget()

    def _accept(self) -> "Side":
        pair = Pair(self)
        return pair.near

    def dial(self, pair: "Pair") -> None:
        """Connect the far side of a pair; for pairs only."""
        task = asyncio.get_running_loop().create_task(self._dial(pair))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _dial(self, pair: "Pair") -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda: pair.far, *self._address)
        except OSError:
            pair.reset()
            return
        if self.conditions.rebind_s:
            loop.call_later(self.chance.expovariate(1 / self.conditions.rebind_s), pair.forget)


class Pair:
    """Two sides of one connection."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.is_forgotten = False
        self.near = Side(self)
        self.far = Side(self)
        self.near.other, self.far.other = self.far, self.near

    def began(self, side: "Side") -> None:
        """One side is connected."""
        if side is self.far:
            return
        self.proxy.accepted += 1
        if self.proxy.is_refusing:
            side.abort()
            return
        self.proxy.pairs.add(self)
        side.pause()  # until there is somebody to write to
        self.proxy.dial(self)

    def reset(self) -> None:
        """End both sides with RST."""
        self.is_forgotten = True
        for side in (self.near, self.far):
            side.abort()

    def forget(self) -> None:
        """Pass nothing on from now on."""
        if self in self.proxy.pairs and not self.is_forgotten:
            self.is_forgotten = True
            self.proxy.rebound += 1
            for side in (self.near, self.far):
                side.resume()

    def ended(self, side: "Side") -> None:
        """One side is closed; the other learns it when all before it has arrived."""
        if not self.is_forgotten:
            side.pass_on(side.other.close)
        if self.near.is_closed and self.far.is_closed:
            self.proxy.pairs.discard(self)


class Side(asyncio.Protocol):
    """One socket of a pair."""

    def __init__(self, pair: Pair) -> None:
        self.other = self
        self.is_closed = False
        self._has_said_all = self._has_heard_all = False
        self._pair = pair
        self._transport: asyncio.Transport | None = None
        self._on_way = 0  # bytes read here that the other side does not have yet
        self._queue: deque[tuple[float, Callable[[], None]]] = deque()  # bounded by QUEUE_BYTES
        self._timer: asyncio.TimerHandle | None = None
        self._arrival_s = self._free_s = 0.0
        self._holds = 0  # reasons not to read

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self.is_closed:  # the device has gone while we dialled
            self._transport.abort()
            return
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pair.began(self)
        if self is self._pair.far:
            self.other.resume()

    @override
    def data_received(self, data: bytes) -> None:
        if self._pair.is_forgotten:
            return
        conditions, chance = self._pair.proxy.conditions, self._pair.proxy.chance
        now_s = asyncio.get_running_loop().time()
        sent_s = now_s
        if conditions.bytes_per_s:
            self._free_s = max(self._free_s, now_s) + len(data) / conditions.bytes_per_s
            sent_s = self._free_s
        late_s = conditions.way_s(chance) + conditions.stall_s(len(data), chance)
        self._arrival_s = max(self._arrival_s, sent_s + late_s)
        self._on_way += len(data)
        if self._on_way > QUEUE_BYTES:
            self.pause()
        self.pass_on(lambda: self._deliver(data))

    @override
    def pause_writing(self) -> None:
        self.other.pause()

    @override
    def resume_writing(self) -> None:
        self.other.resume()

    @override
    def eof_received(self) -> bool:
        if self._pair.is_forgotten:
            return False
        self._has_heard_all = True
        self.pass_on(self.other.finish)
        return not self._has_said_all

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._pair.ended(self)

    def pass_on(self, act: Callable[[], None]) -> None:
        """Do something at the other side once all that was read here has arrived there."""
        self._queue.append((self._arrival_s, act))
        if self._timer is None:
            self._arrive()

    def _arrive(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue and self._queue[0][0] <= loop.time():
            self._queue.popleft()[1]()
        self._timer = loop.call_at(self._queue[0][0], self._arrive) if self._queue else None

    def pause(self) -> None:
        """Do not read, for one more reason."""
        self._holds += 1
        if self._transport is not None and self._holds == 1 and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again, if that was the last reason."""
        self._holds = max(0, self._holds - 1)
        if self._transport is not None and not self._holds and not self._transport.is_closing():
            self._transport.resume_reading()

    def finish(self) -> None:
        """Say that no more comes; this side may have more to tell."""
        self._has_said_all = True
        if self._has_heard_all:
            self.close()
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """End this side in good order."""
        if not self.is_closed:
            self.is_closed = True
            if self._transport is not None:
                self._transport.close()
            self._pair.ended(self)

    def abort(self) -> None:
        """End this side with RST."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        if not self.is_closed:
            self.is_closed = True
            self._pair.ended(self)

    def _deliver(self, data: bytes) -> None:
        was_full = self._on_way > QUEUE_BYTES
        self._on_way -= len(data)
        if was_full and self._on_way <= QUEUE_BYTES:
            self.resume()
        if not self._pair.is_forgotten and not self.other.is_closed:
            self.other.write(data)

    def write(self, data: bytes) -> None:
        """Send what has arrived."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
