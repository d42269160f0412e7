"""``infragate device update`` against a node under MicroPython, through the real gateway."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.firmware.tools import program, tool
from tests.firmware.twice.support import Draw
from tests.support.clients import ask, cli
from tests.support.running import Gateway, free_port, listener, running

pytestmark = pytest.mark.servers

# A node cut down to what an update needs. "again": it starts anew, in the middle or at the end.
_NODE = """
import io, json, socket, sys
sys.path.insert(0, sys.argv[1])
from boot import Boot
from fieldnode.core.mqtt import MESSAGE, Session
from fieldnode.core.ota import Update, version_text, parse
from fieldnode.hal.sim import Nor
from tests.firmware.twice.support import Draw
from tests.firmware.twice.test_ota import Part

port, answers = int(sys.argv[2]), int(sys.argv[3])
flash = Nor(open("flash.bin", "r+b"), 2 + 2 * 9, Draw(1), 4096)
boot = Boot(Part(flash, 0, 2), [Part(flash, 2, 9), Part(flash, 11, 9)])
boot.choose()

def get(name):
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError:
        return None

def put(name, value):
    with open(name, "wb") as file:
        file.write(value or b"")

update = Update(boot, (get, put), get("ota.pub"), "meter")
print("runs", update.command("state", {})["fw"])
session = Session("meter-1")
wire = socket.socket()
wire.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
wire.setsockopt(6, 1, 1)
wire.write(session.connect())
session.feed(wire.recv(512))
root = b"tg/1/evn/energy/meter-1/"
wire.write(session.subscribe([root + b"c/#"]))
events = []
while answers:
    data = wire.recv(1024)
    if not data:
        break
    events += session.feed(data)
    while events and answers:
        event = events.pop(0)
        if event[0] != MESSAGE:
            continue
        command = json.loads(event[2])
        reply = json.dumps(update.command(command["do"].split("/")[1], command)).encode()
        topic = root + b"r" + event[1][len(root) + 1:]
        packet = session.publish(topic, reply, 0)
        while packet is None:  # PUBACK waits for the gateway's disk, the next command does not
            events += session.feed(wire.recv(1024))
            packet = session.publish(topic, reply, 0)
        wire.write(packet)
        answers -= 1
while session.waiting():
    session.feed(wire.recv(512))
"""


class Site:
    """A gateway, a key, the flash of a node in a file."""

    def __init__(self, folder: Path, gateway: Gateway, port: int, compiled: Path) -> None:
        self.folder, self.gateway, self.port, self._compiled = folder, gateway, port, compiled
        self.sign = tool("sign")
        self.key = rsa.generate_private_key(65537, self.sign.KEY_BITS)
        (folder / "node.py").write_text(_NODE, "utf-8")
        (folder / "ota.pub").write_bytes(self.sign.modulus_of(self.key))
        self.make("1.0.0", 1)
        blank = b"\xff" * 4096
        slot = (folder / "1.0.0.slot").read_bytes()
        flash = blank * 2 + slot.ljust(9 * 4096, b"\xff") + blank * 9
        (folder / "flash.bin").write_bytes(flash)

    def make(self, version: str, seed: int) -> tuple[str, ...]:
        """Return the options that name an update."""
        image = Draw(seed).bytes(18_000 + seed)
        number = self.sign.version_of(version)
        manifest = self.sign.manifest_of(self.key, "meter", number, seed, image)
        (self.folder / f"{version}.slot").write_bytes(self.sign.slot_of(manifest, image))
        for ending, content in (("img", image), ("manifest", manifest)):
            (self.folder / f"{version}.{ending}").write_bytes(content)
        stem = str(self.folder / version)
        return ("--manifest", stem + ".manifest", "--image", stem + ".img")

    @contextmanager
    def node(self, answers: int = 1_000_000) -> Iterator["subprocess.Popen[str]"]:
        """Run the node; it ends after so many replies."""
        command = [program("micropython"), "-X", "heapsize=36wK", "node.py", str(self._compiled)]
        command += [str(self.port), str(answers)]
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True) as one:
            try:
                yield one
            finally:
                one.terminate()


@pytest.fixture
def site(tmp_path: Path, compiled: Path) -> Iterator[Site]:
    port = free_port()
    source = listener(port)
    with running(tmp_path, source) as gateway:
        yield Site(tmp_path, gateway, port, compiled)


_STATE = '{"do":"ota/state"}'
_WHO = ("--org", "evn", "--sector", "energy")


def said(node: "subprocess.Popen[str]") -> str:
    assert node.stdout is not None
    return node.stdout.readline().strip()


def test_an_operator_updates_a_node_that_restarts_in_the_middle(site: Site) -> None:
    options = site.make("1.1.0", 2)
    update = ("device", "update", "meter-1", *options, *_WHO, "-c", str(site.gateway.config))
    with ThreadPoolExecutor(1) as pool:
        with site.node(answers=20) as node:  # begin and 19 chunks: it dies in its third sector
            assert said(node) == "runs 1.0.0"
            done = pool.submit(cli, *update, timeout_s=60)
            assert node.wait(20) == 0, node.stdout.read() if node.stdout else ""
        with site.node() as node:
            assert said(node) == "runs 1.0.0"
            state = ask(site.gateway, "device", "command", "meter-1", _STATE, *_WHO)
            assert state["at"] in range(8192, 18_002)  # not from the beginning
            assert done.result().returncode == 0, done.result().stderr
    with site.node() as node:
        assert said(node) == "runs 1.1.0"
        state = ask(site.gateway, "device", "command", "meter-1", _STATE, *_WHO)
        assert (state["fw"], state["trial"]) == ("1.1.0", True)


def test_an_operator_is_told_why_a_node_refuses(site: Site) -> None:
    with site.node() as node:
        assert said(node) == "runs 1.0.0"
        config = ("-c", str(site.gateway.config))
        older = cli("device", "update", "meter-1", *site.make("0.9.0", 3), *_WHO, *config)
        assert (older.returncode, older.stderr.splitlines()[-1].strip()) == (
            1,
            "infragate: the node refuses: downgrade",
        )
        site.key = rsa.generate_private_key(65537, site.sign.KEY_BITS)
        wrong = cli("device", "update", "meter-1", *site.make("1.2.0", 4), *_WHO, *config)
        assert "the node refuses: signature" in wrong.stderr
        mixed = (*site.make("1.2.0", 4)[:2], "--image", str(site.folder / "0.9.0.img"))
        assert cli("device", "update", "meter-1", *mixed, *_WHO, *config).returncode == 2
        unknown = cli("device", "update", "meter-9", *site.make("1.2.0", 4), *config)
        assert (unknown.returncode, "--org" in unknown.stderr) == (2, True)
