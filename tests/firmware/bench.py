"""Figures of the firmware on this machine: ``make bench-firmware``. Takes half a minute."""

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fieldnode.core.block import CLOCK_SNTP, BlockWriter
from fieldnode.core.ring import Ring
from fieldnode.hal.sim import SECTOR_BYTES, Nor
from fieldnode.recorder import BLOCK_BYTES
from gateway.cli.loopback import free_port
from gateway.security.authority import Authority, write_private
from tests.firmware.nodes import Node
from tests.firmware.test_budgets import measured
from tests.firmware.tools import ROOT, build_image, build_node, compile_all, program
from tests.servers import mosquitto
from tests.support.running import listener, running

_ROWS = 20_000
_ROW_MS = 1000
_SECTORS = 64


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def fill(folder: Path) -> int:
    """Write a backlog of rows into a node's flash; return how many blocks it has."""
    with (folder / "flash.bin").open("w+b", buffering=0) as file:
        ring = Ring(Nor(file, _SECTORS, lambda below: below // 2, SECTOR_BYTES), 7)  # type: ignore[arg-type]
        boot = ring.note_boot(1)
        start_ms = time.time_ns() // 1_000_000 - _ROWS * _ROW_MS
        writer = BlockWriter(1, 6, BLOCK_BYTES)
        n = blocks = 0
        while n < _ROWS:
            writer.open(7, boot, n, CLOCK_SNTP, start_ms + n * _ROW_MS)
            first = n
            while n < _ROWS and writer.add((n - first) * _ROW_MS, values_of(n)):
                n += 1
            ring.append(writer.close())
            blocks += 1
    return blocks


def values_of(n: int) -> tuple[int, ...]:
    return 1_000_000 + n, 0, n % 5000, 2200 + n % 100, n % 3000, 1000 - n % 50


def drain(folder: Path, image: Path) -> None:
    """Time a node that comes back with a backlog, against the gateway's listener."""
    port = free_port()
    node = Node(folder, image, "meter-1", port, sample_ms=3_600_000, backlog_per_s=0)
    node.sectors = _SECTORS
    blocks = fill(node.folder)
    with running(folder, listener(port)) as gateway, node:
        while gateway.accounting()["readings"]["stored"] < 200:
            time.sleep(0.01)
        began_s = time.monotonic()
        before = gateway.accounting()["readings"]["stored"]
        while gateway.accounting()["readings"]["stored"] < _ROWS:
            time.sleep(0.05)
        stored_s = time.monotonic() - began_s
        while not node.is_drained():
            time.sleep(0.05)
        took_s = time.monotonic() - began_s
        say(f"stored after {stored_s:.2f} s")
        stored = gateway.accounting()["readings"]
    say(f"backlog: {_ROWS - before} rows of {blocks} blocks drained in {took_s:.2f} s (<= 2)")
    say(f"         stored {stored['stored']}, twice {stored['duplicate']}")


def flood(image: Path, port: int, count: int, *more: str) -> None:
    """Time QoS 1 publishing of 400 bytes with a window of 8."""
    heap = 56 * 2048 + image.stat().st_size
    command = [program("micropython"), "-X", f"heapsize={heap}"]
    command += [str(ROOT / "firmware/tools/run_rom.py"), str(image), "flood", str(port)]
    out = subprocess.run(
        [*command, str(count), *more], capture_output=True, text=True, timeout=60, check=False
    )
    say(out.stdout.strip() or out.stderr)


def main() -> None:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "tests").mkdir()
        image, node_image = build_image(folder / "tests"), build_node(folder)
        authority = Authority(folder / "ca", lambda: time.time_ns() // 1_000_000)
        pair = authority.issue("localhost", 2, server_names=["localhost"])
        (folder / "server.pem").write_bytes(pair.certificate_pem)
        write_private(folder / "server.key", pair.key_pem)
        port = free_port()
        settings = (
            "user root\nallow_anonymous true\nset_tcp_nodelay true\n"
            f"listener {port} 127.0.0.1\n"
            f"certfile {folder}/server.pem\nkeyfile {folder}/server.key\n"
        )
        server = stack.enter_context(mosquitto(settings))
        compile_all(folder / "mpy")
        say(str(measured(folder / "mpy")))
        flood(image, server.port, 50_000)
        der = folder / "ca.der"
        subprocess.run(
            [
                *("openssl", "x509", "-outform", "DER"),
                *("-in", str(authority.certificate_file), "-out", str(der)),
            ],
            check=True,
            timeout=10,
        )
        flood(image, port, 3000, str(der))
        drain(folder, node_image)


if __name__ == "__main__":
    main()
