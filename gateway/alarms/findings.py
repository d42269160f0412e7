"""What the sectors found, read on as the analyst writes it.

Every writing of an alarm has a number that only rises, also over a ``derived.sqlite`` that was
deleted and made again; so nothing is missed and what comes twice is the same row. What is not
there any more (deleted, and not yet found again) is looked for once a minute.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from gateway.ports import Alarm
from gateway.store.alarmstore import RowKey

DOMAINS = ("energy", "transport")
MOST_ROWS = 2_000  # of one step: a first start with a year of findings takes its time
LOOK_AGAIN_MS = 60_000


class Finding(Protocol):
    """``store.derived.DerivedReader``."""

    def changed_alarms(self, after: int, limit: int) -> Sequence[tuple[int, str, Alarm]]:
        """Return number, domain and alarm of those written after a number."""

    def alarm(self, domain: str, kind: str, place: str, raised_ms: int) -> Alarm | None:
        """Return an alarm by its identity."""


class News(NamedTuple):
    """What is to be told."""

    rows: Mapping[str, Sequence[Alarm]]  # by domain
    vanished: Sequence[RowKey] | None  # lasted, and are not there any more; None: not looked for


class Findings:
    """Reads on.

    Args:
        reader: of derived.sqlite.
        number: of the last writing that is told.
    """

    def __init__(self, reader: Finding, number: int) -> None:
        self._reader = reader
        self.number = number
        self._look_ms = 0

    def news(self, lasting: Iterable[RowKey], now_ms: int) -> News:
        """Return what was written since the last call."""
        rows: dict[str, list[Alarm]] = {}
        for number, domain, alarm in self._reader.changed_alarms(self.number, MOST_ROWS):
            rows.setdefault(domain, []).append(alarm)
            self.number = number
        vanished: list[RowKey] | None = None
        if now_ms >= self._look_ms:
            self._look_ms = now_ms + LOOK_AGAIN_MS
            vanished = [key for key in lasting if self._reader.alarm(*key) is None]
        return News(rows, vanished)
