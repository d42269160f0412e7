"""The loop of the analyst process: what came into the store goes to the engines of the sectors.

It reads what is checkpointed and writes only ``derived.sqlite``; it may be killed, delayed or
deleted without touching a reading. Windows in which late readings arrive are worked out again.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from gateway.errors import JournalFullError
from gateway.ports import Changes, Engine, Findings
from gateway.stats import Stats

logger = logging.getLogger(__name__)

STEP_S = 1.0


class Looking(Protocol):
    """``store.changes.ChangeReader``."""

    def since(self, record: int) -> Changes:
        """Return what came after a record."""


class Keeping(Protocol):
    """``store.derived.DerivedStore``."""

    def load(self, domain: str) -> tuple[int, bytes]:
        """Return the last record seen, and the state."""

    def commit(self, domain: str, findings: Findings, record: int) -> None:
        """Write the findings of one step.

        Raises:
            JournalFullError: the disk is full; call again later.
        """


class Desk(NamedTuple):
    """One engine, and the eyes with which it looks at the store."""

    engine: Engine
    changes: Looking


class Analyst:
    """One thread, one process; ``step`` is called every ``STEP_S``."""

    def __init__(
        self,
        desks: Sequence[Desk],
        derived: Keeping,
        position: Callable[[], int],
        clock: Callable[[], int],
        stats: Stats,
    ) -> None:
        self._desks = desks
        self._derived = derived
        self._position = position  # the last record of the checkpoint
        self._clock = clock
        self._stats = stats
        self._seen: dict[str, int] = {}
        self._unwritten: dict[str, tuple[Findings, int]] = {}
        for desk in desks:
            domain = desk.engine.domain
            self._seen[domain], state = derived.load(domain)
            desk.engine.restore(state)

    def step(self) -> None:
        """Let every engine look once."""
        for desk in self._desks:
            domain = desk.engine.domain
            try:
                if domain not in self._unwritten:
                    # before the changes: what comes between the two comes once more
                    record = max(self._position(), self._seen[domain])
                    changes = desk.changes.since(self._seen[domain])
                    self._unwritten[domain] = desk.engine.step(changes, self._clock()), record
                if is_worth_writing(self._unwritten[domain][0]):
                    self._derived.commit(domain, *self._unwritten[domain])
            except JournalFullError as error:
                logger.warning("analyst waits domain=%s: %s", domain, error)
                self._stats.count("infragate_disk_full_total")
                continue
            findings, self._seen[domain] = self._unwritten.pop(domain)
            self._stats.count("infragate_findings_total", len(findings.alarms), domain=domain)


def is_worth_writing(findings: Findings) -> bool:
    """Return whether a step found or remembers anything: most seconds bring nothing."""
    return findings.state is not None or any((findings.alarms, findings.results, findings.memos))
