"""Foreign clients against the listener and a real journal: whatever a device runs must work."""

import asyncio
import json
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
import pytest
import trustme
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.config.sections import ListenerSource
from gateway.journal import Journal, JournalReader
from gateway.model import Position, RecordFlag
from gateway.security import CredentialStore, Method, Request
from gateway.security.authority import write_private
from gateway.sources.intake import CommitRules, GroupCommit
from gateway.sources.listener import Listener
from gateway.stats import Stats
from tests.journal_tools import open_journal
from tests.source_rigs import running

pytestmark = pytest.mark.servers

OWN = "tg/1/site/energy/meter-1/"
VERSIONS = pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
# Not `mosquitto`: the clients are a package of their own.
needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None, reason="mosquitto-clients is not installed"
)
_MQTT_JS = "mqtt@5"


class House:
    """A listener over a journal on disk."""

    def __init__(self, listener: Listener, journal: Journal, folder: Path) -> None:
        self.listener = listener
        self.port = listener.port
        self._journal = journal
        self._folder = folder

    def journalled(self) -> list[tuple[bytes, bytes, int]]:
        """Topic, payload and flags of everything durable."""
        reader = JournalReader(self._folder / "journal", Position())
        records, damaged = reader.read(10_000, self._journal.durable)
        assert not damaged
        return [(r.topic, r.payload, r.flags) for r in records]

    async def shows(self, count: int) -> list[tuple[bytes, bytes, int]]:
        async with asyncio.timeout(10):
            while len(found := self.journalled()) < count:
                await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def house_of(folder: Path, **fields: object) -> AsyncIterator[House]:
    journal = open_journal(folder / "journal", segment_bytes=1 << 20)
    intake = GroupCommit(journal, CommitRules(), Stats(), lambda: 1)
    section = ListenerSource.model_validate({"type": "listener", "listen": "127.0.0.1:0"} | fields)
    commits = asyncio.create_task(intake.run())
    async with running(section, intake, folder) as listener:
        yield House(listener, journal, folder)
    commits.cancel()
    await asyncio.gather(commits, return_exceptions=True)
    await intake.close()
    journal.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(tmp_path) as made:
        yield made


