"""The codec: what goes in comes out, and what is wrong is refused with the right code."""

import random
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProtocolError
from gateway.mqtt import (
    V5,
    V311,
    Ack,
    Auth,
    Code,
    ConnAck,
    Connect,
    Disconnect,
    KnownTopics,
    Packet,
    PacketType,
    Parser,
    PingReq,
    PingResp,
    Prop,
    Properties,
    Publish,
    Role,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
    encode,
    encode_pubacks,
    encode_publish,
    pack_acks,
)
from gateway.mqtt.wire import varint

Item = Packet | Publish


def parser_for(role: Role, version: int, **options: int) -> Parser:
    """A parser that has its first packet behind it."""
    parser = Parser(role, version, **options)  # type: ignore[arg-type]
    opening = Connect(version, "c") if role is Role.SERVER else ConnAck()
    assert list(parser.feed(encode(opening, version))) == [opening]
    return parser


def items(parser: Parser, data: bytes) -> list[Item]:
    found: list[Item] = []
    for item in parser.feed(data):
        if isinstance(item, list):
            found += item
        else:
            found.append(item)
    return found


def refuse(data: bytes, *, role: Role = Role.SERVER, version: int = V5) -> int:
    with pytest.raises(ProtocolError) as caught:
        items(parser_for(role, version), data)
    return caught.value.code


# -- what may be sent ------------------------------------------------------------------------

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
topics = st.text(string.ascii_lowercase + "/é-", min_size=1, max_size=30).map(str.encode)
filters = topics.map(bytes.decode)
ids = st.integers(1, 65_535)
u16s, u32s = st.integers(0, 65_535), st.integers(0, 2**32 - 1)
users = st.lists(st.tuples(texts, texts), min_size=1, max_size=3).map(tuple)


def properties(**each: st.SearchStrategy[object]) -> st.SearchStrategy[dict[Prop, object]]:
    return st.fixed_dictionaries(
        {},
        optional={Prop[name]: values for name, values in each.items()}
        | {Prop.USER_PROPERTY: users},
    )


reasons = properties(REASON_STRING=texts)
wills = st.builds(
    Will,
    topics,
    st.binary(max_size=20),
    st.integers(0, 2),
    st.booleans(),
    properties(WILL_DELAY_S=u32s, CONTENT_TYPE=texts, CORRELATION_DATA=st.binary(max_size=9)),
)
connects = st.builds(
    Connect,
    st.just(V5),
    texts,
    st.booleans(),
    u16s,
    st.none() | texts,
    st.none() | st.binary(max_size=20),
    st.none() | wills,
    properties(
        SESSION_EXPIRY_S=u32s,
        RECEIVE_MAXIMUM=ids,
        MAXIMUM_PACKET_BYTES=st.integers(1, 2**32 - 1),
        TOPIC_ALIAS_MAXIMUM=u16s,
        REQUEST_PROBLEM_INFO=st.integers(0, 1),
    ),
)
publishes = st.builds(
    lambda qos, retain, dup, packet_id, topic, payload: (
        packet_id if qos else 0,
        qos << 1 | retain | (dup << 3 if qos else 0),
        topic,
        payload,
    ),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    ids,
    topics,
    st.binary(max_size=300),
)
kinds = st.sampled_from([PacketType.PUBACK, PacketType.PUBREC])
acks = st.builds(Ack, kinds, ids, st.sampled_from([0, 0x10, 0x87]), reasons) | st.builds(
    Ack, st.sampled_from([PacketType.PUBREL, PacketType.PUBCOMP]), ids, st.sampled_from([0, 0x92])
)
subscriptions = st.builds(
    lambda name, qos, rest: Subscription(name, qos | rest << 2),
    filters,
    st.integers(0, 2),
    st.integers(0, 11),
)
to_server: st.SearchStrategy[Item] = st.one_of(
    publishes,
    publishes,
    acks,
    st.builds(
        Subscribe,
        ids,
        st.lists(subscriptions, min_size=1, max_size=4).map(tuple),
        properties(SUBSCRIPTION_ID=st.integers(1, 268_435_455)),
    ),
    st.builds(Unsubscribe, ids, st.lists(filters, min_size=1, max_size=4).map(tuple)),
    st.just(PingReq()),
    st.builds(Disconnect, st.sampled_from([0, 4, 0x81]), properties(SESSION_EXPIRY_S=u32s)),
    st.builds(Auth, st.sampled_from([0x18, 0x19]), properties(AUTH_METHOD=texts)),
)
to_client: st.SearchStrategy[Item] = st.one_of(
    publishes,
    publishes,
    acks,
    st.builds(SubAck, ids, st.lists(st.sampled_from([0, 1, 2, 0x87]), min_size=1).map(tuple)),
    st.builds(UnsubAck, ids, st.lists(st.sampled_from([0, 0x11]), min_size=1).map(tuple)),
    st.just(PingResp()),
    st.builds(Disconnect, st.sampled_from([0, 0x8B, 0x98]), reasons),
)
connacks = st.builds(
    ConnAck,
    st.sampled_from([0, 0x87]),
    st.booleans(),
    properties(
        RECEIVE_MAXIMUM=ids,
        SERVER_KEEPALIVE_S=u16s,
        ASSIGNED_CLIENT_ID=texts,
        MAXIMUM_QOS=st.integers(0, 1),
    ),
)


