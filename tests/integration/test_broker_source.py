"""Both broker sources against a real Mosquitto 2.0, through its deaths and the network's."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import trustme
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from gateway.config.sections import BrokerSource
from gateway.model import RecordFlag
from gateway.sources.backoff import REFUSED_FIRST_S
from gateway.sources.broker import BrokerClient
from gateway.sources.broker_link import OUTBOX_BYTES
from gateway.sources.paho_client import PahoClient
from gateway.sources.reconnect import Surroundings
from gateway.stats import Stats
from tests.brokers import Mosquitto
from tests.brokers import mosquitto as run_mosquitto
from tests.intakes import MemoryIntake
from tests.proxy import Proxy

pytestmark = pytest.mark.servers

COMMIT_S = 0.005


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    """A broker that a test may kill."""
    with run_mosquitto() as broker:
        yield broker


class Make:
    """Makes sources of one implementation and protocol version."""

    def __init__(self, name: str) -> None:
        self.client, self.version = name.split("-")

    def __call__(
        self,
        port: int,
        intake: MemoryIntake,
        stats: Stats,
        around: Surroundings | None = None,
        /,
        **more: object,
    ) -> BrokerClient | PahoClient:
        values = {"type": "broker", "url": f"mqtt://127.0.0.1:{port}", "client": self.client}
        values |= {"client_id": "infragate-test", "version": self.version}
        section = BrokerSource.model_validate(values | more)
        kind = BrokerClient if self.client == "native" else PahoClient
        return kind(0, section, intake, stats, around or Surroundings(rng=random.Random(7)))


@pytest.fixture(params=["native-5", "native-3.1.1", "paho-5", "paho-3.1.1"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes sources."""
    return Make(request.param)


@contextlib.asynccontextmanager
async def running(*sources: BrokerClient | PahoClient) -> AsyncIterator[None]:
    """Run sources until the end of the block."""
    tasks = [asyncio.create_task(source.run()) for source in sources]
    yield
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def committing(intake: MemoryIntake) -> AsyncIterator[None]:
    """Make everything durable every few milliseconds."""

    async def commit() -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            intake.commit()

    task = asyncio.create_task(commit())
    yield
    task.cancel()


async def until(is_so: Callable[[], bool], longest_s: float = 10.0) -> float:
    """Wait for something; return how long it took."""
    start_s = time.monotonic()
    while not is_so():
        waited_s = time.monotonic() - start_s
        assert waited_s < longest_s, "did not happen"
        await asyncio.sleep(0.01)
    return time.monotonic() - start_s


def value(stats: Stats, name: str) -> float:
    return sum(sample.value for sample in stats.samples() if sample.name == name)


def is_connected(stats: Stats) -> bool:
    return value(stats, "infragate_source_connected") == 1


def topic(device: str = "meter-1", lane: str = "t") -> str:
    return f"tg/1/city/energy/{device}/{lane}"


@contextlib.contextmanager
def client(port: int) -> Iterator[Client]:
    """A device's side of the broker, by paho."""
    paho = Client(CallbackAPIVersion.VERSION2, client_id="device")
    paho.max_inflight_messages_set(1000)
    paho.connect("127.0.0.1", port)
    paho.loop_start()
    yield paho
    paho.disconnect()
    paho.loop_stop()


def send(port: int, payloads: list[bytes], to: str = topic(), *, retain: bool = False) -> None:
    """Publish at QoS 1 and wait for every PUBACK."""
    with client(port) as paho:
        infos = [paho.publish(to, payload, 1, retain) for payload in payloads]
        for info in infos:
            info.wait_for_publish(10)
            assert info.is_published()


async def send_off_loop(port: int, payloads: list[bytes], to: str = topic()) -> None:
    await asyncio.to_thread(send, port, payloads, to)


def numbered(count: int, size: int = 0) -> list[bytes]:
    return [b"%06d" % k + bytes(size) for k in range(count)]


