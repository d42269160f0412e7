"""The outbox as lines, and what of it cannot become one."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from gateway.errors import SinkUnavailableError
from gateway.model import Position
from gateway.sinks.salvage import RefusedLine, keep_refused
from gateway.store.pages import encode_page
from tests.outbox import Outbox, em1_batch, name_of, wall_ms

START_MS = 1_795_300_200_000


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def test_a_load_is_whole_pages_with_at_least_a_batch(outbox: Outbox) -> None:
    outbox.put(*(em1_batch(first, 100, START_MS) for first in range(0, 3000, 100)))
    feed = outbox.feed()
    feed.seek(Position())
    first = feed.read(750)
    assert len(first.lines) == 800
    assert first.end.number == 9
    assert sum(len(feed.read(750).lines) for _ in range(10)) == 2200
    assert feed.read(750).records == 0


def test_only_what_is_durable_is_read(outbox: Outbox) -> None:
    feed = outbox.feed()
    feed.seek(Position())
    page = encode_page(em1_batch(0, 10, START_MS))
    outbox.journal.append(wall_ms(), 0, 0, b"em1", page)
    assert feed.read(10).records == 0
    outbox.journal.commit()
    assert len(feed.read(10).lines) == 10


def test_a_damaged_page_is_handed_over_as_it_is_and_the_next_one_read(outbox: Outbox) -> None:
    page = bytearray(encode_page(em1_batch(0, 10, START_MS)))
    page[40] ^= 1
    outbox.journal.append(wall_ms(), 0, 0, b"em1", bytes(page))
    outbox.put(em1_batch(10, 10, START_MS))
    feed = outbox.feed()
    feed.seek(Position())
    load = feed.read(100)
    assert len(load.lines) == 10
    assert [lost.line for lost in load.lost] == [bytes(page)]


def test_a_flipped_bit_in_the_file_costs_that_record_only(outbox: Outbox) -> None:
    outbox.put(*(em1_batch(first, 10, START_MS) for first in range(0, 30, 10)))
    (file,) = outbox.folder.glob("*.journal")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x40
    file.write_bytes(data)
    feed = outbox.feed()
    feed.seek(Position())
    load = feed.read(100)
    assert len(load.lines) == 20
    assert len(load.lost) == 1
    assert load.records == 3


def test_a_page_of_an_unknown_profile_is_told(outbox: Outbox) -> None:
    batch = em1_batch(0, 10, START_MS)
    batch.profile = "gone"
    outbox.put(batch)
    feed = outbox.feed()
    feed.seek(Position())
    (lost,) = feed.read(100).lost
    assert "10 readings" in lost.reason
    assert "gone" in lost.reason


def test_readings_without_values_are_counted(outbox: Outbox) -> None:
    batch = em1_batch(0, 10, START_MS)
    batch.values[:] = np.nan
    outbox.put(batch)
    feed = outbox.feed()
    feed.seek(Position())
    load = feed.read(100)
    assert (load.lines, load.empty, load.records) == ([], 10, 1)


def test_nothing_is_skipped_while_a_device_has_no_name(outbox: Outbox) -> None:
    outbox.put(*(em1_batch(first, 100, START_MS) for first in range(0, 1000, 100)))
    known = {index: name_of(index) for index in range(50)}
    feed = outbox.feed(known.__getitem__)
    feed.seek(Position())
    for _ in range(2):
        with pytest.raises(SinkUnavailableError, match="no name yet"):
            feed.read(5000)
    known.update((index, name_of(index)) for index in range(50, 100))
    assert len(feed.read(5000).lines) == 1000


def test_records_deleted_before_they_were_read_are_counted(outbox: Outbox) -> None:
    for first in range(0, 100_000, 5000):
        outbox.put(em1_batch(first, 5000, START_MS))
    feed = outbox.feed()
    feed.seek(Position())
    assert outbox.journal.delete_before(15) > 0
    load = feed.read(1)
    assert load.skipped > 0
    assert load.skipped + load.records + 20 - load.end.number + 1 == 20


def test_refused_lines_are_kept_byte_for_byte_in_a_bounded_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [RefusedLine(b"em1 \xff\x00 p=1", "no"), RefusedLine(b"", "unwritable")]
    keep_refused(tmp_path / "quarantine", "db", lines)
    file = tmp_path / "quarantine" / "refused-db.jsonl"
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    kept = [(base64.b64decode(entry["line_base64"]), entry["reason"]) for entry in entries]
    assert kept == [tuple(line) for line in lines]
    monkeypatch.setattr("gateway.sinks.salvage._MAX_REFUSED_BYTES", 10)
    for _ in range(5):
        keep_refused(tmp_path / "quarantine", "db", lines)
    assert len(list((tmp_path / "quarantine").iterdir())) == 2
