"""The tests of ``twice/`` again, compiled and under MicroPython with the heap of a small board."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.firmware.tools import program

_ROOT = Path(__file__).resolve().parents[2]
_TWICE = sorted(path.stem for path in (_ROOT / "tests/firmware/twice").glob("test_*.py"))
# 36 KB is the heap that an ESP32-S2 or -C2 starts with (firmware.md §1.10). The unix port has
# 64-bit words, so objects take twice as much; the image is flash on a board (run_rom.py).
_HEAP_KB = 36
# A whole node, not made small as the images of boards are, with its server beside it: what is
# looked at is whether it grows.
_HEAPS_KB = {"test_month_app": 96}


@pytest.mark.parametrize("module", _TWICE)
def test_module(module: str, image_of_tests: Path, tmp_path: Path) -> None:
    heap = _HEAPS_KB.get(module, _HEAP_KB) * 2048 + image_of_tests.stat().st_size
    command = [program("micropython"), "-X", f"heapsize={heap}"]
    command += [str(_ROOT / "firmware/tools/run_rom.py"), str(image_of_tests), "run_tests"]
    done = subprocess.run(
        [*command, f"tests.firmware.twice.{module}"],
        capture_output=True,
        text=True,
        timeout=1800 if os.environ.get("INFRAGATE_SOAK") == "1" else 50,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "FIELDNODE_PROTOCOL": str(_ROOT / "docs/protocol.md")},
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    source = (_ROOT / f"tests/firmware/twice/{module}.py").read_text("utf-8")
    assert sum(line.startswith("ok ") for line in lines) == source.count("\ndef test_")
