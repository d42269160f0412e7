"""Incidents on a road, interval by interval, from what stations and lanes measured.

Five signs are put together (``life.Sign``); each is worked out in a module of its own. All of it
is a function of the state before and the intervals given, so that a time can be worked out again
from a state kept, when late data has come.
"""

from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray
from gateway.transport.aggregate import stations as together
from gateway.transport.incidents.california import CaliforniaState, california
from gateway.transport.incidents.flow import FlowState, Slot, judge
from gateway.transport.incidents.lanes import LaneNow, LaneState, judge_lanes
from gateway.transport.incidents.life import (
    NOT_YET,
    Candidate,
    Incident,
    Rules,
    Scene,
    Sign,
    advance,
)
from gateway.transport.incidents.policy import IncidentPolicy
from gateway.transport.incidents.spans import Spans, spans_of
from gateway.transport.incidents.storage import (
    HISTORY,
    Now,
    StorageState,
    Stored,
    forget,
    give_up,
    lose,
    store,
)
from gateway.transport.series import NOWHERE, Road, RoadClass, StationWindow, Window

_JAM_VEH_KM = 133.0  # of a lane: a standing car takes 7.5 m


class WatchState(NamedTuple):
    """Everything that the watch remembers; survives a restart."""

    slot: int  # intervals watched
    flow: FlowState
    storage: StorageState
    lanes: LaneState
    california: CaliforniaState
    incidents: tuple[Incident, ...]  # open, or whose waves still run
    number: int  # of the next one


