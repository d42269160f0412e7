"""The journal against a list: whatever is done to it, it is that list, cut off at both ends."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

from gateway.journal import Journal, JournalReader, verify
from gateway.model import Position, Record
from tests.journal_tools import open_journal


class JournalMachine(RuleBasedStateMachine):
    """One writer and two readers: one that stays and one that comes back by its position."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="journal-"))
        self.journal: Journal = open_journal(self.folder, segment_bytes=600)
        self.model: list[Record] = []  # index 0 is record 1
        self.durable = 0
        self.staying = JournalReader(self.folder, Position())
        self.stayed = 0
        self.position = Position()

    @rule(
        payload=st.binary(max_size=900),
        topic=st.binary(max_size=40),
        source=st.integers(0, 255),
        flags=st.integers(0, 255),
        received_ms=st.integers(-(2**63), 2**63 - 1),
    )
    def append(
        self, payload: bytes, topic: bytes, source: int, flags: int, received_ms: int
    ) -> None:
        number = self.journal.append(received_ms, source, flags, topic, payload)
        self.model.append(Record(number, received_ms, source, flags, topic, payload))
        assert number == len(self.model)

    @rule(limit=st.none() | st.integers(1, 5))
    def commit(self, limit: int | None) -> None:
        waiting = len(self.model) - self.durable
        self.durable += waiting if limit is None else min(limit, waiting)
        assert self.journal.commit(limit) == self.durable

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        self.journal = open_journal(self.folder, segment_bytes=600)
        del self.model[self.durable :]

    @rule(limit=st.integers(1, 9))
    def read_on(self, limit: int) -> None:
        records, damaged = self.staying.read(limit, self.durable)
        self.check(self.stayed, limit, list(records))
        assert not damaged
        self.stayed += len(records)

    @rule(limit=st.integers(1, 9))
    def come_back(self, limit: int) -> None:
        reader = JournalReader(self.folder, self.position)
        records, damaged = reader.read(limit, self.durable)
        self.check(self.position.number - 1, limit, list(records))
        assert not damaged
        self.position = reader.position
        reader.close()

    @rule(hint=st.integers(0, 5000), segment=st.integers(0, 40))
    def come_back_with_a_wrong_hint(self, hint: int, segment: int) -> None:
        records, damaged = JournalReader(
            self.folder, Position(self.position.number, segment, hint)
        ).read(3, self.durable)
        self.check(self.position.number - 1, 3, list(records))
        assert not damaged

    @precondition(lambda self: self.durable)
    @rule(back=st.integers(0, 10))
    def delete_what_all_have_read(self, back: int) -> None:
        number = min(self.stayed + 1, self.position.number) - back
        before = self.journal.size_bytes
        deleted = self.journal.delete_before(number)
        assert (deleted > 0) == (self.journal.size_bytes < before)

    @invariant()
    def counts_are_right(self) -> None:
        assert self.journal.durable == self.durable
        assert self.journal.next_number == len(self.model) + 1
        pending = self.model[self.durable :]
        assert self.journal.pending_count == len(pending)
        assert self.journal.pending_bytes == sum(
            32 + len(r.topic) + len(r.payload) for r in pending
        )
        files = list(self.folder.glob("*.journal"))
        assert self.journal.size_bytes == sum(file.stat().st_size for file in files)

    def check(self, start: int, limit: int, records: list[Record]) -> None:
        assert records == self.model[start : min(start + limit, self.durable)]

    @override
    def teardown(self) -> None:
        self.journal.close()
        self.staying.close()
        if self.durable:
            report = verify(self.folder)
            assert report.is_sound
            assert not report.damaged
            assert report.torn_bytes == 0
        shutil.rmtree(self.folder)


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
