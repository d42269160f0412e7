"""The loop of the processor process: journal → pipeline → store, quarantine, outbox → receipts.

Theory of operation
    Everything here is a function of the journal. A *step* takes the records that became durable,
    runs the pure pipeline and makes its outcome visible. A *checkpoint* commits the cursor, the
    ledger and the counters, after the rows. What lies past the last checkpoint when the process
    dies is removed at the next opening and made again from the journal.

    The first steps after a start are small (5 messages, then twice as many each time) and each
    is checkpointed, so that even a process that dies every few writes gets on.
"""

import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from gateway.errors import JournalFullError
from gateway.link import Link
from gateway.model import (
    REQUEUE_NUMBER_BYTES,
    Quarantined,
    QuarantineReason,
    ReadingBatch,
    Record,
    RecordFlag,
)
from gateway.pipeline import Outcome, Pipeline
from gateway.ports import JournalReading, StoreWriter
from gateway.stats import Stats

FIRST_BATCH = 5
# At 60,000 messages/s twelve steps a second. Measured per message: 1,000 cost 20 % more, 20,000
# save nothing and hold four times the memory. The journal cuts batches of large messages shorter.
MAX_BATCH = 5_000
LINGER_S = 0.04  # gathers single readings into one page; a tenth of the promised 500 ms
CHECKPOINT_S = 0.5
# Each device that has spoken costs a checkpoint 10 to 15 µs: 25 ms for 2,000 of them, 0.3 s for
# 20,000, which are then checkpointed less often.
CHECKPOINT_SHARE = 0.2  # of the time, at the most
# Each log has one receipt a second. All at once they would hold the intake, and so PUBACKs, up
# for 5 µs each; a tenth of them at a time is a millisecond for 2,000 devices.
RECEIPTS_EVERY_S = 0.1
RETRY_S = 0.25
LAST_TRIES = 3  # when it is time to stop: those who wait for us do so for a second
_REQUEUED = int(RecordFlag.REQUEUED)  # a plain number: the enumeration's own & takes 1 µs


class QuarantineStore(Protocol):
    """What the processor needs of ``gateway.quarantine.Quarantine``."""

    def add(self, entries: Sequence[Quarantined]) -> None:
        """Keep entries, once each however often they come."""

    def claim(self, wanted: Sequence[tuple[int, int]]) -> list[Quarantined | None]:
        """Hide entries and return them; of each pair, the second is the record that has it now.

        None where the entry is gone or another record has it. The same pair may come again.
        """

    def remove(self, numbers: Iterable[int]) -> int:
        """Forget entries."""


class Outbox(Protocol):
    """What the processor needs of the journal that feeds the sinks."""

    def put(self, batches: Sequence[ReadingBatch]) -> None:
        """Make batches durable for the sinks, which do not see them yet."""

    def publish(self) -> None:
        """Show the sinks what was put: the names of its devices are committed now."""


class Rooms(NamedTuple):
    """What the processor works with; ``app`` puts it together."""

    journal: JournalReading
    pipeline: Pipeline
    store: StoreWriter
    quarantine: QuarantineStore
    outbox: Outbox | None
    topic_of: Callable[[int], str]  # of a device's receipts
    stats: Stats
    clock: Callable[[], int]  # Unix ms


