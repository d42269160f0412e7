"""What ``ports.StoreWriter`` promises, held against the SQLite store."""

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.errors import JournalFullError
from gateway.model import Event, Position, Quality
from gateway.ports import (
    Checkpoint,
    CountRow,
    DeviceRow,
    LatestRow,
    MemoryRow,
    StoreWriter,
    StreamRow,
    Totals,
)
from gateway.profiles import Profiles, load_profiles
from gateway.store import Merger, Store, StoreReader
from tests.store_tools import (
    DAY0_MS,
    DAY_MS,
    FOREVER,
    Row,
    batch_of,
    checkpoint_at,
    fleet,
    rows_of,
)


@pytest.fixture(scope="module")
def profiles() -> Profiles:
    return load_profiles()


@pytest.fixture
def reader(tmp_path: Path, profiles: Profiles) -> Iterator[StoreReader]:
    reader = StoreReader(tmp_path, profiles)
    yield reader
    reader.close()


def lineage(reader: StoreReader) -> list[Row]:
    batch, after = reader.readings("em1", None, 0, FOREVER, 10**6, lineage=True)
    assert after is None
    return rows_of(batch)


def event(time_ms: int, record: int, kind: str = "event") -> Event:
    return Event(time_ms, time_ms + 5, 3, kind, 99, '{"c":99}', record)


def test_the_store_is_what_the_port_asks_for(tmp_path: Path) -> None:
    store: StoreWriter = Store.open(tmp_path)
    store.write([], [])


def test_a_new_store_begins_at_the_first_record(tmp_path: Path) -> None:
    loaded = Store.open(tmp_path).load()
    assert loaded == Checkpoint(Position(1), Totals(0, 0, 0, 0, 0, 0, 0), [], [], [], [])


def test_rows_are_visible_when_write_returns(tmp_path: Path, reader: StoreReader) -> None:
    store = Store.open(tmp_path)
    rows = [Row(5, DAY0_MS + 7, 1, 0), Row(4, DAY0_MS + 7, 2, 0), Row(5, DAY0_MS, 3, 1)]
    store.write([batch_of(rows)], [event(DAY0_MS, 4)])
    assert lineage(reader) == [rows[2], rows[1], rows[0]]
    assert reader.events(0, FOREVER) == ([event(DAY0_MS, 4)], None)


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    first = Checkpoint(
        Position(10, 2, 345),
        Totals(9, 8, 1, 0, 7, 1, 1),
        [DeviceRow(0, "evn", "energy", "m-0", 1, 5), DeviceRow(1, "evn", "energy", "m-1", 0, 6)],
        [StreamRow(0, 7, 0, 1, 1, 90, 55, "[[95,99]]")],
        [LatestRow(0, "em1", 55, 56, 7, 90, 0, 1, 2**37, b"\0" * 48, b"memory")],
        [CountRow(0, 8, 1, 0, 7, 1, 1, 56, "online")],
        [MemoryRow("room", "a/é", b"\0a"), MemoryRow("room", "b", b"b"), MemoryRow("s", "b", b"")],
    )
    store.checkpoint(first)
    second = first._replace(
        position=Position(12, 2, 400),
        devices=[],
        streams=[first.streams[0]._replace(high_water=99, ranges="[]")],
        latest=[],
        counts=[CountRow(1, 1, 0, 0, 1, 0, 0, 57, "lost")],
        # an empty one goes, and may come again in the same checkpoint
        memories=[
            MemoryRow("room", "b", b""),
            MemoryRow("room", "a/é", b""),
            MemoryRow("room", "a/é", b"new"),
        ],
    )
    store.checkpoint(second)
    store.close()
    assert Store.open(tmp_path).load() == Checkpoint(
        second.position,
        first.totals,
        first.devices,
        second.streams,
        first.latest,
        [*first.counts, *second.counts],
        (MemoryRow("room", "a/é", b"new"),),
    )


def test_a_state_file_of_before_decoders_were_kept_is_opened_and_keeps_them(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "state.sqlite")) as state:
        state.execute("DROP TABLE memory")
    store = Store.open(tmp_path)
    kept = store.load()._replace(memories=(MemoryRow("room", "a", b"a"),))
    store.checkpoint(kept)
    store.close()
    assert Store.open(tmp_path).load() == kept


def test_what_lies_past_the_checkpoint_is_gone_after_opening(
    tmp_path: Path, reader: StoreReader
) -> None:
    store = Store.open(tmp_path)
    rows = [Row(record % 3, DAY0_MS - record * 10_000_000, record, record) for record in (1, 2, 3)]
    store.write([batch_of(rows)], [event(DAY0_MS, 2), event(DAY0_MS, 3)])
    store.checkpoint(checkpoint_at(3))
    store.write([batch_of([Row(9, DAY0_MS, 4, 4)])], [event(DAY0_MS, 4)])
    store.close()
    again = Store.open(tmp_path)
    assert lineage(reader) == [rows[1], rows[0]]
    assert reader.events(0, FOREVER)[0] == [event(DAY0_MS, 2)]
    again.write([batch_of(rows[2:])], [])
    assert lineage(reader) == [rows[2], rows[1], rows[0]]


def test_a_page_across_the_checkpoint_is_cut_exactly(tmp_path: Path, reader: StoreReader) -> None:
    store = Store.open(tmp_path)
    store.write([fleet(range(100), [DAY0_MS])], [])  # one page, records 1 to 100
    store.checkpoint(checkpoint_at(38))
    store.close()
    Store.open(tmp_path).close()
    assert sorted(row.record for row in lineage(reader)) == list(range(1, 38))


