"""One client of the listener: bytes to packets to records, and answers back."""

import asyncio
import logging
from typing import cast

from typing_extensions import override

from gateway.errors import ProtocolError
from gateway.mqtt import (
    FLAG_QOS2,
    FLAG_RETAIN,
    PUBREC_WORD,
    V5,
    V311,
    Code,
    Connect,
    Disconnect,
    Packet,
    Parser,
    Publish,
    Role,
    Will,
    encode,
    pack_acks,
)
from gateway.ports import ClientRole, Identity
from gateway.sources.listener_access import may_publish
from gateway.sources.listener_door import Refusal, answer, refusal, shown_by_tls
from gateway.sources.listener_flow import Bucket
from gateway.sources.listener_hub import Hub
from gateway.sources.listener_requests import handle
from gateway.sources.listener_wire import TOO_FAST, Wire
from gateway.sources.records import RECORD_FLAGS, PendingAcks, messages_of

logger = logging.getLogger(__name__)

_CONNECT_MAX_BYTES = 8 << 10  # names, a password, a will and some properties
_CONNECT_TIMEOUT_S = 10
_LINGER_S = 5  # for a peer that does not take our goodbye
_MAX_TOPICS = 4096  # admitted topics remembered: a concentrator of 1,000 meters, four lanes each
_NOBODY = Identity("", ClientRole.ANONYMOUS)
_NO_TOPICS: frozenset[bytes] = frozenset()
_USUAL = frozenset(flags for flags in range(16) if not flags & (FLAG_QOS2 | FLAG_RETAIN))


