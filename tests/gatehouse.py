"""A pipeline with a store in memory, as the processor would drive it; crashes included."""

import json
from collections.abc import Callable, Sequence

import numpy as np

from gateway.config.sections import ValidationSection
from gateway.decode import Collector, Decoders, Foreign
from gateway.ledger import Ledger
from gateway.model import (
    NO_SEQ,
    Event,
    IntArray,
    Position,
    Quarantined,
    ReadingBatch,
    Record,
)
from gateway.pipeline import Outcome, Pipeline, Stages
from gateway.ports import Checkpoint, CountRow, DeviceRow, LatestRow, MemoryRow, StreamRow, Totals
from gateway.profiles import load_profiles
from gateway.registry import Directory, Registry
from gateway.screen import Screen, Window
from gateway.validate import Validator

PROFILES = load_profiles()
T0_MS = 1_795_300_200_000  # 2026-11-21, a boundary of half an hour
Reading = tuple[int, str, int, int, int, int]  # device, profile, log, seq, time, record


class MemoryStore:
    """What ``ports.StoreWriter`` promises, in dictionaries."""

    def __init__(self) -> None:
        self.batches: list[ReadingBatch] = []
        self.events: list[Event] = []
        self.quarantined: dict[int, Quarantined] = {}
        self.position = Position()
        self.totals = Totals(0, 0, 0, 0, 0, 0, 0)
        self._devices: dict[int, DeviceRow] = {}
        self._streams: dict[tuple[int, int, int], StreamRow] = {}
        self._latest: dict[tuple[int, str], LatestRow] = {}
        self._counts: dict[int, CountRow] = {}
        self._memories: dict[tuple[str, str], MemoryRow] = {}

    def write(self, outcome: Outcome) -> None:
        self.batches += outcome.readings
        self.events += outcome.events
        self.quarantined |= {entry.record: entry for entry in outcome.quarantined}

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        self.position, self.totals = checkpoint.position, checkpoint.totals
        self._devices |= {row.device_index: row for row in checkpoint.devices}
        self._streams |= {(row.device_index, row.log, row.epoch): row for row in checkpoint.streams}
        self._latest |= {(row.device_index, row.profile): row for row in checkpoint.latest}
        self._counts |= {row.device_index: row for row in checkpoint.counts}
        for memory in checkpoint.memories:  # those that go come first
            self._memories.pop(memory[:2], None)
            if memory.memory:
                self._memories[memory[:2]] = memory

    def everything(self) -> Checkpoint:
        return Checkpoint(
            self.position,
            self.totals,
            list(self._devices.values()),
            list(self._streams.values()),
            list(self._latest.values()),
            list(self._counts.values()),
            list(self._memories.values()),
        )

    def crash(self) -> None:
        """Drop what lies at or past the last checkpoint, as the opening of a store does."""
        number = self.position.number
        self.batches = [batch.take(batch.record < number) for batch in self.batches]
        self.events = [event for event in self.events if event.record < number]
        self.quarantined = {n: entry for n, entry in self.quarantined.items() if n < number}

    def find_times(self, profile: str, device_index: int, times_ms: IntArray) -> IntArray:
        known = [
            batch.time_ms[batch.device_index == device_index]
            for batch in self.batches
            if batch.profile == profile
        ]
        return np.intersect1d(times_ms, np.concatenate([np.zeros(0, np.int64), *known]))

    def readings(self) -> list[Reading]:
        return sorted(
            reading
            for batch in self.batches
            for reading in zip(
                batch.device_index.tolist(),
                [batch.profile] * len(batch),
                batch.log.tolist(),
                batch.seq.tolist(),
                batch.time_ms.tolist(),
                batch.record.tolist(),
                strict=True,
            )
        )


class Gatehouse:
    """The pipeline, its store, and the means to kill it."""

    def __init__(
        self,
        registry: Registry | None = None,
        *,
        enrols: bool = True,
        foreign: Callable[[], Sequence[Foreign]] = tuple,
    ) -> None:
        self.store = MemoryStore()
        self._foreign = foreign
        self._registry, self._enrols = registry, enrols
        self.start()

    def start(self) -> None:
        """Open what is stored and build the pipeline from it."""
        self.store.crash()
        saved = self.store.everything()
        self.directory = Directory(
            self._registry, enrols=self._enrols, max_devices=10_000, rows=saved.devices
        )
        numbers = {name: profile.number for name, profile in PROFILES.items()}
        self.pipeline = Pipeline(
            Stages(
                self.directory,
                Decoders(PROFILES, foreign=self._foreign()),
                Collector,
                Screen(PROFILES, Window.of(ValidationSection())),
                Ledger(numbers, self.store.find_times),
                Validator(PROFILES, self.directory.exchanged),
            )
        )
        self.pipeline.restore(saved)

    def run(self, records: Sequence[Record], damaged: Sequence[Quarantined] = ()) -> Outcome:
        outcome = self.pipeline.run(records, damaged)
        self.store.write(outcome)
        return outcome

    def checkpoint(self, number: int) -> None:
        self.store.checkpoint(self.pipeline.checkpoint(Position(number)))

    def counts(self) -> dict[int, CountRow]:
        return {row.device_index: row for row in self.store.everything().counts}


def rows_message(
    seq: int,
    time_ms: int,
    rows: Sequence[Sequence[float | None]] = ((0, 1000, 0, 100, 2300, 50, 900, 0),),
    *,
    profile: str = "em1",
    boot: int | None = None,
    log: int = 0,
) -> bytes:
    body: dict[str, object] = {"p": profile, "t": time_ms, "r": rows, "log": log}
    if seq != NO_SEQ:
        body["n"] = seq
    if boot is not None:
        body["b"] = boot
    return json.dumps(body).encode()


def record_of(
    number: int,
    payload: bytes,
    topic: str = "tg/1/hanoi/energy/meter-1/t",
    *,
    received_ms: int = T0_MS,
    flags: int = 1,
) -> Record:
    return Record(number, received_ms, 0, flags, topic.encode(), payload)
