"""A board out of a folder: flash in a file, keys in files, real sockets, real or virtual time.

Runs under MicroPython's unix port and CPython. What is written survives a kill -9, as flash does.
"""

import gc
import os
import sys
import time

from fieldnode import rooms
from fieldnode.core import health
from fieldnode.hal import link, tasks
from fieldnode.hal.sim import TICKS_PERIOD_MS, Nor, VirtualClock

if False:  # for the type checker
    from collections.abc import Coroutine
    from typing import IO, Any

    from fieldnode.hal.material import Tls

_IS_MICROPYTHON = sys.implementation.name == "micropython"
_TICKS_PERIOD_US = 1 << 30


def _chance(below: int) -> int:
    return int.from_bytes(os.urandom(8), "big") % below


def _open(path: str, mode: str) -> "IO[bytes]":
    # CPython keeps what is written to itself for a while; MicroPython does not
    return open(path, mode) if _IS_MICROPYTHON else open(path, mode, buffering=0)


class SimBoard:
    """A board (hal/base.py).

    Args:
        folder: holds everything that survives a reset.
        sectors: of the flash.
        clock: virtual time; None: that of this machine.
    """

    fw = "0.0.0-sim"
    build_ms = 1_767_225_600_000  # 2026-01-01
    hears_power = False

    def __init__(self, folder: str, sectors: int = 64, clock: "VirtualClock | None" = None) -> None:
        self._folder = folder
        self._clock = clock
        path = folder + "/flash.bin"
        if "flash.bin" not in os.listdir(folder):
            _open(path, "wb").close()
        self.flash = Nor(_open(path, "r+b"), sectors, _chance)  # type: ignore[arg-type]
        self.fed = 0
        self.inputs: "dict[str, Any]" = {}  # what a test has connected to the ports

    def ticks_ms(self) -> int:
        if self._clock:
            return self._clock.ticks_ms()
        return self._now_us() // 1000 % TICKS_PERIOD_MS

    def ticks_us(self) -> int:
        if self._clock:
            return self._clock.ticks_ms() * 1000 % _TICKS_PERIOD_US
        return self._now_us() % _TICKS_PERIOD_US

    def _now_us(self) -> int:
        return time.ticks_us() if _IS_MICROPYTHON else time.perf_counter_ns() // 1000  # type: ignore[attr-defined]

    def sleep_ms(self, duration_ms: int) -> "Coroutine[Any, Any, None]":
        sleeping: "Coroutine[Any, Any, None]" = tasks.sleep_ms(duration_ms)
        return sleeping

    def unix_ms(self) -> int:
        return self._clock.rtc_ms() if self._clock else time.time_ns() // 1_000_000

    def set_unix_ms(self, unix_ms: int) -> None:
        """Set the calendar: the virtual one, or that of libfaketime where we run under it."""
        if self._clock:
            self._clock.set_rtc(unix_ms)
        path = os.getenv("FAKETIME_TIMESTAMP_FILE")
        if path:
            offset_s = (unix_ms - self.unix_ms()) // 1000 + self._offset_s(path)
            with open(path, "w") as file:
                file.write("%+d" % offset_s)

    def _offset_s(self, path: str) -> int:
        with open(path) as file:
            return int(file.read())

    def random_u32(self) -> int:
        return _chance(1 << 32)

    def reset_reason(self) -> int:
        reason = self.kv_get("reason")
        self.kv_put("reason", None)
        return reason[0] if reason else health.POWER_ON

    def kv_get(self, key: str) -> "bytes | None":
        try:
            with open(self._folder + "/kv." + key, "rb") as file:
                return file.read()
        except OSError:
            return None

    def kv_put(self, key: str, value: "bytes | None") -> None:
        path = self._folder + "/kv." + key
        if value is None:
            if self.kv_get(key) is not None:
                os.remove(path)
            return
        with open(path + "~", "wb") as file:
            file.write(value)
        os.rename(path + "~", path)

    def free_heap(self) -> int:
        gc.collect()
        return gc.mem_free() if _IS_MICROPYTHON else -1  # type: ignore[attr-defined]

    def counter(self, port: str, debounce_us: int) -> "Any":  # noqa: ARG002
        return self.inputs[port]

    def uart(self, port: str, line: "tuple[int, int, int | None, int]") -> "Any":
        """Open what a test has connected, or a tty: a pty with a meter at its other end."""
        if port in self.inputs:
            return self.inputs[port]
        return rooms.enter("hal.sim_uart").uart(
            port, line
        )  # only now: few nodes of a test have one

    async def power_fails(self) -> None:
        await self.inputs["power"].wait()

    async def network(self, is_up: bool) -> None:
        """Loopback is always there."""

    async def connect(self, host: str, port: int, tls: "Tls | None") -> "Any":
        open_wire: "Any" = link.connect  # of MicroPython it has no types
        return await open_wire(host, port, tls)

    async def exchange_udp(self, host: str, port: int, data: bytes, wait_ms: int) -> bytes:
        exchange: "Any" = link.exchange_udp
        answer: bytes = await exchange(host, port, data, wait_ms)
        return answer

    def feed(self) -> None:
        self.fed += 1

    def reset(self, is_hard: bool) -> None:
        self.kv_put("reason", bytes([health.RESET if is_hard else health.SOFT]))
        raise SystemExit(3)

    def log(self, line: str) -> None:
        print(line)
