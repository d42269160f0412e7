"""The processes beside the intake: started, watched, started again, and never left behind.

A child that dies is started again with a growing pause, and recovers by itself from the
journal. ``nursery`` forks it, and sees to it that it ends when the intake does.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import gc
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TextIO

from gateway.errors import GatewayError
from gateway.nursery import NurseryLink
from gateway.stats import Stats

try:
    import uvloop
except ImportError:  # no wheel for this machine: the standard loop works, at more CPU
    LOOP_FACTORY: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    LOOP_FACTORY = uvloop.new_event_loop

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.2
LAST_PAUSE_S = 10.0
STABLE_S = 30.0  # a child that lived this long starts again without a pause
LOCK_WAIT_S = 5.0  # the kernel needs a moment to end the children of a killed gateway
# Containers made and not freed before the youngest are looked through: more than the 5,000
# messages of a step hold, and at most some 10 MB of cycles that wait. Then the older generations.
COLLECT_AFTER = (100_000, 20, 20)
# malloc.h: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX (an arena a thread keeps its own rest)
MALLOPT = {-3: 256 << 10, -1: 1 << 20, -8: 2}
# Ctrl-C ends the whole within 5 s: helpers first, then the web process and the keeper while the
# processor drains the journal, then what is left of that one.
HELPER_STOP_S, STOP_S, DRAINED_STOP_S = 1.5, 2.0, 1.0


class Role(NamedTuple):
    """One child process; ``on_start`` gets our end of its link where it has one."""

    name: str
    on_start: Callable[[socket.socket], None] | None = None
    after_s: float = 0.0  # of the first start


def run_loop(work: Coroutine[None, None, int]) -> int:
    """Run a process's main coroutine on the fastest loop there is."""
    with asyncio.Runner(loop_factory=LOOP_FACTORY) as runner:
        return runner.run(work)


def start_logging() -> None:
    """Log to standard error, one line per state change."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


def allow_many_files() -> None:
    """A connection is a file: take as many as the system grants for the asking.

    Debian starts a process with 1,024, which a listener of 5,000 devices would hit.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def calm_collector() -> None:
    """Keep the garbage collector off what lives as long as the process, and make it come rarely.

    To be called once everything is built. Thousands of messages at a time set it off without
    leaving it anything to do, since none of them is part of a cycle: it took a third of the
    processor's time, and each full round stopped the intake for 20 to 60 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def return_memory() -> Callable[[], None]:
    """Give what is freed back to the system: for processes that work in bursts.

    Each array that it frees raises glibc's threshold above which it asks the system for pages, up
    to 32 MB, so that the largest burst of a day stays resident: a third of the analyst and the
    keeper. A fixed threshold costs page faults instead, a fifth of the processor's time per
    message, which is why that one keeps its memory.

    Returns:
        What to call once a second: smaller pieces are freed amid the heap, from where glibc gives
        nothing back by itself. That was 30 MB of the analyst; it takes a millisecond.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    mallopt, trim = getattr(libc, "mallopt", None), getattr(libc, "malloc_trim", None)
    if mallopt is None or trim is None:  # musl has neither
        return lambda: None
    for parameter, value in MALLOPT.items():
        mallopt(parameter, value)
    return partial(trim, 0)


async def until_stopped(
    jobs: Sequence[asyncio.Task[None]],
    run_s: float | None,
    signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
) -> bool:
    """Wait for a signal or ``run_s``; return whether a job failed instead."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    waiter = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait(
        [waiter, *jobs], timeout=run_s, return_when=asyncio.FIRST_COMPLETED
    )
    waiter.cancel()
    failed = False
    for job in done - {waiter}:
        failed = True
        logger.error("%s failed: %s", job.get_name(), _causes(job.exception()))
    return failed


def _causes(error: BaseException | None) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_causes(inner) for inner in error.exceptions)
    return str(error) or repr(error)


async def until_terminated(work: Coroutine[None, None, None]) -> int:
    """Run one job until SIGTERM; return the exit code."""
    job = asyncio.create_task(work)
    failed = await until_stopped([job], None, [signal.SIGTERM])
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    return 1 if failed else 0


@contextlib.contextmanager
def locked(file: Path, who: str = "another gateway") -> Iterator[None]:
    """Hold a data directory: two gateways on one would each undo the other's work.

    Raises:
        GatewayError: another process has held it for ``LOCK_WAIT_S``.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        deadline_s = time.monotonic() + LOCK_WAIT_S
        while not _try_lock(handle):
            if time.monotonic() > deadline_s:
                raise GatewayError(f"{who} runs on {file.parent}")
            time.sleep(0.02)
        yield


def _try_lock(handle: TextIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Children:
    """Keeps one process per role alive until told to stop."""

    def __init__(self, nursery: NurseryLink, roles: Sequence[Role], stats: Stats) -> None:
        self._nursery = nursery
        self._roles = roles
        self._stats = stats
        self._stop_asked = asyncio.Event()
        self._asked: set[str] = set()  # roles that shall end, to be started again

    async def run(self) -> None:
        """Watch all roles until ``stop``."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._nursery.run(), name="nursery")
            for role in self._roles:
                group.create_task(self._keep_alive(role), name=f"child-{role.name}")

    def retire(self) -> None:
        """Start none again: from now on one that ends does so because it was asked to."""
        self._stop_asked.set()

    async def stop(self, name: str, patience_s: float = STOP_S) -> None:
        """End one role gently, then firmly."""
        self.retire()
        end = self._nursery.end_of(name)
        if end is None or end.done():
            return
        self._nursery.signal(name, signal.SIGTERM)
        done, _ = await asyncio.wait([end], timeout=patience_s)
        if not done:
            logger.warning("child=%s did not stop in %.1f s, killing it", name, patience_s)
            self._nursery.signal(name, signal.SIGKILL)
            await asyncio.wait([end], timeout=patience_s)

    async def restart(self, name: str) -> dict[str, str]:
        """End a role at once, and wait for its end: it starts again with the files as they are now.

        Whoever asked for it may then give it work that the files are for. It is no fault of it.
        """
        end = self._nursery.end_of(name)
        if end is not None and not end.done():
            self._asked.add(name)
            self._nursery.signal(name, signal.SIGKILL)
            await asyncio.wait([end])
        return {"restarted": name}

    async def _keep_alive(self, role: Role) -> None:
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        await asyncio.sleep(role.after_s)
        while not self._stop_asked.is_set():
            began_s = loop.time()
            code = await self._start(role)
            if self._stop_asked.is_set():
                return
            if role.name in self._asked:
                self._asked.remove(role.name)
                logger.info("child=%s ended as asked, starting it again", role.name)
                continue
            logger.error("child=%s ended with code %s, starting it again", role.name, code)
            self._stats.count("infragate_child_restarts_total", child=role.name)
            is_stable = loop.time() - began_s > STABLE_S
            pause_s = FIRST_PAUSE_S if is_stable else min(LAST_PAUSE_S, pause_s * 2)
            await asyncio.sleep(pause_s)

    def _start(self, role: Role) -> asyncio.Future[int]:
        if role.on_start is None:
            return self._nursery.start(role.name)
        ours, theirs = socket.socketpair()
        with theirs:
            end = self._nursery.start(role.name, theirs)
        role.on_start(ours)
        return end
