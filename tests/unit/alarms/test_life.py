"""The life of an alarm: one for one trouble, however often it is found, told, or worked out."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.alarms.own import Condition
from gateway.board.looks.alarms import DerivedAlarms, KeptAlarms
from gateway.ports import Findings
from gateway.store.alarms import AlarmReader, State
from gateway.store.alarmwords import Acknowledge, say
from gateway.store.derived import DerivedReader, DerivedStore
from tests.support.alarms import MINUTE_MS, NOW_MS, POLICY, Room, alarm

DAY_MS = 86_400_000
T4, BEGAN_MS = "transformer:t-4", NOW_MS - 5 * MINUTE_MS


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def acknowledge(room: Room, who: str = "anna", note: str = "crew sent") -> None:
    say(room.folder, Acknowledge(who, room.now_ms, room.one().id, note))


def test_an_alarm_is_raised_acknowledged_and_cleared(room: Room) -> None:
    room.tell(alarm("transformer_outage", T4, BEGAN_MS))
    assert (room.one().state, room.one().raised_ms) == (State.RAISED, BEGAN_MS)
    acknowledge(room)
    room.step()
    seen = room.one()
    assert (seen.state, seen.ack_who, seen.ack_note) == (State.ACKNOWLEDGED, "anna", "crew sent")
    room.tell(alarm("transformer_outage", T4, BEGAN_MS, NOW_MS))
    over = room.one()
    assert (over.state, over.cleared_ms, over.ack_who) == (State.CLEARED, NOW_MS, "anna")
    assert room.story(over) == ["raised", "acknowledged", "cleared"]


def test_what_comes_back_within_fifteen_minutes_is_the_same_alarm(room: Room) -> None:
    room.tell(alarm("undervoltage", "device:m-1", BEGAN_MS, BEGAN_MS + 1000))
    first = room.one()
    for k in range(1, 6):  # off and on, five times
        again_ms = BEGAN_MS + k * MINUTE_MS
        room.tell(alarm("undervoltage", "device:m-1", again_ms), after_s=1)
        assert room.one().state is State.RAISED
        room.tell(alarm("undervoltage", "device:m-1", again_ms, again_ms + 1000), after_s=1)
    assert (room.one().id, room.one().times) == (first.id, 6)
    assert room.one().cleared_ms == BEGAN_MS + 5 * MINUTE_MS + 1000


def test_what_comes_back_later_is_another_alarm(room: Room) -> None:
    room.tell(alarm("undervoltage", "device:m-1", BEGAN_MS, BEGAN_MS + 1000))
    later_ms = BEGAN_MS + 1000 + round(POLICY.reopen_ms) + 1
    room.tell(alarm("undervoltage", "device:m-1", later_ms), after_s=20 * 60)
    assert [one.times for one in room.all()] == [1, 1]
    assert room.all()[0].id != room.all()[1].id


def test_an_acknowledgement_outlives_a_return(room: Room) -> None:
    room.tell(alarm("undervoltage", "device:m-1", BEGAN_MS))
    acknowledge(room)
    room.tell(alarm("undervoltage", "device:m-1", BEGAN_MS, NOW_MS))
    room.tell(alarm("undervoltage", "device:m-1", NOW_MS + MINUTE_MS), after_s=60)
    back = room.one()
    assert (back.state, back.times, back.ack_who) == (State.ACKNOWLEDGED, 2, "anna")


def test_findings_worked_out_anew_keep_id_and_acknowledgement(room: Room) -> None:
    """derived.sqlite is deleted; the same outage is found again, half a minute earlier."""
    room.tell(alarm("transformer_outage", T4, BEGAN_MS))
    acknowledge(room)
    room.step()
    before = room.one()
    room.lose_derived()
    room.step(after_s=10 * 60)  # nothing is found yet: it is waited for
    assert room.one().state is State.ACKNOWLEDGED
    room.tell(alarm("transformer_outage", T4, BEGAN_MS - 30_000))
    assert room.one()[:9] == before[:9]
    assert (room.one().ack_who, room.one().times) == ("anna", 1)
    room.tell(alarm("transformer_outage", T4, BEGAN_MS - 30_000, NOW_MS))
    room.step(after_s=2 * 60)
    room.step(after_s=60 * 60)  # the row of the first beginning is never found again
    room.step(after_s=60)
    assert (room.one().state, room.one().ack_who) == (State.CLEARED, "anna")


def test_what_is_not_found_again_is_over_in_the_end(room: Room) -> None:
    room.tell(alarm("transformer_outage", T4, BEGAN_MS))
    room.lose_derived()
    room.step()
    room.step(after_s=59 * 60)
    assert room.one().state is State.RAISED
    room.step(after_s=2 * 60)
    room.step()
    assert room.one().state is State.CLEARED


def test_what_was_withdrawn_for_another_of_its_kind_leaves_no_gap(room: Room) -> None:
    """A late row makes an incident begin earlier: the old line ends, another one begins."""
    room.tell(alarm("incident", "section:s-9", BEGAN_MS), domain="transport")
    withdrawn = alarm("incident", "section:s-9", BEGAN_MS, BEGAN_MS + 1000)
    withdrawn = withdrawn._replace(evidence='{"withdrawn":true}')
    other = alarm("incident", "section:s-9", BEGAN_MS - 30_000)
    room.tell(withdrawn, other, domain="transport")
    assert (room.one().state, room.one().times) == (State.RAISED, 1)
    assert room.story(room.one()) == ["raised"]


def test_a_withdrawn_finding_ends_with_that_word(room: Room) -> None:
    room.tell(alarm("partial_outage", T4, BEGAN_MS))
    gone = alarm("partial_outage", T4, BEGAN_MS, NOW_MS)._replace(evidence='{"withdrawn":"x"}')
    room.tell(gone)
    (*_, last) = room.store.history(room.one().id)
    assert (last.what, last.note) == ("cleared", "withdrawn")


def test_numbers_that_move_all_the_time_are_told_once_a_minute(room: Room) -> None:
    room.tell(alarm("overload", T4, BEGAN_MS))
    changes = set()
    for k in range(120):
        room.tell(alarm("overload", T4, BEGAN_MS)._replace(evidence=f'{{"load":{k}}}'))
        changes.add(room.one().change)
    assert 2 <= len(changes) <= 3
    room.tell(alarm("overload", T4, BEGAN_MS, severity=4))  # what is graver, at once
    assert room.one().severity == 4
    assert room.story(room.one())[-1] == "severity"


def test_what_was_over_long_before_it_was_found_is_listed_and_called_out_to_nobody(
    room: Room,
) -> None:
    began_ms = NOW_MS - 3 * DAY_MS
    room.step()  # whoever listens knows what there is
    room.tell(alarm("loss", T4, began_ms, began_ms + MINUTE_MS))
    assert (room.one().state, room.one().raised_ms) == (State.CLEARED, began_ms)
    assert room.story(room.one()) == ["raised", "cleared"]
    assert room.calls == []
    assert raised_in_all(room) == 0
    room.tell(alarm("loss", T4, NOW_MS - MINUTE_MS, NOW_MS))
    assert len(room.calls) == 2  # it is over, and nobody is told of it who comes later
    assert raised_in_all(room) == 1


def test_an_old_data_directory_loses_no_alarm_at_the_first_start(tmp_path: Path) -> None:
    """Findings from before there was an annunciator, and from before they had numbers."""
    old_ms, open_ms = NOW_MS - 20 * DAY_MS, NOW_MS - 5 * DAY_MS
    derived = DerivedStore(tmp_path)
    found = [
        alarm("loss", "transformer:t-1", old_ms, old_ms + MINUTE_MS),
        alarm("transformer_outage", T4, open_ms),
    ]
    derived.commit("energy", Findings(found), 1)
    derived.close()
    with closing(sqlite3.connect(tmp_path / "derived.sqlite")) as file, file:
        for table in ("alarm", "result"):
            file.execute(f"DROP INDEX {table}_change")
            file.execute(f"ALTER TABLE {table} DROP COLUMN change")
    bare = DerivedAlarms(DerivedReader(tmp_path))
    before = [(one.kind, one.place, one.raised_ms) for one in bare.between(0, NOW_MS)]
    room = Room(tmp_path)
    room.step()
    kept = KeptAlarms(AlarmReader(tmp_path), bare).between(NOW_MS - 30 * DAY_MS, NOW_MS)
    assert [(one.kind, one.place, one.raised_ms) for one in kept] == before
    assert [one.is_open for one in kept] == [True, False]
    assert {json.loads(call.payload)["kind"] for call in room.calls} == {"transformer_outage"}


def raised_in_all(room: Room) -> float:
    """Return how many alarms were counted as raised."""
    name = "infragate_alarms_raised_total"
    return sum(one.value for one in room.stats.samples() if one.name == name)


def test_a_condition_of_our_own_is_held_before_it_is_called_out(room: Room) -> None:
    down = Condition("sink_down", "sink:influx", 3, {"lag_s": 5}, hold_s=60)
    room.conditions = [down]
    room.step()
    began_ms = room.now_ms
    room.conditions = []
    room.step(after_s=30)  # a hiccup
    room.conditions = [down]
    room.step(after_s=30)
    room.step(after_s=59)
    assert not room.all()
    room.step(after_s=1)
    assert room.one().raised_ms == began_ms + 60_000  # when it began to be so
    room.conditions = []
    room.step()
    assert (room.one().state, room.one().cleared_ms) == (State.CLEARED, room.now_ms)
    assert room.one().times == 1


def test_after_a_start_what_cannot_be_seen_yet_is_not_over(room: Room) -> None:
    """Nobody counts the nonsense of before a kill: the burst lasts for a whole window more."""
    room.step(after_s=600)
    burst = Condition("quarantine_burst", "reason:schema", 2, {"readings": 100})
    room.conditions = [burst]
    room.step()
    room.conditions = []
    room.begin()
    room.step()
    room.step(after_s=598)
    assert room.one().state is State.RAISED
    room.step(after_s=1)
    assert (room.one().state, room.one().times) == (State.CLEARED, 1)


def test_a_flood_is_one_alarm_and_nothing_is_lost(tmp_path: Path) -> None:
    room = Room(tmp_path, POLICY.model_copy(update={"max_open": 10}))
    rows = [alarm("undervoltage", f"device:m-{k}", BEGAN_MS + k) for k in range(15)]
    room.tell(*rows)
    room.step()
    assert len(room.book.open) == 11
    flood = next(one for one in room.book.open if one.kind == "alarm_flood")
    assert '"refused":5' in flood.evidence
    room.tell(*(one._replace(cleared_ms=NOW_MS) for one in rows[:8]))
    room.begin()  # and a kill does not forget whom it turned away
    room.step()
    room.step(after_s=60)
    assert {one.place for one in room.book.open} == {f"device:m-{k}" for k in range(8, 15)}


def test_history_keeps_its_beginning_and_its_newest_lines(room: Room) -> None:
    for k in range(60):
        at_ms = NOW_MS + k * MINUTE_MS
        room.tell(alarm("undervoltage", "device:m-1", at_ms, at_ms + 1000), after_s=60)
    story = room.store.history(room.one().id)
    assert room.one().times == 60
    assert len(story) == 4 + 28
    assert story[0].what == "raised"
    assert story[-1].at_ms == NOW_MS + 59 * MINUTE_MS
