"""The tests of ``twice/`` again, compiled and under MicroPython with the heap of a small board."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.firmware.tools import program

_ROOT = Path(__file__).resolve().parents[2]
_TWICE = sorted(path.stem for path in (_ROOT / "tests/firmware/twice").glob("test_*.py"))
# 36 KB is the heap that an ESP32-S2 or -C2 starts with (firmware.md §1.10). The unix port has
# 64-bit words; the "w" scales by that, so objects fit as they would there.
_HEAP = "heapsize=36wK"


@pytest.mark.parametrize("module", _TWICE)
def test_module(module: str, compiled: Path) -> None:
    done = subprocess.run(
        [
            program("micropython"),
            "-X",
            _HEAP,
            str(_ROOT / "firmware/tools/run_tests.py"),
            str(compiled),
            f"tests.firmware.twice.{module}",
        ],
        capture_output=True,
        text=True,
        timeout=600 if os.environ.get("INFRAGATE_SOAK") == "1" else 50,
        check=False,
        cwd=compiled,
        env={**os.environ, "FIELDNODE_PROTOCOL": str(_ROOT / "docs/protocol.md")},
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    source = (_ROOT / f"tests/firmware/twice/{module}.py").read_text("utf-8")
    assert sum(line.startswith("ok ") for line in lines) == source.count("\ndef test_")
