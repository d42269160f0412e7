"""What an attacker, or a revoked device, tries on a listener; what TLS lets through."""

import asyncio
import contextlib
import gc
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
import uvloop

from gateway.config.sections import ListenerSource
from gateway.errors import ConfigError
from gateway.mqtt import V5, V311, Ack, Code, Disconnect, PacketType, PingReq, PingResp, Will
from gateway.ports import ClientRole
from gateway.security import (
    Authenticator,
    CertificateFiles,
    CredentialStore,
    Issued,
    Method,
    Request,
    client_context,
)
from gateway.security.authority import Authority, write_private
from gateway.sources.listener import Listener
from gateway.stats import Stats
from tests.intakes import MemoryIntake
from tests.mqtt_client import RawClient
from tests.source_rigs import running

BOTH = pytest.mark.parametrize("version", [V311, V5])
OWN = "tg/1/evn/energy/meter-1/"
OTHER = "tg/1/evn/energy/meter-2/"


def section_of(**fields: object) -> ListenerSource:
    settings = {"type": "listener", "listen": "127.0.0.1:0", "anonymous": False} | fields
    return ListenerSource.model_validate(settings)


def request(device: str, **fields: object) -> Request:
    return Request(device, "evn", "energy", **fields)  # type: ignore[arg-type]


class House:
    """A listener that wants credentials, and the store they are issued from."""

    def __init__(self, listener: Listener, intake: MemoryIntake, store: CredentialStore) -> None:
        self.listener = listener
        self.intake = intake
        self.store = store
        self.clients: list[RawClient] = []

    async def stranger(self, version: int = V311) -> RawClient:
        client = await RawClient(self.listener.port, version).open()
        self.clients.append(client)
        return client

    async def client(
        self, issued: Issued, version: int = V311, client_id: str = "c1", **fields: object
    ) -> RawClient:
        client = await self.stranger(version)
        answer = await client.hello(
            client_id, username=issued.device, password=issued.secret.encode(), **fields
        )
        assert answer.code == 0
        return client

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    intake, store = MemoryIntake(), CredentialStore(tmp_path)
    async with running(section_of(), intake, tmp_path) as listener:
        house = House(listener, intake, store)
        yield house
        for client in house.clients:
            await client.close()
    store.close()


# -- who comes in --


@pytest.mark.parametrize(("version", "code"), [(V311, 4), (V5, 0x86)])
async def test_a_wrong_password_is_refused(house: House, version: int, code: int) -> None:
    house.store.enrol(request("meter-1"))
    client = await house.stranger(version)
    assert (await client.hello(username="meter-1", password=b"guess")).code == code
    assert await client.closed() == []


@BOTH
async def test_another_identity_cannot_take_a_client_id_over(house: House, version: int) -> None:
    victim = await house.client(house.store.enrol(request("meter-1")), version, "meter-1")
    thief = await house.client(house.store.enrol(request("meter-2")), version, "meter-1")
    for client in (victim, thief):
        client.send(PingReq())
        assert isinstance(await client.next(), PingResp)


async def test_one_device_cannot_take_all_places(house: House) -> None:
    issued = house.store.enrol(request("meter-1"))
    clients = [await house.client(issued, client_id=f"c{n}") for n in range(17)]
    assert await clients[0].closed() == []
    clients[16].send(PingReq())
    assert isinstance(await clients[16].next(), PingResp)


# -- what it may do --


@pytest.mark.clause("749.IV.3-2")
@pytest.mark.parametrize(
    "topic", [OTHER + "t", OWN + "a", "tg/1/evn/water/meter-1/t", "anything", "$SYS/x"]
)
async def test_a_spoofed_topic_is_denied_in_mqtt_5_and_the_next_message_goes_on(
    house: House, topic: str
) -> None:
    client = await house.client(house.store.enrol(request("meter-1")), V5)
    client.publish(OWN + "t", b"good", 1)
    client.publish(topic, b"spoof", 2)
    client.publish(topic, b"spoof at QoS 0")
    client.publish(OWN + "t", b"good again", 3)
    await house.until(lambda: len(house.intake.taken) == 2)
    assert await client.is_quiet()
    house.intake.commit()
    assert [await client.next() for _ in range(3)] == [
        Ack(PacketType.PUBACK, 1),
        Ack(PacketType.PUBACK, 2, Code.NOT_AUTHORISED),
        Ack(PacketType.PUBACK, 3),
    ]
    assert house.intake.payloads == [b"good", b"good again"]


