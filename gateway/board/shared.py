"""What pages show is worked out once for all who look, in a thread, and kept until it is stale."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Hashable
from typing import Any, TypeVar

from anyio.to_thread import run_sync

T = TypeVar("T")

FRESH_S = 0.9  # pages refresh every second
# A look may take at most a fifth of one core, however large the site is: one that takes a second
# is worked out every five.
COSTS_BETWEEN = 4.0
# Looks are of pages, spans and places; whoever walks through all places of a site cannot fill
# the memory with what nobody sees any more.
MOST_LOOKS = 128


class _Kept:
    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.seen: Any = None
        self.stale_at_s = 0.0


class Shared:
    """Looks by name, in one event loop. Twenty boards cost what one does."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    async def see(self, name: Hashable, look: Callable[[], T], fresh_s: float = FRESH_S) -> T:
        """Return what ``look`` returned, at most so old; looks of one name wait for each other.

        Raises:
            Exception: what the look raised, to everybody who waited for it; it is not kept.
        """
        kept = self._kept.setdefault(name, _Kept())
        self._kept.move_to_end(name)
        if len(self._kept) > MOST_LOOKS:
            self._kept.popitem(last=False)
        if kept.task is None and self._monotonic() >= kept.stale_at_s:
            kept.task = asyncio.ensure_future(self._look(kept, look, fresh_s))
        if kept.task is not None:
            await asyncio.shield(kept.task)
        seen: T = kept.seen
        return seen

    def outdate(self, names: Container[Hashable]) -> None:
        """Look anew at what has these names, or begins with one, the next time it is asked for."""
        for name, kept in self._kept.items():
            if (name[0] if isinstance(name, tuple) else name) in names:
                kept.stale_at_s = 0.0

    async def _look(self, kept: _Kept, look: Callable[[], T], fresh_s: float) -> None:
        begin_s = self._monotonic()
        try:
            kept.seen = await run_sync(look)
            end_s = self._monotonic()
            kept.stale_at_s = end_s + max(fresh_s, COSTS_BETWEEN * (end_s - begin_s))
        finally:
            kept.task = None
