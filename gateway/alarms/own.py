"""The gateway's own alarms: what is wrong now, held until it is worth a call.

A watcher says what is so at this moment; here it becomes a finding with a beginning and an end,
as the sectors have them, and the book treats all alike.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from gateway.alarms.book import OWN
from gateway.alarms.policy import AlarmPolicy
from gateway.ports import Alarm
from gateway.store.alarms import KeptAlarm
from gateway.store.alarmstore import Point, RowKey

DOMAIN = OWN


class Condition(NamedTuple):
    """Something that is wrong now."""

    kind: str
    place: str
    severity: int
    evidence: Mapping[str, object]  # units in names
    hold_s: float = 0.0  # so long it has to be so before it is an alarm


class Open(Protocol):
    """``book.Book``."""

    def at(self, point: Point) -> KeptAlarm | None:
        """Return the open alarm of a point."""

    def lasting(self) -> list[RowKey]:
        """Return the findings that last, as far as was told."""


class OwnDesk:
    """Makes findings of conditions.

    Args:
        book: of the alarms.
        began_ms: when this life began; a rate that was high before is not seen yet.
    """

    def __init__(self, book: Open, began_ms: int) -> None:
        self._book, self._began_ms = book, began_ms
        self._since: dict[tuple[str, str], int] = {}

    def is_open(self, kind: str, place: str) -> bool:
        """Return whether such an alarm lasts: then it takes more to end it than not to raise it."""
        return self._book.at((DOMAIN, kind, place)) is not None

    def rows(
        self, conditions: Iterable[Condition], now_ms: int, policy: AlarmPolicy
    ) -> list[Alarm]:
        """Return what lasts, and what has ended."""
        now = {(one.kind, one.place): one for one in conditions}
        self._since = {key: self._since.get(key, now_ms) for key in now}
        lasting = {key[1:3]: key[3] for key in self._book.lasting() if key[0] == DOMAIN}
        rows = []
        for key, one in now.items():
            since_ms = self._since[key]
            if key in lasting or now_ms - since_ms >= one.hold_s * 1000:
                raised_ms = lasting.get(key, since_ms)
                evidence = msgspec.json.encode(one.evidence).decode()
                rows.append(Alarm(*key, raised_ms, now_ms, 0, one.severity, 1.0, evidence))
        for kind, place in lasting.keys() - now.keys():
            alarm = self._book.at((DOMAIN, kind, place))
            is_seen = now_ms - self._began_ms >= policy.blind_s(kind) * 1000
            if alarm is not None and is_seen:
                told = (alarm.found_ms, now_ms, alarm.severity, 1.0, alarm.evidence)
                rows.append(Alarm(kind, place, lasting[kind, place], *told))
        return rows