class Command:
    """A program at the other end; its output is in ``output`` once it has ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.seen = b""

    @classmethod
    async def start(cls, *words: object, cwd: Path | None = None) -> "Command":
        process = await asyncio.create_subprocess_exec(
            *map(str, words),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=cwd,
        )
        return cls(process)

    async def until(self, text: bytes) -> None:
        """Read its output until it has said something."""
        assert self._process.stdout is not None
        async with asyncio.timeout(10):
            while text not in self.seen:
                line = await self._process.stdout.readline()
                assert line, self.seen
                self.seen += line

    async def ends(self, *, well: bool = True) -> bytes:
        """Return everything it said, once it has ended as expected."""
        async with asyncio.timeout(20):
            out, _ = await self._process.communicate()
        self.seen += out
        assert (self._process.returncode == 0) is well, self.seen
        return self.seen

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()


async def mosquitto_pub(house: House, *words: object, well: bool = True) -> bytes:
    command = await Command.start("mosquitto_pub", "-h", "127.0.0.1", "-p", house.port, *words)
    return await command.ends(well=well)


# -- Mosquitto's own clients (libmosquitto) --


@needs_mosquitto
@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_mosquitto_pub_at_every_qos(house: House, version: str, qos: int) -> None:
    if version == "mqttv5" and qos == 2:
        said = await mosquitto_pub(house, "-V", version, "-q", qos, "-t", OWN + "t", "-m", "x")
        assert b"QoS not supported" in said  # it has read Maximum QoS in our CONNACK
        return
    await mosquitto_pub(house, "-V", version, "-q", qos, "-t", OWN + "t", "-m", "payload")
    flags = RecordFlag.QOS1 if qos else 0
    assert await house.shows(1) == [((OWN + "t").encode(), b"payload", flags)]


@needs_mosquitto
@VERSIONS
async def test_mosquitto_pub_sends_many_lines_and_all_are_durable(
    house: House, version: str, tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    lines.write_text("".join(f"line {n}\n" for n in range(2000)))
    words = ["mosquitto_pub", "-p", house.port, "-V", version, "-q", 1, "-t", OWN + "b", "-l"]
    shell = await Command.start("sh", "-c", f"{' '.join(map(str, words))} < {lines}")
    await shell.ends()  # it ends when the last PUBACK has come, so nothing needs waiting for
    assert [payload for _, payload, _ in house.journalled()] == [
        b"line %d" % n for n in range(2000)
    ]


@needs_mosquitto
@VERSIONS
async def test_mosquitto_sub_gets_retained_births_live_data_and_wills(
    house: House, version: str
) -> None:
    await mosquitto_pub(house, "-q", 1, "-r", "-t", OWN + "s", "-m", "birth")
    watcher = await Command.start(
        *("stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", house.port, "-V", version),
        *("-t", "tg/#", "-F", "%r %t %p", "-C", 3, "-d"),
    )
    await watcher.until(b"birth")
    will = ("--will-topic", OWN + "s", "--will-payload", "lost", "--will-qos", 1)
    device = await Command.start(
        *(
            "stdbuf",
            "-oL",
            "mosquitto_sub",
            "-p",
            house.port,
            "-V",
            version,
            "-t",
            "none",
            "-d",
            *will,
        )
    )
    await device.until(b"SUBACK")
    await mosquitto_pub(house, "-V", version, "-t", OWN + "t", "-m", "live")
    await watcher.until(b"live")
    await device.kill()
    said = await watcher.ends()
    assert [line for line in said.splitlines() if line[:2] in {b"0 ", b"1 "}] == [
        b"1 " + OWN.encode() + b"s birth",
        b"0 " + OWN.encode() + b"t live",
        b"0 " + OWN.encode() + b"s lost",
    ]
    assert (await house.shows(3))[-1] == ((OWN + "s").encode(), b"lost", RecordFlag.QOS1)


@needs_mosquitto
@VERSIONS
async def test_mosquitto_pub_over_mutual_tls(version: str, tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    server = authority.issue_cert("127.0.0.1")
    server.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "server-ca.pem"))
    (tmp_path / "server.pem").chmod(0o600)
    store = CredentialStore(tmp_path)
    issued = store.enrol(Request("meter-1", "site", "energy", method=Method.CERTIFICATE))
    assert issued.certificate is not None
    (tmp_path / "meter.pem").write_bytes(issued.certificate.certificate_pem)
    write_private(tmp_path / "meter.key", issued.certificate.key_pem)
    tls = (
        *("--cafile", tmp_path / "server-ca.pem"),
        *("--cert", tmp_path / "meter.pem", "--key", tmp_path / "meter.key"),
    )
    fields = dict.fromkeys(("cert", "key"), tmp_path / "server.pem")
    async with house_of(tmp_path, **fields, ca=tmp_path / "ca" / "ca.pem") as house:
        await mosquitto_pub(house, "-V", version, "-q", 1, "-t", OWN + "t", "-m", "x", *tls)
        assert await house.shows(1) == [((OWN + "t").encode(), b"x", RecordFlag.QOS1)]
        await mosquitto_pub(
            house, "-t", OWN + "t", "-m", "x", *tls[:2], well=False
        )  # no certificate
        assert len(house.journalled()) == 1
    store.close()


# -- paho and aiomqtt --


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
async def test_paho_publishes_and_hears_of_it(house: House, version: MQTTProtocolVersion) -> None:
    def session() -> list[bytes]:
        heard: list[bytes] = []
        client = paho.Client(CallbackAPIVersion.VERSION2, "meter-1", protocol=version)
        client.on_message = lambda _client, _data, message: heard.append(bytes(message.payload))
        client.connect("127.0.0.1", house.port, keepalive=10)
        client.loop_start()
        client.subscribe(OWN + "a")
        for n in range(100):
            sent = client.publish(OWN + "t", b"reading %d" % n, qos=1)
            sent.wait_for_publish(10)
        client.publish(OWN + "a", b"done", qos=1).wait_for_publish(10)
        for _ in range(200):
            if heard:
                break
            client._thread.join(0.01)  # type: ignore[union-attr]
        client.disconnect()
        client.loop_stop()
        return heard

    heard = await asyncio.to_thread(session)
    assert heard == [b"done"]
    assert [payload for _, payload, _ in house.journalled()][:100] == [
        b"reading %d" % n for n in range(100)
    ]


@pytest.mark.parametrize("protocol", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
async def test_aiomqtt_keeps_what_was_last_received(
    house: House, protocol: aiomqtt.ProtocolVersion
) -> None:
    house.listener.publish(OWN + "a", b'{"log":0,"seq":7}', retain=True)
    async with aiomqtt.Client("127.0.0.1", house.port, protocol=protocol) as client:
        await client.subscribe(OWN + "a")
        receipt = await anext(aiter(client.messages))
        assert (receipt.payload, receipt.retain) == (b'{"log":0,"seq":7}', True)
        await asyncio.gather(*(client.publish(OWN + "t", f"{n}", qos=1) for n in range(50)))
    assert len(await house.shows(50)) == 50


# -- MQTT.js --

_SCRIPT = """
const mqtt = require('mqtt');
const [port, version] = process.argv.slice(2).map(Number);
const client = mqtt.connect({ port, host: '127.0.0.1', protocolVersion: version,
  will: { topic: '%(own)ss', payload: 'lost', qos: 1, retain: true } });
