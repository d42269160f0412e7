"""The keeper: what may wait. Sinks, merges, retention."""

import socket
from collections.abc import Sequence
from pathlib import Path

from gateway.config import Settings, duration_ms
from gateway.journal import JournalReader
from gateway.keeper import Keeper, KeeperRooms
from gateway.roles import now_ms
from gateway.roles.building import load_all_profiles
from gateway.sinks import open_sink
from gateway.sinks.drain import Drain, Outside, Pace
from gateway.sinks.feed import Feed
from gateway.sinks.outbox import durable_number, keep_from
from gateway.sinks.readings import ReadingEncoder
from gateway.sinks.salvage import RefusedLine, keep_refused
from gateway.stats import Stats
from gateway.store import Merger, StoreReader
from gateway.supervisor import run_loop, until_terminated


def run(settings: Settings, _sock: socket.socket | None) -> int:
    """Run until SIGTERM."""
    data_dir, stats = settings.gateway.data_dir, Stats()
    outbox = data_dir / "outbox"
    keeper = Keeper(
        KeeperRooms(Merger(data_dir), _drains(settings, outbox, stats)),
        keep_from=lambda number: keep_from(outbox, number),
        retention_ms=duration_ms(settings.gateway.retention),
        clock=now_ms,
        save_stats=lambda: stats.save(data_dir / "run" / "keeper.json"),
    )
    return run_loop(until_terminated(keeper.run()))


def _drains(settings: Settings, outbox: Path, stats: Stats) -> list[Drain]:
    profiles = load_all_profiles(settings)
    reader = StoreReader(settings.gateway.data_dir, profiles)
    names: dict[int, tuple[str, str, str]] = {}

    def name_of(device_index: int) -> tuple[str, str, str]:
        if device_index not in names:
            names.update((r.device_index, (r.org, r.sector, r.device)) for r in reader.devices())
        return names[device_index]

    def refused(sink: str, lines: Sequence[RefusedLine]) -> None:
        keep_refused(settings.gateway.data_dir / "quarantine", sink, lines)

    return [
        Drain(
            open_sink(section, now_ms),
            Feed(
                lambda position: JournalReader(outbox, position),
                lambda: durable_number(outbox),
                ReadingEncoder(profiles, name_of),
            ),
            outbox / f"{section.name}.cursor",
            Pace.of(section),
            Outside(now_ms, stats, refused),
        )
        for section in settings.sink
    ]
