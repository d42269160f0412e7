"""The MQTT session of a node, byte by byte (OASIS MQTT 5.0); no server needed."""

from fieldnode.core import mqtt
from fieldnode.core.mqtt import (
    CONNECTED,
    DELIVERED,
    MESSAGE,
    REFUSED,
    SUBSCRIBED,
    MqttError,
    Session,
)
from tests.firmware.twice.support import Draw, count_of, raises

CONNACK = b"\x20\3\0\0\0"


def up(properties: bytes = b"", **fields: object) -> Session:
    session = Session("m-1", **fields)  # type: ignore[arg-type]
    session.connect()
    answer = bytes([0x20, 3 + len(properties), 0, 0, len(properties)]) + properties
    assert session.feed(answer) == [(CONNECTED, 0)]
    return session


def error_of(session: Session, data: bytes) -> int:
    try:
        session.feed(data)
    except MqttError as error:
        return error.code
    return -1


def test_connect_packet() -> None:
    plain = Session("m-1", 30).connect()
    assert plain == (b"\x10\x18\0\4MQTT\5\2\0\x1e\x08\x21\0\4\x27\0\0\x08\0\0\3m-1")
    full = Session("m-1", 30, "u", "pw", (b"t", b"bye")).connect()
    assert full[9] == 0x80 | 0x40 | 0x20 | 0x08 | 0x04 | 0x02
    assert full[26:] == b"\0\0\1t\0\3bye\0\1u\0\2pw"
    assert full[1] == len(full) - 2


def test_a_session_that_the_server_kept_is_accepted() -> None:
    session = Session("m-1")
    assert session.feed(b"\x20\3\1\0\0") == [(CONNECTED, 1)]
    assert session.is_up


def test_a_refused_connection_says_why() -> None:
    assert error_of(Session("m-1"), b"\x20\3\0\x87\0") == 0x87
    assert error_of(Session("m-1"), b"\x40\2\0\1") == mqtt.PROTOCOL  # before CONNACK
    assert error_of(Session("m-1"), b"\x20\5\0\0\2\x24\0") == mqtt.NO_QOS


def test_publish_is_one_piece_and_ends_with_its_answer() -> None:
    session = up()
    assert bytes(session.publish(b"a/t", b"xyz", 7) or b"") == b"\x32\x0b\0\3a/t\0\1\0xyz"
    assert bytes(session.publish(b"a/s", b"", "s", retain=True, dup=True) or b"")[0] == 0x3B
    assert {7, "s"} == set(session.waiting())
    assert session.feed(b"\x40\2\0\2") == [(DELIVERED, "s")]
    assert session.feed(b"\x40\2\0\2") == []  # not ours any more
    assert session.feed(b"\x40\4\0\1\x10\0") == [(REFUSED, 7, 0x10)]  # nobody listens
    session.publish(b"a/t", b"xyz", 8)
    assert session.feed(b"\x40\3\0\3\x97") == [(REFUSED, 8, 0x97)]
    assert session.waiting() == []


def test_the_window_is_the_smaller_one() -> None:
    for said, wanted in ((b"", 8), (b"\x21\0\1", 1), (b"\x21\0\3", 3), (b"\x21\1\0", 8)):
        session = up(said)
        sent = [session.publish(b"t", b"", number) for number in range(12)]
        assert len([packet for packet in sent if packet is not None]) == wanted
        assert session.feed(b"\x40\2\0\1") == [(DELIVERED, 0)]
        assert session.publish(b"t", b"", 99) is not None
        assert session.publish(b"t", b"", 100) is None


def test_nothing_is_published_before_the_connack() -> None:
    session = Session("m-1")
    session.connect()
    assert session.publish(b"t", b"", 1) is None


def test_what_the_server_says_of_itself_holds() -> None:
    session = up(b"\x13\0\x14\x25\0\x27\0\0\0\x40")
    assert session.keepalive_s == 20
    assert (
        bytes(session.publish(b"t", b"", 1, retain=True) or b"")[0] == 0x32
    )  # retain is not there
    assert session.publish(b"t", bytes(50), 2) is not None
    raises(ValueError, session.publish, b"t", bytes(60), 3)


def test_packet_ids_are_not_used_twice_at_once() -> None:
    session = up()
    session.publish(b"t", b"", "stays")
    for number in range(65534):
        packet = session.publish(b"t", b"", number)
        assert packet is not None
        assert session.feed(b"\x40\2" + bytes(packet[5:7])) == [(DELIVERED, number)]
    packet = session.publish(b"t", b"", "wrapped")
    assert packet is not None
    assert bytes(packet[5:7]) == b"\0\2"


