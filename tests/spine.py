"""Journal, pipeline, store, quarantine and the processor's own loop in one process, on real files.

A crash is an exception at a chosen call: the objects are abandoned, the files stay as they are.
"""

import contextlib
import json
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import override

from gateway import processor
from gateway.config import Settings
from gateway.errors import JournalFullError
from gateway.intake import IntakeProcess, IntakeRooms
from gateway.journal import Journal, JournalReader
from gateway.link import Link
from gateway.model import Event, Quarantined, ReadingBatch
from gateway.ports import Checkpoint, CountRow, DeviceRow, Totals
from gateway.profiles import load_profiles
from gateway.quarantine import Entry, Quarantine, QuarantineReader
from gateway.roles import building
from gateway.stats import Stats
from gateway.store import Store, StoreReader

PROFILES = load_profiles()
T0_MS = 1_795_300_200_000  # 2026-11-21 22:30 UTC
FOREVER_MS = 1 << 60


class Crash(BaseException):
    """The process is gone."""


class Trap:
    """Goes off at one of the calls that change files: ``kind`` is "crash" or "full".

    Before it, at call number ``act_at``, ``act`` is what another process does meanwhile.
    """

    def __init__(
        self,
        kind: str = "",
        after: int = 0,
        act_at: int = -1,
        act: Callable[[], None] = lambda: None,
    ) -> None:
        self.kind = kind
        self._left = after
        self._act_at = act_at
        self._act = act

    def after(self) -> None:
        """Pass a place behind a change: a full disk is told before one, never after it."""
        if self.kind != "full":
            self.step()

    def step(self) -> None:
        """Pass one place where the process may die or the disk be full."""
        self._act_at -= 1
        if self._act_at == -1:
            self._act()
        self._left -= 1
        if self.kind and self._left < 0:
            kind, self.kind = self.kind, ""
            raise Crash if kind == "crash" else JournalFullError("no space left")


class TrappedStore(Store):
    """A store whose every file may be the last one written."""

    trap = Trap()

    @override
    def write(self, batches: Sequence[ReadingBatch], events: Sequence[Event]) -> None:
        super().write(batches, events)
        self.trap.after()

    @override
    def checkpoint(self, checkpoint: Checkpoint) -> None:
        self.trap.step()
        super().checkpoint(checkpoint)
        self.trap.after()

    @override
    def _write_day(self, day: int, part: Any) -> None:
        self.trap.step()
        super()._write_day(day, part)


class TrappedQuarantine(Quarantine):
    """A quarantine before and behind each change of which the process may die."""

    trap = Trap()

    @override
    def add(self, entries: Iterable[Quarantined]) -> None:
        self.trap.step()
        super().add(entries)
        self.trap.after()

    @override
    def claim(self, wanted: Sequence[tuple[int, int]]) -> list[Quarantined | None]:
        self.trap.step()
        found = super().claim(wanted)
        self.trap.after()
        return found

    @override
    def remove(self, records: Iterable[int]) -> int:
        self.trap.step()
        return super().remove(records)


class Work(NamedTuple):
    """How a processor works through the journal."""

    first_batch: int = 5
    most: int = 5000
    ticks: tuple[float, ...] = (0.0,)  # of its clock, again and again
    trap: str = ""
    after: int = 0
    requeue_at: int = -1  # everything that is in quarantine by then


class Stored(NamedTuple):
    """One reading as the store has it."""

    device: str
    profile: str
    log: int
    seq: int
    time_ms: int


