"""The gateway behind its sources, as one process: pipeline, store, analyst with the energy engine.

The same rooms and the same order of writes as ``processor`` and ``analyst``; a checkpoint comes
with each batch, so that the analyst sees at once what arrived.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gateway.analyst import Analyst, Desk
from gateway.config import Settings
from gateway.energy.engine import EnergyEngine, EnergyPolicies, House
from gateway.ports import Alarm, Changes, Findings
from gateway.profiles import load_profiles
from gateway.registry import Registry
from gateway.stats import Stats
from gateway.store import StoreReader
from gateway.store.changes import ChangeReader
from gateway.store.derived import DerivedReader, DerivedStore
from tools.city_desk.entry import Entry
from tools.city_desk.network import Sent

TARIFF = "vn-evn-3price"


class _Overheard:
    """An engine of which every alarm is noted as it is told."""

    def __init__(self, engine: EnergyEngine) -> None:
        self._engine = engine
        self.domain = engine.domain
        self.told: list[tuple[int, Alarm]] = []
        self.results: Counter[str] = Counter()  # of the last step, by series

    def restore(self, state: bytes) -> None:
        """See ``ports.Engine``."""
        self._engine.restore(state)

    def step(self, changes: Changes, now_ms: int) -> Findings:
        """See ``ports.Engine``."""
        findings = self._engine.step(changes, now_ms)
        self.told += ((now_ms, alarm) for alarm in findings.alarms)
        self.results = Counter(one.series for one in findings.results)
        return findings


class InProcessGateway:
    """One data directory.

    Args:
        folder: empty.
        registry: the registry file.
        begin_ms: what time it is.
        stopwatch: seconds, for the budget of the engine's steps; as it is, each works all out.
    """

    def __init__(
        self,
        folder: Path,
        registry: Path,
        begin_ms: int,
        stopwatch: Callable[[], float] = lambda: 0.0,
    ) -> None:
        profiles, stats = load_profiles(), Stats()
        settings = Settings.model_validate({"registry": {"file": registry}})
        self.now_ms = begin_ms
        self._entry = Entry(folder, settings, profiles)
        self.reader, self.derived = StoreReader(folder, profiles), DerivedReader(folder)
        house = House(self.reader, self.derived, profiles, Registry.load(registry), folder)
        engine = EnergyEngine(house, EnergyPolicies.load(TARIFF), stats, stopwatch=stopwatch)
        self._overheard = _Overheard(engine)
        self._derived_store = DerivedStore(folder)
        self._analyst = Analyst(
            [Desk(self._overheard, ChangeReader(folder))],
            self._derived_store,
            self._entry.done,
            lambda: self.now_ms,
            stats,
        )

    @property
    def quarantined(self) -> int:
        """Return how many messages could not be read."""
        return self._entry.quarantined

    @property
    def told(self) -> Sequence[tuple[int, Alarm]]:
        """Return every line that was told, with when."""
        return self._overheard.told

    @property
    def results(self) -> Mapping[str, int]:
        """Return how many lines of each series the last step brought."""
        return self._overheard.results

    def take(self, sent: Sequence[Sent]) -> None:
        """Take messages in, in the order they came."""
        self._entry.take(sent)

    def step(self, now_ms: int) -> None:
        """Let the analyst look once."""
        self.now_ms = now_ms
        self._analyst.step()

    def close(self) -> None:
        """Close the files; what was found can still be read."""
        self._entry.close()
        self._derived_store.close()
