"""The Raspberry Pi's board on this machine: a pty, files, the kernel's interfaces, TLS."""

import asyncio
import json
import os
import pty
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from fieldnode.core import health
from fieldnode.core.ring import Ring
from fieldnode.hal.material import Tls
from fieldnode.hal.pi import Pi
from fieldnode.hal.pi_gpio import PulseCounter, request
from gateway.cli.loopback import free_port
from tests.firmware.meters import p1_lines
from tests.firmware.tools import ROOT
from tests.firmware.twice.build_text import p1
from tests.firmware.twice.support import Draw, block_of
from tests.support.running import listener, running, wait_until


@pytest.fixture
def board(tmp_path: Path) -> Pi:
    return Pi(str(tmp_path / "node"), 16, "1.0.0", 0)


async def test_a_uart_is_raw_and_takes_its_settings(board: Pi) -> None:
    ours, theirs = pty.openpty()
    line = board.uart(os.ttyname(theirs), (300, 7, 0, 1))
    control = termios.tcgetattr(theirs)[2]
    assert control & termios.CSIZE in {termios.CS7, termios.CS8}  # a pty knows only CS8
    assert termios.tcgetattr(theirs)[4] == termios.B300
    every = bytes(range(256))
    os.write(ours, every)
    got = b""
    while len(got) < 256:
        got += await asyncio.wait_for(line.read(100), 5)
    assert got == every
    waiting = asyncio.create_task(line.read(10))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    os.write(ours, b"\x03\r\n\x11")
    assert await asyncio.wait_for(waiting, 5) == b"\x03\r\n\x11"
    line.set_line((9600, 8, None, 2))
    assert termios.tcgetattr(theirs)[4] == termios.B9600
    await line.write(every * 4)
    assert os.read(ours, 2000) == every * 4
    os.close(ours)
    assert await asyncio.wait_for(line.read(10), 5) == b""
    line.close()
    with pytest.raises(OSError, match="No such file"):
        board.uart("/dev/ttyNONE", (9600, 8, None, 1))


def test_what_the_ring_stores_survives_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    program = (
        "import sys, os\n"
        "from fieldnode.hal.pi import Pi\n"
        "from fieldnode.core.ring import Ring\n"
        "from tests.firmware.twice.support import block_of\n"
        "ring = Ring(Pi(sys.argv[1], 16, '1.0.0', 0).flash, 7)\n"
        "while True:\n"
        "    ring.append(block_of(ring.rows.next, 5, bytes(40)))\n"
        "    os.write(1, b'%d\\n' % ring.rows.next)\n"
    )
    told = 0
    ring = Ring(Pi(str(folder), 16, "1.0.0", 0).flash, 7)
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'firmware'}"},
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            for _ in range(40):
                told = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read().split()
            told = int(rest[-1]) if rest else told
        ring = Ring(Pi(str(folder), 16, "1.0.0", 0).flash, 9)
        assert ring.rows.log == 7
        assert told <= ring.rows.next <= told + 5
    ring.append(block_of(ring.rows.next, 5, bytes(40)))
    with pytest.raises(ValueError, match="outside"):
        Pi(str(folder), 16, "1.0.0", 0).flash.writeblocks(0, bytearray(10), 4090)


def test_keys_are_private_and_old_or_new(board: Pi, tmp_path: Path) -> None:
    board.kv_put("config", b"old")
    board.kv_put("config", b"new")
    (tmp_path / "node" / "config~").write_bytes(b"half")  # what a cut leaves
    assert Pi(str(tmp_path / "node"), 16, "", 0).kv_get("config") == b"new"
    assert (tmp_path / "node" / "config").stat().st_mode & 0o077 == 0
    board.kv_put("config", None)
    board.kv_put("config", None)
    assert board.kv_get("config") is None
    for key in ("../x", "a/b", ""):
        with pytest.raises(ValueError, match="key"):
            board.kv_put(key, b"")


def test_the_reason_of_a_start_is_known(tmp_path: Path) -> None:
    def start() -> Pi:
        return Pi(str(tmp_path / "node"), 16, "", 0)

    assert start().reset_reason() == health.POWER_ON
    assert start().reset_reason() == health.CRASH
    for is_hard, reason in ((False, health.SOFT), (True, health.RESET)):
        with pytest.raises(SystemExit):
            start().reset(is_hard)
        assert start().reset_reason() == reason
    (tmp_path / "node" / "ota_life").write_bytes(b"another life of the kernel")
    assert start().reset_reason() == health.POWER_ON