def test_a_late_reading_goes_to_its_day(tmp_path: Path, reader: StoreReader) -> None:
    store = Store.open(tmp_path)
    times = [DAY0_MS, DAY0_MS - 60 * DAY_MS, DAY0_MS - 7000 * DAY_MS, 0, DAY0_MS + 60_000 * DAY_MS]
    rows = [Row(1, time_ms, place + 1) for place, time_ms in enumerate(times)]
    store.write([batch_of(rows)], [])
    assert len(list((tmp_path / "store").glob("day-*.sqlite"))) == len(times)
    assert lineage(reader) == sorted(rows, key=lambda row: row.time_ms)
    for row in rows:
        batch, _ = reader.readings("em1", 1, row.time_ms, row.time_ms + 1, 10)
        assert rows_of(batch) == [row]


def test_find_times_knows_fresh_and_merged_readings_of_one_device(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    minutes = [DAY0_MS - DAY_MS + minute * 60_000 for minute in range(0, 2880, 7)]
    store.write([fleet([1, 2], minutes)], [])
    asked = np.array([minutes[0], minutes[0] + 1, minutes[-1], minutes[5], minutes[5]])
    want = [minutes[0], minutes[5], minutes[-1]]
    assert store.find_times("em1", 2, asked).tolist() == want
    store.checkpoint(checkpoint_at(10**6))
    merger = Merger(tmp_path)
    while merger.merge_once(DAY0_MS + 3 * DAY_MS):
        pass
    assert store.find_times("em1", 2, asked).tolist() == want
    assert store.find_times("em1", 3, asked).tolist() == []
    assert store.find_times("tl1", 2, asked).tolist() == []
    assert store.find_times("em1", 2, np.empty(0, np.int64)).tolist() == []


def test_text_that_is_not_unicode_is_kept_readable(tmp_path: Path, reader: StoreReader) -> None:
    store = Store.open(tmp_path)
    store.write([], [Event(DAY0_MS, DAY0_MS, 1, "event", 0, '"\udcff\0é"', 1)])
    assert reader.events(0, FOREVER)[0][0].detail == '"\\udcff\0é"'


def test_an_event_with_a_number_is_kept_once(tmp_path: Path, reader: StoreReader) -> None:
    store = Store.open(tmp_path)
    numbered = '{"c":99,"log":7,"en":3}'
    for record in (1, 2):  # a node repeats it; another node has one like it
        again = Event(DAY0_MS, DAY0_MS + record, 1, "event", 99, numbered, 3 * record)
        other = Event(DAY0_MS, DAY0_MS + record, 2, "event", 99, numbered, 3 * record + 1)
        plain = Event(DAY0_MS, DAY0_MS + record, 1, "event", 99, '{"c":99}', 3 * record + 2)
        store.write([], [again, other, plain] if record == 1 else [again, plain])
    found = [(event.device_index, event.detail) for event in reader.events(0, FOREVER)[0]]
    assert sorted(found) == [(1, numbered), *[(1, '{"c":99}')] * 2, (2, numbered)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root may mount a small tmpfs")
    command = [mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this container may not mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_reported_and_nothing_is_lost_or_doubled(
    small_disk: Path, profiles: Profiles
) -> None:
    store = Store.open(small_disk)
    reader = StoreReader(small_disk, profiles)
    ballast = small_disk / "ballast"
    random = np.random.default_rng(4)
    written = 0
    failures = 0
    for first in range(1, 120_001, 6000):
        days = [DAY0_MS - day * DAY_MS for day in range(3)]
        batch = fleet(range(2000), days, first)
        batch.values[:] = random.normal(size=batch.values.shape)  # does not compress
        if first == 6001:
            with ballast.open("wb") as file:
                file.write(bytes(1_200_000))
        try:
            store.write([batch], [event(DAY0_MS, first)])
        except JournalFullError:
            failures += 1
            with pytest.raises(JournalFullError):
                store.write([batch], [event(DAY0_MS, first)])
            ballast.unlink(missing_ok=True)
            store.write([batch], [event(DAY0_MS, first)])
        written += len(batch)
        if failures:
            break
    assert failures == 1
    assert sorted(row.record for row in lineage(reader)) == list(range(1, written + 1))
    assert len(reader.events(0, FOREVER)[0]) == written // 6000
    store.checkpoint(checkpoint_at(written + 1))
    reader.close()
    store.close()


def fill_up(file: Path) -> None:
    with file.open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017  # how full is full


def test_a_disk_too_full_for_a_checkpoint_is_reported_and_the_old_one_holds(
    small_disk: Path,
) -> None:
    store = Store.open(small_disk)
    store.checkpoint(checkpoint_at(5))
    fill_up(small_disk / "ballast")
    many = [LatestRow(k, "em1", 1, 1, 0, 0, 0, 1, 0, bytes(48), bytes(64)) for k in range(5000)]
    with pytest.raises(JournalFullError):
        store.checkpoint(checkpoint_at(9)._replace(latest=many))
    assert store.load().position.number == 5
    (small_disk / "ballast").unlink()
    store.checkpoint(checkpoint_at(9)._replace(latest=many))
    assert store.load().position.number == 9
    assert len(store.load().latest) == 5000
    store.close()


def test_quality_decides_what_is_shown(tmp_path: Path, reader: StoreReader) -> None:
    store = Store.open(tmp_path)
    suspect = Row(1, DAY0_MS, 1, 0, Quality.SUSPECT)
    edited = Row(1, DAY0_MS, 2, 0, Quality.EDITED, 42.0)
    store.write([batch_of([suspect])], [])
    assert rows_of(reader.readings("em1", 1, 0, FOREVER, 9)[0]) == [suspect]
    store.write([batch_of([edited])], [])
    assert rows_of(reader.readings("em1", 1, 0, FOREVER, 9)[0]) == [edited]
    assert lineage(reader) == [suspect, edited]
