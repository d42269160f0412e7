"""A fleet of nodes: one MQTT connection each, one ticker for all.

A task per node would cost more memory than the node; here a node is a ``Device``, at times a
``Link``, and its place in two heaps.
"""

import asyncio
import heapq
import random
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from simulators.device import Device
from simulators.homes import Home
from simulators.lanes import Lane
from simulators.link import Link
from simulators.shelf import Shelf
from simulators.target import Target

TICK_S = 0.1
RAMP_MS, RAMP_PER_NODE_MS = 8_000, 10  # a start is spread: nobody powers a city in one instant
SPREAD_MS = 5_000  # nodes that sample on one grid do not send at one moment
DIALS_AT_ONCE = 200
CHUNKS_PER_TICK = 100  # 60,000 readings of backlog a second at most, after an outage of all
CONNECT_TIMEOUT_S = 10.0
BACKOFF_FIRST_S, BACKOFF_LAST_S, STABLE_MS = 0.5, 60.0, 30_000
FAREWELL_S = 3.0  # how long the end of a run waits for the last receipts


class Roster(Protocol):
    """Whatever knows which nodes there are."""

    def devices(self) -> list[Device]:
        """Build the nodes."""


@dataclass(frozen=True)
class Plan:
    """What a fleet is made of."""

    meters: int
    detectors: int
    interval_ms: int | None = None  # None: 1,800 s for meters, 30 s for detectors
    seed: int = 1
    org: str = "demo"

    def devices(self) -> list[Device]:
        """Build the nodes, every one determined by the seed."""
        meters = [
            Device(self.org, f"meter-{k:05d}", Home(self.seed, k), self.interval_ms or 1_800_000)
            for k in range(1, self.meters + 1)
        ]
        detectors = [
            Device(self.org, f"lane-{k:05d}", Lane(self.seed, k), self.interval_ms or 30_000)
            for k in range(1, self.detectors + 1)
        ]
        return meters + detectors


@dataclass
class Tally:
    """What happened, for the report."""

    readings: int = 0
    messages: int = 0
    connects: int = 0
    lost: int = 0
    started_ms: int = 0
    all_up_ms: int = 0  # how long it took until every node was connected, 0 = never yet


@dataclass(slots=True)
class _Node:
    device: Device
    offset_ms: int
    link: Link | None = None
    backoff_s: float = BACKOFF_FIRST_S
    up_since_ms: int = 0


@dataclass
class _Due:
    """Heaps of (time, index) and what waits for the next transaction."""

    samples: list[tuple[int, int]] = field(default_factory=list)
    dials: list[tuple[int, int]] = field(default_factory=list)
    backlog: dict[int, int] = field(default_factory=dict)  # index → not before
    receipts: dict[str, int] = field(default_factory=dict)
    sweep_ms: int = 0


