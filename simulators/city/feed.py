"""What happens in the city as one stream in the order of time, ready for nodes to take."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from simulators.city.city import City
from simulators.city.frame import GASP_MS, Event, Ints, Readings, Step

_BOOT_MS = (3_000, 20_000)  # from the return of the power to the first message

_MOST_LISTS = 64  # of names; a world has one for each kind of instrument


class Row(NamedTuple):
    """One reading of one node."""

    node: int
    time_ms: int
    values: Sequence[int]
    status: int


class Turn(NamedTuple):
    """A node goes, or comes back."""

    at_ms: int
    node: int
    is_there: bool
    boots: bool


class Feed:
    """Steps the city ahead and gives out what has happened, up to any moment.

    Args:
        city: at its begin.
        nodes: number of each device by name.
        step_ms: how far the city is stepped at once; bounds what is held here.
    """

    def __init__(self, city: City, nodes: Mapping[str, int], step_ms: int) -> None:
        self._steps = city.steps(step_ms)
        self._nodes = nodes
        self._numbers: dict[int, tuple[Sequence[str], Ints]] = {}
        self._rows: Iterator[tuple[int, Row]] = iter(())
        self._row: tuple[int, Row] | None = None
        self._events: list[Event] = []
        self._turns = _turns(city, nodes)
        self._ready_ms = city.span.from_ms

    @property
    def ready_ms(self) -> int:
        """Return up to when the city has been stepped."""
        return self._ready_ms

    def rows(self, until_ms: int) -> Iterator[Row]:
        """Yield the readings up to a moment, in order, each once."""
        while True:
            while self._row is not None and self._row[0] <= until_ms:
                row, self._row = self._row[1], next(self._rows, None)
                yield row
            if self._row is not None or self._ready_ms >= until_ms or not self._advance():
                return

    def events(self, until_ms: int) -> list[Event]:
        """Return the events up to a moment, each once; ask for the rows first."""
        due = [event for event in self._events if event.at_ms <= until_ms]
        if due:
            self._events = [event for event in self._events if event.at_ms > until_ms]
        return due

    def turns(self, until_ms: int) -> list[Turn]:
        """Return who goes and who comes back up to a moment, each once."""
        due = []
        while self._turns and self._turns[-1].at_ms <= until_ms:
            due.append(self._turns.pop())
        return due

    def _advance(self) -> bool:
        following = next(self._steps, None)
        if following is None:
            return False
        span, step = following
        self._ready_ms = span.to_ms
        self._events += sorted(step.events, key=lambda event: event.at_ms)
        self._rows = self._in_order(step)
        self._row = next(self._rows, None)
        return True

    def _in_order(self, step: Step) -> Iterator[tuple[int, Row]]:
        if not step.readings:
            return
        sizes = [batch.at_ms.size for batch in step.readings]
        at_ms = np.concatenate([batch.at_ms for batch in step.readings])
        which = np.repeat(np.arange(len(sizes)), sizes)
        row = np.concatenate([np.arange(size) for size in sizes])
        order = np.argsort(at_ms, kind="stable")
        plain = [self._plain(batch) for batch in step.readings]
        where = (at_ms[order].tolist(), which[order].tolist(), row[order].tolist())
        for when, batch, k in zip(*where, strict=True):
            nodes, times, values, status = plain[batch]
            yield when, Row(nodes[k], times[k], values[k], status[k])

    def _plain(self, batch: Readings) -> tuple[list[int], list[int], list[list[int]], list[int]]:
        """Return the columns as Python's own numbers: a thousand at once cost little."""
        known = self._numbers.get(id(batch.names))
        if known is None or known[0] is not batch.names:
            numbers = np.array([self._nodes[name] for name in batch.names], dtype=np.int64)
            if len(self._numbers) >= _MOST_LISTS:
                self._numbers.clear()
            known = self._numbers[id(batch.names)] = (batch.names, numbers)
        nodes: list[int] = known[1][batch.device].tolist()
        return nodes, batch.time_ms.tolist(), batch.values.tolist(), batch.status.tolist()


def _turns(city: City, nodes: Mapping[str, int]) -> list[Turn]:
    """Return all comings and goings, the last first; a node that is gone does not go again."""
    spans: dict[int, list[tuple[int, int, bool]]] = {}
    for absence in city.absences():
        node, is_dark = nodes[absence.device], absence.reason == "dark"
        low, high = _BOOT_MS
        boot_ms = low + node * 7919 % (high - low) if is_dark else 0
        leaves_ms = absence.span.from_ms + (GASP_MS + 500 if is_dark else 0)
        gone = (leaves_ms, absence.span.to_ms + boot_ms, is_dark)
        known = spans.setdefault(node, [])
        if known and gone[0] <= known[-1][1]:
            before = known.pop()
            gone = (before[0], max(before[1], gone[1]), before[2] or is_dark)
        known.append(gone)
    turns = []
    for node, absences in spans.items():
        for leaves_ms, back_ms, is_dark in absences:
            turns.append(Turn(leaves_ms, node, is_there=False, boots=False))
            turns.append(Turn(back_ms, node, is_there=True, boots=is_dark))
    return sorted(turns, reverse=True)
