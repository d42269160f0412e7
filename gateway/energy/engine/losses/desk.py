"""What waits to be balanced, and then to be looked at for wrong wires."""

from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from gateway.energy.engine.findings.series import DOMAIN
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.house import House
from gateway.energy.engine.losses.alarms import KIND as LOSS
from gateway.energy.engine.losses.alarms import LossAlarms
from gateway.energy.engine.losses.balances import Losses, LossOutcome
from gateway.energy.engine.losses.suspecting import Suspecting
from gateway.energy.engine.losses.wirealarms import KIND as WRONG
from gateway.energy.engine.losses.wirealarms import WireAlarms
from gateway.energy.engine.losses.wires import Look, Wires
from gateway.energy.engine.policies import EnergyPolicies
from gateway.ports import Alarm
from gateway.store.derived import AlarmQuery

# The meters of a day come piece by piece; its balance waits until none has for a while, but not
# for ever: of a day of which late data trickles in something always waits. With the five seconds
# that a piece waits itself (``pieces``), a theft is told half a minute after the last reading that
# shows it; a balance made before the last meter has come has no verdict for its coverage.
BALANCE_AFTER_MS = 20_000
BALANCE_AT_LATEST_MS = 600_000
_MOST_ALARMS = 10_000
_FOREVER_MS = 1 << 53


class LossState(NamedTuple):
    """What a restart needs."""

    unbalanced: Sequence[tuple[int, int]] = ()  # days and when their balance is due
    looks: Sequence[Look] = ()
    amended: Sequence[int] = ()  # days of which the registry says something else now
    unfit: Sequence[str] = ()  # places whose model is of such days


class LossDesk:
    """Balances and looks, one thing at a time.

    Args:
        house: store, results.
        roster: which meter hangs where.
        policies: thresholds.
        state: of an earlier life.
    """

    def __init__(
        self, house: House, roster: Roster, policies: EnergyPolicies, state: LossState
    ) -> None:
        self._house, self._roster, self._policies = house, roster, policies
        suspecting = Suspecting(house.derived, house.reader, roster, policies)
        self._losses = Losses(house.derived, roster, policies, suspecting, self._loss_alarms)
        self._wires = Wires(house.derived, roster, policies, self._wire_alarms)
        self._unbalanced = dict(state.unbalanced)  # day → when it is due
        self._looks = list(state.looks)
        self._amended, self._unfit = set(state.amended), set(state.unfit)
        self._looked_day = max((look.day for look in self._looks), default=0)

    def note(self, day: int, now_ms: int, *, is_amended: bool = False) -> None:
        """Note that meters of a day that is over were worked out, or hung elsewhere."""
        if self._roster.has_grid:
            self._unbalanced[day] = now_ms + BALANCE_AFTER_MS
            self._amended |= {day} if is_amended else set()

    def step(self, now_ms: int, busy: Container[int]) -> LossOutcome:
        """Balance the oldest day that has been left alone for a while, else look at a feeder.

        Args:
            now_ms: the moment.
            busy: days of which meters wait to be worked out.
        """
        due = [
            day
            for day, due_ms in self._unbalanced.items()
            if due_ms + (BALANCE_AT_LATEST_MS if day in busy else 0) <= now_ms
        ]
        day = min(due, default=None)
        if day is None:
            return self._refit(now_ms) or LossOutcome(alarms=self._look(now_ms))
        del self._unbalanced[day]
        found = self._losses.do(day, now_ms)
        if day in self._amended:
            self._amended.remove(day)
            self._unfit |= found.unfit
        if found.memos and day >= self._looked_day:  # a late reading changes no wire
            self._looked_day = day
            self._looks = self._wires.looks(day)
        return found

    def state(self) -> LossState:
        """Return what to give to the next life."""
        waiting = sorted(self._amended), sorted(self._unfit)
        return LossState(sorted(self._unbalanced.items()), self._looks, *waiting)

    def _refit(self, now_ms: int) -> LossOutcome | None:
        """Make the models again that are of another grid, once all of its days are balanced."""
        if self._amended or not self._unfit:
            return None
        unfit, self._unfit = frozenset(self._unfit), set()
        return self._losses.refit(unfit, now_ms)

    def _look(self, now_ms: int) -> list[Alarm]:
        return self._wires.do(self._looks.pop(0), now_ms) if self._looks else []

    def _loss_alarms(self) -> LossAlarms:
        return LossAlarms(self._policies.calendar, self._open(LOSS))

    def _wire_alarms(self) -> WireAlarms:
        return WireAlarms(self._open(WRONG))

    def _open(self, kind: str) -> Iterable[Alarm]:
        query = AlarmQuery(0, _FOREVER_MS, kind, is_open=True)
        return [one.alarm for one in self._house.derived.alarms(DOMAIN, query, _MOST_ALARMS)]
