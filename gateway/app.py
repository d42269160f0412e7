"""The composition root: which rooms exist, and how a message walks through them.

::

    intake     sources ─▶ GroupCommit(journal) ─▶ PUBACK        supervises the other three
                                  │ durable up to N      ▲ receipts
    processor  JournalReader ─▶ pipeline ─▶ store, quarantine, outbox ─▶ checkpoint
    keeper     outbox ─▶ sinks;  merges pages, retention
    web        store, quarantine, stats ─▶ API, metrics, board

Each of these is one process, built by one function below. Nothing else in the program knows
more than its own room.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path

from gateway import api
from gateway.config import ListenerSource, Settings, duration_ms
from gateway.control import ControlServer, Taps, WatchedIntake
from gateway.decode import Decoders
from gateway.intake import IntakeProcess, IntakeRooms
from gateway.journal import Journal, JournalReader
from gateway.keeper import Keeper, KeeperRooms
from gateway.link import Link
from gateway.pipeline import Pipeline
from gateway.ports import Intake, Source
from gateway.processor import Processor, Rooms
from gateway.profiles import Profiles, load_profiles
from gateway.quarantine import Quarantine, QuarantineReader
from gateway.registry import Registry
from gateway.security import Authenticator
from gateway.sinks import Drain, sink_of
from gateway.sources.broker import BrokerClient
from gateway.sources.intake import GroupCommit
from gateway.sources.listener import Listener
from gateway.sources.paho_client import PahoClient
from gateway.stats import Stats
from gateway.store import Merger, Outbox, Store, StoreReader
from gateway.supervisor import STOP_S, Children, Role, locked

try:
    from uvloop import new_event_loop
except ImportError:  # no wheel for this machine: the standard loop works, at more CPU
    from asyncio import new_event_loop

logger = logging.getLogger(__name__)


def now_ms() -> int:
    """Return the wall clock in Unix milliseconds: the only place that reads it."""
    return time.time_ns() // 1_000_000


def run_gateway(
    settings: Settings,
    config_file: Path,
    *,
    helpers: Sequence[Sequence[str]] = (),
    run_s: float | None = None,
) -> int:
    """Run the whole gateway until SIGTERM, SIGINT or ``run_s``; return the exit code.

    ``helpers`` are commands that live as long as it does (the demo's fleet).
    """
    check(settings)
    _start_logging()
    (settings.gateway.data_dir / "run").mkdir(parents=True, exist_ok=True)
    with locked(settings.gateway.data_dir / "lock"):
        return _run_loop(_run_intake(settings, config_file.resolve(), helpers, run_s))


def run_role(name: str, settings: Settings, fd: int) -> int:
    """Run one of the processes beside the intake."""
    _start_logging()
    return ROLES[name](settings, fd)


def check(settings: Settings) -> dict[str, object]:
    """Load every file that the configuration names; return what was found.

    Raises:
        ConfigError: names the file and the key or line.
    """
    profiles = _profiles(settings)
    registry = _registry(settings)
    Decoders(profiles, settings.mapping)
    for section in settings.sink:
        sink_of(section, profiles)
    return {
        "profiles": len(profiles),
        "sources": len(settings.source),
        "sinks": len(settings.sink),
        "mappings": len(settings.mapping),
        "devices": "enrolled at their first message" if registry is None else len(registry),
    }


async def _run_intake(
    settings: Settings, config_file: Path, helpers: Sequence[Sequence[str]], run_s: float | None
) -> int:
    data_dir, stats, taps = settings.gateway.data_dir, Stats(), Taps()
    journal = Journal.open(
        data_dir / "journal",
        segment_bytes=settings.gateway.segment_bytes,
        max_bytes=settings.gateway.journal_max_bytes,
        clock=now_ms,
    )
    commit = GroupCommit(journal, settings.gateway, stats, clock=now_ms)
    sources = _sources(settings, WatchedIntake(commit, taps), stats)
    intake = IntakeProcess(
        IntakeRooms(commit, journal, sources, sources, QuarantineReader(data_dir)),
        keep_s=duration_ms(settings.gateway.journal_keep) / 1000,
        max_bytes=settings.gateway.journal_max_bytes,
        save_stats=lambda: stats.save(data_dir / "run" / "intake.json"),
    )
    roles = [Role("processor", intake.attach), Role("keeper")]
    roles += [Role("web")] if settings.http is not None else []
    children = Children(config_file, roles, stats)
    control = ControlServer(
        data_dir / "run" / "control.sock",
        {"status": lambda _: intake.status(), "requeue": intake.requeue},
        taps,
    )
    jobs = [
        asyncio.create_task(job, name=name)
        for name, job in (
            ("intake", intake.run()),
            ("children", children.run()),
            ("control", control.run()),
        )
    ]
    with _started(helpers):
        failed = await _until_stopped(jobs, run_s)
    jobs[0].cancel()
    await intake.finish()
    await asyncio.gather(*(children.stop(role.name) for role in roles))
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    journal.close()
    return 1 if failed else 0


async def _until_stopped(jobs: Sequence[asyncio.Task[None]], run_s: float | None) -> bool:
    """Wait for a signal or ``run_s``; return whether a job failed instead."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    waiter = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait(
        [waiter, *jobs], timeout=run_s, return_when=asyncio.FIRST_COMPLETED
    )
    waiter.cancel()
    failed = False
    for job in done - {waiter}:
        failed = True
        logger.error("%s failed: %s", job.get_name(), _causes(job.exception()))
    return failed


