"""Merging changes where readings are, never what is read."""

import dataclasses
import itertools
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gateway.model import ReadingBatch
from gateway.profiles import load_profiles
from gateway.store import Merger, Store, StoreReader
from gateway.store.days import FINAL
from tests.store_tools import DAY0_MS, DAY_MS, FOREVER, checkpoint_at, fleet, rows_of

CLOSED_MS = DAY0_MS + 2 * DAY_MS


def day_file(folder: Path) -> Path:
    return folder / "store" / "day-20261122.sqlite"


def pages(folder: Path) -> list[tuple[int, int, int, int, int]]:
    connection = sqlite3.connect(day_file(folder))
    found = connection.execute(
        "SELECT level, run, device_lo, device_hi, n FROM page ORDER BY level, run, device_lo"
    ).fetchall()
    connection.close()
    return found


def everything(folder: Path) -> ReadingBatch:
    reader = StoreReader(folder, load_profiles())
    batch, _ = reader.readings("em1", None, 0, FOREVER, 10**7, lineage=True)
    reader.close()
    return batch


def filled(folder: Path, writes: int, devices: int, times: int) -> Store:
    store = Store.open(folder)
    for place in range(writes):
        minutes = [DAY0_MS + (place * times + k) * 1000 for k in range(times)]
        store.write([fleet(range(devices), minutes, 1 + place * devices * times)], [])
    store.checkpoint(checkpoint_at(1 + writes * devices * times))
    return store


def merged(folder: Path, now_ms: int) -> int:
    merger = Merger(folder)
    steps = 0
    while merger.merge_once(now_ms):
        steps += 1
    merger.close()
    return steps


def test_a_closed_day_becomes_one_run_of_pages_that_do_not_overlap(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    record, at_ms = 1, DAY0_MS
    for times in (100, 70, 130):  # runs whose pages end at different devices
        for _ in range(8):
            store.write([fleet(range(90), range(at_ms, at_ms + times), record)], [])
            record, at_ms = record + 90 * times, at_ms + times
        store.checkpoint(checkpoint_at(record))
        merged(tmp_path, DAY0_MS)
    before = rows_of(everything(tmp_path))
    assert len({run for _, run, *_ in pages(tmp_path)}) == 3
    # 216,000 rows are more than one step may take, so pages lie across the borders of steps.
    assert merged(tmp_path, CLOSED_MS) >= 4
    assert rows_of(everything(tmp_path)) == before
    found = pages(tmp_path)
    assert {(level, run) for level, run, *_ in found} == {(FINAL, found[0][1])}
    assert all(n <= 2048 for *_, n in found)
    # A page may end within a device (2,400 rows each), never reach over the next one's.
    for (*_, above, _), (_, _, lower, *_) in itertools.pairwise(found):
        assert above <= lower
    assert sum(above == lower for (*_, above, _), (_, _, lower, *_) in itertools.pairwise(found))


def test_late_rows_of_a_few_devices_repack_their_pages_only(tmp_path: Path) -> None:
    store = filled(tmp_path, writes=8, devices=100, times=10)
    merged(tmp_path, CLOSED_MS)
    before = pages(tmp_path)
    late = range(DAY0_MS + 10_000_000, DAY0_MS + 10_000_200)
    store.write([fleet(range(30, 38), late, 8001)], [])
    store.checkpoint(checkpoint_at(10_000))
    merged(tmp_path, CLOSED_MS)
    after = pages(tmp_path)
    for _, run, low, high, n in before:
        assert ((FINAL, run, low, high, n) in after) == (high < 30 or low > 37)
    ranges = sorted((low, high) for _, _, low, high, _ in after)
    assert all(above <= lower for (_, above), (lower, _) in itertools.pairwise(ranges))
    assert len(everything(tmp_path)) == 9600


def test_a_merge_that_stops_half_way_goes_on_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path, writes=12, devices=90, times=100).close()
    before = rows_of(everything(tmp_path))
    while pages(tmp_path)[0][0] != FINAL:
        merger = Merger(tmp_path)  # a new one for every step: none remembers its plan
        worked = merger.merge_once(CLOSED_MS)
        merger.close()
        assert rows_of(everything(tmp_path)) == before
        assert worked