class Spine:
    """A gateway's inside. ``settings`` may change between two lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings()
        self.now_ms = T0_MS
        self.receipts: list[tuple[str, int, int]] = []  # topic, log, seq
        self.went_off = False  # whether the trap of the last work did
        self.open()

    # -- a life --

    def open(self) -> None:
        """Start: recover what the last life left."""
        self._journal = Journal.open(
            self.folder / "journal",
            segment_bytes=1 << 12,
            max_bytes=1 << 24,
            clock=lambda: self.now_ms,
            not_before=StoreReader(self.folder, {}).position().number,
        )
        self._store = TrappedStore.open(self.folder)
        checkpoint = self._store.load()
        self._pipeline, directory = building.build_pipeline(
            self.settings, PROFILES, checkpoint, self._store.find_times
        )
        number = checkpoint.position.number
        self._quarantine = TrappedQuarantine.open(self.folder, below=number)
        self._reader = JournalReader(self.folder / "journal", checkpoint.position)
        self._topic_of: Callable[[int], str] = lambda index: directory.name_of(index).device

    def abandon(self) -> None:
        """End without a word; handles are closed, nothing is written."""
        self._store.close()
        self._quarantine.close()
        self._reader.close()
        self._journal.close()

    def restart(self, settings: Settings | None = None) -> None:
        """End, and start anew."""
        self.abandon()
        self.settings = settings or self.settings
        self.open()

    # -- what comes in --

    is_congested = False

    @property
    def durable(self) -> int:
        """The last record on disk."""
        return self._journal.durable

    def send(self, topic: str, payload: bytes, flags: int = 1) -> None:
        """Receive a message: it is in the journal when this returns."""
        self.now_ms += 1000
        self.append(0, flags, topic.encode(), payload)
        self._journal.commit()

    def append(self, source: int, flags: int, topic: bytes, payload: bytes) -> int:
        """See ``ports.Intake``."""
        return self._journal.append(self.now_ms, source, flags, topic, payload)

    def requeue(self, **request: object) -> dict[str, int]:
        """Put entries back as the command line asks the intake to."""
        following: dict[str, Any] | None = dict(request)
        done = {"requeued": 0, "unknown": 0}
        while following is not None:
            answer = self.requeue_step(following)
            done = {key: count + answer[key] for key, count in done.items()}
            following = answer["next"]
        return done

    def requeue_step(self, request: dict[str, Any]) -> dict[str, Any]:
        """Put back as many as the intake does at once."""
        commit: Any = self  # of all its methods requeue calls append only
        with contextlib.closing(QuarantineReader(self.folder)) as quarantine:
            rooms = IntakeRooms(commit, self._journal, [], [], quarantine)
            intake = IntakeProcess(rooms, keep_s=0, max_bytes=1, save_stats=lambda: None)
            answer = intake.requeue(request)
        self._journal.commit()
        return answer

    # -- what is made of it --

    def work(self, work: Work = Work()) -> bool:  # noqa: B008  # immutable
        """Run the processor's loop until the journal is done; return whether it crashed."""
        ours, theirs = socket.socketpair()

        def tell() -> None:
            ours.sendall(json.dumps({"durable": self.durable, "stop": True}).encode() + b"\n")

        def requeue_all() -> None:
            quarantine = QuarantineReader(self.folder)
            self.requeue(ids=[entry.record for entry in quarantine.list(1 << 30)])
            quarantine.close()
            tell()

        trap = Trap(work.trap, work.after, work.requeue_at, requeue_all)
        self._store.trap = self._quarantine.trap = trap
        try:
            while True:  # again where something came with the last checkpoint
                tell()
                self._run_once(Link(theirs), work)
                if self._reader.position.number > self.durable:
                    break
        except Crash:
            self.abandon()
            return True
        finally:
            self.went_off = not trap.kind
            self._hear(ours)
            ours.close()
            theirs.close()
        self._store.trap = self._quarantine.trap = Trap()
        return False

    def _run_once(self, link: Link, work: Work) -> None:
        before = processor.FIRST_BATCH, processor.MAX_BATCH
        processor.FIRST_BATCH, processor.MAX_BATCH = work.first_batch, work.most
        try:
            self._processor(link, work.ticks).run()
        finally:
            processor.FIRST_BATCH, processor.MAX_BATCH = before

    def _processor(self, link: Link, ticks: Sequence[float]) -> processor.Processor:
        clock_s = _ticking(ticks)
        rooms = processor.Rooms(
            self._reader,
            self._pipeline,
            self._store,
            self._quarantine,
            None,
            self._topic_of,
            Stats(),
            lambda: self.now_ms,
        )
        return processor.Processor(
            rooms, link, receipt_s=0, monotonic=lambda: next(clock_s), sleep=lambda _: None
        )

    def _hear(self, sock: socket.socket) -> None:
        sock.setblocking(False)  # noqa: FBT003
        data = b""
        with contextlib.suppress(BlockingIOError):
            while piece := sock.recv(1 << 16):
                data += piece
        for line in data.splitlines():
            for topic, payload in json.loads(line).get("receipts", ()):
                body = json.loads(payload)
                self.receipts.append((topic, body["log"], body["seq"]))


def _ticking(ticks: Sequence[float]) -> Iterator[float]:
    now_s = 0.0
    while True:
        for tick_s in ticks:
            now_s += tick_s
            yield now_s


class Sight:
    """What another process sees of a data directory at this moment."""

    def __init__(self, folder: Path) -> None:
        with contextlib.closing(StoreReader(folder, PROFILES)) as store:
            self.totals: Totals = store.accounting()
            self.counts: dict[int, CountRow] = {row.device_index: row for row in store.counts()}
            self.devices: dict[int, DeviceRow] = {row.device_index: row for row in store.devices()}
            self.stored = [reading for name in PROFILES for reading in self._of(store, name)]
        with contextlib.closing(QuarantineReader(folder)) as quarantine:
            self.entries: Sequence[Entry] = quarantine.list(1 << 30)
            payloads = [quarantine.get(entry.record) for entry in self.entries]
            self.kept, _ = quarantine.size()  # those on their way back included
        self.quarantined = [entry for entry in payloads if entry is not None]

    def _of(self, store: StoreReader, profile: str) -> Iterator[Stored]:
        batch, _ = store.readings(profile, None, 0, FOREVER_MS, 1 << 30, lineage=True)
        for index, log, seq, time_ms in zip(
            batch.device_index.tolist(),
            batch.log.tolist(),
            batch.seq.tolist(),
            batch.time_ms.tolist(),
            strict=True,
        ):
            row = self.devices.get(index)  # not there yet: enrolled after the last checkpoint
            yield Stored(row.device if row else f"#{index}", profile, log, seq, time_ms)
