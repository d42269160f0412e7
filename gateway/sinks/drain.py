"""Empties the outbox into one sink; one task each, so a dead sink never delays another.

A sink that is away costs nothing but outbox; what it acknowledges moves the durable cursor; what
it refuses is handed over byte for byte; when its server restarts, the last minutes go again.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar, TypeVarTuple

from gateway.config.sections import SinkSection, duration_ms
from gateway.errors import (
    JournalFullError,
    SinkDeniedError,
    SinkRefusedError,
    SinkUnavailableError,
)
from gateway.ports import Sink
from gateway.sinks.cursor import Cursor, load_cursor, save_cursor
from gateway.sinks.feed import Feed, Load
from gateway.sinks.readings import canary_line
from gateway.sinks.salvage import RefusedLine, write_around
from gateway.sinks.status import SinkTooLargeError
from gateway.stats import Stats

_LOG = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

_IDLE_S = 0.2  # between looks at an outbox that is empty
_DENIED_S = 30.0  # reliability.md row 27: at most one try in 30 s
_BACKOFF_S = (0.5, 30.0)  # first and longest; full jitter below them
_RESTART_CHECK_MS = 15_000  # as often as Prometheus would ask; a fraction of the replay window
_SAVE_MS = 1000  # a cursor that lags only repeats writes; spares flash an fsync per page
_STOP_S = 1.5  # to save and close when cancelled


class Pace(NamedTuple):
    """How a drain writes."""

    batch: int = 5000  # lines
    replay_window_ms: int = 300_000

    @classmethod
    def of(cls, section: SinkSection) -> "Pace":
        """Return what the configuration says."""
        return cls(section.batch, duration_ms(section.replay_window))


class Outside(NamedTuple):
    """What a drain needs of the process it runs in."""

    clock: Callable[[], int]  # Unix ms
    stats: Stats
    # Called in the event loop before the cursor moves past the lines; may be called with the
    # same lines again after a crash or a replay. OSError: tried again.
    refused: Callable[[str, Sequence[RefusedLine]], None]
    rng: Callable[[], float] = random.random  # noqa: S311  # in [0, 1), for jitter


class Drain:
    """Carries readings from the outbox to one sink.

    Args:
        sink: where to; used by nobody else.
        feed: the outbox; used by nobody else.
        cursor_file: where the place is kept; a sink without one starts at the oldest record.
        pace: batch size and replay window.
        outside: clock, statistics, quarantine.
    """

    def __init__(
        self, sink: Sink, feed: Feed, cursor_file: Path, pace: Pace, outside: Outside
    ) -> None:
        self.name = sink.name
        self._sink = sink
        self._feed = feed
        self._file = cursor_file
        self._pace = pace
        self._outside = outside
        self._cursor = self._load_cursor()
        self._keep_from = self._cursor.replay_from().number
        self._load: Load | None = None  # read but not yet written
        self._sent = 0  # lines of it that are
        self._batch = pace.batch  # halved by 413
        self._is_connected = False
        self._failures = 0
        self._checked_ms = 0  # when the server's start was last asked for
        self._check_ms = min(_RESTART_CHECK_MS, pace.replay_window_ms // 4)
        self._saved_ms = 0
        self._is_saved = True
        self._is_at_end = False  # of the outbox, at the last look
        # else the first that is refused is no rise
        self._count("infragate_sink_refused_total", 0)

    async def run(self) -> None:
        """Write until cancelled; ends within two seconds of that, cursor saved."""
        try:
            await _in_thread(self._feed.seek, self._cursor.position)
            while True:
                pause_s = await self._turn()
                await asyncio.sleep(pause_s)
        finally:
            await self._stop()

    @property
    def pending(self) -> int:
        """How many outbox records the sink has yet to take."""
        return max(0, self._feed.durable - self._cursor.position.number + 1)

    @property
    def lag_s(self) -> float:
        """Age of the oldest record that is being written, 0 where none is."""
        if self._load is None or not self._load.received_ms:
            return 0.0
        return max(0, self._outside.clock() - self._load.received_ms) / 1000

    def keep_from(self) -> int:
        """Return the first outbox record that must be kept for this sink, by its saved cursor."""
        return self._keep_from

    async def _turn(self) -> float:
        """Do one thing and return how long to sleep after it."""
        try:
            await self._fill()
            if not self._is_connected:
                await self._sink.connect()
                self._is_connected = True
            if not await self._has_rewound():
                await self._write_load()
            self._failures = 0
        except SinkUnavailableError as error:
            return self._pause("unavailable", error, error.retry_after_s or 0.0)
        except SinkDeniedError as error:
            return self._pause("denied", error, _DENIED_S)
        except (OSError, JournalFullError) as error:  # cursor, outbox, names or quarantine
            return self._pause("disk", error, 0.0)
        finally:
            self._publish()
        return _IDLE_S if self._load is None and self._is_at_end else 0.0

    def _pause(self, kind: str, error: Exception, least_s: float) -> float:
        first, longest = _BACKOFF_S
        jitter_s = self._outside.rng() * min(longest, first * 2.0 ** min(self._failures, 10))
        self._failures += 1
        if kind == "unavailable":
            self._checked_ms = 0  # it may have restarted: ask before writing on
        elif kind == "denied":
            self._is_connected = False  # the database may have to be made anew
        self._outside.stats.count("infragate_sink_errors_total", sink=self.name, kind=kind)
        level = logging.ERROR if kind != "unavailable" else logging.WARNING
        _LOG.log(level, "sink %s %s: %s", self.name, kind, error)
        return least_s + jitter_s

    async def _has_rewound(self) -> bool:
        """Ask from time to time when the server started, go back if that was since."""
        now_ms = self._outside.clock()
        if abs(now_ms - self._checked_ms) < self._check_ms:
            return False
        token = await self._sink.started_at()
        self._checked_ms = now_ms
        if token is None or token == self._cursor.token:
            return False
        is_restart = self._cursor.token is not None
        if is_restart:
            _LOG.warning("sink %s: its server restarted, the last minutes go again", self.name)
            self._count("infragate_sink_replays_total", 1)
            self._cursor.rewind()
            self._load = None
            self._is_connected = False  # the canary again: it may have lost more than minutes
            await _in_thread(self._feed.seek, self._cursor.position)
        self._cursor.token = token
        await self._save()
        return is_restart

    async def _fill(self) -> None:
        if self._load is None:
            load = await _in_thread(self._feed.read, self._pace.batch)
            self._is_at_end = not load.records
            if load.records:
                self._load, self._sent = load, 0
            if load.skipped and self._cursor.acknowledged_ms:  # a new sink cannot miss anything
                words = "sink %s: %d outbox records were deleted before it took them"
                _LOG.error(words, self.name, load.skipped)
                self._count("infragate_sink_skipped_records_total", load.skipped)

    async def _write_load(self) -> None:
        load = self._load
        if load is not None:
            while self._sent < len(load.lines):
                await self._write_batch(load.lines[self._sent : self._sent + self._batch])
            self._hand_over(load.lost)
            self._count("infragate_sink_empty_total", load.empty)
            self._cursor.advance(load.end, self._outside.clock(), self._pace.replay_window_ms)
            self._load = None
            self._is_saved = False
        if not self._is_saved and abs(self._outside.clock() - self._saved_ms) >= _SAVE_MS:
            await self._save()

    async def _write_batch(self, lines: Sequence[bytes]) -> None:
        try:
            refused = await write_around(self._sink.write, lines, self._probe)
        except SinkTooLargeError as error:
            self._batch = max(1, len(lines) // 2)
            _LOG.warning("sink %s: batches of %d lines now: %s", self.name, self._batch, error)
            return
        self._hand_over(refused)
        self._sent += len(lines)
        self._count("infragate_sink_written_total", len(lines) - len(refused))

    async def _probe(self) -> None:
        try:
            await self._sink.write([canary_line(self.name, 1, self._outside.clock())])
        except SinkRefusedError as error:
            raise SinkDeniedError(f"refuses even a known good point: {error}") from error

    def _hand_over(self, lines: Sequence[RefusedLine]) -> None:
        if lines:
            self._outside.refused(self.name, lines)
            self._count("infragate_sink_refused_total", len(lines))

    def _count(self, name: str, amount: int) -> None:
        self._outside.stats.count(name, amount, sink=self.name)

    def _publish(self) -> None:
        gauge = self._outside.stats.gauge
        gauge("infragate_sink_lag_seconds", self.lag_s, sink=self.name)
        gauge("infragate_sink_pending_records", self.pending, sink=self.name)
        gauge("infragate_sink_up", float(self._failures == 0), sink=self.name)

    async def _save(self) -> None:
        keep_from = self._cursor.replay_from().number
        await _in_thread(save_cursor, self._file, self._cursor)
        self._is_saved = True
        self._saved_ms = self._outside.clock()
        self._keep_from = keep_from

    async def _stop(self) -> None:
        try:
            async with asyncio.timeout(_STOP_S):
                if not self._is_saved:
                    await self._save()
                await self._sink.close()
        except (OSError, TimeoutError) as error:
            _LOG.warning("sink %s: not closed in order: %s", self.name, error)
        finally:
            self._feed.close()

    def _load_cursor(self) -> Cursor:
        try:
            return load_cursor(self._file)
        except ValueError as error:
            # everything that is still in the outbox goes again, which changes nothing
            _LOG.error("sink %s: starts at the oldest record: %s", self.name, error)
            return Cursor()


async def _in_thread(work: Callable[[*Arguments], Result], *args: *Arguments) -> Result:
    """Run in a thread what blocks like a disk; when cancelled, wait for it first.

    Else a cursor would be saved twice at once, or a file closed that is being read.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *args))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
