"""The listener's pure parts: deadlines, routing, retained messages, rights, owed answers."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mqtt import PUBACK_WORD, V5, Ack, PacketType, encode
from gateway.ports import ClientRole, Identity
from gateway.sources.listener_access import (
    max_filters,
    may_publish,
    may_retain,
    may_subscribe,
)
from gateway.sources.listener_flow import Bucket
from gateway.sources.listener_retained import Retained
from gateway.sources.listener_router import Router
from gateway.sources.listener_wheel import Wheel
from gateway.sources.records import PendingAcks
from gateway.topics import filter_matches, is_filter

METER = Identity("meter-1", ClientRole.DEVICE, "evn", "energy")
HUB = Identity(
    "dcu-1", ClientRole.CONCENTRATOR, "evn", "energy", frozenset({"meter-7", "env/air-2"})
)
EDGE = Identity(
    "edge-7",
    ClientRole.DEVICE,
    "evn",
    "energy",
    topics=("spBv1.0/plant/+/edge7", "spBv1.0/plant/+/edge7/#"),
)
MONITOR = Identity("board", ClientRole.MONITOR, "evn")
ANYBODY = Identity("", ClientRole.ANONYMOUS)


# -- deadlines --


def test_what_is_due_comes_out_once_and_not_before() -> None:
    wheel: Wheel[str] = Wheel(100)
    wheel.add(103, "a")
    wheel.add(105, "b")
    assert list(wheel.due(102)) == []
    assert list(wheel.due(104)) == ["a"]
    assert list(wheel.due(200)) == ["b"]
    assert list(wheel.due(300)) == []


def test_a_deadline_that_has_gone_by_is_due_in_the_next_second() -> None:
    wheel: Wheel[str] = Wheel(100)
    wheel.add(7, "late")
    assert list(wheel.due(101)) == ["late"]


def test_what_is_taken_back_leaves_nothing_behind() -> None:
    wheel: Wheel[str] = Wheel(100)
    second = wheel.add(103, "a")
    wheel.discard(second, "a")
    wheel.discard(second, "a")
    assert not wheel._buckets
    assert list(wheel.due(200)) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=30))
def test_nothing_is_forgotten_whatever_the_steps(plan: list[tuple[int, int]]) -> None:
    wheel: Wheel[int] = Wheel(0)
    now_s, out, expected = 0, [], []
    for number, (delay_s, step_s) in enumerate(plan):
        wheel.add(now_s + delay_s, number)
        expected.append(number)
        now_s += step_s
        out += list(wheel.due(now_s))
    out += list(wheel.due(now_s + 100))
    assert sorted(out) == expected


# -- routing --

levels = st.sampled_from(["a", "b", "c", "", "$SYS"])
names = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
wild = st.lists(st.sampled_from(["a", "b", "+", "", "$SYS"]), min_size=1, max_size=4)
filters = st.builds(
    lambda parts, tail: "/".join([*parts, *tail]), wild, st.sampled_from([[], ["#"]])
).filter(is_filter) | st.just("#")


@given(st.lists(st.tuples(st.integers(0, 3), filters, st.booleans()), max_size=25), names)
def test_the_tree_agrees_with_matching_one_by_one(
    plan: list[tuple[int, str, bool]], topic: str
) -> None:
    router: Router[int] = Router()
    held: set[tuple[int, str]] = set()
    for member, topic_filter, is_added in plan:
        if is_added:
            assert router.add(topic_filter.encode(), member, 0) is (
                (member, topic_filter) not in held
            )
            held.add((member, topic_filter))
        else:
            assert router.remove(topic_filter.encode(), member) is ((member, topic_filter) in held)
            held.discard((member, topic_filter))
        router.match(topic.encode())  # so that a stale memory would show
    expected = {member for member, topic_filter in held if filter_matches(topic_filter, topic)}
    assert {member for member, _ in router.match(topic.encode())} == expected
    assert len(router) == len(held)


def test_an_emptied_tree_keeps_no_branches() -> None:
    router: Router[str] = Router()
    for n in range(100):
        router.add(b"tg/1/o/energy/m-%d/c/#" % n, "x", 0)
    for n in range(100):
        router.remove(b"tg/1/o/energy/m-%d/c/#" % n, "x")
    assert not router._root.children
    assert len(router) == 0


def test_each_subscriber_gets_a_message_once_however_many_filters_match() -> None:
    router: Router[str] = Router()
    for topic_filter in (b"#", b"a/+", b"a/b", b"a/b/#"):
        router.add(topic_filter, "x", 0)
    assert [member for member, _ in router.match(b"a/b")] == ["x"]


# -- retained --


def test_the_last_message_of_a_topic_is_kept_and_an_empty_one_deletes_it() -> None:
    retained = Retained()
    retained.put(b"a/s", b"1")
    retained.put(b"a/s", b"2")
    retained.put(b"b/s", b"3")
    assert [retained.get(topic) for topic in retained.topics("+/s")] == [b"2", b"3"]
    assert retained.topics("a/s") == [b"a/s"]
    retained.put(b"a/s", b"")
    assert retained.get(b"a/s") is None
    assert len(retained) == 1


def test_retained_messages_have_bounds_and_the_oldest_goes_first() -> None:
    few = Retained(max_topics=3)
    for n in range(5):
        few.put(b"t/%d" % n, b"x")
    few.put(b"t/2", b"again")  # now the newest
    few.put(b"t/9", b"x")
    assert few.topics("#") == [b"t/4", b"t/2", b"t/9"]
    small = Retained(max_bytes=100)
    for n in range(50):
        small.put(b"t/%d" % n, b"x" * 40)
    assert len(small) == 2
    small.put(b"t/huge", b"x" * 70_000)
    assert small.get(b"t/huge") is None


# -- rights --


@pytest.mark.parametrize(
    ("identity", "topic", "expected"),
    [
        (METER, "tg/1/evn/energy/meter-1/t", True),
        (METER, "tg/1/evn/energy/meter-1/s", True),
        (METER, "tg/1/evn/energy/meter-1/r/7", True),
        (METER, "tg/1/evn/energy/meter-1/a", False),
        (METER, "tg/1/evn/energy/meter-1/k", False),
        (METER, "tg/1/evn/energy/meter-1/c/x", False),
        (METER, "tg/1/evn/energy/meter-2/t", False),
        (METER, "tg/1/evn/energy/meter-11/t", False),
        (METER, "tg/1/evn/transport/meter-1/t", False),
        (METER, "tg/1/other/energy/meter-1/t", False),
        (METER, "tg/1/evn/energy/meter-1/t/extra", False),
        (METER, "anything/else", False),
        (HUB, "tg/1/evn/energy/dcu-1/t", True),
        (HUB, "tg/1/evn/energy/meter-7/b", True),
        (HUB, "tg/1/evn/env/air-2/t", True),
        (HUB, "tg/1/evn/energy/air-2/t", False),
        (HUB, "tg/1/evn/transport/meter-7/t", False),
        (HUB, "tg/1/evn/energy/meter-8/t", False),
        (MONITOR, "tg/1/evn/energy/meter-1/t", False),
        (ANYBODY, "zigbee2mqtt/plug", True),
    ],
)
def test_who_may_write_where(identity: Identity, topic: str, *, expected: bool) -> None:
    assert may_publish(identity, topic.encode()) is expected


@pytest.mark.parametrize(
    ("identity", "topic_filter", "expected"),
    [
        (METER, "tg/1/evn/energy/meter-1/a", True),
        (METER, "tg/1/evn/energy/meter-1/c/#", True),
        (METER, "tg/1/evn/energy/meter-1/k", True),
        (METER, "tg/1/evn/energy/meter-1/t", False),
        (METER, "tg/1/evn/energy/meter-1/+", False),
        (METER, "tg/1/evn/energy/meter-1/#", False),
        (METER, "tg/1/evn/energy/+/a", False),
        (METER, "tg/1/evn/energy/meter-2/a", False),
        (METER, "tg/1/+/energy/meter-1/a", False),
        (METER, "#", False),
        (METER, "spBv1.0/plant/NCMD/edge7", False),
        (EDGE, "spBv1.0/plant/NCMD/edge7", True),
        (EDGE, "spBv1.0/plant/NCMD/edge7/#", True),
        (EDGE, "spBv1.0/plant/DCMD/edge7/pump", True),
        (EDGE, "spBv1.0/plant/DCMD/edge7/#", True),
        (EDGE, "spBv1.0/plant/DCMD/edge7", False),
        (EDGE, "spBv1.0/plant/NCMD/edge8", False),
        (EDGE, "spBv1.0/other/NCMD/edge7", False),
        (EDGE, "spBv1.0/plant/NCMD/+", False),
        (EDGE, "spBv1.0/plant/NCMD/#", False),
        (EDGE, "spBv1.0/+/NCMD/edge7", False),
        (EDGE, "spBv1.0/plant/+/edge7", False),
        (EDGE, "spBv1.0/plant/NDATA/edge7", False),
        (EDGE, "spBv1.0/plant/NCMD/edge7/a", False),
        (EDGE, "spBv1.0/plant/DCMD/edge7/pump/#", False),
        (EDGE, "spBv1.0/#", False),
        (EDGE, "spBv1.0/STATE/host", False),
        (EDGE, "spBv1.0", False),
        (METER, "+/1/evn/energy/meter-1/a", False),
        (HUB, "tg/1/evn/env/air-2/a", True),
        (HUB, "tg/1/evn/energy/meter-8/a", False),
        (MONITOR, "#", True),
        (ANYBODY, "+/#", True),
    ],
)
def test_who_may_read_what(identity: Identity, topic_filter: str, *, expected: bool) -> None:
    assert may_subscribe(identity, topic_filter) is expected


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (b"spBv1.0/plant/NBIRTH/edge7", True),
        (b"spBv1.0/plant/DDATA/edge7/pump", True),
        (b"spBv1.0/plant/NDEATH/edge8", False),
        # a node that is broken into must command nobody, not even in a broad entry's name
        (b"spBv1.0/plant/NCMD/edge7", False),
        (b"spBv1.0/plant/DCMD/edge7/pump", False),
        (b"spBv1.0/STATE/host", False),
        (b"spBv1.0/STATE", False),
    ],
)
def test_an_edge_node_speaks_for_itself_and_commands_nobody(
    topic: bytes, *, expected: bool
) -> None:
    assert may_publish(EDGE, topic) is expected
    broad = EDGE._replace(topics=("spBv1.0/#",))
    assert may_publish(broad, topic) is (expected or b"NDEATH" in topic)


@given(st.text(string.ascii_lowercase + string.digits + "-/+#$", max_size=40))
def test_a_device_never_gets_beyond_its_own_topics(text: str) -> None:
    own = "tg/1/evn/energy/meter-1/"
    for candidate in (text, own + text, "tg/1/evn/energy/" + text, "tg/1/evn/" + text):
        if may_publish(METER, candidate.encode()) or may_subscribe(METER, candidate):
            assert candidate.startswith(own)


def test_nobody_leaves_a_receipt_or_a_configuration_behind() -> None:
    for lane in "akc":
        assert not may_retain(ANYBODY, b"tg/1/evn/energy/meter-1/" + lane.encode())
    assert may_retain(METER, b"tg/1/evn/energy/meter-1/s")
    assert not may_retain(METER, b"tg/1/evn/energy/meter-1/t")
    assert may_retain(ANYBODY, b"zigbee2mqtt/bridge/state")


def test_a_concentrator_has_room_for_the_filters_of_its_devices() -> None:
    assert max_filters(HUB) == 3 * max_filters(METER)


# -- what is owed --


def test_answers_leave_in_order_and_only_as_far_as_records_are_durable() -> None:
    acks = PendingAcks()
    for number, packet_id in ((5, 1), (6, 2), (9, 3)):
        acks.add(number, PUBACK_WORD + packet_id)
    assert acks.release(4) == b""
    assert acks.release(8) == b"\x40\x02\x00\x01\x40\x02\x00\x02"
    assert acks.release(9) == b"\x40\x02\x00\x03"
    assert not acks


def test_a_denial_waits_for_the_answers_before_it() -> None:
    acks = PendingAcks()
    acks.add(5, PUBACK_WORD + 1)
    acks.deny(2, 0x87)
    acks.add(6, PUBACK_WORD + 3)
    denial = encode(Ack(PacketType.PUBACK, 2, 0x87), V5)
    assert acks.release(4) == b""
    assert acks.release(5) == b"\x40\x02\x00\x01" + denial
    assert acks.release(6) == b"\x40\x02\x00\x03"


def test_a_steady_sender_within_its_rate_is_never_stopped() -> None:
    bucket = Bucket()
    assert all(bucket.spend(10, second / 10, 100.0) == 0 for second in range(10, 200))


def test_a_sender_beyond_its_rate_waits_as_long_as_it_is_ahead() -> None:
    bucket = Bucket()
    assert bucket.spend(100, 1000.0, 100.0) == 0  # a second's worth is saved up
    assert bucket.spend(50, 1000.0, 100.0) == pytest.approx(0.5)
    assert bucket.spend(0, 1000.5, 100.0) == 0