class IncidentWatch:
    """Watches one road; the order of its lanes and stations is that of ``road``."""

    def __init__(self, road: Road, policy: IncidentPolicy) -> None:
        self._road, self._policy = road, policy
        self._spans: Spans = spans_of(road)
        here, there = self._spans.first, self._spans.last
        room = np.minimum(road.lanes[here], road.lanes[there]) * self._spans.km * _JAM_VEH_KM
        # one queue may fill several links: more than that is a count, not a queue
        self._room = np.maximum(room, 1.0)
        self._pairs = slice(0, self._spans.pairs)
        is_urban = road.class_of_stations() == RoadClass.URBAN
        life = policy.life
        of_pair = is_urban[self._spans.first[self._pairs]]
        self._mean_share = np.where(of_pair, life.urban_mean_share, life.mean_share)
        self._hint_slots = np.where(is_urban, policy.slow.urban_slots - 1, 1)
        self._low_slots = np.where(is_urban, policy.slow.urban_slots, policy.slow.slots)

    def fresh(self) -> WatchState:
        """Return the state before anything is known."""
        stations, policy = len(self._road.stations), self._policy
        return WatchState(
            0,
            FlowState.fresh(stations),
            StorageState.fresh(stations, self._spans, policy.storage),
            LaneState.fresh(len(self._road.devices)),
            CaliforniaState.fresh(stations, self._spans.pairs, policy.california),
            (),
            0,
        )

    def slow_now(self, state: WatchState) -> BoolArray:
        """Return which stations are slow, by their last interval alone where no signal is near.

        Of streets with signals a red light is no jam: there it takes as many as nearly a cycle.
        """
        return np.asarray(state.flow.is_slow | (state.flow.low >= self._hint_slots))

    def run(
        self, window: Window, state: WatchState, is_good: BoolArray | None = None
    ) -> tuple[list[Incident], WatchState]:
        """Watch the intervals of a window.

        Args:
            window: rows as the lanes of the road.
            state: before its first interval.
            is_good: (lanes, slots), what detector health trusts; None = all.

        Returns:
            Every incident that was open in it, as it was last, and the state after it.
        """
        trusted = np.isfinite(window.count) if is_good is None else is_good
        stations = together(window, self._road, trusted)
        lanes = np.where(trusted, window.count, np.nan)
        seen: dict[int, Incident] = {}
        for at in range(window.slots):
            slot = _slot_of(stations, at, self._road)
            state = self._step(slot, lanes[:, at], window.interval_ms / 1000, state)
            seen.update((one.number, one) for one in state.incidents)
        return [seen[number] for number in sorted(seen)], state

    def _step(self, slot: Slot, lanes: FloatArray, seconds: float, state: WatchState) -> WatchState:
        rule = self._policy
        lost = self._lost(slot, state.storage, seconds)
        flow = judge(slot, state.flow, seconds, self._low_slots, rule.slow)
        flow = flow.without(lost & ~slot.is_seen)
        spans, busy = self._spans, flow.is_slow | self._troubled(state.incidents)
        calm = ~busy[spans.first] & ~busy[spans.last]
        now = Now(slot.vehicles, self._tau_slots(flow, seconds), calm, seconds)
        waves = self._troubled(tuple(one for one in state.incidents if one.cleared != NOT_YET))
        before = forget(state.storage, waves[spans.first] | waves[spans.last])
        before = lose(before, lost[spans.first] | lost[spans.last])
        stored, storage = store(now, before, spans, rule.storage)
        storage = give_up(storage, stored.vehicles > self._room, rule.storage)
        usual = storage.usual
        ratio = np.ones(len(self._road.stations))
        ratio[spans.first[self._pairs]] = (usual.went / usual.came)[self._pairs]
        weight = 1 - 0.5 ** (seconds / rule.storage.half_life_s)
        lane_now = LaneNow(lanes, ratio, weight, rule.lane.warm_slots)
        closed, lane_state = judge_lanes(lane_now, state.lanes, self._road, rule.lane)
        pair = (spans.first[self._pairs], spans.last[self._pairs])
        cal = california((slot.occupancy, slot.speed_kmh), state.california, pair, rule.california)
        candidates = [
            *self._storage_signs(state.slot, stored, flow),
            *self._slow_signs(state.slot, flow, stored, slot.is_seen),
            *self._california_signs(state.slot, cal, flow),
            *self._lane_signs(state.slot, closed, lane_state),
        ]
        scene = self._scene(state.slot, flow, candidates, stored)
        life = rule.life
        rules = Rules(life.clear_slots, round(life.hold_s / seconds))
        incidents = advance(list(state.incidents), scene, rules, state.number)
        number = max((one.number + 1 for one in incidents), default=state.number)
        return WatchState(
            *(state.slot + 1, flow, storage, lane_state, cal, tuple(incidents)),
            max(number, state.number),
        )

    def _lost(self, slot: Slot, storage: StorageState, seconds: float) -> BoolArray:
        """Return the stations that have not told of all their lanes for a while.

        What was known of them is old then: silence (a dark cabinet, a cut line) is no jam, and no
        jam outlasts it.
        """
        slots = min(HISTORY, max(1, round(self._policy.life.unseen_s / seconds)))
        unknown = np.isnan(storage.counts[:, -slots:]).all(axis=1)
        return np.asarray(unknown & np.isnan(slot.vehicles))

    def _troubled(self, incidents: tuple[Incident, ...]) -> BoolArray:
        """Return the stations at, before and after incidents: nothing usual is learnt there."""
        troubled = np.zeros(len(self._road.stations), np.bool_)
        for one in incidents:
            places = np.array([one.station, *one.reached])
            near = (places, self._road.upstream[places], self._road.downstream[places])
            every = np.concatenate(near)
            troubled[every[every != NOWHERE]] = True
        return troubled

    def _tau_slots(self, flow: FlowState, seconds: float) -> FloatArray:
        """Return travel times at usual speeds, NaN where they are unknown or too long."""
        usual, spans = flow.usual_kmh, self._spans
        tau_s = spans.km / ((usual[spans.first] + usual[spans.last]) / 2) * 3600
        with np.errstate(invalid="ignore"):
            return np.where(tau_s <= self._policy.storage.longest_s, tau_s, np.nan) / seconds

    def _storage_signs(self, now: int, stored: Stored, flow: FlowState) -> list[Candidate]:
        spans = self._spans
        pairs = np.arange(spans.pairs)
        life = self._policy.life
        least = total = stored.ratio[pairs]
        voices = np.ones(spans.pairs)
        for side in range(spans.witness.shape[1]):
            witness = spans.witness[:, side]
            speaks = (witness != NOWHERE) & stored.is_known[witness]
            said = np.where(speaks, stored.ratio[witness], 0.0)
            least = np.where(speaks, np.minimum(least, said), least)
            total, voices = total + said, voices + speaks
        sure = (total / voices >= self._mean_share) & (least >= life.witness_share)
        sure &= stored.is_known[pairs] & ~flow.is_slow[spans.last[pairs]]
        return [
            Candidate(
                int(spans.first[k]),
                Sign.STORAGE,
                now - int(stored.since[k]) + 1,
                NOT_YET,
                float(stored.vehicles[k]),
            )
            for k in np.flatnonzero(sure)
        ]

    def _slow_signs(
        self, now: int, flow: FlowState, stored: Stored, is_seen: BoolArray
    ) -> list[Candidate]:
        """Heads of queues: slow, by what is measured now, and the next station is not."""
        down, rule = self._road.downstream, self._policy
        hinted = np.zeros(flow.is_slow.size, np.bool_)
        pairs = np.arange(self._spans.pairs)
        hinted[self._spans.first[pairs]] = stored.is_known[pairs] & (
            stored.ratio[pairs] >= rule.life.hint_share
        )
        is_slow = flow.is_slow | (hinted & (flow.low >= self._hint_slots))
        next_slow = (down != NOWHERE) & ((flow.low[down] >= 1) | flow.is_slow[down])
        return [
            Candidate(int(k), Sign.SLOW, now - int(flow.low[k]) + 1, NOT_YET, 0.0)
            for k in np.flatnonzero(is_slow & is_seen & ~next_slow)
        ]

    def _california_signs(
        self, now: int, state: CaliforniaState, flow: FlowState
    ) -> list[Candidate]:
        first, last = self._spans.first[self._pairs], self._spans.last[self._pairs]
        found = state.is_on & ~flow.is_slow[last]
        return [
            Candidate(int(first[k]), Sign.CALIFORNIA, now - int(state.slots[k]) + 1, NOT_YET, 0.0)
            for k in np.flatnonzero(found)
        ]

    def _lane_signs(self, now: int, closed: BoolArray, state: LaneState) -> list[Candidate]:
        return [
            Candidate(
                int(self._road.station[k]), Sign.LANE, now - int(state.slots[k]) + 1, int(k), 0.0
            )
            for k in np.flatnonzero(closed)
        ]

    def _scene(
        self, now: int, flow: FlowState, candidates: list[Candidate], stored: Stored
    ) -> Scene:
        spans, clear = self._spans, self._policy.life.clear_share
        still = np.flatnonzero(stored.ratio[self._pairs] >= clear)
        return Scene(
            now,
            flow.is_slow.tolist(),
            self._road.upstream.tolist(),
            self._road.downstream.tolist(),
            candidates,
            {int(spans.first[k]): float(stored.vehicles[k]) for k in still},
        )


def _slot_of(stations: StationWindow, at: int, road: Road) -> Slot:
    """Return one interval; a station that lacks a lane has no count, only a speed."""
    whole = stations.lanes_seen[:, at] == road.lanes
    return Slot(
        np.where(whole, stations.count[:, at], np.nan),
        stations.occupancy[:, at],
        stations.speed_kmh[:, at],
    )
