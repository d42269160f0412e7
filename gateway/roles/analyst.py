"""The analyst: what the readings mean. Energy today; other sectors are further desks.

It needs no orderly end: SIGTERM kills it wherever it is, as SIGKILL would, and the next one goes on
from its last commit.
"""

import logging
import time

from gateway.analyst import STEP_S, Analyst, Desk
from gateway.config import Settings, duration_ms
from gateway.energy.engine import EnergyEngine, EnergyPolicies, House
from gateway.errors import JournalFullError
from gateway.roles import Heritage, now_ms
from gateway.roles.building import load_all_profiles, load_registry
from gateway.stats import Stats
from gateway.store import StoreReader
from gateway.store.changes import ChangeReader
from gateway.store.derived import DerivedReader, DerivedStore
from gateway.supervisor import calm_collector

logger = logging.getLogger(__name__)

DAY_MS = 86_400_000
FORGET_EVERY_S = 3600.0
# Memos of days: readings may be 60 days late, and lean on the 35 days before them.
MEMO_DAYS = 120
RETRY_S = 1.0


def run(settings: Settings, _heritage: Heritage) -> int:
    """Run until killed."""
    data_dir, stats = settings.gateway.data_dir, Stats()
    profiles = load_all_profiles(settings)
    reader = StoreReader(data_dir, profiles)
    derived = _open(settings)
    house = House(reader, DerivedReader(data_dir), profiles, load_registry(settings), data_dir)
    policies = EnergyPolicies.load(settings.energy.tariff, settings.energy.norm)
    engine = EnergyEngine(house, policies, stats)
    desks = [Desk(engine, ChangeReader(data_dir))]
    analyst = Analyst(desks, derived, lambda: reader.position().number - 1, now_ms, stats)
    calm_collector()
    keep_ms = duration_ms(settings.gateway.retention)
    forget_at_s = time.monotonic()
    while True:
        began_s = time.monotonic()
        analyst.step()
        if began_s >= forget_at_s:
            _forget(derived, engine.domain, keep_ms)
            forget_at_s = began_s + FORGET_EVERY_S
        stats.save(data_dir / "run" / "analyst.json")
        time.sleep(max(0.0, STEP_S - (time.monotonic() - began_s)))


def _open(settings: Settings) -> DerivedStore:
    while True:
        try:
            return DerivedStore(settings.gateway.data_dir)
        except OSError as error:  # a full disk; whatever else it is, it is said once a second
            logger.warning("analyst waits: %s", error)
            time.sleep(RETRY_S)


def _forget(derived: DerivedStore, domain: str, keep_ms: int) -> None:
    try:
        derived.forget(domain, now_ms() - keep_ms, now_ms() // DAY_MS - MEMO_DAYS)
    except JournalFullError as error:
        logger.warning("old findings stay for now: %s", error)
