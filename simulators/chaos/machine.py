"""What the machine allows: a small disk that can be full, a clock that can jump."""

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS = 0x00020000  # linux/sched.h
DISK_BYTES = 256 << 20  # of the gateway's data; a run of ten minutes needs a tenth
_PIECES = (1 << 20, 1 << 12, 1)

# libfaketime leaves CLOCK_MONOTONIC alone when told so, and then refuses clock_nanosleep on it
# with EINVAL (0.9.10), which is what time.sleep of CPython 3.11 calls. Only the child that runs
# under a false clock gets this file, by its PYTHONPATH.
_SITE = """\
import select
import time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""


class Disk:
    """A tmpfs for the gateway, seen by us and our children only; gone when we are."""

    def __init__(self, folder: Path) -> None:
        self.is_small = False
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if sys.platform == "linux" and os.geteuid() == 0:
            self.is_small = self._mount()

    def _mount(self) -> bool:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
            return False  # a container that does not let us
        private = ["mount", "--make-rprivate", "/"]
        small = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(self._folder)]
        return all(
            subprocess.run(command, check=False, capture_output=True, timeout=10).returncode == 0  # noqa: S603  # constant but for a folder of ours
            for command in (private, small)
        )

    def fill(self) -> None:
        """Leave no byte."""
        with (self._folder / "ballast").open("ab", buffering=0) as ballast:
            for piece in _PIECES:
                while _takes(ballast.fileno(), piece):
                    pass

    def unmount(self) -> None:
        """Let go of it at once; what still runs on it has it until then."""
        if self.is_small:
            self.is_small = False
            command = ["umount", "-l", str(self._folder)]
            subprocess.run(command, check=False, capture_output=True, timeout=10)  # noqa: S603  # a folder of ours

    def drop(self) -> None:
        """Give the room back."""
        (self._folder / "ballast").unlink(missing_ok=True)


def _takes(file: int, size: int) -> bool:
    try:
        return os.write(file, bytes(size)) == size
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return False
        raise


class Clock:
    """libfaketime around the gateway; without the library its clock does not jump."""

    def __init__(self, folder: Path) -> None:
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        self.env: dict[str, str] = {}
        self._file = folder / "clock"
        if libraries:
            site = folder / "site"
            site.mkdir(exist_ok=True)
            (site / "sitecustomize.py").write_text(_SITE)
            path = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
            self.set(0)
            self.env = {
                "LD_PRELOAD": str(libraries[0]),
                "FAKETIME_TIMESTAMP_FILE": str(self._file),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "PYTHONPATH": os.pathsep.join(path),
            }

    def set(self, offset_s: float) -> None:
        """Let the wall clock be so far off; the file is swapped, never half written."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s:+.0f}\n")
        new.replace(self._file)
