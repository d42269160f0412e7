"""Rules of validation that ask for a person: an alarm of the meter, through all days it goes on."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gateway.energy.calendar import DAY_MS
from gateway.energy.engine.days.gridbook import GridBook, GroupDays
from gateway.energy.engine.days.griddays import GridDay
from gateway.energy.engine.findings.alarmbook import Finding
from gateway.energy.engine.findings.bodies import number
from gateway.energy.engine.grid.roster import Roster
from gateway.energy.engine.network.voltages import Span


class _Rule(NamedTuple):
    kind: str
    number: str
    severity: int
    confidence: float


# in the order of ``griddays.MINDED``
RULES = (
    _Rule("use_while_disconnected", "V13", 3, 1.0),
    _Rule("feed_in", "V15", 2, 1.0),
    _Rule("prolonged_estimation", "V20", 1, 1.0),
)


class RuleAlarms:
    """Looks for them.

    Args:
        book: the days.
        roster: names.
    """

    def __init__(self, book: GridBook, roster: Roster) -> None:
        self._book, self._roster = book, roster

    def findings(self, span: Span) -> Iterator[Finding]:
        """Yield what rules mind of some days; days in a row are one finding."""
        for group in self._book.groups(span.first_day, span.stop_day):
            for k, rule in enumerate(RULES):
                rows = {
                    int(one.device_index[row])
                    for one in group.days.values()
                    for row in np.flatnonzero(one.minded.slots[:, k]).tolist()
                }
                for index in sorted(rows):
                    yield from self._of_meter(group, index, (k, rule), span)

    def _of_meter(
        self, group: GroupDays, index: int, of: tuple[int, _Rule], span: Span
    ) -> Iterator[Finding]:
        k = of[0]
        chain: list[tuple[int, GridDay, int]] = []
        newest = max(group.days)
        for day in range(span.first_day, span.stop_day + 1):
            found = group.days.get(day)
            row = -1 if found is None else _row_of(found, index)
            if found is not None and row >= 0 and found.minded.slots[row, k]:
                chain.append((day, found, row))
            elif chain:
                yield self._finding(index, chain, of, (span, newest))
                chain = []

    def _finding(
        self,
        index: int,
        chain: list[tuple[int, GridDay, int]],
        of: tuple[int, _Rule],
        until: tuple[Span, int],
    ) -> Finding:
        (k, rule), (span, newest) = of, until
        (first, first_day, row), (last, last_day, last_row) = chain[0], chain[-1]
        midnight = span.start_ms - span.first_day * DAY_MS
        begin = int(first_day.minded.first[row, k])
        end = int(last_day.minded.last[last_row, k]) + 1
        energy = sum(float(one.minded.energy_wh[at, k]) for _, one, at in chain)
        evidence: dict[str, object] = {
            "rule": rule.number,
            "slots": int(sum(one.minded.slots[at, k] for _, one, at in chain)),
            "energy_wh": number(energy),
        }
        return Finding(
            rule.kind,
            f"device:{self._roster.name(index)}",
            midnight + first * DAY_MS + begin * first_day.interval_ms,
            0 if last == newest else midnight + last * DAY_MS + end * last_day.interval_ms,
            rule.severity,
            rule.confidence,
            evidence,
        )


def _row_of(found: GridDay, index: int) -> int:
    at = int(np.searchsorted(found.device_index, index))
    is_there = at < len(found.device_index) and found.device_index[at] == index
    return at if is_there else -1
