"""Messages a second over 200 pipelined connections, and bytes per idle connection.

    python tools/bench_listener.py [seconds] [idle connections]

A listener over a real journal in a process of its own; the load comes from raw sockets here,
20 messages of 200 bytes in flight on each.
"""

import asyncio
import contextlib
import multiprocessing
import resource
import socket
import sys
import tempfile
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import cast

import psutil
import uvloop
from typing_extensions import override

from gateway.config.sections import ListenerSource
from gateway.journal import Journal
from gateway.mqtt import FLAG_QOS1, V311, Connect, encode, encode_publish
from gateway.security import Authenticator
from gateway.sources.intake import CommitRules, GroupCommit
from gateway.sources.listener import Listener
from gateway.stats import Stats

CONNECTIONS, IN_FLIGHT, PAYLOAD = 200, 20, b"x" * 170


async def serve(folder: Path, pipe: Pipe) -> None:
    """Run the listener until told to stop."""
    journal = Journal.open(
        folder / "journal", segment_bytes=64 << 20, max_bytes=8 << 30, clock=lambda: 0
    )
    intake = GroupCommit(journal, CommitRules(), Stats(), lambda: time.time_ns() // 1_000_000)
    section = ListenerSource(type="listener", listen="127.0.0.1:0", max_rate_per_device=1_000_000)
    listener = Listener(0, section, intake, Authenticator(folder), Stats())
    tasks = [asyncio.create_task(intake.run()), asyncio.create_task(listener.run())]
    await listener.started.wait()
    pipe.send(listener.port)
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await intake.close()


def server(folder: Path, pipe: Pipe, use_uvloop: bool) -> None:  # noqa: FBT001
    """Entry of the server's process."""
    factory = uvloop.new_event_loop if use_uvloop else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(folder, pipe))


class Load(asyncio.Protocol):
    """One pipelined device: each PUBACK is answered by the next message."""

    def __init__(self, number: int, totals: list[int]) -> None:
        self.totals = totals
        topic = b"tg/1/site/energy/meter-%05d/t" % number
        self.one = encode_publish((1, FLAG_QOS1, topic, PAYLOAD), V311)
        self.hello = encode(Connect(V311, f"m{number}"), V311)
        self.partial = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello, then fill the window."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.hello + self.one * IN_FLIGHT)
        self.partial = -4  # the CONNACK

    @override
    def data_received(self, data: bytes) -> None:
        """Send as many as were acknowledged."""
        acked, self.partial = divmod(self.partial + len(data), 4)
        self.totals[0] += acked
        if acked > 0:
            self.transport.write(self.one * acked)


async def load(port: int, seconds: float) -> int:
    """Return how many messages were acknowledged."""
    totals = [0]
    loop = asyncio.get_running_loop()
    for number in range(CONNECTIONS):
        await loop.create_connection(lambda n=number: Load(n, totals), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.sleep(0.5)
    before, began = totals[0], time.perf_counter()
    await asyncio.sleep(seconds)
    return int((totals[0] - before) / (time.perf_counter() - began))


def idle_bytes(port: int, process: psutil.Process, count: int) -> float:
    """Return what one idle connection adds to the server's memory."""
    before = process.memory_info().rss
    socks = []
    for number in range(count):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(encode(Connect(V311, f"idle-{number:06d}", keepalive_s=600), V311))
        socks.append(sock)
    for sock in socks:
        sock.recv(4)
    used = process.memory_info().rss - before
    print(f"  RSS {process.memory_info().rss / 1e6:.0f} MB with {count} idle connections")
    for sock in socks:
        sock.close()
    return float(used) / count


def main() -> None:
    """Print the numbers for both event loops."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    idle = int(sys.argv[2]) if len(sys.argv) > 2 else 5000  # noqa: PLR2004
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * idle)), hard))
    for use_uvloop in (False, True):
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            ours, theirs = multiprocessing.Pipe()
            child = multiprocessing.get_context("spawn").Process(
                target=server, args=(folder, theirs, use_uvloop)
            )
            child.start()
            port = ours.recv()
            process = psutil.Process(child.pid)
            print("uvloop" if use_uvloop else "asyncio", flush=True)
            each = idle_bytes(port, process, idle)
            print(f"  {each / 1024:.1f} KiB each")
            time.sleep(1)
            cpu = sum(process.cpu_times()[:2])
            rate = uvloop.run(load(port, seconds))
            cpu = sum(process.cpu_times()[:2]) - cpu
            print(f"  {rate} msg/s, {cpu / (rate * (seconds + 0.5)) * 1e6:.1f} µs CPU a message")
            ours.send("stop")
            child.join(10)


if __name__ == "__main__":
    main()
