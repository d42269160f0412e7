"""The seams: who calls, when, what survives, which errors. One contract suite each.

Four processes share one data directory and meet only here (``app.py`` starts them):

=========  ======================================================  =======================
process    does                                                    the only writer of
=========  ======================================================  =======================
intake     sources → journal → PUBACK; receipts; control socket    ``journal/``
processor  journal → pipeline → store, ledger, quarantine, outbox  ``store/`` rows, state
keeper     outbox → sinks; merges pages, retention                 sink cursors, merges
web        API, metrics and board                                  nothing
=========  ======================================================  =======================

A crash of any of them is a crash of all (the supervisor restarts the whole), so there is one
recovery: the journal drops its torn tail, the store drops what lies past the last checkpoint,
and the processor goes on from there. Everything after the journal is a function of it.
"""

import ssl
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from gateway.config.sections import ListenerSource
from gateway.model import Event, FloatArray, IntArray, Position, Quarantined, ReadingBatch, Record


class Intake(Protocol):
    """Where sources put messages: the journal behind a group commit. Lives in the event loop.

    Called by every source of the process, never from another thread.
    """

    @property
    def is_congested(self) -> bool:
        """Whether sources must stop reading: too much waits for the disk, or it is full."""

    def append(self, source: int, flags: int, topic: bytes, payload: bytes) -> int:
        """Take a message and return its record number; it is *not yet durable*.

        Numbers rise by one with every call. The caller acknowledges the message to its peer
        only once ``on_durable`` reported that number or a later one. Never raises for a full
        disk: the message waits in memory, unacknowledged, and ``is_congested`` turns true.
        """

    def on_durable(self, listener: Callable[[int], None]) -> None:
        """Call ``listener(number)`` after each commit: every record up to ``number`` is on disk."""

    def on_relief(self, listener: Callable[[], None]) -> None:
        """Call ``listener()`` each time congestion has ended, so that reading may go on."""


class Publisher(Protocol):
    """How receipts, commands and configuration go down to a device: a source, seen from below."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send at QoS 0 to whoever is subscribed; a peer that cannot take it loses it.

        Receipts are coalesced and repeated by the next one, so a lost one does no harm.
        """


class Source(Publisher, Protocol):
    """Where messages come from. ``run`` is one task of the intake process."""

    async def run(self) -> None:
        """Receive until cancelled; reconnects as often as it takes, with full jitter.

        PUBACKs go out in the order the messages came in, each after ``Intake.on_durable``
        named its record. What was not acknowledged before a lost connection or a crash must
        come again from the peer. When ``Intake.is_congested`` the source stops reading its
        sockets (back pressure), it never drops.

        Raises:
            OSError: a listener cannot bind its address.
        """


class ClientRole(StrEnum):
    """What a client of the listener may do."""

    DEVICE = "device"  # its own lanes
    CONCENTRATOR = "concentrator"  # its own lanes and those of the devices under it
    MONITOR = "monitor"  # reads everything at QoS 0, writes nothing
    ANONYMOUS = "anonymous"  # loopback only: the topic is the identity, reads everything