def test_the_runs_of_a_hot_day_stay_few(tmp_path: Path) -> None:
    store = filled(tmp_path, writes=0, devices=1, times=1)
    merger = Merger(tmp_path)
    for place in range(300):
        store.write([fleet(range(20), [DAY0_MS + place], 1 + place * 20)], [])
        store.checkpoint(checkpoint_at(21 + place * 20))
        while merger.merge_once(DAY0_MS):
            pass
        assert len(pages(tmp_path)) <= 2 * 8
    assert len(everything(tmp_path)) == 6000


def test_what_is_newer_than_the_checkpoint_is_not_merged(tmp_path: Path) -> None:
    store = filled(tmp_path, writes=10, devices=5, times=2)
    store.write([fleet(range(5), [DAY0_MS], 101)], [])
    merged(tmp_path, CLOSED_MS)
    levels = [(level, n) for level, *_, n in pages(tmp_path)]
    assert levels == [(0, 5), (FINAL, 100)]


def test_a_few_late_rows_do_not_repack_a_closed_day(tmp_path: Path) -> None:
    store = filled(tmp_path, writes=10, devices=50, times=4)
    merged(tmp_path, CLOSED_MS)
    store.write([fleet([3], [DAY0_MS + 77_777], 3001)], [])
    store.checkpoint(checkpoint_at(4000))
    final = [page for page in pages(tmp_path) if page[0] == FINAL]
    merged(tmp_path, CLOSED_MS)
    assert [page for page in pages(tmp_path) if page[0] == FINAL] == final
    assert len(everything(tmp_path)) == 2001


def test_an_idle_day_is_not_looked_at_again(tmp_path: Path) -> None:
    filled(tmp_path, writes=2, devices=5, times=2).close()
    merger = Merger(tmp_path)
    while merger.merge_once(CLOSED_MS):
        pass
    stamp = day_file(tmp_path).stat().st_mtime_ns
    assert not merger.merge_once(CLOSED_MS)
    assert day_file(tmp_path).stat().st_mtime_ns == stamp


def test_a_damaged_page_costs_its_own_readings_only(tmp_path: Path) -> None:
    filled(tmp_path, writes=10, devices=5, times=2).close()
    connection = sqlite3.connect(day_file(tmp_path))
    connection.execute("UPDATE page SET data = zeroblob(length(data)) WHERE id = 4")
    connection.commit()
    connection.close()
    good = [record for record in range(1, 101) if not 30 < record <= 40]
    assert np.sort(everything(tmp_path).record).tolist() == good
    merged(tmp_path, CLOSED_MS)
    reader = StoreReader(tmp_path, load_profiles())
    batch, _ = reader.readings("em1", None, 0, FOREVER, 1000, lineage=True)
    assert np.sort(batch.record).tolist() == good
    assert reader.damaged_pages == 1  # still there, as evidence, and never merged
    Store.open(tmp_path).close()


def test_a_damaged_page_past_the_checkpoint_does_not_stop_the_start(tmp_path: Path) -> None:
    store = filled(tmp_path, writes=1, devices=5, times=2)
    store.write([fleet(range(50), [DAY0_MS], 11)], [])
    store.checkpoint(checkpoint_at(20))  # within the page
    store.close()
    connection = sqlite3.connect(day_file(tmp_path))
    connection.execute("UPDATE page SET data = x'00' WHERE id = 2")
    connection.commit()
    connection.close()
    store = Store.open(tmp_path)
    assert store.find_times("em1", 3, np.array([DAY0_MS])).tolist() == [DAY0_MS]
    store.write([fleet(range(50), [DAY0_MS], 20)], [])
    assert np.sort(everything(tmp_path).record).tolist() == [*range(1, 11), *range(20, 70)]


