"""Checks types as the board sees them: ``python -m firmware.tools.typecheck``.

pyright with micropython-esp32-stubs in place of CPython's typeshed, over everything that runs on
an ESP32 (mypy checks the same files for CPython). Imports for type checkers are under ``if
False:``, since MicroPython has no TYPE_CHECKING; pyright would pass them over, so it sees a copy.
"""

import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
# CPython only: mypy has them. The stubs know nothing of the unix port, on which sim boards run.
OTHERS = (
    "__main__.py",
    "drivers/aes_py.py",
    "hal/pi.py",
    "hal/pi_gpio.py",
    "hal/link_py.py",
    "hal/sim_uart.py",
    "hal/pty_mp.py",
    "hal/tasks_py.py",
    "hal/sim.py",
    "hal/sim_i2c.py",
    "hal/simboard.py",
)
# What link.py and tasks.py import there.
ELSEWHERE = {
    "link": ("connect", "exchange_udp"),
    "tasks": ("Event", "create_task", "run", "sleep_ms"),
}
CHECKED = ("boot.py", "rom.py", "esp32", "fieldnode")


def copy(folder: Path) -> None:
    """Copy what is checked, with the imports for type checkers opened."""
    for name in CHECKED:
        source = HERE / name
        for path in [source] if source.is_file() else sorted(source.rglob("*.py")):
            inside = path.relative_to(HERE)
            if inside.as_posix().removeprefix("fieldnode/") in OTHERS:
                continue
            made = folder / inside
            made.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text("utf-8")
            made.write_text(text.replace("\nif False:", "\nif True:"), "utf-8")
    for name, content in ELSEWHERE.items():
        names = ", ".join(f"{one} as {one}" for one in content)
        stub = folder / f"fieldnode/hal/{name}_py.pyi"
        stub.write_text(f"from fieldnode.hal.{name}_mp import {names}\n", "utf-8")
    stub = folder / "fieldnode/drivers/aes_py.pyi"  # what glo.py imports elsewhere
    stub.write_text("from cryptolib import aes as aes\n", "utf-8")


def check(folder: Path) -> list[str]:
    """Return ``file:line: what`` of each error in a copy."""
    stubs = sysconfig.get_paths()["purelib"]
    config = {
        "include": ["."],
        "typeshedPath": stubs,
        "stubPath": stubs,
        "typeCheckingMode": "standard",
        "reportMissingModuleSource": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(config), "utf-8")
    program = shutil.which("pyright", path=str(Path(sys.executable).parent)) or "pyright"
    done = subprocess.run(
        [program, "--outputjson", "-p", str(folder)], capture_output=True, text=True, check=False
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return [
        f"{Path(one['file']).relative_to(folder.resolve()).as_posix()}"
        f":{one['range']['start']['line'] + 1}: {one['message']}"
        for one in answer["generalDiagnostics"]
        if one["severity"] == "error"
    ]


def main() -> int:
    """Print what is wrong."""
    with tempfile.TemporaryDirectory() as name:
        copy(Path(name))
        found = check(Path(name))
    print("\n".join([*found, f"{len(found)} errors"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
