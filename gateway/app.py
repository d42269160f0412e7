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
import logging
from collections.abc import Sequence
from pathlib import Path

from gateway.config import ListenerSource, Settings, duration_ms, split_address
from gateway.control import ControlServer, Taps, WatchedIntake
from gateway.intake import IntakeProcess, IntakeRooms
from gateway.journal import Journal
from gateway.ports import Intake, Source
from gateway.quarantine import Quarantine, QuarantineReader
from gateway.roles import check, now_ms
from gateway.security import Authenticator
from gateway.sources.broker import BrokerClient
from gateway.sources.intake import CommitRules, GroupCommit
from gateway.sources.listener import Listener
from gateway.sources.paho_client import PahoClient
from gateway.stats import Stats
from gateway.store import StoreReader
from gateway.supervisor import (
    Children,
    Role,
    calm_collector,
    helped,
    locked,
    run_loop,
    start_logging,
    until_stopped,
    wait_for_port,
)

logger = logging.getLogger(__name__)


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
    start_logging()
    for exposure in settings.exposures:
        logger.warning("insecure = true: %s", exposure)
    (settings.gateway.data_dir / "run").mkdir(parents=True, exist_ok=True)
    with locked(settings.gateway.data_dir / "lock"):
        if settings.http is not None:
            wait_for_port(*split_address(settings.http.listen))
        return run_loop(_run_intake(settings, config_file.resolve(), helpers, run_s))


async def _run_intake(
    settings: Settings, config_file: Path, helpers: Sequence[Sequence[str]], run_s: float | None
) -> int:
    data_dir, stats, taps = settings.gateway.data_dir, Stats(), Taps()
    stats.gauge("infragate_insecure", float(bool(settings.exposures)))
    limits = settings.gateway
    journal = Journal.open(
        data_dir / "journal",
        segment_bytes=limits.segment_bytes,
        max_bytes=limits.journal_max_bytes,
        clock=now_ms,
        not_before=StoreReader(data_dir, {}).position().number,
    )
    rules = CommitRules(limits.commit_ms, limits.commit_messages)
    commit = GroupCommit(journal, rules, stats, now_ms)
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
    roles = [Role("processor", intake.attach), Role("keeper")]
    roles += [Role("web")] if settings.http is not None else []
    children = Children(config_file, roles, stats)
    requests = {
        "status": lambda _: intake.status(),
        "requeue": intake.requeue,
        "drop": lambda request: {"dropped": Quarantine(data_dir).remove(request.get("ids", []))},
    }
    control = ControlServer(data_dir / "run" / "control.sock", requests, taps)
    calm_collector()
    jobs = [
        asyncio.create_task(intake.run(), name="intake"),
        asyncio.create_task(children.run(), name="children"),
        asyncio.create_task(control.run(), name="control"),
    ]
    async with helped(helpers):
        failed = await until_stopped(jobs, run_s)
    jobs[0].cancel()
    await asyncio.wait(jobs[:1])
    children.retire()
    await intake.finish()
    await asyncio.gather(*(children.stop(role.name) for role in roles))
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    journal.close()
    return 1 if failed else 0


def _save(stats: Stats, commit: GroupCommit, file: Path) -> None:
    stats.gauge("infragate_journal_congested", float(commit.is_congested))
    stats.save(file)


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