@pytest.mark.parametrize("is_open", [True, False])
def test_retention_deletes_whole_days_and_a_late_row_makes_a_new_one(
    tmp_path: Path, *, is_open: bool
) -> None:
    store = filled(tmp_path, writes=2, devices=5, times=2)
    reader = StoreReader(tmp_path, load_profiles())
    ask = ("em1", None, 0, FOREVER, 1000)
    assert len(reader.readings(*ask)[0]) == 20
    if not is_open:
        store.close()
        store = Store.open(tmp_path)
    merger = Merger(tmp_path)
    assert merger.retention(DAY0_MS + 3 * DAY_MS - 1, keep_ms=2 * DAY_MS) == 0
    assert merger.retention(DAY0_MS + 3 * DAY_MS, keep_ms=2 * DAY_MS) == 1
    assert list((tmp_path / "store").iterdir()) == []
    assert len(reader.readings(*ask)[0]) == 0
    store.write([fleet([1], [DAY0_MS], 21)], [])
    assert reader.readings(*ask)[0].record.tolist() == [21]


def imported(received_ms: int, record: int) -> ReadingBatch:
    """Return a reading of DAY0 that arrives later."""
    return dataclasses.replace(
        fleet([7], [DAY0_MS + record], record), received_ms=np.array([received_ms])
    )


def test_imported_history_stays_as_long_as_what_came_live(tmp_path: Path) -> None:
    arrival_ms = DAY0_MS + 5000 * DAY_MS
    store = filled(tmp_path, writes=1, devices=5, times=2)
    store.write([imported(arrival_ms, 11)], [])
    store.checkpoint(checkpoint_at(12))
    merged(tmp_path, arrival_ms)
    merger = Merger(tmp_path)
    assert merger.retention(arrival_ms, keep_ms=400 * DAY_MS) == 0
    assert merger.retention(arrival_ms + 400 * DAY_MS, keep_ms=400 * DAY_MS) == 0
    assert len(everything(tmp_path)) == 11
    assert merger.retention(arrival_ms + 401 * DAY_MS, keep_ms=400 * DAY_MS) == 1


def test_a_reading_that_comes_while_its_day_is_deleted_is_there_afterwards(tmp_path: Path) -> None:
    arrival_ms = DAY0_MS + 5000 * DAY_MS
    store, merger = Store.open(tmp_path), Merger(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        for record in range(1, 101):
            store.write([fleet([3], [DAY0_MS], record)], [])  # came when it happened
            deleting = pool.submit(merger.retention, arrival_ms, 400 * DAY_MS)
            writing = pool.submit(store.write, [imported(arrival_ms, 1000 + record)], [])
            writing.result()
            assert deleting.result() <= 1
            assert 1000 + record in everything(tmp_path).record
            merger.retention(arrival_ms + 500 * DAY_MS, 400 * DAY_MS)


def test_a_deletion_that_was_killed_half_way_does_not_haunt_the_next_file(tmp_path: Path) -> None:
    old = filled(tmp_path, writes=1, devices=5, times=2)
    day_file(tmp_path).unlink()  # and then the power went: the log is still there
    assert day_file(tmp_path).with_name("day-20261122.sqlite-wal").stat().st_size > 0
    store = Store(tmp_path)
    store.write([fleet([1], [DAY0_MS], 50)], [])
    assert everything(tmp_path).record.tolist() == [50]
    old.close()


def test_times_are_looked_up_in_the_file_that_is_there_now(tmp_path: Path) -> None:
    store = filled(tmp_path, writes=1, devices=5, times=2)
    assert store.find_times("em1", 3, np.array([DAY0_MS])).tolist() == [DAY0_MS]
    assert Merger(tmp_path).retention(DAY0_MS + 9 * DAY_MS, keep_ms=DAY_MS) == 1
    store.write([fleet([3], [DAY0_MS + 77], 50)], [])
    assert store.find_times("em1", 3, np.array([DAY0_MS])).tolist() == []
    assert store.find_times("em1", 3, np.array([DAY0_MS + 77])).tolist() == [DAY0_MS + 77]


def test_a_closed_day_gives_back_the_space_of_its_fresh_pages(tmp_path: Path) -> None:
    filled(tmp_path, writes=20, devices=100, times=50).close()
    before = day_file(tmp_path).stat().st_size
    merged(tmp_path, CLOSED_MS)
    packed = sum(n for *_, n in pages(tmp_path))
    assert packed == 100_000
    assert day_file(tmp_path).stat().st_size < before / 2
