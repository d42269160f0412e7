"""How long a queue holds those who set out now: vehicles before them over those that get out.

Between two stations are as many vehicles as came in less those that went out (cumulative counts,
Newell 1993), and who comes now leaves when they all have left: N / q. Speeds at the stations say
that late, as long as the queue has reached none of them, and of half of the way, where it reached
one. Counted in passenger car units, in which a bottleneck lets through evenly.

Only what is beyond free traffic is summed up, by a CUSUM, so that miscounts do not add up; what a
share of ramps makes of it is learnt in calm traffic. Of open roads: signals store every minute.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.aggregate.stations import by_station, stations
from gateway.transport.policy import Queues as Rule
from gateway.transport.policy import TrafficPolicy
from gateway.transport.series import NOWHERE, Road, RoadClass, Window
from gateway.transport.state.travel import lengths_km

_HISTORY = 18  # intervals of counts that are kept: 9 min of 30 s
_FIRST_PCU = 5.0  # of an interval before anything is known; both ways: a ratio of one
_HOUR_S = 3600.0


class QueueState(NamedTuple):
    """Of each station and the way from it to the next one; survives a restart."""

    pcu: FloatArray  # (stations, history), the newest last; NaN unknown
    usual_kmh: FloatArray
    came: FloatArray  # usual PCU of an interval, in and out of the way to the next station
    went: FloatArray
    noise: FloatArray  # variance, per PCU, of the difference of an interval
    age: IntArray  # intervals learnt of
    evidence: FloatArray  # PCU beyond free traffic, less what is doubtful
    stored: FloatArray  # the same without doubt, since ``evidence`` left zero
    calm: IntArray  # free intervals in a row
    is_held: BoolArray  # a queue: the speeds of the two ends do not tell all

    @classmethod
    def fresh(cls, road: Road, policy: TrafficPolicy) -> "QueueState":
        """Return the state of a road that nothing is known of."""
        size = len(road.stations)
        zeros, numbers = np.zeros(size), np.zeros(size, np.int64)
        free_kmh = policy.free_kmh.column()[road.class_of_stations()]
        usual, noise = np.full(size, _FIRST_PCU), np.full(size, policy.queues.first_noise)
        return cls(
            *(np.full((size, _HISTORY), np.nan), free_kmh, usual, usual, noise, numbers),
            *(zeros, zeros, numbers, np.zeros(size, np.bool_)),
        )

    def after_a_gap(self) -> "QueueState":
        """Return the state after a time without data: nobody knows who came and went."""
        nothing = np.zeros_like(self.evidence)
        return self._replace(
            pcu=np.full_like(self.pcu, np.nan),
            evidence=nothing,
            stored=nothing,
            is_held=np.zeros_like(self.is_held),
        )


def queues(
    window: Window, trusted: BoolArray, road: Road, state: QueueState, policy: TrafficPolicy
) -> QueueState:
    """Go on by one interval: a window of one slot."""
    rule, onward = policy.queues, road.downstream
    now_pcu, kmh = _measured(window, trusted, road, policy)
    pcu = np.concatenate((state.pcu[:, 1:], now_pcu[:, None]), axis=1)
    with np.errstate(invalid="ignore"):
        slow = kmh < rule.slow_share * state.usual_kmh
    usual_kmh = np.where(
        np.isfinite(kmh) & ~slow,
        state.usual_kmh + rule.usual_weight * (kmh - state.usual_kmh),
        state.usual_kmh,
    )
    came, went = _came(pcu, _tau_slots(state, road, window.interval_ms)), now_pcu[onward]
    is_open = (onward != NOWHERE) & (road.class_of_stations() != RoadClass.URBAN)
    known = is_open & np.isfinite(came) & np.isfinite(went)
    came, went = np.where(known, came, 0.0), np.where(known, went, 0.0)
    free = known & ~slow & ~slow[onward]
    due = state.went / state.came * came
    flow = np.where(known, np.nan_to_num(pcu[:, -_HISTORY:]).mean(axis=1), 0.0)
    slack = np.maximum(rule.slack_sigmas * np.sqrt(state.noise * flow), rule.count_error * flow)
    evidence = np.maximum(state.evidence + due - went - np.where(free, slack, 0.0), 0.0)
    calm = np.where(free & (went >= rule.calm_share * due), state.calm + 1, 0)
    counts = known & (state.age >= rule.warm_slots) & (calm <= rule.calm_slots)
    evidence = np.where(counts, evidence, 0.0)
    stored = np.where(evidence > 0, np.maximum(state.stored + due - went, evidence), 0.0)
    limit = np.maximum(rule.doubt_sigmas * np.sqrt(state.noise * flow), rule.least_pcu)
    is_held = counts & (~free | (evidence >= limit))
    seen = came, went, due - went, flow
    came, went, noise, age = _learnt(state, seen, free & (evidence < limit / 2), rule)
    return QueueState(pcu, usual_kmh, came, went, noise, age, evidence, stored, calm, is_held)


def queue_hours(
    hours: FloatArray, state: QueueState, road: Road, policy: TrafficPolicy, interval_ms: int
) -> FloatArray:
    """Return ``travel.link_hours`` with what queues add, for those who set out in some minutes.

    Who goes along a corridor comes to a queue the later the further it is, and it has grown or
    shrunk by then; it does not outgrow its way.
    """
    rule, found, slot_s = policy.queues, hours.copy(), interval_ms / 1000
    flow = state.pcu[:, -rule.flow_slots :].mean(axis=1) / slot_s  # PCU/s, NaN where any lacks
    for first in np.flatnonzero(road.upstream == NOWHERE).tolist():
        way = _way(first, road)
        ahead_s = rule.lead_s
        for at in way if state.is_held[way].any() else ():
            if state.is_held[at]:
                found[at] = _held_h(at, ahead_s, (hours, flow, slot_s), (state, road, rule))
            ahead_s += float(np.nan_to_num(found[at])) * _HOUR_S
    return found


def _held_h(
    at: int,
    ahead_s: float,
    now: tuple[FloatArray, FloatArray, float],
    known: tuple[QueueState, Road, Rule],
) -> float:
    """Return the hours from a station to the next one through the queue between them."""
    (hours, flow, slot_s), (state, road, rule) = now, known
    there = int(road.downstream[at])
    enters = float(state.went[at] / state.came[at] * flow[at])
    leaves = max(float(flow[there]), rule.least_pcu_h / _HOUR_S)
    if not np.isfinite(enters + leaves):
        return float(hours[at])
    tau_s = float(_tau_slots(state, road, slot_s * 1000)[at]) * slot_s
    grows_s = min(ahead_s, rule.horizon_s)
    inside = float(state.stored[at]) + enters * tau_s + (enters - leaves) * grows_s
    km = float(road.km[there] - road.km[at])
    room = (rule.jam_pcu_km * float(road.lanes[there]) - leaves * _HOUR_S / rule.wave_kmh) * km
    return max(float(hours[at]), min(inside, room) / leaves / _HOUR_S)


def _measured(
    window: Window, trusted: BoolArray, road: Road, policy: TrafficPolicy
) -> tuple[FloatArray, FloatArray]:
    """Return PCU and speed of stations; NaN where a lane is missing, where nobody passed."""
    classes = np.nan_to_num(window.class_count)
    rest = np.maximum(np.nan_to_num(window.count) - classes.sum(axis=0), 0.0)
    units = np.tensordot(policy.pcu.column(), classes, 1) + rest * policy.pcu.unclassified
    seen = stations(window, road, trusted)
    whole = seen.lanes_seen[:, 0] == road.lanes
    pcu = by_station(np.where(trusted, units, 0.0), road)[:, 0]
    return np.where(whole, pcu, np.nan), seen.speed_kmh[:, 0]


def _tau_slots(state: QueueState, road: Road, interval_ms: float) -> FloatArray:
    """Return the time to the next station at usual speeds, intervals; NaN at the last."""
    there_kmh = state.usual_kmh[road.downstream]
    hours = lengths_km(road) / ((state.usual_kmh + there_kmh) / 2)
    tau: FloatArray = hours * _HOUR_S * 1000 / interval_ms
    return tau


def _came(pcu: FloatArray, tau_slots: FloatArray) -> FloatArray:
    """Return what came in a travel time ago: parts of two intervals."""
    whole = np.floor(np.nan_to_num(tau_slots)).astype(np.int64)
    part = np.nan_to_num(tau_slots) - whole
    fits = np.isfinite(tau_slots) & (whole + 1 < _HISTORY)
    at, newest = np.arange(len(pcu)), np.where(fits, _HISTORY - 1 - whole, _HISTORY - 1)
    came = (1 - part) * pcu[at, newest] + part * pcu[at, newest - 1]
    return np.where(fits, came, np.nan)


def _learnt(
    state: QueueState,
    seen: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    quiet: BoolArray,
    rule: Rule,
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Return what is usual with this interval, where it was quiet; at first it is a plain mean."""
    came, went, difference, flow = seen
    weight = quiet * np.maximum(1 / rule.memory_slots, 1 / (state.age + rule.prior_slots))
    error = difference**2 / np.maximum(flow, 1.0)
    return (
        state.came + weight * (came - state.came),
        state.went + weight * (went - state.went),
        state.noise + weight / 2 * (error - state.noise),
        state.age + quiet,
    )


def _way(first: int, road: Road) -> list[int]:
    """Return the stations of a corridor in the order of travel, without the last one."""
    way = [first]
    while road.downstream[way[-1]] != NOWHERE:
        way.append(int(road.downstream[way[-1]]))
    return way[:-1]
