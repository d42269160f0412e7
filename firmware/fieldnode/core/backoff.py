"""When to try again: exponential with full jitter, so that a fleet does not come back at once.

Full jitter is the best of those measured in "Exponential Backoff And Jitter" (AWS, 2015). A
connection that the peer ends soon after it was made counts as a failure: a broker that drops
everybody after a good CONNACK would else be stormed.
"""

if False:  # for the type checker
    from collections.abc import Callable

FIRST_MS = 1000
LONGEST_MS = 300_000
STABLE_MS = 60_000  # a connection that lasted this long was a good one
BACKLOG_START_MS = 30_000  # after a reconnect the backlog starts anywhere in here


class Backoff:
    """``draw(below)`` gives a random integer 0…below - 1; all times are uptime, ms."""

    def __init__(
        self,
        draw: "Callable[[int], int]",
        longest_ms: int = LONGEST_MS,
        backlog_ms: int = BACKLOG_START_MS,
    ) -> None:
        self._draw = draw
        self._longest_ms = longest_ms
        self._backlog_ms = backlog_ms
        self._failures = 0
        self._since_ms = -1  # when the connection that stands was made; -1: none

    def connected(self, now_ms: int) -> int:
        """Note a connection; return after how many ms the backlog may start."""
        self._since_ms = now_ms
        return self._draw(max(1, self._backlog_ms))

    def failed(self, now_ms: int) -> int:
        """Note a failure to connect or the end of a connection; return how many ms to wait."""
        if 0 <= self._since_ms <= now_ms - STABLE_MS:
            self._failures = 0
        self._since_ms = -1
        span_ms = min(self._longest_ms, FIRST_MS << min(self._failures, 9))
        self._failures += 1
        return 1 + self._draw(span_ms)