class Connection(Wire):
    """A client. Slots and small objects only, and no task: thousands of these lie idle."""

    __slots__ = (
        "_acks",
        "_bucket",
        "_heard_s",
        "_look_s",
        "_parser",
        "_silence_s",
        "_topics",
        "_will",
        "client_id",
        "expires_ms",
        "filters",
        "identity",
        "inexact",
        "version",
    )

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self.identity = _NOBODY
        self.client_id = ""
        self.version = 0  # 0 until a CONNECT is accepted
        self.expires_ms = 0
        self.filters: set[bytes] | None = None
        self.inexact: dict[int, int] | None = None
        self._parser = Parser(Role.SERVER, max_packet_bytes=_CONNECT_MAX_BYTES, known=hub.known)
        self._acks = PendingAcks()
        self._bucket = Bucket()
        self._topics: set[bytes] | frozenset[bytes] = _NO_TOPICS
        self._will: Will | None = None
        self._silence_s = 0
        self._heard_s = self._look_s = hub.now_s

    # -- asyncio.Protocol --

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a CONNECT, but not for long."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is not a subclass
        self._look_at(self.hub.now_s + _CONNECT_TIMEOUT_S)
        self.hub.arrive(self)

    @override
    def data_received(self, data: bytes) -> None:
        """Take what came; the first wrong byte ends the connection."""
        if self.version:  # before CONNECT a byte now and then does not count
            self._heard_s = self.hub.now_s
        try:
            for item in self._parser.feed(data):
                if self.is_over:
                    return
                if isinstance(item, list):
                    self._take(item)
                else:
                    self._handle(item)
        except ProtocolError as error:
            self._break(error)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Do the will of a client that has not said goodbye."""
        self._transport = None
        self.end(Code.SUCCESS, with_will=True)
        self.hub.wheel.discard(self._look_s, self)

    # -- what comes --

    def _take(self, run: list[Publish]) -> None:
        """Put a run of publishes into the journal; the hot loop of the listener."""
        hub = self.hub
        _, flags, topics, payloads = zip(*run, strict=True)
        if self._topics.issuperset(topics) and _USUAL.issuperset(flags):
            last = hub.shelf.intake.extend(hub.shelf.index, messages_of(run))
            self._acks.add_run(last, run)
            if len(hub.router):
                hub.fan_out_run(topics, payloads, self)
        else:
            for publish in run:
                self._take_unusual(publish)
                if self.is_over:
                    return
        if self._acks:
            hub.unacked[self] = None
            if self.version == V5 and len(self._acks) > hub.receive_maximum:
                raise ProtocolError("Receive Maximum", Code.RECEIVE_MAXIMUM_EXCEEDED)
        self._slow_down(len(run))
        hub.check_congestion()

    def _take_unusual(self, publish: Publish) -> None:
        """Take a publish on a topic not seen before, or one that is retained or at QoS 2."""
        packet_id, flags, topic, payload = publish
        hub = self.hub
        if flags & FLAG_QOS2 and self._is_known_inexact(packet_id):
            return
        if topic not in self._topics and not self._admit(topic):
            self._deny(packet_id)
            return
        shelf = hub.shelf
        number = shelf.intake.append(shelf.index, RECORD_FLAGS[flags], topic, payload)
        if packet_id:
            self._acks.add_run(number, [publish])
        if flags & FLAG_QOS2:
            self.inexact = self.inexact or {}
            self.inexact[packet_id] = number
        if flags & FLAG_RETAIN:
            hub.retain(self.identity, topic, payload)
        hub.fan_out(topic, payload, self, is_retained=bool(flags & FLAG_RETAIN))

    def _is_known_inexact(self, packet_id: int) -> bool:
        """Whether a QoS 2 publish is in the journal already; its PUBREC is then repeated."""
        if self.version == V5:
            raise ProtocolError("QoS 2", Code.QOS_UNSUPPORTED)
        number = (self.inexact or {}).get(packet_id)
        if number is not None and number <= self.hub.durable:
            self.write(pack_acks([PUBREC_WORD + packet_id]))
        return number is not None

    def _admit(self, topic: bytes) -> bool:
        """Ask once for each topic whether this client may write there."""
        if not may_publish(self.identity, topic):
            return False
        if not self._topics or len(self._topics) >= _MAX_TOPICS:
            self._topics = set()
        self._topics |= {topic}
        return True

    def _deny(self, packet_id: int) -> None:
        """Refuse a publish in the only ways the two versions have."""
        self.hub.counts["denied_messages"] += 1
        logger.debug("%s may not publish there", self.identity.device)
        if not packet_id:
            return
        if self.version != V5:
            self.end(Code.NOT_AUTHORISED, with_will=True)
            return
        number = self._acks.deny(packet_id, Code.NOT_AUTHORISED)
        self.hub.unacked[self] = None
        if number <= self.hub.durable:
            self.acknowledge(self.hub.durable)

    def _slow_down(self, count: int) -> None:
        """Stop reading a client that sends faster than its devices may together."""
        identity = self.identity
        is_anonymous = identity.role is ClientRole.ANONYMOUS  # there each topic is a device
        devices = len(self._topics) if is_anonymous else 1 + len(identity.under)
        loop = self.hub.loop
        rate = self.hub.shelf.section.max_rate_per_device * (devices or 1)
        wait_s = self._bucket.spend(count, loop.time(), rate)
        if wait_s:
            self.hub.counts["throttled"] += 1
            self.hold(TOO_FAST)
            loop.call_later(wait_s, self.let_go, TOO_FAST)

    def _handle(self, packet: Packet) -> None:
        if isinstance(packet, Connect):
            self._open(packet)
        else:
            handle(self, packet)

    def _open(self, connect: Connect) -> None:
        """Let the client in, or say why not."""
        hub = self.hub
        shown, not_after_ms = shown_by_tls(self._transport)
        terms = answer(connect, shown, hub)
        if isinstance(terms, Refusal):
            hub.counts[f"refused_{terms.code.name.lower()}"] += 1
            logger.debug("refused %r: %s", connect.client_id, terms.code.name)
            self.write(terms.answer)
            self.end(terms.code, with_will=False)
            return
        self.identity, self.client_id, self.version = (
            terms.identity,
            terms.client_id,
            connect.version,
        )
        ends = [ms for ms in (not_after_ms, terms.identity.not_after_ms) if ms]
        self.expires_ms = min(ends, default=0)
        self._will, self._limit_bytes = terms.will, terms.max_packet_bytes
        self._silence_s, self._heard_s = terms.silence_s, hub.now_s
        self._parser.max_packet_bytes = hub.shelf.section.max_packet_bytes
        hub.enter(self, self.client_id)
        self._look_at(hub.now_s + self._silence_s + 1)
        self.write(terms.answer)

    def acknowledge(self, number: int) -> bool:
        """See ``Peer``."""
        data = self._acks.release(number)
        if data:
            self.write(data)
        return not self._acks

    # -- how it ends --

    def _break(self, error: ProtocolError) -> None:
        """End a connection whose peer broke the protocol."""
        self.hub.counts["broken"] += 1
        logger.debug("%s broke the protocol: %s", self.identity.device, error)
        version = self._parser.version
        if not self.version and (version == V5 or error.code == Code.UNSUPPORTED_VERSION):
            self.write(refusal(error.code, version or V311))
        self.end(error.code, with_will=True)

    def end(self, code: int, *, with_will: bool) -> None:
        """See ``Peer``."""
        if self.is_over:
            return
        hub, transport = self.hub, self._transport
        if self.version == V5 and code:
            self.write(encode(Disconnect(code), V5))
        self.is_over = True
        hub.leave(self, self.client_id)
        for topic_filter in self.filters or ():
            hub.router.remove(topic_filter, self)
        if self._will is not None and with_will:
            hub.bequeath(self._will, self)
        if transport is not None:
            transport.close()
            self._look_at(hub.now_s + _LINGER_S)

    def tick(self, now_s: int) -> None:
        """See ``Peer``."""
        if self.is_over:
            if self._transport is not None:
                self._transport.abort()
            return
        if self._paused:  # what we do not read we cannot hear
            self._heard_s = now_s
        due_s = self._heard_s + (self._silence_s + 1 if self.version else _CONNECT_TIMEOUT_S)
        if now_s >= due_s:
            self.hub.counts["timeouts" if self.version else "silent"] += 1
            self.end(Code.KEEPALIVE_TIMEOUT, with_will=True)
        else:
            self._look_at(due_s)

    def _look_at(self, due_s: int) -> None:
        """Have ``tick`` called at ``due_s``, and no longer at the time set before."""
        wheel = self.hub.wheel
        wheel.discard(self._look_s, self)
        self._look_s = wheel.add(due_s, self)