class Fleet:
    """Runs until told to stop; also the hub of all its links."""

    def __init__(
        self,
        plan: Roster,
        target: Target,
        shelf: Shelf | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        chance: random.Random | None = None,
    ) -> None:
        self.tally = Tally()
        self.now_ms = clock
        self._target = target
        self._shelf = shelf
        self._chance = chance or random.Random()
        self._due = _Due()
        self._dialing: dict[int, asyncio.Task[None]] = {}
        self._is_ending = False
        devices = plan.devices()
        self._nodes = [
            _Node(device, k * min(SPREAD_MS, device.interval_ms // 2) // len(devices))
            for k, device in enumerate(devices)
        ]
        if shelf is not None:
            for device in devices:
                remembered = shelf.load(device.name)
                if remembered is not None:
                    device.restore(*remembered)

    async def run(self, stop: asyncio.Event) -> None:
        """Sample, send and reconnect until ``stop``; then wait a moment for the last receipts."""
        now_ms = self.tally.started_ms = self.now_ms()
        ramp_ms = min(RAMP_MS, RAMP_PER_NODE_MS * len(self._nodes))
        for index in range(len(self._nodes)):
            due_ms = now_ms + index * ramp_ms // len(self._nodes)
            self._due.samples.append((due_ms, index))
            self._due.dials.append((due_ms, index))
        while not stop.is_set():
            self.tick()
            await asyncio.sleep(TICK_S)
        await self._end()

    def tick(self) -> None:
        """Do what is due."""
        now_ms = self.now_ms()
        sampled = self._sample(now_ms)
        for index in sampled:
            link = self._nodes[index].link
            if link is not None:
                link.send_live()
        self._send_backlog(now_ms)
        self._dial(now_ms)
        if now_ms >= self._due.sweep_ms:
            self._due.sweep_ms = now_ms + 1000
            self._sweep(now_ms)

    def report(self) -> dict[str, int | float]:
        """Return what the run did and what it cost."""
        devices = [node.device for node in self._nodes]
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "devices": len(devices),
            "connected": sum(node.link is not None and node.link.is_up for node in self._nodes),
            "readings": self.tally.readings,
            "messages": self.tally.messages + sum(n.link.messages for n in self._nodes if n.link),
            "receipted": sum(device.receipted for device in devices),
            "kept": sum(len(device.kept) for device in devices),
            "overwritten": sum(device.overwritten for device in devices),
            "connects": self.tally.connects,
            "lost_connections": self.tally.lost,
            "all_connected_ms": self.tally.all_up_ms,
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
            "peak_rss_bytes": usage.ru_maxrss * 1024,
        }

    def came_up(self, link: Link) -> None:
        """See ``link.Hub``."""
        node, now_ms = self._nodes[link.index], self.now_ms()
        node.up_since_ms = now_ms
        self.tally.connects += 1
        self._due.backlog[link.index] = now_ms + self._chance.randrange(2000)
        if not self.tally.all_up_ms and self.tally.connects >= len(self._nodes):
            self.tally.all_up_ms = now_ms - self.tally.started_ms

    def went_down(self, link: Link) -> None:
        """See ``link.Hub``; full jitter, and only a connection that lasted resets the wait."""
        node, now_ms = self._nodes[link.index], self.now_ms()
        self.tally.messages += link.messages
        node.link = None
        if self._is_ending:
            return
        self.tally.lost += node.up_since_ms > 0
        if node.up_since_ms and now_ms - node.up_since_ms > STABLE_MS:
            node.backoff_s = BACKOFF_FIRST_S
        node.up_since_ms = 0
        self._redial(link.index)

    def was_receipted(self, link: Link, seq: int) -> None:
        """See ``link.Hub``."""
        if seq:
            self._due.receipts[link.device.name] = seq
        if link.device.owes_backlog:
            self._due.backlog.setdefault(link.index, self.now_ms())

    def _sample(self, now_ms: int) -> list[int]:
        samples, sampled, taken = self._due.samples, [], []
        while samples and samples[0][0] <= now_ms:
            _, index = heapq.heappop(samples)
            node = self._nodes[index]
            taken.append((node.device, node.device.sample(now_ms)))
            self.tally.readings += len(taken[-1][1])
            interval_ms = node.device.interval_ms
            next_ms = now_ms - now_ms % interval_ms + interval_ms + node.offset_ms
            heapq.heappush(samples, (next_ms, index))
            sampled.append(index)
        if self._shelf is not None and (taken or self._due.receipts):
            self._shelf.save(taken, self._due.receipts.items())
        self._due.receipts.clear()
        return sampled

    def _send_backlog(self, now_ms: int) -> None:
        ready = [index for index, due_ms in self._due.backlog.items() if due_ms <= now_ms]
        for index in ready[:CHUNKS_PER_TICK]:
            del self._due.backlog[index]
            node = self._nodes[index]
            if node.link is not None and node.device.owes_backlog:
                node.link.send_backlog()
                self._due.backlog[index] = now_ms  # at the end of the queue

    def _dial(self, now_ms: int) -> None:
        dials = self._due.dials
        while dials and dials[0][0] <= now_ms and len(self._dialing) < DIALS_AT_ONCE:
            _, index = heapq.heappop(dials)
            self._dialing[index] = asyncio.create_task(self._connect(index))

    async def _connect(self, index: int) -> None:
        node, target = self._nodes[index], self._target
        link = Link(index, node.device, target.login(node.device.name), self)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                node.link = link
                await loop.create_connection(lambda: link, target.host, target.port, ssl=target.tls)
        except OSError:
            node.link = None
            self._redial(index)
        finally:
            self._dialing.pop(index, None)

    def _redial(self, index: int) -> None:
        node = self._nodes[index]
        wait_s = self._chance.uniform(0, node.backoff_s)
        node.backoff_s = min(2 * node.backoff_s, BACKOFF_LAST_S)
        heapq.heappush(self._due.dials, (self.now_ms() + round(wait_s * 1000), index))

    def _sweep(self, now_ms: int) -> None:
        for index, node in enumerate(self._nodes):
            if node.link is not None:
                node.device.check_resend(now_ms)
                if node.device.owes_backlog:
                    self._due.backlog.setdefault(index, now_ms)
                node.link.check()

    async def _end(self) -> None:
        self._is_ending = True
        for _ in range(round(FAREWELL_S / TICK_S)):
            if self._is_settled():
                break
            await asyncio.sleep(TICK_S)
        if self._shelf is not None:
            self._shelf.save([], self._due.receipts.items())
        for task in self._dialing.values():
            task.cancel()
        await asyncio.gather(*self._dialing.values(), return_exceptions=True)

    def _is_settled(self) -> bool:
        if any(node.link is not None and not node.link.is_idle for node in self._nodes):
            return False
        devices = [node.device for node in self._nodes]
        has_gateway = any(device.receipted for device in devices)
        return not has_gateway or not any(device.kept for device in devices)

    def close(self) -> None:
        """End every connection; the broker then says ``lost``."""
        for node in self._nodes:
            if node.link is not None:
                node.link.abort()
