"""The annunciator: what needs a person, of every sector and of the gateway itself.

It needs no orderly end: SIGTERM kills it wherever it is, as SIGKILL would, and the next one goes on
from its last commit.
"""

import logging
import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gateway.alarms.book import Book, Known
from gateway.alarms.calls import Call
from gateway.alarms.devices import DeviceWatcher
from gateway.alarms.findings import Findings
from gateway.alarms.own import Condition, OwnDesk
from gateway.alarms.people import People
from gateway.alarms.policy import AlarmPolicies, AlarmPolicy
from gateway.alarms.scope import Scopes
from gateway.alarms.watchers import Look, Watchers
from gateway.annunciator import STEP_S, Annunciator, Senses
from gateway.asking import ask
from gateway.config import Settings, duration_ms
from gateway.errors import GatewayError, JournalFullError
from gateway.roles import Heritage, now_ms
from gateway.stats import Stats
from gateway.store.alarms import AlarmFilter, KeptAlarm
from gateway.store.alarmstore import AlarmStore
from gateway.store.alarmwords import words_since
from gateway.store.files import full_disk_is_ours
from gateway.supervisor import calm_collector, return_memory
from gateway.views.health import PROCESSES
from gateway.views.sight import Sight

logger = logging.getLogger(__name__)

FORGET_EVERY_S = 3600.0
RETRY_S = 1.0
MOST_OPEN = 1 << 20  # more than any policy lets in
DAY_MS = 86_400_000  # a retained call that a broker kept longer than this is not taken back
MOST_ENDED = 2_000
RING_BYTES = 256 << 10  # of one request: the intake publishes it in a few milliseconds


def run(settings: Settings, _heritage: Heritage) -> int:
    """Run until killed."""
    trim_memory = return_memory()
    data_dir, stats = settings.gateway.data_dir, Stats()
    store, policies = _open(data_dir), AlarmPolicies.load()
    eyes = Eyes(settings, policies.at(now_ms()), stats)
    scopes = Scopes(eyes.sight.registry, eyes.sight.device, settings.alarms.org)
    known = Known(store.open(MOST_OPEN), store.lasting(), store.waiting(), store.last_change())
    book = Book(known, store, scopes.of)
    people = People(book, store.windows(now_ms()))
    senses = Senses(
        Findings(eyes.sight.derived, store.looked_at()),
        lambda offset: words_since(data_dir, offset),
        eyes.conditions,
        eyes.is_new_audience,
        lambda: _ended(store),
        partial(ring, data_dir),
    )
    annunciator = Annunciator(book, people, store, senses, now_ms, stats, store.heard())
    calm_collector()
    keep_ms, forget_at_s = duration_ms(settings.gateway.retention), time.monotonic()
    while True:
        began_s = time.monotonic()
        policy = policies.at(now_ms())
        annunciator.step(policy)
        if began_s >= forget_at_s:
            _forget(store, now_ms() - keep_ms, policy.max_kept)
            forget_at_s = began_s + FORGET_EVERY_S
        trim_memory()
        stats.save(data_dir / "run" / "annunciator.json")
        time.sleep(max(0.0, STEP_S - (time.monotonic() - began_s)))


class Eyes:
    """Sees what is wrong with the gateway itself."""

    def __init__(self, settings: Settings, policy: AlarmPolicy, stats: Stats) -> None:
        self.sight = Sight(settings, now_ms)
        self._settings, self._policy, self._stats = settings, policy, stats
        sectors = {"energy": settings.energy.enabled, "transport": settings.transport.enabled}
        watched = {sector for sector, is_on in sectors.items() if is_on}
        self._devices = DeviceWatcher(policy, watched)
        self._watchers: Watchers | None = None
        self._run_dir = settings.gateway.data_dir / "run"
        self._began_s = self._look_s = time.monotonic()
        self._of_devices: list[Condition] = []
        self._connected: dict[str, float] = {}

    def conditions(self, desk: OwnDesk) -> list[Condition]:
        """Return what is wrong now."""
        if self._watchers is None:
            self._watchers = Watchers(self._policy, desk.is_open)
        moment_ms, monotonic_s = now_ms(), time.monotonic()
        found = list(self._watchers.look(self._look(moment_ms)))
        found += self._devices.watch_clock(moment_ms, monotonic_s)
        if monotonic_s >= self._look_s:
            self._look_s = monotonic_s + self._policy.devices.look_every_s
            self._of_devices = list(self._devices.look(self.sight.fleet()))
        return found + self._of_devices

    def is_new_audience(self) -> bool:
        """Return whether a broker has come (back) since the last call."""
        name = "infragate_source_connected"
        now = {str(one.labels): one.value for one in self.sight.samples() if one.name == name}
        before, self._connected = self._connected, now
        return any(value > before.get(source, 0) for source, value in now.items())

    def _look(self, moment_ms: int) -> Look:
        disk = shutil.disk_usage(self._settings.gateway.data_dir)
        return Look(
            moment_ms,
            self.sight.samples(),
            self._ages_s(moment_ms),
            disk.free / disk.total if disk.total else 1.0,
            disk.free,
            self._settings.gateway.journal_max_bytes,
        )

    def _ages_s(self, moment_ms: int) -> dict[str, float]:
        """Return how long ago each process has written its numbers; those that ever have."""
        ages_s = {}
        for name in PROCESSES:
            try:
                written_ms = (self._run_dir / f"{name}.json").stat().st_mtime_ns // 1_000_000
            except FileNotFoundError:
                continue
            ages_s[name] = (moment_ms - written_ms) / 1000
        return ages_s


def ring(data_dir: Path, calls: Sequence[Call]) -> bool:
    """Have the intake publish; return whether it took everything."""
    batches: list[list[Call]] = [[]]
    size_bytes = 0
    for call in calls:
        size_bytes += len(call.payload)
        if size_bytes > RING_BYTES:
            batches.append([])
            size_bytes = len(call.payload)
        batches[-1].append(call)
    try:
        for batch in batches:
            ask(data_dir, {"do": "announce", "calls": batch})
    except (GatewayError, OSError, ValueError) as error:
        logger.info("alarms cannot be called out yet: %s", error)
        return False
    return True


def _ended(store: AlarmStore) -> Sequence[KeptAlarm]:
    """Return what is over or kept quiet since yesterday."""
    since_ms = now_ms() - DAY_MS
    over = store.list(AlarmFilter(from_ms=since_ms, state="cleared"), MOST_ENDED)
    quiet = store.list(AlarmFilter(state="open", is_suppressed=True), MOST_ENDED)
    return [*over, *quiet]


def _open(data_dir: Path) -> AlarmStore:
    while True:
        try:
            with full_disk_is_ours():
                return AlarmStore(data_dir)
        except JournalFullError as error:  # whatever else it is, it is said once a second
            logger.warning("annunciator waits: %s", error)
            time.sleep(RETRY_S)


def _forget(store: AlarmStore, before_ms: int, most: int) -> None:
    try:
        store.forget(before_ms, most)
    except JournalFullError as error:
        logger.warning("old alarms stay for now: %s", error)
