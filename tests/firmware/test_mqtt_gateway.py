"""The node's MQTT against the gateway's codec, a real Mosquitto and the gateway's listener."""

import asyncio
import contextlib
import os
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldnode.core.mqtt import (
    CONNECTED,
    DELIVERED,
    MESSAGE,
    REFUSED,
    SUBSCRIBED,
    MqttError,
    Session,
)
from gateway.config.sections import ListenerSource
from gateway.mqtt import (
    V5,
    Ack,
    ConnAck,
    Connect,
    Disconnect,
    PacketType,
    Parser,
    PingReq,
    Prop,
    Properties,
    Role,
    SubAck,
    Subscribe,
    encode,
    encode_publish,
)
from tests.faults import quick_or_soak
from tests.firmware.tools import program
from tests.intakes import MemoryIntake
from tests.servers import mosquitto
from tests.source_rigs import running

TOPIC = b"tg/1/site/energy/meter-1/t"
_NAME = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=60)


def parse(*packets: "bytes | memoryview | None") -> list[object]:
    """Return what the gateway makes of a node's packets."""
    parser = Parser(Role.SERVER)
    items: list[object] = []
    for packet in packets:
        assert packet is not None
        items += list(parser.feed(bytes(packet)))
    return items


def up(**properties: int) -> Session:
    session = Session("m-1")
    said = {Prop[name]: value for name, value in properties.items()}
    assert session.feed(encode(ConnAck(properties=said), V5)) == [(CONNECTED, 0)]
    return session


@given(_NAME, st.integers(0, 65535), st.none() | _NAME, st.none() | _NAME, st.none() | st.binary())
def test_the_gateway_reads_every_connect(
    name: str, keepalive_s: int, user: str | None, password: str | None, will: bytes | None
) -> None:
    last = None if will is None else (TOPIC, will)
    (read,) = parse(Session(name, keepalive_s, user, password, last).connect())
    assert isinstance(read, Connect)
    secret = None if password is None else password.encode()
    assert (read.client_id, read.keepalive_s, read.username) == (name, keepalive_s, user)
    assert (read.password, read.clean_start) == (secret, True)
    assert read.properties == {Prop.RECEIVE_MAXIMUM: 4, Prop.MAXIMUM_PACKET_BYTES: 2048}
    if will is not None:
        assert read.will is not None
        assert (read.will.topic, read.will.payload) == (TOPIC, will)
        assert (read.will.qos, read.will.retain) == (1, True)


@given(payloads=st.lists(st.binary(max_size=900), min_size=1, max_size=8), retain=st.booleans())
def test_the_gateway_reads_every_publish(payloads: list[bytes], *, retain: bool) -> None:
    session = up()
    packets = [session.publish(TOPIC, body, None, retain=retain) for body in payloads]
    read = parse(Session("m-1").connect(), *packets)[1:]
    flags = 2 | retain
    wanted = [(number + 1, flags, TOPIC, body) for number, body in enumerate(payloads)]
    assert [item for run in read for item in run] == wanted  # type: ignore[attr-defined]


def test_the_gateway_reads_the_rest() -> None:
    session = up()
    subscribe = session.subscribe([b"tg/1/site/energy/meter-1/a", b"c/#"])
    session.tick(0)
    ping = session.tick(60_000)
    end = session.disconnect()
    _, read, pinged, ended = parse(Session("m-1").connect(), subscribe, ping, end)
    assert isinstance(read, Subscribe)
    assert [(one.topic_filter, one.options) for one in read.subscriptions] == [
        ("tg/1/site/energy/meter-1/a", 0),
        ("c/#", 0),
    ]
    assert (pinged, ended) == (PingReq(), Disconnect())


@given(st.data())
def test_the_node_reads_what_the_gateway_writes(data: st.DataObject) -> None:
    session = up(RECEIVE_MAXIMUM=20, TOPIC_ALIAS_MAXIMUM=5)
    stream = b""
    wanted: list[tuple[object, ...]] = []
    text: Properties = {Prop.REASON_STRING: "why", Prop.USER_PROPERTY: (("a", "b"), ("c", ""))}
    for number in range(1, 9):
        session.publish(TOPIC, b"", number)
        code = data.draw(st.sampled_from([0, 0, 0x10, 0x80, 0x97]))
        properties = text if data.draw(st.booleans()) else {}
        stream += encode(Ack(PacketType.PUBACK, number, code, properties), V5)
        wanted.append((REFUSED, number, code) if code else (DELIVERED, number))
        body = data.draw(st.binary(max_size=300))
        qos1 = data.draw(st.booleans())
        more = {Prop.MESSAGE_EXPIRY_S: 60, Prop.SUBSCRIPTION_ID: (300,)}
        expiry = data.draw(st.sampled_from([{}, more]))
        publish = (number * qos1, 2 * qos1, TOPIC, body)
        stream += encode_publish(publish, V5, expiry)  # type: ignore[arg-type]
        wanted.append((MESSAGE, TOPIC, body, 0))
    stream += encode(SubAck(9, (0, 1, 0x87), text), V5)
    wanted.append((SUBSCRIBED, b"\x00\x01\x87"))
    step = data.draw(st.integers(1, 400))
    events = []
    for at in range(0, len(stream), step):
        events += session.feed(stream[at : at + step])
    assert events == wanted


