"""A journal that was hurt: cut at any byte, any bit flipped, headers or whole files gone."""

import random
from pathlib import Path
from zlib import crc32

import pytest

from gateway.errors import JournalDamagedError
from gateway.journal import Journal, JournalReader, last_number, verify
from gateway.journal.layout import HEADER, HEADER_BYTES, WINDOW_BYTES
from gateway.model import Position, QuarantineReason
from tests.faults import quick_or_soak
from tests.journal_tools import append, expected, open_journal, read_all


def make_journal(folder: Path, count: int, segment_bytes: int = 1 << 20) -> list[Path]:
    journal = open_journal(folder, segment_bytes=segment_bytes)
    append(journal, count)
    journal.commit()
    journal.close()
    return sorted(folder.glob("*.journal"))


def record_ends(count: int) -> list[int]:
    ends = [HEADER_BYTES]
    for number in range(1, count + 1):
        record = expected(number)
        ends.append(ends[-1] + 32 + len(record.topic) + len(record.payload))
    return ends


def test_a_last_record_cut_at_any_byte_is_dropped_and_the_others_stay(tmp_path: Path) -> None:
    (file,) = make_journal(tmp_path, 4)
    whole = file.read_bytes()
    ends = record_ends(4)
    assert ends[-1] == len(whole)
    for size in range(ends[3], len(whole)):
        file.write_bytes(whole[:size])
        assert verify(tmp_path).torn_bytes == size - ends[3]
        journal = open_journal(tmp_path, segment_bytes=1 << 20)
        assert journal.durable == 3
        assert file.stat().st_size == journal.size_bytes == ends[3]
        append(journal)
        assert journal.commit() == 4
        journal.close()
        assert file.read_bytes() == whole


def test_garbage_after_the_last_record_is_cut_off(tmp_path: Path) -> None:
    (file,) = make_journal(tmp_path, 4)
    whole = file.read_bytes()
    for garbage in (b"\0" * 5000, random.Random(1).randbytes(3000), whole[HEADER_BYTES:][:200]):
        file.write_bytes(whole + garbage)
        journal = open_journal(tmp_path, segment_bytes=1 << 20)
        assert journal.durable == 4
        journal.close()
        assert file.read_bytes() == whole


