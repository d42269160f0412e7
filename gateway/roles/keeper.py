"""The keeper: what may wait. Sinks, merges, rollups, retention."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from gateway.config import Settings, SinkSection, duration_ms
from gateway.imports import load
from gateway.journal import JournalReader
from gateway.keeper import Keeper, KeeperRooms, Outlet, Telling
from gateway.model import Record
from gateway.profiles import Profile, Profiles
from gateway.roles import Heritage, now_ms
from gateway.roles.files import load_all_profiles
from gateway.sinks import open_sink
from gateway.sinks.drain import Drain, Outside, Pace
from gateway.sinks.feed import Feed, unpack_lines
from gateway.sinks.outbox import Outbox, durable_number, keep_from
from gateway.sinks.readings import Encoded, ReadingEncoder
from gateway.sinks.salvage import RefusedLine, keep_refused
from gateway.stats import Stats
from gateway.store import Merger, Roller, StoreReader
from gateway.store.files import full_disk_is_ours
from gateway.store.rolled import shown_profiles
from gateway.supervisor import return_memory, run_loop, until_terminated

Encode = Callable[[Record], Encoded]

ROLLUPS, DERIVED = "outbox-rollups", "outbox-derived"  # folders
ROLLUPS_MAX_BYTES = 1 << 30  # a sink away for weeks: 10,000 meters make 50 MB a day


class _Follower(Telling, Protocol):
    """``sinks.derived.Teller``."""

    def keep_from(self) -> int:
        """Return the oldest record of the rollups' outbox that it still needs."""


class _Telling(Protocol):
    """``roles.telling``."""

    build_teller: Callable[
        [Settings, Profiles, tuple[Path, Path], Stats, Callable[[], int]], _Follower
    ]


def run(settings: Settings, _heritage: Heritage) -> int:
    """Run until SIGTERM."""
    trim_memory = return_memory()
    data_dir, stats = settings.gateway.data_dir, Stats()
    profiles = load_all_profiles(settings)
    roller, teller = Roller(data_dir, profiles), None
    if settings.sink:
        rollups = Outbox.open(data_dir / ROLLUPS, now_ms, ROLLUPS_MAX_BYTES)
        roller = Roller(data_dir, profiles, rollups.put_once)
        # it has the rooms of both sectors to load, which nobody needs without a database
        telling = cast("_Telling", load("gateway.roles.telling"))
        folders = (data_dir / ROLLUPS, data_dir / DERIVED)
        teller = telling.build_teller(settings, profiles, folders, stats, now_ms)
    readings, rolled, derived = outlets(settings, profiles, stats)
    if teller is not None:
        rolled = rolled._replace(followers=[teller.keep_from])
    all_outlets = [readings, rolled, derived]

    def tick() -> None:
        trim_memory()
        stats.save(data_dir / "run" / "keeper.json")

    keeper = Keeper(
        KeeperRooms(Merger(data_dir, roller.look_at), roller, all_outlets, teller),
        retention_ms=duration_ms(settings.gateway.retention),
        clock=now_ms,
        on_tick=tick,
    )
    return run_loop(until_terminated(keeper.run()))


def outlets(settings: Settings, profiles: Profiles, stats: Stats) -> tuple[Outlet, ...]:
    """Return what empties the outboxes of readings, rollups, findings: each a drain a sink."""
    data_dir, rolled = settings.gateway.data_dir, shown_profiles(profiles)
    reader = StoreReader(data_dir, profiles)
    names: dict[int, tuple[str, str, str]] = {}

    def name_of(device_index: int) -> tuple[str, str, str]:
        if device_index not in names:
            with full_disk_is_ours():
                found = reader.devices()
            names.update((r.device_index, (r.org, r.sector, r.device)) for r in found)
        return names[device_index]

    def refused(sink: str, lines: Sequence[RefusedLine]) -> None:
        keep_refused(data_dir / "quarantine", sink, lines)

    outside = Outside(now_ms, stats, refused)

    def named(ending: str) -> list[SinkSection]:
        # a name of its own: each has its cursor, its canary and its row of metrics
        return [
            section.model_copy(update={"name": f"{section.name}{ending}"})
            for section in settings.sink
        ]

    def pages(known: Mapping[str, Profile]) -> Encode:
        return ReadingEncoder(known, name_of).encode_record

    return (
        outlet(settings.sink, data_dir / "outbox", lambda: pages(profiles), outside),
        outlet(named("-rollups"), data_dir / ROLLUPS, lambda: pages(rolled), outside),
        outlet(named("-derived"), data_dir / DERIVED, lambda: unpack_lines, outside),
    )


def outlet(
    sections: Sequence[SinkSection],
    outbox: Path,
    encode: Callable[[], Encode],
    outside: Outside,
) -> Outlet:
    """Return a drain from an outbox into each of some sinks."""
    drains = [
        Drain(
            open_sink(section, now_ms),
            Feed(
                lambda position: JournalReader(outbox, position),
                lambda: durable_number(outbox),
                encode(),
            ),
            outbox / f"{section.name}.cursor",
            Pace.of(section),
            outside,
        )
        for section in sections
    ]
    return Outlet(drains, lambda number: keep_from(outbox, number))
