"""The intake: sources into the journal, receipts back, and the other processes kept alive."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from gateway.config import BrokerSource, ListenerSource, Settings, duration_ms
from gateway.control import ControlServer, Handler, Taps, WatchedIntake, announcer
from gateway.imports import load
from gateway.intake import IntakeProcess, IntakeRooms
from gateway.journal import Journal
from gateway.nursery import NurseryLink
from gateway.ports import Intake, Publisher, Source
from gateway.profiles import load_profiles
from gateway.quarantine import Quarantine, QuarantineReader
from gateway.registry import Registry
from gateway.roles import now_ms
from gateway.roles.announcing import announce
from gateway.security import Authenticator
from gateway.sources.broker import BrokerClient
from gateway.sources.intake import CommitRules, GroupCommit
from gateway.sources.listener import Listener
from gateway.stats import Stats
from gateway.store import StoreReader
from gateway.supervisor import (
    DRAINED_STOP_S,
    HELPER_STOP_S,
    Children,
    Role,
    allow_many_files,
    calm_collector,
    run_loop,
    until_stopped,
)
from gateway.waterline import Waterline

# What may wait does not compete with a start that shall be over within a second.
KEEPER_AFTER_S = 1.0
ANNUNCIATOR_AFTER_S = 2.0
ANALYST_AFTER_S = 3.0


def run(
    settings: Settings,
    waterline: Waterline,
    nursery: NurseryLink,
    helpers: Sequence[str],
    run_s: float | None,
) -> int:
    """Run until SIGTERM, SIGINT or ``run_s``, with the processes that the nursery forks."""
    allow_many_files()
    return run_loop(_run(settings, waterline, nursery, helpers, run_s))


class _PahoClients(Protocol):
    PahoClient: Callable[[int, BrokerSource, Intake, Stats], Source]


class Opened(NamedTuple):
    """An intake that is ready to run."""

    intake: IntakeProcess
    journal: Journal
    audience: Sequence[Publisher]  # where alarms are called out
    publishers: Sequence[Publisher]


def open_intake(settings: Settings, waterline: Waterline, stats: Stats, taps: Taps) -> Opened:
    """Open the journal and put the intake's rooms together.

    Raises:
        GatewayError: the journal is another's, or of a newer version.
        ConfigError: keys or certificates cannot be used.
    """
    data_dir, limits = settings.gateway.data_dir, settings.gateway
    journal = Journal.open(
        data_dir / "journal",
        segment_bytes=limits.segment_bytes,
        max_bytes=limits.journal_max_bytes,
        clock=now_ms,
        not_before=StoreReader(data_dir, {}).position().number,
    )
    rules = CommitRules(limits.commit_ms, limits.commit_messages)
    commit = GroupCommit(journal, rules, stats, now_ms)
    waterline.rise(journal.durable)
    commit.on_durable(waterline.rise)  # before any source hears of it and acknowledges
    sources = _sources(settings, WatchedIntake(commit, taps), stats)
    # shards of one broker share its topics: one receipt is enough
    unique = {
        getattr(s, "url", s): source for s, source in zip(settings.source, sources, strict=True)
    }
    publishers = list(unique.values())
    intake = IntakeProcess(
        IntakeRooms(commit, journal, sources, publishers, QuarantineReader(data_dir)),
        keep_s=duration_ms(limits.journal_keep) / 1000,
        max_bytes=limits.journal_max_bytes,
        save_stats=lambda: _save(stats, commit, data_dir / "run" / "intake.json"),
    )
    return Opened(intake, journal, _audience(settings, publishers), publishers)


async def _run(
    settings: Settings,
    waterline: Waterline,
    nursery: NurseryLink,
    helpers: Sequence[str],
    run_s: float | None,
) -> int:
    data_dir, stats, taps = settings.gateway.data_dir, Stats(), Taps()
    stats.gauge("infragate_insecure", float(bool(settings.exposures)))
    opened = open_intake(settings, waterline, stats, taps)
    intake, journal = opened.intake, opened.journal
    roles = [Role("processor", intake.attach), Role("keeper", after_s=KEEPER_AFTER_S)]
    roles += [Role("web")] if settings.http is not None else []
    is_analysed = settings.energy.enabled or settings.transport.enabled
    roles += [Role("analyst", after_s=ANALYST_AFTER_S)] if is_analysed else []
    roles += [Role("annunciator", after_s=ANNUNCIATOR_AFTER_S)] if settings.alarms.enabled else []
    roles += [Role(name) for name in helpers]
    children = Children(nursery, roles, stats)
    requests: dict[str, Handler] = {
        "status": lambda _: intake.status(),
        "requeue": intake.requeue,
        "import": intake.bring,
        "tell": intake.tell,
        "announce": announcer(opened.audience),
        "reread": lambda _: children.restart("processor"),
        "drop": lambda request: {"dropped": Quarantine(data_dir).remove(request.get("ids", []))},
    }
    control = ControlServer(data_dir / "run" / "control.sock", requests, taps)
    calm_collector()
    jobs = [
        asyncio.create_task(intake.run(), name="intake"),
        asyncio.create_task(children.run(), name="children"),
        asyncio.create_task(control.run(), name="control"),
    ]
    jobs += _announcing(settings, opened.publishers)
    failed = await until_stopped(jobs, run_s)
    children.retire()
    # it still serves them while they end
    await asyncio.gather(*(children.stop(name, HELPER_STOP_S) for name in helpers))
    jobs[0].cancel()
    await asyncio.wait(jobs[:1])
    idle = [r.name for r in roles if r.on_start is None and r.name not in helpers]
    await asyncio.gather(intake.finish(), *map(children.stop, idle))
    await children.stop("processor", DRAINED_STOP_S)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    nursery.close()
    journal.close()
    return 1 if failed else 0


def _announcing(settings: Settings, publishers: Sequence[Publisher]) -> list[asyncio.Task[None]]:
    """Start to tell Home Assistant of our devices, where that is wanted."""
    if not settings.foreign.announce:
        return []
    folder = settings.gateway.profiles
    profiles = load_profiles(*([] if folder is None else [folder]))
    reader = StoreReader(settings.gateway.data_dir, profiles)
    return [asyncio.create_task(announce(reader, profiles, publishers), name="announce")]


def _audience(settings: Settings, publishers: Sequence[Source]) -> list[Publisher]:
    """Return who has alarms called out to his monitors."""
    alarms = settings.alarms
    return [
        one
        for one in publishers
        if (alarms.listener if isinstance(one, Listener) else alarms.broker)
    ]


def _save(stats: Stats, commit: GroupCommit, file: Path) -> None:
    stats.gauge("infragate_journal_congested", float(commit.is_congested))
    stats.save(file)


def _sources(settings: Settings, intake: Intake, stats: Stats) -> list[Source]:
    file = settings.registry.file
    registry = None if file is None else Registry.load(file)
    authenticator = Authenticator(
        settings.gateway.data_dir,
        topics_of=lambda device: () if registry is None else registry.topics_of(device),
    )
    sources: list[Source] = []
    for index, section in enumerate(settings.source):
        if isinstance(section, ListenerSource):
            sources.append(Listener(index, section, intake, authenticator, stats))
        elif section.client == "paho":
            # forty milliseconds of every start, for the few who ask for it
            paho = cast("_PahoClients", load("gateway.sources.paho_client"))
            sources.append(paho.PahoClient(index, section, intake, stats))
        else:
            sources.append(BrokerClient(index, section, intake, stats))
    return sources
