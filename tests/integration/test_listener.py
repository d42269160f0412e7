"""The listener at the wire: what each packet does, byte by byte where it matters."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from typing_extensions import override

from gateway.config.sections import ListenerSource
from gateway.mqtt import (
    V5,
    V311,
    Ack,
    Code,
    ConnAck,
    Connect,
    Disconnect,
    PacketType,
    PingReq,
    PingResp,
    Prop,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
    Will,
    encode,
    int_of,
    text_of,
)
from gateway.sources.listener import Listener
from gateway.sources.listener_connection import Connection
from gateway.stats import Stats
from tests.intakes import MemoryIntake
from tests.mqtt_client import RawClient
from tests.source_rigs import running

TOPIC = "tg/1/site/energy/meter-1/t"
STATE = "tg/1/site/energy/meter-1/s"
BOTH = pytest.mark.parametrize("version", [V311, V5])


def section_of(**fields: object) -> ListenerSource:
    settings = {"type": "listener", "listen": "127.0.0.1:0"} | fields
    return ListenerSource.model_validate(settings)


class Tee(asyncio.Transport):
    """Passes writes on and keeps a copy."""

    def __init__(self, transport: asyncio.Transport, copies: list[bytes]) -> None:
        super().__init__()
        self._transport = transport
        self._copies = copies

    @override
    def write(self, data: Any) -> None:
        self._copies.append(bytes(data))
        self._transport.write(data)

    @override
    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    @override
    def is_closing(self) -> bool:
        return self._transport.is_closing()

    @override
    def close(self) -> None:
        self._transport.close()


class House:
    """A listener and all that a test wants of it."""

    def __init__(self, listener: Listener, intake: MemoryIntake, stats: Stats) -> None:
        self.listener = listener
        self.intake = intake
        self.stats = stats
        self.clients: list[RawClient] = []

    async def client(
        self, client_id: str = "c1", version: int = V311, **fields: object
    ) -> RawClient:
        """A client that is let in."""
        client = await self.stranger(version)
        answer = await client.hello(client_id, **fields)
        assert answer.code == 0
        return client

    async def stranger(self, version: int = V311) -> RawClient:
        """A client that has only connected its socket."""
        client = await RawClient(self.listener.port, version).open()
        self.clients.append(client)
        return client

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)

    async def taken(self, count: int) -> None:
        await self.until(lambda: len(self.intake.taken) >= count)

    @property
    def peers(self) -> list[Connection]:
        """The clients as the listener holds them."""
        assert self.listener._hub is not None
        return [cast("Connection", peer) for peer in self.listener._hub.clients.values()]

    def tick(self, seconds: int = 0) -> None:
        """Let time pass for the listener, as far as deadlines are concerned."""
        hub = self.listener._hub
        assert hub is not None
        hub.tick(hub.now_s + seconds)
        self.listener._report(hub)

    def count_of(self, event: str) -> float:
        self.tick()
        labels = (("event", event), ("source", "3"))
        return sum(s.value for s in self.stats.samples() if s.labels == labels)


@pytest.fixture
def section() -> ListenerSource:
    return section_of()


@pytest.fixture
async def house(section: ListenerSource, tmp_path: Path) -> AsyncIterator[House]:
    intake, stats = MemoryIntake(), Stats()
    async with running(section, intake, tmp_path, stats) as listener:
        house = House(listener, intake, stats)
        yield house
        for client in house.clients:
            await client.close()


# -- coming in --


async def test_a_client_of_mqtt_5_hears_the_terms(house: House) -> None:
    client = await house.stranger(V5)
    answer = await client.hello("", keepalive_s=0)
    props = answer.properties
    assert int_of(props, Prop.MAXIMUM_QOS, 2) == 1
    assert int_of(props, Prop.TOPIC_ALIAS_MAXIMUM, 9) == 0
    assert int_of(props, Prop.MAXIMUM_PACKET_BYTES, 0) == 1 << 20
    assert int_of(props, Prop.RECEIVE_MAXIMUM, 0) == 5000
    assert int_of(props, Prop.SESSION_EXPIRY_S, 9) == 0
    assert int_of(props, Prop.SERVER_KEEPALIVE_S, 0) == 2400
    assert text_of(props, Prop.ASSIGNED_CLIENT_ID).startswith("auto-")
    assert not answer.session_present


async def test_an_empty_client_id_without_clean_session_is_refused_in_3_1_1(house: House) -> None:
    client = await house.stranger()
    assert (await client.hello("", clean_start=False)).code == 2
    assert await client.closed() == []


@pytest.mark.parametrize(
    ("first_bytes", "answer"),
    [
        pytest.param(b"\x10\x0c\0\4MQTT\6\2\0\0\0\0", b"\x20\x02\0\1", id="MQTT 6"),
        pytest.param(b"\x10\x0e\0\6MQIsdp\3\2\0\0\0\0", b"\x20\x02\0\1", id="MQTT 3.1"),
        pytest.param(b"\x10\x0d\0\4MQTT\5\3\0\0\0\0\0", b"\x20\x03\0\x81\0", id="malformed 5"),
        pytest.param(b"\x10\x0c\0\4MQTT\4\3\0\0\0\0", b"", id="malformed 3.1.1"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", b"", id="HTTP"),
        pytest.param(encode(PingReq(), V311), b"", id="PINGREQ first"),
        pytest.param(b"\x10\x81\x40", b"", id="CONNECT of 8 KB and one"),
    ],
)
async def test_a_stranger_who_does_not_begin_well_is_out(
    house: House, first_bytes: bytes, answer: bytes
) -> None:
    client = await house.stranger()
    client.send_raw(first_bytes)
    assert client._reader is not None
    assert await asyncio.wait_for(client._reader.read(), 5) == answer


async def test_a_stranger_who_says_nothing_is_out_after_ten_seconds(house: House) -> None:
    client = await house.stranger()
    client.send_raw(b"\x10")  # a byte now and then does not help
    await asyncio.sleep(0.05)
    house.tick(9)
    assert await client.is_quiet()
    house.tick(2)
    assert await client.closed() == []
    assert house.count_of("silent") == 1


@pytest.mark.parametrize("section", [section_of(max_connections=3)])
async def test_silent_strangers_make_room_but_clients_do_not(house: House) -> None:
    silent = [await house.stranger() for _ in range(3)]
    clients = [await house.client(f"c{n}") for n in range(3)]
    assert await silent[0].closed() == []
    late = await house.stranger()
    assert (await late.hello("late")).code == 3  # server unavailable
    for client in clients:
        client.send(PingReq())
        assert isinstance(await client.next(), PingResp)


@pytest.mark.parametrize("section", [section_of(anonymous=False)])
@pytest.mark.parametrize(("version", "code"), [(V311, 5), (V5, 0x87)])
async def test_nobody_comes_in_without_credentials(house: House, version: int, code: int) -> None:
    client = await house.stranger(version)
    assert (await client.hello(username="meter-1")).code == code
    assert await client.closed() == []


@BOTH
async def test_the_same_client_id_takes_the_connection_over(house: House, version: int) -> None:
    older = await house.client("m1", version, will=Will(STATE.encode(), b"lost", 1))
    newer = await house.client("m1", version)
    goodbye = await older.closed()
    assert goodbye == ([Disconnect(Code.SESSION_TAKEN_OVER)] if version == V5 else [])
    assert house.intake.payloads == [b"lost"]
    newer.send(PingReq())
    assert isinstance(await newer.next(), PingResp)


# -- going --


@BOTH
async def test_a_client_that_falls_silent_is_cut_off_after_one_and_a_half_keepalives(
    house: House, version: int
) -> None:
    client = await house.client("m1", version, keepalive_s=20)
    house.tick(29)
    assert await client.is_quiet()
    client.send(PingReq())
    assert isinstance(await client.next(), PingResp)
    house.tick(29)
    assert await client.is_quiet()
    house.tick(3)
    assert await client.closed() == ([Disconnect(Code.KEEPALIVE_TIMEOUT)] if version == V5 else [])


async def test_without_a_keepalive_an_hour_of_silence_is_enough(house: House) -> None:
    client = await house.client("m1", keepalive_s=0)
    for _ in range(59):
        house.tick(60)
    assert await client.is_quiet()
    for _ in range(3):
        house.tick(60)
    assert await client.closed() == []


@pytest.mark.parametrize(
    ("version", "goodbye", "is_done"),
    [
        pytest.param(V311, encode(Disconnect(), V311), False, id="3.1.1 DISCONNECT"),
        pytest.param(V5, encode(Disconnect(), V5), False, id="5 DISCONNECT"),
        pytest.param(V5, encode(Disconnect(4), V5), True, id="5 DISCONNECT with will"),
        pytest.param(V311, b"\x36\x00", True, id="protocol error"),
        pytest.param(V311, b"", True, id="hung up"),
    ],
)
async def test_a_will_is_done_unless_the_client_said_goodbye(
    house: House, version: int, goodbye: bytes, *, is_done: bool
) -> None:
    watcher = await house.client("watcher")
    await watcher.subscribe("#")
    client = await house.client("m1", version, will=Will(STATE.encode(), b"lost", 1, retain=True))
    client.send_raw(goodbye)
    if not goodbye:
        client.abort()
    if is_done:
        assert await watcher.next() == (0, 0, STATE.encode(), b"lost")
        assert [(t.topic, t.payload, t.flags) for t in house.intake.taken] == [
            (STATE.encode(), b"lost", 3)
        ]
    else:
        await client.closed()
        assert await watcher.is_quiet()
        assert house.intake.taken == []


async def test_a_stop_says_goodbye_and_does_nobodys_will(tmp_path: Path) -> None:
    intake = MemoryIntake()
    async with running(section_of(), intake, tmp_path) as listener:
        client = await RawClient(listener.port, V5).open()
        await client.hello("m1", will=Will(STATE.encode(), b"lost"))
    assert await client.closed() == [Disconnect(Code.SERVER_SHUTTING_DOWN)]
    assert intake.taken == []
    await client.close()


# -- publishing --


async def test_all_acknowledgements_of_a_commit_go_out_in_one_write(house: House) -> None:
    client = await house.client()
    for packet_id in range(1, 501):
        client.publish(TOPIC, b"x" * 100, packet_id)
    await house.taken(500)
    (peer,) = house.peers
    writes: list[bytes] = []
    assert peer._transport is not None
    peer._transport = Tee(peer._transport, writes)
    house.intake.commit()
    assert await client.next() == Ack(PacketType.PUBACK, 1)
    assert [len(data) for data in writes] == [2000]


async def test_a_qos_2_publish_of_3_1_1_is_taken_once(house: House) -> None:
    client = await house.client()
    client.publish(TOPIC, b"payload", 7, qos=2)
    await house.taken(1)
    client.publish(TOPIC, b"payload", 7, qos=2, flags=8)  # again, while the disk is slow
    assert await client.is_quiet()
    house.intake.commit()
    assert await client.next() == Ack(PacketType.PUBREC, 7)
    client.publish(TOPIC, b"payload", 7, qos=2, flags=8)  # again, PUBREC was lost
    assert await client.next() == Ack(PacketType.PUBREC, 7)
    for _ in range(2):
        client.send(Ack(PacketType.PUBREL, 7))
        assert await client.next() == Ack(PacketType.PUBCOMP, 7)
    assert len(house.intake.taken) == 1
    client.publish(TOPIC, b"another", 7, qos=2)
    await house.taken(2)


async def test_a_qos_2_publish_of_mqtt_5_breaks_the_terms(house: House) -> None:
    client = await house.client(version=V5)
    client.publish(TOPIC, b"payload", 7, qos=2)
    assert await client.closed() == [Disconnect(Code.QOS_UNSUPPORTED)]


@pytest.mark.parametrize("section", [section_of(max_rate_per_device=10)])
async def test_more_in_flight_than_agreed_ends_an_mqtt_5_connection(house: House) -> None:
    client = await house.client(version=V5)
    for packet_id in range(1, 12):
        client.publish(TOPIC, b"payload", packet_id)
    assert await client.closed() == [Disconnect(Code.RECEIVE_MAXIMUM_EXCEEDED)]


async def test_a_packet_too_large_ends_the_connection_before_it_is_read(house: House) -> None:
    client = await house.client(version=V5)
    client.send_raw(b"\x30\xff\xff\x7f")
    assert await client.closed() == [Disconnect(Code.PACKET_TOO_LARGE)]


@pytest.mark.parametrize("section", [section_of(max_rate_per_device=100)])
async def test_a_flood_slows_only_its_own_connection(house: House) -> None:
    hog, other = await house.client("hog"), await house.client("other")
    for n in range(1, 5001):  # several reads of the socket, at the least
        hog.publish(TOPIC, b"x" * 500, n)
        if n % 50 == 0:
            await asyncio.sleep(0)
    await house.until(lambda: house.count_of("throttled") >= 1)
    before = len(house.intake.taken)
    assert before < 5000
    other.publish("tg/1/site/energy/meter-2/t", b"from the other", 1)
    await house.until(lambda: b"from the other" in house.intake.payloads)
    assert len(house.intake.taken) < 5000
    hog.abort()


# -- subscribing --


@BOTH
async def test_a_monitor_gets_at_qos_0_what_devices_send(house: House, version: int) -> None:
    monitor = await house.client("monitor", version)
    assert await monitor.subscribe("tg/#", "other/+", options=1) == (0, 0)
    device = await house.client("m1")
    device.publish(TOPIC, b"one", 1)
    device.publish("elsewhere", b"not wanted", 2)
    device.publish("other/x", b"two", 0)
    assert await monitor.next() == (0, 0, TOPIC.encode(), b"one")
    assert await monitor.next() == (0, 0, b"other/x", b"two")
    monitor.send(Unsubscribe(5, ("tg/#", "never/had")))
    answer = await monitor.next()
    assert answer == UnsubAck(5, (0, 0x11) if version == V5 else ())
    device.publish(TOPIC, b"three", 3)
    assert await monitor.is_quiet()


async def test_a_later_subscriber_gets_births_receipts_and_configuration(house: House) -> None:
    device = await house.client("m1")
    device.publish(STATE, b'{"st":"online"}', 1, flags=1)
    await house.taken(1)
    house.listener.publish("tg/1/site/energy/meter-1/a", b'{"seq":4}', retain=True)
    house.listener.publish("tg/1/site/energy/meter-1/k", b'{"every":5}', retain=True)
    house.listener.publish("tg/1/site/energy/meter-1/c/1", b"now or never")
    await device.subscribe("tg/1/site/energy/meter-1/a", "tg/1/site/energy/meter-1/k")
    assert await device.next() == (0, 1, b"tg/1/site/energy/meter-1/a", b'{"seq":4}')
    assert await device.next() == (0, 1, b"tg/1/site/energy/meter-1/k", b'{"every":5}')
    monitor = await house.client("late")
    await monitor.subscribe("tg/1/+/+/+/s")
    assert await monitor.next() == (0, 1, STATE.encode(), b'{"st":"online"}')
    assert await monitor.is_quiet()


async def test_a_monitor_gets_all_births_of_a_large_site(house: House) -> None:
    for n in range(20_000):
        house.listener.publish(f"tg/1/site/energy/m-{n}/s", b"x" * 100, retain=True)
    monitor = await house.client("monitor")
    await monitor.subscribe("tg/1/+/+/+/s")
    seen = [await monitor.next() for _ in range(20_000)]
    assert len({item[2] for item in seen if isinstance(item, tuple)}) == 20_000
    assert house.count_of("undelivered") == 0


async def test_no_client_can_forge_the_receipt_that_another_gets_later(house: House) -> None:
    forger = await house.client("forger")
    forger.publish("tg/1/site/energy/meter-1/a", b'{"seq":999}', 1, flags=1)
    await house.taken(1)
    device = await house.client("m1")
    await device.subscribe("tg/1/site/energy/meter-1/a")
    assert await device.is_quiet()


async def test_subscription_options_of_mqtt_5(house: House) -> None:
    client = await house.client("m1", V5)
    await client.subscribe("own/#", options=0b0100)  # no local
    client.publish("own/x", b"mine", 0)
    other = await house.client("m2")
    other.publish("own/x", b"theirs", 0, flags=1)
    assert await client.next() == (0, 0, b"own/x", b"theirs")
    await client.subscribe("own/#", options=0b1_1000)  # as published; retained only if new: no
    other.publish("own/y", b"kept", 0, flags=1)
    assert await client.next() == (0, 1, b"own/y", b"kept")
    await client.subscribe("+/y", options=0b10_0000)  # never retained
    assert await client.is_quiet()


async def test_shared_and_endless_subscriptions_are_refused(house: House) -> None:
    client = await house.client(version=V5)
    codes = await client.subscribe("$share/g/a/#", "/".join(["a"] * 600), "fine")
    assert codes == (0x9E, 0x8F, 0)
    client.send(Subscribe(6, (Subscription("a"),), {Prop.SUBSCRIPTION_ID: 3}))
    assert await client.closed() == [Disconnect(Code.SUBSCRIPTION_ID_UNSUPPORTED)]


async def test_one_connection_cannot_hold_filters_without_end(house: House) -> None:
    client = await house.client(version=V5)
    codes = [
        code
        for n in range(10)
        for code in await client.subscribe(*(f"f/{n}/{m}" for m in range(101)))
    ]
    assert codes == [0] * 1000 + [0x97] * 10


async def test_a_slow_monitor_loses_messages_and_the_intake_loses_none(house: House) -> None:
    monitor = await house.client("slow")
    await monitor.subscribe("#")
    assert monitor._reader is not None
    monitor._reader._transport.pause_reading()  # type: ignore[attr-defined]
    device = await house.client("m1")
    for n in range(1, 401):
        device.publish(TOPIC, b"x" * 50_000, n)
    await house.taken(400)
    assert house.count_of("undelivered") > 0
    (slow,) = (peer for peer in house.peers if peer.client_id == "slow")
    assert slow._transport is not None
    assert slow._transport.get_write_buffer_size() < 1 << 20


async def test_a_monitor_with_a_small_packet_limit_is_spared_larger_ones(house: House) -> None:
    monitor = await house.stranger(V5)
    await monitor.hello("small", properties={Prop.MAXIMUM_PACKET_BYTES: 100})
    await monitor.subscribe("#")
    device = await house.client("m1")
    device.publish(TOPIC, b"x" * 100)
    device.publish(TOPIC, b"fits")
    assert await monitor.next() == (0, 0, TOPIC.encode(), b"fits")


# -- the ground it stands on --


@pytest.mark.clause("749.IV.3.c-1")
async def test_it_listens_on_ipv6(tmp_path: Path) -> None:
    intake = MemoryIntake()
    async with running(section_of(listen="[::1]:0"), intake, tmp_path) as listener:
        client = await RawClient(listener.port, host="::1").open()
        assert (await client.hello()).code == 0
        await client.close()


async def test_an_address_in_use_is_an_os_error(house: House, tmp_path: Path) -> None:
    taken = section_of(listen=f"127.0.0.1:{house.listener.port}")
    with pytest.raises(OSError, match="address already in use"):
        async with running(taken, MemoryIntake(), tmp_path / "other"):
            pass


async def test_congestion_holds_newcomers_too(house: House) -> None:
    first = await house.client("m1")
    house.intake.is_congested = True
    first.publish(TOPIC, b"1", 1)
    await house.taken(1)
    late = await house.stranger()
    late.send(Connect(V311, "late"))
    assert await late.is_quiet()
    house.tick(60)  # silence that is our own doing is nobody's fault
    house.intake.relieve()
    assert await late.next() == ConnAck(0)


def test_it_works_the_same_on_uvloop(tmp_path: Path) -> None:
    async def scenario() -> None:
        intake = MemoryIntake()
        async with running(section_of(), intake, tmp_path) as listener:
            client = await RawClient(listener.port, V5).open()
            await client.hello("m1")
            client.send(Subscribe(1, (Subscription("#"),)))
            assert await client.next() == SubAck(1, (0,))
            intake.is_congested = True
            client.publish(TOPIC, b"one", 1)
            assert await client.next() == (0, 0, TOPIC.encode(), b"one")
            intake.commit()
            assert await client.next() == Ack(PacketType.PUBACK, 1)
            client.publish(TOPIC, b"two", 2)
            assert await client.is_quiet()
            intake.relieve()
            assert await client.next() == (0, 0, TOPIC.encode(), b"two")
            await client.close()

    uvloop.run(scenario())