async def test_a_denial_does_not_wait_for_a_commit_that_never_comes(house: House) -> None:
    client = await house.client(house.store.enrol(request("meter-1")), V5)
    client.publish(OTHER + "t", b"spoof", 2)
    assert await client.next() == Ack(PacketType.PUBACK, 2, Code.NOT_AUTHORISED)


async def test_a_spoofed_topic_ends_a_connection_of_3_1_1(house: House) -> None:
    client = await house.client(house.store.enrol(request("meter-1")))
    client.publish(OTHER + "t", b"spoof", 2)
    assert await client.closed() == []
    assert house.intake.taken == []


@pytest.mark.parametrize(("version", "code"), [(V311, 0x80), (V5, 0x87)])
async def test_a_device_reads_its_own_lanes_only(house: House, version: int, code: int) -> None:
    client = await house.client(house.store.enrol(request("meter-1")), version)
    wanted = (OWN + "a", OWN + "c/#", OWN + "k", "#", OTHER + "a", OWN + "t", "tg/1/+/+/+/a")
    assert await client.subscribe(*wanted) == (0, 0, 0, code, code, code, code)
    house.listener.publish(OTHER + "a", b"not for you", retain=True)
    house.listener.publish(OWN + "c/1", b"for you")
    assert await client.next() == (0, 0, (OWN + "c/1").encode(), b"for you")


@pytest.mark.parametrize(("version", "code"), [(V311, 5), (V5, 0x87)])
async def test_a_will_for_another_device_is_refused(house: House, version: int, code: int) -> None:
    issued = house.store.enrol(request("meter-1"))
    client = await house.stranger(version)
    answer = await client.hello(
        username="meter-1",
        password=issued.secret.encode(),
        will=Will((OTHER + "s").encode(), b"lost"),
    )
    assert answer.code == code


async def test_a_concentrator_writes_for_the_devices_under_it(house: House) -> None:
    issued = house.store.enrol(request("dcu-1", role=ClientRole.CONCENTRATOR, under=("meter-2",)))
    client = await house.client(issued, V5)
    client.publish(OTHER + "t", b"mine", 1)
    client.publish(OWN + "t", b"not mine", 2)
    await house.until(lambda: len(house.intake.taken) == 1)
    house.intake.commit()
    assert await client.next() == Ack(PacketType.PUBACK, 1)
    assert await client.next() == Ack(PacketType.PUBACK, 2, Code.NOT_AUTHORISED)


async def test_a_monitor_reads_everything_and_writes_nothing(house: House) -> None:
    monitor = await house.client(
        house.store.enrol(Request("board", "evn", role=ClientRole.MONITOR)), V5
    )
    assert await monitor.subscribe("#") == (0,)
    device = await house.client(house.store.enrol(request("meter-1")))
    device.publish(OWN + "t", b"reading", 1)
    assert await monitor.next() == (0, 0, (OWN + "t").encode(), b"reading")
    monitor.publish(OWN + "t", b"forged", 9)
    assert await monitor.next() == Ack(PacketType.PUBACK, 9, Code.NOT_AUTHORISED)
    assert len(house.intake.taken) == 1


# -- revocation --


@pytest.mark.clause("749.IV.3-2")
@BOTH
async def test_a_revoked_device_is_cut_off_within_seconds(house: House, version: int) -> None:
    will = Will((OWN + "s").encode(), b"lost")
    client = await house.client(house.store.enrol(request("meter-1")), version, will=will)
    other = await house.client(house.store.enrol(request("meter-2")), version, "c2")
    client.publish(OWN + "s", b"online", flags=1)
    await house.until(lambda: len(house.intake.taken) == 1)
    async with asyncio.timeout(5):
        house.store.revoke("meter-1")  # as another process does it: by the file alone
        goodbye = await client.closed()
    assert goodbye == ([Disconnect(Code.ADMINISTRATIVE_ACTION)] if version == V5 else [])
    assert len(house.intake.taken) == 1  # its will is not done any more
    other.send(PingReq())
    assert isinstance(await other.next(), PingResp)
    hub = house.listener._hub
    assert hub is not None
    assert len(hub.retained) == 0


