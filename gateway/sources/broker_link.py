"""One connection to a broker: everything between CONNECT and the lost socket.

Theory of operation. ``data_received`` hands each PUBLISH to the intake and remembers its
acknowledgement beside its record number; ``acknowledge`` answers all that became durable with
one write. Reading stops for any reason in ``Hold`` and goes on when none is left; nothing is
ever dropped on the way in. A link serves one connection and is then thrown away with what was
not acknowledged: the broker delivers that again on the next one.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from typing_extensions import override

from gateway.config.sections import BrokerSource
from gateway.errors import ProtocolError
from gateway.mqtt import (
    V5,
    V311,
    Ack,
    ConnAck,
    Disconnect,
    KnownTopics,
    Packet,
    PacketType,
    Parser,
    PingReq,
    Publish,
    Role,
    SubAck,
    encode,
    encode_publish,
    publish_flags,
)
from gateway.ports import Intake
from gateway.sources.broker_filters import Filters
from gateway.sources.broker_gate import Gate, Hold
from gateway.sources.broker_hello import Farewell, Login, Terms, farewell_of, hello, terms_of
from gateway.sources.records import PendingAcks, messages_of
from gateway.stats import Stats

# Mosquitto sends each message alone. Where the next one comes within a millisecond, waiting two
# lets the socket gather: measured 5.0 → 2.65 µs a message. Where messages are rarer nothing waits.
COALESCE_S, BUSY_GAP_S = 0.002, 0.001
# Receipts to 30,000 devices at once fit. A broker that has not taken them by the next time is
# too slow to be waited for.
OUTBOX_BYTES = 4 << 20
# Beyond this a broker that sends but does not read would fill our memory with PUBACKs. Far above
# the outbox: two ends that both stop reading because the other one does would wait for ever.
WRITE_BUFFER_BYTES = 2 * OUTBOX_BYTES
# In keepalives: ask after so much silence, look so often, give up after so much more. The worst
# case is 0.5 + 0.125 + 0.75 + 0.125 = 1.5.
PING_AFTER, LOOK_EVERY, GIVE_UP_AFTER = 0.5, 0.125, 0.75


@dataclass(frozen=True)
class LinkContext:
    """What the links of one source have in common."""

    source: int
    section: BrokerSource
    login: Login
    tls: ssl.SSLContext | None
    intake: Intake
    stats: Stats
    clock: Callable[[], float]
    known: KnownTopics


class Link(asyncio.Protocol):
    """Receives for one source until the connection is lost; see ``reconnect.Line``."""

    def __init__(self, context: LinkContext, granted: Mapping[str, int]) -> None:
        self._loop = asyncio.get_running_loop()
        self.up: asyncio.Future[bool] = self._loop.create_future()
        self.gone: asyncio.Future[Farewell] = self._loop.create_future()
        self._context = context
        section = context.section
        self._version = V5 if section.version == "5" else V311
        self.filters = Filters(section.client_id, self._version, section.filters, granted)
        self._parser = Parser(
            Role.CLIENT,
            self._version,
            max_packet_bytes=section.max_packet_bytes,
            known=context.known,
        )
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._acks = PendingAcks()  # bounded by the window and one read
        self._gate = Gate()
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        self._terms = Terms(float(section.keepalive_s))
        self._heard_s = self._spoke_s = self._gap_from_s = context.clock()
        self._asked_s: float | None = None
        self._is_resumed = False
        self._farewell: Farewell | None = None

    async def connect(self) -> None:
        """See ``Line``."""
        host, port = self._context.section.address
        await self._loop.create_connection(lambda: self, host, port, ssl=self._context.tls)

    def acknowledge(self, number: int) -> None:
        """See ``Line``; one write."""
        data = self._acks.release(number)
        if data:
            self._write(data)
            if len(self._acks) < self._context.section.window:
                self._release(Hold.WINDOW)

    def relieve(self) -> None:
        """See ``Line``."""
        self._release(Hold.CONGESTED)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """See ``Line``; everything of one turn of the loop is one write."""
        transport = self._transport
        flags = publish_flags(0, retain=retain and self._terms.can_retain)
        data = encode_publish((0, flags, topic.encode(), payload), self._version)
        if (
            transport is None
            or not self.up.done()
            or len(data) > self._terms.max_packet_bytes
            or self._outbox_bytes + transport.get_write_buffer_size() > OUTBOX_BYTES
        ):
            name = "infragate_source_publishes_dropped_total"
            self._context.stats.count(name, source=self._context.section.client_id)
            return
        if not self._outbox:
            self._loop.call_soon(self._send_outbox)
        self._outbox.append(data)
        self._outbox_bytes += len(data)

    def close(self) -> None:
        """See ``Line``."""
        if self._transport is not None:
            self._send_outbox()
            self._write(encode(Disconnect(), self._version))
            self._transport.close()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._gate.guard(self._transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        context = self._context
        self._write(encode(hello(context.section, context.login, self._version), self._version))

    @override
    def data_received(self, data: bytes) -> None:
        now_s = self._heard_s = self._context.clock()
        self._asked_s = None
        try:
            for item in self._parser.feed(data):
                if isinstance(item, list):
                    self._take(item)
                else:
                    self._handle(item)
        except ProtocolError as error:
            self._end(Farewell(f"the broker broke the protocol: {error}"), error.code)
            return
        if now_s - self._gap_from_s < BUSY_GAP_S and self.up.done():
            self._gate.hold(Hold.COALESCE)
            self._loop.call_later(COALESCE_S, self._release, Hold.COALESCE)
        self._gap_from_s = now_s
        if self._context.intake.is_congested:
            self._gate.hold(Hold.CONGESTED)
        if len(self._acks) >= self._context.section.window:
            self._gate.hold(Hold.WINDOW)

    @override
    def pause_writing(self) -> None:
        self._gate.hold(Hold.PEER)

    @override
    def resume_writing(self) -> None:
        self._release(Hold.PEER)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._gate.guard(None)
        if self._timer is not None:
            self._timer.cancel()
        if not self.gone.done():
            because = f"connection lost: {exc}" if exc is not None else "connection lost"
            self.gone.set_result(self._farewell or Farewell(because))

    def _take(self, run: list[Publish]) -> None:
        last = self._context.intake.extend(self._context.source, messages_of(run))
        # we subscribe at 1, but an old session may hold QoS 2: PUBREC once durable
        self._acks.add_run(last, run)

    def _handle(self, packet: Packet) -> None:
        match packet:
            case ConnAck():
                self._accept(packet)
            case SubAck():
                self.filters.receive(packet, self._context.stats)
                self._come_up()
            case Ack(kind=PacketType.PUBREL):
                done = Ack(PacketType.PUBCOMP, packet.packet_id)
                self._write(encode(done, self._version))
            case Disconnect():
                self._end(farewell_of(packet.code, packet.properties, "disconnected"))
            case _:  # PINGRESP: that it came is all it says
                pass

    def _accept(self, connack: ConnAck) -> None:
        if connack.code:
            self._end(farewell_of(connack.code, connack.properties, "refused"))
            return
        self._terms = terms_of(connack, self._terms)
        self._is_resumed = connack.session_present
        self._look()
        subscribe = self.filters.open(self._context.clock(), is_resumed=self._is_resumed)
        if subscribe:
            self._write(subscribe)
        else:
            self._come_up()

    def _come_up(self) -> None:
        if not self.up.done():
            self.up.set_result(self._is_resumed)

    def _look(self) -> None:
        """Keep the connection alive, and notice when there is nobody at its other end."""
        self._timer = self._loop.call_later(self._terms.keepalive_s * LOOK_EVERY, self._look)
        now_s, keepalive_s = self._context.clock(), self._terms.keepalive_s
        if self._gate.is_deaf:
            self._heard_s, self._asked_s = now_s, None  # who does not listen cannot complain
        if self._asked_s is not None:
            if now_s - self._asked_s >= GIVE_UP_AFTER * keepalive_s:
                self._end(Farewell(f"the broker has been silent for {now_s - self._heard_s:.1f} s"))
        elif now_s - min(self._heard_s, self._spoke_s) >= PING_AFTER * keepalive_s:
            self._asked_s = now_s
            self._write(encode(PingReq(), self._version))
        if self.up.done() and (subscribe := self.filters.again(now_s)):
            self._write(subscribe)

    def _end(self, farewell: Farewell, code: int | None = None) -> None:
        """End the connection at once; a half-open peer would keep a polite close waiting."""
        self._farewell = farewell
        if self._transport is not None:
            if code is not None and self._version == V5:
                self._write(encode(Disconnect(code), self._version))
            self._transport.abort()

    def _send_outbox(self) -> None:
        if self._outbox:
            self._write(b"".join(self._outbox))
            self._outbox.clear()
            self._outbox_bytes = 0

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._spoke_s = self._context.clock()
            self._transport.write(data)

    def _release(self, reason: Hold) -> None:
        if self._gate.release(reason):
            self._gap_from_s = self._context.clock()
