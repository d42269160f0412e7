"""What is too large for the state: the last day's quarters, and what was learned night by night.

Each is kept under the names of its lanes and stations, and given back for the road of today.
"""

from typing import Any, NamedTuple

import numpy as np

from gateway.columns import from_bytes, to_bytes
from gateway.model import FloatArray
from gateway.ports import Memo
from gateway.store.derived import DerivedReader
from gateway.transport.engine.alarms import DOMAIN
from gateway.transport.engine.kept import Moves, moved_tree
from gateway.transport.engine.live import LiveState
from gateway.transport.health import QUARTER_MS, HealthState, Quarters, Usual, nothing_usual
from gateway.transport.impute import Learned, Pairs
from gateway.transport.series import Road

QUARTERS, USUAL, LEARNED, LENGTHS = "quarters", "usual", "imputation", "lengths"
_RING = 1 << 40  # numbers that no day has: these memos are written over, never forgotten
_DAY_QUARTERS = 96
_DAY_MS = 86_400_000


class _Quarter(NamedTuple):
    devices: list[str]
    stations: list[str]
    tree: Quarters


class _Usual(NamedTuple):
    devices: list[str]
    stations: list[str]
    end_ms: int  # of the day that was learned last
    tree: Usual


class _Lengths(NamedTuple):
    devices: list[str]
    g_m: FloatArray


class _Learned(NamedTuple):
    devices: list[str]
    stations: list[str]
    target: list[str]  # names of the pairs' lanes
    source: list[str]
    tree: Learned


def memos_of(before: LiveState | None, after: LiveState, road: Road) -> list[Memo]:
    """Return what an interval has added that is kept apart from the state."""
    memos = []
    newest, usual = after.health.newest, after.health.usual
    if newest is not None and newest.end_ms == after.health.end_ms:
        memos.append(quarter_memo(newest, road))
    if before is not None and usual is not before.health.usual:
        memos.append(usual_memo(after.health, road))
    return memos


def recalled(recall: DerivedReader, state: LiveState, road: Road) -> LiveState:
    """Return a state with what there are memos of."""
    newest = quarters_of(recall, road, state.next_ms)
    usual = usual_of(recall, road, state.next_ms)
    return state._replace(health=state.health._replace(newest=newest, usual=usual))


def quarter_memo(newest: Quarters, road: Road) -> Memo:
    """Return the newest quarter of an hour as a memo; it takes the place of yesterday's."""
    last = newest.last(1)
    number = _RING + last.start_ms // QUARTER_MS % _DAY_QUARTERS
    return Memo(QUARTERS, number, to_bytes(_Quarter(*_names(road), last)))


def quarters_of(recall: DerivedReader, road: Road, until_ms: int) -> Quarters | None:
    """Return the quarters without a gap up to a moment, at most a day of them."""
    kept = recall.memos(DOMAIN, QUARTERS, _RING, _RING + _DAY_QUARTERS)
    found: dict[int, Quarters] = {}
    for memo in kept:
        one = from_bytes(memo.data, _Quarter)
        if one is not None and one.tree.end_ms <= until_ms:
            shape = len(road.devices), 1
            columns: Any = [np.zeros(shape, column.dtype) for column in one.tree[1:]]
            blank = Quarters(one.tree.start_ms, *columns)
            moves = Moves.between(one.devices, one.stations, road)
            found[one.tree.start_ms] = moved_tree(one.tree, blank, moves)
    newest_ms = until_ms // QUARTER_MS * QUARTER_MS - QUARTER_MS
    made = found.get(newest_ms)
    while made is not None and (before := found.get(made.start_ms - QUARTER_MS)) is not None:
        made = before.joined(made)
    return made


def usual_memo(health: HealthState, road: Road) -> Memo:
    """Return what health has learned by a midnight as a memo; that of the one before stays."""
    number = _RING + health.end_ms // _DAY_MS % 2
    return Memo(USUAL, number, to_bytes(_Usual(*_names(road), health.end_ms, health.usual)))


def usual_of(recall: DerivedReader, road: Road, until_ms: int) -> Usual:
    """Return what health had learned at a moment."""
    made, newest_ms = nothing_usual(road), -1
    for memo in recall.memos(DOMAIN, USUAL, _RING, _RING + 2):
        one = from_bytes(memo.data, _Usual)
        if one is not None and newest_ms < one.end_ms <= until_ms:
            moves = Moves.between(one.devices, one.stations, road)
            made, newest_ms = moved_tree(one.tree, nothing_usual(road), moves), one.end_ms
    return made


def learned_memo(learned: Learned, pairs: Pairs, road: Road) -> Memo:
    """Return what imputation has learned as a memo."""
    target, source = ([road.devices[lane] for lane in end.tolist()] for end in pairs[:2])
    kept = _Learned(*_names(road), target, source, learned)
    return Memo(LEARNED, _RING, to_bytes(kept))


def learned_of(recall: DerivedReader, pairs: Pairs, road: Road) -> Learned:
    """Return what imputation has learned of these pairs and lanes."""
    fresh = Learned.nothing(len(pairs.target), len(road.devices))
    for memo in recall.memos(DOMAIN, LEARNED, _RING, _RING + 1):
        one = from_bytes(memo.data, _Learned)
        if one is None:
            continue
        old = {pair: at for at, pair in enumerate(zip(one.target, one.source, strict=True))}
        ends = ([road.devices[lane] for lane in end.tolist()] for end in pairs[:2])
        known = [(at, old[pair]) for at, pair in enumerate(zip(*ends, strict=True)) if pair in old]
        here, there = np.array(known, np.int64).reshape(-1, 2).T
        fresh.pairs[..., here] = one.tree.pairs[..., there]
        before, now = Moves.between(one.devices, one.stations, road).lanes
        fresh.whole[..., now] = one.tree.whole[..., before]
        fresh.week[:, :, now] = one.tree.week[:, :, before]
    return fresh


def lengths_memo(g_m: FloatArray, road: Road) -> Memo:
    """Return effective lengths by the hour as a memo."""
    return Memo(LENGTHS, _RING, to_bytes(_Lengths(list(road.devices), g_m)))


def lengths_of(recall: DerivedReader, usual: FloatArray, road: Road) -> FloatArray:
    """Return effective lengths, ``usual`` for lanes that nothing was learned of."""
    made = usual.copy()
    for memo in recall.memos(DOMAIN, LENGTHS, _RING, _RING + 1):
        one = from_bytes(memo.data, _Lengths)
        if one is not None:
            before, now = Moves.between(one.devices, [], road).lanes
            made[now] = one.g_m[before]
    return made


def _names(road: Road) -> tuple[list[str], list[str]]:
    return list(road.devices), list(road.stations)
