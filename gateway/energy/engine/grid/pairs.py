"""Main meters and the check meters at the same metering points, as the registry dates them."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, IntArray
from gateway.registry import Link, Registry


class Check(NamedTuple):
    """A check meter, from when to when."""

    device_index: int
    link: Link


class Pairs:
    """Both kinds by device index; a meter counts as check meter also if its main never sent.

    Args:
        registry: the file's, None where no file says anything.
    """

    def __init__(self, registry: Registry | None) -> None:
        self._registry = registry
        self._index_of: dict[str, int] = {}  # of those that belong to a pair
        self._links: dict[int, tuple[Link, ...]] = {}  # of check meters
        self._checks: dict[int, list[str]] = {}  # of main meters

    def meet(self, device_index: int, name: str) -> None:
        """Take a device that is new."""
        known = None if self._registry is None else self._registry.device(name)
        if self._registry is None or known is None:
            return
        checks = self._registry.checks(name)
        if known.check_of or checks:
            self._index_of[name] = device_index
        if known.check_of:
            self._links[device_index] = known.check_of
        if checks:
            self._checks[device_index] = list(dict.fromkeys(one.id for one, _ in checks))

    def checks_of(self, device_index: IntArray) -> list[tuple[int, Check]]:
        """Return the rows of main meters, each with a check meter that was met, as in the file."""
        if not self._checks:
            return []
        return [
            (row, Check(index, link))
            for row in np.flatnonzero(np.isin(device_index, list(self._checks))).tolist()
            for name in self._checks[int(device_index[row])]
            if (index := self._index_of.get(name)) is not None
            for link in self._links[index]
            if self._index_of.get(link.id) == int(device_index[row])
        ]

    def mains_of(self, device_index: IntArray) -> list[tuple[int, int]]:
        """Return the rows of check meters, each with the index of a meter that it checks."""
        if not self._links:
            return []
        rows = np.flatnonzero(np.isin(device_index, list(self._links))).tolist()
        return [
            (row, self._index_of[link.id])
            for row in rows
            for link in self._links[int(device_index[row])]
            if link.id in self._index_of
        ]

    def is_check(self, device_index: IntArray, time_ms: int) -> BoolArray:
        """Return which of some devices were check meters at a moment."""
        found = np.zeros(len(device_index), np.bool_)
        if self._links:
            for row in np.flatnonzero(np.isin(device_index, list(self._links))).tolist():
                links = self._links[int(device_index[row])]
                found[row] = any(link.holds(time_ms) for link in links)
        return found
