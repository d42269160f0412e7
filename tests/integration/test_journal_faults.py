"""The journal on real faults: kill -9 at every system call, power cuts, full and failing disks."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import JournalFullError
from gateway.journal import Journal, verify
from gateway.model import Position
from tests.faults import (
    REPOSITORY,
    lossy_disk,
    needs_lossyfs,
    needs_root,
    needs_strace,
    quick_or_soak,
    run_injected,
    small_disk,
)
from tests.journal_tools import append, expected, open_journal, read_all

TURNS = 24  # of the writer: some 120 records, 6 segments, 2 deletions


def told_durable(output: str) -> int:
    """Return the highest number the writer reported."""
    lines = [line.split() for line in output.splitlines()]
    return max((int(words[1]) for words in lines if len(words) == 2), default=0)


def check_and_go_on(folder: Path, told: int) -> None:
    """Nothing that was reported is missing, nothing is wrong, and the journal goes on."""
    if told:
        assert verify(folder).is_sound
    journal = open_journal(folder)
    try:
        assert journal.durable >= told
        append(journal, 5)
        last = journal.commit()
        records, damaged = read_all(folder, last)
        assert not damaged
        assert records[0].number <= max(1, told - 20)  # only that much was ever deleted
        assert records == [expected(n) for n in range(records[0].number, last + 1)]
    finally:
        journal.close()


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "quick", "step"),
    [
        ("pwrite64", 12, 1),
        ("fdatasync", 12, 1),
        ("rename", 4, 1),
        ("fsync", 6, 1),
        ("unlink", 3, 1),
    ],
)
def test_kill_9_at_every_system_call_loses_nothing_reported(
    tmp_path: Path, call: str, quick: int, step: int
) -> None:
    deaths = 0
    for turn in range(quick_or_soak(quick, 60)):
        when = 1 + turn * step
        folder = tmp_path / f"{call}-{when}"
        script = ["-m", "tests.journal_writer", str(folder), str(TURNS)]
        result = run_injected(f"{call}:signal=KILL:when={when}", script)
        if "closed" in result.stdout:
            break  # fewer calls than that in a whole run
        deaths += 1
        check_and_go_on(folder, told_durable(result.stdout))
    assert deaths >= 2


@needs_strace
@pytest.mark.parametrize("when", [1, 2, 3, 9])
def test_a_failed_fdatasync_is_never_believed_again(tmp_path: Path, when: int) -> None:
    script = ["-m", "tests.journal_writer", str(tmp_path), "9"]  # the tenth turn deletes
    result = run_injected(f"fdatasync:error=EIO:when={when}", script)
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    place = next(i for i, words in enumerate(lines) if words[0] == "full")
    before, stuck, after = (int(words[1]) for words in lines[place - 1 : place + 2])
    assert before <= stuck < after  # a commit over two segments may come half of the way
    # what was pending stands in a segment that begins after the last durable record
    assert (tmp_path / f"{stuck + 1:020d}.journal").exists()
    check_and_go_on(tmp_path, told_durable(result.stdout))


@needs_strace
def test_a_disk_that_fails_in_the_middle_of_a_write_leaves_no_half_record(tmp_path: Path) -> None:
    script = ["-m", "tests.journal_writer", str(tmp_path), "12"]
    result = run_injected("pwrite64:error=EIO:when=8+3", script)
    assert "full" in result.stdout
    check_and_go_on(tmp_path, told_durable(result.stdout))


def fill(journal: Journal) -> None:
    while True:
        append(journal, 40)
        journal.commit()


@needs_root
def test_a_full_disk_keeps_everything_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 256 << 10) as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(128 << 10))
        folder = disk / "journal"
        journal = open_journal(folder, segment_bytes=32 << 10)
        with pytest.raises(JournalFullError, match="No space left"):
            fill(journal)
        stuck, waiting = journal.durable, journal.pending_count
        assert waiting > 0
        for _ in range(3):
            append(journal, 10)
            with pytest.raises(JournalFullError):
                journal.commit()
        # a page that was free may still take the first of them
        assert journal.durable + journal.pending_count == stuck + waiting + 30
        assert verify(folder).torn_bytes == 0
        ballast.unlink()
        last = journal.commit()
        assert last == stuck + waiting + 30
        assert read_all(folder, last, limit=500) == (
            [expected(n) for n in range(1, last + 1)],
            [],
        )
        journal.close()


@needs_root
def test_a_journal_opens_on_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 128 << 10) as disk:
        folder = disk / "journal"
        journal = open_journal(folder)
        append(journal, 20)
        journal.commit()
        journal.close()
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(bytes(128 << 10))
        journal = open_journal(folder, not_before=50)
        append(journal, 1)
        with pytest.raises(JournalFullError):
            journal.commit()
        assert not list(folder.glob("*.new"))
        ballast.unlink()
        assert journal.commit() == 50
        journal.close()


def write_until_killed(folder: Path, reports: int) -> str:
    """Run a writer, kill it after some of its reports, and return all it has reported."""
    command = [sys.executable, "-m", "tests.journal_writer", str(folder), "10000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(reports)]
        writer.kill()  # while it writes on
        return "".join(lines + writer.stdout.readlines())


@needs_lossyfs
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("torn", [0.0, 0.5])
def test_a_power_cut_loses_nothing_reported(tmp_path: Path, torn: float) -> None:
    rng = random.Random(7)
    never_told: set[int] = set()
    with lossy_disk(tmp_path) as disk:
        folder = disk.mount / "journal"
        for cut in range(quick_or_soak(5, 50)):
            if torn:
                disk.control(f"torn {torn} {cut}")
            told = told_durable(write_until_killed(folder, rng.randrange(1, 40)))
            disk.cut_power()
            check_after_cut(folder, told, never_told)


def check_after_cut(folder: Path, told: int, never_told: set[int]) -> None:
    """Nothing reported is missing; what was torn may lie between records nobody was told of."""
    journal = open_journal(folder)
    last, first = journal.durable, min(int(file.stem) for file in folder.glob("*.journal"))
    journal.close()
    assert last >= told
    records, damaged = read_all(folder, last, Position(first), limit=1000)
    assert records == [expected(record.number) for record in records]
    numbers = {record.number for record in records}
    lost = {item.record for item in damaged}
    assert not numbers & lost
    assert numbers | lost == set(range(first, last + 1))
    never_told |= {number for number in lost if number > told}
    assert lost <= never_told


@needs_lossyfs
def test_a_disk_that_drops_what_it_could_not_sync_loses_nothing_reported(tmp_path: Path) -> None:
    with lossy_disk(tmp_path) as disk:
        folder = disk.mount / "j"
        journal = open_journal(folder)
        append(journal, 5)
        assert journal.commit() == 5
        append(journal, 5)
        disk.control("EIO")
        for _ in range(2):
            with pytest.raises(JournalFullError):
                journal.commit()
        assert journal.durable == 5
        disk.control("")
        assert journal.commit() == 10
        journal.close()
        disk.cut_power()
        assert read_all(folder, 10) == ([expected(n) for n in range(1, 11)], [])
