"""As many messages as possible for as little CPU as possible, and how long they take.

One thread, one selector, non-blocking sockets. Below the maximum the devices take turns at
the rate asked for; what cannot be sent in time is not made up for beyond one second.
"""

import json
import random
import selectors
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulators.channel import Channel, open_socket
from simulators.probes import QueryProbe, ReceiptProbe
from simulators.target import Target
from simulators.templates import Encoder, Shape

MESSAGES_PER_SEND = 1000
# Fewer messages per encoding cost more each (0.5 µs at 1,000, 1.7 at 100, 12 at 10), so one call
# encodes for all channels in turn, and a turn waits for about this many messages, but not longer
# than bursts would show in a server's latency.
MESSAGES_PER_TURN, SHORTEST_TURN_S, LONGEST_TURN_S = 100, 0.002, 0.02
# A broker sends each PUBACK alone: without a pause the reader wakes for every one of them.
# The pause is the resolution of the latencies.
PAUSE_S, BUSY_PAUSE_S, BUSY_RATE = 0.001, 0.002, 5000
DRAIN_S = 10.0
RECEIPTS_S = 5.0

Turn = tuple[Channel, int, int]  # a channel and those of its devices whose turn it is


@dataclass(frozen=True)
class Demand:
    """How much, how long and over how many connections."""

    rate: float | None  # messages per second, None = maximum
    seconds: float
    connections: int
    window: int = 1000  # in flight per connection
    receipts: int = 20  # devices whose receipts are timed, 0 = none
    api: str | None = None


