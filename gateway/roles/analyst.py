"""The analyst: what the readings mean. Each sector is a desk.

It needs no orderly end: SIGTERM kills it wherever it is, as SIGKILL would, and the next one goes on
from its last commit.
"""

import logging
import time
from collections.abc import Mapping, Sequence

from gateway.analyst import STEP_S, Analyst, Desk
from gateway.config import Settings, duration_ms
from gateway.energy import engine as energy
from gateway.errors import JournalFullError
from gateway.profiles import Profile
from gateway.roles import Heritage, now_ms
from gateway.roles.files import load_all_profiles, load_registry
from gateway.stats import Stats
from gateway.store import StoreReader
from gateway.store.changes import ChangeReader
from gateway.store.derived import DerivedReader, DerivedStore
from gateway.store.files import full_disk_is_ours
from gateway.supervisor import calm_collector, return_memory
from gateway.transport import engine as transport

logger = logging.getLogger(__name__)

DAY_MS = 86_400_000
FORGET_EVERY_S = 3600.0
# Memos of days: readings may be 60 days late, and lean on the 35 days before them.
MEMO_DAYS = 120
RETRY_S = 1.0


def run(settings: Settings, heritage: Heritage) -> int:
    """Run until killed."""
    trim_memory = return_memory()
    data_dir, stats = settings.gateway.data_dir, Stats()
    profiles = load_all_profiles(settings)
    reader = StoreReader(data_dir, profiles)
    derived = _open(settings)
    desks = desks_of(settings, reader, profiles, stats, heritage.started_ms)
    analyst = Analyst(desks, derived, lambda: reader.position().number - 1, now_ms, stats)
    calm_collector()
    # bills of history that files bring are asked for whenever they come
    lasting = [one.name for one in profiles.values() if energy.is_told(one)]
    keep_ms = duration_ms(settings.gateway.retention)
    forget_at_s = time.monotonic()
    while True:
        began_s = time.monotonic()
        analyst.step()
        if began_s >= forget_at_s:
            for desk in desks:
                _forget(derived, desk.engine.domain, keep_ms, lasting)
            forget_at_s = began_s + FORGET_EVERY_S
        trim_memory()
        stats.save(data_dir / "run" / "analyst.json")
        time.sleep(max(0.0, STEP_S - (time.monotonic() - began_s)))


def desks_of(
    settings: Settings,
    reader: StoreReader,
    profiles: Mapping[str, Profile],
    stats: Stats,
    started_ms: int = 0,
) -> list[Desk]:
    """Return the desks of the sectors that are switched on."""
    data_dir, registry = settings.gateway.data_dir, load_registry(settings)
    recall = DerivedReader(data_dir)
    desks = []
    if settings.transport.enabled:  # the quicker one first: a state of the road is for now
        road = transport.House(reader, recall, profiles, registry)
        engine = transport.TransportEngine(road, transport.TransportPolicies.load(), stats)
        desks.append(Desk(engine, ChangeReader(data_dir)))
    if settings.energy.enabled:
        grid = energy.House(reader, recall, profiles, registry, data_dir, started_ms)
        sector = settings.energy
        policies = energy.EnergyPolicies.load(sector.tariff, sector.norm, sector.calendar)
        desks.append(Desk(energy.EnergyEngine(grid, policies, stats), ChangeReader(data_dir)))
    return desks


def _open(settings: Settings) -> DerivedStore:
    while True:
        try:
            with full_disk_is_ours():
                return DerivedStore(settings.gateway.data_dir)
        except JournalFullError as error:  # whatever else it is, it is said once a second
            logger.warning("analyst waits: %s", error)
            time.sleep(RETRY_S)


def _forget(derived: DerivedStore, domain: str, keep_ms: int, lasting: Sequence[str]) -> None:
    try:
        derived.forget(domain, now_ms() - keep_ms, now_ms() // DAY_MS - MEMO_DAYS, lasting)
    except JournalFullError as error:
        logger.warning("old findings stay for now: %s", error)
