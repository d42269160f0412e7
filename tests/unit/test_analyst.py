"""The analyst's desk: every change reaches the engine, findings are kept once, come what may."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.analyst import Analyst, Desk
from gateway.errors import JournalFullError
from gateway.model import Event
from gateway.ports import Alarm, Changes, Findings, Result
from gateway.profiles import load_profiles
from gateway.stats import Stats
from gateway.store import Merger, Store, StoreReader
from gateway.store.changes import ChangeReader, days_of, is_empty
from gateway.store.derived import AlarmQuery, DerivedReader, DerivedStore
from tests.store_tools import checkpoint_at, fleet

DAY_MS = 86_400_000
NOON_MS = 20_000 * DAY_MS + DAY_MS // 2
FOREVER = AlarmQuery(0, 1 << 53)


class Counter:
    """A real engine, if a simple one: how many readings a day has; alarm at event 99."""

    domain = "energy"

    def __init__(self, data_dir: Path) -> None:
        self.restored: list[bytes] = []
        self.steps: list[Changes] = []
        self._reader = StoreReader(data_dir, load_profiles())

    def restore(self, state: bytes) -> None:
        self.restored.append(state)

    def step(self, changes: Changes, now_ms: int) -> Findings:
        self.steps.append(changes)
        results = []
        for day in sorted(days_of(changes.spans, DAY_MS).get("em1", ())):
            span = (day * DAY_MS, (day + 1) * DAY_MS)
            count = len(self._reader.readings("em1", None, *span, 10**6)[0])
            results.append(Result("readings", "all", *span, json.dumps({"count": count})))
        alarms = [
            Alarm("last_gasp", f"device:{e.device_index}", e.time_ms, now_ms, 0, 3, 1.0, "{}")
            for e in changes.events
            if e.code == 99
        ]
        return Findings(alarms, results, b"%d" % len(self.steps))


class House:
    """A store, and an analyst over it that may be started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store.open(folder)
        self.derived = DerivedStore(folder)
        self.record = 0
        self.start()

    def start(self) -> None:
        self.engine = Counter(self.folder)
        desk = Desk(self.engine, ChangeReader(self.folder))
        reader = StoreReader(self.folder, {})
        self.analyst = Analyst(
            [desk],
            self.derived,
            lambda: reader.position().number - 1,
            lambda: NOON_MS + len(self.engine.steps),
            Stats(),
        )

    def write(self, times_ms: list[int], *, gasps: tuple[int, ...] = (), kept: bool = True) -> None:
        batch = fleet([1, 2], times_ms, self.record + 1)
        self.record += len(batch)
        events = [Event(t, t, 1, "event", 99, "{}", self.record) for t in gasps]
        self.store.write([batch], events)
        if kept:
            self.store.checkpoint(checkpoint_at(self.record + 1))

    def counts(self) -> dict[int, int]:
        asked = Result("readings", "", 0, 1 << 53, "")
        found = DerivedReader(self.folder).results("energy", asked, 100)
        return {one.from_ms // DAY_MS: json.loads(one.body)["count"] for one in found}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_only_what_came_is_looked_at_and_late_readings_change_their_own_day(house: House) -> None:
    house.write([NOON_MS, NOON_MS + 1000])
    house.analyst.step()
    assert house.counts() == {20_000: 4}
    house.analyst.step()
    assert is_empty(house.engine.steps[-1])
    house.write([NOON_MS - 3 * DAY_MS])
    house.analyst.step()
    assert set(days_of(house.engine.steps[-1].spans, DAY_MS)["em1"]) == {19_997}
    assert house.counts() == {19_997: 2, 20_000: 4}


def test_an_alarm_is_one_line_however_often_it_is_found(house: House) -> None:
    house.write([NOON_MS], gasps=(NOON_MS,))
    house.analyst.step()
    reader = DerivedReader(house.folder)
    (first,) = reader.alarms("energy", FOREVER, 10)
    cleared = first.alarm._replace(cleared_ms=NOON_MS + 5000, found_ms=NOON_MS + 9000)
    house.derived.commit("energy", Findings([cleared]), house.record)
    (again,) = reader.alarms("energy", FOREVER, 10)
    assert again.number == first.number
    assert again.alarm == cleared._replace(found_ms=first.alarm.found_ms)
    assert not reader.alarms("energy", FOREVER._replace(is_open=True), 10)
    assert not reader.alarms("energy", FOREVER._replace(from_ms=NOON_MS + 5001), 10)
    assert not reader.alarms("transport", FOREVER, 10)
    assert not reader.alarms("energy", FOREVER, 10, after=first.number)


def test_a_restart_goes_on_where_the_last_commit_was(house: House) -> None:
    house.write([NOON_MS])
    house.analyst.step()
    house.start()
    assert house.engine.restored == [b"1"]
    house.analyst.step()
    assert is_empty(house.engine.steps[0])
    house.write([NOON_MS + 1000], kept=False)  # seen before its checkpoint: it may come again
    house.analyst.step()
    house.start()
    house.analyst.step()
    assert house.engine.steps[0].spans["em1"] == [(NOON_MS + 1000, NOON_MS + 1000)]
    assert house.counts() == {20_000: 4}


def test_a_merge_alone_is_no_change(house: House) -> None:
    for k in range(8):
        house.write([NOON_MS + 1000 * k])
    house.analyst.step()
    merger = Merger(house.folder)
    assert sum(merger.merge_once(NOON_MS + DAY_MS) for _ in range(4))
    house.analyst.step()
    assert is_empty(house.engine.steps[-1])


class Full:
    """The derived store of a disk that is full for a while."""

    def __init__(self, derived: DerivedStore) -> None:
        self.load: Callable[[str], tuple[int, bytes]] = derived.load
        self.is_full = True
        self._derived = derived

    def commit(self, domain: str, findings: Findings, record: int) -> None:
        if self.is_full:
            raise JournalFullError("no space left")
        self._derived.commit(domain, findings, record)


def test_a_full_disk_delays_findings_and_loses_none(house: House, tmp_path: Path) -> None:
    house.write([NOON_MS])
    full = Full(house.derived)
    engine = Counter(tmp_path)
    reader = StoreReader(tmp_path, {})
    analyst = Analyst(
        [Desk(engine, ChangeReader(tmp_path))],
        full,
        lambda: reader.position().number - 1,
        lambda: NOON_MS,
        Stats(),
    )
    analyst.step()
    house.write([NOON_MS + DAY_MS])
    analyst.step()
    assert house.counts() == {}
    full.is_full = False
    analyst.step()
    analyst.step()
    assert house.counts() == {20_000: 2, 20_001: 2}


def test_who_follows_the_changes_gets_each_line_once_and_again_when_it_changes(
    tmp_path: Path,
) -> None:
    store, reader = DerivedStore(tmp_path, lambda: 500), DerivedReader(tmp_path)
    alarm = Alarm("loss", "feeder:f-2", 10, 11, 0, 3, 0.5, "{}")
    lines = [Result("days", f"device:m-{n}", 0, 100, "{}") for n in range(3)]
    assert reader.changed(0, 10) == []
    store.commit("energy", Findings([alarm], lines), 1)
    told = reader.changed(0, 10)
    assert [one.line for one in told] == [alarm, *lines]
    assert [one.change for one in told] == [500, 501, 502, 503]
    assert [one.line for one in reader.changed(500, 2)] == lines[:2]
    store.close()

    again = DerivedStore(tmp_path, lambda: 7)  # a start later numbers on, whatever the clock says
    cleared = alarm._replace(cleared_ms=50)
    again.commit("energy", Findings([cleared], [lines[1]._replace(body='{"a":1}')]), 2)
    assert [(one.change, one.line.place) for one in reader.changed(503, 10)] == [
        (504, "feeder:f-2"),
        (505, "device:m-1"),
    ]
    # the newest version only: what was overwritten is not told
    assert [one.change for one in reader.changed(0, 10)] == [501, 503, 504, 505]
    assert reader.number_before(100) == 500  # the first line that ends at 100 has 501
    assert reader.number_before(101) == 505


def test_a_file_of_before_there_were_numbers_is_numbered_from_now_on(tmp_path: Path) -> None:
    old = DerivedStore(tmp_path)
    old.commit("energy", Findings(results=[Result("days", "device:m-1", 0, 100, "{}")]), 1)
    old.close()
    with closing(sqlite3.connect(tmp_path / "derived.sqlite")) as file:
        for table in ("alarm", "result"):
            file.execute(f"DROP INDEX {table}_change")
            file.execute(f"ALTER TABLE {table} DROP COLUMN change")
    reader = DerivedReader(tmp_path)
    assert (reader.changed(0, 10), reader.number_before(0)) == ([], 0)
    store = DerivedStore(tmp_path)
    assert reader.changed(0, 10) == []
    store.commit("energy", Findings(results=[Result("days", "device:m-2", 0, 100, "{}")]), 2)
    assert [one.line.place for one in reader.changed(0, 10)] == ["device:m-2"]