async def test_a_rotation_with_overlap_keeps_the_connection(house: House) -> None:
    client = await house.client(house.store.enrol(request("meter-1")))
    house.store.rotate("meter-1", overlap_ms=60_000)
    await asyncio.sleep(1.3)
    client.send(PingReq())
    assert isinstance(await client.next(), PingResp)


async def test_a_device_can_be_disconnected_by_hand(house: House) -> None:
    client = await house.client(house.store.enrol(request("meter-1")), V5)
    assert house.listener.disconnect_device("meter-1") == 1
    assert house.listener.disconnect_device("meter-1") == 0
    assert await client.closed() == [Disconnect(Code.ADMINISTRATIVE_ACTION)]


# -- before CONNECT --


@pytest.mark.clause("749.IV.4-0")
async def test_junk_before_connect_costs_next_to_no_memory(house: House) -> None:
    junk = [
        b"\x10\xff\xff\xff\x7f",
        b"\x00" * 100,
        b"\x30\xff\xff\xff\x7f" + b"x" * 8000,
        b"\xff\0",
    ]

    async def one(n: int) -> None:
        with contextlib.suppress(ConnectionError):
            reader, writer = await asyncio.open_connection("127.0.0.1", house.listener.port)
            writer.write(junk[n % len(junk)])
            await reader.read()
            writer.close()

    for _ in range(5):  # what the first connections of a process cost is not theirs
        await asyncio.gather(*(one(n) for n in range(20)))
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(25):
            await asyncio.gather(*(one(n) for n in range(40)))
        await asyncio.sleep(0.05)
        gc.collect()
        grown_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    hub = house.listener._hub
    assert hub is not None
    assert len(hub) == 0
    assert grown_bytes < 1 << 19  # 1,000 connections


# -- TLS --


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def files_of(cert: trustme.LeafCert, folder: Path, name: str) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(b"".join(blob.bytes() for blob in cert.cert_chain_pems))
    write_private(key, cert.private_key_pem.bytes())
    return pem, key


def issued_files(files: CertificateFiles | None, folder: Path, name: str) -> tuple[Path, Path]:
    assert files is not None
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(files.certificate_pem)
    write_private(key, files.key_pem)
    return pem, key


@asynccontextmanager
async def tls_house(
    authority: trustme.CA, folder: Path, *, wants_client: bool
) -> AsyncIterator[tuple[House, Path]]:
    """A listener with TLS; its client certificates come from the built-in authority."""
    cert, key = files_of(authority.issue_cert("127.0.0.1", "localhost"), folder, "server")
    server_ca = folder / "server-ca.pem"
    authority.cert_pem.write_to_path(str(server_ca))
    store, intake = CredentialStore(folder), MemoryIntake()
    fields: dict[str, object] = {"cert": cert, "key": key}
    if wants_client:
        store.enrol(request("some-other", method=Method.CERTIFICATE))  # makes the authority
        fields["ca"] = folder / "ca" / "ca.pem"
    async with running(section_of(**fields), intake, folder) as listener:
        yield House(listener, intake, store), server_ca
    store.close()


async def tls_client(house: House, context: ssl.SSLContext, version: int = V5) -> RawClient:
    client = RawClient(house.listener.port, version)
    return await client.open(ssl=context, server_hostname="127.0.0.1")


