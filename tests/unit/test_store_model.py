"""Any order of writes, checkpoints, crashes and merges shows what a dictionary would."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from gateway.model import Event, Quality
from gateway.profiles import load_profiles
from gateway.store import Merger, Store, StoreReader
from tests.store_tools import (
    DAY0_MS,
    DAY_MS,
    FOREVER,
    Row,
    batch_of,
    checkpoint_at,
    rows_of,
    shown,
)

PROFILES = load_profiles()
# Few devices and times, so that readings contradict each other; today, late and very late ones.
PLACE = st.tuples(
    st.integers(0, 4),
    st.sampled_from([0, 0, 0, 1, 60]),
    st.integers(0, 5),
    st.sampled_from([Quality.VALID, Quality.RAW, Quality.EDITED, Quality.IMPUTED]),
)


class StoreMachine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="store-model-"))
        self.runs = 0
        self.folder = self.root / "0"
        self.folder.mkdir()
        self.rows: list[Row] = []
        self.events: list[Event] = []
        self.next_record = 1
        self.kept = 1  # position of the last checkpoint
        self._open()

    def _open(self) -> None:
        self.store = Store.open(self.folder)
        self.reader = StoreReader(self.folder, PROFILES)
        self.merger = Merger(self.folder)

    @rule(places=st.lists(PLACE, min_size=1, max_size=30), messages=st.integers(1, 30))
    def write(self, places: list[tuple[int, int, int, Quality]], messages: int) -> None:
        rows = []
        for number, (device, days, minute, quality) in enumerate(places):
            record = self.next_record + number * messages // len(places)
            time_ms = DAY0_MS - days * DAY_MS + minute * 60_000
            rows.append(Row(device, time_ms, record, number, quality, float(record)))
        event = Event(rows[0].time_ms, DAY0_MS, rows[0].device, "event", 7, "{}", rows[0].record)
        self.store.write([batch_of(rows[:3]), batch_of(rows[3:])], [event])
        self.rows += rows
        self.events.append(event)
        self.next_record += messages

    @rule(back=st.integers(0, 40))
    def checkpoint(self, back: int) -> None:
        """The processor may checkpoint behind what it wrote, never before its last one."""
        self.kept = max(self.kept, self.next_record - back)
        self.store.checkpoint(checkpoint_at(self.kept))

    @rule(is_closed=st.booleans(), steps=st.integers(1, 6))
    def merge(self, *, is_closed: bool, steps: int) -> None:
        for _ in range(steps):
            self.merger.merge_once(DAY0_MS + (9 * DAY_MS if is_closed else 0))

    @rule()
    def crash(self) -> None:
        """Go on from a copy of the files, as a killed process leaves them."""
        self.runs += 1
        copy = self.root / str(self.runs)
        shutil.copytree(self.folder, copy)
        self._close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self._open()
        self.rows = [row for row in self.rows if row.record < self.kept]
        self.events = [event for event in self.events if event.record < self.kept]
        self.next_record = self.kept
        assert self.store.load().position.number == self.kept

    @precondition(lambda self: self.rows)
    @rule(limit=st.integers(1, 7), lineage=st.booleans())
    def page_through(self, limit: int, *, lineage: bool) -> None:
        found: list[Row] = []
        after = None
        while True:
            batch, after = self.reader.readings(
                "em1", None, 0, FOREVER, limit, after, lineage=lineage
            )
            assert len(batch) <= limit
            found += rows_of(batch)
            if after is None:
                break
            assert len(batch) == limit
        if lineage:
            assert sorted(found) == sorted(self.rows)
        else:
            assert found == shown(self.rows)

    @rule(device=st.integers(0, 4), minute=st.integers(0, 5), width=st.integers(0, 4))
    def read_one_device(self, device: int, minute: int, width: int) -> None:
        first, end = DAY0_MS + minute * 60_000, DAY0_MS + (minute + width) * 60_000
        batch, after = self.reader.readings("em1", device, first, end, 1000)
        wanted = [row for row in self.rows if row.device == device and first <= row.time_ms < end]
        assert (rows_of(batch), after) == (shown(wanted), None)

    @invariant()
    def everything_is_shown(self) -> None:
        batch, _ = self.reader.readings("em1", None, 0, FOREVER, 10**6)
        assert rows_of(batch) == shown(self.rows)
        events, _ = self.reader.events(0, FOREVER)
        assert sorted(event.record for event in events) == sorted(e.record for e in self.events)

    def _close(self) -> None:
        for part in (self.reader, self.merger, self.store):
            part.close()

    @override
    def teardown(self) -> None:
        if hasattr(self, "root"):
            self._close()
            shutil.rmtree(self.root)


TestStoreModel = StoreMachine.TestCase
TestStoreModel.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
