"""Alarms that are found anew from the days they lie in, under the names they were told by.

Late data may let a finding begin earlier, end earlier, or not be. What was told is then the same
line with another end, or it is ended with a word why; it is never taken back silently.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import msgspec

from gateway.energy.engine.findings.bodies import encode
from gateway.energy.engine.findings.series import DOMAIN
from gateway.ports import Alarm
from gateway.store.derived import AlarmQuery, NumberedAlarm

_MOST = 10_000
_FOREVER_MS = 1 << 53
NOTHING_ELSE: Mapping[tuple[str, str], str] = MappingProxyType({})


class Recalling(Protocol):
    """``store.derived.DerivedReader``."""

    def alarms(
        self, domain: str, query: AlarmQuery, limit: int, after: int = 0
    ) -> Sequence[NumberedAlarm]:
        """Return alarms that lasted some time within a span."""


class Finding(NamedTuple):
    """Something wrong for a time."""

    kind: str
    place: str
    begin_ms: int
    end_ms: int  # 0 = it lasts
    severity: int
    confidence: float
    evidence: dict[str, object]
    # it began where the days looked at do: it only says that what was told of it goes on
    goes_on: bool = False


class AlarmBook:
    """Compares findings with what was told.

    Args:
        recall: what was told.
    """

    def __init__(self, recall: Recalling) -> None:
        self._recall = recall

    def update(
        self,
        kinds: Iterable[str],
        found: Iterable[Finding],
        span: tuple[int, int],
        now_ms: int,
        instead: Mapping[tuple[str, str], str] = NOTHING_ELSE,
        only: Container[str] | None = None,
    ) -> list[Alarm]:
        """Return the alarms that are new, changed, over or withdrawn.

        Args:
            kinds: that could have been found.
            found: all that is so within ``span``.
            span: the days looked at, Unix ms.
            now_ms: the moment.
            instead: of kinds and places what has taken the place of an alarm.
            only: the places that were looked at; None = all.
        """
        told: defaultdict[tuple[str, str], list[Alarm]] = defaultdict(list)
        for alarm in self._told(kinds, span, only):
            told[alarm[:2]].append(alarm)
        lines: list[Alarm] = []
        for one in found:
            here = told[one.kind, one.place]
            known = next((alarm for alarm in here if _meets(one, alarm)), None)
            if known is None and one.goes_on:
                continue
            line = _line(one, known, span, now_ms)
            if known is not None:
                here.remove(known)
            if line != known:
                lines.append(line)
        for place, alarms in told.items():
            why = instead.get(place, "later data says that it was not")
            lines += [line for alarm in alarms for line in _unmet(alarm, span, now_ms, why)]
        return lines

    def _told(
        self, kinds: Iterable[str], span: tuple[int, int], only: Container[str] | None
    ) -> Iterator[Alarm]:
        for kind in kinds:
            query = AlarmQuery(span[0], min(span[1], _FOREVER_MS), kind)
            for one in self._recall.alarms(DOMAIN, query, _MOST):
                is_of = only is None or one.alarm.place in only
                if is_of and "withdrawn" not in one.alarm.evidence:
                    yield one.alarm


def _meets(one: Finding, alarm: Alarm) -> bool:
    begins_before_end = not alarm.cleared_ms or one.begin_ms <= alarm.cleared_ms
    return begins_before_end and (not one.end_ms or alarm.raised_ms <= one.end_ms)


def _line(one: Finding, known: Alarm | None, span: tuple[int, int], now_ms: int) -> Alarm:
    raised_ms = one.begin_ms if known is None else known.raised_ms
    found_ms = now_ms if known is None else known.found_ms
    end_ms = one.end_ms
    if known is not None and end_ms >= span[1]:  # what comes behind the span was told before
        end_ms = known.cleared_ms
    return Alarm(
        *(one.kind, one.place, raised_ms, found_ms, end_ms),
        *(one.severity, one.confidence, encode(one.evidence)),
    )


def _unmet(alarm: Alarm, span: tuple[int, int], now_ms: int, why: str) -> list[Alarm]:
    """Return the end of what was told and is not found: it never was, or it is over by now."""
    if alarm.raised_ms >= span[0]:
        return [ended(alarm, now_ms, why)]
    if not alarm.cleared_ms:
        return [alarm._replace(cleared_ms=span[0])]
    return []


def ended(alarm: Alarm, now_ms: int, why: str) -> Alarm:
    """Return an alarm that is over since it turned out to be something else, or nothing."""
    evidence = {**msgspec.json.decode(alarm.evidence), "withdrawn": why}
    text = msgspec.json.encode(evidence).decode()
    return alarm._replace(cleared_ms=alarm.cleared_ms or now_ms, evidence=text)
