"""The loop of the annunciator process: findings and words in, the life of alarms out.

It is the only writer of ``alarms.sqlite``; it may be killed at any instruction. What a step found
is written first and called out afterwards, so nobody hears of an alarm that is not kept.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from gateway.alarms.book import Book
from gateway.alarms.calls import Call, Calls
from gateway.alarms.findings import News
from gateway.alarms.own import DOMAIN, Condition, OwnDesk
from gateway.alarms.people import People
from gateway.alarms.policy import AlarmPolicy
from gateway.alarms.quiet import Quiet
from gateway.errors import JournalFullError
from gateway.ports import Alarm
from gateway.stats import Stats
from gateway.store.alarms import KeptAlarm
from gateway.store.alarmstore import AlarmStep, RowKey
from gateway.store.alarmwords import PlacedWord

logger = logging.getLogger(__name__)

STEP_S = 1.0
SEVERITIES: Mapping[int, str] = {1: "note", 2: "warning", 3: "serious", 4: "critical"}
_ROOM_AGAIN = 0.9  # of max_open: from here on what was refused is looked for again


class Keeping(Protocol):
    """``store.alarmstore.AlarmStore``."""

    def commit(self, step: AlarmStep) -> None:
        """Make a step durable.

        Raises:
            JournalFullError: the disk is full; call again later.
        """

    def over_since(self, since_ms: int, kinds: Sequence[str], limit: int) -> Sequence[KeptAlarm]:
        """Return what of some kinds was over then or later, the last first."""


class Looking(Protocol):
    """``alarms.findings.Findings``."""

    number: int

    def news(self, lasting: Iterable[RowKey], now_ms: int) -> News:
        """Return what the sectors found since."""


class Senses(NamedTuple):
    """Where it looks and listens."""

    findings: Looking
    words: Callable[[int], tuple[Sequence[PlacedWord], int]]  # from an offset on, and the next
    conditions: Callable[[OwnDesk], list[Condition]]  # what is wrong with the gateway now
    is_new_audience: Callable[[], bool]  # a broker has come back, which may have forgotten
    ended: Callable[[], Sequence[KeptAlarm]]  # what a monitor of yesterday may still show
    ring: Callable[[Sequence[Call]], bool]  # tell monitors; False: nobody could be told


class Annunciator:
    """One thread, one process; ``step`` is called every ``STEP_S``."""

    def __init__(  # noqa: PLR0913, PLR0917  # its rooms
        self,
        book: Book,
        people: People,
        store: Keeping,
        senses: Senses,
        clock: Callable[[], int],
        stats: Stats,
        words: int = 0,
    ) -> None:
        self._book, self._people, self._store, self._senses = book, people, store, senses
        self._clock, self._stats = clock, stats
        self._own, self._calls = OwnDesk(book, clock()), Calls()
        self._quiet = Quiet(book, people, store)
        self._words = words
        self._marks = (words, senses.findings.number)
        self._unwritten: AlarmStep | None = None
        self._is_anew = True  # whoever listens knows nothing of us yet

    def step(self, policy: AlarmPolicy) -> None:
        """Look and listen once, write it down, call it out."""
        if self._unwritten is None:
            self._unwritten = self._work(policy)
        step = self._unwritten
        if is_worth_writing(step) or (step.words, step.derived) != self._marks:
            try:
                self._store.commit(step)
            except JournalFullError as error:
                logger.warning("annunciator waits: %s", error)
                self._stats.count("infragate_disk_full_total")
                return
        self._marks, self._unwritten = (step.words, step.derived), None
        self._call(step, policy)
        self._count(step, policy)

    def _work(self, policy: AlarmPolicy) -> AlarmStep:
        now_ms, book, findings = self._clock(), self._book, self._senses.findings
        words, self._words = self._senses.words(self._words)
        self._people.hear(words, policy)
        news = findings.news(self._sector_rows(), now_ms)
        for domain, rows in news.rows.items():
            book.see(domain, rows, now_ms, policy)
        if news.vanished is not None:
            book.lose(news.vanished, now_ms, policy)
        book.see(DOMAIN, self._own_rows(now_ms, policy), now_ms, policy)
        if book.refused and len(book.open) < _ROOM_AGAIN * policy.max_open:
            book.refused = findings.number = 0
        book.settle(now_ms, policy)
        self._quiet.hush(now_ms, policy)
        # while some were turned away, the next life reads everything again
        return book.take_step(self._words, 0 if book.refused else findings.number)

    def _sector_rows(self) -> list[RowKey]:
        return [key for key in self._book.lasting() if key[0] != DOMAIN]

    def _own_rows(self, now_ms: int, policy: AlarmPolicy) -> list[Alarm]:
        conditions = self._senses.conditions(self._own)
        if self._book.refused:
            evidence = {"refused": self._book.refused, "open": len(self._book.open)}
            conditions.append(Condition("alarm_flood", "gateway:alarms", 3, evidence))
        return self._own.rows(conditions, now_ms, policy)

    def _call(self, step: AlarmStep, policy: AlarmPolicy) -> None:
        """Tell monitors; after a restart of ours or of a broker everything."""
        if self._senses.is_new_audience() or self._is_anew:
            calls = self._calls.all_of(self._book.open, self._senses.ended(), policy)
        else:
            calls = self._calls.of(step.alarms, policy)
        self._is_anew = not self._senses.ring(calls) if calls else False
        self._stats.count("infragate_alarm_calls_total", len(calls))

    def _count(self, step: AlarmStep, policy: AlarmPolicy) -> None:
        tally = dict.fromkeys(SEVERITIES.values(), 0)
        for alarm in self._book.open:
            if not alarm.suppressed:
                tally[SEVERITIES[alarm.severity]] += 1
        for severity, number in tally.items():
            self._stats.gauge("infragate_alarms_open", number, severity=severity)
        known = {one.id: one for one in step.alarms}
        raised = (
            known[one.alarm]
            for one in step.told
            if one.happening.what in {"raised", "reopened", "again"}
        )
        late = (policy.is_history(one.cleared_ms, one.updated_ms) for one in raised)
        self._stats.count("infragate_alarms_raised_total", sum(not is_late for is_late in late))


def is_worth_writing(step: AlarmStep) -> bool:
    """Return whether anything happened: most seconds bring nothing."""
    return any((step.alarms, step.told, step.begun, step.ended, step.windows, step.waiting))
