"""What the web process asks beside readings, and a store that is not there yet."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.model import Event, Position
from gateway.ports import CountRow, DeviceRow, LatestRow, MemoryRow, StreamRow, Totals
from gateway.profiles import load_profiles
from gateway.store import Store, StoreReader
from tests.store_tools import DAY0_MS, DAY_MS, FOREVER, Row, batch_of, checkpoint_at, rows_of

PROFILES = load_profiles()


def newest(device: int, time_ms: int, profile: str = "em1") -> LatestRow:
    return LatestRow(device, profile, time_ms, time_ms, 0, 1, 0, 1, 0, bytes(48), b"")


def test_a_reader_may_be_there_before_the_store(tmp_path: Path) -> None:
    reader = StoreReader(tmp_path, PROFILES)
    answers = (reader.devices(), reader.streams(), reader.counts(), reader.latest())
    assert answers == ([], [], [], [])
    assert reader.device("m-1") is None
    assert reader.accounting() == Totals(0, 0, 0, 0, 0, 0, 0)
    assert reader.position() == Position()
    assert reader.changed_since(0) == ([], 0)
    assert reader.events(0, FOREVER) == ([], None)
    batch, after = reader.readings("em1", None, 0, FOREVER, 10)
    assert (len(batch), batch.values.shape, after) == (0, (0, 6), None)
    Store.open(tmp_path).checkpoint(checkpoint_at(7))
    assert reader.position().number == 7


def test_a_store_of_an_earlier_version_has_no_memories_yet(tmp_path: Path) -> None:
    """Their table comes with the first writer; an import or a replay may be there before it."""
    Store.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as file:
        file.execute("DROP TABLE memory")
    reader = StoreReader(tmp_path, PROFILES)
    assert reader.memories() == []
    memory = MemoryRow("room", "key", b"what it knew")
    Store.open(tmp_path).checkpoint(checkpoint_at(2)._replace(memories=(memory,)))
    assert reader.memories() == [memory]


def test_the_state_is_found_by_device(tmp_path: Path) -> None:
    devices = [DeviceRow(k, "evn", "energy", f"m-{k}", 1, k) for k in range(3)]
    streams = [StreamRow(k, log, 0, 0, 1, 9, 5, "[]") for k in range(3) for log in (0, 1)]
    counts = [CountRow(k, 1, 2, 3, 4, 5, 6, 7, "online") for k in range(3)]
    latest = [newest(k, 5, profile) for k in range(3) for profile in ("em1", "pq3")]
    Store.open(tmp_path).checkpoint(
        checkpoint_at(5)._replace(devices=devices, streams=streams, counts=counts, latest=latest)
    )
    reader = StoreReader(tmp_path, PROFILES)
    assert reader.devices() == devices
    assert reader.device("m-2") == devices[2]
    assert reader.streams(1) == streams[2:4]
    assert reader.streams() == streams
    assert reader.counts() == counts
    assert (reader.count(1), reader.count(9)) == (counts[1], None)
    assert reader.latest() == latest
    assert reader.latest("pq3") == latest[1::2]
    assert reader.latest("em1", 2) == [latest[4]]
    assert reader.accounting() == checkpoint_at(5).totals


def test_a_log_that_counted_anew_keeps_its_epochs_and_shows_the_newest(tmp_path: Path) -> None:
    old, new = (StreamRow(1, 7, epoch, epoch, 1, 9, 5, "[]") for epoch in (2, 3))
    store = Store.open(tmp_path)
    store.checkpoint(checkpoint_at(2)._replace(streams=[old, new]))
    assert store.load().streams == [old, new]
    assert StoreReader(tmp_path, PROFILES).streams() == [new]


def test_a_forgotten_log_leaves_no_row(tmp_path: Path) -> None:
    old, new = (StreamRow(1, 7, epoch, epoch, 1, 9, 5, "[]") for epoch in (2, 3))
    store = Store.open(tmp_path)
    store.checkpoint(checkpoint_at(2)._replace(streams=[old, new]))
    store.checkpoint(checkpoint_at(3)._replace(streams=[old._replace(ranges="")]))
    assert store.load().streams == [new]
    gone, again = new._replace(ranges=""), new._replace(first=50)
    store.checkpoint(checkpoint_at(4)._replace(streams=[gone, again]))
    assert StoreReader(tmp_path, PROFILES).streams(1) == [again]


def test_a_live_board_gets_what_changed_only(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    reader = StoreReader(tmp_path, PROFILES)
    store.checkpoint(checkpoint_at(2)._replace(latest=[newest(0, 1), newest(1, 1)]))
    rows, token = reader.changed_since(0)
    assert rows == [newest(0, 1), newest(1, 1)]
    assert reader.changed_since(token) == ([], token)
    store.checkpoint(checkpoint_at(3)._replace(latest=[newest(1, 2)]))
    store.checkpoint(checkpoint_at(4))
    rows, later = reader.changed_since(token)
    assert rows == [newest(1, 2)]
    assert later > token


def test_events_page_through_days_and_filter(tmp_path: Path) -> None:
    events = [
        Event(DAY0_MS + k * DAY_MS // 2, 9, k % 2, "event" if k % 3 else "state", k, "{}", k + 1)
        for k in range(12)
    ]
    same_ms = [Event(DAY0_MS, 9, 1, "event", 50 + k, "{}", 20 + k) for k in range(5)]
    Store.open(tmp_path).write([], [*events, *same_ms])
    reader = StoreReader(tmp_path, PROFILES)
    found: list[Event] = []
    after = None
    while True:
        page, after = reader.events(DAY0_MS, FOREVER, limit=2, after=after)
        found += page
        if after is None:
            break
    assert found == sorted([*events, *same_ms], key=lambda event: (event.time_ms, event.record))
    of_device, _ = reader.events(DAY0_MS, FOREVER, 1, "state")
    assert of_device == [event for event in events if event.device_index and event.code % 3 == 0]
    early, _ = reader.events(DAY0_MS, DAY0_MS + 1)
    assert early == [events[0], *same_ms]


def test_things_that_happen_in_one_millisecond_are_all_shown(tmp_path: Path) -> None:
    events_profile = PROFILES["em1"].model_copy(update={"shape": "events"})
    rows = [Row(1, DAY0_MS, record, record) for record in (1, 2, 3)]
    again = Row(1, DAY0_MS, 4, 2)  # the same sequence number: the same thing
    Store.open(tmp_path).write([batch_of([*rows, again])], [])
    reader = StoreReader(tmp_path, {"em1": events_profile})
    assert rows_of(reader.readings("em1", 1, 0, FOREVER, 10)[0]) == rows
    first, after = reader.readings("em1", 1, 0, FOREVER, 2)
    rest, _ = reader.readings("em1", 1, 0, FOREVER, 2, after)
    assert rows_of(first) + rows_of(rest) == rows


def test_a_reading_that_wins_between_two_pages_is_not_shown_twice(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    rows = [Row(device, DAY0_MS, device, 1) for device in (1, 2, 3)]
    store.write([batch_of(rows)], [])
    reader = StoreReader(tmp_path, PROFILES)
    _, after = reader.readings("em1", None, 0, FOREVER, 2)
    store.write([batch_of([Row(2, DAY0_MS, 9, 99, quality=7)])], [])
    assert rows_of(reader.readings("em1", None, 0, FOREVER, 2, after)[0]) == [rows[2]]


@pytest.mark.parametrize("after", ["", "1", "1.2.3.4.x", "1.2.3.4.5.6", f"1.2.3.4.{2**70}"])
def test_a_made_up_after_is_a_value_error(tmp_path: Path, after: str) -> None:
    reader = StoreReader(tmp_path, PROFILES)
    with pytest.raises(ValueError):
        reader.readings("em1", None, 0, FOREVER, 10, after)
    with pytest.raises(ValueError):
        reader.events(0, FOREVER, after=after)


def test_a_profile_that_does_not_exist_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        StoreReader(tmp_path, PROFILES).readings("nope", None, 0, FOREVER, 10)


def test_many_rows_are_let_go_while_the_first_are_sought(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    # More than select gathers; the newest times come first, so that its bound must fall.
    for place in range(30):
        times = [DAY0_MS + (29 - place) * 10_000 + k for k in range(10)]
        rows = [Row(device, ms, place + 1, ms) for ms in times for device in range(1000)]
        store.write([batch_of(rows)], [])
    reader = StoreReader(tmp_path, PROFILES)
    batch, _ = reader.readings("em1", None, 0, FOREVER, 1500)
    assert batch.time_ms.tolist() == [DAY0_MS] * 1000 + [DAY0_MS + 1] * 500
    assert batch.device_index.tolist() == [*range(1000), *range(500)]
    assert set(batch.record.tolist()) == {30}
