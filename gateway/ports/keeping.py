"""What is kept and how: journal, store, and the rows that commit together in a checkpoint."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.model import Event, IntArray, Position, Quarantined, ReadingBatch, Record


class DeviceRow(NamedTuple):
    """A device as the state file keeps it; its index is dense, from 0, never reused."""

    device_index: int
    org: str
    sector: str
    device: str
    is_registered: int
    first_seen_ms: int


class StreamRow(NamedTuple):
    """The ledger's knowledge of one log of one device; ``epoch`` rises when it counts anew."""

    device_index: int
    log: int
    epoch: int
    boot: int
    first: int  # lowest sequence number expected
    high_water: int  # everything from ``first`` up to here is in the gateway
    last_time_ms: int
    # JSON [[from, to], …] seen above high_water or below first, inclusive, sorted; "" (not "[]")
    # says that this epoch of the log is forgotten: its row goes
    ranges: str


class LatestRow(NamedTuple):
    """The newest good reading of a device and profile, and the validator's memory of it."""

    device_index: int
    profile: str
    time_ms: int
    received_ms: int
    log: int
    seq: int
    status: int
    quality: int
    reasons: int
    values: bytes  # float64 little endian, scaled units, one per column
    memory: bytes  # what ``validate`` wants back after a restart; opaque here


class CountRow(NamedTuple):
    """The accounts of one device, in readings and in messages."""

    device_index: int
    stored: int
    duplicate: int
    quarantined: int
    messages_stored: int
    messages_duplicate: int
    messages_quarantined: int
    last_received_ms: int
    state: str  # "online" | "lost" | "" unknown, from lane s


class MemoryRow(NamedTuple):
    """What a decoder knows of earlier messages, such as the names that a birth gave to numbers."""

    room: str
    key: str
    memory: bytes  # opaque here; empty: the row goes


class Totals(NamedTuple):
    """The accounts of the gateway; device −1 holds what belongs to no device."""

    received_messages: int  # = highest journal record number known, minus requeued ones
    stored: int
    duplicate: int
    quarantined: int
    messages_stored: int
    messages_duplicate: int
    messages_quarantined: int

    @property
    def decided_messages(self) -> int:
        """Messages that have a fate."""
        return self.messages_stored + self.messages_duplicate + self.messages_quarantined

    @property
    def pending_messages(self) -> int:
        """Messages in the journal that the pipeline has not yet reached."""
        return self.received_messages - self.decided_messages


class Checkpoint(NamedTuple):
    """What commits together, after the rows: cursor, ledger, counters and all that is dirty."""

    position: Position
    totals: Totals
    devices: Sequence[DeviceRow]
    streams: Sequence[StreamRow]
    latest: Sequence[LatestRow]
    counts: Sequence[CountRow]
    memories: Sequence[MemoryRow] = ()  # those that go first


class StoreWriter(Protocol):
    """The processor's side of the store. One instance, one thread.

    Between two checkpoints ``write`` may be called any number of times. After a crash the
    opening has already removed every row whose ``record`` is at or past the position of the
    last checkpoint, so processing the journal again from there stores each reading once.
    """

    def write(self, batches: Sequence[ReadingBatch], events: Sequence[Event]) -> None:
        """Make rows visible to readers; returns when they are committed (synchronous=FULL).

        Raises:
            JournalFullError: the disk is full. Nothing is lost: the caller tries again, and
                rows that are already visible from a torn attempt do not come twice.
        """

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Commit the cursor and everything dirty, after the rows written so far.

        Raises:
            JournalFullError: the disk is full; call again.
        """

    def find_times(self, profile: str, device_index: int, times_ms: IntArray) -> IntArray:
        """Return which of ``times_ms`` already have a reading of this device and profile.

        The slow path of the ledger: only for readings without sequence number that are not
        newer than the newest of their device.
        """


class JournalReading(Protocol):
    """A reader of a journal with a place of its own."""

    @property
    def position(self) -> Position:
        """Where the next ``read`` begins."""

    def read(self, limit: int, up_to: int) -> tuple[Sequence[Record], Sequence[Quarantined]]:
        """Return at most ``limit`` records with numbers ≤ ``up_to`` and move on.

        Fewer where they are large, none only where there is none.
        Damaged stretches come as quarantine entries with what is left of their bytes, one for
        each record number that is lost, and do not stop the reader.
        """
