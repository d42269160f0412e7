"""What the journal tests have in common: messages that can be told from their number."""

from pathlib import Path

from gateway.journal import Journal, JournalReader
from gateway.model import Position, Quarantined, Record

START = Position()
TOPIC = b"tg/1/test/energy/em-000001/t"


def payload_of(number: int) -> bytes:
    """Return the payload the tests give to a record: 20 to 219 bytes."""
    return b'{"n":%012d}' % number + b"." * (number * 37 % 200)


def open_journal(
    folder: Path, *, segment_bytes: int = 4096, max_bytes: int = 1 << 30, not_before: int = 1
) -> Journal:
    """Open a journal with small segments."""
    return Journal.open(
        folder,
        segment_bytes=segment_bytes,
        max_bytes=max_bytes,
        clock=lambda: 1_795_300_200_000,
        not_before=not_before,
    )


def append(journal: Journal, count: int = 1) -> None:
    """Append messages that ``expected`` knows."""
    for _ in range(count):
        number = journal.next_number
        journal.append(number * 10, number % 3, number % 8, TOPIC, payload_of(number))


def expected(number: int) -> Record:
    """Return the record ``append`` makes."""
    return Record(number, number * 10, number % 3, number % 8, TOPIC, payload_of(number))


def read_all(
    folder: Path, up_to: int, position: Position = START, limit: int = 7
) -> tuple[list[Record], list[Quarantined]]:
    """Read a journal from a position to a number in small steps."""
    reader = JournalReader(folder, position)
    records: list[Record] = []
    damaged: list[Quarantined] = []
    while True:
        some, lost = reader.read(limit, up_to)
        assert len(some) + len(lost) <= limit
        if not some and not lost:
            break
        records += some
        damaged += lost
    reader.close()
    return records, damaged
