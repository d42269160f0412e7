"""The file of alarms: bounded, read beside its writer, whole or not at all."""

from pathlib import Path

import pytest

from gateway.store.alarms import AlarmFilter, AlarmReader, Tally
from gateway.store.alarmstore import AlarmStep
from tests.support.alarms import MINUTE_MS, NOW_MS, Room, alarm

DAY_MS = 86_400_000


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_before_the_first_start_there_is_nothing(tmp_path: Path) -> None:
    reader = AlarmReader(tmp_path)
    assert not reader.list(AlarmFilter(), 10)
    assert not reader.open(10)
    assert reader.find("0" * 12) is None
    assert (reader.last_change(), reader.heard(), list(reader.tally())) == (0, 0, [])


def test_old_alarms_go_and_open_ones_stay(room: Room) -> None:
    for day in range(10):
        at_ms = NOW_MS + day * DAY_MS
        room.now_ms = at_ms
        room.tell(alarm("overload", f"device:m-{day}", at_ms, at_ms + 1000 if day else 0))
    room.store.forget(NOW_MS + 5 * DAY_MS, most=1000)
    kept = [0, *range(5, 10)]
    assert [one.place for one in room.all()] == [f"device:m-{day}" for day in kept]
    room.store.forget(0, most=3)  # too many: the oldest that are over go
    assert [one.place for one in room.all()] == ["device:m-0", "device:m-8", "device:m-9"]
    assert all(room.story(one) for one in room.all())
    step = AlarmStep(change=room.store.last_change())
    room.store.commit(step)
    assert len(room.all()) == 3


def test_what_is_open_by_severity_whom_it_waits_for_and_what_is_quiet(room: Room) -> None:
    rows = [alarm("overload", f"device:m-{k}", NOW_MS + k, severity=1 + k % 4) for k in range(8)]
    room.tell(*rows)
    nobody = {"is_acknowledged": False, "is_suppressed": False, "number": 2}
    assert sorted(room.store.tally()) == [Tally(k, **nobody) for k in range(1, 5)]  # type: ignore[arg-type]
    shown = [one.severity for one in room.store.open(5)]
    assert shown == [4, 4, 3, 3, 2]


def test_changes_are_told_once_and_in_order(room: Room) -> None:
    seen = 0
    places = []
    for k in range(5):
        at_ms = NOW_MS + k * MINUTE_MS
        room.tell(alarm("overload", f"device:m-{k}", at_ms), after_s=60)
        fresh = room.store.changed_since(seen, 10)
        places += [one.place for one in fresh]
        seen = fresh[-1].change
    assert places == [f"device:m-{k}" for k in range(5)]
    assert not room.store.changed_since(seen, 10)
