"""A small process that forks the others, because what they need is loaded already.

Theory of operation
    A fresh Python spends half a second on imports, three of them on two cores twice that, and a
    killed gateway shall be back within one. So the main process forks this one while it has
    neither a thread nor an event loop (later it would not be safe), and this one forks a role
    whenever it is asked to, the first time and every time one has died.

    The two talk in lines of JSON over a socket pair: ``{"start": name}``, with a file descriptor
    where the role gets one, ``{"learn": name}`` so that its start will be quick, and ``{"signal":
    name, "number": n}`` one way, ``{"ended": name, "code": c}`` the other. The end of the stream
    ends the nursery. Should the main process be killed, the kernel kills the nursery and with it
    the roles (``PR_SET_PDEATHSIG``): a second gateway must never meet the processor of the
    first.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gateway.errors import GatewayError

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15  # linux/prctl.h
MAX_LINE_BYTES = 4096
MAX_FDS = 8


class Trade(NamedTuple):
    """What a process does, and what is to be loaded before it is forked."""

    work: Callable[[socket.socket | None], int]
    learn: Callable[[], None] = lambda: None


def start_nursery(roles: Mapping[str, Trade]) -> "NurseryLink":
    """Fork the nursery; return our end of the link to it.

    In the new processes this does not return: it raises SystemExit with their exit code.
    """
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        theirs.close()
        return NurseryLink(ours)
    ours.close()
    die_with_parent(parent)
    raise SystemExit(_Nursery(theirs, roles).serve())


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to end this process when its parent is gone, however it went."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before we asked
        raise SystemExit(1)


def name_process(name: str) -> None:
    """Show a name in ``top`` and ``/proc/PID/comm``; the kernel keeps 15 characters."""
    _prctl(PR_SET_NAME, f"ig-{name}".encode())


def _prctl(what: int, value: int | bytes) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(what, value)


class _Nursery:
    def __init__(self, sock: socket.socket, roles: Mapping[str, Trade]) -> None:
        self._sock = sock
        self._roles = roles
        self._names: dict[int, str] = {}  # by process id
        self._rest = b""
        self._fds: list[int] = []
        self._woken, self._wake = os.pipe()

    def serve(self) -> int:
        """Fork what is asked for; return an exit code, in this process or in a forked one."""
        name_process("nursery")
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM):  # the main process says when to stop
            signal.signal(number, signal.SIG_IGN)
        while True:
            ready, _, _ = select.select([self._sock.fileno(), self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, MAX_LINE_BYTES)
                self._report_ended()
            if self._sock.fileno() in ready:
                data, fds, _, _ = socket.recv_fds(self._sock, MAX_LINE_BYTES, MAX_FDS)
                if not data:
                    return 0
                self._fds += fds
                role = self._obey(data)
                if role is not None:
                    return role()

    def _obey(self, data: bytes) -> Callable[[], int] | None:
        """Do what was asked; return, in a process just forked, what it has to run."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "learn" in request:
                self._roles[request["learn"]].learn()
            if "start" in request:
                name = request["start"]
                fd = self._fds.pop(0) if request["has_fd"] else -1
                role = self._fork(name, fd)
                if role is not None:
                    return role
            for pid, name in self._names.items():
                if name == request.get("signal"):
                    os.kill(pid, request["number"])
        return None

    def _fork(self, name: str, fd: int) -> Callable[[], int] | None:
        self._roles[name].learn()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._names[pid] = name
            if fd >= 0:
                os.close(fd)
            return None
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._sock.close()
        os.close(self._woken)
        os.close(self._wake)
        die_with_parent(parent)
        name_process(name)
        return lambda: self._roles[name].work(socket.socket(fileno=fd) if fd >= 0 else None)

    def _report_ended(self) -> None:
        while self._names:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            code = os.waitstatus_to_exitcode(status)
            line = json.dumps({"ended": self._names.pop(pid), "code": code}) + "\n"
            self._sock.sendall(line.encode())


class NurseryLink:
    """The main process's end, in its event loop."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sock.settimeout(0)
        self._ends: dict[str, asyncio.Future[int]] = {}
        self._early: set[str] = set()

    def start_early(self, name: str) -> None:
        """Start a role before there is an event loop; the first ``start`` then only watches it."""
        self._early.add(name)
        self._send({"start": name, "has_fd": False})

    def teach(self, name: str) -> None:
        """Have loaded what a role needs, before it is started."""
        self._send({"learn": name})

    def start(self, name: str, theirs: socket.socket | None = None) -> asyncio.Future[int]:
        """Start a role; the future gets its exit code (negative: the signal that ended it)."""
        end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ends[name] = end
        if name in self._early:
            self._early.remove(name)
            return end
        fds = [] if theirs is None else [theirs.fileno()]
        self._send({"start": name, "has_fd": theirs is not None}, fds)
        return end

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a role, if it runs."""
        self._send({"signal": name, "number": number})

    def end_of(self, name: str) -> asyncio.Future[int] | None:
        """Return what ``start`` returned, None for a role that was never started."""
        return self._ends.get(name)

    async def run(self) -> None:
        """Take reports until cancelled.

        Raises:
            GatewayError: the nursery is gone.
        """
        loop = asyncio.get_running_loop()
        rest = b""
        while data := await loop.sock_recv(self._sock, MAX_LINE_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._hear(json.loads(line))
        for end in self._ends.values():
            if not end.done():
                end.set_result(-signal.SIGKILL)  # the kernel has ended them with it
        raise GatewayError("the process that starts the others has ended")

    def close(self) -> None:
        """Let the nursery end."""
        self._sock.close()

    def _hear(self, report: dict[str, Any]) -> None:
        end = self._ends.get(report["ended"])
        if end is not None and not end.done():
            end.set_result(report["code"])

    def _send(self, request: dict[str, Any], fds: list[int] | None = None) -> None:
        with contextlib.suppress(ConnectionError):  # it is gone: ``run`` says so
            socket.send_fds(self._sock, [json.dumps(request).encode() + b"\n"], fds or [])
