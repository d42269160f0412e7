"""CPython's event loop in virtual time: what it would wait passes on a virtual clock at once."""

import asyncio
import math
import selectors
from collections.abc import Coroutine
from typing import Any

from typing_extensions import override

from fieldnode.hal.sim import VirtualClock


class _Skipping(selectors.SelectSelector):
    """Waits for nothing: there are no sockets."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    @override
    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everything waits, and nothing will come"
        self._clock.advance(math.ceil(timeout * 1000))
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_Skipping(clock))
        self._virtual = clock
        self._clock_resolution = 0.0005  # of a clock in ms: what is due at this one is due

    @override
    def time(self) -> float:
        return self._virtual.true_ms / 1000


def run_virtually(clock: VirtualClock, work: Coroutine[Any, Any, None]) -> None:
    """Run until ``work`` is done."""
    loop = _Loop(clock)
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
