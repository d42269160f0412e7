"""From journal records to graded readings, every one of them accounted for.

Pure composition: no clock, socket or file. The same records after the same checkpoint give the
same outcome, however they are cut into batches:

    decode → screen → ledger → validate
      └ whole messages   └ rows      └ duplicates
        to quarantine      to quarantine

A row that is refused is known to the ledger like any other: its device gets the receipt and does
not send it again for ever.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from gateway.errors import RejectedError
from gateway.ledger import Ledger, Receipt
from gateway.model import (
    DecodedBatch,
    Event,
    Position,
    Quarantined,
    QuarantineReason,
    ReadingBatch,
    Record,
    RecordFlag,
)
from gateway.pipeline import guarded
from gateway.pipeline.accounts import Accounts, Fate
from gateway.pipeline.judged import NO_FATE, Judged, Messages
from gateway.pipeline.words import Earlier, earlier_of, entry_of_message, entry_of_rows, words_of
from gateway.ports import (
    Checkpoint,
    Collecting,
    DeviceDirectory,
    LatestRow,
    MemoryRow,
    Totals,
)
from gateway.registry import Directory, Registry
from gateway.screen import Screen
from gateway.topics import parse_topic
from gateway.validate import Validator

__all__ = ["Collecting", "DeviceDirectory", "Outcome", "Pipeline", "Stages"]

_NOTHING = RejectedError(QuarantineReason.SCHEMA, "neither a reading nor an event in it")


class Decoding(guarded.Decoding, Protocol):
    """What the pipeline needs of ``decode.Decoders``."""

    def forget_routes(self) -> None:
        """Ask the directory anew from now on."""

    def memories(self) -> Sequence[MemoryRow]:
        """Return what decoders know of earlier messages and have not given yet."""

    def restore(self, memories: Sequence[MemoryRow], latest: Sequence[LatestRow]) -> None:
        """Give decoders back what they knew, and the newest readings."""

    def wishes(self) -> list[tuple[str, bytes]]:
        """Return topics and payloads of commands that decoders want sent, each once."""


class Stages(NamedTuple):
    """The rooms a message passes, in order."""

    directory: Directory
    decoders: Decoding
    collector: Callable[[], guarded.Collected]
    screen: Screen
    ledger: Ledger
    validator: Validator


class Outcome(NamedTuple):
    """What became of some records."""

    readings: list[ReadingBatch]
    events: list[Event]
    quarantined: list[Quarantined]
    change: Totals  # how much each total has grown


class Pipeline:
    """All stages and the books. The caller writes each outcome to the store before the next."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._accounts = Accounts()
        self._last_number = 0
        self._earlier: dict[tuple[bytes, bytes], list[Earlier]] = {}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint; the directory has been given its devices already."""
        self._stages.ledger.restore(checkpoint.streams)
        self._stages.decoders.restore(checkpoint.memories, checkpoint.latest)
        self._stages.validator.restore(checkpoint.latest)
        self._accounts.restore(checkpoint.counts, checkpoint.position.number)
        self._last_number = checkpoint.position.number - 1

    def reload(self, registry: Registry | None) -> None:
        """Take another registry file from the next record on."""
        self._stages.directory.reload(registry)
        self._stages.decoders.forget_routes()

    def requeued(self, entry: Quarantined) -> None:
        """Name the entry that a record in the next ``run`` with ``REQUEUED`` was taken from.

        Its quarantine is taken back as that record is processed, and of its rows only those come
        again that had been refused. Each entry may come back once: after the checkpoint it must
        be gone. A record for which no entry is named counts as a new message.
        """
        self._earlier.setdefault((entry.topic, entry.payload), []).append(earlier_of(entry))

    def skip(self, number: int) -> None:
        """Take note of a record that stands for nothing: it has no fate and was not received."""
        self._accounts.requeue()
        self._last_number = max(self._last_number, number)

    def run(self, records: Sequence[Record], damaged: Sequence[Quarantined] = ()) -> Outcome:
        """Process records in the order of their numbers."""
        before = self._accounts.totals(self._last_number)
        numbers = [record.number for record in records]
        self._last_number = max(
            self._last_number, *numbers[-1:], *(entry.record for entry in damaged), 0
        )
        earlier = self._match(records)
        stages = self._stages
        said = guarded.read(records, stages.decoders, stages.directory, stages.collector)
        words, marks = words_of(said.events)
        judged = Judged.of(
            sorted(said.batches, key=_profile),
            stages.screen,
            stages.ledger,
            marks,
            {number: message.rows for number, message in earlier.items()},
        )
        messages = Messages(numbers, judged, said.events)
        entries = self._entries(records, said.unread, judged, messages, earlier)
        self._book(records, messages, judged, entries, earlier)
        for entry in damaged:
            self._accounts.quarantine(entry.device_index, entry.readings, 1)
        for word in words:
            self._accounts.set_state(word.device_index, word.state)
        readings = [stages.validator.grade(batch) for batch in judged.stored()]
        quarantined = sorted([*entries.values(), *damaged], key=_record)
        after = self._accounts.totals(self._last_number)
        change = Totals(*(new - old for new, old in zip(after, before, strict=True)))
        return Outcome(readings, said.events, quarantined, change)

    def checkpoint(self, position: Position) -> Checkpoint:
        """Return everything that changed since the last one, for ``StoreWriter.checkpoint``.

        ``position`` is the reader's, right behind the last record that was run.
        """
        stages = self._stages
        return Checkpoint(
            position,
            self._accounts.totals(position.number - 1),
            stages.directory.new_rows(),
            stages.ledger.dirty_rows(),
            stages.validator.latest_rows(),
            list(self._accounts.dirty_rows()),
            stages.decoders.memories(),
        )

    def totals(self, last_number: int) -> Totals:
        """Return the accounts, where ``last_number`` is the highest record in the journal."""
        return self._accounts.totals(last_number)

    def receipts(self, part: int = 0, parts: int = 1) -> list[Receipt]:
        """Return the receipts that are due; everything they say is in the journal."""
        return self._stages.ledger.receipts(part, parts)

    def wishes(self) -> list[tuple[str, bytes]]:
        """Return topics and payloads of commands to devices, each once; one lost is no harm."""
        return self._stages.decoders.wishes()

    def _match(self, records: Sequence[Record]) -> dict[int, Earlier]:
        """Find the entries that were named for records put back from quarantine."""
        earlier = {}
        if self._earlier:
            for record in records:
                named = self._earlier.get((record.topic, record.payload))
                if record.flags & RecordFlag.REQUEUED and named:
                    earlier[record.number] = named.pop(0)
            self._earlier.clear()
        return earlier

    def _entries(
        self,
        records: Sequence[Record],
        unread: Mapping[int, RejectedError],
        judged: Judged,
        messages: Messages,
        earlier: Mapping[int, Earlier],
    ) -> dict[int, Quarantined]:
        """Return the quarantine entries by record number."""
        entries = {}
        is_refused = messages.rows[:, Fate.QUARANTINED] > 0
        for place in np.flatnonzero(messages.is_empty() | is_refused).tolist():
            record, before = records[place], earlier.get(records[place].number)
            if is_refused[place]:
                refusals, size = judged.refusals_of(record.number)
                stored = int(messages.rows[place, Fate.STORED]) + (before.stored if before else 0)
                device = int(messages.device[place])
                entry = entry_of_rows(record, refusals, size, stored, device)
            elif before is not None and before.rows is not None:
                # some of its rows were good once; keep saying which were not
                entry = replace(before.entry, record=record.number)
            else:
                error = unread.get(record.number, _NOTHING)
                entry = entry_of_message(record, error.reason, error.detail, self._sender(record))
            entries[record.number] = entry
        return entries

    def _book(
        self,
        records: Sequence[Record],
        messages: Messages,
        judged: Judged,
        entries: Mapping[int, Quarantined],
        earlier: Mapping[int, Earlier],
    ) -> None:
        accounts, fates = self._accounts, messages.fates()
        for place in np.flatnonzero(messages.is_empty()).tolist():
            messages.device[place] = entries[records[place].number].device_index
            fates[place] = Fate.QUARANTINED
        for place, record in enumerate(records if earlier else ()):
            before = earlier.get(record.number)
            if before is not None:
                accounts.requeue()
                was_quarantined = 0 if before.stored else 1
                device = before.entry.device_index
                accounts.quarantine(device, -before.entry.readings, -was_quarantined)
                fates[place] = NO_FATE if before.stored else fates[place]
        for entry in entries.values():
            accounts.quarantine(entry.device_index, entry.readings, 0)
        for fate in Fate:
            accounts.count_messages(fate, messages.device[fates == fate])
            if fate is not Fate.QUARANTINED:
                for devices in judged.devices_of(fate):
                    accounts.count_readings(fate, devices)
        received_ms = np.array([record.received_ms for record in records], np.int64)
        accounts.heard(messages.device, received_ms)

    def _sender(self, record: Record) -> int:
        """Return the index of the device whose topic it is, −1 where there is none."""
        name = parse_topic(record.topic)
        if name is None:
            return -1
        return self._stages.directory.known(name.org, name.sector, name.device)


def _profile(batch: DecodedBatch) -> str:
    return batch.readings.profile


def _record(entry: Quarantined) -> int:
    return entry.record