def test_messages_subscriptions_and_answers_to_them() -> None:
    session = up()
    assert session.subscribe([b"a", b"c/#"]) == b"\x82\x0d\0\1\0\0\1a\0\0\3c/#\0"
    assert session.feed(b"\x90\5\0\1\0\0\x87") == [(SUBSCRIBED, b"\0\x87")]
    assert session.feed(b"\x31\7\0\1a\0{1}") == [(MESSAGE, b"a", b"{1}", 1)]
    assert session.replies == b""
    with_properties = b"\x0b\x80\1\x26\0\1k\0\2vv\x02\0\0\0\x3c"
    message = b"\0\3c/9\0\7" + bytes([len(with_properties)]) + with_properties + b"go"
    assert session.feed(bytes([0x32, len(message)]) + message) == [(MESSAGE, b"c/9", b"go", 0)]
    assert session.replies == b"\x40\2\0\7"
    assert session.disconnect() == b"\xe0\0"
    assert not session.is_up


def test_bytes_come_as_they_like() -> None:
    stream = CONNACK + b"\xd0\0\x30\x84\1\0\1a\0" + bytes(128) + b"\xd0\x00"
    for size in (1, 2, 3, 7, 200):
        session = Session("m-1")
        events = []
        for at in range(0, len(stream), size):
            events += session.feed(stream[at : at + size])
        assert events == [(CONNECTED, 0), (MESSAGE, b"a", bytes(128), 0)]


def test_the_end_that_the_server_makes_does_not_swallow_what_came_before() -> None:
    session = up()
    session.publish(b"t", b"", 5)
    assert session.feed(b"\x40\2\0\1\xe0\1\x8e") == [(DELIVERED, 5)]
    assert error_of(session, b"") == 0x8E
    assert error_of(up(), b"\xe0\0") == 0


def test_what_is_wrong_ends_the_connection_and_nothing_else() -> None:
    for data, code in (
        (b"\xd0\x80\x80\x80\x80\1", mqtt.MALFORMED),  # length of five bytes
        (b"\xd0\x80\0", mqtt.MALFORMED),  # not the shortest form
        (b"\x30\xff\xff\x7f", mqtt.TOO_LARGE),
        (b"\x40\1\0", mqtt.MALFORMED),
        (b"\x34\7\0\1a\0\1\0x", mqtt.NO_QOS),
        (b"\x30\5\0\1a\1\x05", mqtt.MALFORMED),  # a property there is none of
        (b"\x30\6\0\1a\3\x02\0", mqtt.MALFORMED),
        (b"\x30\7\0\1a\2\x02\0\0", mqtt.MALFORMED),  # property longer than the properties
        (b"\x30\2\0\x09", mqtt.MALFORMED),
        (b"\xf0\0", mqtt.PROTOCOL),
        (b"\x10\0", mqtt.PROTOCOL),
    ):
        assert error_of(up(), data) == code, data


def test_noise_never_raises_anything_else() -> None:
    draw = Draw(11)
    for _ in range(count_of(1000, 20_000)):
        session = up()
        session.publish(b"t", b"", 1)
        noise = bytearray(b"\x90\5\0\1\0\0\x87\x31\7\0\1a\0{1}\x40\4\0\1\x10\0")
        for _ in range(1 + draw(3)):
            noise[draw(len(noise))] = draw(256)
        try:
            session.feed(bytes(noise))
            session.feed(b"")
        except MqttError:
            pass


def test_keepalive() -> None:
    session = up(keepalive_s=10)
    assert session.tick(100_000) is None
    assert session.tick(104_999) is None
    assert session.tick(105_000) == b"\xc0\0"
    assert session.tick(109_000) is None
    session.feed(b"\xd0\0")
    assert session.tick(110_000) == b"\xc0\0"  # nothing else was sent
    session.feed(b"\xd0\0")
    assert session.tick(111_000) is None
    session.publish(b"t", b"", 1)
    assert session.tick(114_000) is None  # a publish is a sign of life
    assert session.tick(118_000) == b"\xc0\0"  # but no answer came to it
    assert session.tick(126_000) == b"\xc0\0"
    assert raises(MqttError, session.tick, 126_001) == "MQTT 0x8d"


def test_a_server_that_never_answers_the_connect_is_given_up() -> None:
    session = Session("m-1", 10)
    session.connect()
    assert session.tick(0) is None
    assert session.tick(5000) is None
    assert raises(MqttError, session.tick, 5001) == "MQTT 0x8d"
    silent = up(keepalive_s=0)
    assert silent.tick(0) is None
    assert silent.tick(1 << 40) is None
