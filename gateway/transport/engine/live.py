"""What is worked out of each interval as soon as it is closed, and again when late rows change it.

The rooms are functions of a state and the interval that follows. The states of the last intervals
are kept: a row that comes late makes the intervals from its own on anew.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, IntArray, Reason
from gateway.transport import aggregate
from gateway.transport.engine.policies import Rules, TransportPolicies
from gateway.transport.engine.slots import joined
from gateway.transport.health import (
    NOT_FAULTS,
    QUARTER_MS,
    BalanceState,
    Change,
    Fault,
    Knowledge,
    Quarters,
    RealtimeState,
    Usual,
    judge,
    new_balance,
    new_state,
    nothing_usual,
    quarters,
    weigh,
)
from gateway.transport.incidents import Incident, IncidentWatch, WatchState
from gateway.transport.series import Bins, Road, StationWindow, Window

HISTORY = 40  # intervals that can be worked out anew: 20 min of 30 s
DAY_QUARTERS = 96  # the balance looks back that far
SHOWN = 10  # intervals that a state of the road is made of
# That a detector was silent says nothing against the rows that came all the same.
_SILENT = int(Reason.D1_NO_DATA)
_REAL = np.array([[fault not in NOT_FAULTS] for fault in Fault])


class LiveState(NamedTuple):
    """What is kept from interval to interval, and over a restart."""

    next_ms: int  # begin of the next interval
    began_ms: int  # of the incident watch: its intervals count from here
    health: RealtimeState
    balance: BalanceState
    incidents: WatchState


@dataclass(frozen=True, slots=True)
class Closed:
    """An interval that was worked out."""

    before: LiveState
    quarters: Quarters | None  # before it
    window: Window  # one slot
    is_good: BoolArray  # (lanes, 1)
    reasons: IntArray  # (lanes, 1) why not, model.Reason


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
        usual: what detector health has learned; given anew each day.
        state: of an earlier life; None at a first start.
    """

    def __init__(
        self,
        road: Road,
        policies: TransportPolicies,
        usual: Usual | None = None,
        state: LiveState | None = None,
    ) -> None:
        self._road, self._policies = road, policies
        self._usual = usual or nothing_usual(road)
        self._known: tuple[int, Knowledge] | None = None
        self._watch: IncidentWatch | None = None
        self._rules: Rules | None = None
        self._closed: deque[Closed] = deque(maxlen=HISTORY)
        self.state = state
        self.quarters: Quarters | None = None  # the last day's, as far as they are known

    @property
    def usual(self) -> Usual:
        """Return what is usual."""
        return self._usual

    @property
    def road(self) -> Road:
        """Return the road."""
        return self._road

    def learn(self, usual: Usual) -> None:
        """Go on with what is usual now."""
        self._usual, self._known = usual, None

    def start(self, begin_ms: int) -> None:
        """Begin with an interval, where no state says with which; or leave a gap without data."""
        watch = self._at(begin_ms)[1]
        if self.state is None:
            lanes = len(self._road.device_index)
            fresh = (new_state(lanes), new_balance(lanes), watch.fresh())
            self.state = LiveState(begin_ms, begin_ms, *fresh)
        else:
            self.state = self.state._replace(next_ms=begin_ms)
        self._closed.clear()

    def run(self, window: Window) -> Step:
        """Work out the next interval: a window of one slot that begins at ``state.next_ms``."""
        state = self.state
        assert state is not None  # noqa: S101  # it was started
        rules, watch = self._at(window.start_ms)
        known = self._knowledge(rules, window.start_ms)
        judged = judge(state.health, window, self._road, known, rules.health)
        is_off = (state.balance.life.is_active() & _REAL).any(axis=0)[:, None]
        is_bad = (judged.reasons & ~_SILENT != 0) | is_off
        trusted = aggregate.is_trusted(window, rules.traffic.bins, is_bad)
        incidents, watched = watch.run(window, state.incidents, trusted)
        self._closed.append(Closed(state, self.quarters, window, trusted, judged.reasons))
        balance, changes = self._weigh(state.balance, window.end_ms, rules)
        self.state = LiveState(window.end_ms, state.began_ms, judged.state, balance, watched)
        return Step(window.end_ms, judged.changes + changes, incidents)

    def _weigh(
        self, balance: BalanceState, end_ms: int, rules: Rules
    ) -> tuple[BalanceState, list[Change]]:
        """Compare the counts of neighbours at the end of each quarter of an hour."""
        if end_ms % QUARTER_MS:
            return balance, []
        found = self.newest(QUARTER_MS // self._closed[-1].window.interval_ms)
        if found is None or found[0].start_ms != end_ms - QUARTER_MS:
            return balance, []
        window, _, reasons = found
        newest = quarters(window, reasons, rules.health)
        if self.quarters is not None and self.quarters.end_ms == newest.start_ms:
            newest = self.quarters.joined(newest).last(DAY_QUARTERS)
        self.quarters = newest
        known = self._knowledge(rules, newest.start_ms)
        return weigh(balance, newest, self._road, known, rules.health)

    def rewind(self, begin_ms: int) -> bool:
        """Go back to before an interval; return whether that is still possible."""
        if not any(one.before.next_ms <= begin_ms for one in self._closed):
            return False
        while self._closed and self._closed[-1].before.next_ms >= begin_ms:
            last = self._closed.pop()
            self.state, self.quarters = last.before, last.quarters
        return True

    def behind(self, slots: int) -> LiveState | None:
        """Return the state before the last intervals, or as long ago as it is known."""
        last = list(self._closed)[-slots:]
        return last[0].before if last else self.state

    def newest(self, slots: int) -> tuple[Window, BoolArray, IntArray] | None:
        """Return the last intervals with what is trusted and why not; None at the begin."""
        parts = list(self._closed)[-slots:]
        if not parts:
            return None
        return (
            joined(one.window for one in parts),
            np.concatenate([one.is_good for one in parts], axis=1),
            np.concatenate([one.reasons for one in parts], axis=1),
        )

    def stations(self, slots: int) -> StationWindow | None:
        """Return the last intervals of stations, measured and trusted."""
        found = self.newest(slots)
        return None if found is None else aggregate.stations(found[0], self._road, found[1])

    def bins(self) -> Bins | None:
        """Return the last five minutes of lanes as one bin, None while there are fewer."""
        found = self.newest(SHOWN)
        if found is None or found[0].slots < SHOWN:
            return None
        window, is_good, _ = found
        rules = self._at(window.start_ms)[0].traffic.bins
        return aggregate.bins(window, window.end_ms - window.start_ms, rules, ~is_good)

    def rules_at(self, time_ms: int) -> Rules:
        """Return the policies of a moment."""
        return self._at(time_ms)[0]

    def _at(self, time_ms: int) -> tuple[Rules, IncidentWatch]:
        rules = self._policies.at(time_ms)
        if self._watch is None or self._rules is None or rules.incidents != self._rules.incidents:
            self._watch = IncidentWatch(self._road, rules.incidents)
        if rules != self._rules:
            self._rules, self._known = rules, None
        return self._rules, self._watch

    def _knowledge(self, rules: Rules, time_ms: int) -> Knowledge:
        day = time_ms // 86_400_000
        if self._known is None or self._known[0] != day:
            self._known = day, Knowledge.of(self._usual, self._road, rules.health)
        return self._known[1]
