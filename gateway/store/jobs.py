"""Which of the marks of a day are dealt with in one step, and what has to be read for it."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gateway.model import IntArray
from gateway.store.days import DAY_MS
from gateway.store.dirty import BORDER, CHAIN, Mark
from gateway.store.lookup import Wanted
from gateway.store.rolled import QUARTER_MS, Layout, name_of

# Rows that a step decodes: 0.2 s of work. What is more is done a part of the devices at a time.
_STEP_ROWS = 262_144


class Job(NamedTuple):
    """Marks of one profile and day that are done together."""

    day: int
    connection: sqlite3.Connection
    now_ms: int
    layout: Layout
    marks: list[Mark]  # by bucket
    devices: IntArray  # of any of the marks, ascending

    @property
    def kind(self) -> int:
        """The first bucket, or ``BORDER``, ``CHAIN`` or ``DAY``."""
        return self.marks[0].bucket

    @property
    def from_ms(self) -> int:
        """The start of the first bucket, of the day for marks that have none."""
        bucket = self.kind if self.kind < CHAIN else 0
        return self.day * DAY_MS + bucket * QUARTER_MS

    @property
    def to_ms(self) -> int:
        """The end of the last bucket."""
        return self.day * DAY_MS + (self.marks[-1].bucket + 1) * QUARTER_MS

    def of(self, name: str, width: int, from_ms: int, to_ms: int) -> Wanted:
        """Return the question for rows of its devices."""
        return Wanted(name, width, self.devices, from_ms, to_ms)

    def quarters(self) -> Wanted:
        """Return the question for the rollups that it may change."""
        name = name_of(self.layout.profile.name, "15m")
        return self.of(name, self.layout.width, self.from_ms, (self.day + 1) * DAY_MS - 1)

    def readings(self) -> Wanted:
        """Return the question for the readings of its buckets, the last border included."""
        profile = self.layout.profile
        return self.of(profile.name, len(profile.columns), self.from_ms, self.to_ms)

    def rows(self) -> int:
        """Return how many rows it decodes, about."""
        wanted = [self.quarters()]
        if self.kind < CHAIN:
            wanted.append(self.readings())
        return sum(place.n for one in wanted for place in one.places(self.connection))

    def bounded(self) -> "Job":
        """Return it for as many of the devices as a step may take, at least one."""
        rows = 0 if self.kind == BORDER else self.rows()
        if rows <= _STEP_ROWS:
            return self
        devices = self.devices[: max(1, len(self.devices) * _STEP_ROWS // rows)]
        last = int(devices[-1])
        marks = [mark._replace(devices=mark.devices[mark.devices <= last]) for mark in self.marks]
        return self._replace(devices=devices, marks=[mark for mark in marks if len(mark.devices)])


def together(marks: Sequence[Mark]) -> list[Mark]:
    """Return which of some marks, sorted by profile and bucket, to do at once; the first is one.

    Buckets with about as many devices: one meter's late day is no reason to read everybody's.
    """
    first = marks[0]
    if not BORDER < first.bucket < CHAIN:
        return [first]
    size = len(first.devices).bit_length()
    return [
        mark
        for mark in marks
        if mark.profile == first.profile
        and mark.bucket < CHAIN
        and len(mark.devices).bit_length() == size
    ]


def devices_of(marks: Sequence[Mark]) -> IntArray:
    """Return the devices of any of some marks, ascending."""
    return np.unique(np.concatenate([mark.devices for mark in marks]))