async def test_five_thousand_messages_come_in_order_once_and_are_not_sent_again(
    mosquitto: Mosquitto, make: Make
) -> None:
    intake, stats = MemoryIntake(), Stats()
    async with running(make(mosquitto.port, intake, stats)), committing(intake):
        await until(lambda: is_connected(stats))
        await send_off_loop(mosquitto.port, numbered(5000))
        await until(lambda: len(intake.taken) >= 5000)
        await asyncio.sleep(10 * COMMIT_S)  # the last acknowledgements
    assert intake.payloads == numbered(5000)
    assert {taken.flags for taken in intake.taken} == {RecordFlag.QOS1}
    assert {taken.topic for taken in intake.taken} == {topic().encode()}

    again, stats = MemoryIntake(), Stats()
    async with running(make(mosquitto.port, again, stats)), committing(again):
        await until(lambda: is_connected(stats))
        await send_off_loop(mosquitto.port, [b"sentinel"])
        await until(lambda: bool(again.taken))
    assert again.payloads == [b"sentinel"]


async def test_only_what_was_not_acknowledged_comes_again_after_a_reset(
    mosquitto: Mosquitto, make: Make
) -> None:
    intake, stats = MemoryIntake(), Stats()
    async with Proxy(mosquitto.port) as proxy, running(make(proxy.port, intake, stats)):
        await until(lambda: is_connected(stats))
        await send_off_loop(mosquitto.port, numbered(20))
        await until(lambda: len(intake.taken) == 20)
        intake.commit(8)
        await asyncio.sleep(0.2)
        proxy.reset()
        await until(lambda: len(intake.taken) == 32)
        intake.commit()
        await asyncio.sleep(0.2)
    assert intake.payloads[20:] == numbered(20)[8:]
    assert all(taken.flags & RecordFlag.DUP for taken in intake.taken[20:])
    assert value(stats, "infragate_source_reconnects_total") == 1
    assert value(stats, "infragate_source_sessions_lost_total") == 0


async def test_records_of_an_old_connection_are_not_acknowledged_on_the_new_one(
    mosquitto: Mosquitto, make: Make
) -> None:
    intake, stats = MemoryIntake(), Stats()
    async with Proxy(mosquitto.port) as proxy, running(make(proxy.port, intake, stats)):
        await until(lambda: is_connected(stats))
        await send_off_loop(mosquitto.port, numbered(10))
        await until(lambda: len(intake.taken) == 10)
        proxy.reset()
        await until(lambda: len(intake.taken) == 20)
        intake.commit(10)  # durable, but of the connection that is gone
        await asyncio.sleep(0.2)
        proxy.reset()
        await until(lambda: len(intake.taken) == 30)
    assert intake.payloads == numbered(10) * 3


async def test_killed_broker_is_served_again_within_three_seconds(
    mosquitto: Mosquitto, make: Make
) -> None:
    intake, stats = MemoryIntake(), Stats()
    async with running(make(mosquitto.port, intake, stats)), committing(intake):
        await until(lambda: is_connected(stats))
        await asyncio.to_thread(mosquitto.kill)
        await until(lambda: not is_connected(stats))
        await asyncio.sleep(1.0)
        await asyncio.to_thread(mosquitto.start)
        await until(lambda: is_connected(stats), 3.0)
        await send_off_loop(mosquitto.port, [b"after"])
        await until(lambda: b"after" in intake.payloads)
    # persistence was off, and the source says that the broker has forgotten the session
    assert value(stats, "infragate_source_sessions_lost_total") == 1


async def test_half_open_broker_is_noticed_within_one_and_a_half_keepalives(
    mosquitto: Mosquitto, make: Make
) -> None:
    intake, stats = MemoryIntake(), Stats()
    async with (
        Proxy(mosquitto.port) as proxy,
        running(make(proxy.port, intake, stats, keepalive_s=4)),
        committing(intake),
    ):
        await until(lambda: is_connected(stats))
        await send_off_loop(mosquitto.port, [b"before"])
        await until(lambda: b"before" in intake.payloads)
        proxy.is_black_hole = True
        noticed_s = await until(lambda: not is_connected(stats), 1.5 * 4 + 0.5)
        proxy.is_black_hole = False
        await send_off_loop(mosquitto.port, [b"after"])
        await until(lambda: b"after" in intake.payloads, 15)
    assert noticed_s > 1  # it was the silence and not the network that told


