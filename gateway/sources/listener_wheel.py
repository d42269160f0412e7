"""Deadlines of many connections at one-second grain, without a timer for each of them."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Items in buckets by the second they fall due; every operation is O(1) an item."""

    def __init__(self, now_s: int) -> None:
        self._now_s = now_s
        self._buckets: dict[int, dict[T, None]] = {}

    def add(self, due_s: int, item: T) -> int:
        """Have ``item`` come out of ``due`` at a second, the next one where that has gone by.

        Returns:
            The second by which ``discard`` finds it.
        """
        second = max(due_s, self._now_s + 1)
        self._buckets.setdefault(second, {})[item] = None
        return second

    def discard(self, second: int, item: T) -> None:
        """Take an item back, so that what has ended is not kept until it would have been due."""
        bucket = self._buckets.get(second)
        if bucket is not None:
            bucket.pop(item, None)
            if not bucket:
                del self._buckets[second]

    def due(self, now_s: int) -> Iterator[T]:
        """Yield, and forget, everything that has fallen due. May be changed while it runs."""
        for second in range(self._now_s + 1, now_s + 1):
            self._now_s = second
            yield from self._buckets.pop(second, ())
