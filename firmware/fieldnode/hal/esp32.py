"""An ESP32 (hal/base.py). The only module that imports machine, network, esp32.

Ports are written with colons: UART ``1:16:17`` is unit, receive pin, transmit pin; an input ``4``
or ``4:up`` is a pin, pulled up; I²C ``0:22:21`` is unit, clock, data. A soft interrupt of this
port is queued (8 deep), so edges are counted by the pulse counter (PCNT) and only their times
come by interrupt.
"""

import gc
import io
import os
import select
import time
from array import array

import machine
import network

from esp32 import NVS, Partition
from fieldnode.core import health
from fieldnode.hal import link, tasks
from fieldnode.hal.tasks_mp import until

if False:  # for the type checker
    from collections.abc import Coroutine
    from typing import Any, NoReturn

    from boot import Boot
    from fieldnode.hal.base import Tls

WATCHDOG_MS = 30_000
WIFI_S = 15
_POLL = 3  # the request of a poll (py/stream.h)
_EDGES = 64  # kept between two calls of ``take``
_UNIX_2000_MS = 946_684_800_000  # Unix ms of 2000-01-01, where this port's clock may start
_REASONS = {
    machine.PWRON_RESET: health.POWER_ON,
    machine.HARD_RESET: health.RESET,
    machine.WDT_RESET: health.WATCHDOG,
    machine.DEEPSLEEP_RESET: health.DEEP_SLEEP,
    machine.SOFT_RESET: health.SOFT,
}


def _numbers(port: str) -> "list[int]":
    return [int(part) for part in port.split(":")]


class Uart:
    """A serial line."""

    def __init__(self, port: str, line: "tuple[int, int, int | None, int]") -> None:
        unit, receive, transmit = _numbers(port)
        self._uart = machine.UART(unit, baudrate=line[0], rx=receive, tx=transmit, rxbuf=1024)
        self.set_line(line)

    def set_line(self, line: "tuple[int, int, int | None, int]") -> None:
        baud, bits, parity, stop = line
        self._uart.flush()
        self._uart.init(baudrate=baud, bits=bits, parity=parity, stop=stop)

    async def read(self, limit: int) -> bytes:
        data = None
        while data is None:
            await until(self._uart, False)
            data = self._uart.read(limit)
        return data

    async def write(self, data: "bytes | memoryview") -> None:
        at = 0
        while at < len(data):
            at += self._uart.write(data[at:]) or 0
            while not self._uart.txdone():
                await tasks.sleep_ms(2)

    def close(self) -> None:
        self._uart.deinit()


class _Flag(io.IOBase):
    """What an interrupt sets and a task waits for, as for bytes of a stream."""

    _is_set = False

    def set(self, _: "machine.Pin") -> None:
        self._is_set = True

    def ioctl(self, request: int, flags: int) -> int:
        return flags & select.POLLIN if request == _POLL and self._is_set else 0


class PulseCounter:
    """Edges of one pin."""

    def __init__(self, unit: int, port: str, debounce_us: int) -> None:
        number, _, pull = port.partition(":")
        self._pin = machine.Pin(int(number), machine.Pin.IN)
        if pull == "up":
            self._pin.init(pull=machine.Pin.PULL_UP)
        # The filter of the hardware ends at 12.8 µs (ESP32 reference, PCNT); a longer bounce is
        # left to the driver, which sees the edges with their times.
        self._counter = machine.Counter(unit, self._pin, filter_ns=min(debounce_us, 12) * 1000)
        self._edges = array("I", [0] * _EDGES)
        self._first = self._count = 0
        both = machine.Pin.IRQ_RISING | machine.Pin.IRQ_FALLING
        self._pin.irq(self._note, both)

    def _note(self, pin: "machine.Pin") -> None:
        self._edges[(self._first + self._count) % _EDGES] = int(time.ticks_us()) << 1 | pin.value()
        if self._count < _EDGES:
            self._count += 1
        else:
            self._first = (self._first + 1) % _EDGES

    def count(self) -> int:
        return self._counter.value()

    def level(self) -> int:
        return self._pin.value()

    def take(self, into: "array[int]") -> int:
        state = machine.disable_irq()
        count = min(self._count, len(into))
        for index in range(count):
            into[index] = self._edges[(self._first + index) % _EDGES]
        self._first = (self._first + count) % _EDGES
        self._count -= count
        machine.enable_irq(state)
        return count


