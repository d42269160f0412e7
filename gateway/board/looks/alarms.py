"""Alarms as a list and a page show them; the seam behind which they are kept."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from gateway.store.alarms import FOLLOWS, AlarmFilter, AlarmReader, KeptAlarm, State
from gateway.store.derived import AlarmQuery, DerivedReader, NumberedAlarm

DOMAINS = ("energy", "transport")
FOREVER_MS = 1 << 53
# names of what is looked at together, or how they begin, that a person's word changes
LOOKS = frozenset({"open alarms", "alarms", "alarm", "marks", "windows"})
MOST_ALARMS = 5000  # in a list; a list that is longer is read by nobody
SEVERITY_WORDS = {1: "note", 2: "warning", 3: "serious", 4: "critical"}
SEVERITY_TONES = {1: "note", 2: "warn", 3: "bad", 4: "worst"}


class Seen(NamedTuple):
    """That somebody knows of an alarm."""

    who: str = ""
    at_ms: int = 0  # 0: nobody does
    note: str = ""


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
    seen: Seen = Seen()
    suppressed: str = ""  # a maintenance window, or FOLLOWS and an alarm: kept, not called out

    @property
    def is_suppressed(self) -> bool:
        """Whether it is shown muted, and counted nowhere."""
        return bool(self.suppressed)

    @property
    def cause(self) -> str:
        """The alarm it follows from, "" where it stands for itself."""
        is_told = self.suppressed.startswith(FOLLOWS)
        return self.suppressed.removeprefix(FOLLOWS) if is_told else ""

    @property
    def is_withdrawn(self) -> bool:
        """Whether a late fact showed that it was none."""
        return "withdrawn" in self.evidence

    @property
    def is_open(self) -> bool:
        """Whether it lasts."""
        return not self.cleared_ms

    @property
    def is_called(self) -> bool:
        """Whether it wants somebody now: it is counted, and has a colour."""
        return self.is_open and not self.is_suppressed

    @property
    def state(self) -> str:
        """Return where it is in its life, as a key of words after ``alarm_``."""
        if self.is_withdrawn:
            return "withdrawn"
        if not self.is_open:
            return "cleared"
        if self.is_suppressed:
            return "follows" if self.cause else "suppressed"
        return "acknowledged" if self.seen.at_ms else "raised"


class Alarms(Protocol):
    """Whoever keeps alarms."""

    def between(self, from_ms: int, to_ms: int, *, only_open: bool = False) -> Sequence[AlarmLine]:
        """Return alarms that lasted some time in a span: open and severe ones first."""

    def find(self, alarm_id: str) -> AlarmLine | None:
        """Return one alarm."""


class KeptAlarms:
    """Alarms with a life, as the annunciator keeps them; before its first start, bare findings."""

    def __init__(self, reader: AlarmReader, findings: Alarms) -> None:
        self._reader, self._findings = reader, findings

    def between(self, from_ms: int, to_ms: int, *, only_open: bool = False) -> Sequence[AlarmLine]:
        """See ``Alarms``."""
        if not self._reader.last_change():
            return self._findings.between(from_ms, to_ms, only_open=only_open)
        if only_open:
            kept = self._reader.open(MOST_ALARMS)
        else:
            kept = self._reader.list(AlarmFilter(from_ms, to_ms), MOST_ALARMS)
        return sorted(map(_kept, kept), key=urgency)

    def find(self, alarm_id: str) -> AlarmLine | None:
        """See ``Alarms``."""
        kept = self._reader.find(alarm_id)
        return self._findings.find(alarm_id) if kept is None else _kept(kept)


class DerivedAlarms:
    """Alarms as the sectors tell them: findings without a life."""

    def __init__(self, derived: DerivedReader) -> None:
        self._derived = derived

    def between(self, from_ms: int, to_ms: int, *, only_open: bool = False) -> Sequence[AlarmLine]:
        """See ``Alarms``."""
        query = AlarmQuery(from_ms, to_ms, is_open=only_open)
        found = [
            _found(domain, one)
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
        line = _found(domain, found[0]) if found else None
        return line if line is not None and line.id == alarm_id else None


def urgency(one: AlarmLine) -> tuple[bool, bool, int, int]:
    """Return what to sort by: what lasts, what is called out, the most severe, the newest."""
    return not one.is_open, one.is_suppressed, -one.severity, -one.raised_ms


def _found(domain: str, one: NumberedAlarm) -> AlarmLine:
    alarm = one.alarm
    return AlarmLine(
        *(f"{domain}-{one.number}", domain, alarm.kind, alarm.place),
        *(alarm.raised_ms, alarm.found_ms, alarm.cleared_ms, alarm.severity),
        alarm.confidence,
        _decoded(alarm.evidence),
    )


def _kept(one: KeptAlarm) -> AlarmLine:
    seen = Seen(one.ack_who, one.ack_ms, one.ack_note)
    return AlarmLine(
        *(one.id, one.domain, one.kind, one.place),
        *(one.raised_ms, one.found_ms, one.cleared_ms, one.severity),
        one.confidence,
        _decoded(one.evidence),
        Seen() if one.state is State.RAISED else seen,
        one.suppressed,
    )


def _decoded(evidence: str) -> Mapping[str, Any]:
    told = msgspec.json.decode(evidence) if evidence else {}
    return told if isinstance(told, dict) else {"value": told}
