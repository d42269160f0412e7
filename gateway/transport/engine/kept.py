"""The engine's state as bytes, and as that of another road: lanes come and go."""

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.columns import from_bytes, to_bytes
from gateway.model import IntArray
from gateway.transport.engine.live import LiveState
from gateway.transport.health import Usual
from gateway.transport.incidents import NOT_YET
from gateway.transport.series import Road

_VERSION = 2
Tree = TypeVar("Tree")


class Kept(NamedTuple):
    """All that a restart needs and that is not in the store."""

    version: int
    senders: dict[str, list[int]]  # profile → device indexes
    devices: list[str]  # the road's lanes and stations, whose rows the state has
    stations: list[str]
    live: LiveState | None
    raster_ms: int
    waiting: list[tuple[int, int]]  # quarters of an hour that are to be worked out, and when
    hours: list[tuple[int, str, int]]  # hours of roadside devices that are to be summed up, when
    learned_day: int  # the last local day that imputation has learned of


def pack(kept: Kept) -> bytes:
    """Return it as bytes, without what there is memos of."""
    live = kept.live
    if live is not None:
        live = slim(live)
    return to_bytes(kept._replace(version=_VERSION, live=live))


def unpack(data: bytes) -> Kept | None:
    """Return what was kept; None at a first start, or where another version wrote it."""
    kept = from_bytes(data, Kept) if data else None
    return kept if kept is not None and kept.version == _VERSION else None


def slim(live: LiveState) -> LiveState:
    """Return a state without a day's quarters and what was learned: there are memos of those."""
    usual = Usual._make(np.zeros((0,) * column.ndim) for column in live.health.usual)
    return live._replace(health=live.health._replace(newest=None, usual=usual))


class Moves(NamedTuple):
    """Which rows of another road are the same lanes and stations."""

    lanes: tuple[IntArray, IntArray]  # old, new
    stations: tuple[IntArray, IntArray]
    sizes: tuple[tuple[int, int], tuple[int, int]]  # lanes and stations, old and new

    @classmethod
    def between(cls, devices: list[str], stations: list[str], road: Road) -> "Moves":
        """Return them, by name."""
        lanes, places = _matched(devices, road.devices), _matched(stations, road.stations)
        sizes = (len(devices), len(road.devices)), (len(stations), len(road.stations))
        return cls(lanes, places, sizes)


def moved(state: LiveState, fresh: LiveState, moves: Moves) -> LiveState:
    """Return a state for another road; what is new there is as in ``fresh``."""
    lane_of = dict(zip(*(one.tolist() for one in moves.lanes), strict=True))
    station_of = dict(zip(*(one.tolist() for one in moves.stations), strict=True))
    incidents = tuple(
        one._replace(
            station=station_of[one.station],
            lane=lane_of.get(one.lane, NOT_YET),
            reached=tuple(station_of[at] for at in one.reached if at in station_of),
        )
        for one in state.incidents.incidents
        if one.station in station_of
    )
    made = moved_tree(state, fresh, moves)
    return made._replace(incidents=made.incidents._replace(incidents=incidents))


def moved_tree(old: Tree, fresh: Tree, moves: Moves) -> Tree:
    """Return a tree of tuples and columns for another road."""
    made: Tree = _moved(old, fresh, moves)
    return made


def _moved(old: Any, fresh: Any, moves: Moves) -> Any:  # noqa: ANN401  # a tree of any tuples
    if isinstance(old, np.ndarray):
        return _column(old, fresh, moves)
    if isinstance(old, tuple) and hasattr(old, "_fields"):
        return type(old)(*(_moved(a, b, moves) for a, b in zip(old, fresh, strict=True)))
    return old


def _column(old: NDArray[Any], fresh: NDArray[Any], moves: Moves) -> NDArray[Any]:
    """Return a column with its axes moved; one that fits nothing known begins anew."""
    if old.ndim != fresh.ndim:
        return fresh
    source, target = [], []
    for one, other in zip(old.shape, fresh.shape, strict=True):
        if (one, other) == moves.sizes[0]:
            there, here = moves.lanes
        elif (one, other) == moves.sizes[1]:
            there, here = moves.stations
        elif one == other:
            there = here = np.arange(one)
        else:
            return fresh
        source.append(there)
        target.append(here)
    made = fresh.copy()
    made[np.ix_(*target)] = old[np.ix_(*source)]
    return made


def _matched(old: list[str], new: tuple[str, ...]) -> tuple[IntArray, IntArray]:
    place = {name: row for row, name in enumerate(old)}
    pairs = [(place[name], row) for row, name in enumerate(new) if name in place]
    columns = np.array(pairs, np.int64).reshape(-1, 2).T
    return columns[0], columns[1]
