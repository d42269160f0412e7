"""A gateway that is broken on purpose, in one way or in several: ``… HOW[+HOW…] run -c FILE``.

Everything else of it is the real one, so that what chaos says about it is about the break alone.
The processes beside the main one are forked from it, and so have the break as well.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from gateway.cli import main
from gateway.intake import IntakeProcess
from gateway.model import Event, Quarantined, ReadingBatch
from gateway.quarantine import Quarantine
from gateway.sources.intake import GroupCommit
from gateway.store import Store

EVERY = 37  # of so many readings or messages one is treated badly, another one in each way
LATE_S = 0.3  # that a commit comes after the PUBACKs for it


def acknowledge_early() -> None:
    """PUBACK what is only in memory; the disk has it a moment later."""
    plan, commit = GroupCommit._plan, GroupCommit._commit

    def eager_plan(self: GroupCommit, number: int) -> None:
        plan(self, number)
        for listener in self._durable_listeners:
            if not isinstance(getattr(listener, "__self__", None), IntakeProcess):
                asyncio.get_running_loop().call_soon(listener, number)

    async def late_commit(self: GroupCommit, limit: int | None) -> None:
        await asyncio.sleep(LATE_S)
        await commit(self, limit)

    GroupCommit._plan, GroupCommit._commit = eager_plan, late_commit  # type: ignore[method-assign]


def _with_batches(change: Callable[[ReadingBatch], Iterable[ReadingBatch]]) -> None:
    write = Store.write

    def broken(self: Store, batches: Sequence[ReadingBatch], events: Sequence[Event]) -> None:
        changed = [part for batch in batches for part in change(batch) if len(part)]
        write(self, changed, events)

    Store.write = broken  # type: ignore[method-assign]


def drop() -> None:
    """Give a receipt for what the store never sees."""
    _with_batches(lambda batch: [batch.take(batch.seq % EVERY != 0)])


def double() -> None:
    """Store some readings twice, a second apart."""

    def doubled(batch: ReadingBatch) -> list[ReadingBatch]:
        again = batch.take(batch.seq % EVERY == 1)
        return [batch, replace(again, time_ms=again.time_ms + 1000)]

    _with_batches(doubled)


def corrupt() -> None:
    """Store a watt too many."""

    def corrupted(batch: ReadingBatch) -> list[ReadingBatch]:
        values = batch.values.copy()
        values[:, 2] += np.where(batch.seq % EVERY == 2, 1, 0)
        return [replace(batch, values=values)]

    _with_batches(corrupted)


def invent() -> None:
    """Store readings that nobody has sent."""

    def invented(batch: ReadingBatch) -> list[ReadingBatch]:
        more = batch.take(batch.seq % EVERY == 3)
        return [batch, replace(more, seq=more.seq + 10**6, time_ms=more.time_ms + 1000)]

    _with_batches(invented)


def _with_quarantined(change: Callable[[list[Quarantined]], list[Quarantined]]) -> None:
    add = Quarantine.add

    def broken(self: Quarantine, entries: Iterable[Quarantined]) -> None:
        add(self, change(list(entries)))

    Quarantine.add = broken  # type: ignore[method-assign]


def forget_bad() -> None:
    """Throw some bad messages away."""
    _with_quarantined(lambda entries: [entry for entry in entries if entry.record % 5])


def shorten_bad() -> None:
    """Keep bad messages but for their last byte."""
    _with_quarantined(
        lambda entries: [replace(entry, payload=entry.payload[:-1]) for entry in entries]
    )


BREAKS = {
    break_.__name__.replace("_", "-"): break_
    for break_ in (acknowledge_early, drop, double, corrupt, invent, forget_bad, shorten_bad)
}

if __name__ == "__main__":
    for how in sys.argv.pop(1).split("+"):
        BREAKS[how]()
    sys.exit(main())
