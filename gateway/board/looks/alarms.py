"""Alarms as a list and a page show them; the seam behind which they are kept."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from gateway.store.derived import AlarmQuery, DerivedReader, NumberedAlarm

DOMAINS = ("energy", "transport")
FOREVER_MS = 1 << 53
MOST_ALARMS = 5000  # of a domain in a list; a list that is longer is read by nobody
SEVERITY_WORDS = {1: "note", 2: "warning", 3: "serious", 4: "critical"}
SEVERITY_TONES = {1: "note", 2: "warn", 3: "bad", 4: "worst"}


class AlarmLine(NamedTuple):
    """One alarm."""

    id: str  # stands in addresses
    domain: str
    kind: str
    place: str  # "transformer:t-4"
    raised_ms: int
    found_ms: int
    cleared_ms: int  # 0 while it lasts
    severity: int
    confidence: float
    evidence: Mapping[str, Any]

    @property
    def is_withdrawn(self) -> bool:
        """Whether a late fact showed that it was none."""
        return "withdrawn" in self.evidence

    @property
    def is_open(self) -> bool:
        """Whether it lasts."""
        return not self.cleared_ms


class Alarms(Protocol):
    """Whoever keeps alarms."""

    def between(
        self, from_ms: int, to_ms: int, *, only_open: bool = False
    ) -> Sequence[AlarmLine]:
        """Return alarms that lasted some time in a span: open and severe ones first."""

    def find(self, alarm_id: str) -> AlarmLine | None:
        """Return one alarm."""


class DerivedAlarms:
    """Alarms as the sectors tell them."""

    def __init__(self, derived: DerivedReader) -> None:
        self._derived = derived

    def between(
        self, from_ms: int, to_ms: int, *, only_open: bool = False
    ) -> Sequence[AlarmLine]:
        """See ``Alarms``."""
        query = AlarmQuery(from_ms, to_ms, is_open=only_open)
        found = [
            _line(domain, one)
            for domain in DOMAINS
            for one in self._derived.alarms(domain, query, MOST_ALARMS)
        ]
        return sorted(found, key=urgency)

    def find(self, alarm_id: str) -> AlarmLine | None:
        """See ``Alarms``."""
        domain, _, number = alarm_id.partition("-")
        if domain not in DOMAINS or not (number.isascii() and number.isdecimal()):
            return None
        query = AlarmQuery(0, FOREVER_MS)
        found = self._derived.alarms(domain, query, 1, min(int(number), FOREVER_MS) - 1)
        line = _line(domain, found[0]) if found else None
        return line if line is not None and line.id == alarm_id else None


def urgency(one: AlarmLine) -> tuple[bool, int, int]:
    """Return what to sort by: what lasts, then the most severe, then the newest."""
    return not one.is_open, -one.severity, -one.raised_ms


def _line(domain: str, one: NumberedAlarm) -> AlarmLine:
    alarm = one.alarm
    evidence = msgspec.json.decode(alarm.evidence)
    return AlarmLine(
        f"{domain}-{one.number}",
        domain,
        *alarm[:7],
        evidence if isinstance(evidence, dict) else {"value": evidence},
    )
