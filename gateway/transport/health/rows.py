"""Suspicion that grows with every row: the tests of a single detector."""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray
from gateway.transport.health.policy import SAMPLE_S, HealthPolicy, Realtime
from gateway.transport.series import Window

_MOST_PENDING = 2.0  # rows on end that cover and count nobody: more is a queue, or locked on
_A_QUEUE = -1e9  # pending: too many to be odd, until somebody is counted again


class Row(NamedTuple):
    """One interval of all lanes, (lanes,)."""

    end_ms: int
    seconds: float
    present: BoolArray
    vehicles: FloatArray
    pcu: FloatArray  # the vehicles themselves where classes are not known
    occupancy: FloatArray
    speed_kmh: FloatArray
    v85_kmh: FloatArray


class Others(NamedTuple):
    """What the other lanes of a station show in the same interval, (lanes,)."""

    occupancy: FloatArray  # mean, NaN where there are none
    flows: BoolArray  # at least one counted vehicles at free speed


class Before(NamedTuple):
    """What the tests remember of earlier rows, (lanes,)."""

    vehicles: FloatArray
    occupancy: FloatArray
    speed_kmh: FloatArray
    v85_kmh: FloatArray
    was_free: BoolArray  # the last row with vehicles was of free traffic
    pending: FloatArray  # odd rows since
    queue: FloatArray  # highest occupancy of the other lanes, fading

    @classmethod
    def nothing(cls, lanes: int) -> "Before":
        """Return the memory of new detectors."""
        blank = np.full(lanes, np.nan)  # nobody writes into it
        nobody = np.zeros(lanes, np.bool_)
        return cls(blank, blank, blank, blank, nobody, np.zeros(lanes), np.zeros(lanes))


def row(window: Window, slot: int, policy: HealthPolicy) -> Row:
    """Return one interval of a window."""
    pcu = np.tensordot(policy.realtime.pcu, window.class_count[:, :, slot], axes=1)
    count = window.count[:, slot]
    return Row(
        window.start_ms + (slot + 1) * window.interval_ms,
        window.interval_ms / 1000,
        window.is_present()[:, slot],
        count,
        np.where(np.isfinite(pcu), pcu, count),
        window.occupancy[:, slot],
        window.speed_kmh[:, slot],
        window.v85_kmh[:, slot],
    )


def is_free(one: Row, free_kmh: FloatArray, policy: Realtime) -> BoolArray:
    """Return where vehicles passed at something like free speed."""
    free: BoolArray = (one.vehicles > 0) & (one.speed_kmh >= policy.hanging_speed_share * free_kmh)
    return free


def locked_on(old: FloatArray, one: Row, others: Others, policy: Realtime) -> FloatArray:
    """Return the time at full occupancy, over the limit of a road that flows or stands."""
    full = one.occupancy >= policy.locked_occupancy
    # in a queue somebody may stand on one loop for long, and on the next one nobody
    flows = others.flows | ~np.isfinite(others.occupancy)
    limit_s = np.where(flows, policy.locked_s, policy.locked_standstill_s)
    return _run(old, one, full, one.seconds / limit_s)


def chatter(old: FloatArray, one: Row, policy: Realtime) -> FloatArray:
    """Return how much longer a lane has carried more than it can than less, over the limit."""
    share = one.seconds / SAMPLE_S
    # three trucks in five seconds are a platoon: it is the half minute that no lane can carry
    step = min(share, 1.0) / policy.chatter_slots
    change = np.where(one.pcu >= policy.chatter_pcu_per_30s * share, step, -step)
    return np.where(one.present, np.clip(old + change, 0.0, 1.0), old)


def no_change(old: FloatArray, one: Row, before: Before, policy: Realtime) -> FloatArray:
    """Return how often the same row with vehicles came again, over the limit."""
    has_speed = np.isfinite(one.speed_kmh)
    same = (
        (one.vehicles > 0) & (one.vehicles == before.vehicles) & (one.occupancy == before.occupancy)
    )
    same &= (one.speed_kmh == before.speed_kmh) | (~has_speed & ~np.isfinite(before.speed_kmh))
    same &= (one.v85_kmh == before.v85_kmh) | ~np.isfinite(one.v85_kmh)
    most = np.where(has_speed, policy.same_rows, policy.same_rows_without_speed)
    return _run(old, one, same, 1 / (most - 1))


def spikes(
    old: FloatArray, one: Row, before: Before, judged: BoolArray, policy: Realtime
) -> FloatArray:
    """Return the timer of occupancy that jumps, over its limit, of the lanes to be judged.

    IRIS: a step adds 30 s, as much as time takes away within a row of 30 s.
    """
    steps = np.floor(np.abs(one.occupancy - before.occupancy) / policy.spike_step + 1e-9)
    unit_s = min(one.seconds, SAMPLE_S)
    grown = old + (unit_s * np.nan_to_num(steps) - one.seconds) / policy.spike_s
    return np.where(one.present & judged, np.maximum(grown, 0.0), old)


def impossible(old: FloatArray, one: Row, policy: Realtime) -> FloatArray:
    """Return the weight of rows that no traffic can make, over the limit."""
    nobody = (one.vehicles == 0) & (one.speed_kmh > 0)
    ghosts = (one.vehicles >= policy.ghost_count) & (one.occupancy == 0)
    outside = (one.speed_kmh < policy.min_speed_kmh) | (one.speed_kmh > policy.max_speed_kmh)
    bad = nobody | ghosts | (outside & (one.vehicles > 0))
    change = np.where(bad, 1.0, -policy.impossible_decay) / policy.impossible_rows
    return np.where(one.present, np.maximum(old + change, 0.0), old)


def hanging(
    old: FloatArray, one: Row, before: Before, free: BoolArray, policy: Realtime
) -> FloatArray:
    """Return odd rows an hour between rows of free traffic, over the limit."""
    confirmed = np.where(free & before.was_free, np.maximum(before.pending, 0.0), 0.0)
    faded = old * np.exp(-one.seconds / policy.hanging_tau_s)
    return np.where(one.present, faded + confirmed / policy.hanging_rows, old)


def remember(before: Before, one: Row, free: BoolArray, others: Others, policy: Realtime) -> Before:
    """Return the memory after a row; one that is missing changes nothing."""
    counted = one.vehicles > 0
    # a truck on the edge of two rows is counted in one and covers in both: seconds count, not share
    least_s = min(policy.hanging_occupancy * max(one.seconds, SAMPLE_S), one.seconds)
    odd = (one.vehicles == 0) & (one.occupancy * one.seconds >= least_s)
    # in a queue before a signal the other lanes stand too
    odd &= others.flows | ~np.isfinite(others.occupancy)
    waits = before.pending + odd
    pending = np.where(counted, 0.0, np.where(waits > _MOST_PENDING, _A_QUEUE, waits))

    def now(new: FloatArray | BoolArray, old: FloatArray | BoolArray) -> FloatArray:
        return np.where(one.present, new, old)

    return Before(
        now(one.vehicles, before.vehicles),
        now(one.occupancy, before.occupancy),
        now(one.speed_kmh, before.speed_kmh),
        now(one.v85_kmh, before.v85_kmh),
        np.where(one.present & counted, free, before.was_free),
        now(pending, before.pending),
        np.fmax(others.occupancy, before.queue * np.exp(-one.seconds / policy.queue_tau_s)),
    )


def _run(old: FloatArray, one: Row, is_true: BoolArray, step: FloatArray | float) -> FloatArray:
    """Return a suspicion that grows while something is true and is gone when it is not."""
    grown: FloatArray = np.where(one.present, np.where(is_true, old + step, 0.0), old)
    return grown