class Esp32:
    """The board.

    Args:
        boot: what has chosen the slot that runs.
        fw: version of the image.
        build_ms: when it was built.
        power_pin: an input that goes low when the supply fails; -1: there is none.
    """

    def __init__(self, boot: "Boot", fw: str, build_ms: int, power_pin: int = -1) -> None:
        self.boot = boot
        self.fw = fw
        self.build_ms = build_ms
        self.flash = Partition.find(Partition.TYPE_DATA, label="ring")[0]
        self._store = NVS("fieldnode")
        self._is_2000 = time.gmtime(0)[0] == 2000
        self._watchdog: "machine.WDT | None" = None
        self._counters = 0
        self._wlan = network.WLAN(network.STA_IF)
        self._failing = _Flag()
        self.hears_power = power_pin >= 0
        if power_pin >= 0:
            self._power = machine.Pin(power_pin, machine.Pin.IN)
            self._power.irq(self._failing.set, machine.Pin.IRQ_FALLING)

    # Time. -------------------------------------------------------------------------------

    def ticks_ms(self) -> int:
        return int(time.ticks_ms())

    def ticks_us(self) -> int:
        return int(time.ticks_us())

    def sleep_ms(self, duration_ms: int) -> "Coroutine[Any, Any, None]":
        return tasks.sleep_ms(duration_ms)

    def unix_ms(self) -> int:
        return time.time_ns() // 1_000_000 + (_UNIX_2000_MS if self._is_2000 else 0)

    def set_unix_ms(self, unix_ms: int) -> None:
        seconds = (unix_ms - (_UNIX_2000_MS if self._is_2000 else 0)) // 1000
        year, month, day, hour, minute, second, weekday, _ = time.gmtime(seconds)
        part_us = unix_ms % 1000 * 1000
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, part_us))

    # Where from, and chance. -------------------------------------------------------------

    def random_u32(self) -> int:
        return int.from_bytes(os.urandom(4), "big")  # true noise while Wi-Fi is on (ESP-IDF)

    def reset_reason(self) -> int:
        crashed = self.kv_get("ota_crash")
        if crashed:
            self.kv_put("ota_crash", None)
            return health.CRASH
        return _REASONS.get(machine.reset_cause(), health.UNKNOWN)

    # Memory. -----------------------------------------------------------------------------

    def kv_get(self, key: str) -> "bytes | None":
        size = 64
        while size <= 2048:
            buffer = bytearray(size)
            try:
                return bytes(memoryview(buffer)[: self._store.get_blob(key, buffer)])
            except OSError as error:
                if error.args[0] != -0x110C:  # ESP_ERR_NVS_INVALID_LENGTH: it is longer
                    return None
            size *= 2
        return None

    def kv_put(self, key: str, value: "bytes | None") -> None:
        if value is None:
            try:
                self._store.erase_key(key)
            except OSError:
                return  # it was not there
        else:
            self._store.set_blob(key, value)
        self._store.commit()

    def free_heap(self) -> int:
        gc.collect()
        return gc.mem_free()

    # Inputs. -----------------------------------------------------------------------------

    def uart(self, port: str, line: "tuple[int, int, int | None, int]") -> Uart:
        return Uart(port, line)

    def counter(self, port: str, debounce_us: int) -> PulseCounter:
        self._counters += 1
        return PulseCounter(self._counters - 1, port, debounce_us)

    def i2c(self, port: str) -> "Any":
        unit, clock, data = _numbers(port)
        return machine.I2C(unit, scl=machine.Pin(clock), sda=machine.Pin(data), freq=400_000)

    async def power_fails(self) -> None:
        await until(self._failing, False)

    # Network. ----------------------------------------------------------------------------

    async def network(self, is_up: bool) -> None:
        wlan = self._wlan
        if not is_up:
            wlan.active(False)
            return
        stored = self.kv_get("wifi")
        if not stored:
            raise OSError("no wifi was provisioned")
        name, _, rest = stored.decode().partition("\n")
        wlan.active(True)
        if not wlan.isconnected():
            wlan.connect(name.strip(), rest.strip())
        for _ in range(WIFI_S * 10):
            if wlan.isconnected():
                return
            await tasks.sleep_ms(100)
        wlan.disconnect()
        raise OSError("no wifi")

    async def connect(self, host: str, port: int, tls: "Tls | None") -> "Any":
        if not self._wlan.isconnected():
            await self.network(True)
        return await link.connect(host, port, tls)

    async def exchange_udp(self, host: str, port: int, data: bytes, wait_ms: int) -> bytes:
        return await link.exchange_udp(host, port, data, wait_ms)

    # Supervision. ------------------------------------------------------------------------

    def feed(self) -> None:
        if self._watchdog is None:
            self._watchdog = machine.WDT(timeout=WATCHDOG_MS)
        self._watchdog.feed()

    def reset(self, is_hard: bool) -> "NoReturn":
        if is_hard:
            machine.reset()
        machine.soft_reset()

    def log(self, line: str) -> None:
        print(line)
