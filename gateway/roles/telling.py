"""What tells the sinks of findings, put together from a configuration."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.config import Settings
from gateway.energy.calendar import CALENDAR_DOMAIN, Calendar, HolidayYear
from gateway.energy.voltage import VoltagePolicy
from gateway.policies import load_policies
from gateway.profiles import Profiles
from gateway.sinks.derived import Point, Teller, TellerRooms
from gateway.sinks.derived.fleet import fleet_points, site_points
from gateway.sinks.derived.halves import Ask, half_points, known_devices
from gateway.sinks.derived.now import Now
from gateway.sinks.derived.own import Own, disk_point
from gateway.sinks.derived.places import Places
from gateway.sinks.derived.series import DOMAINS
from gateway.sinks.derived.standing import Standing
from gateway.sinks.derived.stored import Stored
from gateway.sinks.outbox import Outbox
from gateway.stats import Stats
from gateway.store.alarms import AlarmReader
from gateway.store.changes import EventReader
from gateway.views.samples import account_samples
from gateway.views.sight import Sight

DERIVED_MAX_BYTES = 1 << 30  # a sink away for weeks: 10,000 meters make some 10 MB a day
OWN_MS, MINUTE_MS, DETECTORS_MS = 15_000, 60_000, 300_000
HOUR_MS = 3_600_000


class Asked(NamedTuple):
    """What is asked of the gateway to tell a database of it."""

    sight: Sight
    places: Places
    halves: Callable[[int], Iterator[Point]]
    name_of: Callable[[int], str]
    alarms: AlarmReader

    def stored(self) -> Stored:
        """Return who answers for what is kept."""
        sight = self.sight
        return Stored(sight.derived, self.alarms, sight.store, self.places, self.name_of)


def ask(settings: Settings, profiles: Profiles, clock: Callable[[], int]) -> Asked:
    """Return who answers; ``Sight`` keeps what it read, so that asking each minute is cheap."""
    sight = Sight(settings, clock, profiles=profiles)
    names: dict[int, tuple[str, str]] = {}  # as many as devices: the registry bounds them

    def named(index: int) -> tuple[str, str]:
        if index not in names:
            names.update((row.device_index, (row.device, row.org)) for row in sight.store.devices())
        return names[index]

    orgs = _Orgs(sight)
    places = Places(sight.registry, orgs.of)
    norms = load_policies("voltage", VoltagePolicy)
    asked = Ask(sight.store, profiles, places, norms, settings.energy.norm)

    def halves(start_ms: int) -> Iterator[Point]:
        latest: dict[int, set[str]] = {}
        for device in sight.fleet().devices:
            if sight.registry is None or sight.registry.device(device.name) is not None:
                latest[device.row.device_index] = {row.profile for row in device.latest}
        return half_points(asked, known_devices(asked, latest), start_ms)

    alarms = AlarmReader(settings.gateway.data_dir)
    return Asked(sight, places, halves, lambda index: named(index)[0], alarms)


class _Orgs:
    """The organisation of each device that has sent."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._known: dict[str, str] = {}
        self._seen = 0

    def of(self, name: str) -> str:
        """Return it, "" of a device that has not."""
        if name not in self._known:
            devices = self._sight.fleet().devices
            if len(devices) != self._seen:  # else it is not there: a node, or never heard
                self._seen = len(devices)
                self._known = {one.name: one.row.org for one in devices}
        return self._known.get(name, "")


def build_teller(
    settings: Settings,
    profiles: Profiles,
    folders: tuple[Path, Path],
    stats: Stats,
    clock: Callable[[], int],
) -> Teller:
    """Return the teller of a data directory.

    Args:
        settings: the configuration.
        profiles: all known profiles.
        folders: the rollups' outbox, which it follows, and its own, which has no other writer.
        stats: of its process.
        clock: Unix ms.
    """
    rollups, derived = folders
    data_dir = settings.gateway.data_dir
    asked = ask(settings, profiles, clock)
    sight, places = asked.sight, asked.places
    switched = {"energy": settings.energy.enabled, "transport": settings.transport.enabled}
    calendar = Calendar.of(load_policies(CALENDAR_DOMAIN, HolidayYear), settings.energy.calendar)
    kept = asked.alarms if settings.alarms.enabled else None
    domains = tuple(domain for domain in DOMAINS if switched[domain])
    standing = Standing(sight.derived, places, domains, kept)
    now, own = Now(sight.derived, places, calendar, domains, standing), Own()

    def metrics(time_ms: int) -> Iterator[Point]:
        yield from own.points([*sight.samples(), *account_samples(sight)], time_ms)
        yield disk_point(data_dir, time_ms)

    rooms = TellerRooms(
        sight.derived,
        asked.alarms,
        EventReader(data_dir),
        lambda: sight.store.position().number - 1,
        asked.name_of,
        places,
        asked.halves,
        {
            OWN_MS: [metrics],
            MINUTE_MS: [
                lambda at_ms: fleet_points(sight.fleet(), places, at_ms),
                now.alarms,
                standing.points,
                lambda at_ms: now.dark(sight.fleet(), at_ms),
            ],
            DETECTORS_MS: [lambda at_ms: now.detectors(sight.fleet(), at_ms)],
            HOUR_MS: [
                lambda at_ms: now.ready(sight.fleet(), at_ms),
                lambda at_ms: site_points(sight.registry, places, at_ms),
                now.suspects,
            ],
        },
        {MINUTE_MS: standing.written},
    )
    outbox = Outbox.open(derived, clock, DERIVED_MAX_BYTES)
    return Teller(rooms, rollups, outbox, derived, stats)
