"""axe-core, the checker of contrast, names and roles, from npm; nothing of it is kept here."""

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

VERSION = "4.14.1"


@cache
def axe_script() -> str:
    """Return the script, or skip the test where npm cannot bring it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine: axe-core cannot be had")
    folder = Path(tempfile.gettempdir()) / f"infragate-axe-{VERSION}"
    file = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not file.exists():
        folder.mkdir(exist_ok=True)
        wanted = [npm, "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            [*wanted, "--prefix", str(folder), f"axe-core@{VERSION}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        if done.returncode:
            pytest.skip(
                f"npm does not bring axe-core: {done.stdout[-200:].decode(errors='replace')}"
            )
    return file.read_text("utf-8")