class Identity(NamedTuple):
    """Who is at the other end of a connection."""

    device: str  # "" for an anonymous client
    role: ClientRole
    org: str = ""
    sector: str = ""
    under: frozenset[str] = frozenset()  # of a concentrator: "device" or "sector/device"
    credential: int = 0  # the one it came with; others of the same device may outlive it
    not_after_ms: int = 0  # 0 = no end


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client shows of itself; the password is kept out of every ``repr``."""

    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    common_name: str | None = None  # of a client certificate that TLS has verified
    fingerprint: bytes = b""  # SHA-256 of that certificate
    psk_identity: str | None = None  # TLS has verified that the client has this one's key


class Authenticator(Protocol):
    """Who may connect to a listener. Called in the event loop, so it never waits for a network."""

    def authenticate(self, credentials: Credentials) -> Identity | None:
        """Return who this is, None where it is nobody who may come in."""

    def changed(self) -> Collection[str]:
        """Return the devices whose credentials changed since the last call (about once a second).

        The listener then asks ``is_current`` for each of their connections.
        """

    def is_current(self, identity: Identity) -> bool:
        """Return whether the credential behind an identity is still good."""

    def server_context(self, section: ListenerSource) -> ssl.SSLContext | None:
        """Return the TLS side of a listener, None where it has none.

        Raises:
            ConfigError: a file is missing or wrong, or PSK is not possible here.
        """


class Route(NamedTuple):
    """What the registry says of the device a message belongs to."""

    device_index: int  # dense, from 0, never reused
    sector: str
    is_registered: bool  # False: auto-enrolled, graded so


class DeviceDirectory(Protocol):
    """The part of the registry that the pipeline needs: names to indexes."""

    def route(self, org: str, sector: str, device: str) -> Route:
        """Return the route of a device, enrolling it where that is allowed.

        Raises:
            RejectedError: ``identity`` or ``unregistered``.
        """


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
    ranges: str  # JSON [[from, to], …] seen above high_water or below first, inclusive, sorted


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
    def pending_messages(self) -> int:
        """Messages in the journal that the pipeline has not yet reached."""
        done = self.messages_stored + self.messages_duplicate + self.messages_quarantined
        return self.received_messages - done


class Checkpoint(NamedTuple):
    """What commits together, after the rows: cursor, ledger, counters and all that is dirty."""

    position: Position
    totals: Totals
    devices: Sequence[DeviceRow]
    streams: Sequence[StreamRow]
    latest: Sequence[LatestRow]
    counts: Sequence[CountRow]


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

        Damaged stretches come as quarantine entries with what is left of their bytes, one for
        each record number that is lost, and do not stop the reader.
        """


class Sink(Protocol):
    """A database that takes lines. Never called concurrently with itself; keeper process."""

    name: str

    async def connect(self) -> None:
        """Create the database where that is possible, write the canary point and read it back.

        Raises:
            SinkUnavailableError, SinkDeniedError: as ``write``.
        """

    async def write(self, lines: Sequence[bytes]) -> None:
        """Write all lines or raise.

        Raises:
            SinkUnavailableError: keep the batch; honour ``retry_after_s``.
            SinkDeniedError: 401, 403, 404: keep everything, alarm, at most one try in 30 s.
            SinkRefusedError: the content is wrong (400, 413, 422): the drain bisects.
        """

    async def started_at(self) -> str | None:
        """Return a token that changes when the server restarts, None where it has none."""

    async def close(self) -> None:
        """Close connections; nothing is called afterwards."""


class Decode(Protocol):
    """One payload format. Pure: no clock, socket or file."""

    def __call__(self, record: Record, route: Route, lane: str, out: "Collecting") -> None:
        """Add the readings of one message to ``out``, all of them or none.

        Raises:
            RejectedError: the payload cannot be read; ``out`` is unchanged.
        """


class Collecting(Protocol):
    """Gathers decoded rows of many messages into columns."""

    def add_rows(
        self,
        header: "RowsHeader",
        rows: Sequence[Sequence[float | None]],
    ) -> None:
        """Add rows ``[dt_ms, value…, status]`` of one message; widths already checked."""

    def add_columns(
        self, header: "RowsHeader", dt_ms: IntArray, values: FloatArray, status: IntArray
    ) -> None:
        """Add the rows of one message as arrays; ``values`` has shape (rows, columns)."""

    def add_event(self, event: Event) -> None:
        """Add an event or a state message."""


class RowsHeader(NamedTuple):
    """What the rows of one message have in common."""

    profile: str
    device_index: int
    log: int
    boot: int  # -1 where the device counts no boots
    seq: int  # of the first row; NO_SEQ where the device sends none
    time_ms: int  # base; 0 = the device has no clock
    lane: str
    record: int
    received_ms: int
    is_registered: bool
    max_age_ms: int  # 0 = the configuration's [validation] max_age


Tap = Callable[[Iterable[Record]], None]
