"""Servers as child processes: started, stopped in their tracks, killed, and started again."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulators.parent import PR_SET_PDEATHSIG

_POLL_S = 0.02
_STOP_S = 20.0
_PPID = 1  # of /proc/PID/stat after the name in brackets


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree_of(pid: int) -> list[int]:
    """Return a process and all that come from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[_PPID]), []).append(int(folder.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, ())
    return found


def _end_with_us() -> None:
    """Run in the new process: if chaos is killed, nothing of it stays behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """One program that is to run all the time; ``kept_alive`` sees to it."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.starts = self.deaths = 0
        self.pause_s = 0.1  # before the next start
        self._command, self._log, self._env = list(command), log, env
        self._process: subprocess.Popen[bytes] | None = None
        self._was_killed = False
        self._stops = False

    @property
    def pid(self) -> int:
        """Process id, 0 while it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else 0

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # what the user asked to be tortured
                self._command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=None if self._env is None else {**os.environ, **self._env},
                preexec_fn=_end_with_us,  # noqa: PLW1509  # we have no thread that holds a lock
            )
        self.starts += 1
        self._was_killed = False

    async def keep_alive(self) -> None:
        """Start it again whenever it is gone; whoever was not killed has died."""
        while True:
            if not self.pid and not self._stops:
                if not self._was_killed and self.starts:
                    self.deaths += 1
                await asyncio.sleep(self.pause_s)
                self.start()
            await asyncio.sleep(_POLL_S)

    def kill(self) -> bool:
        """SIGKILL; return whether there was something to kill."""
        pid = self.pid
        if pid:
            self._was_killed = True
            os.kill(pid, signal.SIGKILL)
        return bool(pid)

    def kill_child(self, which: float) -> bool:
        """SIGKILL one of its children, ``which`` of them is between 0 and 1."""
        children = tree_of(self.pid)[1:] if self.pid else []
        if not children:
            return self.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(sorted(children)[int(which * len(children))], signal.SIGKILL)
        return True

    async def pause(self, for_s: float) -> None:
        """Stop all its processes in their tracks for a while."""
        pids = tree_of(self.pid) if self.pid else []
        _signal(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s)
        finally:
            _signal(pids, signal.SIGCONT)

    async def stop(self) -> int:
        """SIGTERM; return the exit code."""
        self._stops = True
        process = self._process
        if process is None:
            return 0
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                while process.poll() is None:  # noqa: ASYNC110  # asyncio did not start it
                    await asyncio.sleep(_POLL_S)
        if process.poll() is None:
            process.kill()
        return process.wait()

    def stop_now(self) -> None:
        """Leave nothing behind, whatever the state."""
        self._stops = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
