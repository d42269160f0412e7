"""Inputs of a Linux board: the kernel's character device, v2 (linux/gpio.h).

The kernel stamps every edge and keeps up to 1,024 of them for us, so a busy program misses none.
"""

import errno
import fcntl
import os
import struct

if False:  # for the type checker
    from array import array

_GET_LINE = 0xC250B407  # _IOWR(0xB4, 0x07, struct gpio_v2_line_request), 592 bytes
_GET_VALUES = 0xC010B40E  # _IOWR(0xB4, 0x0E, struct gpio_v2_line_values)
_INPUT, _RISING, _FALLING, _PULL_UP = 1 << 2, 1 << 4, 1 << 5, 1 << 8
_DEBOUNCE = 3  # GPIO_V2_LINE_ATTR_ID_DEBOUNCE
_EVENT = "<QII4x4x24x"  # timestamp_ns, id, offset, seqno, line_seqno, padding
_EVENT_BYTES = 48
_RISING_EDGE = 1
_EVENTS = 1024
_TICKS_PERIOD_US = 1 << 30


def request(line: int, flags: int, debounce_us: int) -> bytearray:
    """Return a ``gpio_v2_line_request`` for one line."""
    out = bytearray(592)
    struct.pack_into("<I", out, 0, line)
    struct.pack_into("<32s", out, 256, b"fieldnode")
    struct.pack_into("<QI", out, 288, flags, 1 if debounce_us else 0)
    if debounce_us:
        struct.pack_into("<IIQQ", out, 320, _DEBOUNCE, 0, debounce_us, 1)
    struct.pack_into("<II", out, 560, 1, _EVENTS)
    return out


def open_line(port: str, debounce_us: int) -> int:
    """Return a file of the edges of ``gpiochip0:17``.

    Raises:
        OSError: there is no such chip or line, or it is not for us; names the port.
    """
    chip, _, rest = port.partition(":")
    number, _, pull = rest.partition(":")
    flags = _INPUT | _RISING | _FALLING | (_PULL_UP if pull == "up" else 0)
    wanted = request(int(number), flags, debounce_us)
    fault = _ask("/dev/" + chip, wanted)
    if fault:
        raise OSError(fault, "input " + port + ": " + os.strerror(fault))
    line: int = struct.unpack_from("<i", wanted, 588)[0]
    return line


def _ask(chip: str, wanted: bytearray) -> int:
    """Ask a chip for a line; return the error number, 0: none."""
    try:
        fd = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return error.errno or errno.ENODEV
    try:
        fcntl.ioctl(fd, _GET_LINE, wanted)
    except OSError as error:
        return error.errno or errno.ENODEV
    finally:
        os.close(fd)
    return 0


class PulseCounter:
    """Edges of one line (hal/base.py)."""

    def __init__(self, port: str, debounce_us: int, fd: int = -1) -> None:
        self._fd = fd if fd >= 0 else open_line(port, debounce_us)
        os.set_blocking(self._fd, False)
        self._edges: "list[int]" = []
        self._count = 0

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._fd, 64 * _EVENT_BYTES)
            except BlockingIOError:
                return
            for at in range(0, len(data), _EVENT_BYTES):
                stamp_ns, kind, _ = struct.unpack_from(_EVENT, data, at)
                is_rising = kind == _RISING_EDGE
                self._count += is_rising
                ticks_us = stamp_ns // 1000 % _TICKS_PERIOD_US  # CLOCK_MONOTONIC, as our ticks
                self._edges.append(ticks_us << 1 | is_rising)
            del self._edges[:-_EVENTS]
            if len(data) < 64 * _EVENT_BYTES:
                return

    def count(self) -> int:
        self._read()
        return self._count

    def level(self) -> int:
        values = bytearray(struct.pack("<QQ", 0, 1))
        fcntl.ioctl(self._fd, _GET_VALUES, values)
        return values[0] & 1

    def take(self, into: "array[int]") -> int:
        self._read()
        count = min(len(into), len(self._edges))
        for index in range(count):
            into[index] = self._edges[index]
        del self._edges[:count]
        return count
