"""One look at the whole store, shared by everybody who watches."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

FRESH_S = 0.8  # boards refresh every one or two seconds
# The look may take at most a fifth of one core, however many devices there are: at 100,000 it
# takes a second, and then is up to five seconds old.
COSTS_BETWEEN = 4.0


class Pulse(Generic[T]):
    """Keeps what ``look`` returned until it is stale; a hundred watchers cost what one does.

    Called from any thread; while one looks, the others wait for what it sees.
    """

    def __init__(
        self, look: Callable[[], T], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._look = look
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: T | None = None
        self._stale_at_s = 0.0

    def see(self) -> T:
        """Return a look that is fresh enough."""
        with self._lock:
            begin_s = self._monotonic()
            if self._seen is None or begin_s >= self._stale_at_s:
                self._seen = self._look()
                end_s = self._monotonic()
                self._stale_at_s = end_s + max(FRESH_S, COSTS_BETWEEN * (end_s - begin_s))
            return self._seen