def test_systemd_hears_that_the_node_lives(
    board: Pi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.feed()  # nobody listens, nothing happens
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        path = str(tmp_path / "notify")
        systemd.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        again = Pi(str(tmp_path / "node"), 16, "", 0)
        again.feed()
        again.feed()
        assert [systemd.recv(100), systemd.recv(100)] == [b"READY=1\nWATCHDOG=1", b"WATCHDOG=1"]
        for _ in range(2000):  # more than the queue of a socket that nobody reads
            again.feed()


def test_an_input_that_is_not_there_is_named(board: Pi) -> None:
    with pytest.raises(OSError, match="input gpiochip97:17: No such file"):
        board.counter("gpiochip97:17", 0)


def test_edges_carry_the_kernels_time() -> None:
    ours, theirs = os.pipe()
    counter = PulseCounter("gpiochip0:17", 0, ours)
    edges = array("I", [0] * 64)
    assert (counter.count(), counter.take(edges)) == (0, 0)
    for number in range(100):
        stamp_ns = ((1 << 30) - 50 + number) * 1000  # ticks_us wraps in the middle
        kind = 1 + number % 2
        os.write(theirs, struct.pack("<Q4I24x", stamp_ns, kind, 17, number, number))
    assert counter.take(edges) == 64
    assert [edges[0] >> 1, edges[0] & 1, edges[1] & 1] == [(1 << 30) - 50, 1, 0]
    assert edges[50] >> 1 == 0
    assert counter.take(edges) == 36
    assert counter.count() == 50
    os.close(theirs)


def test_a_line_is_asked_for_as_the_kernel_wants_it() -> None:
    wanted = request(17, 0x34, 5000)
    assert len(wanted) == 592  # sizeof(struct gpio_v2_line_request), linux/gpio.h
    assert struct.unpack_from("<I", wanted, 0) == (17,)
    assert wanted[256:265] == b"fieldnode"
    assert struct.unpack_from("<QI", wanted, 288) == (0x34, 1)
    assert struct.unpack_from("<IIQQ", wanted, 320) == (3, 0, 5000, 1)
    assert struct.unpack_from("<I", wanted, 560) == (1,)


async def test_it_talks_tls_to_whom_it_trusts_only(board: Pi) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    trusted, wrong = (
        Tls(ssl.PEM_cert_to_DER_cert(one.cert_pem.bytes().decode()))
        for one in (authority, stranger)
    )
    wire = await board.connect("localhost", port, trusted)
    await wire.write(b"hello")
    assert await wire.read(100) == b"hello"
    wire.close()
    with pytest.raises(OSError, match="certificate verify failed"):
        await board.connect("localhost", port, wrong)
    with pytest.raises(OSError, match=r"127\.0\.0\.1"):  # the name is checked, too
        await board.connect("127.0.0.1", port, trusted)
    server.close()


@contextmanager
def started(folder: Path) -> "Iterator[None]":
    """A node as systemd starts it, from when it has said that it is ready."""
    path = str(folder / "notify")
    command = [sys.executable, "-m", "fieldnode", str(folder / "node")]
    environment = {**os.environ, "NOTIFY_SOCKET": path}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(60)
        with subprocess.Popen(command, cwd=ROOT / "firmware", env=environment) as node:
            try:
                assert b"READY=1" in systemd.recv(100)
                yield
            finally:
                node.kill()


@pytest.mark.servers
def test_a_node_runs_as_systemd_would_start_it(tmp_path: Path) -> None:
    port, telegram = free_port(), p1(p1_lines(Draw(1)))
    ours, theirs = pty.openpty()
    config = {"org": "evn", "device": "meter-1", "host": "127.0.0.1", "port": port}
    config |= {"tls": "none", "driver": "p1", "input": os.ttyname(theirs), "report_s": 1}
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "config").write_text(json.dumps(config))
    with running(tmp_path, listener(port)) as gateway, started(tmp_path):

        def has_come() -> bool:  # the same telegram again and again is one row a heartbeat
            os.write(ours, telegram)
            return bool(gateway.accounting()["readings"]["received"] >= 1)

        wait_until(has_come, 60, "readings in the gateway", 1.0)
    os.close(ours)


def test_a_blank_sector_costs_no_write(tmp_path: Path) -> None:
    began_s = time.monotonic()
    Ring(Pi(str(tmp_path / "node"), 4096, "", 0).flash, 7)  # formats 16 MiB
    assert time.monotonic() - began_s < 5
