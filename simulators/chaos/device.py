"""A device that keeps what was not promised, and sends it again until it is."""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from typing_extensions import override

from simulators import wire
from simulators.chaos.ledger import LOG, ORG, Bad, Book, Ledger

MOST_KEPT = 20_000  # readings without promise; beyond that a device takes none
ROWS = 50  # of a backlog message
WINDOW = 20  # messages in flight
PUBACK_TIMEOUT_S, RESEND_S, CONNACK_TIMEOUT_S = 4.0, 2.0, 5.0
SHORTEST_RETRY_S, LONGEST_RETRY_S = 0.1, 1.0  # a real device waits longer, and learns less
KEEPALIVE_S = 5


class Flight(NamedTuple):
    """One message without PUBACK."""

    sent_s: float
    seqs: tuple[int, ...]
    bad: Bad | None


class Device(asyncio.Protocol):
    """One connection at a time; ``tick`` does everything that has to be done now and then."""

    def __init__(
        self, book: Book, ledger: Ledger, port: Callable[[], int], chance: random.Random
    ) -> None:
        self.book = book
        self.is_up = False
        self.bad_waiting: list[Bad] = []  # bounded by how many a run has
        self._ledger, self._port, self._chance = ledger, port, chance
        self._topic = f"tg/1/{ORG}/energy/{book.name}/"
        self._kept: dict[int, float] = {}  # number → when it was sent last, 0 = never
        self._flights: dict[int, Flight] = {}
        self._packet_id = 0
        self._reader = wire.Reader()
        self._transport: asyncio.Transport | None = None
        self._retry_s = self._dialled_s = self._pinged_s = 0.0
        self._dial: asyncio.Task[None] | None = None

    @property
    def is_done(self) -> bool:
        """Whether everything has been promised, and every bad message acknowledged."""
        return not (self._kept or self.bad_waiting) and self.book.receipted == self.book.last

    def take_readings(self, count: int, now_ms: int) -> None:
        """Read the meter."""
        if len(self._kept) < MOST_KEPT:
            for _ in range(count):
                self._kept[self.book.add(now_ms)] = 0.0

    def tick(self, now_s: float) -> None:
        """Dial, send, send again, and give up on who does not answer."""
        if self._transport is None:
            if now_s >= self._retry_s and self._dial is None:
                self._retry_s = now_s + self._chance.uniform(SHORTEST_RETRY_S, LONGEST_RETRY_S)
                self._dial = asyncio.get_running_loop().create_task(self._connect())
            return
        oldest_s = min((f.sent_s for f in self._flights.values()), default=now_s)
        if now_s - oldest_s > PUBACK_TIMEOUT_S or (
            not self.is_up and now_s - self._dialled_s > CONNACK_TIMEOUT_S
        ):
            self.hang_up()
        elif self.is_up:
            self._send_all(now_s)

    def repeat_last(self) -> None:
        """Send the newest reading once more: its receipt may have been lost."""
        if self.book.last:
            self._kept.setdefault(self.book.last, 0.0)

    def hang_up(self) -> None:
        """End the connection without good-bye."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Be gone."""
        if self._dial is not None:
            self._dial.cancel()
        self.hang_up()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNACK_TIMEOUT_S):
                await loop.create_connection(lambda: self, "127.0.0.1", self._port())
        except OSError:
            pass  # the next tick dials again
        finally:
            self._dial = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._reader = wire.Reader()
        self._dialled_s = self._pinged_s = asyncio.get_running_loop().time()
        will = wire.Will(self._topic + "s", b'{"st":"lost"}')
        self._transport.write(wire.connect(wire.Login(self.book.name), KEEPALIVE_S, will))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self.is_up = None, False
        for flight in self._flights.values():
            self._kept |= {seq: 0.0 for seq in flight.seqs if seq in self._kept}
            if flight.bad is not None:
                self.bad_waiting.append(flight.bad)
        self._flights.clear()

    @override
    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except (wire.WireError, ValueError, KeyError):
            self.hang_up()

    def _take(self, frame: wire.Frame) -> None:
        kind = frame.head & 0xF0
        if kind == wire.CONNACK and frame.body[1:2] == b"\0":
            self._come_up()
        elif kind == wire.CONNACK:
            self.hang_up()
        elif kind == wire.PUBACK:
            self._take_puback(int.from_bytes(frame.body[:2], "big"))
        elif kind == wire.PUBLISH:
            topic, payload = wire.parse_publish(frame)
            if topic == self._topic + "a":
                self._take_receipt(json.loads(payload))

    def _come_up(self) -> None:
        self.is_up = True
        self._write(wire.subscribe(self._next_id(), self._topic + "a"))
        first = min(self._kept, default=self.book.last + 1)
        state = {"st": "online", "profile": "em1", "boot": 1, "log": LOG, "first": {LOG: first}}
        topic, payload = self._topic + "s", json.dumps(state).encode()
        self._write(wire.publish(topic, payload, self._next_id(), retain=True))

    def _take_puback(self, packet_id: int) -> None:
        flight = self._flights.pop(packet_id, None)
        if flight is None:
            return  # of the birth
        if self.book.promises_by_puback:
            self.book.acknowledged.update(flight.seqs)
            for seq in flight.seqs:
                self._kept.pop(seq, None)
        if flight.bad is not None:
            self._ledger.bad_promised[flight.bad.key] = flight.bad

    def _take_receipt(self, receipt: dict[str, Any]) -> None:
        if receipt["log"] != LOG:
            return
        seq = min(int(receipt["seq"]), self.book.last)
        for number in range(self.book.receipted + 1, seq + 1):
            self._kept.pop(number, None)
        self.book.receipted = max(self.book.receipted, seq)
        for low, high in receipt.get("missing", ()):
            for number in range(low, min(high, self.book.last) + 1):
                if number in self._kept:
                    self._kept[number] = 0.0

    def _send_all(self, now_s: float) -> None:
        if now_s - self._pinged_s > KEEPALIVE_S / 2:
            self._pinged_s = now_s
            self._write(wire.PINGREQ)
        while self.bad_waiting and len(self._flights) < WINDOW:
            bad = self.bad_waiting.pop()
            self._ledger.bad_sent.add(bad.key)
            self._publish(bad.topic, bad.payload, Flight(now_s, (), bad))
        due = sorted(seq for seq, sent_s in self._kept.items() if now_s - sent_s > RESEND_S)
        while due and len(self._flights) < WINDOW:
            run = due[: self._chance.randint(1, ROWS)]
            seqs = tuple(seq for place, seq in enumerate(run) if seq == run[0] + place)
            del due[: len(seqs)]
            lane = "b" if self._kept[seqs[0]] else "t"
            self._kept |= dict.fromkeys(seqs, now_s)
            self._publish(self._topic + lane, self.book.message(seqs), Flight(now_s, seqs, None))

    def _publish(self, topic: str, payload: bytes, flight: Flight) -> None:
        packet_id = self._next_id()
        self._flights[packet_id] = flight
        self._write(wire.publish(topic, payload, packet_id))

    def _next_id(self) -> int:
        self._packet_id = self._packet_id % 65_535 + 1
        return self._packet_id

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
