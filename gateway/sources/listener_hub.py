"""What the connections of one listener share, and what they do to each other."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from gateway.config.sections import ListenerSource
from gateway.mqtt import (
    FLAG_RETAIN,
    V5,
    V311,
    Code,
    KnownTopics,
    Will,
    encode_publish,
)
from gateway.ports import Authenticator, Identity, Intake
from gateway.sources.listener_access import may_retain
from gateway.sources.listener_retained import Retained
from gateway.sources.listener_router import Router
from gateway.sources.listener_wheel import Wheel
from gateway.sources.records import RECORD_FLAGS
from gateway.topics import filter_matches, topic_of

logger = logging.getLogger(__name__)

# One device that never closes what it opens must not take all places of a listener; a rolling
# restart of a concentrator with a few workers still fits.
MAX_CONNECTIONS_PER_DEVICE = 16

# A monitor of a large site is owed tens of thousands of births when it subscribes: in slices of
# 2 ms, so that the intake goes on meanwhile.
_RETAINED_SLICE = 1000
_RETAINED_PAUSE_S = 0.01


class Peer(Protocol):
    """A connection as the hub sees it."""

    identity: Identity
    version: int
    expires_ms: int
    is_over: bool

    @property
    def has_room(self) -> bool:
        """Whether there is little enough unsent that more may follow at once."""

    def acknowledge(self, number: int) -> bool:
        """Answer what is durable up to ``number``; return whether nothing more is waiting."""

    def deliver(self, frame: bytes) -> None:
        """Send a PUBLISH at QoS 0, or drop it where too much is unsent already."""

    def flush(self) -> None:
        """Write what ``deliver`` gathered."""

    def end(self, code: int, *, with_will: bool) -> None:
        """Say why, and close."""

    def pause(self) -> None:
        """Stop reading: the intake is congested."""

    def resume(self) -> None:
        """Go on reading."""

    def tick(self, now_s: int) -> None:
        """Cut off what is overdue, or say when to look again."""


@dataclass(slots=True)
class Shelf:
    """What the hub works with."""

    index: int  # of the source, as records carry it
    section: ListenerSource
    intake: Intake
    authenticator: Authenticator
    clock: Callable[[], int]  # Unix ms
    make_id: Callable[[], str]  # client ids for clients that bring none


class Hub:
    """The state of a listener. Everything in it happens in one event loop."""

    def __init__(self, shelf: Shelf, loop: asyncio.AbstractEventLoop) -> None:
        self.shelf = shelf
        self.loop = loop
        self.now_s = int(loop.time())
        self.wheel: Wheel[Peer] = Wheel(self.now_s)
        self.known = KnownTopics()
        self.router: Router[Peer] = Router()
        self.retained = Retained()
        self.counts: Counter[str] = Counter()  # moved into ``Stats`` once a second
        # one second's worth: more would only wait in memory for the same fsync
        self.receive_maximum = min(shelf.section.max_rate_per_device, 65_535)
        self.durable = 0
        self.waiting: dict[Peer, None] = {}  # before CONNECT, the oldest first
        self.unacked: dict[Peer, None] = {}
        self.clients: dict[tuple[str, str], Peer] = {}  # by device and client id
        self.devices: dict[str, list[Peer]] = {}
        self._unsent: dict[Peer, None] = {}
        self._is_congested = False

    # -- who is here --

    def __len__(self) -> int:
        """Return the number of connections."""
        return len(self.waiting) + len(self.clients)

    def arrive(self, peer: Peer) -> None:
        """Take in a new connection; in a full house the one longest silent makes room.

        So clients that connect and say nothing cannot lock out those who would.
        """
        if len(self) >= self.shelf.section.max_connections and self.waiting:
            self.counts["evicted"] += 1
            next(iter(self.waiting)).end(Code.SERVER_BUSY, with_will=False)
        self.waiting[peer] = None
        if self._is_congested:
            peer.pause()

    @property
    def is_full(self) -> bool:
        """Whether no further client can be let in."""
        return len(self.clients) >= self.shelf.section.max_connections

    def enter(self, peer: Peer, client_id: str) -> None:
        """Move a peer from the waiting to the clients, in place of its own older connection.

        The key holds the identity, so nobody can take over another one's session.
        """
        device = peer.identity.device
        older = self.clients.get((device, client_id))
        if older is not None:
            older.end(Code.SESSION_TAKEN_OVER, with_will=True)
        siblings = self.devices.setdefault(device, []) if device else []
        if len(siblings) >= MAX_CONNECTIONS_PER_DEVICE:
            siblings[0].end(Code.QUOTA_EXCEEDED, with_will=True)
        self.waiting.pop(peer, None)
        self.clients[device, client_id] = peer
        if device:
            self.devices.setdefault(device, []).append(peer)

    def leave(self, peer: Peer, client_id: str) -> None:
        """Forget a connection that has ended."""
        for group in (self.waiting, self.unacked, self._unsent):
            group.pop(peer, None)
        device = peer.identity.device
        if self.clients.get((device, client_id)) is peer:
            del self.clients[device, client_id]
        siblings = self.devices.get(device, [])
        if peer in siblings:
            siblings.remove(peer)
            if not siblings:
                del self.devices[device]

    # -- messages --

    def bequeath(self, will: Will, sender: Peer) -> None:
        """Take a will as if its client had just published it."""
        flags = will.qos << 1 | (FLAG_RETAIN if will.retain else 0)
        shelf = self.shelf
        shelf.intake.append(shelf.index, RECORD_FLAGS[flags], will.topic, will.payload)
        if will.retain:
            self.retain(sender.identity, will.topic, will.payload)
        self.fan_out(will.topic, will.payload, sender, is_retained=will.retain)

    def retain(self, identity: Identity, topic: bytes, payload: bytes) -> None:
        """Keep a client's retained message where it may have one."""
        if may_retain(identity, topic):
            self.retained.put(topic, payload)

    def fan_out(
        self, topic: bytes, payload: bytes, sender: Peer | None, *, is_retained: bool = False
    ) -> None:
        """Deliver a message to everyone who subscribed to its topic."""
        frames: dict[tuple[int, int], bytes] = {}
        for peer, options in self.router.match(topic):
            if peer is sender and options & 4:  # no local
                continue
            flags = FLAG_RETAIN if is_retained and options & 8 else 0  # retain as published
            frame = frames.get((peer.version, flags))
            if frame is None:
                frame = encode_publish((0, flags, topic, payload), peer.version or V311)
                frames[peer.version, flags] = frame
            self.send(peer, frame)

    def fan_out_run(self, topics: Iterable[bytes], payloads: Iterable[bytes], sender: Peer) -> None:
        """Deliver a run of messages, most of which nobody has subscribed to."""
        match = self.router.match
        for topic, payload in zip(topics, payloads, strict=True):
            if match(topic):
                self.fan_out(topic, payload, sender)

    def send(self, peer: Peer, frame: bytes) -> None:
        """Give a frame to a peer; it is written at the end of this turn of the event loop."""
        if not self._unsent:
            self.loop.call_soon(self._flush)
        self._unsent[peer] = None
        peer.deliver(frame)

    def send_retained(self, peer: Peer, topic_filter: str) -> None:
        """Give a new subscriber what was last said on its topics, as fast as it takes it."""
        self._send_some(peer, topic_filter, deque(self.retained.topics(topic_filter)))

    def _send_some(self, peer: Peer, topic_filter: str, topics: deque[bytes]) -> None:
        version = V5 if peer.version == V5 else V311
        for _ in range(min(len(topics), _RETAINED_SLICE)):
            topic = topics.popleft()
            payload = self.retained.get(topic)
            if payload is not None and filter_matches(topic_filter, topic.decode()):
                self.send(peer, encode_publish((0, FLAG_RETAIN, topic, payload), version))
            if not peer.has_room:
                break
        if topics and not peer.is_over:
            self.loop.call_later(_RETAINED_PAUSE_S, self._send_some, peer, topic_filter, topics)

    def _flush(self) -> None:
        peers, self._unsent = self._unsent, {}
        for peer in peers:
            peer.flush()

    # -- the intake's word --

    def commit(self, number: int) -> None:
        """See ``Intake.on_durable``: one write for each connection that waits."""
        self.durable = number
        for peer in list(self.unacked):
            if peer.acknowledge(number):
                self.unacked.pop(peer, None)

    def check_congestion(self) -> None:
        """Stop reading everywhere as soon as the intake asks for it."""
        if self.shelf.intake.is_congested and not self._is_congested:
            self._is_congested = True
            self.counts["congestions"] += 1
            for peer in self._everyone():
                peer.pause()

    def relieve(self) -> None:
        """See ``Intake.on_relief``."""
        if self._is_congested:
            self._is_congested = False
            for peer in self._everyone():
                peer.resume()

    # -- time --

    def tick(self, now_s: int) -> None:
        """Look after deadlines and revoked credentials; called about once a second."""
        self.now_s = now_s
        for peer in self.wheel.due(now_s):
            peer.tick(now_s)
        authenticator = self.shelf.authenticator
        for device in authenticator.changed():
            for peer in list(self.devices.get(device, ())):
                if not authenticator.is_current(peer.identity):
                    self.expel(peer)

    def expire(self) -> None:
        """Cut off whose certificate or credential has run out while it was connected."""
        now_ms = self.shelf.clock()
        for peer in list(self.clients.values()):
            if 0 < peer.expires_ms <= now_ms:
                self.expel(peer)

    def expel(self, peer: Peer) -> None:
        """End a connection that is no longer wanted, and forget what its device last said."""
        identity = peer.identity
        logger.info("cutting off %s: its credential is no longer good", identity.device)
        self.counts["expelled"] += 1
        state = topic_of(identity.org, identity.sector, identity.device, "s")
        self.retained.drop(state.encode())
        peer.end(Code.ADMINISTRATIVE_ACTION, with_will=False)

    def close(self) -> None:
        """Say goodbye to everyone; devices come back, so nobody's will is done."""
        for peer in self._everyone():
            peer.end(Code.SERVER_SHUTTING_DOWN, with_will=False)

    def _everyone(self) -> Iterable[Peer]:
        return [*self.waiting, *self.clients.values()]
