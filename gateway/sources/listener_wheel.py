"""Deadlines of many connections at one-second grain, without a timer for each of them."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Items in buckets by the second they fall due. Setting and taking are O(1) an item."""

    def __init__(self, now_s: int) -> None:
        self._now_s = now_s
        self._buckets: dict[int, list[T]] = {}

    def add(self, due_s: int, item: T) -> None:
        """Have ``item`` come out of ``due`` at a second, the next one where that has gone by.

        Items cannot be taken back: whoever gets one asks whether it is still wanted.
        """
        self._buckets.setdefault(max(due_s, self._now_s + 1), []).append(item)

    def due(self, now_s: int) -> Iterator[T]:
        """Yield, and forget, everything that has fallen due. May ``add`` while it runs."""
        for second in range(self._now_s + 1, now_s + 1):
            self._now_s = second
            yield from self._buckets.pop(second, ())
