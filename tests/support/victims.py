"""Gateway processes that strace kills at a chosen system call.

Forked from a server that has loaded the gateway, so that a sweep over hundreds of calls spends
its time on those. A victim waits for ``go`` until strace is attached.
"""

import contextlib
import json
import multiprocessing
import os
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from gateway.config import load_settings
from gateway.control import Taps
from gateway.roles import Heritage, intake, processor
from gateway.stats import Stats
from gateway.supervisor import run_loop
from gateway.waterline import Waterline
from tests.support.running import is_alive, wait_until

# whatever changes a file, or makes a change durable
WRITING_CALLS = ("pwrite64", "write", "fdatasync", "fsync", "ftruncate", "rename", "unlink")
CLEAN_END_S = 20


def run_processor(go: Connection, config: Path, last: int) -> None:
    """Process the journal up to record ``last`` and end."""
    go.recv()
    ours, theirs = socket.socketpair()
    ours.sendall(json.dumps({"durable": last, "stop": True}).encode() + b"\n")
    raise SystemExit(processor.run(load_settings(config), Heritage(theirs, Waterline())))


def run_intake(go: Connection, config: Path, _last: int) -> None:
    """Take messages from the sources into the journal until killed."""
    go.recv()
    raise SystemExit(run_loop(_take(config)))


async def _take(config: Path) -> int:
    opened = intake.open_intake(load_settings(config), Waterline(), Stats(), Taps())
    await opened.intake.run()
    return 0


VICTIMS = {"processor": run_processor, "intake": run_intake}


class Farm:
    """Makes victims."""

    def __init__(self) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])

    @contextlib.contextmanager
    def victim(self, kind: str, config: Path, last: int = 0) -> Iterator["Victim"]:
        """A process that waits for ``go``, and is gone at the end."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=VICTIMS[kind], args=(theirs, config, last))
        process.start()
        victim = Victim(process, ours)
        try:
            yield victim
        finally:
            process.kill()
            process.join(CLEAN_END_S)


class Victim:
    """One process."""

    def __init__(self, process: ForkServerProcess, go: Connection) -> None:
        self._process = process
        self._pid = process.pid or 0
        self._go = go

    def go(self) -> None:
        """Let it work."""
        self._go.send(None)

    def end(self) -> int | None:
        """Wait for its end; return the exit code, negative for a signal."""
        self._process.join(CLEAN_END_S)
        return self._process.exitcode

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self._process.exitcode is not None

    @contextlib.contextmanager
    def traced(self, *options: str) -> Iterator[None]:
        """Attach strace with further options, all threads and those to come."""
        command = ["strace", "-f", "-qq", "-p", str(self._pid), *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as strace:
            wait_until(lambda: _is_traced(self._pid), 10, "strace attached", 0.005)
            try:
                yield
            finally:
                if is_alive(self._pid):
                    strace.terminate()  # it lets go
                else:
                    strace.kill()  # it may wait for ever for a thread of the dead

    @contextlib.contextmanager
    def killed_at(self, call: str, nth: int) -> Iterator[None]:
        """Kill it as it enters the n-th call of that name in one of its threads."""
        injection = f"{call}:signal=KILL:when={nth}"
        with self.traced("-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={injection}"):
            yield

    @contextlib.contextmanager
    def counted(self, log: Path, counts: Counter[str]) -> Iterator[None]:
        """Count the writing calls of the thread that makes most of them."""
        with self.traced("-o", str(log), "-e", f"trace={','.join(WRITING_CALLS)}"):
            yield
        by_thread: Counter[tuple[str, str]] = Counter()
        for line in log.read_text("utf-8", "replace").splitlines():
            thread, _, call = line.partition(" ")
            by_thread[call.strip().partition("(")[0], thread] += 1
        for (call, _), count in by_thread.items():
            if call in WRITING_CALLS:
                counts[call] = max(counts[call], count)


def _is_traced(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    tracer = next(line for line in status.splitlines() if line.startswith("TracerPid:"))
    return tracer.split()[1] != "0"