def wire(packets: list[Item], version: int) -> bytes:
    return b"".join(
        encode_publish(p, version) if isinstance(p, tuple) else encode(p, version) for p in packets
    )


@given(connects)
def test_connect_survives_the_wire(connect: Connect) -> None:
    assert items(Parser(Role.SERVER), encode(connect, V5)) == [connect]


@given(connacks)
def test_connack_survives_the_wire(connack: ConnAck) -> None:
    assert items(Parser(Role.CLIENT, V5), encode(connack, V5)) == [connack]


@given(st.lists(to_server, max_size=12))
def test_what_a_client_sends_survives_the_wire(packets: list[Item]) -> None:
    assert items(parser_for(Role.SERVER, V5), wire(packets, V5)) == packets


@given(st.lists(to_client, max_size=12))
def test_what_a_server_sends_survives_the_wire(packets: list[Item]) -> None:
    assert items(parser_for(Role.CLIENT, V5), wire(packets, V5)) == packets


@given(st.lists(publishes, max_size=20))
def test_publishes_survive_the_wire_in_3_1_1(packets: list[Item]) -> None:
    assert items(parser_for(Role.CLIENT, V311), wire(packets, V311)) == packets


@given(st.lists(to_server, max_size=6), st.data())
def test_splitting_the_stream_anywhere_changes_nothing(
    packets: list[Item], data: st.DataObject
) -> None:
    stream = wire(packets, V5)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=9)))
    parser, found = parser_for(Role.SERVER, V5), []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += items(parser, stream[begin:end])
    assert found == packets


@given(st.lists(to_client, max_size=4))
def test_a_stream_in_single_bytes_gives_the_same_packets(packets: list[Item]) -> None:
    parser, found = parser_for(Role.CLIENT, V5), []
    for byte in wire(packets, V5):
        found += items(parser, bytes((byte,)))
    assert found == packets


def test_a_connect_of_3_1_1_survives_the_wire() -> None:
    connect = Connect(V311, "m1", True, 30, "m1", b"pw", Will(b"s", b"lost", 1, True))  # noqa: FBT003
    parser = Parser(Role.SERVER)
    assert items(parser, encode(connect, V311)) == [connect]
    assert parser.version == V311


