"""Whose password is tried next: one at a time, and no single address takes all the places."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# Each try is 0.3 s of a core and 32 MB: whoever guesses in parallel gets no more than three
# guesses a second out of it.
MOST_WAITING = 8
# A control room behind one address signs in together; somebody who floods has one address, too.
MOST_OF_ONE_PEER = 4
REFUSED_S = 1.0  # else whoever is refused asks a thousand times a second
_WARNED_EVERY_S = 60.0

logger = logging.getLogger(__name__)


class BusyError(Exception):
    """Too many wait."""


class Turns:
    """The queue, in the event loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting: Counter[str] = Counter()  # by address; at most MOST_WAITING
        self._warned_s = -_WARNED_EVERY_S

    @asynccontextmanager
    async def of(self, peer: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it.

        Raises:
            BusyError: too many wait, or too many of this address; said after a while.
        """
        if self._waiting.total() >= MOST_WAITING or self._waiting[peer] >= MOST_OF_ONE_PEER:
            self._warn(peer)
            await asyncio.sleep(REFUSED_S)
            raise BusyError
        self._waiting[peer] += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting[peer] -= 1
            if not self._waiting[peer]:
                del self._waiting[peer]

    def _warn(self, peer: str) -> None:
        now_s = time.monotonic()
        if now_s - self._warned_s >= _WARNED_EVERY_S:
            self._warned_s = now_s
            logger.warning("sign-in: too many wait, %s of %s", self._waiting[peer], peer)
