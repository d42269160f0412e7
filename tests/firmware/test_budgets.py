"""Times and bytes of the core under MicroPython, against issue B's budgets."""

import subprocess
from pathlib import Path

from tests.faults import quick_or_soak
from tests.firmware.tools import ROOT, program

# Of a quiet machine; a crowded one gets five times as long (`make soak` none), bytes do not change.
_TIMES_US = {"encode_us": 40, "append_us": 10, "mount_us": 5000}
_BYTES = {"encode_bytes": 170, "encode_garbage_bytes": 600}


def measured(compiled: Path) -> dict[str, int]:
    """Return what firmware/tools/measure.py says."""
    code = (ROOT / "firmware/tools/measure.py").read_text("utf-8")
    done = subprocess.run(
        [
            program("micropython"),
            "-c",
            f"import sys; sys.path.insert(0, {str(compiled)!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: int(value) for name, value in map(str.split, done.stdout.splitlines())}


def test_the_core_keeps_its_budgets(compiled: Path) -> None:
    found = measured(compiled)
    slack = quick_or_soak(5, 1)
    over = {name: found[name] for name, most in _BYTES.items() if found[name] > most}
    over |= {name: found[name] for name, most in _TIMES_US.items() if found[name] > slack * most}
    assert over == {}, found
