"""What is worked out of each interval as soon as it is closed, and again when late rows change it.

The rooms are functions of a state and the interval that follows. States of the last intervals are
kept, one of five, since each is as large as the road: a row that comes late makes the intervals
from the state before its own on anew.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray
from gateway.transport import aggregate
from gateway.transport.engine.policies import Rules, TransportPolicies
from gateway.transport.engine.slots import joined
from gateway.transport.health import Change, HealthState, new_health, watch
from gateway.transport.health.usual import Sums
from gateway.transport.incidents import Incident, IncidentWatch, WatchState
from gateway.transport.series import BIN_MS, Bins, Road, StationWindow, Window
from gateway.transport.state import QueueState, queues

HISTORY_MS = 1_200_000  # what can be worked out anew
INTERVAL_MS = 30_000
KEPT_EVERY = 5  # intervals: what is gone back further than needed is at most four intervals


def history_ms(raster_ms: int) -> int:
    """Return for how long closed intervals are kept: one of ``HISTORY_MS`` ago has a state."""
    return HISTORY_MS + KEPT_EVERY * raster_ms


class LiveState(NamedTuple):
    """What is kept from interval to interval, and over a restart."""

    next_ms: int  # begin of the next interval
    began_ms: int  # of the incident watch: its intervals count from here
    health: HealthState
    incidents: WatchState
    queues: QueueState


@dataclass(frozen=True, slots=True)
class Closed:
    """An interval that was worked out."""

    before: LiveState | None  # of most of them it is not kept
    window: Window  # one slot
    is_good: BoolArray  # (lanes, 1)


class Step(NamedTuple):
    """What an interval brought."""

    end_ms: int
    health: list[Change]
    incidents: list[Incident]


class Live:
    """The intervals of one road in order.

    Args:
        road: rows of the windows.
        policies: limits, by the moment of the interval.
        raster_ms: length of an interval.
    """

    def __init__(
        self, road: Road, policies: TransportPolicies, raster_ms: int = INTERVAL_MS
    ) -> None:
        self._road, self._policies, self.raster_ms = road, policies, raster_ms
        self.shown = max(1, BIN_MS // raster_ms)  # intervals that a state of the road is made of
        self._watch: IncidentWatch | None = None
        self._rules: Rules | None = None
        self._closed: deque[Closed] = deque(maxlen=history_ms(raster_ms) // raster_ms)
        self.state: LiveState | None = None

    @property
    def road(self) -> Road:
        """Return the road."""
        return self._road

    def start(self, begin_ms: int) -> None:
        """Begin with an interval, where no state says with which; or leave a gap without data."""
        rules, watching = self._at(begin_ms)
        if self.state is None:
            health = new_health(self._road)
            fresh = QueueState.fresh(self._road, rules.traffic)
            self.state = LiveState(begin_ms, begin_ms, health, watching.fresh(), fresh)
        else:
            nothing = Sums.nothing(len(self._road.device_index))
            health = self.state.health._replace(end_ms=0, begun=nothing)
            after = self.state.queues.after_a_gap()
            self.state = self.state._replace(next_ms=begin_ms, health=health, queues=after)
        self._closed.clear()

    def run(self, window: Window) -> Step:
        """Work out the next interval: a window of one slot that begins at ``state.next_ms``."""
        state = self.state
        assert state is not None  # noqa: S101  # it was started
        rules, watching = self._at(window.start_ms)
        judged = watch(state.health, window, self._road, rules.health)
        # a detector that boots counts from then on: its first row is of a part of the interval
        is_back = state.health.realtime.missed.mute_s > 0
        is_bad = (judged.reasons != 0) | is_back[:, None]
        trusted = aggregate.is_trusted(window, rules.traffic.bins, is_bad)
        incidents, watched = watching.run(window, state.incidents, trusted)
        self._thin()
        self._closed.append(Closed(state, window, trusted))
        held = queues(window, trusted, self._road, state.queues, rules.traffic)
        self.state = LiveState(window.end_ms, state.began_ms, judged.state, watched, held)
        return Step(window.end_ms, judged.changes, incidents)

    def rewind(self, begin_ms: int) -> bool:
        """Go back to before an interval, or further; return whether that is still possible."""
        known = [one.next_ms for one in self._states() if one.next_ms <= begin_ms]
        while known and self._closed and self._closed[-1].window.start_ms >= known[-1]:
            self.state = self._closed.pop().before or self.state
        return bool(known)

    def behind(self, slots: int) -> LiveState | None:
        """Return the state before the last intervals, or before a few more; the oldest known."""
        last = list(self._closed)[-slots:]
        if not last:
            return self.state
        known = list(self._states())
        return next(
            (one for one in reversed(known) if one.next_ms <= last[0].window.start_ms), known[0]
        )

    def _states(self) -> Iterator[LiveState]:
        return (one.before for one in self._closed if one.before is not None)

    def _thin(self) -> None:
        """Drop the state before the newest interval, unless it is one of those that are kept."""
        newest = self._closed[-1] if len(self._closed) > 1 else None
        if newest is not None and newest.window.start_ms // self.raster_ms % KEPT_EVERY:
            self._closed[-1] = replace(newest, before=None)

    def newest(self, slots: int) -> tuple[Window, BoolArray] | None:
        """Return the last intervals with what of them is trusted; None at the begin."""
        parts = list(self._closed)[-slots:]
        if not parts:
            return None
        return (
            joined(one.window for one in parts),
            np.concatenate([one.is_good for one in parts], axis=1),
        )

    def stations(self, slots: int) -> StationWindow | None:
        """Return the last intervals of stations, measured and trusted."""
        found = self.newest(slots)
        return None if found is None else aggregate.stations(found[0], self._road, found[1])

    def slow_now(self) -> BoolArray | None:
        """Return which stations have just become slow; None at the begin."""
        if self.state is None:
            return None
        return self._at(self.state.next_ms)[1].slow_now(self.state.incidents)

    def bins(self) -> Bins | None:
        """Return the last five minutes of lanes as one bin, None while there are fewer."""
        found = self.newest(self.shown)
        if found is None or found[0].slots < self.shown:
            return None
        window, is_good = found
        rules = self._at(window.start_ms)[0].traffic.bins
        return aggregate.bins(window, window.end_ms - window.start_ms, rules, ~is_good)

    def rules_at(self, time_ms: int) -> Rules:
        """Return the policies of a moment."""
        return self._at(time_ms)[0]

    def _at(self, time_ms: int) -> tuple[Rules, IncidentWatch]:
        rules = self._policies.at(time_ms)
        if self._watch is None or self._rules is None or rules.incidents != self._rules.incidents:
            self._watch = IncidentWatch(self._road, rules.incidents)
        self._rules = rules
        return self._rules, self._watch
