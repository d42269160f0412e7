"""A command whose reader has gone ends quietly, and leaves the signal of its process alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import UNREAD, main
from tests.support.running import ROOT


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "infragate.toml"
    file.write_text("")  # all defaults
    return file


def test_a_reader_that_has_gone_gets_no_complaint(config: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)  # as `head` when it has seen enough
    command = [sys.executable, "-m", "gateway", "check", "-c", str(config)]
    ended = subprocess.run(command, cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    assert (ended.returncode, ended.stderr) == (UNREAD, b"")


def test_a_command_lets_no_write_to_a_peer_that_has_gone_end_its_process(config: Path) -> None:
    before = signal.getsignal(signal.SIGPIPE)
    main(["check", "-c", str(config)])
    assert signal.getsignal(signal.SIGPIPE) is before is signal.SIG_IGN
