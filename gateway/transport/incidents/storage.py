"""Vehicles stored between two stations: what came in, a travel time ago, less what went out.

On a road without an incident the difference stays within the vehicles at the edges of an interval
(and what ramps add and take by chance); behind one it grows from the first interval on, minutes
before the queue reaches a detector. Per pair the ratio and both kinds of noise are learnt: noise
of the edges does not add up over intervals, that of ramps does, which is what tells them apart.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.incidents.policy import Storage
from gateway.transport.incidents.spans import Spans

HISTORY = 18  # slots of counts that are kept: 9 min of 30 s
# Sums of so many intervals tell the two noises apart; the shorter hides a cycle of signals.
_SHORT, _LONG = 3, 12
_FIRST_FLOW = 5.0  # vehicles of an interval before anything is known; both ways: a ratio of one


class Usual(NamedTuple):
    """What is usual of each span, (spans,)."""

    came: FloatArray  # vehicles of an interval
    went: FloatArray
    short: FloatArray  # variance, per vehicle, of the difference over 3 intervals
    long: FloatArray  # and over 12
    age: FloatArray  # intervals learnt of


class StorageState(NamedTuple):
    """Of stations and spans; survives a restart."""

    counts: FloatArray  # (stations, HISTORY), the newest last; NaN unknown
    usual: Usual
    flow: FloatArray  # (spans,) vehicles of an interval that came, now …; NaN after a silence
    base: FloatArray  # … and over the last half hour
    recent: FloatArray  # (spans, 12) the last differences
    stored: FloatArray  # (slacks, spans) the sums, vehicles
    since: IntArray  # (slacks, spans) slots since each sum left zero

    @classmethod
    def fresh(cls, stations: int, spans: Spans, rule: Storage) -> "StorageState":
        """Return the state of a road that nothing is known of."""
        size, slacks = spans.first.size, len(rule.slack_sigmas)
        flow = np.full(size, _FIRST_FLOW)
        edge, walk = 2 * rule.edge_dispersion, rule.walk_dispersion
        short, long = (np.full(size, slots * walk + edge) for slots in (_SHORT, _LONG))
        return cls(
            np.full((stations, HISTORY), np.nan),
            Usual(flow, flow, short, long, np.zeros(size)),
            flow,
            flow,
            np.zeros((size, _LONG)),
            np.zeros((slacks, size)),
            np.zeros((slacks, size), np.int64),
        )


class Stored(NamedTuple):
    """What a slot says of each span."""

    ratio: FloatArray  # (spans,) the greater sum over its threshold; 1 is too much
    vehicles: FloatArray  # (spans,)
    since: IntArray  # (spans,) slots ago it began
    is_known: BoolArray  # measured, and usual long enough


class Now(NamedTuple):
    """One interval."""

    vehicles: FloatArray  # (stations,) vehicles, NaN where a lane is missing
    tau_slots: FloatArray  # (spans,) travel time in intervals, NaN where it is not known
    is_usual: BoolArray  # (spans,) whether traffic is such that one may learn of it
    seconds: float


def store(
    now: Now, state: StorageState, spans: Spans, rule: Storage
) -> tuple[Stored, StorageState]:
    """Go on by one interval."""
    counts = np.concatenate((state.counts[:, 1:], now.vehicles[:, None]), axis=1)
    came, went = _came(counts, spans, now.tau_slots), now.vehicles[spans.last]
    known = np.isfinite(came) & np.isfinite(went)
    came, went = np.where(known, came, 0.0), np.where(known, went, 0.0)
    usual = state.usual
    difference = np.where(known, usual.went / usual.came * came - went, 0.0)
    recent = np.concatenate((state.recent[:, 1:], difference[:, None]), axis=1)
    flow, base = (np.where(np.isnan(one), came, one) for one in (state.flow, state.base))
    limit, slack = _limits(usual, flow, base, rule)
    grown = np.maximum(state.stored + np.where(known, difference - slack, 0.0), 0.0)
    since = np.where(grown > 0, state.since + 1, 0)
    over = grown / limit
    is_warm = usual.age >= rule.prior_slots
    quiet = known & now.is_usual
    usual = _learn(usual, flow, (came, went, recent), quiet, (now.seconds, rule))
    flow, base = (
        np.where(known, begun + (1 - 0.5 ** (now.seconds / half_life_s)) * (came - begun), old)
        for begun, old, half_life_s in (
            (flow, state.flow, rule.window_s),
            (base, state.base, rule.base_s),
        )
    )
    best, at = over.argmax(axis=0), np.arange(went.size)
    found = Stored(over[best, at], grown[best, at], since[best, at], known & is_warm)
    return found, StorageState(counts, usual, flow, base, recent, grown, since)


def forget(state: StorageState, which: BoolArray) -> StorageState:
    """Begin the sums of some spans anew: what a queue left behind is no other incident."""
    if not which.any():
        return state
    stored, since = np.where(which, 0.0, state.stored), np.where(which, 0, state.since)
    return state._replace(stored=stored, since=since)


def lose(state: StorageState, which: BoolArray) -> StorageState:
    """Forget what is now of some spans, after a silence: traffic is another one when it ends."""
    if not which.any():
        return state
    flow, base = (np.where(which, np.nan, one) for one in (state.flow, state.base))
    recent = np.where(which[:, None], 0.0, state.recent)
    return forget(state._replace(flow=flow, base=base, recent=recent), which)


def give_up(state: StorageState, which: BoolArray, rule: Storage) -> StorageState:
    """Learn anew of spans that store more than there is room for: somebody miscounts there."""
    if not which.any():
        return state
    slots = np.maximum(state.since.max(axis=0), 1)
    short = state.stored.max(axis=0) / slots
    came, went = state.usual.came, state.usual.went
    share = np.clip(1 - short / np.maximum(went, 1.0), 0.1, 1.0)
    usual = state.usual._replace(
        went=np.where(which, went * share, went),
        age=np.where(which, np.minimum(state.usual.age, rule.prior_slots / 2), state.usual.age),
        came=came,
    )
    return forget(state._replace(usual=usual), which)


def _came(counts: FloatArray, spans: Spans, tau_slots: FloatArray) -> FloatArray:
    """Return what came in a travel time ago: parts of two intervals."""
    whole = np.floor(np.nan_to_num(tau_slots)).astype(np.int64)
    part = np.nan_to_num(tau_slots) - whole
    fits = np.isfinite(tau_slots) & (whole + 1 < HISTORY)
    newest = np.where(fits, HISTORY - 1 - whole, HISTORY - 1)
    came = (1 - part) * counts[spans.first, newest] + part * counts[spans.first, newest - 1]
    return np.where(fits, came, np.nan)


def _limits(
    usual: Usual, flow: FloatArray, base: FloatArray, rule: Storage
) -> tuple[FloatArray, FloatArray]:
    """Return thresholds and slacks of the sums, (slacks, spans).

    A sum of steps with variance v and drift −k exceeds h with a chance of exp(−2kh/v). Where a
    share of the traffic leaves at ramps and as much comes, a wave of more traffic than usual
    (a queue that dissolves upstream) leaves by that share and nobody comes for it.
    """
    walk = np.maximum((usual.long - usual.short) / (_LONG - _SHORT), rule.least_dispersion)
    edge = np.maximum(usual.short - _SHORT * walk, 0.0) * flow  # of both edges
    wave = np.minimum(walk / 2, 1.0) * np.maximum(flow - base, 0.0)
    walk = walk * flow
    slacks = np.array(rule.slack_sigmas)[:, None] * np.sqrt(walk)
    slacks = np.maximum(slacks, rule.count_error * flow)
    reach = np.divide(walk, 2 * slacks, out=np.zeros_like(slacks), where=slacks > 0)
    limit = reach * rule.ln_run_slots + rule.edge_sigmas * np.sqrt(edge)
    return np.maximum(limit, rule.min_vehicles), slacks + wave


def _learn(
    usual: Usual,
    flow: FloatArray,
    seen: tuple[FloatArray, FloatArray, FloatArray],
    quiet: BoolArray,
    job: tuple[float, Storage],
) -> Usual:
    """Return what is usual with this interval, where it was quiet; at first it is a plain mean."""
    (came, went, recent), (seconds, rule) = seen, job
    steady = 1 - 0.5 ** (seconds / rule.half_life_s)
    weight = np.where(quiet, np.maximum(steady, 1 / (usual.age + rule.prior_slots)), 0.0)
    per_vehicle = 1 / np.maximum(flow, 1.0)
    short = recent[:, -_SHORT:].sum(axis=1) ** 2 * per_vehicle
    long = recent.sum(axis=1) ** 2 * per_vehicle
    return Usual(
        usual.came + weight * (came - usual.came),
        usual.went + weight * (went - usual.went),
        usual.short + weight * (short - usual.short),
        usual.long + weight * (long - usual.long),
        usual.age + quiet,
    )