def test_fast_and_strict_path_agree_on_every_small_size() -> None:
    # the fast path leaves short packets and unknown topics to the strict one: same answers
    for version in (V311, V5):
        known = KnownTopics()
        for size in (0, 1, 2, 3, 4, 100, 118, 119, 120, 121, 16_370, 16_380, 16_390):
            publish = (7, 2, b"a/b", b"x" * size)
            parser = Parser(Role.CLIENT, version, known=known)
            items(parser, encode(ConnAck(), version))
            assert items(parser, encode_publish(publish, version) * 3) == [publish] * 3


def test_a_batch_of_pubacks_is_what_single_ones_are() -> None:
    single = b"".join(encode(Ack(PacketType.PUBACK, n), V5) for n in (1, 500, 65_535))
    assert encode_pubacks([1, 500, 65_535]) == single
    assert pack_acks([0x5002_0007]) == encode(Ack(PacketType.PUBREC, 7), V311)


def test_a_password_never_shows_in_a_repr() -> None:
    connect = Connect(
        V5, "m1", username="m1", password=b"canary-1", properties={Prop.AUTH_DATA: b"canary-2"}
    )
    assert "canary" not in repr(connect)


# -- what may not ----------------------------------------------------------------------------


def publish_v5(topic: bytes, props: bytes = b"\0", first: int = 0x30) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + props + b"payload"
    return bytes((first,)) + varint(len(body)) + body


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"\x30\x80\x80\x80\x80\x01", Code.MALFORMED, id="length of five bytes"),
        pytest.param(b"\x30\x85\x00\x00\x01ax", Code.MALFORMED, id="length longer than needed"),
        pytest.param(b"\x00\x00", Code.MALFORMED, id="packet type 0"),
        pytest.param(b"\xc1\x00", Code.MALFORMED, id="reserved flags in PINGREQ"),
        pytest.param(b"\xc0\x01x", Code.MALFORMED, id="PINGREQ with a body"),
        pytest.param(b"\x80\x06\x00\x01\x00\x00\x01a", Code.MALFORMED, id="SUBSCRIBE flags"),
        pytest.param(b"\x36\x07\x00\x01a\x00\x01\x00x", Code.MALFORMED, id="QoS 3"),
        pytest.param(b"\x38\x05\x00\x01a\x00x", Code.MALFORMED, id="DUP at QoS 0"),
        pytest.param(b"\x32\x07\x00\x01a\x00\x00\x00x", Code.PROTOCOL_ERROR, id="packet id 0"),
        pytest.param(b"\x82\x07\x00\x00\x00\x00\x01a\x00", Code.PROTOCOL_ERROR, id="SUB id 0"),
        pytest.param(publish_v5(b""), Code.PROTOCOL_ERROR, id="no topic and no alias"),
        pytest.param(publish_v5(b"", b"\x03\x23\0\1"), Code.TOPIC_ALIAS_INVALID, id="alias"),
        pytest.param(publish_v5(b"a/+"), Code.TOPIC_INVALID, id="wildcard +"),
        pytest.param(publish_v5(b"a#"), Code.TOPIC_INVALID, id="wildcard #"),
        pytest.param(publish_v5(b"a\0b"), Code.MALFORMED, id="NUL"),
        pytest.param(publish_v5(b"a\xff"), Code.MALFORMED, id="not UTF-8"),
        pytest.param(publish_v5(b"a\xed\xa0\x80"), Code.MALFORMED, id="surrogate"),
        pytest.param(publish_v5(b"a\xc0\xaf"), Code.MALFORMED, id="overlong UTF-8"),
        pytest.param(publish_v5(b"a", b"\x02\x7f\x01"), Code.MALFORMED, id="unknown property"),
        pytest.param(publish_v5(b"a", b"\x03\x21\0\1"), Code.MALFORMED, id="property elsewhere"),
        pytest.param(
            publish_v5(b"a", b"\x04\x01\1\x01\1"), Code.PROTOCOL_ERROR, id="property twice"
        ),
        pytest.param(publish_v5(b"a", b"\x02\x01\2"), Code.PROTOCOL_ERROR, id="flag of 2"),
        pytest.param(publish_v5(b"a", b"\x02\x0b\1"), Code.PROTOCOL_ERROR, id="subscription id"),
        pytest.param(publish_v5(b"a", b"\x7f\x01\1"), Code.MALFORMED, id="properties too long"),
        pytest.param(b"\x30\x03\x00\x09a", Code.MALFORMED, id="topic longer than its packet"),
        pytest.param(b"\x40\x01\x00", Code.MALFORMED, id="half a packet id"),
        pytest.param(b"\x40\x03\x00\x01\x42", Code.MALFORMED, id="unknown reason code"),
        pytest.param(b"\x82\x03\x00\x01\x00", Code.PROTOCOL_ERROR, id="SUBSCRIBE of nothing"),
        pytest.param(b"\x82\x07\0\1\0\0\1a\x03", Code.MALFORMED, id="SUBSCRIBE QoS 3"),
        pytest.param(b"\x82\x07\0\1\0\0\1a\xc0", Code.MALFORMED, id="reserved options"),
        pytest.param(b"\x82\x07\0\1\0\0\1a\x30", Code.MALFORMED, id="retain handling 3"),
        pytest.param(b"\x82\x06\0\1\0\0\3a", Code.MALFORMED, id="truncated filter"),
        pytest.param(b"\x82\x0b\0\1\0\0\5a/#/b\0", Code.FILTER_INVALID, id="# in the middle"),
        pytest.param(b"\x82\x08\0\1\0\0\2a+\0", Code.FILTER_INVALID, id="+ beside text"),
        pytest.param(b"\x82\x06\0\1\0\0\0\0", Code.FILTER_INVALID, id="empty filter"),
        pytest.param(b"\x20\x03\0\0\0", Code.PROTOCOL_ERROR, id="CONNACK to a server"),
        pytest.param(encode(Connect(V5, "c"), V5), Code.PROTOCOL_ERROR, id="second CONNECT"),
        pytest.param(b"\x30\xff\xff\xff\x7f", Code.PACKET_TOO_LARGE, id="256 MB announced"),
    ],
)
def test_a_broken_packet_is_refused_with_its_reason(data: bytes, code: Code) -> None:
    assert refuse(data) == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"\x30\x00", Code.PROTOCOL_ERROR, id="PUBLISH first"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", Code.MALFORMED, id="HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", Code.MALFORMED, id="TLS"),
        pytest.param(b"\x10\x0c\0\4MQTX\4\2\0\0\0\0", Code.UNSUPPORTED_VERSION, id="name"),
        pytest.param(b"\x10\x0c\0\4MQTT\6\2\0\0\0\0", Code.UNSUPPORTED_VERSION, id="level 6"),
        pytest.param(b"\x10\x0e\0\6MQIsdp\3\2\0\0\0\0", Code.UNSUPPORTED_VERSION, id="3.1"),
        pytest.param(b"\x10\x0c\0\4MQTT\4\3\0\0\0\0", Code.MALFORMED, id="reserved flag"),
        pytest.param(b"\x10\x0c\0\4MQTT\4\x22\0\0\0\0", Code.MALFORMED, id="will retain alone"),
        pytest.param(b"\x10\x0c\0\4MQTT\4\x42\0\0\0\0", Code.MALFORMED, id="password alone"),
        pytest.param(b"\x10\x0d\0\4MQTT\4\2\0\0\0\0x", Code.MALFORMED, id="trailing byte"),
        pytest.param(b"\xf0\x00", Code.PROTOCOL_ERROR, id="AUTH first"),
    ],
)
def test_a_broken_opening_is_refused_with_its_reason(data: bytes, code: Code) -> None:
    with pytest.raises(ProtocolError) as caught:
        items(Parser(Role.SERVER), data)
    assert caught.value.code == code