async def test_congestion_stops_the_reading_and_loses_nothing(
    mosquitto: Mosquitto, make: Make
) -> None:
    intake, stats = MemoryIntake(), Stats()
    payloads = numbered(3000, 5000)  # 15 MB: more than the sockets between us can hold
    async with running(make(mosquitto.port, intake, stats, keepalive_s=2)):
        await until(lambda: is_connected(stats))
        intake.is_congested = True
        await send_off_loop(mosquitto.port, payloads)
        await asyncio.sleep(3.5)  # longer than 1.5 keepalives: who does not listen hears no ping
        held = len(intake.taken)
        assert held < 1000
        intake.relieve()
        async with committing(intake):
            await until(lambda: intake.payloads[-1:] == payloads[-1:])
    if make.client == "native":
        assert value(stats, "infragate_source_reconnects_total") == 0
        assert intake.payloads == payloads
    else:  # paho cannot ping without reading: the broker hangs up, and delivers again
        assert list(dict.fromkeys(intake.payloads)) == payloads


async def test_no_more_than_the_window_waits_for_the_disk(mosquitto: Mosquitto, make: Make) -> None:
    intake, stats = MemoryIntake(), Stats()
    async with running(make(mosquitto.port, intake, stats, window=50)):
        await until(lambda: is_connected(stats))
        await send_off_loop(mosquitto.port, numbered(2000, 1000))
        await asyncio.sleep(0.3)
        assert 0 < len(intake.taken) <= 50
        async with committing(intake):
            await until(lambda: len(intake.taken) == 2000)
    assert intake.payloads == numbered(2000, 1000)


async def test_sources_with_disjoint_filters_share_the_load(
    mosquitto: Mosquitto, make: Make
) -> None:
    intake, stats = MemoryIntake(), Stats()
    sources = [
        make(
            mosquitto.port,
            intake,
            stats,
            client_id=f"shard-{sector}",
            filters=[f"tg/1/+/{sector}/+/t"],
        )
        for sector in ("energy", "transport", "water")
    ]
    async with running(*sources), committing(intake):
        await until(lambda: value(stats, "infragate_source_connected") == 3)
        for sector in ("energy", "transport", "water"):
            await send_off_loop(mosquitto.port, numbered(300), f"tg/1/city/{sector}/device-1/t")
        await until(lambda: len(intake.taken) == 900)
        await asyncio.sleep(0.1)
    assert len(intake.taken) == 900


@pytest.mark.parametrize("make", ["native-5", "native-3.1.1", "paho-5"], indirect=True)
async def test_retained_messages_are_marked_and_come_once_per_session(
    mosquitto: Mosquitto, make: Make
) -> None:
    intake, stats = MemoryIntake(), Stats()
    await asyncio.to_thread(lambda: send(mosquitto.port, [b"birth"], topic(lane="s"), retain=True))
    async with (
        Proxy(mosquitto.port) as proxy,
        running(make(proxy.port, intake, stats)),
        committing(intake),
    ):
        await until(lambda: bool(intake.taken))
        assert intake.taken[0].flags == RecordFlag.QOS1 | RecordFlag.RETAINED
        await asyncio.sleep(10 * COMMIT_S)  # its acknowledgement
        proxy.reset()
        await until(lambda: value(stats, "infragate_source_reconnects_total") == 1)
        await send_off_loop(mosquitto.port, [b"live"])
        await until(lambda: b"live" in intake.payloads)
    assert intake.payloads == [b"birth", b"live"]


