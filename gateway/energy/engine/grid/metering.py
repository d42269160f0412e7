"""Which meter measures which place of the grid, and at which place each meter counts, of a day.

A place is metered where a meter stands at its head: the transformer's own (profile ``dtm``), or
any that the registry calls ``head``. What a meter shows is expected at the nearest metered place
above it: a customer's at the transformer, a transformer's at the feeder; where a transformer has
no meter of its own, its customers' at the feeder.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gateway.energy.engine.grid.roster import Roster
from gateway.model import IntArray
from gateway.registry import Node, NodeKind, Standing

HEADS = frozenset({"dtm"})  # profiles that are of nothing else
_LEVELS = frozenset({NodeKind.TRANSFORMER, NodeKind.FEEDER, NodeKind.SUBSTATION})


class _Head(NamedTuple):
    """Why a meter may be the head of a place."""

    is_said: bool  # by the registry
    is_natural: bool  # by its profile, at a transformer


class Metering(NamedTuple):
    """Metered places, and devices by the place they measure or count at."""

    places: frozenset[str]  # "transformer:tba-1", "feeder:f-1" …
    measures: dict[int, str]  # device index of a head → its place
    counts_at: dict[int, str]  # device index → the metered place above it

    def rows(self, device_index: IntArray, places: list[str]) -> tuple[IntArray, IntArray]:
        """Return the place that each device measures and the one it counts at; −1 = none."""
        number = {place: row for row, place in enumerate(places)}
        columns = [
            [number.get(of.get(index, ""), -1) for index in device_index.tolist()]
            for of in (self.measures, self.counts_at)
        ]
        return np.array(columns[0], np.int64), np.array(columns[1], np.int64)

    def below(self, place: str) -> IntArray:
        """Return the meters that count at a place, ascending."""
        return np.array(sorted(k for k, at in self.counts_at.items() if at == place), np.int64)

    def heads(self, place: str) -> IntArray:
        """Return the meters that measure a place, ascending."""
        return np.array(sorted(k for k, at in self.measures.items() if at == place), np.int64)


def metering(roster: Roster, time_ms: int) -> Metering:
    """Return how the grid was metered at a moment, of all who send a register."""
    standings = dict(_standings(roster, time_ms))
    measures = {
        index: place_of(node)
        for index, (standing, head) in standings.items()
        if (node := _measured(standing, head)) is not None
    }
    places = frozenset(measures.values())
    counts_at = {}
    for index, (standing, _) in standings.items():
        above = (place_of(node) for node in standing.parents if node.kind in _LEVELS)
        own = measures.get(index)
        at = next((place for place in above if place in places and place != own), None)
        if at is not None:
            counts_at[index] = at
    return Metering(places, measures, counts_at)


def place_of(node: Node) -> str:
    """Return the name of a place as alarms and results have it."""
    return f"{node.kind.value}:{node.id}"


def _standings(roster: Roster, time_ms: int) -> Iterator[tuple[int, tuple[Standing, _Head]]]:
    at = roster.places(time_ms)
    rows = zip(roster.watched, at.is_head.tolist(), at.is_check.tolist(), strict=True)
    for one, is_said, is_check in rows:
        sends = roster.profile_of.get(one.device_index)
        if is_check or sends is None or not roster.is_meter(sends):
            continue
        standing = roster.standing(one.device_index, time_ms)
        if standing is not None:
            yield one.device_index, (standing, _Head(is_said, sends in HEADS))


def _measured(standing: Standing, head: _Head) -> Node | None:
    """Return the node that a meter is the head of: the nearest."""
    nearest = next((node for node in standing.parents if node.kind in _LEVELS), None)
    if nearest is None:
        return None
    is_natural = head.is_natural and nearest.kind is NodeKind.TRANSFORMER
    return nearest if head.is_said or is_natural else None
