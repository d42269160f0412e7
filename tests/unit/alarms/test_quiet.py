"""What a dark transformer brings with it is one alarm, and its consequences are kept quiet."""

from pathlib import Path

import pytest

from gateway.ports import Alarm
from gateway.store.alarms import FOLLOWS, KeptAlarm, State
from tests.support.alarms import NOW_MS, POLICY, Room, alarm

TRANSFORMER, LOOP = "transformer:t-4", "device:loop-1"
FIRST_MS = NOW_MS - 60_000  # the last reading of a loop, a while before anybody knows of an outage
AFTER_S = POLICY.consequences.after_s


def scope_of(domain: str, place: str, _at_ms: int) -> tuple[str, str]:
    """Everything hangs on transformer t-4; what is far away does not."""
    org = "roads" if place.startswith("device:theirs") else "site"
    above = "" if "far" in place else f" {TRANSFORMER} feeder:f-2"
    return org, f" {place}{above} sector:{domain} all "


@pytest.fixture
def room(tmp_path: Path) -> Room:
    made = Room(tmp_path)
    made.begin(scope_of)
    return made


def outage(cleared_ms: int = 0, kind: str = "transformer_outage") -> Alarm:
    return alarm(kind, TRANSFORMER, NOW_MS, cleared_ms)


def silent(place: str, raised_ms: int = FIRST_MS, cleared_ms: int = 0) -> Alarm:
    return alarm("detector_no_data", place, raised_ms, cleared_ms, severity=2)


def of(room: Room, place: str) -> KeptAlarm:
    return next(one for one in room.all() if one.place == place)


def test_a_dark_transformer_stands_for_the_detectors_that_live_from_it(room: Room) -> None:
    room.tell(silent(LOOP), silent("device:far-1"), domain="transport")
    assert not of(room, LOOP).suppressed  # nobody knows why yet
    room.tell(outage())
    why = FOLLOWS + of(room, TRANSFORMER).id
    assert of(room, LOOP).suppressed == why
    assert not of(room, TRANSFORMER).suppressed
    assert not of(room, "device:far-1").suppressed
    room.tell(silent("device:loop-2", room.now_ms), domain="transport")  # and who comes later
    assert of(room, "device:loop-2").suppressed == why
    quiet = of(room, "device:loop-2").id
    assert not [call for call in room.calls if quiet in call.topic]  # nobody is called for it
    samples = [one for one in room.stats.samples() if one.name == "infragate_alarms_open"]
    assert {dict(one.labels)["severity"]: one.value for one in samples}["warning"] == 1  # far away


def test_what_was_wrong_before_or_is_another_thing_stands_for_itself(room: Room) -> None:
    long_before_ms = NOW_MS - round(POLICY.consequences.before_s * 1000) - 1
    room.tell(silent(LOOP, long_before_ms), domain="transport")
    room.tell(alarm("wrong_way", "device:radar-1", NOW_MS), domain="transport")
    room.tell(outage())
    assert not any(one.suppressed for one in room.all())


def test_who_hears_of_another_organisation_only_is_called(room: Room) -> None:
    room.tell(outage())
    room.tell(silent("device:theirs-1"), domain="transport")
    assert not of(room, "device:theirs-1").suppressed


def test_devices_have_time_to_be_back_and_then_are_called_out(room: Room) -> None:
    room.tell(outage())
    room.tell(silent(LOOP), silent("device:loop-2"), domain="transport")
    over_ms = room.now_ms
    room.tell(outage(over_ms))  # power is back
    room.begin(scope_of)  # also after a restart
    room.step()
    assert of(room, TRANSFORMER).state is State.CLEARED
    assert of(room, LOOP).suppressed
    room.tell(silent(LOOP, cleared_ms=room.now_ms), domain="transport")  # it says something again
    assert room.story(of(room, LOOP)) == ["raised", "suppressed", "cleared"]
    room.step(after_s=AFTER_S + 1)
    assert not of(room, "device:loop-2").suppressed  # the other one does not
    assert room.story(of(room, "device:loop-2")) == ["raised", "suppressed", "released"]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_who_is_missed_only_after_a_short_outage_follows_from_it(
    room: Room, *, is_restarted: bool
) -> None:
    """A station that is heard every ten minutes counts as silent when power is back."""
    room.tell(outage())
    room.tell(outage(room.now_ms), after_s=60)
    over_ms = of(room, TRANSFORMER).cleared_ms
    assert over_ms
    if is_restarted:
        room.begin(scope_of)
    room.tell(silent("device:far-1"), silent(LOOP), domain="transport", after_s=30)
    assert of(room, LOOP).suppressed == FOLLOWS + of(room, TRANSFORMER).id
    assert not of(room, "device:far-1").suppressed
    assert not [call for call in room.calls if of(room, LOOP).id in call.topic]
    room.step(after_s=AFTER_S - (room.now_ms - over_ms) / 1000)
    assert of(room, LOOP).suppressed
    room.step()
    assert room.story(of(room, LOOP)) == ["raised", "suppressed", "released"]
    room.tell(silent("device:loop-2"), domain="transport")
    assert not of(room, "device:loop-2").suppressed


@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_outage_that_is_over_and_was_none_stands_for_nothing(
    room: Room, *, is_restarted: bool
) -> None:
    room.tell(outage())
    room.tell(outage(room.now_ms)._replace(evidence='{"withdrawn":1}'))
    if is_restarted:
        room.begin(scope_of)
    room.tell(silent(LOOP), domain="transport")
    assert not of(room, LOOP).suppressed


def test_of_outages_that_are_over_the_newest_are_remembered(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.alarms.quiet._MOST_PAST", 1)
    room.tell(outage(), alarm("feeder_outage", "feeder:f-9", NOW_MS))
    room.tell(outage(room.now_ms))
    room.tell(alarm("feeder_outage", "feeder:f-9", NOW_MS, room.now_ms))
    room.tell(silent(LOOP), domain="transport")
    assert not of(room, LOOP).suppressed


def test_an_outage_that_was_none_stands_for_nothing(room: Room) -> None:
    room.tell(outage())
    room.tell(silent(LOOP), domain="transport")
    assert of(room, LOOP).suppressed
    withdrawn = outage(room.now_ms)._replace(evidence='{"withdrawn":1}')
    room.tell(withdrawn)
    assert not of(room, LOOP).suppressed


def test_of_a_transformer_and_its_feeder_the_nearer_one_is_named(room: Room) -> None:
    room.tell(alarm("feeder_outage", "feeder:f-2", NOW_MS), outage())
    room.tell(silent(LOOP), domain="transport")
    assert of(room, LOOP).suppressed == FOLLOWS + of(room, TRANSFORMER).id
