"""The tests of all detectors, interval by interval.

A function of the windows alone: when late data changes one, run again from the state before it.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.health import rows, silence
from gateway.transport.health.faults import REASON, Change, Fault
from gateway.transport.health.life import NEVER, Life, begun, live
from gateway.transport.health.policy import HealthPolicy, Realtime
from gateway.transport.health.silence import Missed
from gateway.transport.health.usual import HOURS, Usual, lengths, rates, ratios, shares
from gateway.transport.series import NOWHERE, Road, RoadClass, Window

# faults that come and go
_RARE = (Fault.CHATTER, Fault.OCCUPANCY_SPIKE, Fault.IMPOSSIBLE, Fault.HANGING)
_SURE = 1 - 1e-9  # a suspicion of one; many small steps do not add up to it exactly
_HOUR_MS, _MS_PER_MIN = 3_600_000, 60_000


class RealtimeState(NamedTuple):
    """What is kept from window to window: plain arrays."""

    suspicion: FloatArray  # (faults, lanes), 1 is the limit
    life: Life
    before: rows.Before
    missed: Missed


class Judged(NamedTuple):
    """What a window brought."""

    state: RealtimeState
    changes: list[Change]
    reasons: IntArray  # (lanes, slots) Reason bits: rows that must not be used


class Knowledge(NamedTuple):
    """What is known of the usual traffic, made once for each day."""

    share: FloatArray  # (lanes, 24)
    ratio: FloatArray  # (2, stations, 24)
    free_kmh: FloatArray  # (lanes,)
    rate_veh_h: FloatArray  # (lanes, 24)
    length_m: FloatArray  # (lanes,) that a vehicle covers, with the detector's own
    is_open: BoolArray  # (lanes,) a road without signals

    @classmethod
    def of(cls, usual: Usual, road: Road, policy: HealthPolicy) -> "Knowledge":
        """Return it, with the policy's free speed where none was learned."""
        road_class = road.class_of_lanes()
        at_first = policy.usual.free_kmh.of(road_class)
        free = np.where(np.isfinite(usual.free_kmh), usual.free_kmh, at_first)
        is_open = np.isin(
            road_class, [RoadClass[one.upper()] for one in policy.realtime.spike_classes]
        )
        return cls(
            shares(usual, policy),
            ratios(usual, policy),
            free,
            rates(usual),
            lengths(usual),
            is_open,
        )


def new_state(lanes: int) -> RealtimeState:
    """Return the state of detectors that were never heard."""
    return RealtimeState(
        np.zeros((len(Fault), lanes)),
        begun(lanes),
        rows.Before.nothing(lanes),
        Missed.nothing(lanes),
    )


def judge(
    state: RealtimeState, window: Window, road: Road, known: Knowledge, policy: HealthPolicy
) -> Judged:
    """Judge the slots of a window in order.

    Args:
        state: after the slot before; not changed.
        window: of all lanes of the road, row for row.
        road: where they are.
        known: their usual traffic.
        policy: limits.
    """
    changes: list[Change] = []
    reasons = np.zeros(window.count.shape, np.int64)
    bits = np.array([int(REASON[fault]) for fault in Fault], np.int64)[:, None]
    for slot in range(window.slots):
        one = rows.row(window, slot, policy)
        state, new = _slot(state, one, road, known, policy)
        changes += new
        marks = np.where(state.life.is_active(), bits, 0)
        marks[Fault.NO_DATA, one.present] = 0  # silence says nothing against the rows after it
        reasons[:, slot] = np.bitwise_or.reduce(marks, axis=0)
    return Judged(state, changes, reasons)


def _slot(
    state: RealtimeState, one: rows.Row, road: Road, known: Knowledge, policy: HealthPolicy
) -> tuple[RealtimeState, list[Change]]:
    limits, before = policy.realtime, state.before
    hour = _local_hour(one, policy)
    usual = silence.Expected(
        known.share[:, hour], known.ratio[:, :, hour], known.rate_veh_h[:, hour]
    )
    free = rows.is_free(one, known.free_kmh, limits)
    others = _others(one, free, road)
    missed = silence.miss(state.missed, one, road, usual, policy)
    old = state.suspicion
    dead, unused = silence.no_hits(missed, hour, usual, policy)
    level = old.copy()
    level[Fault.NO_DATA] = silence.no_data(missed, one.seconds, policy)
    level[Fault.LOCKED_ON] = rows.locked_on(old[Fault.LOCKED_ON], one, others, limits)
    level[Fault.CHATTER] = rows.chatter(old[Fault.CHATTER], one, limits)
    level[Fault.NO_HITS], level[Fault.LANE_UNUSED] = dead, unused
    level[Fault.NO_CHANGE] = rows.no_change(old[Fault.NO_CHANGE], one, before, limits)
    level[Fault.IMPOSSIBLE] = rows.impossible(old[Fault.IMPOSSIBLE], one, limits)
    level[Fault.HANGING] = rows.hanging(old[Fault.HANGING], one, before, free, limits)
    memory = rows.remember(before, one, free, others, limits)
    jumps = known.is_open & ~(memory.queue >= limits.queue_occupancy)  # in a queue all lanes' does
    spike = rows.spikes(old[Fault.OCCUPANCY_SPIKE], one, before, jumps, limits)
    level[Fault.OCCUPANCY_SPIKE] = spike
    begin_ms = one.end_ms - round(one.seconds * 1000)
    started = (level > 0) & ((old <= 0) | (state.life.onset_ms == NEVER))
    onset = np.where(started, begin_ms, np.where(level > 0, state.life.onset_ms, NEVER))
    life = state.life._replace(onset_ms=onset)
    life, changes = live(life, one.end_ms, level >= _SURE, level, _hold_ms(limits))
    return RealtimeState(level, life, memory, missed), changes


def _hold_ms(limits: Realtime) -> IntArray:
    """Return how long each fault stands after it was last true, (faults, 1)."""
    held_s = np.full((len(Fault), 1), limits.hold_s, np.int64)
    held_s[list(_RARE)] = limits.hold_rare_s
    held_s[Fault.NO_DATA] = 0  # it is over with the first row
    return held_s * 1000


def _local_hour(one: rows.Row, policy: HealthPolicy) -> int:
    begin_ms = one.end_ms - round(one.seconds * 1000)
    return (begin_ms + policy.utc_offset_min * _MS_PER_MIN) // _HOUR_MS % HOURS


def _others(one: rows.Row, free: BoolArray, road: Road) -> rows.Others:
    """Return what the other lanes of each lane's station show."""
    size = len(road.stations) + 1
    at = np.where(road.station == NOWHERE, size - 1, road.station)
    use = one.present & np.isfinite(one.occupancy) & (road.station != NOWHERE)
    total = np.bincount(at[use], one.occupancy[use], size)
    seen = np.bincount(at[use], minlength=size)
    flows = np.bincount(at[free & use], minlength=size)
    rest = np.where(use, total[at] - np.nan_to_num(one.occupancy), total[at])
    count = seen[at] - use
    mean = np.divide(rest, count, out=np.full(len(at), np.nan), where=count > 0)
    return rows.Others(mean, flows[at] - (free & use) > 0)