async def test_a_certificate_is_identity_enough(authority: trustme.CA, tmp_path: Path) -> None:
    async with tls_house(authority, tmp_path, wants_client=True) as (house, server_ca):
        issued = house.store.enrol(request("meter-1", method=Method.CERTIFICATE))
        pair = issued_files(issued.certificate, tmp_path, "meter-1")
        client = await tls_client(house, client_context(server_ca, *pair))
        assert (await client.hello("whatever")).code == 0
        client.publish(OWN + "t", b"good", 1)
        client.publish(OTHER + "t", b"spoof", 2)
        await house.until(lambda: len(house.intake.taken) == 1)
        house.intake.commit()
        assert await client.next() == Ack(PacketType.PUBACK, 1)
        assert await client.next() == Ack(PacketType.PUBACK, 2, Code.NOT_AUTHORISED)
        house.store.revoke("meter-1")
        assert await client.closed() == [Disconnect(Code.ADMINISTRATIVE_ACTION)]
        await client.close()


async def test_a_certificate_of_another_authority_does_not_get_through_tls(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with tls_house(authority, tmp_path, wants_client=True) as (house, server_ca):
        house.store.enrol(request("meter-1", method=Method.CERTIFICATE))
        forged = files_of(authority.issue_cert(common_name="meter-1"), tmp_path, "forged")
        for pair in (forged, (None, None)):
            with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
                await (await tls_client(house, client_context(server_ca, *pair))).hello("m1")


async def test_an_expired_certificate_does_not_get_through_tls(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with tls_house(authority, tmp_path, wants_client=True) as (house, server_ca):
        past = datetime.now(UTC) - timedelta(days=30)  # noqa: TID251  # of the test, not the product
        old = Authority(tmp_path / "ca", lambda: int(past.timestamp() * 1000))
        pair = issued_files(old.issue("meter-1", 10), tmp_path, "old")
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            await (await tls_client(house, client_context(server_ca, *pair))).hello("m1")


async def test_a_certificate_that_runs_out_while_connected_ends_the_connection(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with tls_house(authority, tmp_path, wants_client=True) as (house, server_ca):
        issued = house.store.enrol(request("meter-1", method=Method.CERTIFICATE))
        pair = issued_files(issued.certificate, tmp_path, "meter-1")
        client = await tls_client(house, client_context(server_ca, *pair))
        assert (await client.hello("m1")).code == 0
        hub = house.listener._hub
        assert hub is not None
        hub.shelf.clock = lambda: issued.not_after_ms - 60_000
        hub.expire()
        assert await client.is_quiet()
        hub.shelf.clock = lambda: issued.not_after_ms + 1
        hub.expire()
        assert await client.closed() == [Disconnect(Code.ADMINISTRATIVE_ACTION)]
        await client.close()


async def test_passwords_travel_under_tls_and_old_tls_is_refused(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with tls_house(authority, tmp_path, wants_client=False) as (house, server_ca):
        issued = house.store.enrol(request("meter-1"))
        client = await tls_client(house, client_context(server_ca))
        answer = await client.hello(username="meter-1", password=issued.secret.encode())
        assert answer.code == 0
        await client.close()
        old = client_context(server_ca)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await tls_client(house, old)


def test_tls_works_the_same_on_uvloop(authority: trustme.CA, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with tls_house(authority, tmp_path, wants_client=True) as (house, server_ca):
            issued = house.store.enrol(request("meter-1", method=Method.CERTIFICATE))
            pair = issued_files(issued.certificate, tmp_path, "meter-1")
            client = await tls_client(house, client_context(server_ca, *pair))
            assert (await client.hello("m1")).code == 0
            client.publish(OWN + "t", b"good", 1)
            await house.until(lambda: len(house.intake.taken) == 1)
            house.intake.commit()
            assert await client.next() == Ack(PacketType.PUBACK, 1)
            await client.close()

    uvloop.run(scenario())


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"cert": Path("none.pem"), "key": Path("none.key")}, "none.pem"),
        ({"psk": True}, "3.13"),
    ],
)
def test_tls_that_cannot_work_is_a_configuration_error(
    tmp_path: Path, fields: dict[str, object], why: str
) -> None:
    if "psk" in fields and hasattr(ssl.SSLContext, "set_psk_server_callback"):
        pytest.skip("this Python can do PSK")
    authenticator = Authenticator(tmp_path)
    with pytest.raises(ConfigError, match=why):
        Listener(0, section_of(**fields), MemoryIntake(), authenticator, Stats())
    authenticator.close()
