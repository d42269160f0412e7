"""Writer, merger and reader as processes of their own, and what a kill leaves of them."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gateway.profiles import load_profiles
from gateway.store import Store, StoreReader
from tests.store_child import DEVICES
from tests.store_tools import DAY0_MS, DAY_MS, FOREVER

ROOT = Path(__file__).parents[2]


@contextmanager
def child(work: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.store_child", work, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def records(reader: StoreReader) -> list[int]:
    batch, after = reader.readings("em1", None, 0, FOREVER, 10**7, lineage=True)
    assert after is None
    assert np.array_equal(batch.record % DEVICES, batch.device_index)
    assert np.array_equal(batch.record.astype(np.float64), batch.values[:, 3])
    found: list[int] = np.sort(batch.record).tolist()
    return found


def test_every_kill_leaves_each_reading_before_the_checkpoint_once(
    tmp_path: Path, *, soak: bool
) -> None:
    chance = random.Random(20)
    reader = StoreReader(tmp_path, load_profiles())
    last = 1
    for _ in range(200 if soak else 12):
        with child("write", tmp_path) as writer, child("merge", tmp_path) as merger:
            time.sleep(chance.uniform(0.02, 0.25))
            for process in chance.sample([writer, merger], 2):
                process.kill()
                assert process.wait() == -9
        store = Store.open(tmp_path)
        number = store.load().position.number
        store.close()
        assert number >= last
        last = number
        assert records(reader) == list(range(1, number))
    assert last > 1


def test_a_reader_sees_every_reading_once_while_pages_are_written_and_merged(
    tmp_path: Path,
) -> None:
    reader = StoreReader(tmp_path, load_profiles())
    seen = 0
    with child("write", tmp_path), child("merge", tmp_path):
        end = time.monotonic() + 3
        while time.monotonic() < end:
            # One day file, so one moment: records of a device come in order and none is missing.
            batch, _ = reader.readings("em1", 3, DAY0_MS, DAY0_MS + DAY_MS, 10**6)
            assert np.array_equal(batch.seq, np.arange(len(batch)) + batch.seq[:1].sum())
            assert len(batch) >= seen
            seen = len(batch)
    assert seen > 100
    assert reader.damaged_pages == 0


def test_nothing_is_missing_for_a_moment_while_many_days_are_written_and_merged(
    tmp_path: Path, *, soak: bool
) -> None:
    """More days than the writer (16) and the merger (8) keep open: files close all the time."""
    reader = StoreReader(tmp_path, load_profiles())
    with child("write-days", tmp_path), child("merge", tmp_path):
        end = time.monotonic() + (60 if soak else 6)
        looks = 0
        while time.monotonic() < end:
            number = reader.position().number
            batch, _ = reader.readings("em1", None, 0, FOREVER, 10**7, lineage=True)
            found = np.sort(batch.record)
            assert np.array_equal(found[: number - 1], np.arange(1, number))
            assert len(np.unique(found)) == len(found)
            looks += 1
    assert looks > 3
    assert len(list((tmp_path / "store").glob("*.sqlite"))) > 28
    assert reader.damaged_pages == 0
