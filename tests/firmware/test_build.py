"""``make firmware``: every board's image keeps its budget, mounts, and runs what is in it."""

import hashlib
import os
import struct
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fieldnode.core import config as configuration
from tests.firmware.tools import ROOT, program, tool

build: Any = tool("build")
partitions: Any = tool("partitions")
BOARDS = sorted(path.stem for path in (ROOT / "firmware/boards").glob("*.toml"))
BUILD_MS = 1_767_225_600_000
# In one image as VfsRom maps it, and as boot/rom.py reads it by the sector where nothing does.
_RUN = """
import os, sys, vfs
folder, way = sys.argv[1], sys.argv[2]
if way == "mapped":
    with open(folder + "/image", "rb") as file:
        image = bytearray(os.stat(folder + "/image")[6])
        file.readinto(image)
    mounted = vfs.VfsRom(image)
else:
    sys.path[:] = [".frozen", folder]
    import rom
    class Slot:
        def __init__(self):
            self.file = open(folder + "/slot", "rb")
        def readblocks(self, number, buffer, offset):
            self.file.seek(number * 4096 + offset)
            self.file.readinto(buffer)
        def ioctl(self, operation, argument):
            return 4096
    mounted = rom.Rom(Slot())
vfs.mount(mounted, "/app")
sys.path[:] = [".frozen", "/app"]
from fieldnode import built, start
config = dict(built.CONFIG)
driver = start.load(config["driver"], config["profile"], config.get("options"))
print(built.BOARD, built.VERSION, driver.INPUT, driver.take(0))
for name in sys.argv[3:]:
    # a toll lane's other drivers know vehicles, not tags
    is_other = config["driver"] == "etc" != name
    print(start.load(name, "pv1" if is_other else config["profile"]).INPUT)
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Path:
    """All boards, as the command builds them, and what runs their images here."""
    folder = tmp_path_factory.mktemp("boards")
    command = [sys.executable, "-m", "firmware.tools.build", "--version", "1.2.3"]
    done = subprocess.run(
        [*command, "--out", str(folder)],
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(BUILD_MS // 1000)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "meter: " in done.stdout
    made = {path.name for path in folder.iterdir()}
    assert made == {"esp32", *BOARDS} | {f"{b}.{e}" for b in BOARDS for e in ("romfs", "slot")}
    there = {path.name for path in (folder / "esp32").iterdir()}
    assert there == {"boot.mpy", "main.py", "partitions.bin", "rom.mpy"}
    (folder / "rom.mpy").write_bytes((compiled / "rom.mpy").read_bytes())
    (folder / "run.py").write_text(_RUN)
    return folder


@pytest.mark.parametrize("board", BOARDS)
def test_the_image_of_a_board_runs(board: str, out: Path) -> None:
    image = out / f"{board}.romfs"
    (out / "image").write_bytes(image.read_bytes())
    (out / "slot").write_bytes((out / f"{board}.slot").read_bytes())
    document = tomllib.loads((ROOT / f"firmware/boards/{board}.toml").read_text())
    _, refused = configuration.apply(configuration.defaults(), document["config"])
    assert refused.keys() <= {"sector"}
    # 36wK, and for the code that is in flash on a board: twice where it is read into the heap
    heap = 36 * 2048 + 2 * image.stat().st_size
    for way in ("mapped", "read"):
        command = [program("micropython"), "-X", f"heapsize={heap}", str(out / "run.py"), str(out)]
        done = subprocess.run(
            [*command, way, *document["drivers"]],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        lines = done.stdout.splitlines()
        assert lines[0].split()[:2] == [board, "1.2.3"], done.stdout + done.stderr
        assert len(lines) == 1 + len(document["drivers"]), done.stdout + done.stderr


def test_a_build_of_the_same_sources_is_the_same_bytes(out: Path, tmp_path: Path) -> None:
    again = build.build_board("toll", "1.2.3", BUILD_MS, tmp_path).image.read_bytes()
    assert again == (out / "toll.romfs").read_bytes()


def test_a_slot_is_what_boots(out: Path) -> None:
    slot, image = (out / "lane.slot").read_bytes(), (out / "lane.romfs").read_bytes()
    assert slot[:20] == b"FNM1lane" + bytes(12)
    assert slot[4096:] == image
    assert slot[32:64] == hashlib.sha256(image).digest()
    assert len(slot) <= partitions.SLOT_BYTES


def test_what_is_too_large_is_named() -> None:
    sizes = {"app": 61_441, "mqtt": 6145, "ring": 4097, "boot": 4096}
    assert build.over_budget(sizes) == [
        "app: 61441 bytes of 61440",
        "mqtt: 6145 bytes of 6144",
        "ring: 4097 bytes of 4096",
    ]
    assert build.over_budget({"boot": 4097}) == ["boot: 4097 bytes of 4096"]


def test_every_room_with_a_budget_is_measured(tmp_path: Path) -> None:
    sizes = build.rooms_as_written(tmp_path)
    assert sizes.keys() | {"app"} == build.BUDGETS.keys()
    assert all(size > 1000 for size in sizes.values())


def test_the_partition_table_fits_the_chip_and_nothing_overlaps() -> None:
    table = partitions.table()
    entries = [struct.unpack_from("<2sBBII16sI", table, at) for at in range(0, len(table), 32)]
    entries = [entry for entry in entries if entry[0] == b"\xaa\x50"]
    end = 0x9000
    for _, kind, _, start, size, name, _ in entries:
        assert start >= end, name
        assert start % (0x10000 if kind == 0 else 4096) == size % 4096 == 0, name
        end = start + size
    assert end == partitions.FLASH_BYTES
    assert len(table) == 0xC00
    checked = 32 * len(entries)
    assert table[checked : checked + 16] == b"\xeb\xeb" + b"\xff" * 14
    assert table[checked + 16 : checked + 32] == hashlib.md5(table[:checked]).digest()