def test_what_came_before_an_error_is_delivered_first() -> None:
    parser = parser_for(Role.SERVER, V311)
    found: list[list[Publish] | Packet] = []
    good = (1, 2, b"a/b", b"payload")
    with pytest.raises(ProtocolError):
        found.extend(parser.feed(encode_publish(good, V311) + b"\x36\x00"))
    assert found == [[good]]


def test_a_packet_too_large_is_refused_before_its_body_comes() -> None:
    parser = parser_for(Role.SERVER, V311, max_packet_bytes=1000)
    assert items(parser, b"\x30" + varint(990)) == []
    with pytest.raises(ProtocolError) as caught:
        items(parser_for(Role.SERVER, V311, max_packet_bytes=1000), b"\x30" + varint(999))
    assert caught.value.code == Code.PACKET_TOO_LARGE


def test_a_large_packet_in_small_pieces_costs_no_more_than_its_bytes() -> None:
    publish = (1, 2, b"a/b", bytes(1 << 20))
    stream, parser, found = (
        encode_publish(publish, V311),
        parser_for(Role.SERVER, V311, max_packet_bytes=1 << 21),
        [],
    )
    for at in range(0, len(stream), 16):  # joining 65,536 pieces anew each time would take minutes
        found += items(parser, stream[at : at + 16])
    assert found == [publish]


