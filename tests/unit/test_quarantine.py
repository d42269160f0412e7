"""What could not be read is kept byte for byte, once, and never silently dropped."""

import hashlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import JournalFullError
from gateway.model import Quarantined
from gateway.quarantine import Quarantine, QuarantineReader


def entry(record: int, payload: bytes = b"\xff\0garbage", reason: str = "encoding") -> Quarantined:
    return Quarantined(record, 5, 0, b"tg/1/a/energy/\xfe/t", payload, reason, "no JSON", 3, 2)


def ids(quarantine: QuarantineReader) -> list[int]:
    return [entry.record for entry in quarantine.list(1000)]


@settings(deadline=None, max_examples=40)  # every example syncs files
@given(st.binary(max_size=300), st.binary(max_size=60), st.text(st.characters(), max_size=40))
def test_topic_and_payload_come_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, payload: bytes, topic: bytes, detail: str
) -> None:
    folder = tmp_path_factory.mktemp("quarantine")
    quarantine = Quarantine.open(folder, below=1)
    quarantine.add([Quarantined(1, 5, 0, topic, payload, "schema", detail + "\udc80")])
    found = quarantine.get(1)
    assert found is not None
    assert (found.topic, found.payload) == (topic, payload)
    assert found.detail.startswith(detail)
    (listed,) = quarantine.list(10)
    assert listed.sha256 == hashlib.sha256(payload).hexdigest()
    assert listed.size == len(payload)
    quarantine.close()
    shutil.rmtree(folder)


def test_adding_again_changes_nothing(tmp_path: Path) -> None:
    quarantine = Quarantine.open(tmp_path, below=1)
    quarantine.add([entry(1), entry(2)])
    quarantine.add([entry(2, b"other"), entry(3)])
    assert ids(quarantine) == [1, 2, 3]
    assert quarantine.get(2) == entry(2)
    assert quarantine.size() == (3, 3 * len(entry(1).payload))


def test_opening_removes_what_will_be_replayed(tmp_path: Path) -> None:
    quarantine = Quarantine.open(tmp_path, below=1)
    quarantine.add([entry(1), entry(2), entry(3)])
    again = Quarantine.open(tmp_path, below=2)  # the first one is as a killed process left it
    assert ids(again) == [1]
    assert again.size() == (1, len(entry(1).payload))


def test_a_full_quarantine_takes_all_of_a_batch_or_nothing(tmp_path: Path) -> None:
    quarantine = Quarantine.open(tmp_path, below=1, max_bytes=100)
    quarantine.add([entry(1, bytes(60))])
    with pytest.raises(JournalFullError, match="requeue or drop"):
        quarantine.add([entry(2, bytes(10)), entry(3, bytes(60))])
    assert ids(quarantine) == [1]
    assert quarantine.remove([1, 99]) == 1
    quarantine.add([entry(2, bytes(10)), entry(3, bytes(60))])
    assert ids(quarantine) == [2, 3]


def test_a_replayed_entry_fits_into_a_full_quarantine(tmp_path: Path) -> None:
    quarantine = Quarantine.open(tmp_path, below=1, max_bytes=100)
    quarantine.add([entry(1, bytes(100))])
    quarantine.add([entry(1, bytes(100))])
    assert ids(quarantine) == [1]


def test_a_list_pages_and_filters_by_reason(tmp_path: Path) -> None:
    quarantine = Quarantine.open(tmp_path, below=1)
    reasons = ["schema", "limit", "schema", "schema"]
    quarantine.add([entry(10 + k, reason=reason) for k, reason in enumerate(reasons)])
    first = quarantine.list(2, reason="schema")
    rest = quarantine.list(2, after=first[-1].record, reason="schema")
    assert [entry.record for entry in (*first, *rest)] == [10, 12, 13]


def test_a_reader_of_another_process_sees_what_was_added(tmp_path: Path) -> None:
    reader = QuarantineReader(tmp_path)
    assert (ids(reader), reader.get(1), reader.size()) == ([], None, (0, 0))
    quarantine = Quarantine.open(tmp_path, below=1)
    quarantine.add([entry(1)])
    assert ids(reader) == [1]
    command_line = Quarantine(tmp_path)  # removes beside the processor
    command_line.remove([1])
    assert ids(reader) == ids(quarantine) == []


def test_a_requeued_entry_is_hidden_and_goes_once_its_record_is_checkpointed(
    tmp_path: Path,
) -> None:
    quarantine = Quarantine.open(tmp_path, below=1)
    quarantine.add([entry(1), entry(2)])
    for _ in range(2):  # the second time after a crash
        assert quarantine.claim([(1, 9), (3, 9)]) == [entry(1), None]
    assert quarantine.claim([(1, 10)]) == [None], "put back twice"
    assert ids(quarantine) == [2]
    assert quarantine.get(1) is None
    assert Quarantine.open(tmp_path, below=9).claim([(1, 9)]) == [entry(1)]
    assert Quarantine.open(tmp_path, below=10).claim([(1, 9)]) == [None]