client.on('error', (error) => { console.error(String(error)); process.exit(1); });
client.on('message', async (topic, payload, packet) => {
  console.log(JSON.stringify({ topic, payload: String(payload), retain: packet.retain }));
  for (let n = 0; n < 50; n++) await client.publishAsync('%(own)st', 'js ' + n, { qos: 1 });
  await client.publishAsync('%(own)sb', 'twice safe', { qos: version === 4 ? 2 : 1 });
  client.stream.destroy();                          // not a goodbye: the will is done
  setTimeout(() => process.exit(0), 50);
});
client.on('connect', () => client.subscribe('%(own)sa'));
"""


@pytest.fixture(scope="module")
def mqtt_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where ``require('mqtt')`` works."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are not installed")
    folder = tmp_path_factory.mktemp("mqttjs")

    async def install() -> Command:
        command = await Command.start(
            *("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", folder),
            _MQTT_JS,
        )
        try:
            async with asyncio.timeout(50):
                await command._process.communicate()
        except TimeoutError:
            await command.kill()
        return command

    if asyncio.run(install())._process.returncode != 0:
        pytest.skip("npm cannot install mqtt: no registry in reach")
    (folder / "client.js").write_text(_SCRIPT % {"own": OWN})
    return folder


@pytest.mark.parametrize("version", [4, 5])
async def test_mqtt_js_publishes_and_leaves_a_will(
    house: House, mqtt_js: Path, version: int
) -> None:
    house.listener.publish(OWN + "a", b"receipt", retain=True)
    command = await Command.start("node", "client.js", house.port, version, cwd=mqtt_js)
    said = await command.ends()
    assert json.loads(said) == {"topic": OWN + "a", "payload": "receipt", "retain": True}
    found = await house.shows(52)
    assert [payload for _, payload, _ in found] == [
        *(b"js %d" % n for n in range(50)),
        b"twice safe",
        b"lost",
    ]


# -- pre-shared keys, where this Python can --


@needs_mosquitto
@pytest.mark.skipif(
    not hasattr(ssl.SSLContext, "set_psk_server_callback"),
    reason="TLS-PSK needs Python 3.13",
)
async def test_mosquitto_pub_with_a_pre_shared_key(tmp_path: Path) -> None:
    store = CredentialStore(tmp_path)
    issued = store.enrol(Request("meter-1", "site", "energy", method=Method.PSK))
    other = store.enrol(Request("meter-2", "site", "energy", method=Method.PSK))
    async with house_of(tmp_path, psk=True) as house:
        psk = ("--psk-identity", "meter-1", "--psk", issued.psk.hex())
        await mosquitto_pub(house, "-V", "mqttv5", "-q", 1, "-t", OWN + "t", "-m", "x", *psk)
        wrong = ("--psk-identity", "meter-1", "--psk", other.psk.hex())
        await mosquitto_pub(house, "-t", OWN + "t", "-m", "no", *wrong, well=False)
        foreign = ("--psk-identity", "meter-2", "--psk", other.psk.hex())
        await mosquitto_pub(house, "-q", 1, "-t", OWN + "t", "-m", "no", *foreign, well=False)
        assert [payload for _, payload, _ in await house.shows(1)] == [b"x"]
    store.close()