class Processor:
    """One instance, one thread, one process."""

    def __init__(
        self,
        rooms: Rooms,
        link: Link,
        *,
        receipt_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        save_stats: Callable[[], None] = lambda: None,
    ) -> None:
        self._rooms = rooms
        self._link = link
        self._parts = max(1, round(receipt_s / RECEIPTS_EVERY_S))  # of all logs, in turn
        self._part = 0
        self._part_s = receipt_s / self._parts
        self._now = monotonic
        self._sleep = sleep
        self._save_stats = save_stats
        self._durable = 0
        self._batch = FIRST_BATCH
        self._requeued: list[int] = []  # entries to forget once a checkpoint has taken them over
        self._stops = False
        self._is_dirty = False
        self._checkpoint_due_s = self._receipts_due_s = self._stats_due_s = monotonic()

    def run(self) -> None:
        """Work until told to stop, or until the intake is gone; the last act is a checkpoint.

        Raises:
            JournalFullError: told to stop while the disk is full.
        """
        # it may be at the end already: the intake would wait for word of it when it stops
        self._link.send({"keep": self._rooms.journal.position.number})
        while self._link.is_open and not self._is_done():
            self._listen(0.0 if self._is_dirty or self._stops else 0.25)
            began_s = self._now()
            while self._step():
                self._keep_up()
            self._keep_up()
            rest_s = LINGER_S - (self._now() - began_s)
            if rest_s > 0 and not self._stops:
                self._sleep(rest_s)
        self._checkpoint()
        self._send_receipts()
        self._save_stats()

    def _is_done(self) -> bool:
        return self._stops and self._rooms.journal.position.number > self._durable

    def _listen(self, until_s: float) -> None:
        for message in self._link.poll(until_s):
            self._durable = max(self._durable, message.get("durable", 0))
            self._stops = self._stops or message.get("stop", False)

    def _keep_up(self) -> None:
        now_s = self._now()
        if self._is_dirty and now_s >= self._checkpoint_due_s:
            self._checkpoint()
        self._send_due_receipts(now_s)
        self._send_wishes()
        if now_s >= self._stats_due_s:
            self._save_stats()
            self._stats_due_s = now_s + 1.0

    def _step(self) -> bool:
        """Process one batch; return whether there may be more at once."""
        if self._rooms.journal.position.number > self._durable:
            return False
        began_s = self._now()
        records, damaged = self._rooms.journal.read(self._batch, self._durable)
        if not records and not damaged:
            return False
        self._process(records, damaged)
        self._observe(records, self._now() - began_s)
        if self._batch < MAX_BATCH:
            self._batch = min(MAX_BATCH, self._batch * 2)
            self._checkpoint()
            self._send_receipts()  # devices wait for them since an earlier life ended
        return True

    def _process(self, records: Sequence[Record], damaged: Sequence[Quarantined]) -> None:
        outcome = self._rooms.pipeline.run(self._unpack(records), damaged)
        self._is_dirty = True
        self._make_visible(outcome)
        for entry in outcome.quarantined:
            count = self._rooms.stats.count
            count("infragate_quarantined_total", entry.readings, reason=entry.reason)

    def _make_visible(self, outcome: Outcome) -> None:
        """Write to each room until it has taken it: what one has must not come to it twice."""
        rooms = self._rooms
        self._until_it_fits(lambda: rooms.store.write(outcome.readings, outcome.events))
        if outcome.quarantined:
            self._until_it_fits(lambda: rooms.quarantine.add(outcome.quarantined))
        outbox = rooms.outbox
        if outbox is not None and outcome.readings:
            self._until_it_fits(lambda: outbox.put(outcome.readings))

    def _unpack(self, records: Sequence[Record]) -> Sequence[Record]:
        """Give requeued records their own payload back and take their old fate off the books.

        One whose entry is not there any more (requeued twice, or dropped meanwhile) is nothing.
        """
        pairs = [(_entry_of(record), record.number) for record in records if _is_requeued(record)]
        if not pairs:
            return records
        claimed: list[Quarantined | None] = []
        self._until_it_fits(lambda: claimed.extend(self._rooms.quarantine.claim(pairs)))
        entries = {by: entry for (_, by), entry in zip(pairs, claimed, strict=True)}
        unpacked = []
        for record in records:
            entry = entries.get(record.number)
            if entry is not None:
                self._rooms.pipeline.requeued(entry)
                self._requeued.append(entry.record)
                unpacked.append(_put_back(record, entry))
            elif _is_requeued(record):
                self._rooms.pipeline.skip(record.number)
            else:
                unpacked.append(record)
        return unpacked

    def _checkpoint(self) -> None:
        if not self._is_dirty:
            return
        began_s = self._now()
        position = self._rooms.journal.position
        checkpoint = self._rooms.pipeline.checkpoint(position)
        # what the journal holds beyond the cursor is received already, and pending
        totals = self._rooms.pipeline.totals(max(self._durable, position.number - 1))
        checkpoint = checkpoint._replace(totals=totals)
        self._until_it_fits(lambda: self._rooms.store.checkpoint(checkpoint))
        if self._rooms.outbox is not None:
            self._rooms.outbox.publish()
        if self._requeued:
            self._until_it_fits(lambda: self._rooms.quarantine.remove(self._requeued))
            self._requeued.clear()
        self._is_dirty = False
        now_s = self._now()
        self._checkpoint_due_s = now_s + max(CHECKPOINT_S, (now_s - began_s) / CHECKPOINT_SHARE)
        self._link.send({"keep": position.number})

    def _send_due_receipts(self, now_s: float) -> None:
        for _ in range(self._parts):
            if now_s < self._receipts_due_s:
                return
            self._send_receipts(self._part, self._parts)
            self._part = (self._part + 1) % self._parts
            self._receipts_due_s += self._part_s
        self._receipts_due_s = max(self._receipts_due_s, now_s)

    def _send_receipts(self, part: int = 0, parts: int = 1) -> None:
        receipts = [
            [self._rooms.topic_of(receipt.device_index), receipt.payload().decode()]
            for receipt in self._rooms.pipeline.receipts(part, parts)
        ]
        if receipts:
            self._link.send({"receipts": receipts})

    def _send_wishes(self) -> None:
        """Send what decoders ask of devices, such as a birth; base64, since it may be binary."""
        wishes = self._rooms.pipeline.wishes()
        if commands := [[topic, b64encode(payload).decode()] for topic, payload in wishes]:
            self._link.send({"commands": commands})

    def _until_it_fits(self, write: Callable[[], object]) -> None:
        """Retry at a full disk: the outcome is in memory, the messages are in the journal.

        Raises:
            JournalFullError: the disk is full, and it is time to stop.
        """
        tries_left = LAST_TRIES
        while True:
            try:
                write()
            except JournalFullError:
                self._rooms.stats.count("infragate_disk_full_total")
                self._listen(0.0)
                tries_left -= self._stops or not self._link.is_open
                if not tries_left:
                    raise  # what is not checkpointed is made again at the next start
                self._sleep(RETRY_S)
            else:
                return

    def _observe(self, records: Sequence[Record], took_s: float) -> None:
        stats = self._rooms.stats
        stats.observe("infragate_step_seconds", took_s)
        if records:
            waited_s = max(0.0, (self._rooms.clock() - records[0].received_ms) / 1000)
            stats.observe("infragate_end_to_end_seconds", waited_s, len(records))
        stats.gauge("infragate_batch_messages", len(records))


def _is_requeued(record: Record) -> bool:
    return record.flags & _REQUEUED != 0


def _entry_of(record: Record) -> int:
    return int.from_bytes(record.payload[:REQUEUE_NUMBER_BYTES], "big")


def _put_back(record: Record, entry: Quarantined) -> Record:
    """Return the message of an entry: received when it came, not when a mapping was mended.

    But for one that was refused for its time: then it was the gateway's clock that was mended.
    """
    is_mistimed = entry.reason == QuarantineReason.TIME
    received_ms = record.received_ms if is_mistimed else entry.received_ms
    return record._replace(payload=record.payload[REQUEUE_NUMBER_BYTES:], received_ms=received_ms)
