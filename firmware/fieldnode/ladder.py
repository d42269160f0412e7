"""What a node does for itself when nobody is to be reached: step by step, slower each time.

A room (rooms.py) of which a node with a connection needs nothing.
"""

from fieldnode import rooms

if False:  # for the type checker
    from collections.abc import Callable
    from typing import Any

    from fieldnode.core.health import Health
    from fieldnode.hal.base import Hal

CYCLE_MS = 600_000  # without a connection for so long: network down and up, or another address
RESET_MS = 1_800_000  # … and for so long: a reset, then twice as long, up to sixteen times


class Ladder:
    """Soft and hard resets take turns; how often is stored, since a reset forgets everything else.

    Args:
        hal: the board.
        health: counters.
        config: of which the address may be on trial (moving.py).
        reset: stores everything and resets; ``True`` for the whole chip.
    """

    def __init__(
        self,
        hal: "Hal",
        health: "Health",
        config: "dict[str, Any]",
        reset: "Callable[[bool], None]",
    ) -> None:
        self._hal = hal
        self._config = config
        self._health = health
        self._reset = reset
        stored = hal.kv_get("app.step")
        self._step = stored[0] if stored else 0
        self._cycled_ms = 0

    def climb(self, now_ms: int, is_up: bool, since_ms: int) -> bool:
        """Take the next step where it is time; True where the network is to go down and up."""
        if is_up:
            if self._step:
                self._step = 0
                self._hal.kv_put("app.step", None)
            return False
        if now_ms - since_ms >= RESET_MS << min(self._step, 4):
            step, self._step = self._step, min(255, self._step + 1)
            self._hal.kv_put("app.step", bytes([self._step]))
            self._reset(step % 2 == 1)
        is_due = now_ms - max(since_ms, self._cycled_ms) >= CYCLE_MS
        if is_due:
            moves = rooms.enter("moving").turn(self._hal, self._config)
            rooms.leave("moving")
            if moves:
                self._reset(True)
            self._cycled_ms = now_ms
            self._health.count("net_cycles")
        return is_due
