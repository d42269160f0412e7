"""The city on the air: one connection for each device, in real time, faster, or at full speed."""

import asyncio
import heapq
import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from typing_extensions import override

from simulators.city.city import City
from simulators.city.feed import Feed, Turn
from simulators.city.frame import LAST_GASP
from simulators.city.nodes import Node, Writers
from simulators.city.past import Past
from simulators.device import Device, Reading
from simulators.fleet import TICK_S, Fleet
from simulators.shelf import Shelf
from simulators.target import Target

STEP_MS = 3_600_000  # how far the city is stepped at once: bounds what waits for its moment
_MOST_STEP_S = 5.0  # … and less where real time is slow: nobody computes what is hours away
_DIALLING_S = (
    5.0  # the past is made when everybody is connected; one that cannot be is not waited for
)
_PATIENCE_MS = 120_000  # for the first connections of a city that is not in real time
ROWS_PER_TICK = 20_000  # 2 s of work at most, before the connections are looked at again


class Recall(NamedTuple):
    """A past that is still to be made; it takes seconds, and the nodes are connected meanwhile.

    Attributes:
        record: makes it, and asks its argument whether it is still wanted.
        keep: makes what stood in the devices durable, before any reading of the past is kept.
        start_ms: what time it is in the city when the run starts.
    """

    record: Callable[[Callable[[], bool]], Past]
    keep: Callable[[Past], None]
    start_ms: int


class _Nodes:
    """The nodes of a city, for ``Fleet``."""

    def __init__(self, city: City, org: str, world_ms: Callable[[], int]) -> None:
        writers = Writers()
        self.nodes = [Node(org, row, writers, world_ms) for row in city.devices()]

    def devices(self) -> list[Device]:
        """Return them."""
        return list(self.nodes)


