"""An annunciator over a real file, fed by hand, on a clock that the test moves."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gateway.alarms.book import Book, Known
from gateway.alarms.calls import Call
from gateway.alarms.findings import Findings
from gateway.alarms.own import Condition, OwnDesk
from gateway.alarms.people import People
from gateway.alarms.policy import AlarmPolicies, AlarmPolicy
from gateway.annunciator import Annunciator, Senses
from gateway.ports import Alarm
from gateway.ports import Findings as Found
from gateway.stats import Stats
from gateway.store.alarms import KeptAlarm
from gateway.store.alarmstore import AlarmStore
from gateway.store.alarmwords import words_since
from gateway.store.derived import DerivedReader, DerivedStore

NOW_MS = 1_795_300_200_000  # 2026-11-21T22:30:00Z
MINUTE_MS = 60_000
POLICY = AlarmPolicies.load().at(NOW_MS)


def scope_of(domain: str, place: str, at_ms: int) -> tuple[str, str]:
    """Every place hangs on feeder:f-1."""
    return "site", f" {place} feeder:f-1 sector:{domain} all "


def alarm(kind: str, place: str, raised_ms: int, cleared_ms: int = 0, severity: int = 3) -> Alarm:
    return Alarm(kind, place, raised_ms, raised_ms + 1000, cleared_ms, severity, 0.9, '{"n":1}')


class Room:
    """A data directory with an analyst and an annunciator that can be killed."""

    def __init__(self, folder: Path, policy: AlarmPolicy = POLICY) -> None:
        self.folder, self.policy = folder, policy
        self.now_ms = NOW_MS
        self.conditions: list[Condition] = []
        self.calls: list[Call] = []
        self.ended: list[KeptAlarm] = []
        self.hears = True
        self.stats = Stats()
        self._stamp = NOW_MS
        self.begin()

    def begin(self, scope: Callable[[str, str, int], tuple[str, str]] = scope_of) -> None:
        """Start anew on what is on disk, as after a kill."""
        self.store = store = AlarmStore(self.folder)
        self.derived = DerivedStore(self.folder, lambda: self._stamp)
        known = Known(store.open(10_000), store.lasting(), store.waiting(), store.last_change())
        self.book = Book(known, store, scope)
        people = People(self.book, store.windows(self.now_ms))
        senses = Senses(
            Findings(DerivedReader(self.folder), store.looked_at()),
            lambda offset: words_since(self.folder, offset),
            self._conditions,
            lambda: False,
            lambda: self.ended,
            self._ring,
        )
        clock = lambda: self.now_ms  # noqa: E731
        self.desk = Annunciator(self.book, people, store, senses, clock, self.stats, store.heard())

    def lose_derived(self) -> None:
        """Delete what the sectors found, as docs/operations.md allows."""
        for file in self.folder.glob("derived.sqlite*"):
            file.unlink()
        self._stamp += 1_000_000
        self.begin()

    def tell(self, *rows: Alarm, domain: str = "energy", after_s: float = 1) -> None:
        """Have a sector find something, and look."""
        self.derived.commit(domain, Found(rows), 1)
        self.step(after_s)

    def step(self, after_s: float = 1) -> None:
        """Let time pass, and look once."""
        self.now_ms += round(after_s * 1000)
        self.desk.step(self.policy)

    def all(self) -> Sequence[KeptAlarm]:
        """Every alarm, the oldest first."""
        from_change = self.store.changed_since(0, 10_000)
        return sorted(from_change, key=lambda one: (one.raised_ms, one.id))

    def one(self) -> KeptAlarm:
        """The only alarm there is."""
        (found,) = self.all()
        return found

    def story(self, of: KeptAlarm) -> list[str]:
        """What happened to an alarm."""
        return [one.what for one in self.store.history(of.id)]

    def _conditions(self, _desk: OwnDesk) -> list[Condition]:
        return list(self.conditions)

    def _ring(self, calls: Iterable[Call]) -> bool:
        if self.hears:
            self.calls += calls
        return self.hears
