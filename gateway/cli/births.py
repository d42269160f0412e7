"""What decoders knew where a replay begins: births that came before it."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.config import Settings
from gateway.decode.foreign.sparkplug import LIVE, PAST
from gateway.decode.foreign.sparkplug_past import ROOM, Births, is_ours, names_of
from gateway.journal import JournalReader
from gateway.model import IMPORT_SOURCE, IntArray, Position, Record, RecordFlag
from gateway.ports import Checkpoint, MemoryRow, Totals
from gateway.profiles import Profiles
from gateway.roles import building
from gateway.store import StoreReader

_STEP = 5_000
_NOTHING = Totals(0, 0, 0, 0, 0, 0, 0)
Memories = Mapping[tuple[str, str], bytes]  # by room and key


def blank(start: Position, memories: Memories) -> Checkpoint:
    """Return a beginning at which nothing is known but what births have said."""
    rows = [MemoryRow(*key, memory) for key, memory in memories.items()]
    return Checkpoint(start, _NOTHING, [], [], [], [], rows)


def kept_births(settings: Settings, profiles: Profiles) -> Sequence[MemoryRow]:
    """Return what births have said by the last checkpoint; to be read before the journal's end."""
    reader = StoreReader(settings.gateway.data_dir, profiles)
    return [row for row in reader.memories() if row.room == ROOM]


def births_before(
    settings: Settings, profiles: Profiles, kept: Sequence[MemoryRow], span: tuple[int, int]
) -> Memories:
    """Return what births had said where a replay begins.

    Births in the journal before that place are read anew. Where the journal has none of a node or
    device, before or behind, the last checkpoint still knows the one that held: it is older than
    the journal. ``seq`` is not known of these, so that no leap is found where there was none.

    Args:
        settings: the configuration.
        profiles: all of them.
        kept: of the last checkpoint.
        span: where the replay begins, and the last record of the journal.
    """
    start, last = span
    births = Births()
    pipeline, _ = building.build_pipeline(
        settings, profiles, blank(Position(number=1), {}), _nothing_stored
    )
    reader = JournalReader(settings.gateway.data_dir / "journal", Position(number=1))
    for records in _sparkplug(reader, last, births):
        pipeline.run([record for record in records if record.number < start], [])
    found = {(row.room, row.key): row.memory for row in kept if births.leaves(row.key)}
    for row in pipeline.checkpoint(reader.position).memories:
        if row.memory:
            found[row.room, row.key] = row.memory
    return found


def _sparkplug(reader: JournalReader, last: int, births: Births) -> Iterator[Sequence[Record]]:
    """Yield the messages of Sparkplug, as they were sent first, and note their births."""
    while True:
        records, damaged = reader.read(_STEP, last)
        if not records and not damaged:
            return
        ours = [
            record
            for record in records
            if is_ours(record.topic) and not record.flags & RecordFlag.REQUEUED
        ]
        for record in ours:
            names = names_of(record.topic)
            if names is not None:
                births.take(PAST if record.source == IMPORT_SOURCE else LIVE, names)
        yield ours


def with_later(before: Memories, rows: Sequence[MemoryRow]) -> list[MemoryRow]:
    """Return what is known in the end, to be written into a new store."""
    found = dict(before)
    for room, key, memory in rows:
        found[room, key] = memory
    return [MemoryRow(*key, memory) for key, memory in found.items() if memory]


def _nothing_stored(_profile: str, _device_index: int, times_ms: IntArray) -> IntArray:
    return times_ms[:0]