class LiveCity(Fleet):
    """Publishes a city.

    Args:
        city: at its begin.
        target: where to.
        org: organisation of all devices.
        factor: how many times faster than real time; None: as fast as it is taken.
        shelf: what survives a restart.
        clock: Unix ms.
    """

    def __init__(
        self,
        city: City,
        target: Target,
        org: str,
        factor: float | None = 1.0,
        shelf: Shelf | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._city, self._factor = city, factor
        self._recall: Recall | None = None
        self._world_ms = city.ended_ms
        self._told_ms = 0  # real time of the last tick
        self._goal_ms = city.ended_ms
        roster = _Nodes(city, org, lambda: self._world_ms)
        self._own = roster.nodes
        super().__init__(roster, target, shelf, clock, random.Random(city.size.seed))
        self._numbers = {node.name: k for k, node in enumerate(self._own)}
        step_ms = STEP_MS if factor is None else min(STEP_MS, int(_MOST_STEP_S * 1000 * factor))
        self._feed = Feed(city, self._numbers, step_ms)
        self._first_ms = city.ended_ms
        self._barred: set[int] = set()
        self._over = asyncio.Event()

    def begin_with(self, recall: Recall) -> None:
        """Let no node take a reading before its past is there, whose numbers come first.

        Before the run, and only in real time.
        """
        self._recall, self._first_ms = recall, recall.start_ms

    async def run_through(self, stop: asyncio.Event) -> None:
        """Run until ``stop``, or until the city's time is over and everything is sent."""
        watch = asyncio.create_task(_either(stop, self._over))
        done = asyncio.Event()
        watch.add_done_callback(lambda _: done.set())
        remembering = asyncio.create_task(self._remember(done))
        await self.run(done)
        watch.cancel()
        await remembering

    async def _remember(self, done: asyncio.Event) -> None:
        """Make the past beside the running nodes, then give it to them all at once."""
        if self._recall is None:
            return
        unwanted = threading.Event()
        ending = asyncio.create_task(_tell_thread(done, unwanted))
        try:
            for _ in range(round(_DIALLING_S / TICK_S)):
                if not self.tally.all_up_ms:
                    await asyncio.sleep(TICK_S)
            past = await asyncio.to_thread(self._recall.record, lambda: not unwanted.is_set())
            if done.is_set():
                return
            self._recall.keep(past)
            self._give(past)
            self._recall = None
        finally:
            ending.cancel()
            if self._recall is not None:
                self._over.set()  # without a past nobody would ever take a reading

    def _give(self, past: Past) -> None:
        self._city.carry(past.carried)
        for number, node in enumerate(self._own):
            if readings := past.readings.get(node.name):
                node.recall(readings)
                self._due.backlog.setdefault(number, self.now_ms())
        self.tally.readings += sum(map(len, past.readings.values()))
        if self._shelf is not None:
            self._shelf.save((node, past.readings.get(node.name, [])) for node in self._own)

    @property
    def world_ms(self) -> int:
        """Return what time it is in the city."""
        return self._world_ms

    @override
    def tick(self) -> None:
        super().tick()
        # after the sending: a last gasp leaves before its node does
        for turn in self._feed.turns(self._world_ms):
            self._apply(turn, self.now_ms())
        is_over = self._world_ms >= self._city.last_ms and self._recall is None
        if is_over and self._is_quiet():
            self._over.set()

    @override
    def _sample(self, now_ms: int) -> list[int]:
        if self._goal_ms <= self._world_ms:
            self._goal_ms = self._until(now_ms)
        if self._recall is not None:
            self._world_ms = self._goal_ms
            return []
        until_ms = self._goal_ms  # the last one, where a tick was too short for all its rows
        taken: list[tuple[Device, list[Reading]]] = []
        sampled: set[int] = set()
        for row in self._feed.rows(until_ms):
            node = self._own[row.node]
            taken.append((node, [node.take(row.time_ms, row.values, row.status)]))
            sampled.add(row.node)
            if len(taken) >= ROWS_PER_TICK:
                break
        else:
            self._world_ms = until_ms
            sampled |= self._tell(until_ms)
        self.tally.readings += len(taken)
        if self._shelf is not None and (taken or self._due.receipts):
            self._shelf.save(taken, self._due.receipts.items())
        self._due.receipts.clear()
        return sorted(sampled)

    def _tell(self, until_ms: int) -> set[int]:
        told = set()
        for event in self._feed.events(until_ms):
            number = self._numbers[event.device]
            if self._nodes[number].link is None and event.code == LAST_GASP:
                continue  # nobody is there to hear it, and later it would not be true
            self._own[number].tell(event)
            told.add(number)
        return told

    def _until(self, now_ms: int) -> int:
        """Return up to when the city may be told."""
        if self._factor == 1.0:
            return min(self._first_ms + now_ms - self.tally.started_ms, self._city.last_ms)
        if self._factor is None:
            step_ms = STEP_MS if self._is_quiet() else 0
        else:
            # a city that is faster than its connections would overrun the memory of its nodes
            step_ms = (
                0 if self._is_crowded(now_ms) else int((now_ms - self._told_ms) * self._factor)
            )
        self._told_ms = now_ms
        return min(self._world_ms + step_ms, self._city.last_ms)

    def _is_crowded(self, now_ms: int) -> bool:
        """Return whether nodes are not up for the first time yet, or hold much without receipt."""
        up = self.tally.connects + len(self._barred)
        if up < len(self._own) and now_ms - self.tally.started_ms < _PATIENCE_MS:
            return True
        has_gateway = any(node.receipted for node in self._own)
        return has_gateway and any(
            node.is_half_full for number, node in enumerate(self._own) if number not in self._barred
        )

    def _is_quiet(self) -> bool:
        """Return whether every node that can has sent all it has, and is not about to overrun."""
        has_gateway = any(node.receipted for node in self._own)
        for number, node in enumerate(self._own):
            link = self._nodes[number].link
            if number in self._barred:
                continue
            if link is None or not link.is_up or not link.is_idle or not node.is_sent:
                return False
            if node.owes_backlog or (has_gateway and node.is_half_full):
                return False
        return True

    def _apply(self, turn: Turn, now_ms: int) -> None:
        if not turn.is_there:
            self._barred.add(turn.node)
            link = self._nodes[turn.node].link
            if link is not None:
                link.abort()
            return
        self._barred.discard(turn.node)
        if turn.boots:
            self._own[turn.node].reboot()
        heapq.heappush(self._due.dials, (now_ms, turn.node))

    @override
    async def _connect(self, index: int) -> None:
        # a node without power does not dial, and a dial that was due before it went comes late
        if index in self._barred or self._nodes[index].link is not None:
            self._dialing.pop(index, None)
            return
        await super()._connect(index)


async def _tell_thread(done: asyncio.Event, told: threading.Event) -> None:
    await done.wait()
    told.set()


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (one, other)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in waits:
        task.cancel()
