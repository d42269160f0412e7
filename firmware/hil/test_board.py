"""On a real ESP32, over its cable: what no interpreter on a host can show."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PORT = os.environ.get("FIELDNODE_PORT")
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not PORT, reason="no board: set FIELDNODE_PORT (firmware/hil)")


def on_board(code: str, timeout_s: int = 60) -> str:
    """Run code on the board and return what it prints."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "mpremote", "connect", str(PORT), "exec", code],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


_APP = """
import sys, vfs, boot, rom
from esp32 import Partition
both = Partition.find(Partition.TYPE_DATA, label="romfs")[0]
count = both.ioctl(4, 0) // 2
state = Partition.find(Partition.TYPE_DATA, label="boot")[0]
chosen = boot.Boot(state, [rom.Part(both, 0, count), rom.Part(both, count, count)])
chosen.choose()
vfs.mount(rom.Rom(chosen.slots[chosen.running]), "/app")
sys.path.insert(0, "/app")
from fieldnode import built
from fieldnode.hal.esp32 import Esp32
hal = Esp32(chosen, built.VERSION, built.BUILD_MS)
"""


def test_the_slot_is_whole_and_its_program_starts() -> None:
    assert on_board(_APP + "print(chosen.is_whole(chosen.running), hal.fw)").startswith("True")


def test_keys_survive_a_reset() -> None:
    on_board(_APP + "hal.kv_put('hil', bytes(range(200)))")
    subprocess.run(  # noqa: S603
        [sys.executable, "-m", "mpremote", "connect", str(PORT), "reset"], check=True, timeout=30
    )
    assert on_board(_APP + "print(hal.kv_get('hil') == bytes(range(200)))") == "True"
    assert on_board(_APP + "hal.kv_put('hil', None); print(hal.kv_get('hil'))") == "None"


def test_the_ring_keeps_what_it_was_given_and_is_fast_enough() -> None:
    code = _APP + (
        "import time\n"
        "from fieldnode.core.ring import Ring\n"
        "from fieldnode.core.block import BlockWriter\n"
        "ring = Ring(hal.flash, hal.random_u32())\n"
        "first = ring.rows.next\n"
        "w = BlockWriter(1, 6)\n"
        "began = time.ticks_ms()\n"
        "for _ in range(50):\n"
        "    w.open(ring.rows.log, 1, ring.rows.next, 1, 1767225600000)\n"
        "    w.add(0, (1, 0, 2, 2300, 4, 5), 0)\n"
        "    ring.append(w.close())\n"
        "ms = time.ticks_diff(time.ticks_ms(), began)\n"
        "print(Ring(hal.flash, 1).rows.next - first, ms // 50)\n"
    )
    rows, ms = map(int, on_board(code).split())
    assert rows == 50
    assert ms < 100


def test_the_heap_has_room() -> None:
    code = _APP + "from fieldnode import app\nprint(hal.free_heap())"
    assert int(on_board(code)) > 40_000


def test_a_signature_is_checked_within_seconds() -> None:
    code = _APP + (
        "import time\nfrom fieldnode.core.ota import is_signed\n"
        "began = time.ticks_ms()\n"
        "print(is_signed(bytes(64) + b'\\x7f' * 384, b'\\xff' * 384))\n"
        "print(time.ticks_diff(time.ticks_ms(), began))\n"
    )
    answer, ms = on_board(code).split()
    assert answer == "False"
    assert int(ms) < 5000
