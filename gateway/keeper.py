"""The loop of the keeper process: what may wait.

Merges, rollups, retention, derived measurements, sinks, outbox clean-up.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from gateway.errors import JournalFullError

logger = logging.getLogger(__name__)

TICK_S = 1.0
RETENTION_EVERY_S = 3600.0
IDLE_S = 5.0  # between merges when there was nothing to merge
TELL_S, TELL_ON_S = 2.0, 0.05  # between looks at what was found; while there is more of it


class Merging(Protocol):
    """``store.Merger``."""

    def merge_once(self, now_ms: int) -> bool:
        """Do one bounded piece of work; return whether there was any.

        Raises:
            JournalFullError: the disk is full; call again later.
        """

    def retention(self, now_ms: int, keep_ms: int) -> int:
        """Delete whole days older than ``keep_ms``; return how many.

        Raises:
            JournalFullError: the disk is full; call again later.
        """


class Rolling(Protocol):
    """``store.Roller``."""

    def roll_once(self, now_ms: int) -> bool:
        """Do one bounded piece of work; return whether there was any.

        Raises:
            JournalFullError: the disk is full; call again later.
        """


class Draining(Protocol):
    """``sinks.Drain``."""

    async def run(self) -> None:
        """Send until cancelled."""

    def keep_from(self) -> int:
        """Return the oldest outbox record this sink may still need."""


class Telling(Protocol):
    """``sinks.derived.Teller``."""

    def step(self, now_ms: int) -> bool:
        """Do one bounded piece of work; return whether there is more.

        Raises:
            JournalFullError: the disk is full; call again later.
        """


class Outlet(NamedTuple):
    """An outbox and the sinks that empty it."""

    drains: Sequence[Draining]
    keep_from: Callable[[int], None]
    followers: Sequence[Callable[[], int]] = ()  # the oldest record that others still need


class KeeperRooms(NamedTuple):
    """What the keeper works with; ``app`` puts it together."""

    merger: Merging
    roller: Rolling
    outlets: Sequence[Outlet]
    teller: Telling | None = None  # where there is no sink nobody is told


class Keeper:
    """One event loop; merges run in a thread so that they never hold a sink up."""

    def __init__(
        self,
        rooms: KeeperRooms,
        *,
        retention_ms: int,
        clock: Callable[[], int],
        on_tick: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rooms = rooms
        self._retention_ms = retention_ms
        self._clock = clock
        self._on_tick = on_tick
        self._sleep = sleep

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tend_store(), name="store")
            group.create_task(self._tick(), name="tick")
            if self._rooms.teller is not None:
                group.create_task(self._tell(self._rooms.teller), name="derived")
            drains = [drain for outlet in self._rooms.outlets for drain in outlet.drains]
            for index, drain in enumerate(drains):
                group.create_task(drain.run(), name=f"sink-{index}")

    async def _tend_store(self) -> None:
        """Merge and delete in turn: both work on the same connections."""
        clock_s = asyncio.get_running_loop().time
        retention_due_s = clock_s()
        while True:
            try:
                if clock_s() >= retention_due_s:
                    await asyncio.to_thread(self._retain)
                    retention_due_s = clock_s() + RETENTION_EVERY_S
                has_worked = await asyncio.to_thread(self._work)
            except JournalFullError as error:  # what is not merged is only slower to read
                logger.warning("merging waits: %s", error)
                has_worked = False
            await self._sleep(TICK_S if has_worked else IDLE_S)

    def _work(self) -> bool:
        # One after the other: a merge moves pages that a rollup reads, and says what is new.
        now_ms = self._clock()
        has_merged = self._rooms.merger.merge_once(now_ms)
        return self._rooms.roller.roll_once(now_ms) or has_merged

    def _retain(self) -> None:
        gone = self._rooms.merger.retention(self._clock(), self._retention_ms)
        if gone:
            logger.info("retention: days_deleted=%d", gone)

    async def _tell(self, teller: Telling) -> None:
        """On connections of its own: a long merge holds nobody's board up."""
        while True:
            try:
                has_more = await asyncio.to_thread(teller.step, self._clock())
            except JournalFullError as error:
                logger.warning("telling waits: %s", error)
                has_more = False
            await self._sleep(TELL_ON_S if has_more else TELL_S)

    async def _tick(self) -> None:
        while True:
            await self._sleep(TICK_S)
            try:
                self._on_tick()
                self._say_what_is_needed()
            except OSError as error:  # a full disk: nothing is lost, sinks go on
                logger.warning("keeper cannot write: %s", error)

    def _say_what_is_needed(self) -> None:
        for outlet in self._rooms.outlets:
            if outlet.drains:
                needed = [drain.keep_from() for drain in outlet.drains]
                outlet.keep_from(min(needed + [follow() for follow in outlet.followers]))
