"""A Raspberry Pi, or any Linux board, under CPython (hal/base.py).

Ports: a UART is a device, ``/dev/ttyUSB0``; an input is ``gpiochip0:17`` or ``gpiochip0:17:up``;
I²C is ``/dev/i2c-1``. All that must survive lies in one folder, and every write is on the disk
when it returns. systemd is the watchdog (firmware/pi/fieldnode.service).
"""

import asyncio
import fcntl
import os
import socket
import struct
import termios
import time

from fieldnode.core import health
from fieldnode.core.clock import TICKS_PERIOD_MS
from fieldnode.hal import link
from fieldnode.hal.pi_gpio import PulseCounter

if False:  # for the type checker
    from typing import Any, NoReturn

    from fieldnode.hal.base import Line, Tls

SECTOR_BYTES = 4096
_TICKS_PERIOD_US = 1 << 30
_BLANK = b"\xff" * SECTOR_BYTES
_I2C_SLAVE = 0x0703  # linux/i2c-dev.h
_BITS = {5: termios.CS5, 6: termios.CS6, 7: termios.CS7, 8: termios.CS8}


class FileFlash:
    """A ring's block device in a file: an SD card levels its wear itself, so this need not."""

    def __init__(self, path: str, sectors: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._sectors = sectors
        size = os.fstat(self._file).st_size
        for at in range(size - size % SECTOR_BYTES, sectors * SECTOR_BYTES, SECTOR_BYTES):
            os.pwrite(self._file, _BLANK, at)
        os.fdatasync(self._file)

    def _place(self, number: int, offset: int, size: int) -> int:
        if offset < 0 or offset + size > SECTOR_BYTES or not 0 <= number < self._sectors:
            raise ValueError("outside of the sector")
        return number * SECTOR_BYTES + offset

    def readblocks(self, number: int, buffer: "bytearray | memoryview", offset: int = 0) -> None:
        os.preadv(self._file, [buffer], self._place(number, offset, len(buffer)))

    def writeblocks(self, number: int, buffer: "bytearray | memoryview", offset: int = 0) -> None:
        os.pwrite(self._file, buffer, self._place(number, offset, len(buffer)))
        os.fdatasync(self._file)

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == 4:
            return self._sectors
        if operation == 5:
            return SECTOR_BYTES
        if operation == 6:
            at = self._place(argument, 0, SECTOR_BYTES)
            # the first format erases thousands that are blank: minutes of syncs on an SD card
            if os.pread(self._file, SECTOR_BYTES, at) != _BLANK:
                os.pwrite(self._file, _BLANK, at)
                os.fdatasync(self._file)
        return 0


class Uart:
    """A serial line."""

    def __init__(self, port: str, line: "Line") -> None:
        self._fd = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.set_line(line)

    def set_line(self, line: "Line") -> None:
        """Set the line raw: no echo, no translation of any byte."""
        baud, bits, parity, stop = line
        speed = getattr(termios, "B%d" % baud, None)
        if speed is None:
            raise ValueError("baud")
        control = termios.CREAD | termios.CLOCAL | _BITS[bits]
        if parity is not None:
            control |= termios.PARENB | (termios.PARODD if parity else 0)
        if stop == 2:
            control |= termios.CSTOPB
        characters = termios.tcgetattr(self._fd)[6]
        attributes = [0, 0, control, 0, speed, speed, characters]
        termios.tcsetattr(self._fd, termios.TCSADRAIN, attributes)

    async def read(self, limit: int) -> bytes:
        """See hal/base.py; the end is a device that was pulled out."""
        while True:
            try:
                return os.read(self._fd, limit)
            except BlockingIOError:
                await self._ready(asyncio.get_running_loop().add_reader, "remove_reader")
            except OSError:
                return b""

    async def write(self, data: "bytes | memoryview") -> None:
        at = 0
        while at < len(data):
            try:
                at += os.write(self._fd, data[at:])
            except BlockingIOError:
                await self._ready(asyncio.get_running_loop().add_writer, "remove_writer")

    async def _ready(self, watch: "Any", end: str) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        watch(self._fd, ready.set_result, None)
        try:
            await ready
        finally:
            getattr(loop, end)(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class I2c:
    """A bus; the kernel's ``i2c-dev``."""

    def __init__(self, port: str) -> None:
        self._fd = os.open(port, os.O_RDWR | os.O_CLOEXEC)

    def readfrom_mem_into(
        self, address: int, register: int, buffer: "bytearray | memoryview"
    ) -> None:
        fcntl.ioctl(self._fd, _I2C_SLAVE, address)
        os.write(self._fd, bytes([register]))
        os.readv(self._fd, [buffer])

    def writeto_mem(self, address: int, register: int, data: bytes) -> None:
        fcntl.ioctl(self._fd, _I2C_SLAVE, address)
        os.write(self._fd, bytes([register]) + data)


class Pi:
    """The board.

    Args:
        folder: holds everything that survives.
        sectors: of the ring: 4 KiB each.
        fw: version of the program.
        build_ms: when it was built.
    """

    def __init__(self, folder: str, sectors: int, fw: str, build_ms: int) -> None:
        self._folder = folder
        self.fw = fw
        self.build_ms = build_ms
        os.makedirs(folder, 0o700, exist_ok=True)
        self.flash = FileFlash(folder + "/ring", sectors)
        self.hears_power = False  # a Pi without a UPS does not know
        self._is_ready = False

    # Time. -------------------------------------------------------------------------------

    def ticks_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000 % TICKS_PERIOD_MS

    def ticks_us(self) -> int:
        return time.monotonic_ns() // 1000 % _TICKS_PERIOD_US

    async def sleep_ms(self, duration_ms: int) -> None:
        await asyncio.sleep(duration_ms / 1000)

    def unix_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def set_unix_ms(self, unix_ms: int) -> None:
        """Nothing: the system's time service keeps the calendar."""

    # Where from, and chance. -------------------------------------------------------------

    def random_u32(self) -> int:
        return int.from_bytes(os.urandom(4), "big")

    def reset_reason(self) -> int:
        """Tell by two notes: one of the kernel's life, one of the reset that was asked for."""
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            life = file.read()
        before, asked = self.kv_get("ota_life"), self.kv_get("ota_asked")
        self.kv_put("ota_life", life)
        self.kv_put("ota_asked", None)
        if before != life:
            return health.POWER_ON
        return asked[0] if asked else health.CRASH

    # Memory. -----------------------------------------------------------------------------

    def _path(self, key: str) -> str:
        if not key.replace("_", "").replace(".", "").isalnum():
            raise ValueError("key")
        return self._folder + "/" + key

    def kv_get(self, key: str) -> "bytes | None":
        try:
            with open(self._path(key), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def kv_put(self, key: str, value: "bytes | None") -> None:
        path = self._path(key)
        if value is None:
            if self.kv_get(key) is None:
                return
            os.remove(path)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(os.open(path + "~", flags, 0o600), "wb") as file:
                file.write(value)
                file.flush()
                os.fsync(file.fileno())
            os.rename(path + "~", path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name, too, must outlive a power cut
        finally:
            os.close(folder)

    def free_heap(self) -> int:
        return -1

    # Inputs. -----------------------------------------------------------------------------

    def uart(self, port: str, line: "Line") -> Uart:
        return Uart(port, line)

    def counter(self, port: str, debounce_us: int) -> PulseCounter:
        return PulseCounter(port, debounce_us)

    def i2c(self, port: str) -> I2c:
        return I2c(port)

    async def power_fails(self) -> None:
        await asyncio.Event().wait()

    # Network. ----------------------------------------------------------------------------

    async def network(self, is_up: bool) -> None:
        """Nothing: the system keeps the network."""

    async def connect(self, host: str, port: int, tls: "Tls | None") -> "Any":
        wire: "Any" = await link.connect(host, port, tls)  # type: ignore[no-untyped-call]
        return wire

    async def exchange_udp(self, host: str, port: int, data: bytes, wait_ms: int) -> bytes:
        answer: bytes = await link.exchange_udp(host, port, data, wait_ms)  # type: ignore[no-untyped-call]
        return answer

    # Supervision. ------------------------------------------------------------------------

    def feed(self) -> None:
        """Tell systemd that we live (sd_notify(3))."""
        self._notify(b"WATCHDOG=1" if self._is_ready else b"READY=1\nWATCHDOG=1")
        self._is_ready = True

    def _notify(self, state: bytes) -> None:
        address = os.getenv("NOTIFY_SOCKET")
        if not address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)  # a systemd that does not read must not stop us
            try:
                sock.sendto(state, "\0" + address[1:] if address[0] == "@" else address)
            except OSError as error:  # systemd restarts itself now and then; we need not
                self.log("systemd: " + str(error))

    def reset(self, is_hard: bool) -> "NoReturn":
        """End; systemd starts us again."""
        self.kv_put("ota_asked", struct.pack("B", health.RESET if is_hard else health.SOFT))
        raise SystemExit(3)

    def log(self, line: str) -> None:
        print(line, flush=True)
