"""What follows from the days of all meters together: violations, loads, weeks, months.

Groups of meters come piece by piece; what looks at all of them waits until none has for a while,
and does one day at a time.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.bills.readiness import Readiness
from gateway.energy.engine.days.gridbook import GridBook
from gateway.energy.engine.days.pieces import month_of
from gateway.energy.engine.findings.alarmbook import AlarmBook, Finding
from gateway.energy.engine.findings.records import Records
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.house import House
from gateway.energy.engine.network.loads import OVERLOAD, Loads
from gateway.energy.engine.network.rulealarms import RULES, RuleAlarms
from gateway.energy.engine.network.voltages import KINDS, Span, Voltages
from gateway.energy.engine.network.weeks import Weeks
from gateway.energy.engine.outages.reliability import Indices, Month
from gateway.energy.engine.policies import EnergyPolicies
from gateway.ports import Alarm, Result

DAY_AFTER_MS = 30_000  # once a piece of a day was done: others of its interval come with it
WEEK_AFTER_MS = 60_000
MONTH_AFTER_MS = 60_000
VIOLATIONS = "violations"
DAY, WEEK, OUTAGES, READY = "day", "week", "outages", "ready"
Due = tuple[str, int, int]  # what, first local day of it, when


class GridOutcome(NamedTuple):
    """What a look at the grid brought."""

    results: Sequence[Result] = ()
    alarms: Sequence[Alarm] = ()


class Network:
    """Looks at days and weeks once they are due.

    Args:
        house: what days left behind.
        roster: names and places.
        policies: limits.
        due: what waits, from an earlier life.
    """

    def __init__(
        self, house: House, roster: Roster, policies: EnergyPolicies, due: Iterable[Due] = ()
    ) -> None:
        self._roster, self._policies = roster, policies
        book = GridBook(house.derived, roster)
        self._voltages = Voltages(book, roster, policies)
        self._loads = Loads(book, roster, policies)
        self._violations = Records(house.derived, VIOLATIONS)
        self._rules = RuleAlarms(book, roster)
        self._weeks = Weeks(book, roster, policies, self._loads)
        self._alarms = AlarmBook(house.derived)
        self._indices = Indices(house.derived, roster, policies)
        self._readiness = Readiness(house.derived, roster, policies)
        self._due = {(kind, day): due_ms for kind, day, due_ms in due}

    def waiting(self) -> list[Due]:
        """Return what waits, to be given to the next life."""
        return sorted((kind, day, due_ms) for (kind, day), due_ms in self._due.items())

    def note(self, day: int, today: int, now_ms: int, *, is_amended: bool = False) -> None:
        """Note that a piece of a day was done, or that the grid was another one on that day."""
        self._due.setdefault((DAY, day), now_ms + DAY_AFTER_MS)
        if day < today:
            self._due[WEEK, self._weeks.first_day(day)] = now_ms + WEEK_AFTER_MS
        first, stop = month_of(day)
        if stop <= today:
            self._due[READY, first] = now_ms + MONTH_AFTER_MS
        if is_amended:
            self._due.setdefault((OUTAGES, first), now_ms + MONTH_AFTER_MS)

    def note_interruptions(self, begin_ms: Sequence[int], now_ms: int) -> None:
        """Note that interruptions are told anew, by their beginnings."""
        days = self._policies.calendar.day(np.array(sorted(begin_ms), np.int64))
        for day in np.unique(days).tolist():
            self._due.setdefault((OUTAGES, month_of(day)[0]), now_ms + MONTH_AFTER_MS)

    def turn_of_day(self, ended: int, now_ms: int) -> None:
        """Note what a day that ended changes by itself: the months it is in, and behind."""
        first, _ = month_of(ended)
        self._due[OUTAGES, first] = now_ms + MONTH_AFTER_MS
        self._due[READY, month_of(first - 1)[0]] = now_ms + MONTH_AFTER_MS

    def step(self, today: int, now_ms: int) -> GridOutcome:
        """Do the oldest thing that is due."""
        due = [(day, kind) for (kind, day), due_ms in self._due.items() if due_ms <= now_ms]
        if not due:
            return GridOutcome()
        day, kind = min(due)
        del self._due[kind, day]
        if kind == DAY:
            return self._look_at_day(day, now_ms)
        if kind == WEEK:
            return self._look_at_week(day, today, now_ms)
        month = Month(*(self._policies.calendar.start_ms(edge) for edge in month_of(day)))
        room = self._indices if kind == OUTAGES else self._readiness
        return GridOutcome(list(room.lines(month, now_ms)))

    def _look_at_week(self, day: int, today: int, now_ms: int) -> GridOutcome:
        days = self._policies.voltage_at(self._policies.calendar.start_ms(day)).days
        stop = min(day + days, today)
        return GridOutcome(self._weeks.lines(self._span(day, stop, now_ms)) if stop > day else ())

    def _look_at_day(self, day: int, now_ms: int) -> GridOutcome:
        # what began the day before goes on, and late data of a day may part what lasted beyond it
        span = self._span(day - 1, day + 2, now_ms)
        volts = self._voltages.findings(span)
        found = [*volts.found, *self._loads.overloads(span), *self._rules.findings(span)]
        if span.stop_ms < now_ms:
            found = [_not_open(one, span) for one in found]
        kinds = [*KINDS.values(), OVERLOAD, *(rule.kind for rule in RULES)]
        edges = (span.start_ms, span.stop_ms)
        alarms = self._alarms.update(kinds, found, edges, now_ms, volts.parts)
        lines = self._loads.lines(self._span(day, day + 1, now_ms))
        return GridOutcome([*lines, *self._violations.update(volts.records, edges)], alarms)

    def _span(self, first_day: int, stop_day: int, now_ms: int) -> Span:
        start_ms = self._policies.calendar.start_ms
        begin_ms = start_ms(first_day)
        days = [d for d in range(first_day, stop_day) if start_ms(d) < now_ms]
        places = [self._roster.places(start_ms(day) + DAY_MS // 2) for day in days]
        return Span(first_day, begin_ms, min(start_ms(stop_day), now_ms), places)


def _not_open(one: Finding, span: Span) -> Finding:
    """Return a finding of the past: whether it lasts, later days know."""
    return one if one.end_ms else one._replace(end_ms=span.stop_ms)
