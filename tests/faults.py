"""Real faults for tests: power cuts, full disks, processes killed at a chosen system call.

Each says by a mark where this machine cannot do it (no FUSE, no root, no ptrace).
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.shared import SHARED

REPOSITORY = Path(__file__).resolve().parents[1]
IS_SOAK = os.environ.get("INFRAGATE_SOAK") == "1"
LOSSYFS = SHARED / "tools" / "lossyfs.py" if SHARED else None
_MOUNT_S = 10.0


def quick_or_soak(quick: int, soak: int) -> int:
    """Return how often to repeat: few in a normal run, many under INFRAGATE_SOAK=1."""
    return soak if IS_SOAK else quick


def _can_trace() -> bool:
    strace = shutil.which("strace")
    if strace is None:
        return False
    command = [strace, "-f", "-o", os.devnull, "-e", "trace=fdatasync", "/bin/true"]
    return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0


def _can_fuse() -> bool:
    if LOSSYFS is None or not LOSSYFS.is_file() or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return False
    command = [sys.executable, "-c", "import mfusepy"]
    return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0


needs_strace = pytest.mark.skipif(not _can_trace(), reason="strace cannot trace a process here")
needs_lossyfs = pytest.mark.skipif(
    not _can_fuse(), reason="no power cuts: needs /dev/fuse, libfuse and tools/lossyfs.py"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a tmpfs of this size at ``folder``."""
    folder.mkdir(exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    subprocess.run(["mount", *options], check=True, timeout=10)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)


class LossyDisk:
    """A mounted file system that forgets what was not synced."""

    def __init__(self, backing: Path, mount: Path, server: subprocess.Popen[bytes]) -> None:
        self.mount = mount
        self._backing = backing
        self._server = server
        self._cuts = 0

    def control(self, text: str) -> None:
        """Set a fault: ``EIO``, ``ENOSPC``, ``LIE``, ``SLOW s``, ``torn P SEED``; "" ends it."""
        (self._backing / ".ctl").write_text(text)

    def cut_power(self) -> None:
        """Forget (or tear, after ``torn``) everything unsynced; the writers must be dead."""
        self._cuts += 1
        self._server.send_signal(signal.SIGUSR1)
        counter = Path(f"{self._backing}.cuts")
        wait_until(lambda: counter.exists() and counter.read_text() == str(self._cuts))


@contextmanager
def lossy_disk(folder: Path) -> Iterator[LossyDisk]:
    """Mount lossyfs below ``folder``."""
    backing, mount = folder / "backing", folder / "mount"
    backing.mkdir()
    mount.mkdir()
    command = [sys.executable, str(LOSSYFS), str(backing), str(mount)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.ismount(mount))
        yield LossyDisk(backing, mount, server)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False, timeout=10)
        server.terminate()
        server.wait(10)


def wait_until(is_true: Callable[[], bool], limit_s: float = _MOUNT_S) -> None:
    """Wait for something another process does."""
    end_s = time.monotonic() + limit_s
    while not is_true():
        if time.monotonic() > end_s:
            raise TimeoutError
        time.sleep(0.005)


def run_injected(
    injection: str, arguments: Sequence[str], *, timeout_s: float = 30.0
) -> subprocess.CompletedProcess[str]:
    """Run this Python with ``arguments`` under strace; ``injection`` as in its ``-e inject=``.

    Such as ``pwrite64:signal=KILL:when=7`` or ``fdatasync:error=EIO:when=3``. The counter runs
    for each system call named.
    """
    calls = injection.split(":", 1)[0]
    strace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={calls}"]
    command = [*strace, "-e", f"inject={injection}", sys.executable, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=REPOSITORY
    )
