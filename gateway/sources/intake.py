"""Group commit: many messages, one fdatasync, and only then are they acknowledged.

The event loop packs messages into the journal's memory; one worker thread makes them durable,
batch after batch. A batch begins ``commit_ms`` after the one before it began, but not before its
first message has waited a moment for others; or as soon as it is complete. So what comes after a
pause is durable at once, and a steady stream costs one fdatasync every ``commit_ms``. While one
batch is on its way to the disk the next one gathers, so a slow disk makes batches larger, not the
queue of system calls longer.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from gateway.errors import JournalFullError
from gateway.journal import Journal
from gateway.ports import Message
from gateway.stats import Stats

logger = logging.getLogger(__name__)

# A start that dies within milliseconds, again and again, still gets a few messages through.
FIRST_BATCH = 5
GATHER_S = 0.001  # for what devices send at the same moment: some tens of reads
RETRY_S = 0.25  # under a full disk: well below the 2 s in which intake resumes


class CommitRules(NamedTuple):
    """When a batch is committed, and how much may wait in memory for the disk."""

    commit_ms: int = 5
    commit_messages: int = 5000
    # What a dead disk may cost: a Pi has 1 GB. Sources stop reading beyond, so what they have
    # already taken from their sockets is all that may come on top.
    max_waiting_bytes: int = 64 << 20
    max_waiting_messages: int = 100_000


class GroupCommit:
    """See ``ports.Intake``. The journal is opened and closed by whoever made this."""

    def __init__(
        self, journal: Journal, rules: CommitRules, stats: Stats, clock: Callable[[], int]
    ) -> None:
        self._journal = journal
        self._rules = rules
        self._stats = stats
        self._clock = clock
        self._worker = ThreadPoolExecutor(1, "journal")
        self._durable_listeners: list[Callable[[int], None]] = []
        self._relief_listeners: list[Callable[[], None]] = []
        self._told = journal.durable  # what listeners know
        self._batch = min(FIRST_BATCH, rules.commit_messages)
        self._complete_at = self._told + self._batch  # the number that completes a batch
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._next_s = 0.0  # no batch begins before, unless it is complete
        self._is_disk_full = False
        self._is_congested = False

    @property
    def is_congested(self) -> bool:
        """Whether sources must stop reading: too much waits for the disk, or it is full."""
        return self._is_congested

    @property
    def is_disk_full(self) -> bool:
        """Whether the last commit failed; the health check says so."""
        return self._is_disk_full

    def append(self, source: int, flags: int, topic: bytes, payload: bytes) -> int:
        """Take a message and return its record number; it is *not yet durable*."""
        number = self._journal.append(self._clock(), source, flags, topic, payload)
        self._plan(number)
        return number

    def append_at(self, received_ms: int, source: int, topic: bytes, payload: bytes) -> int:
        """Take a message that was received earlier, elsewhere; *not yet durable*."""
        number = self._journal.append(received_ms, source, 0, topic, payload)
        self._plan(number)
        return number

    def extend(self, source: int, messages: Sequence[Message]) -> int:
        """Take messages in order and return the last one's number; *not yet durable*."""
        number = self._journal.extend(self._clock(), source, messages)
        self._plan(number)
        return number

    def _plan(self, number: int) -> None:
        """See to it that what came up to ``number`` is committed in time."""
        journal, rules = self._journal, self._rules
        if self._timer is None:
            loop = asyncio.get_running_loop()
            soon_s = loop.time() + min(GATHER_S, rules.commit_ms / 1000)
            self._timer = loop.call_at(max(soon_s, self._next_s), self._due.set)
        if number >= self._complete_at:
            self._due.set()
        if (
            number - self._told > rules.max_waiting_messages
            or journal.pending_bytes > rules.max_waiting_bytes
        ):
            self._is_congested = True

    def on_durable(self, listener: Callable[[int], None]) -> None:
        """Call ``listener(number)`` after each commit: every record up to ``number`` is on disk."""
        self._durable_listeners.append(listener)

    def on_relief(self, listener: Callable[[], None]) -> None:
        """Call ``listener()`` each time congestion has ended, so that reading may go on."""
        self._relief_listeners.append(listener)

    async def run(self) -> None:
        """Commit until cancelled; then call ``close``."""
        if self._journal.pending_count:
            self._due.set()
        while True:
            await self._due.wait()
            self._begin_batch()
            last = self._journal.next_number - 1
            await self._commit(self._batch)
            if self._is_disk_full:
                await asyncio.sleep(RETRY_S)
            if self._told < last:  # these have waited their time
                self._due.set()

    async def delete_before(self, number: int) -> int:
        """Delete journal segments that hold only records before ``number``, off the event loop."""
        loop = asyncio.get_running_loop()
        count = await loop.run_in_executor(self._worker, self._journal.delete_before, number)
        if count:
            self._stats.gauge("infragate_journal_bytes", self._journal.size_bytes)
        return count

    async def close(self) -> None:
        """Commit what is pending; what a full disk does not take stays with the peers."""
        await self._commit(None)
        if self._journal.pending_count:
            logger.warning("closed with messages unacknowledged=%d", self._journal.pending_count)
        self._worker.shutdown()

    def _begin_batch(self) -> None:
        """Close the batch that is due; the next message begins another, with its own timer."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._next_s = asyncio.get_running_loop().time() + self._rules.commit_ms / 1000
        taken = min(self._journal.pending_count, self._batch)
        self._complete_at = self._journal.durable + taken + self._batch

    async def _commit(self, limit: int | None) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            await loop.run_in_executor(self._worker, self._journal.commit, limit)
        except JournalFullError as error:
            if not self._is_disk_full:
                logger.error("intake stopped, nothing is acknowledged: %s", error)  # noqa: TRY400
            self._is_disk_full = self._is_congested = True
        else:
            if self._is_disk_full:
                logger.warning("intake goes on")
            self._is_disk_full = False
            # 5, 10, 20 … up to what the configuration allows
            self._batch = min(2 * self._batch, self._rules.commit_messages)
            self._stats.observe("infragate_commit_seconds", loop.time() - began_s)
        self._tell()

    def _tell(self) -> None:
        """Tell listeners what has changed; a failed commit may have come part of the way."""
        journal, rules = self._journal, self._rules
        durable = journal.durable
        if durable > self._told:
            self._stats.count("infragate_messages_received_total", durable - self._told)
            self._stats.gauge("infragate_journal_bytes", journal.size_bytes)
            self._told = durable
            for listener in self._durable_listeners:
                listener(durable)
        # half the bounds, so that sources do not stop and go with every batch
        if (
            self._is_congested
            and not self._is_disk_full
            and journal.pending_count <= rules.max_waiting_messages // 2
            and journal.pending_bytes <= rules.max_waiting_bytes // 2
        ):
            self._is_congested = False
            for relieved in self._relief_listeners:
                relieved()
