"""The writing side of a connection, and when it is not read."""

import asyncio

from gateway.sources.listener_hub import Hub

_MAX_UNSENT_BYTES = 512 << 10  # a monitor that reads slower than devices send loses messages
_MAX_UNREAD_BYTES = 1 << 20  # 250,000 PUBACKs that a peer has not read: it never will

# Why a connection is not read: bits, because they come and go independently.
CONGESTED = 1
TOO_FAST = 2


class Wire(asyncio.Protocol):
    """What a connection does with its transport."""

    __slots__ = ("_limit_bytes", "_out", "_out_bytes", "_paused", "_transport", "hub", "is_over")

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.is_over = False
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._limit_bytes = 0  # the largest packet that the peer takes
        self._paused = 0

    def write(self, data: bytes) -> None:
        """Send now; a peer that makes us answer and never reads is cut off."""
        transport = self._transport
        if transport is None or self.is_over:
            return
        transport.write(data)
        largest = self.hub.shelf.section.max_packet_bytes  # one delivered message may lie there
        if transport.get_write_buffer_size() > _MAX_UNREAD_BYTES + largest:
            self.hub.counts["unread"] += 1
            self.hub.loop.call_soon(transport.abort)

    @property
    def has_room(self) -> bool:
        """See ``Peer``."""
        buffered = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return self._out_bytes + buffered < _MAX_UNSENT_BYTES // 2

    def deliver(self, frame: bytes) -> None:
        """See ``Peer``."""
        size = len(frame)
        if self._transport is None or size > self._limit_bytes:
            return
        unsent = self._out_bytes + self._transport.get_write_buffer_size()
        if unsent and unsent + size > _MAX_UNSENT_BYTES:
            self.hub.counts["undelivered"] += 1
            return
        self._out.append(frame)
        self._out_bytes += size

    def flush(self) -> None:
        """See ``Peer``."""
        frames, self._out, self._out_bytes = self._out, [], 0
        self.write(b"".join(frames))

    def pause(self) -> None:
        """See ``Peer``."""
        self.hold(CONGESTED)

    def resume(self) -> None:
        """See ``Peer``."""
        self.let_go(CONGESTED)

    def hold(self, reason: int) -> None:
        """Stop reading for one more reason."""
        transport = self._transport
        if not self._paused and transport is not None and not transport.is_closing():
            transport.pause_reading()
        self._paused |= reason

    def let_go(self, reason: int) -> None:
        """Take one reason away; read again when it was the last."""
        transport = self._transport
        was_paused, self._paused = self._paused, self._paused & ~reason
        is_free = was_paused and not self._paused
        if is_free and transport is not None and not transport.is_closing():
            transport.resume_reading()
