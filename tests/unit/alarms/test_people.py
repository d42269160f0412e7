"""What people say of alarms: never lost, never twice, and maintenance keeps a place quiet."""

import random
from pathlib import Path

import pytest

from gateway.errors import JournalFullError
from gateway.ports import Findings
from gateway.store.alarms import AlarmFilter, Stage, State
from gateway.store.alarmstore import AlarmStep
from gateway.store.alarmwords import (
    FILE_NAME,
    MOST_BYTES,
    Acknowledge,
    EndMaintenance,
    Maintain,
    WordsFullError,
    say,
)
from tests.support.alarms import MINUTE_MS, NOW_MS, POLICY, Room, alarm

M1, BEGAN_MS = "device:m-1", NOW_MS - 5 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def maintain(room: Room, subject: str, from_ms: int, to_ms: int, window: str = "w1") -> None:
    word = Maintain("anna", room.now_ms, window, subject, from_ms, to_ms, "new fuse")
    say(room.folder, word)


def test_a_second_person_adds_a_note_and_the_first_stays(room: Room) -> None:
    room.tell(alarm("overload", M1, BEGAN_MS))
    for who, note in (("anna", "I go"), ("anna", "I go"), ("binh", "I go too")):
        say(room.folder, Acknowledge(who, room.now_ms, room.one().id, note))
    room.step()
    assert (room.one().ack_who, room.one().ack_note) == ("anna", "I go")
    story = room.store.history(room.one().id)
    assert [(one.what, one.who) for one in story[1:]] == [
        ("acknowledged", "anna"),
        ("noted", "binh"),
    ]


def test_an_alarm_that_is_over_can_still_be_seen_to(room: Room) -> None:
    room.tell(alarm("overload", M1, BEGAN_MS, NOW_MS))
    say(room.folder, Acknowledge("anna", room.now_ms, room.one().id, ""))
    room.step()
    assert (room.one().state, room.one().ack_who) == (State.CLEARED, "anna")


def test_words_survive_the_loss_of_everything_that_can_be_made_again(room: Room) -> None:
    """alarms.sqlite is deleted: ids come out the same, so the words find their alarms."""
    rows = [alarm("overload", f"device:m-{k}", BEGAN_MS + k) for k in range(3)]
    room.tell(*rows)
    for one in room.all()[:2]:
        say(room.folder, Acknowledge("anna", room.now_ms, one.id, one.place))
    room.step()
    before = [(one.id, one.ack_who, one.ack_note) for one in room.all()]
    for file in room.folder.glob("alarms.sqlite*"):
        file.unlink()
    room.begin()
    room.step()  # words first, then findings: nobody knows these alarms when they are spoken of
    assert [(one.id, one.ack_who, one.ack_note) for one in room.all()] == before


def test_a_torn_word_does_not_spoil_the_next(room: Room) -> None:
    room.tell(alarm("overload", M1, BEGAN_MS))
    with (room.folder / FILE_NAME).open("ab") as file:
        file.write(b'{"do":"acknowledge","who":"an')
    room.step()
    say(room.folder, Acknowledge("binh", room.now_ms, room.one().id, ""))
    room.step()
    assert room.one().ack_who == "binh"


def test_a_file_of_words_has_an_end(room: Room) -> None:
    with (room.folder / FILE_NAME).open("wb") as file:
        file.truncate(MOST_BYTES)
    with pytest.raises(WordsFullError):
        say(room.folder, Acknowledge("anna", room.now_ms, "0" * 12, ""))


def test_a_window_keeps_a_subtree_quiet_and_lets_it_go(room: Room) -> None:
    room.tell(alarm("overload", M1, BEGAN_MS))
    start_ms = room.now_ms + MINUTE_MS
    maintain(room, "feeder:f-1", start_ms, start_ms + HOUR_MS)
    room.step()
    assert not room.one().suppressed
    room.step(after_s=60)
    assert (room.one().suppressed, room.one().state) == ("w1", State.RAISED)
    room.tell(alarm("undervoltage", "device:m-2", room.now_ms))  # kept, but not called out
    assert all(one.suppressed for one in room.all())
    assert len(room.store.list(AlarmFilter(is_suppressed=True), 10)) == 2
    assert {one.place for one in room.store.list(AlarmFilter(subject="feeder:f-1"), 10)} == {
        M1,
        "device:m-2",
    }
    room.step(after_s=3600)  # the work is over, the trouble is not
    assert not any(one.suppressed for one in room.all())
    assert room.story(room.all()[0]) == ["raised", "suppressed", "released"]


def test_what_came_and_went_during_the_work_stays_suppressed(room: Room) -> None:
    maintain(room, M1, NOW_MS, NOW_MS + HOUR_MS)
    room.tell(alarm("overload", M1, room.now_ms))
    room.tell(alarm("overload", M1, room.one().raised_ms, room.now_ms), after_s=60)
    room.step(after_s=2 * 3600)
    assert (room.one().state, room.one().suppressed) == (State.CLEARED, "w1")


def test_work_can_be_over_sooner(room: Room) -> None:
    maintain(room, "all", NOW_MS, NOW_MS + HOUR_MS)
    room.tell(alarm("overload", M1, BEGAN_MS))
    assert room.one().suppressed == "w1"
    say(room.folder, EndMaintenance("binh", room.now_ms, "w1"))
    ended_ms = room.now_ms
    room.step()
    assert not room.one().suppressed
    assert not room.store.windows(room.now_ms)
    (past,) = room.store.past_windows(room.now_ms)
    assert (past.id, past.to_ms, past.stage(room.now_ms)) == ("w1", ended_ms, Stage.PAST)
    assert (past.ended_who, past.ended_ms) == ("binh", ended_ms)
    say(room.folder, EndMaintenance("chi", room.now_ms, "w1"))  # it is over: nobody ends it again
    room.step()
    assert room.store.past_windows(room.now_ms) == [past]
    assert [one.what for one in room.store.history("w1")] == ["planned", "ended"]


