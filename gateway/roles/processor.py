"""The processor: the journal through the pipeline into store, quarantine and outbox."""

import errno
import logging
import signal
import time

from gateway.config import Settings
from gateway.errors import JournalFullError
from gateway.journal import JournalReader
from gateway.link import Link
from gateway.model import Lane
from gateway.processor import Processor, Rooms
from gateway.profiles import Profiles
from gateway.quarantine import Quarantine
from gateway.roles import Heritage, now_ms
from gateway.roles.building import build_pipeline
from gateway.roles.files import load_all_profiles
from gateway.sinks.outbox import Outbox
from gateway.stats import Stats
from gateway.store import Store
from gateway.supervisor import calm_collector, locked
from gateway.topics import topic_of

logger = logging.getLogger(__name__)

RETRY_S = 1.0


def run(settings: Settings, heritage: Heritage) -> int:
    """Run until the link says so."""
    if heritage.sock is None:
        raise ValueError("a processor needs a link to the intake")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the link says when to stop
    data_dir, stats, profiles = settings.gateway.data_dir, Stats(), load_all_profiles(settings)
    with locked(data_dir / "processor.lock"):
        while (rooms := _open_if_there_is_room(settings, profiles, stats)) is None:
            time.sleep(RETRY_S)
        processor = Processor(
            rooms,
            Link(heritage.sock),
            receipt_s=settings.gateway.receipt_ms / 1000,
            save_stats=lambda: stats.save(data_dir / "run" / "processor.json"),
        )
        calm_collector()
        try:
            processor.run()
        except JournalFullError as error:  # asked to stop while the disk is full
            logger.warning("processor stops behind its last checkpoint: %s", error)
    return 0


def _open_if_there_is_room(settings: Settings, profiles: Profiles, stats: Stats) -> Rooms | None:
    """Return the rooms, None at a full disk: dying of it would only make the next start late."""
    try:
        return _open(settings, profiles, stats)
    except JournalFullError as error:
        logger.warning("processor waits: %s", error)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        logger.warning("processor waits: %s", error.strerror)
    return None


def _open(settings: Settings, profiles: Profiles, stats: Stats) -> Rooms:
    data_dir = settings.gateway.data_dir
    store = Store.open(data_dir)
    checkpoint = store.load()
    pipeline, directory = build_pipeline(settings, profiles, checkpoint, store.find_times)

    def topic_of_receipts(device_index: int) -> str:
        row = directory.name_of(device_index)
        return topic_of(row.org, row.sector, row.device, Lane.RECEIPT)

    return Rooms(
        JournalReader(data_dir / "journal", checkpoint.position),
        pipeline,
        store,
        Quarantine.open(data_dir, below=checkpoint.position.number),
        Outbox.open(data_dir / "outbox", now_ms) if settings.sink else None,
        topic_of_receipts,
        stats,
        now_ms,
    )
