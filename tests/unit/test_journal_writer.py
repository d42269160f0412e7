"""What the writer promises while nothing is broken: limits, rotation, deletion, the lock."""

import threading
from pathlib import Path

import pytest

from gateway.errors import GatewayError, JournalFullError
from gateway.journal import JournalReader, verify
from gateway.journal.reader import WINDOWS_AT_ONCE
from gateway.model import Position, Record
from tests.journal_tools import append, expected, open_journal, payload_of, read_all


def test_numbers_go_on_after_a_restart_even_when_all_was_deleted(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    append(journal, 100)
    journal.commit()
    assert journal.delete_before(1000) > 1
    assert len(list(tmp_path.glob("*.journal"))) == 1
    journal.close()
    assert open_journal(tmp_path).next_number == 101


def test_what_is_pending_can_not_be_read(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    append(journal, 3)
    assert journal.durable == 0
    reader = JournalReader(tmp_path, Position())
    assert reader.read(10, journal.durable) == ([], [])
    assert journal.commit(limit=2) == 2
    assert reader.read(10, journal.durable)[0] == [expected(1), expected(2)]
    assert journal.commit() == 3
    assert reader.read(10, journal.durable)[0] == [expected(3)]


def test_a_reader_never_goes_beyond_what_it_was_told(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    append(journal, 50)
    journal.commit()
    reader = JournalReader(tmp_path, Position())
    for up_to in range(1, 51):
        assert reader.read(10, up_to)[0] == [expected(up_to)]


def test_two_writers_never_run(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    with pytest.raises(GatewayError, match="another process"):
        open_journal(tmp_path)
    journal.close()
    open_journal(tmp_path).close()


def test_segments_keep_to_their_size_and_a_larger_record_has_one_to_itself(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path, segment_bytes=2000)
    large = b"L" * 5000
    append(journal, 20)
    journal.append(1, 0, 0, b"t", large)
    append(journal, 20)
    journal.commit()
    sizes = [file.stat().st_size for file in sorted(tmp_path.glob("*.journal"))]
    assert [size for size in sizes if size > 2000] == [5000 + 33 + 64]
    records, damaged = read_all(tmp_path, 41)
    assert not damaged
    assert records[20].payload == large
    assert [record.number for record in records] == list(range(1, 42))


def test_pages_of_megabytes_come_back_whole(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, segment_bytes=8 << 20)
    pages = [bytes([n]) * (n << 20) for n in (3, 1, 5)]
    for page in pages:
        journal.append(1, 0, 0, b"em1", page)
    journal.commit()
    records, damaged = read_all(tmp_path, 3)
    assert [record.payload for record in records] == pages
    assert not damaged
    assert verify(tmp_path).records == 3


def test_a_record_that_can_never_fit_is_refused_at_once(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "a", max_bytes=10_000)
    with pytest.raises(ValueError, match="too large"):
        journal.append(1, 0, 0, b"t", bytes(10_000))
    journal.append(1, 0, 0, b"t", bytes(10_000 - 128 - 33))
    assert journal.commit() == 1
    journal = open_journal(tmp_path / "b")
    with pytest.raises(ValueError, match="too large"):
        journal.append(1, 0, 0, b"t", bytes(64 << 20))
    assert journal.next_number == 1


@pytest.mark.parametrize("segment_bytes", [500, 3000, 1 << 20])
def test_the_limit_holds_and_deletion_always_makes_room(tmp_path: Path, segment_bytes: int) -> None:
    limit = 8000
    journal = open_journal(tmp_path, segment_bytes=segment_bytes, max_bytes=limit)
    append(journal, 200)
    reader = JournalReader(tmp_path, Position())
    got: list[Record] = []
    for _ in range(200):
        try:
            journal.commit()
        except JournalFullError:
            assert journal.pending_count == 200 - journal.durable > 0
        files = list(tmp_path.glob("*.journal"))
        assert journal.size_bytes == sum(file.stat().st_size for file in files) <= limit
        records, damaged = reader.read(1000, journal.durable)
        assert not damaged
        got += records
        journal.delete_before(reader.position.number)
    assert got == [expected(n) for n in range(1, 201)]


def test_a_failed_commit_comes_part_of_the_way_and_keeps_the_rest(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, max_bytes=3000)
    append(journal, 50)
    with pytest.raises(JournalFullError):
        journal.commit()
    assert 0 < journal.durable < 50
    assert journal.durable + journal.pending_count == 50
    records, damaged = read_all(tmp_path, journal.durable)
    assert records == [expected(n) for n in range(1, journal.durable + 1)]
    assert not damaged


def test_appending_goes_on_while_another_thread_commits(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, segment_bytes=100_000)
    done = threading.Event()

    def commit() -> None:
        while not done.is_set():
            journal.commit()

    worker = threading.Thread(target=commit)
    worker.start()
    append(journal, 20_000)
    done.set()
    worker.join()
    assert journal.commit() == 20_000
    assert journal.pending_bytes == journal.pending_count == 0
    records, damaged = read_all(tmp_path, 20_000, limit=5000)
    assert [record.payload for record in records] == [payload_of(n) for n in range(1, 20_001)]
    assert not damaged


def test_a_reader_behind_the_oldest_segment_begins_there_and_says_so(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    append(journal, 100)
    journal.commit()
    journal.delete_before(80)
    first = int(min(tmp_path.glob("*.journal")).stem)
    assert first > 1
    reader = JournalReader(tmp_path, Position())
    records, damaged = reader.read(1000, 100)
    assert [record.number for record in records] == list(range(first, 101))
    assert not damaged
    assert reader.skipped == first - 1


def test_a_reader_may_come_before_the_journal(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path / "journal", Position())
    assert reader.read(10, 5) == ([], [])
    assert reader.position == Position()
    journal = open_journal(tmp_path / "journal")
    append(journal, 5)
    journal.commit()
    assert len(reader.read(10, 5)[0]) == 5


def test_a_closed_reader_goes_on_where_it_was(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    append(journal, 60)
    journal.commit()
    reader = JournalReader(tmp_path, Position())
    reader.read(33, 60)
    place = reader.position
    reader.close()
    assert reader.position == place
    assert reader.read(1, 60)[0] == [expected(34)]


def test_a_read_ends_early_where_records_are_large_and_goes_on_where_it_ended(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path, segment_bytes=64 << 20, max_bytes=1 << 30)
    payload = bytes(300 << 10)
    for _ in range(20):
        journal.append(1, 0, 0, b"t", payload)
    journal.commit()
    reader, got = JournalReader(tmp_path, Position()), []
    while records := reader.read(1000, 20)[0]:
        assert sum(len(record.payload) for record in records) <= WINDOWS_AT_ONCE << 20
        got += [record.number for record in records]
    assert got == list(range(1, 21))


def test_messages_taken_together_are_the_records_they_are_alone(tmp_path: Path) -> None:
    messages = [(number % 8, b"t/%d" % number, bytes(number)) for number in range(50)]
    journal = open_journal(tmp_path)
    journal.append(7, 1, *messages[0])
    assert journal.extend(7, 1, messages[1:40]) == 40
    for message in messages[40:]:
        journal.append(7, 1, *message)
    assert journal.pending_bytes == sum(32 + len(t) + len(p) for _, t, p in messages)
    journal.commit()
    assert journal.pending_bytes == 0
    records = JournalReader(tmp_path, Position()).read(100, 50)[0]
    assert [record[1:] for record in records] == [(7, 1, *message) for message in messages]
    assert [record.number for record in records] == list(range(1, 51))


def test_what_comes_before_a_message_that_is_too_large_is_kept(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, max_bytes=4000)
    with pytest.raises(ValueError, match="too large"):
        journal.extend(1, 0, [(0, b"t", b"first"), (0, b"t", bytes(4000)), (0, b"t", b"last")])
    assert (journal.next_number, journal.pending_count) == (2, 1)
    assert journal.commit() == 1