def test_work_that_is_called_off_never_begins(room: Room) -> None:
    room.tell(alarm("overload", M1, BEGAN_MS))
    maintain(room, "all", room.now_ms + HOUR_MS, room.now_ms + 2 * HOUR_MS)
    room.step()
    (planned,) = room.store.windows(room.now_ms)
    assert planned.stage(room.now_ms) is Stage.PLANNED
    say(room.folder, EndMaintenance("binh", room.now_ms, "w1"))
    room.step()
    (past,) = room.store.past_windows(room.now_ms)
    assert past.stage(room.now_ms) is Stage.CALLED_OFF
    room.step(after_s=1.5 * 3600)
    assert room.story(room.one()) == ["raised"]


def test_who_ended_a_window_is_kept_as_long_as_the_window(room: Room) -> None:
    maintain(room, "all", NOW_MS, NOW_MS + HOUR_MS)
    room.step()
    say(room.folder, EndMaintenance("binh", room.now_ms, "w1"))
    room.step()
    room.store.forget(NOW_MS, 1000)
    assert room.store.past_windows(room.now_ms)[0].ended_who == "binh"
    room.store.forget(room.now_ms + 1, 1000)
    assert not room.store.past_windows(room.now_ms)
    assert not room.store.history("w1")


def test_words_that_are_heard_anew_end_a_window_once(room: Room) -> None:
    """The file of words has become shorter, so it is read from its beginning again."""
    maintain(room, "all", NOW_MS, NOW_MS + HOUR_MS)
    say(room.folder, EndMaintenance("binh", NOW_MS + 500, "w1"))
    words = (room.folder / FILE_NAME).read_bytes()
    say(room.folder, Acknowledge("anna", NOW_MS, "0" * 12, "a line that a hand takes out"))
    room.step()
    before = room.store.past_windows(room.now_ms)
    (room.folder / FILE_NAME).write_bytes(words)
    room.step()
    assert room.store.past_windows(room.now_ms) == before
    assert [(one.id, one.ended_who) for one in before] == [("w1", "binh")]
    ends = [one for one in room.store.history("w1") if one.what == "ended"]
    assert len(ends) == 2  # both were heard: the history says so


def test_a_lost_file_is_made_again_with_the_windows_of_years(tmp_path: Path) -> None:
    """More were opened in all than may last at once."""
    room = Room(tmp_path, POLICY.model_copy(update={"max_windows": 2}))
    for k in range(5):
        maintain(room, "all", room.now_ms, room.now_ms + MINUTE_MS, f"w{k}")
        room.step(after_s=61)
    maintain(room, "all", room.now_ms, room.now_ms + HOUR_MS, "now")
    for file in room.folder.glob("alarms.sqlite*"):
        file.unlink()
    room.begin()
    room.step()
    assert [one.id for one in room.store.windows(room.now_ms)] == ["now"]


def test_windows_survive_a_kill_and_are_bounded(tmp_path: Path) -> None:
    room = Room(tmp_path, POLICY.model_copy(update={"max_windows": 3, "max_window_d": 1.0}))
    for k in range(5):
        maintain(room, "all", NOW_MS, NOW_MS + 400 * 24 * HOUR_MS, f"w{k}")
    room.step()
    room.begin()
    kept = room.store.windows(room.now_ms)
    assert [one.id for one in kept] == ["w0", "w1", "w2"]
    assert {one.to_ms - one.from_ms for one in kept} == {24 * HOUR_MS}


def test_a_full_disk_delays_and_loses_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = room.store.commit

    def full(_step: AlarmStep) -> None:
        raise JournalFullError("no room")

    monkeypatch.setattr(room.store, "commit", full)
    room.tell(alarm("overload", M1, BEGAN_MS))
    room.step()
    assert not room.all()
    assert not room.calls  # nobody hears of what is not kept
    monkeypatch.setattr(room.store, "commit", commit)
    room.step()
    assert room.one().state is State.RAISED
    assert room.calls


def test_restarted_anywhere_every_word_has_its_effect_once(tmp_path: Path) -> None:
    """Random findings and words; the first word about an alarm wins, the others are notes."""
    random_ = random.Random(7)
    room = Room(tmp_path)
    said: dict[str, list[str]] = {}
    open_ms: dict[str, int] = {}
    for number in range(300):
        place = f"device:m-{random_.randrange(20)}"
        raised_ms = open_ms.get(place)
        if raised_ms is None:
            open_ms[place] = room.now_ms
            room.derived.commit("energy", Findings([alarm("overload", place, room.now_ms)]), 1)
        elif random_.random() < 0.3:
            over = alarm("overload", place, open_ms.pop(place), room.now_ms)
            room.derived.commit("energy", Findings([over]), 1)
        for one in (one for one in room.all() if random_.random() < 0.05):
            say(room.folder, Acknowledge("anna", room.now_ms, one.id, str(number)))
            said.setdefault(one.id, []).append(str(number))
        if random_.random() < 0.3:
            room.begin()  # what the former life had in memory is gone
        room.step(after_s=60)
    assert said
    for one in room.all():
        notes = said.get(one.id, [])
        assert (one.ack_note, bool(one.ack_ms)) == (notes[0] if notes else "", bool(notes))
        told = [line.note for line in room.store.history(one.id) if line.who == "anna"]
        assert told == [note for note in notes if note in told]  # in order, none twice
