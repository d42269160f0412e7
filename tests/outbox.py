"""An outbox with known readings, and a drain on it, for the tests of the sinks."""

import asyncio
import contextlib
import errno
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gateway.config.sections import SinkSection
from gateway.journal import Journal, JournalReader
from gateway.model import ReadingBatch
from gateway.profiles import load_profiles
from gateway.sinks import open_sink
from gateway.sinks.drain import Drain, Outside, Pace
from gateway.sinks.feed import Feed
from gateway.sinks.readings import ReadingEncoder
from gateway.sinks.salvage import RefusedLine
from gateway.stats import Stats
from gateway.store.pages import encode_page

PROFILES = load_profiles()
DEVICES = 100
Name = tuple[str, str, str]  # organisation, sector, device


def name_of(index: int) -> Name:
    """Return the name of an index."""
    return "evn", "energy", f"meter-{index:04d}"


def wall_ms() -> int:
    """Return Unix time in ms."""
    return time.time_ns() // 1_000_000


def em1_batch(first: int, count: int, start_ms: int) -> ReadingBatch:
    """Return readings ``first`` … of a fleet of ``DEVICES`` meters, every value computable."""
    number = np.arange(first, first + count, dtype=np.int64)
    device = number % DEVICES
    step = number // DEVICES
    zero = np.zeros(count, np.int64)
    values = np.column_stack(
        (
            1_000_000 * device + 37 * step,
            step % 7,
            (number * 13) % 5000 - 1000,
            2200 + number % 200,
            number % 6000,
            number % 1001,
        )
    ).astype(np.float64)
    values[:, 1][number % 11 == 0] = np.nan
    return ReadingBatch(
        "em1", device, zero, step, start_ms + step * 1000, start_ms + step * 1000 + 5, values,
        zero, zero + 1, number % 3, number + 1,
    )  # fmt: skip


class Outbox:
    """A journal folder that tests fill and drains read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal.open(folder, segment_bytes=1 << 20, max_bytes=1 << 30, clock=wall_ms)

    def put(self, *batches: ReadingBatch) -> None:
        """Append a page for each batch, durably."""
        for batch in batches:
            page = encode_page(batch)
            self.journal.append(wall_ms(), 0, 0, batch.profile.encode(), page)
        self.journal.commit()

    def feed(self, names: Callable[[int], Name] = name_of) -> Feed:
        """Return a reader of it for one sink."""
        return Feed(
            lambda position: JournalReader(self.folder, position),
            lambda: self.journal.durable,
            ReadingEncoder(PROFILES, names).encode_record,
        )


def section(type_: str, url: str, **more: Any) -> SinkSection:
    """Return a sink's configuration."""
    return SinkSection.model_validate({"name": "db", "type": type_, "url": url, **more})


class Rig:
    """One drain with everything it needs; ``again`` makes the one of the next start."""

    def __init__(
        self, outbox: Outbox, config: SinkSection, names: Callable[[int], Name] = name_of
    ) -> None:
        self.outbox = outbox
        self.config = config
        self.stats = Stats()
        self.refused: list[RefusedLine] = []
        self.on_refused: Callable[[], bool] = lambda: False  # whether the quarantine is full
        self.clock: Callable[[], int] = wall_ms  # a test may put another one here
        self.sink = open_sink(config, self._now_ms)
        file = outbox.folder.parent / f"{config.name}.cursor"
        self.drain = Drain(
            self.sink,
            outbox.feed(names),
            file,
            Pace.of(config),
            Outside(self._now_ms, self.stats, self._refuse, lambda: 0.1),
        )

    def again(self) -> "Rig":
        """Return the rig of a gateway that was started again."""
        return Rig(self.outbox, self.config)

    def count(self, name: str, **labels: str) -> float:
        """Return the sum of a statistic over the samples with these labels."""
        wanted = labels.items()
        return sum(
            sample.value
            for sample in self.stats.samples()
            if sample.name == name and wanted <= dict(sample.labels).items()
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the drain during the block; it must end within two seconds after it."""
        task = asyncio.create_task(self.drain.run())
        try:
            yield
        finally:
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=2)
            assert done, "a cancelled drain must end within two seconds"
        if not task.cancelled():
            task.result()

    async def until_empty(self, timeout_s: float = 20) -> None:
        """Wait until everything has been taken."""
        await self.until(lambda: self.drain.pending == 0, timeout_s)

    async def until(self, check: Callable[[], bool], timeout_s: float = 20) -> None:
        """Wait until ``check()``."""
        async with asyncio.timeout(timeout_s):
            while not check():
                await asyncio.sleep(0.01)

    def _now_ms(self) -> int:
        return self.clock()

    def _refuse(self, sink: str, lines: Sequence[RefusedLine]) -> None:
        assert sink == self.config.name
        if self.on_refused():
            raise OSError(errno.ENOSPC, "no space left")
        self.refused.extend(lines)
