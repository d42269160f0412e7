"""An outbox, read as lines.

Of readings and rollups a record's topic is the name of the profile, its payload a page
(``store.pages``); of derived measurements the lines are in the record.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import JournalFullError, SinkUnavailableError
from gateway.journal import JournalReader
from gateway.model import Position, Record
from gateway.sinks.readings import Encoded
from gateway.sinks.salvage import RefusedLine
from gateway.store.pages import PageDamagedError

# A page is what one commit of the processor brought for one profile, at most 5,000 readings of
# ~130 B as lines, so a load is at most batch + 8 × 5,000 lines: some 7 MB a sink.
_RECORDS_AT_ONCE = 8
_MOST_RECORDS = 1024  # in a load of pages without lines: keeps one call short


@dataclass(slots=True)
class Load:
    """Lines to be written together, and where the outbox goes on after them."""

    end: Position
    lines: list[bytes] = field(default_factory=list)
    received_ms: int = 0  # when the oldest record was put into the outbox; 0: there is none
    records: int = 0
    skipped: int = 0  # records that were deleted before this sink came to them
    empty: int = 0  # readings without any value: no line
    lost: list[RefusedLine] = field(default_factory=list)  # never sent: damaged or unwritable


class Feed:
    """Reads the outbox for one sink. Blocks like a disk: to be called in a thread.

    Args:
        open_reader: opens the outbox at a position.
        durable: number of the last outbox record that is on disk; later ones may be torn.
        encode: turns a record into lines; a record that is damaged raises PageDamagedError.
    """

    def __init__(
        self,
        open_reader: Callable[[Position], JournalReader],
        durable: Callable[[], int],
        encode: Callable[[Record], Encoded],
    ) -> None:
        self._open_reader = open_reader
        self._durable = durable
        self._encode = encode
        self._reader: JournalReader | None = None

    @property
    def durable(self) -> int:
        """Number of the last record that may be read."""
        return self._durable()

    def seek(self, position: Position) -> None:
        """Read on from ``position``."""
        self.close()
        self._reader = self._open_reader(position)

    def read(self, batch: int) -> Load:
        """Return whole records with at least ``batch`` lines, fewer at the end of the outbox.

        Raises:
            OSError: the outbox cannot be read.
            JournalFullError: the names cannot be, at a full disk.
            SinkUnavailableError: a device is not in the names yet; nothing is skipped.
        """
        if self._reader is None:
            raise ValueError("seek first")
        start = self._reader.position
        try:
            return self._read(self._reader, Load(start), batch)
        except (OSError, JournalFullError, LookupError) as error:
            self.seek(start)  # what was read is lost with the load: read it again
            if isinstance(error, LookupError):
                raise SinkUnavailableError(f"a device has no name yet: {error}") from error
            raise

    def _read(self, reader: JournalReader, load: Load, batch: int) -> Load:
        up_to = self._durable()
        skipped = reader.skipped
        while len(load.lines) < batch and load.records < _MOST_RECORDS:
            records, damaged = reader.read(_RECORDS_AT_ONCE, up_to)
            if not records and not damaged:
                break
            for record in records:
                self._add(load, record)
            for loss in damaged:
                load.lost.append(RefusedLine(loss.payload, f"outbox damaged: {loss.detail}"))
            load.records += len(damaged)
        load.skipped = reader.skipped - skipped
        load.end = reader.position
        return load

    def close(self) -> None:
        """Let go of the open file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _add(self, load: Load, record: Record) -> None:
        load.records += 1
        load.received_ms = min(load.received_ms or record.received_ms, record.received_ms)
        try:
            encoded = self._encode(record)
        except PageDamagedError as error:
            load.lost.append(RefusedLine(record.payload, f"outbox damaged: {error}"))
            return
        load.lines += encoded.lines
        load.empty += encoded.empty
        for index, readings, reason in encoded.unwritable:
            words = f"{readings} readings of device {index}: {reason}"
            load.lost.append(RefusedLine(b"", words))


def unpack_lines(record: Record) -> Encoded:
    """Return the lines of a record of ``Outbox.put_lines``.

    Raises:
        PageDamagedError: it holds none.
    """
    try:
        return Encoded(zlib.decompress(record.payload).split(b"\n"), 0, [])
    except zlib.error as error:
        raise PageDamagedError(f"no lines: {error}") from error
