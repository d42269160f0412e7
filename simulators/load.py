"""As many messages as possible for as little CPU as possible, and how long they take.

One thread, one selector, non-blocking sockets. Below the maximum the devices take turns at
the rate asked for; what cannot be sent in time is not made up for beyond one second.
"""

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulators.channel import Channel
from simulators.dialling import AT_ONCE
from simulators.exchange import Exchange
from simulators.figures import Meter, percentiles_ms
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
MOST_IN_FLIGHT = 60_000  # of all connections, however many; 20 MB of what waits
LOOK_S = 1.0  # between two looks for connections on which nobody answers

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
    connects_at_once: int = AT_ONCE
    connect_s: float = 30.0  # for all connections together, at the start
    patience_s: float = 30.0  # without PUBACK: then the connection is given up
    server_pids: Sequence[int] = ()


class Load:
    """One run of the load generator."""

    def __init__(
        self,
        shape: Shape,
        demand: Demand,
        target: Target,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        chance: random.Random | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._shape, self._demand, self._target = shape, demand, target
        self._clock = clock
        self._progress = progress
        connections = min(demand.connections, shape.devices)
        bounds = np.linspace(0, shape.devices, connections + 1).astype(int).tolist()
        self._encoder = Encoder(shape, bounds)
        self._window = max(1, min(demand.window, MOST_IN_FLIGHT // connections))
        self._per_send = max(1, min(MESSAGES_PER_SEND, MOST_IN_FLIGHT // connections))
        self._channels = [
            Channel(shape, first, last, self._window) for first, last in pairwise(bounds)
        ]
        self._turn = 0
        self._look_s = self._began_s = time.perf_counter()
        self._exchange = Exchange(
            self._channels, target, chance or random.Random(), demand.connects_at_once
        )
        self._receipts: ReceiptProbe | None = None
        self._queries: QueryProbe | None = None

    def run(self) -> dict[str, object]:
        """Send for the time asked for, wait for what is in flight and return the report.

        Raises:
            OSError: the server cannot be reached at the start.
        """
        connect_s = self._exchange.connect(self._demand.connect_s)
        self._start_probes()
        meter, start_s = Meter(self._demand.server_pids), time.perf_counter()
        cpu_s, began_ms = time.process_time(), self._clock()
        self._began_s = self._look_s = start_s
        self._send_until(start_s, start_s + self._demand.seconds)
        shares = meter.read()
        self._wait(lambda: any(c.in_flight or c.is_stuck for c in self._channels), DRAIN_S)
        elapsed_s = time.perf_counter() - start_s
        cpu_s = time.process_time() - cpu_s
        receipts = self._receipts
        if receipts is not None:
            self._wait(lambda: receipts.waits and bool(receipts.latencies_s), RECEIPTS_S)
        if self._queries is not None:
            self._queries.finish()
        report = {"began_ms": began_ms, "connect_s": round(connect_s, 3)}
        return {**report, **self._report(elapsed_s, cpu_s), **shares}

    def _start_probes(self) -> None:
        count = min(self._demand.receipts, self._shape.devices)
        if not count:
            return
        sampled = sorted({k * self._shape.devices // count for k in range(count)})
        self._receipts = ReceiptProbe(self._encoder, self._target, sampled)
        self._exchange.watch(self._receipts.sock, self._read_receipts)
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
        if 2 * sum(left.values()) < self._window * len(self._channels):
            return
        left = {channel: min(room, self._per_send) for channel, room in left.items()}
        ready = list(left)
        while turns := [(c, *c.turn(room)) for c, room in left.items()]:
            self._encode(turns)
            for channel, first, last in turns:
                left[channel] -= last - first
                if left[channel] <= 0 or last == first:
                    del left[channel]
        for channel in ready:
            self._exchange.flush(channel)

    def _send_some(self, due: int) -> int:
        sent, served = 0, dict[Channel, None]()
        while sent < due and (turns := self._next_turns(due - sent)):
            self._encode(turns)
            served |= dict.fromkeys(channel for channel, _, _ in turns)
            sent += sum(last - first for _, first, last in turns)
        for channel in served:
            self._exchange.flush(channel)
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

    def _wait(self, is_needed: Callable[[], bool], longest_s: float) -> None:
        end_s = time.perf_counter() + longest_s
        while is_needed() and time.perf_counter() < end_s:
            self._poll(SHORTEST_TURN_S)

    def _look(self) -> None:
        """Give up dead connections, and say how far we are."""
        self._look_s = now_s = time.perf_counter()
        self._exchange.give_up(self._demand.patience_s)
        if self._progress is not None:
            self._progress(self._in_words(now_s - self._began_s))

    def _poll(self, timeout_s: float) -> None:
        self._exchange.poll(timeout_s)
        if time.perf_counter() - self._look_s > LOOK_S:
            self._look()

    def _in_words(self, elapsed_s: float) -> str:
        sent, in_flight = self._exchange.sums()
        acks = [c.latencies_s[-1] for c in self._channels if c.latencies_s]
        newest = f"{sum(acks) / len(acks) * 1000:.0f}" if acks else "–"
        return (
            f"{elapsed_s:.0f} s  sent {sent:,}  in flight {in_flight:,}  "
            f"{(sent - in_flight) / max(elapsed_s, 1e-9):,.0f}/s  PUBACK {newest} ms  "
            f"lost connections {self._exchange.lost:,}"
        )

    def _read_receipts(self) -> None:
        if self._receipts is not None:
            with contextlib.suppress(BlockingIOError, ValueError):
                self._receipts.receive()

    def _report(self, elapsed_s: float, cpu_s: float) -> dict[str, object]:
        sent, in_flight = self._exchange.sums()
        lost = in_flight + sum(channel.unacknowledged_lost for channel in self._channels)
        acks = [latency for channel in self._channels for latency in channel.latencies_s]
        receipts = self._receipts.latencies_s if self._receipts is not None else ()
        queries = self._queries.latencies_s if self._queries is not None else ()
        accounts = self._queries.get("/api/v1/accounting") if self._queries is not None else None
        ahead_ms = int(self._encoder.last_ms.max()) - self._clock()
        return {
            "connections": len(self._channels),
            **percentiles_ms("connect", self._exchange.dialler.latencies_s),
            "messages_sent": sent,
            "messages_unacknowledged": lost if self._shape.qos else None,
            "readings_sent": sent * self._shape.batch,
            "messages_per_s": round((sent - lost) / elapsed_s),
            "bytes_per_message": self._encoder.length,
            **percentiles_ms("puback", acks),
            **percentiles_ms("receipt", receipts),
            **percentiles_ms("queryable", queries),
            "cpu_us_per_message": round(cpu_s / max(sent, 1) * 1e6, 2),
            "lost_connections": self._exchange.lost,
            "failed_connects": self._exchange.dialler.failed,
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
