"""What a configuration builds: the pipeline, and the processes beside the intake."""

import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway import api, board
from gateway.config import Settings, SinkSection, duration_ms
from gateway.decode import Collector, Decoders
from gateway.decode.mapping import CompiledMapping
from gateway.journal import JournalReader
from gateway.keeper import Keeper, KeeperRooms, Outlet
from gateway.ledger import FindTimes, Ledger
from gateway.link import Link
from gateway.model import Lane
from gateway.pipeline import Pipeline, Stages
from gateway.ports import Checkpoint
from gateway.processor import Processor, Rooms
from gateway.profiles import Profiles, load_profiles
from gateway.quarantine import Quarantine
from gateway.registry import Directory, Registry
from gateway.screen import Screen, Window
from gateway.sinks import open_sink
from gateway.sinks.drain import Drain, Outside, Pace
from gateway.sinks.feed import Feed
from gateway.sinks.outbox import Outbox, durable_number, keep_from
from gateway.sinks.readings import ReadingEncoder
from gateway.sinks.salvage import RefusedLine, keep_refused
from gateway.stats import Stats
from gateway.store import Merger, Roller, Store, StoreReader
from gateway.store.rolled import shown_profiles
from gateway.supervisor import locked, run_loop, start_logging, until_terminated
from gateway.topics import topic_of
from gateway.validate import Validator

ROLLUPS = "outbox-rollups"  # folder


def now_ms() -> int:
    """Return the wall clock in Unix milliseconds: the only place that reads it."""
    return time.time_ns() // 1_000_000


def run_role(name: str, settings: Settings, fd: int) -> int:
    """Run one of the processes beside the intake."""
    start_logging()
    return ROLES[name](settings, fd)


def check(settings: Settings) -> dict[str, object]:
    """Load every file that the configuration names; return what was found.

    Raises:
        ConfigError: names the file and the key or line.
    """
    profiles, registry = load_all_profiles(settings), _registry(settings)
    _decoders(settings, profiles)
    for section in settings.sink:
        open_sink(section, now_ms)
    devices = None if registry is None else sum(1 for _ in registry.devices())
    return {
        "profiles": len(profiles),
        "sources": len(settings.source),
        "sinks": len(settings.sink),
        "mappings": len(settings.mapping),
        "devices": "enrolled at their first message" if devices is None else devices,
    }


def build_pipeline(
    settings: Settings, profiles: Profiles, checkpoint: Checkpoint, find_times: FindTimes
) -> tuple[Pipeline, Directory]:
    """Return a pipeline that goes on from ``checkpoint``, and the directory it fills."""
    directory = Directory(
        _registry(settings),
        enrols=settings.registry.enrols,
        max_devices=settings.registry.max_devices,
        rows=checkpoint.devices,
    )
    stages = Stages(
        directory,
        _decoders(settings, profiles),
        Collector,
        Screen(profiles, Window.of(settings.validation)),
        Ledger({name: profile.number for name, profile in profiles.items()}, find_times),
        Validator(profiles, directory.exchanged),
    )
    pipeline = Pipeline(stages)
    pipeline.restore(checkpoint)
    return pipeline, directory


def _run_processor(settings: Settings, fd: int) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the link says when to stop
    data_dir, stats, profiles = settings.gateway.data_dir, Stats(), load_all_profiles(settings)
    with locked(data_dir / "processor.lock"):
        store = Store.open(data_dir)
        checkpoint = store.load()
        pipeline, directory = build_pipeline(settings, profiles, checkpoint, store.find_times)

        def topic_of_receipts(device_index: int) -> str:
            row = directory.name_of(device_index)
            return topic_of(row.org, row.sector, row.device, Lane.RECEIPT)

        rooms = Rooms(
            JournalReader(data_dir / "journal", checkpoint.position),
            pipeline,
            store,
            Quarantine.open(data_dir, below=checkpoint.position.number),
            Outbox.open(data_dir / "outbox", now_ms) if settings.sink else None,
            topic_of_receipts,
            stats,
            now_ms,
        )
        Processor(
            rooms,
            Link(socket.socket(fileno=fd)),
            receipt_s=settings.gateway.receipt_ms / 1000,
            save_stats=lambda: stats.save(data_dir / "run" / "processor.json"),
        ).run()
    return 0


def _run_keeper(settings: Settings, _fd: int) -> int:
    data_dir, stats = settings.gateway.data_dir, Stats()
    profiles = load_all_profiles(settings)
    outlets = _outlets(settings, profiles, stats)
    rollups = Outbox.open(data_dir / ROLLUPS, now_ms) if settings.sink else None
    roller = Roller(data_dir, profiles, rollups.put_once) if rollups else Roller(data_dir, profiles)
    keeper = Keeper(
        KeeperRooms(Merger(data_dir, roller.look_at), roller, outlets),
        retention_ms=duration_ms(settings.gateway.retention),
        clock=now_ms,
        save_stats=lambda: stats.save(data_dir / "run" / "keeper.json"),
    )
    return run_loop(until_terminated(keeper.run()))


def _outlets(settings: Settings, profiles: Profiles, stats: Stats) -> list[Outlet]:
    """Return what empties the outbox of readings and that of rollups: a drain each a sink."""
    data_dir = settings.gateway.data_dir
    reader = StoreReader(data_dir, profiles)
    names: dict[int, tuple[str, str, str]] = {}

    def name_of(device_index: int) -> tuple[str, str, str]:
        if device_index not in names:
            names.update((r.device_index, (r.org, r.sector, r.device)) for r in reader.devices())
        return names[device_index]

    def refused(sink: str, lines: Sequence[RefusedLine]) -> None:
        keep_refused(data_dir / "quarantine", sink, lines)

    outside, rolled = Outside(now_ms, stats, refused), shown_profiles(profiles)
    return [
        outlet(
            settings.sink, data_dir / "outbox", lambda: ReadingEncoder(profiles, name_of), outside
        ),
        outlet(
            # a name of its own: each has its cursor, its canary and its row of metrics
            [
                section.model_copy(update={"name": f"{section.name}-rollups"})
                for section in settings.sink
            ],
            data_dir / ROLLUPS,
            lambda: ReadingEncoder(rolled, name_of),
            outside,
        ),
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


def _run_web(settings: Settings, _fd: int) -> int:
    mounts = [board.mount] if settings.http is not None and settings.http.board else []
    return api.serve(settings, load_all_profiles(settings), now_ms, mounts)


ROLES: dict[str, Callable[[Settings, int], int]] = {
    "processor": _run_processor,
    "keeper": _run_keeper,
    "web": _run_web,
}


def _decoders(settings: Settings, profiles: Profiles) -> Decoders:
    ages_ms = [duration_ms(s.max_age) if s.max_age else 0 for s in settings.source]
    mappings = [CompiledMapping(mapping, profiles, ages_ms) for mapping in settings.mapping]
    return Decoders(profiles, foreign=mappings, source_max_age_ms=ages_ms)


def load_all_profiles(settings: Settings) -> Profiles:
    """Return the profiles that ship and those of the configured folder."""
    folders = [settings.gateway.profiles] if settings.gateway.profiles is not None else []
    return load_profiles(*folders)


def _registry(settings: Settings) -> Registry | None:
    file = settings.registry.file
    return None if file is None else Registry.load(file)
