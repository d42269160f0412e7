"""Every file of the firmware compiles for the board, imports there, and keeps to the dialect."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.firmware.dialect import faults
from tests.firmware.tools import OUTSIDE, ROOT, program

_PACKAGE = ROOT / "firmware/fieldnode"
_OUTSIDE = [f"../{name}" for name in OUTSIDE]
_FILES = sorted(path.relative_to(_PACKAGE).as_posix() for path in _PACKAGE.rglob("*.py"))
# Sizes as .mpy, bytes (issue B, "Budgets"; firmware.md §5.4).
_BUDGETS: dict[tuple[str, ...], int] = {
    ("core/ring.py", "core/lane.py"): 4096,
    ("core/mqtt.py", "core/properties.py"): 6144,
    ("../boot.py", "../rom.py"): 4096,
}
_CORE_BUDGET = 25 * 1024


def compiled_size(path: Path, folder: Path) -> int:
    made = folder / "x.mpy"
    subprocess.run(
        [program("mpy-cross"), "-s", path.name, "-march=xtensawin", "-o", str(made), str(path)],
        check=True,
    )
    return made.stat().st_size


@pytest.mark.parametrize("name", _FILES + _OUTSIDE)
def test_a_file_keeps_to_the_dialect(name: str, tmp_path: Path) -> None:
    path = _PACKAGE / name
    source = path.read_text("utf-8")
    docstrings_apart = source if '"""' not in source[:4] else source.split('"""', 2)[2]
    assert faults(docstrings_apart, is_core=name.startswith("core/")) == []
    assert compiled_size(path, tmp_path) <= 6144


@pytest.mark.parametrize("names", _BUDGETS)
def test_a_room_keeps_to_its_budget(names: tuple[str, ...], tmp_path: Path) -> None:
    sizes = [compiled_size(_PACKAGE / name, tmp_path) for name in names]
    assert sum(sizes) <= _BUDGETS[names], sizes


def test_what_boots_knows_nothing_of_what_it_boots() -> None:
    for name in OUTSIDE:
        source = (_PACKAGE.parent / name).read_text("utf-8")
        assert len(source.splitlines()) < 120
        imports = [fault for fault in faults(source, is_core=True) if "imports" in fault]
        assert [fault.split()[-1] for fault in imports] == (["io"] if name == "rom.py" else [])
        assert "import fieldnode" not in source
        assert "fieldnode.core" not in source


def test_the_core_stays_small(tmp_path: Path) -> None:
    assert sum(compiled_size(path, tmp_path) for path in (_PACKAGE / "core").glob("*.py")) <= (
        _CORE_BUDGET
    )


_MODULES = [
    "fieldnode." + name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for name in _FILES
    if name != "__init__.py"
]


# They compile, and run on a Pi …
_OF_CPYTHON = {
    f"fieldnode.{name}"
    for name in ("__main__", "hal.link_py", "hal.pi", "hal.pi_gpio", "drivers.aes_py")
}
# … or on a chip, whose modules this interpreter lacks: pyright checks it (test_types.py).
_OF_CHIP = {"fieldnode.hal.esp32"}


# Each in an interpreter of its own: a board carries one driver or two, and the whole of a node is
# run by test_chaos. What comes with it must be enough for it.
@pytest.mark.parametrize("module", sorted({*_MODULES} - _OF_CPYTHON - _OF_CHIP))
def test_every_module_imports_under_micropython(module: str, image_of_tests: Path) -> None:
    heap = 36 * 2048 + image_of_tests.stat().st_size  # 36wK and the image (run_rom.py)
    command = [program("micropython"), "-X", f"heapsize={heap}"]
    command += [str(ROOT / "firmware/tools/run_rom.py"), str(image_of_tests), module]
    out = subprocess.run(command, capture_output=True, timeout=20, check=False)
    assert out.returncode == 0, (module, out.stdout + out.stderr)


def test_only_one_module_knows_the_chip() -> None:
    chip = re.compile(r"^\s*(?:import|from) (?:machine|network|esp32)\b", re.MULTILINE)
    sources = [*_PACKAGE.rglob("*.py"), *(_PACKAGE.parent / name for name in OUTSIDE)]
    knowing = {path.name for path in sources if chip.search(path.read_text("utf-8"))}
    assert knowing == {"esp32.py"}


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("x = 0.5", "float literal"),
        ("x = 1 / 2", "true division"),
        ("x /= 2", "true division"),
        ("y = float(x)", "float"),
        ("import os", "core imports os"),
        ("import typing", "import typing"),
        ("from collections.abc import Iterator", "import collections.abc"),
        ("match x:\n    case 1: pass", "Match"),
        ("def f(a, /): pass", "positional-only"),
        ("x = {**a}", "** in a dict"),
        ("class A(metaclass=B): pass", "class keyword"),
        ("class A:\n    def __init_subclass__(cls): pass", "__init_subclass__ is never called"),
        ("x = (5).bit_length()", "bit_length"),
        ("x.to_bytes(4, 'big', signed=True)", "to_bytes(signed=)"),
        ("zip(a, b, strict=True)", "zip(strict=)"),
        ("isinstance(x, int | str)", "isinstance with |"),
        ("h.hexdigest()", "hexdigest"),
        ("raise A from b", "raise from"),
        ("x = bytearray(1025)", "allocates 1025 bytes"),
        ("x = b'12' * 513", "allocates 1026 bytes"),
        ("x = [0] * 300", "allocates 1200 bytes"),
    ],
)
def test_the_lint_finds(source: str, what: str) -> None:
    assert any(fault.endswith(": " + what) for fault in faults(source, is_core=True))


def test_the_lint_lets_the_rest_be() -> None:
    source = "if False:\n    from typing import Any\nx = 7 // 2\ny: 'Any' = bytes(1024)\n"
    assert faults(source, is_core=True) == []


@pytest.mark.timeout(260)
def test_the_shared_tests_cover_the_core(tmp_path: Path) -> None:
    environment = {**os.environ, "COVERAGE_FILE": str(tmp_path / "data")}
    environment.pop("INFRAGATE_SOAK", None)
    measured = [sys.executable, "-m", "coverage"]
    run = [
        *measured,
        "run",
        "--branch",
        "--rcfile=/dev/null",
        "--include=firmware/fieldnode/core/*",
    ]
    subprocess.run(
        [
            *run,
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/firmware/twice"),
            "--ignore-glob=*test_driver_*",  # no core in them, and they take as long again
            "--ignore-glob=*test_month_app*",  # the others are enough, and it takes longer
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=230,  # half a minute alone; slow cores and a second worker make minutes of it
        check=True,
    )
    report = tmp_path / "coverage.json"
    subprocess.run(
        [*measured, "json", "--rcfile=/dev/null", "-o", str(report), "-q"],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=20,
    )
    files = json.loads(report.read_text("utf-8"))["files"]
    covered = {name: entry["summary"]["percent_covered"] for name, entry in files.items()}
    assert len(covered) >= 10
    assert min(covered.values()) >= 95, covered
