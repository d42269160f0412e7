"""A serial line under MicroPython's unix port: a pty with a meter at its other end."""
# mypy: ignore-errors
# termios of the unix port is no CPython module; CPython's side is hal/pi.py.

import termios

from fieldnode.hal.tasks_mp import until

if False:  # for the type checker
    from typing import Any

_SPEEDS = {300: 7, 600: 8, 1200: 9, 2400: 11, 4800: 12, 9600: 13, 19_200: 14, 38_400: 15}
_FASTER = {57_600: 0o10001, 115_200: 0o10002}  # asm-generic/termbits.h
_CREAD, _CLOCAL, _PARENB, _PARODD, _CSTOPB = 0x80, 0x800, 0x100, 0x200, 0x40
_CFLAG, _ISPEED, _OSPEED, _CHARACTERS, _VMIN = 2, 4, 5, 6, 6
_TCSADRAIN = 1


class Uart:
    """A serial line (hal/base.py)."""

    def __init__(self, port, line):
        self._file = open(port, "r+b")  # noqa: SIM115 - open as long as the node runs
        termios.setraw(self._file.fileno())
        self.set_line(line)

    def set_line(self, line):
        """Change the settings; of what is there already a read returns without waiting."""
        baud, bits, parity, stop = line
        speed = _SPEEDS.get(baud) or _FASTER.get(baud)
        if speed is None:
            raise ValueError("baud")
        control = _CREAD | _CLOCAL | (bits - 5) << 4
        if parity is not None:
            control |= _PARENB | (_PARODD if parity else 0)
        if stop == 2:
            control |= _CSTOPB
        attributes: Any = termios.tcgetattr(self._file.fileno())
        attributes[_CFLAG] = control
        attributes[_ISPEED] = attributes[_OSPEED] = speed
        attributes[_CHARACTERS][_VMIN] = 0
        termios.tcsetattr(self._file.fileno(), _TCSADRAIN, attributes)

    async def read(self, limit):
        try:
            await until(self._file, False)  # pyright: ignore[reportGeneralTypeIssues]
            return self._file.read(limit)
        except OSError:  # the other end is gone
            return b""

    async def write(self, data):
        rest = memoryview(data)
        while rest:
            await until(self._file, True)  # pyright: ignore[reportGeneralTypeIssues]
            rest = rest[self._file.write(rest) or 0 :]

    def close(self):
        self._file.close()
