"""From rows to the ring: what a sensor says becomes rows, rows become blocks, blocks are stored.

A row is in danger only while its block is open: at most ``commit_ms``, or until an event.
"""

from fieldnode.core.block import BlockWriter
from fieldnode.core.policy import Aggregate, Report
from fieldnode.core.schema import schema_of

if False:  # for the type checker
    from collections.abc import Callable

    from fieldnode.core.clock import Clock
    from fieldnode.core.health import Health
    from fieldnode.core.ring import Ring

BLOCK_BYTES = 480  # eight a sector; of 800 bytes there was not always a hole in a heap of 56 KB
HOUR_MS = 3_600_000
_DRIFT_MS = 3_600_000  # a block is closed after an hour: crystal and slewed time part by 1.8 s


class Recorder:
    """Writes the rows of one profile.

    Args:
        ring: the store.
        clock: of the node.
        ticks_ms: the board's.
        boot: number of this boot.
        health: counters.
        config: core/config.py.
    """

    def __init__(
        self,
        ring: "Ring",
        clock: "Clock",
        ticks_ms: "Callable[[], int]",
        boot: int,
        health: "Health",
        config: "dict[str, object]",
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._ticks_ms = ticks_ms
        self._boot = boot
        self._health = health
        number, how, self._joins = schema_of(str(config["profile"]))
        self._writer = BlockWriter(number, len(how), BLOCK_BYTES)
        self._columns = len(how)
        self._aggregate = Aggregate(how)
        self._hour = -1  # of the clock, or of uptime where there is no clock
        self._opened_ms = self._quality = 0
        self._is_open = self._is_snapshot = False
        self._closed = b""  # a block that the flash has refused so far
        self._was_snapshot = False  # that block
        self.next = ring.rows.next  # number of the next row
        self.configure(config)

    def configure(self, config: "dict[str, object]") -> None:
        """Take over another configuration; the profile stays."""
        # A profile may be changed for one with fewer columns than there are deadbands.
        deadbands: "list[int]" = config["deadbands"][: self._columns]  # type: ignore[index]
        report_ms = config["report_s"] * 1000  # type: ignore[operator]
        self._report = Report(tuple(deadbands), report_ms, config["sample_ms"])  # type: ignore[arg-type]
        self._commit_ms = config["commit_s"] * 1000  # type: ignore[operator]

    def sample(self, at_ms: int, values: "tuple[int | None, ...]", status: int) -> None:
        """Take in what a sensor measured at uptime ``at_ms``."""
        if not self._joins:
            self.add(at_ms, values, status)
            return
        self._aggregate.add(values, status)
        if self._report.wants(at_ms, values, status):
            self.add(at_ms, *self._aggregate.take())

    def add(self, at_ms: int, values: "tuple[int | None, ...]", status: int) -> None:
        """Put a row into the open block; the first of an hour goes into one of its own."""
        ticks_ms = self._ticks_ms()
        hour = self._clock.unix_ms(ticks_ms) // HOUR_MS
        is_snapshot = self._joins and hour != self._hour
        self._hour = hour
        if self._is_open and (is_snapshot or self._clock.quality() != self._quality):
            self.commit()
        if not self._put(ticks_ms, at_ms, values, status):
            self.commit()  # it is full
            if not self._put(ticks_ms, at_ms, values, status):
                self._health.count("rows_lost")
                return
        self.next += 1
        self._health.count("rows")
        if is_snapshot:
            self._is_snapshot = True
            self.commit()

    def _put(
        self, ticks_ms: int, at_ms: int, values: "tuple[int | None, ...]", status: int
    ) -> bool:
        if not self._is_open:
            self._quality, base_ms = self._clock.base(ticks_ms)
            self._opened_ms = self._clock.uptime_ms(ticks_ms)
            self._is_open = True
            self._is_snapshot = False
            self._writer.open(self._ring.rows.log, self._boot, self.next, self._quality, base_ms)
        return self._writer.add(at_ms - self._opened_ms, values, status)

    def tick(self, now_ms: int) -> bool:
        """Store the open block where it is old enough; return whether something was stored."""
        is_due = self._is_open and now_ms - self._opened_ms >= min(self._commit_ms, _DRIFT_MS)
        if not is_due and not self._closed:
            return False
        self.commit()
        return not self._closed

    def commit(self) -> None:
        """Store the open block now.

        What the flash refuses is tried again at the next tick. Rows that find a second block full
        by then are dropped, and counted.
        """
        if self._closed and not self._store(self._closed, self._was_snapshot):
            return
        self._closed = b""
        if self._is_open:
            self._is_open = False
            block = self._writer.close()
            if not self._store(block, self._is_snapshot):
                self._closed, self._was_snapshot = block, self._is_snapshot

    def _store(self, block: bytes, is_snapshot: bool) -> bool:
        try:
            self._ring.append(block, is_snapshot)
        except OSError:
            self._health.count("flash_errors")
            return False
        return True