def test_a_peer_that_makes_up_topics_does_not_fill_memory() -> None:
    known = KnownTopics()
    for n in range(70_000):
        known.learn(b"t/%d" % n)
    known.learn(b"x" * 300)
    assert len(known) < 65_536
    assert b"x" * 300 not in known


def mutate(rng: random.Random, stream: bytearray) -> bytes:
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(stream))
        match rng.randrange(3):
            case 0:
                stream[at] = rng.randrange(256)
            case 1:
                del stream[at : at + rng.randrange(1, 6)]
            case _:
                stream[at:at] = rng.randbytes(rng.randrange(1, 6))
        if not stream:
            break
    return bytes(stream)


def samples(version: int) -> list[bytes]:
    props: Properties = {Prop.USER_PROPERTY: (("a", "b"),), Prop.REASON_STRING: "r"}
    if version == V311:
        props = {}
    will = Will(b"tg/1/o/energy/m1/s", b"{}", 1, retain=True)
    packets: list[Packet] = [
        Connect(version, "m1", username="u", password=b"p", will=will),
        ConnAck(0),
        Ack(PacketType.PUBACK, 7, 0, props),
        Ack(PacketType.PUBREL, 8),
        Subscribe(9, (Subscription("a/#", 1), Subscription("b/+/c", 0))),
        SubAck(9, (0, 0x80)),
        Unsubscribe(10, ("a/#",)),
        UnsubAck(10, (0,)),
        PingReq(),
        PingResp(),
        Disconnect(),
    ]
    publish = (3, 2, b"tg/1/o/energy/m1/t", b'{"p":"em1"}' * 5)
    return [encode(p, version) for p in packets] + [encode_publish(publish, version)] * 4


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("version", [V311, V5])
def test_25_000_mutated_streams_raise_nothing_but_protocol_errors(role: Role, version: int) -> None:
    rng, good = random.Random(version), samples(version)
    codes: Counter[Code] = Counter()
    for n in range(25_000):
        if n % 5 == 0:
            stream = rng.randbytes(rng.randrange(1, 60))
        else:
            stream = mutate(rng, bytearray(b"".join(rng.choices(good, k=3))))
        parser = Parser(role, version, max_packet_bytes=4096)
        if n % 8:
            parser = parser_for(role, version, max_packet_bytes=4096)
        try:
            for at in range(0, len(stream), 31):
                items(parser, stream[at : at + 31])
        except ProtocolError as error:
            codes[Code(error.code)] += 1
    assert min(codes) >= Code.UNSPECIFIED
    assert codes.total() > 10_000