class Wire:
    """A session on a socket; counts what it writes."""

    def __init__(self, port: int, session: Session) -> None:
        self.session = session
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(session.connect())

    def read(self) -> list[tuple[object, ...]]:
        data = self.socket.recv(65536)
        events = self.session.feed(data)
        if self.session.replies:
            self.socket.sendall(self.session.replies)
            self.session.replies = b""
        if not data and not events:
            raise EOFError
        return events

    def until(self, kind: int) -> tuple[object, ...]:
        while True:
            for event in self.read():
                if event[0] == kind:
                    return event

    def send(self, topic: bytes, payload: bytes, token: object = None) -> None:
        packet = self.session.publish(topic, payload, token)
        assert packet is not None
        self.socket.sendall(packet)


def test_with_mosquitto() -> None:
    with mosquitto("allow_anonymous true\nmax_keepalive 30\nset_tcp_nodelay true\n") as server:
        wire = Wire(server.port, Session("m-1", 60, will=(b"tg/s", b'{"st":"lost"}')))
        assert wire.until(CONNECTED) == (CONNECTED, 0)
        assert wire.session.keepalive_s == 30  # the server's word
        wire.send(TOPIC, b"nobody listens", 5)
        assert wire.until(REFUSED) == (REFUSED, 5, 0x10)
        other = Wire(server.port, Session("other"))
        other.until(CONNECTED)
        other.socket.sendall(other.session.subscribe([TOPIC, b"tg/s"]))
        assert other.until(SUBSCRIBED) == (SUBSCRIBED, b"\0\0")
        wire.send(TOPIC, bytes(800), 6)
        assert wire.until(DELIVERED) == (DELIVERED, 6)
        assert other.until(MESSAGE) == (MESSAGE, TOPIC, bytes(800), 0)
        again = Wire(server.port, Session("m-1"))  # takes over
        again.until(CONNECTED)
        with pytest.raises((MqttError, EOFError)):
            wire.read()
        assert other.until(MESSAGE) == (MESSAGE, b"tg/s", b'{"st":"lost"}', 0)


def talk(port: int) -> None:
    wire = Wire(port, Session("meter-1", 20))
    wire.until(CONNECTED)
    wire.socket.sendall(wire.session.subscribe([b"tg/1/site/energy/meter-1/a"]))
    assert wire.until(SUBSCRIBED) == (SUBSCRIBED, b"\0")
    done: list[object] = []
    for token in range(100):
        while len(wire.session.waiting()) >= wire.session.window:
            done += [event[1] for event in wire.read() if event[0] == DELIVERED]
        wire.send(TOPIC, b"%d" % token, token)
    while len(done) < 100:
        done += [event[1] for event in wire.read() if event[0] == DELIVERED]
    assert done == list(range(100))
    wire.socket.sendall(wire.session.disconnect())
    wire.socket.close()


async def _commit(intake: MemoryIntake) -> None:
    while True:
        intake.commit()
        await asyncio.sleep(0.002)


async def test_with_the_listener_of_the_gateway(tmp_path: Path) -> None:
    section = ListenerSource.model_validate({"type": "listener", "listen": "127.0.0.1:0"})
    intake = MemoryIntake()
    async with running(section, intake, tmp_path) as listener:
        disk = asyncio.create_task(_commit(intake))
        await asyncio.to_thread(talk, listener.port)
        disk.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await disk
    published = [taken.payload for taken in intake.taken if taken.topic == TOPIC]
    assert published == [b"%d" % token for token in range(100)]


# Under MicroPython: 400 bytes at QoS 1 as fast as the window of 8 allows.
_FLOOD = """
import socket, sys, time
sys.path.insert(0, sys.argv[1])
from fieldnode.core.mqtt import Session
session = Session("flood")
wire = socket.socket()
wire.connect(socket.getaddrinfo("127.0.0.1", int(sys.argv[2]))[0][-1])
wire.setsockopt(6, 1, 1)
wire.write(session.connect())
session.feed(wire.recv(512))
count = int(sys.argv[3])
sent = answered = 0
began_ms = time.ticks_ms()
payload = bytes(400)
while answered < count:
    packet = session.publish(b"tg/1/site/energy/meter-1/t", payload, sent) if sent < count else None
    if packet is not None:
        wire.write(packet)
        sent += 1
    else:
        answered += len(session.feed(wire.recv(512)))
print(count * 1000 // time.ticks_diff(time.ticks_ms(), began_ms))
"""


def test_micropython_publishes_without_waiting_for_delayed_acks(
    compiled: Path, tmp_path: Path
) -> None:
    script = tmp_path / "flood.py"
    script.write_text(_FLOOD, "utf-8")
    with mosquitto("allow_anonymous true\nset_tcp_nodelay true\n") as server:
        command = [program("micropython"), "-X", "heapsize=36wK", str(script), str(compiled)]
        command += [str(server.port), str(quick_or_soak(5000, 50_000))]
        out = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, env=dict(os.environ)
        )
    # Nagle's algorithm would make it 22…400 (firmware.md §1.5); a busy machine gets some slack.
    assert int(out.stdout) >= quick_or_soak(2000, 10_000), out.stdout