async def test_receipts_reach_a_subscriber_and_stay_for_later_ones(
    mosquitto: Mosquitto, make: Make
) -> None:
    intake, stats = MemoryIntake(), Stats()
    source, heard = make(mosquitto.port, intake, stats), []
    async with running(source):
        source.publish(topic(lane="a"), b"lost: there is no connection yet")
        await until(lambda: is_connected(stats))
        source.publish(topic(lane="a"), b'{"log":1,"seq":5}', retain=True)
        await asyncio.sleep(0.2)
        with client(mosquitto.port) as paho:
            paho.on_message = lambda _c, _u, m: heard.append((m.payload, m.retain))
            paho.subscribe(topic(lane="a"))
            await until(lambda: len(heard) == 1)
            source.publish(topic(lane="a"), b'{"log":1,"seq":6}', retain=True)
            await until(lambda: len(heard) == 2)
    assert heard == [(b'{"log":1,"seq":5}', True), (b'{"log":1,"seq":6}', False)]


async def test_mutual_tls_lets_us_in_and_nobody_else(tmp_path: Path, make: Make) -> None:
    ca, other = trustme.CA(), trustme.CA()
    for name, authority in (("ours", ca), ("foreign", other)):
        identity = authority.issue_cert("127.0.0.1", common_name="infragate-test")
        identity.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        identity.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    settings = (
        f"cafile {tmp_path}/ca.pem",
        f"certfile {tmp_path}/ours.pem",
        f"keyfile {tmp_path}/ours.key",
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous true",
    )
    broker = Mosquitto(tmp_path / "broker", settings)
    broker.start()
    tls = {"url": f"mqtts://127.0.0.1:{broker.port}", "ca": tmp_path / "ca.pem"}
    ours = {"cert": tmp_path / "ours.pem", "key": tmp_path / "ours.key"}
    foreign = {"cert": tmp_path / "foreign.pem", "key": tmp_path / "foreign.key"}
    try:
        intake, stats = MemoryIntake(), Stats()
        async with running(make(broker.port, intake, stats, **tls, **ours)), committing(intake):
            await until(lambda: is_connected(stats))
        async with running(make(broker.port, intake, stats, **tls, **foreign)):
            await asyncio.sleep(1.0)
            assert not is_connected(stats)
    finally:
        broker.kill()


async def test_wrong_password_is_said_without_it_and_tried_rarely(
    tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "passwords").write_text("", "utf-8")
    broker = Mosquitto(tmp_path / "broker", (f"password_file {tmp_path}/passwords",))
    broker.start()
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery", "utf-8")
    secret.chmod(0o600)
    waits: list[float] = []
    tried_twice = asyncio.Event()

    async def sleep(wait_s: float) -> None:
        waits.append(wait_s)
        if len(waits) == 2:
            tried_twice.set()
            await asyncio.sleep(60)

    wanted: dict[str, object] = {"username": "infragate", "password": {"file": str(secret)}}
    try:
        with caplog.at_level(logging.INFO):
            around = Surroundings(sleep=sleep)
            source = make(broker.port, MemoryIntake(), Stats(), around, **wanted)
            async with running(source):
                await asyncio.wait_for(tried_twice.wait(), 10)
    finally:
        broker.kill()
    assert min(waits) >= REFUSED_FIRST_S
    assert "refused us" in caplog.text
    assert "correct horse battery" not in caplog.text + repr(vars(source))


async def test_publishing_to_a_broker_that_does_not_read_is_bounded(mosquitto: Mosquitto) -> None:
    intake, stats = MemoryIntake(), Stats()
    async with Proxy(mosquitto.port) as proxy:
        section = BrokerSource(
            type="broker", url=f"mqtt://127.0.0.1:{proxy.port}", client_id="infragate-test"
        )
        source = BrokerClient(0, section, intake, stats)
        async with running(source):
            await until(lambda: is_connected(stats))
            proxy.latency_s = 60.0
            for _ in range(40):
                source.publish(topic(lane="a"), bytes(OUTBOX_BYTES // 10))
                await asyncio.sleep(0)
            dropped = value(stats, "infragate_source_publishes_dropped_total")
            assert 10 < dropped < 40
