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
import fcntl
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gateway import api
from gateway.config import BrokerSource, ListenerSource, Settings, duration_ms
from gateway.control import ControlServer, Taps, WatchedIntake
from gateway.decode import Decoders
from gateway.errors import GatewayError
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
from gateway.supervisor import Children, Role

logger = logging.getLogger(__name__)

LOCK_WAIT_S = 5.0  # the kernel needs a moment to end the children of a killed gateway


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
    start_logging()
    run_dir = settings.gateway.data_dir / "run"
    run_dir.mkdir(parents=True, exist_ok=True)
    with locked(settings.gateway.data_dir / "lock"), api.fast_loop() as runner:
        return runner.run(_run_intake(settings, config_file.resolve(), helpers, run_s))