def test_any_flipped_bit_costs_only_the_record_it_hits(tmp_path: Path) -> None:
    count = 40
    (file,) = make_journal(tmp_path, count)
    whole = file.read_bytes()
    ends = record_ends(count)
    rng = random.Random(20_260_101)
    for _ in range(quick_or_soak(200, 1000)):
        bit = rng.randrange(8 * len(whole))
        hurt = bytearray(whole)
        hurt[bit // 8] ^= 1 << bit % 8
        file.write_bytes(hurt)
        victim = next(number for number, end in enumerate(ends) if bit // 8 < end)
        records, damaged = read_all(tmp_path, count)
        assert records == [expected(n) for n in range(1, count + 1) if n != victim]
        assert [item.record for item in damaged] == [victim] * (victim > 0)
        for item in damaged:
            assert item.reason == QuarantineReason.JOURNAL_DAMAGE
            assert item.payload == hurt[ends[victim - 1] : ends[victim]]
        report = verify(tmp_path)
        assert (report.torn_bytes == 0) == (victim < count)
        if 0 < victim < count:
            assert [(d.first_missing, d.missing) for d in report.damaged] == [(victim, 1)]


def test_a_damaged_record_before_valid_ones_survives_a_restart(tmp_path: Path) -> None:
    (file,) = make_journal(tmp_path, 10)
    hurt = bytearray(file.read_bytes())
    hurt[record_ends(10)[4] + 8] ^= 0x80  # length of record 5
    file.write_bytes(hurt)
    journal = open_journal(tmp_path, segment_bytes=1 << 20)
    assert journal.durable == 10
    append(journal)
    journal.commit()
    journal.close()
    records, damaged = read_all(tmp_path, 11)
    assert [record.number for record in records] == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert [item.record for item in damaged] == [5]


def test_a_payload_that_holds_records_is_never_taken_for_records(tmp_path: Path) -> None:
    make_journal(tmp_path / "other", 30)
    stolen = (tmp_path / "other" / f"{1:020d}.journal").read_bytes()[HEADER_BYTES:]
    journal = open_journal(tmp_path / "own", segment_bytes=1 << 20)
    append(journal, 2)
    own = tmp_path / "own" / f"{1:020d}.journal"
    journal.commit()
    # a device cannot know this journal's key, but a person may requeue a stretch of it
    own_bytes = own.read_bytes()[HEADER_BYTES:]
    journal.append(5, 0, 0, b"t", stolen)
    journal.append(6, 0, 0, b"t", own_bytes)
    append(journal, 1)
    journal.commit()
    journal.close()
    size = own.stat().st_size
    assert verify(tmp_path / "own").records == 5
    hurt = bytearray(own.read_bytes())
    hurt[HEADER_BYTES + len(own_bytes)] ^= 1  # marker of record 3
    own.write_bytes(hurt)
    records, damaged = read_all(tmp_path / "own", 5)
    assert [record.number for record in records] == [1, 2, 4, 5]
    assert [item.payload for item in damaged] == [
        bytes(hurt[HEADER_BYTES + len(own_bytes) :][: 33 + len(stolen)])
    ]
    assert own.stat().st_size == size


@pytest.mark.parametrize("copies", [1, 2])
def test_a_header_is_mended_while_any_copy_of_the_key_is_left(tmp_path: Path, copies: int) -> None:
    files = make_journal(tmp_path, 60, segment_bytes=4096)
    assert len(files) > 2
    for file in (files[0], files[-1]):
        hurt = bytearray(file.read_bytes())
        hurt[: HEADER.size * copies] = bytes(HEADER.size * copies)
        file.write_bytes(hurt)
    assert [d.missing for d in verify(tmp_path).damaged] == [0] * (2 * copies - 2)
    journal = open_journal(tmp_path)
    append(journal, 1)
    assert journal.commit() == 61
    journal.close()
    assert read_all(tmp_path, 61) == ([expected(n) for n in range(1, 62)], [])


def test_an_only_segment_without_any_header_is_set_aside(tmp_path: Path) -> None:
    (file,) = make_journal(tmp_path, 5)
    hurt = bytes(512) + file.read_bytes()[512:]
    file.write_bytes(hurt)
    assert not verify(tmp_path).is_sound
    journal = open_journal(tmp_path, not_before=6)
    assert journal.next_number == 6
    append(journal)
    assert journal.commit() == 6
    journal.close()
    assert file.with_suffix(".damaged").read_bytes() == hurt
    assert read_all(tmp_path, 6, Position(6)) == ([expected(6)], [])


@pytest.mark.parametrize("content", [b"", b"IGJ", bytes(64)])
def test_a_segment_that_never_got_its_header_is_written_anew(
    tmp_path: Path, content: bytes
) -> None:
    files = make_journal(tmp_path, 30, segment_bytes=1024)
    (tmp_path / f"{31:020d}.journal").write_bytes(content)
    (tmp_path / f"{31:020d}.new").write_bytes(content)
    journal = open_journal(tmp_path)
    assert journal.next_number == 31
    append(journal, 2)
    assert journal.commit() == 32
    journal.close()
    assert read_all(tmp_path, 32) == ([expected(n) for n in range(1, 33)], [])
    assert len(list(tmp_path.glob("*.journal"))) == len(files) + 1
    assert not list(tmp_path.glob("*.new"))


def test_a_lost_sector_costs_the_records_in_it(tmp_path: Path) -> None:
    (file,) = make_journal(tmp_path, 40)
    hurt = bytearray(file.read_bytes())
    hurt[1024:1536] = bytes(512)
    file.write_bytes(hurt)
    ends = record_ends(40)
    hit = [n for n in range(1, 41) if ends[n - 1] < 1536 and ends[n] > 1024]
    assert len(hit) > 1
    records, damaged = read_all(tmp_path, 40, limit=2)
    assert [record.number for record in records] == [n for n in range(1, 41) if n not in hit]
    assert [item.record for item in damaged] == hit
    stretch = bytes(hurt[ends[hit[0] - 1] : ends[hit[-1]]])
    assert [item.payload for item in damaged] == [stretch] + [b""] * (len(hit) - 1)


def test_a_segment_lost_from_the_middle_is_accounted_number_by_number(tmp_path: Path) -> None:
    files = make_journal(tmp_path, 100, segment_bytes=2048)
    first, after = int(files[1].stem), int(files[2].stem)
    files[1].unlink()
    records, damaged = read_all(tmp_path, 100, limit=3)
    assert [record.number for record in records] == [
        n for n in range(1, 101) if not first <= n < after
    ]
    assert [item.record for item in damaged] == list(range(first, after))
    assert [d.missing for d in verify(tmp_path).damaged] == [after - first]


def test_a_lost_end_is_reported_up_to_what_was_durable(tmp_path: Path) -> None:
    (file,) = make_journal(tmp_path, 10)
    hurt = bytearray(file.read_bytes())
    hurt[record_ends(10)[7] :] = b"x" * (len(hurt) - record_ends(10)[7])
    file.write_bytes(hurt)
    reader = JournalReader(tmp_path, Position())
    records, damaged = reader.read(100, 10)
    assert [record.number for record in records] == list(range(1, 8))
    assert [item.record for item in damaged] == [8, 9, 10]
    assert reader.position.number == 11
    assert reader.read(100, 10) == ([], [])


def test_numbers_a_reader_has_seen_are_not_given_out_again(tmp_path: Path) -> None:
    make_journal(tmp_path, 10)
    journal = open_journal(tmp_path, not_before=15)  # the disk has forgotten 11 to 14
    append(journal)
    assert journal.commit() == 15
    journal.close()
    assert read_all(tmp_path, 15, Position(15)) == ([expected(15)], [])
    records, damaged = read_all(tmp_path, 15)
    assert [record.number for record in records] == [*range(1, 11), 15]
    assert [item.record for item in damaged] == [11, 12, 13, 14]


def test_a_newer_layout_is_refused_and_left_alone(tmp_path: Path) -> None:
    (file,) = make_journal(tmp_path, 3)
    data = bytearray(file.read_bytes())
    newer = bytearray(data[: HEADER.size])
    newer[3] = 2
    newer[-4:] = crc32(newer[:-4]).to_bytes(4, "little")
    data[:HEADER_BYTES] = newer * 2
    file.write_bytes(data)
    with pytest.raises(JournalDamagedError, match="layout 2"):
        open_journal(tmp_path)
    with pytest.raises(JournalDamagedError, match="layout 2"):
        verify(tmp_path)
    assert file.read_bytes() == data


def open_keyed(folder: Path, not_before: int = 1) -> Journal:
    return Journal.open(
        folder,
        segment_bytes=4 << 20,
        max_bytes=1 << 30,
        clock=lambda: 0,
        not_before=not_before,
        random_bits=lambda: 0x1234_5678_9ABC_DEF0,
    )


def test_a_record_inside_a_record_is_only_payload(tmp_path: Path) -> None:
    later = open_keyed(tmp_path / "later", not_before=9)
    later.append(0, 0, 0, b"inner", b"")
    later.commit()
    inner = (tmp_path / "later" / f"{9:020d}.journal").read_bytes()[HEADER_BYTES:]
    journal = open_keyed(tmp_path / "own")
    for _ in range(2):
        journal.append(0, 0, 0, b"outer", inner * 3)
    journal.commit()
    journal.close()
    assert verify(tmp_path / "own").records == last_number(tmp_path / "own") == 2
    assert open_keyed(tmp_path / "own").durable == 2


@pytest.mark.parametrize("overhang", [0, 1, 2, 3, 4])
def test_a_search_sees_a_marker_that_lies_across_two_windows(tmp_path: Path, overhang: int) -> None:
    journal = open_keyed(tmp_path)
    journal.append(0, 0, 0, b"", bytes(WINDOW_BYTES - 32 - overhang))
    journal.append(0, 0, 0, b"second", b"")
    journal.commit()
    journal.close()
    (file,) = tmp_path.glob("*.journal")
    hurt = bytearray(file.read_bytes())
    hurt[HEADER_BYTES] ^= 1
    file.write_bytes(hurt)
    records, damaged = read_all(tmp_path, 2)
    assert [record.topic for record in records] == [b"second"]
    assert [len(item.payload) for item in damaged] == [WINDOW_BYTES - overhang]


def test_a_wrong_hint_costs_a_search_and_no_record(tmp_path: Path) -> None:
    make_journal(tmp_path, 20)
    ends = record_ends(20)
    for number in (1, 7, 20):
        for offset in (0, HEADER_BYTES, ends[3], ends[3] + 1, ends[6], ends[-2], ends[-1], 1 << 40):
            records, damaged = read_all(tmp_path, 20, Position(number, 1, offset))
            assert records == [expected(n) for n in range(number, 21)]
            assert not damaged


def test_what_a_failed_commit_left_behind_is_not_read_again(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, numbers in ((old, range(1, 11)), (new, range(8, 10))):
        journal = open_keyed(folder, numbers[0])
        for number in numbers:
            journal.append(number, 0, 0, folder.name.encode(), b"")
        journal.commit()
        journal.close()
    # 8 to 10 were written, their fdatasync failed, and other messages came after a restart
    (new / f"{8:020d}.journal").rename(old / f"{8:020d}.journal")
    for limit in (1, 3, 100):
        records, damaged = read_all(old, 9, limit=limit)
        assert [record.topic for record in records] == [b"old"] * 7 + [b"new"] * 2
        assert [record.number for record in records] == list(range(1, 10))
        assert not damaged
    report = verify(old)
    assert (report.records, report.last, report.damaged) == (9, 9, ())
    assert last_number(old) == 9
    file = old / f"{1:020d}.journal"
    hurt = bytearray(file.read_bytes())
    for number in (7, 8):
        hurt[HEADER_BYTES + (number - 1) * (32 + 3)] ^= 1
    file.write_bytes(hurt)
    records, damaged = read_all(old, 9, limit=100)
    assert [record.number for record in records] == [1, 2, 3, 4, 5, 6, 8, 9]
    assert [item.record for item in damaged] == [7]
