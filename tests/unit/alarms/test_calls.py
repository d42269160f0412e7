"""What monitors are told: what they care for, once, and nothing that is kept quiet."""

import json
from pathlib import Path

import pytest

from gateway.alarms.calls import Calls, topic_of
from gateway.alarms.scope import Scopes
from gateway.control import announcer
from gateway.ports import ClientRole, DeviceRow, Identity
from gateway.registry import Registry
from gateway.sources.listener_access import may_publish, may_retain, may_subscribe
from gateway.store.alarmwords import Acknowledge, Maintain, say
from tests.support.alarms import MINUTE_MS, NOW_MS, POLICY, Room, alarm

M1 = "device:m-1"


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = Room(tmp_path)
    room.step()
    return room


def test_a_life_as_a_monitor_sees_it(room: Room) -> None:
    room.tell(alarm("overload", M1, NOW_MS))
    one = room.one()
    topic = f"infragate/1/site/alarms/energy/overload/{one.id}"
    for k in range(70):  # numbers that move are no news to a monitor
        room.tell(alarm("overload", M1, NOW_MS)._replace(evidence=f'{{"n":{k}}}'))
    say(room.folder, Acknowledge("anna", room.now_ms, one.id, "I go"))
    room.step()
    room.tell(alarm("overload", M1, NOW_MS, room.now_ms))
    assert {call.topic for call in room.calls} == {topic}
    told = [(json.loads(c.payload)["state"] if c.payload else "", c.retain) for c in room.calls]
    assert told == [
        ("raised", True),
        ("acknowledged", True),
        ("cleared", False),
        ("", True),
    ]


def test_maintenance_takes_a_call_back_and_gives_it_again(room: Room) -> None:
    room.tell(alarm("overload", M1, NOW_MS))
    word = Maintain("anna", NOW_MS, "w1", M1, NOW_MS, NOW_MS + 10 * MINUTE_MS, "new fuse")
    say(room.folder, word)
    room.step()
    assert [(bool(call.payload), call.retain) for call in room.calls] == [
        (True, True),
        (True, False),
        (False, True),
    ]
    assert json.loads(room.calls[1].payload)["suppressed"] == "w1"
    room.calls.clear()
    room.tell(alarm("undervoltage", M1, NOW_MS + 1000))
    assert not room.calls
    room.step(after_s=600)
    assert len(room.calls) == 2
    assert all(call.retain and call.payload for call in room.calls)


def test_after_a_start_or_a_deaf_intake_everything_is_told(room: Room) -> None:
    room.tell(alarm("overload", M1, NOW_MS))
    room.calls.clear()
    room.hears = False
    room.tell(alarm("overload", "device:m-2", NOW_MS))
    room.hears = True
    room.step()
    assert len({call.topic for call in room.calls if call.retain}) == 2
    room.calls.clear()
    room.ended = [room.all()[0]._replace(id="0" * 12)]
    room.begin()
    room.step()
    assert [bool(call.payload) for call in room.calls] == [False, True, True]
    assert room.calls[0].topic.endswith("0" * 12)


def test_a_topic_has_its_six_levels_whatever_a_kind_is_called(room: Room) -> None:
    room.tell(alarm("wind/#+ ü", M1, NOW_MS))
    topic = topic_of(room.one())
    assert topic == f"infragate/1/site/alarms/energy/wind_____/{room.one().id}"
    assert Calls().of([room.one()], POLICY)[0].topic == topic


def test_evidence_too_long_for_a_message_is_left_in_the_api(room: Room) -> None:
    meters = json.dumps({"devices": [f"meter-{k:05}" for k in range(10_000)]})
    room.tell(alarm("feeder_outage", "feeder:f-1", NOW_MS)._replace(evidence=meters))
    (call,) = room.calls
    assert len(call.payload) < 1000
    body = json.loads(call.payload)
    assert body["evidence"] is None
    assert body["links"]["api"].startswith("/api/v1/energy/alarms?place=feeder")
    assert room.one().evidence == meters


class Paper:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bool]] = []

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.sent.append((topic, payload, retain))


def test_the_intake_announces_on_our_topics_only() -> None:
    paper = Paper()
    announce = announcer([paper])
    assert announce({"calls": [["infragate/1/a", "x", True]]}) == {"announced": 1}
    assert "error" in announce({"calls": [["tg/1/evn/energy/m-1/c/1", "{}", False]]})
    assert paper.sent == [("infragate/1/a", b"x", True)]


def test_only_monitors_hear_and_nobody_speaks() -> None:
    topic = b"infragate/1/site/alarms/energy/loss/0123456789ab"
    for role in ClientRole:
        who = Identity("m-1", role, "evn", "energy")
        reads = role in {ClientRole.MONITOR, ClientRole.ANONYMOUS}
        assert may_subscribe(who, "infragate/1/+/alarms/#") is reads
        assert not may_publish(who, topic)
        assert not may_retain(who, topic)


REGISTRY = """
node = [
    { id = "s-1", kind = "substation" },
    { id = "f-1", kind = "feeder", parent = "s-1" },
    { id = "t-1", kind = "transformer", parent = "f-1" },
    { id = "dcu-1", kind = "concentrator" },
]
device = [{ id = "m-1", org = "evn", sector = "energy", parent = "t-1", uplink = "dcu-1" }]
"""


def test_scope_is_a_place_and_all_above_it(tmp_path: Path) -> None:
    file = tmp_path / "registry.toml"
    file.write_text(REGISTRY)
    row = DeviceRow(0, "evn", "energy", "m-1", 1, 0)
    scopes = Scopes(Registry.load(file), lambda name: row if name == "m-1" else None, "site")
    above = "transformer:t-1 feeder:f-1 substation:s-1"
    assert scopes.of("energy", M1, NOW_MS) == (
        "evn",
        f" {M1} {above} concentrator:dcu-1 sector:energy org:evn all ",
    )
    owner, scope = scopes.of("energy", "feeder:f-1", NOW_MS)
    assert (owner, scope) == ("evn", " feeder:f-1 substation:s-1 sector:energy org:evn all ")
    _, scope = scopes.of("energy", "uplink:dcu-1", NOW_MS)
    assert " concentrator:dcu-1 " in scope
    assert scopes.of("gateway", "sink:influx", NOW_MS) == ("site", " sink:influx org:site all ")


def test_without_a_registry_a_place_is_its_own_scope() -> None:
    scopes = Scopes(None, lambda _name: None, "site")
    owner, scope = scopes.of("transport", "section:s 9", NOW_MS)
    assert (owner, scope) == ("site", " section:s_9 sector:transport org:site all ")