def _causes(error: BaseException | None) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_causes(inner) for inner in error.exceptions)
    return str(error) or repr(error)


def _sources(settings: Settings, intake: Intake, stats: Stats) -> list[Source]:
    authenticator = Authenticator(settings.gateway.data_dir)
    sources: list[Source] = []
    for index, section in enumerate(settings.source):
        if isinstance(section, ListenerSource):
            sources.append(Listener(index, section, intake, authenticator, stats))
        elif section.client == "paho":
            sources.append(PahoClient(index, section, intake, stats))
        else:
            sources.append(BrokerClient(index, section, intake, stats))
    return sources


def _run_processor(settings: Settings, fd: int) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the link says when to stop
    data_dir, stats = settings.gateway.data_dir, Stats()
    with locked(data_dir / "processor.lock"):
        profiles = _profiles(settings)
        store = Store.open(data_dir, profiles)
        checkpoint = store.load()
        pipeline = Pipeline.restore(
            checkpoint,
            profiles=profiles,
            registry=_registry(settings),
            decoders=Decoders(profiles, settings.mapping),
            settings=settings,
            find_times=store.find_times,
        )
        rooms = Rooms(
            JournalReader(data_dir / "journal", checkpoint.position),
            pipeline,
            store,
            Quarantine.open(data_dir, below=checkpoint.position.number),
            Outbox.open(data_dir / "outbox", now_ms) if settings.sink else None,
            stats,
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
    profiles = _profiles(settings)
    reader = StoreReader(data_dir, profiles)
    outbox = data_dir / "outbox"
    drains = [
        Drain(sink_of(section, profiles), section, outbox, reader.device_names, stats)
        for section in settings.sink
    ]
    keeper = Keeper(
        KeeperRooms(Merger(data_dir, profiles), drains, Outbox.files(outbox) if drains else None),
        retention_ms=duration_ms(settings.gateway.retention),
        clock=now_ms,
        save_stats=lambda: stats.save(data_dir / "run" / "keeper.json"),
    )
    return _run_loop(_until_terminated(keeper.run()))


def _run_web(settings: Settings, _fd: int) -> int:
    return api.serve(settings, _profiles(settings), now_ms)


ROLES: dict[str, Callable[[Settings, int], int]] = {
    "processor": _run_processor,
    "keeper": _run_keeper,
    "web": _run_web,
}


async def _until_terminated(work: Coroutine[None, None, None]) -> int:
    job = asyncio.create_task(work)
    failed = await _until_stopped([job], None)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    return 1 if failed else 0


def _run_loop(work: Coroutine[None, None, int]) -> int:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def _profiles(settings: Settings) -> Profiles:
    folders = [settings.gateway.profiles] if settings.gateway.profiles is not None else []
    return load_profiles(*folders)


def _registry(settings: Settings) -> Registry | None:
    file = settings.registry.file
    return None if file is None else Registry.load(file)


def _start_logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


@contextlib.contextmanager
def _started(commands: Sequence[Sequence[str]]) -> Iterator[None]:
    processes = [subprocess.Popen(list(command)) for command in commands]  # noqa: S603  # our own
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=STOP_S)
