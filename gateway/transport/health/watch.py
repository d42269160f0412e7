"""All of it in the order of time: windows in, faults out, the usual traffic learned by night.

A function of the windows: late data is judged by going back to a state from before it.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, IntArray
from gateway.transport.health.balance import BalanceState, new_balance, weigh
from gateway.transport.health.faults import REASON, Change, Fault
from gateway.transport.health.policy import HealthPolicy
from gateway.transport.health.realtime import Knowledge, RealtimeState, judge, new_state
from gateway.transport.health.usual import (
    QUARTER_MS,
    Quarters,
    Sums,
    Usual,
    as_quarter,
    learn,
    nothing_usual,
    sums,
)
from gateway.transport.series import Road, Window

_DAY_MS, _MS_PER_MIN = 86_400_000, 60_000
_MOST_QUARTERS = 96


class HealthState(NamedTuple):
    """What is kept from window to window: plain arrays."""

    end_ms: int  # of the last slot; 0 before the first
    realtime: RealtimeState
    balance: BalanceState
    usual: Usual
    bad: BoolArray  # (lanes,) of whom nothing is learned today
    begun: Sums  # of the quarter under way
    newest: Quarters | None  # a day's whole quarters


class Health(NamedTuple):
    """What a window brought."""

    state: HealthState
    changes: list[Change]
    reasons: IntArray  # (lanes, slots) Reason bits: rows that must not be used


def new_health(road: Road) -> HealthState:
    """Return the state of detectors of which nothing is known."""
    lanes = len(road.device_index)
    return HealthState(
        0,
        new_state(lanes),
        new_balance(lanes),
        nothing_usual(road),
        np.zeros(lanes, np.bool_),
        Sums.nothing(lanes),
        None,
    )


def watch(state: HealthState, window: Window, road: Road, policy: HealthPolicy) -> Health:
    """Judge a window of any number of slots that follows the one before.

    Args:
        state: after the slot before; not changed.
        window: of all lanes of the road, row for row.
        road: where they are.
        policy: limits.

    Raises:
        ValueError: the window does not follow, or its interval is no part of a quarter of an hour.
    """
    if state.end_ms not in {0, window.start_ms} or QUARTER_MS % window.interval_ms:
        raise ValueError(f"a window from {window.start_ms} does not follow {state.end_ms}")
    changes: list[Change] = []
    reasons = np.zeros(window.count.shape, np.int64)
    first = 0
    while first < window.slots:
        begin_ms = window.start_ms + first * window.interval_ms
        left = (QUARTER_MS - begin_ms % QUARTER_MS) // window.interval_ms
        stop = min(first + left, window.slots)
        part = window.part(first, stop)
        state, new, reasons[:, first:stop] = _quarter(state, part, road, policy)
        changes += new
        first = stop
    return Health(state, changes, reasons)


def _quarter(state: HealthState, part: Window, road: Road, policy: HealthPolicy) -> Health:
    """Judge slots of one quarter of an hour, and the quarter itself with its last slot."""
    known = Knowledge.of(state.usual, road, policy)
    judged = judge(state.realtime, part, road, known, policy)
    begun = state.begun.plus(sums(part, judged.reasons))
    state = state._replace(end_ms=part.end_ms, realtime=judged.state, begun=begun)
    changes = judged.changes
    # a miscount marks what comes from the next quarter on, however the time is cut into windows
    reasons = judged.reasons | _marks(state.balance)[:, None]
    if part.end_ms % QUARTER_MS == 0:
        state, new = _close(state, part.interval_ms, road, known, policy)
        changes = changes + new
    return Health(state, changes, reasons)


def _close(
    state: HealthState, interval_ms: int, road: Road, known: Knowledge, policy: HealthPolicy
) -> tuple[HealthState, list[Change]]:
    quarter = as_quarter(state.begun, state.end_ms - QUARTER_MS, interval_ms, policy)
    newest = state.newest
    if newest is None or newest.end_ms != quarter.start_ms:
        newest = quarter
    else:
        newest = newest.joined(quarter).last(_MOST_QUARTERS)
    balance, changes = weigh(state.balance, newest, road, known, policy)
    active = state.realtime.life.is_active() | balance.life.is_active()
    active[Fault.LANE_UNUSED] = False
    bad = state.bad | active.any(axis=0)
    usual = state.usual
    if (state.end_ms + policy.utc_offset_min * _MS_PER_MIN) % _DAY_MS == 0:
        usual = learn(usual, newest, road, bad, policy)
        bad = np.zeros_like(bad)
    fresh = Sums.nothing(len(bad))
    return (
        state._replace(balance=balance, usual=usual, bad=bad, begun=fresh, newest=newest),
        changes,
    )


def _marks(balance: BalanceState) -> IntArray:
    bits = np.array([int(REASON[fault]) for fault in Fault], np.int64)[:, None]
    active = balance.life.is_active()
    found: IntArray = np.bitwise_or.reduce(np.where(active, bits, 0), axis=0)
    return found
