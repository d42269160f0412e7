"""The processor's end of the outbox: what sinks see, what is deleted, what a restart keeps."""

from pathlib import Path

import pytest

from gateway.journal import JournalReader
from gateway.model import Position
from gateway.sinks.outbox import TRIM_EVERY, Outbox, durable_number, keep_from
from gateway.store.pages import decode_page
from tests.faults import needs_root, small_disk
from tests.outbox import em1_batch

START_MS = 1_795_300_200_000
SMALL_BYTES = 1 << 20
PAGE = 400  # readings


def open_outbox(folder: Path) -> Outbox:
    return Outbox.open(folder, lambda: START_MS, SMALL_BYTES)


def fill(outbox: Outbox, pages: int, first: int = 0) -> None:
    for number in range(first, first + pages):
        outbox.put([em1_batch(number * PAGE, PAGE, START_MS)])
    outbox.publish()


def held(folder: Path, number: int = 1) -> tuple[list[int], int]:
    """Return the first reading of each page from ``number`` on, and how many were skipped."""
    reader = JournalReader(folder, Position(number))
    firsts = []
    while records := reader.read(100, durable_number(folder))[0]:
        batches = [decode_page(record.payload, "em1") for record in records]
        firsts += [int(batch.seq[0]) * 100 + int(batch.device_index[0]) for batch in batches]
    return firsts, reader.skipped


def test_sinks_see_what_was_put_once_its_checkpoint_was_made(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.put([em1_batch(0, PAGE, START_MS)])
    assert durable_number(tmp_path) == 0
    outbox.publish()
    assert held(tmp_path) == ([0], 0)


def test_a_commit_that_a_crash_kept_from_being_published_is_at_the_next_start(
    tmp_path: Path,
) -> None:
    outbox = open_outbox(tmp_path)
    fill(outbox, 3)
    outbox.put([em1_batch(3 * PAGE, PAGE, START_MS)])
    outbox._journal.close()
    open_outbox(tmp_path)
    assert held(tmp_path)[0] == [0, 400, 800, 1200]


def test_a_lost_durable_file_is_made_anew(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    fill(outbox, 3)
    outbox._journal.close()
    (tmp_path / "durable").write_text("")  # what a power cut may leave of it
    open_outbox(tmp_path)
    assert durable_number(tmp_path) == 3


def test_numbers_never_fall_behind_what_sinks_have_seen(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    fill(outbox, 5)
    outbox._journal.close()
    for segment in tmp_path.glob("*.journal"):  # a disk that lied about what it had synced
        segment.unlink()
    outbox = open_outbox(tmp_path)
    fill(outbox, 1, first=9)
    assert held(tmp_path, 6) == ([3600], 0)


def test_what_every_sink_has_is_deleted_by_whole_segments(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    fill(outbox, 40)
    before = len(list(tmp_path.glob("*.journal")))
    keep_from(tmp_path, 30)
    fill(outbox, TRIM_EVERY, first=40)
    firsts, _ = held(tmp_path)
    assert before >= 5
    assert 20 < firsts[0] // PAGE + 1 <= 30
    assert firsts[-1] == 139 * PAGE


def test_a_dead_sink_costs_the_oldest_and_never_the_store(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = open_outbox(tmp_path)
    fill(outbox, 400)  # nobody ever takes any of it
    size_bytes = sum(file.stat().st_size for file in tmp_path.glob("*.journal"))
    firsts, skipped = held(tmp_path)
    assert size_bytes <= SMALL_BYTES
    assert firsts[-1] == 399 * PAGE
    assert skipped == 400 - len(firsts) > 0
    assert len(firsts) > 20
    assert "outbox full" in caplog.text


@needs_root
def test_a_dead_sink_leaves_three_quarters_of_a_small_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4 << 20) as disk:
        outbox = Outbox.open(disk / "outbox", lambda: START_MS)
        fill(outbox, 600)
        size_bytes = sum(file.stat().st_size for file in (disk / "outbox").glob("*"))
        assert size_bytes <= 1 << 20
        outbox._journal.close()