class Load:
    """One run of the load generator."""

    def __init__(
        self,
        shape: Shape,
        demand: Demand,
        target: Target,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        chance: random.Random | None = None,
    ) -> None:
        self._shape, self._demand, self._target = shape, demand, target
        self._clock = clock
        self._chance = chance or random.Random()
        connections = min(demand.connections, shape.devices)
        bounds = np.linspace(0, shape.devices, connections + 1).astype(int).tolist()
        self._encoder = Encoder(shape, bounds)
        self._channels = [
            Channel(shape, first, last, demand.window) for first, last in pairwise(bounds)
        ]
        self._turn = 0
        self._lost = 0
        self._selector = selectors.DefaultSelector()
        self._receipts: ReceiptProbe | None = None
        self._queries: QueryProbe | None = None

    def run(self) -> dict[str, object]:
        """Send for the time asked for, wait for what is in flight and return the report.

        Raises:
            OSError: the server cannot be reached at the start.
        """
        for channel in self._channels:
            self._open(channel)
        self._start_probes()
        cpu_s, start_s = time.process_time(), time.perf_counter()
        began_ms = self._clock()
        self._send_until(start_s, start_s + self._demand.seconds)
        self._wait(lambda: any(c.in_flight or c.is_stuck for c in self._channels), DRAIN_S)
        elapsed_s = time.perf_counter() - start_s
        cpu_s = time.process_time() - cpu_s
        receipts = self._receipts
        if receipts is not None:
            self._wait(lambda: receipts.waits and bool(receipts.latencies_s), RECEIPTS_S)
        if self._queries is not None:
            self._queries.finish()
        return {"began_ms": began_ms, **self._report(elapsed_s, cpu_s)}

    def _start_probes(self) -> None:
        count = min(self._demand.receipts, self._shape.devices)
        if not count:
            return
        sampled = sorted({k * self._shape.devices // count for k in range(count)})
        self._receipts = ReceiptProbe(self._encoder, self._target, sampled)
        self._selector.register(self._receipts.sock, selectors.EVENT_READ, None)
        if self._demand.api is not None:
            self._queries = QueryProbe(self._encoder, self._receipts, self._demand.api)
            self._queries.start()

    def _send_until(self, start_s: float, end_s: float) -> None:
        if (rate := self._demand.rate) is None:
            while time.perf_counter() < end_s:
                self._send_all()
                self._poll(SHORTEST_TURN_S)
                time.sleep(BUSY_PAUSE_S)
            return
        turn_s = min(max(MESSAGES_PER_TURN / rate, SHORTEST_TURN_S), LONGEST_TURN_S)
        sent, next_s = 0, start_s
        while (now_s := time.perf_counter()) < end_s:
            if now_s >= next_s:
                next_s = max(next_s + turn_s, now_s)
                due = round(rate * (now_s + turn_s - start_s)) - sent
                sent += self._send_some(due) + max(0, due - round(rate))  # a debt is forgiven
            self._poll(max(0, next_s - time.perf_counter()))
            if rate > BUSY_RATE:
                time.sleep(PAUSE_S)

    def _send_all(self) -> None:
        # half of everything at a time, so that encodings and sends carry many messages
        left = {channel: channel.room for channel in self._channels if channel.room > 0}
        if 2 * sum(left.values()) < self._demand.window * len(self._channels):
            return
        left = {channel: min(room, MESSAGES_PER_SEND) for channel, room in left.items()}
        ready = list(left)
        while turns := [(c, *c.turn(room)) for c, room in left.items()]:
            self._encode(turns)
            for channel, first, last in turns:
                left[channel] -= last - first
                if left[channel] <= 0 or last == first:
                    del left[channel]
        for channel in ready:
            self._flush(channel)

    def _send_some(self, due: int) -> int:
        sent, served = 0, dict[Channel, None]()
        while sent < due and (turns := self._next_turns(due - sent)):
            self._encode(turns)
            served |= dict.fromkeys(channel for channel, _, _ in turns)
            sent += sum(last - first for _, first, last in turns)
        for channel in served:
            self._flush(channel)
        return sent

    def _next_turns(self, due: int) -> list[Turn]:
        """Let channels take turns, each once at the most and for a hundred messages."""
        turns: list[Turn] = []
        for _ in self._channels:
            channel = self._channels[self._turn]
            self._turn = (self._turn + 1) % len(self._channels)
            first, last = channel.turn(min(due, MESSAGES_PER_TURN))
            if last > first:
                turns.append((channel, first, last))
                due -= last - first
            if due <= 0:
                break
        return turns

    def _encode(self, turns: Sequence[Turn]) -> None:
        """Give each channel its messages; neighbours among the devices are encoded in one call."""
        size = self._encoder.length
        for part in _neighbours(turns):
            start, end = part[0][1], part[-1][2]
            data = self._encoder.encode(start, end, self._clock())
            for channel, first, last in part:
                channel.take(data[(first - start) * size : (last - start) * size], first, last)
            if self._receipts is not None:
                self._receipts.note(start, end)

    def _flush(self, channel: Channel) -> None:
        try:
            channel.flush()
        except OSError:
            self._lose(channel)
        else:
            self._watch(channel)

    def _poll(self, timeout_s: float) -> None:
        for key, events in self._selector.select(timeout_s):
            channel = key.data
            if channel is None:
                self._read_receipts()
            else:
                self._serve(channel, events)
        now_s = time.perf_counter()
        for channel in self._channels:
            if channel.sock is None and channel.retry_at_s <= now_s:
                self._reopen(channel)

    def _serve(self, channel: Channel, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                channel.flush()
                self._watch(channel)
            if events & selectors.EVENT_READ:
                channel.receive()
        except OSError:
            self._lose(channel)

    def _read_receipts(self) -> None:
        receipts = self._receipts
        try:
            if receipts is not None:
                receipts.receive()
        except (BlockingIOError, ValueError):
            return
        except OSError:
            if receipts is not None:
                self._selector.unregister(receipts.sock)

    def _watch(self, channel: Channel) -> None:
        if channel.sock is not None:
            wants = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.is_stuck else 0)
            if self._selector.get_key(channel.sock).events != wants:
                self._selector.modify(channel.sock, wants, channel)

    def _open(self, channel: Channel) -> None:
        channel.sock = open_socket(self._target, channel.client_id)
        self._selector.register(channel.sock, selectors.EVENT_READ, channel)

    def _reopen(self, channel: Channel) -> None:
        try:
            self._open(channel)
        except OSError:
            channel.retry_at_s = time.perf_counter() + self._chance.uniform(0.5, 1.5)

    def _lose(self, channel: Channel) -> None:
        self._lost += 1
        if channel.sock is not None:
            self._selector.unregister(channel.sock)
        channel.lose(time.perf_counter() + self._chance.uniform(0.2, 1.0))

    def _wait(self, is_needed: Callable[[], bool], longest_s: float) -> None:
        end_s = time.perf_counter() + longest_s
        while is_needed() and time.perf_counter() < end_s:
            self._poll(SHORTEST_TURN_S)

    def _report(self, elapsed_s: float, cpu_s: float) -> dict[str, object]:
        sent = sum(channel.sent for channel in self._channels)
        lost = sum(c.unacknowledged_lost + c.in_flight for c in self._channels)
        acks = [latency for channel in self._channels for latency in channel.latencies_s]
        receipts = self._receipts.latencies_s if self._receipts is not None else ()
        queries = self._queries.latencies_s if self._queries is not None else ()
        accounts = self._queries.get("/api/v1/accounting") if self._queries is not None else None
        ahead_ms = int(self._encoder.last_ms.max()) - self._clock()
        return {
            "messages_sent": sent,
            "messages_unacknowledged": lost if self._shape.qos else None,
            "readings_sent": sent * self._shape.batch,
            "messages_per_s": round((sent - lost) / elapsed_s),
            "puback_p50_ms": _percentile_ms(acks, 50),
            "puback_p99_ms": _percentile_ms(acks, 99),
            "receipt_p50_ms": _percentile_ms(receipts, 50),
            "receipt_p99_ms": _percentile_ms(receipts, 99),
            "queryable_p50_ms": _percentile_ms(queries, 50),
            "queryable_p99_ms": _percentile_ms(queries, 99),
            "cpu_us_per_message": round(cpu_s / max(sent, 1) * 1e6, 2),
            "lost_connections": self._lost,
            "clock_ahead_ms": max(0, ahead_ms),
            "elapsed_s": round(elapsed_s, 2),
            "log": self._shape.log,
            "accounting": None if accounts is None else json.loads(accounts),
        }


def _neighbours(turns: Sequence[Turn]) -> Iterator[list[Turn]]:
    part: list[Turn] = []
    for turn in turns:
        if turn[1] == turn[2]:
            continue
        if part and part[-1][2] != turn[1]:
            yield part
            part = []
        part.append(turn)
    if part:
        yield part


def _percentile_ms(latencies_s: Iterable[float], percent: int) -> float | None:
    values = np.fromiter(latencies_s, dtype=np.float64)
    return round(float(np.percentile(values, percent)) * 1000, 2) if len(values) else None
