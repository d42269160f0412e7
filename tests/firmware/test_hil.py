"""The tests for owners of a board are there, and say that they were skipped."""

import os
import subprocess
import sys

from tests.firmware.tools import ROOT


def test_without_a_board_they_are_counted_as_skipped() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "FIELDNODE_PORT"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "firmware/hil"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "5 skipped" in done.stdout
    assert "passed" not in done.stdout
