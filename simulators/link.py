"""One connection of one node: MQTT around a ``Device``, bounded windows, nothing else kept."""

import asyncio
from typing import Protocol, cast

from typing_extensions import override

from simulators import wire
from simulators.device import LIVE_WINDOW, Device

KEEPALIVE_S = 60
# A PUBACK that takes longer means that nobody is there: even a broker that waits for a disk
# answers within seconds.
PUBACK_TIMEOUT_MS = 30_000
CONNACK_TIMEOUT_MS = 15_000


class Hub(Protocol):
    """What a connection reports to; one for the whole fleet."""

    def came_up(self, link: "Link") -> None:
        """The broker has accepted the connection."""

    def went_down(self, link: "Link") -> None:
        """The connection is over, whoever ended it."""

    def was_receipted(self, link: "Link", seq: int) -> None:
        """The gateway has everything up to ``seq``."""

    def now_ms(self) -> int:
        """Return the time."""


class Link(asyncio.Protocol):
    """Speaks for one device until the connection is lost."""

    def __init__(self, index: int, device: Device, login: wire.Login, hub: Hub) -> None:
        self.index = index
        self.device = device
        self.is_up = False
        self.messages = 0
        self._login = login
        self._hub = hub
        self._reader = wire.Reader()
        self._transport: asyncio.Transport | None = None
        self._in_flight: dict[int, int] = {}  # packet id → time; at most LIVE_WINDOW + 2
        self._backlog_id = 0  # the one message of lane b that may be under way
        self._packet_id = 0
        self._heard_ms = self._spoke_ms = hub.now_ms()

    @property
    def is_idle(self) -> bool:
        """Whether every message has been acknowledged."""
        return not self._in_flight

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        will = wire.Will(self.device.prefix + "s", b'{"st":"lost"}')
        self._transport.write(wire.connect(self._login, KEEPALIVE_S, will))

    @override
    def data_received(self, data: bytes) -> None:
        self._heard_ms = self._hub.now_ms()
        try:
            for frame in self._reader.feed(data):
                self._receive(frame)
        except wire.WireError:
            self.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.is_up = False
        self._transport = None
        self._hub.went_down(self)

    def send_live(self) -> None:
        """Send what is due on lanes e and t, as far as the window allows."""
        while self.is_up and len(self._in_flight) < LIVE_WINDOW:
            event = self.device.event()
            if event is not None:
                self._publish("e", event)
                continue
            payload = self.device.live(self._hub.now_ms())
            if payload is None:
                return
            self._publish("t", payload)

    def send_backlog(self) -> None:
        """Send one message on lane b, unless one is under way."""
        if self.is_up and not self._backlog_id:
            payload = self.device.backlog(self._hub.now_ms())
            if payload is not None:
                self._backlog_id = self._publish("b", payload)

    def check(self) -> None:
        """Say that we are there, and end a connection on which nobody answers."""
        now_ms = self._hub.now_ms()
        oldest_ms = min(self._in_flight.values(), default=now_ms)
        silent_ms = now_ms - self._heard_ms
        patience_ms = KEEPALIVE_S * 1500 if self.is_up else CONNACK_TIMEOUT_MS
        if now_ms - oldest_ms > PUBACK_TIMEOUT_MS or silent_ms > patience_ms:
            self.abort()
        elif self.is_up and now_ms - self._spoke_ms > KEEPALIVE_S * 750:
            self._write(wire.PINGREQ)

    def abort(self) -> None:
        """End the connection without good-bye: the broker publishes the will."""
        if self._transport is not None:
            self._transport.abort()

    def _receive(self, frame: wire.Frame) -> None:
        kind = frame.head & 0xF0
        if kind == wire.PUBACK:
            packet_id = int.from_bytes(frame.body[:2], "big")
            self._in_flight.pop(packet_id, None)
            if packet_id == self._backlog_id:
                self._backlog_id = 0
            self.send_live()
        elif kind == wire.PUBLISH:
            topic, payload = wire.parse_publish(frame)
            if topic == self.device.prefix + "a":
                seq = self.device.receive_receipt(payload, self._hub.now_ms())
                self._hub.was_receipted(self, seq)
        elif kind == wire.CONNACK:
            self._receive_connack(frame.body)

    def _receive_connack(self, body: bytes) -> None:
        if body[1:2] != b"\x00":
            self.abort()
            return
        self.is_up = True
        self._write(wire.subscribe(self._next_id(), self.device.prefix + "a"))
        self._publish("s", self.device.birth(self._hub.now_ms()), retain=True)
        self.device.come_up(self._hub.now_ms())
        self._hub.came_up(self)
        self.send_live()

    def _publish(self, lane: str, payload: bytes, *, retain: bool = False) -> int:
        packet_id = self._next_id()
        self._in_flight[packet_id] = self._hub.now_ms()
        self._write(wire.publish(self.device.prefix + lane, payload, packet_id, retain=retain))
        self.messages += 1
        return packet_id

    def _next_id(self) -> int:
        self._packet_id = self._packet_id % 65_535 + 1
        return self._packet_id

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._spoke_ms = self._hub.now_ms()
            self._transport.write(data)
