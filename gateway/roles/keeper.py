"""The keeper: what may wait. Sinks, merges, rollups, retention."""

from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.config import Settings, SinkSection, duration_ms
from gateway.journal import JournalReader
from gateway.keeper import Keeper, KeeperRooms, Outlet
from gateway.profiles import Profiles
from gateway.roles import Heritage, now_ms
from gateway.roles.building import load_all_profiles
from gateway.sinks import open_sink
from gateway.sinks.drain import Drain, Outside, Pace
from gateway.sinks.feed import Feed
from gateway.sinks.outbox import Outbox, durable_number, keep_from
from gateway.sinks.readings import ReadingEncoder
from gateway.sinks.salvage import RefusedLine, keep_refused
from gateway.stats import Stats
from gateway.store import Merger, Roller, StoreReader
from gateway.store.rolled import shown_profiles
from gateway.supervisor import run_loop, until_terminated

ROLLUPS = "outbox-rollups"  # folder
ROLLUPS_MAX_BYTES = 1 << 30  # a sink away for weeks: 10,000 meters make 50 MB a day


def run(settings: Settings, _heritage: Heritage) -> int:
    """Run until SIGTERM."""
    data_dir, stats = settings.gateway.data_dir, Stats()
    profiles = load_all_profiles(settings)
    roller = Roller(data_dir, profiles)
    if settings.sink:
        rollups = Outbox.open(data_dir / ROLLUPS, now_ms, ROLLUPS_MAX_BYTES)
        roller = Roller(data_dir, profiles, rollups.put_once)
    keeper = Keeper(
        KeeperRooms(Merger(data_dir, roller.look_at), roller, _outlets(settings, profiles, stats)),
        retention_ms=duration_ms(settings.gateway.retention),
        clock=now_ms,
        save_stats=lambda: stats.save(data_dir / "run" / "keeper.json"),
    )
    return run_loop(until_terminated(keeper.run()))


def _outlets(settings: Settings, profiles: Profiles, stats: Stats) -> list[Outlet]:
    """Return what empties the outbox of readings and that of rollups: each a drain a sink."""
    data_dir, rolled = settings.gateway.data_dir, shown_profiles(profiles)
    reader = StoreReader(data_dir, profiles)
    names: dict[int, tuple[str, str, str]] = {}

    def name_of(device_index: int) -> tuple[str, str, str]:
        if device_index not in names:
            names.update((r.device_index, (r.org, r.sector, r.device)) for r in reader.devices())
        return names[device_index]

    def refused(sink: str, lines: Sequence[RefusedLine]) -> None:
        keep_refused(data_dir / "quarantine", sink, lines)

    outside = Outside(now_ms, stats, refused)
    # a name of its own: each has its cursor, its canary and its row of metrics
    again = [
        section.model_copy(update={"name": f"{section.name}-rollups"}) for section in settings.sink
    ]
    return [
        outlet(
            settings.sink, data_dir / "outbox", lambda: ReadingEncoder(profiles, name_of), outside
        ),
        outlet(again, data_dir / ROLLUPS, lambda: ReadingEncoder(rolled, name_of), outside),
    ]


def outlet(
    sections: Sequence[SinkSection],
    outbox: Path,
    encoder: Callable[[], ReadingEncoder],
    outside: Outside,
) -> Outlet:
    """Return a drain from an outbox into each of some sinks."""
    drains = [
        Drain(
            open_sink(section, now_ms),
            Feed(
                lambda position: JournalReader(outbox, position),
                lambda: durable_number(outbox),
                encoder(),
            ),
            outbox / f"{section.name}.cursor",
            Pace.of(section),
            outside,
        )
        for section in sections
    ]
    return Outlet(drains, lambda number: keep_from(outbox, number))
