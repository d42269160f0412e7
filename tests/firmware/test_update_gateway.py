"""``infragate device update`` against a node under MicroPython, through the real gateway."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.cli.loopback import free_port
from tests.firmware.tools import program, tool
from tests.support.clients import ask, cli
from tests.support.running import Gateway, listener, running, wait_until

pytestmark = pytest.mark.servers

# Starts as firmware/esp32/main.py does; the program itself comes out of the slot's image.
_NODE = """
import sys
folder, compiled = sys.argv[1], sys.argv[2]
sys.path[:] = [".frozen", compiled + "/only"]  # nothing of the program
import boot, rom, vfs
from nor import Nor

SECTORS = 24
flash = Nor(open(folder + "/slots.bin", "r+b"), 2 + 2 * SECTORS, lambda _: 0)
slots = [rom.Part(flash, 2, SECTORS), rom.Part(flash, 2 + SECTORS, SECTORS)]
chosen = boot.Boot(rom.Part(flash, 0, 2), slots)
start = (2 + chosen.choose() * SECTORS + 1) * 4096
image = bytearray((SECTORS - 1) * 4096)
with open(folder + "/slots.bin", "rb") as file:
    file.seek(start)
    file.readinto(image)
vfs.mount(vfs.VfsRom(image), "/app")  # as a board maps it; test_build.py reads it by the sector
sys.path.insert(0, "/app")
from fieldnode import built, start
from fieldnode.hal.simboard import SimBoard
print("runs", built.VERSION)
hal = SimBoard(folder)
hal.fw = built.VERSION
start.serve(hal, chosen, built)
"""


class Site:
    """A gateway, a key, the flash of a node in a file."""

    def __init__(self, folder: Path, gateway: Gateway, port: int, compiled: Path) -> None:
        self.folder, self.gateway = folder, gateway
        self.sign, self._build = tool("sign"), tool("build")
        self.key = rsa.generate_private_key(65537, self.sign.KEY_BITS)
        self.node_folder = folder / "node"
        self.node_folder.mkdir()
        config = {"org": "evn", "device": "meter-1", "host": "127.0.0.1", "port": port}
        config |= {"tls": "none", "driver": "s0", "input": "", "ntp": "", "retry_max_s": 1}
        (self.node_folder / "kv.config").write_text(json.dumps(config))
        (self.node_folder / "kv.ota_key").write_bytes(self.sign.modulus_of(self.key))
        self._script = folder / "node.py"
        self._script.write_text(_NODE, "utf-8")
        self._only(compiled)
        self.make("1.0.0", 1)
        slot = (folder / "1.0.0.slot").read_bytes()
        sizes = [2 * 4096, 24 * 4096, 24 * 4096]
        parts = [
            part.ljust(size, b"\xff") for part, size in zip((b"", slot, b""), sizes, strict=True)
        ]
        (self.node_folder / "slots.bin").write_bytes(b"".join(parts))

    def _only(self, compiled: Path) -> None:
        """Lay out what is on the board beside the slots: nothing of the program."""
        only = self.folder / "only"
        only.mkdir()
        for name in ("boot.mpy", "rom.mpy"):
            shutil.copy(compiled / name, only)
        shutil.copy(compiled / "fieldnode/hal/sim.mpy", only / "nor.mpy")

    def make(self, version: str, counter: int) -> tuple[str, ...]:
        """Build an image and return the options that name it as an update."""
        entries = ("fieldnode.start", "fieldnode.hal.simboard")
        built = self._build.build_board(
            "meter", version, 1_767_225_600_000, self.folder, entries, (_NODE,)
        )
        image = built.image.read_bytes()
        number = self.sign.version_of(version)
        manifest = self.sign.manifest_of(self.key, "meter", number, counter, image)
        (self.folder / f"{version}.slot").write_bytes(self.sign.slot_of(manifest, image))
        for ending, content in (("img", image), ("manifest", manifest)):
            (self.folder / f"{version}.{ending}").write_bytes(content)
        stem = str(self.folder / version)
        return ("--manifest", stem + ".manifest", "--image", stem + ".img")

    def reached(self) -> int:
        """Return how much of an update the node remembers over a reset."""
        return int.from_bytes((self.node_folder / "kv.ota_at").read_bytes(), "little")

    @contextmanager
    def node(self) -> Iterator["subprocess.Popen[str]"]:
        """Run the node."""
        heap = UPDATE_HEAP_KB * 2048 + 23 * 4096  # and the image in its flash
        command = [program("micropython"), "-X", f"heapsize={heap}", str(self._script)]
        command += [str(self.node_folder), str(self.folder)]
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True) as one:
            try:
                yield one
            finally:
                one.kill()


@pytest.fixture
def site(tmp_path: Path, compiled: Path) -> Iterator[Site]:
    port = free_port()
    source = listener(port)
    with running(tmp_path, source) as gateway:
        yield Site(tmp_path, gateway, port, compiled)


# Of these, boot.py, the simulated flash and this script take 7; it did not pass with 44.
UPDATE_HEAP_KB = 48
_STATE = '{"do":"ota/state"}'
_WHO = ("--org", "evn", "--sector", "energy")


def said(node: "subprocess.Popen[str]") -> str:
    assert node.stdout is not None
    line = node.stdout.readline().strip()
    return line if line.startswith("runs") else line + node.stdout.read()


def test_an_operator_updates_a_node_that_restarts_in_the_middle(site: Site) -> None:
    options = site.make("1.1.0", 2)
    update = ("device", "update", "meter-1", *options, *_WHO, "-c", str(site.gateway.config))
    with ThreadPoolExecutor(1) as pool:
        with site.node() as node:
            assert said(node) == "runs 1.0.0"
            done = pool.submit(cli, *update, timeout_s=100)
            wait_until(lambda: site.reached() >= 12_288, 30, "three sectors")
        with site.node() as node:
            assert said(node) == "runs 1.0.0"
            state = ask(site.gateway, "device", "command", "meter-1", _STATE, *_WHO)
            assert state["at"] >= 12_288  # not from the beginning
            assert done.result().returncode == 0, done.result().stderr
            assert node.wait(20) == 3  # the reset into the new image
    with site.node() as node:
        assert said(node) == "runs 1.1.0"
        state = ask(site.gateway, "device", "command", "meter-1", _STATE, *_WHO)
        assert (state["fw"], state["trial"]) == ("1.1.0", True)


def test_an_operator_is_told_why_a_node_refuses(site: Site) -> None:
    with site.node() as node:
        assert said(node) == "runs 1.0.0"
        config = ("-c", str(site.gateway.config))
        older = cli("device", "update", "meter-1", *site.make("0.9.0", 1), *_WHO, *config)
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
