"""The devices of a run, and how time passes for them."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from simulators.chaos.bad import bad_message
from simulators.chaos.device import Device
from simulators.chaos.ledger import Ledger

TICK_S = 0.02
REPEAT_S = 3.0  # a receipt is at QoS 0: who waits for one asks again
LAST_BAD = 12  # messages through the broker once nothing can happen to it any more


@dataclass(frozen=True)
class Task:
    """What is asked for."""

    seconds: float
    kills: int
    seed: int = 1
    devices: int = 10
    rate: float = 200.0  # readings per second, all devices together
    bad_rate: float = 2.0  # messages per second
    start_s: float = 30.0  # for the gateway to be ready the first time


class PortOf(Protocol):
    """Where a device connects."""

    def __call__(self, *, is_direct: bool) -> int:
        """Return the port of the listener, or of the broker."""


class Field:
    """Half of the devices speak to the gateway's listener, half to the broker."""

    def __init__(
        self,
        task: Task,
        ledger: Ledger,
        port: PortOf,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._task, self._ledger, self._clock = task, ledger, clock
        chance = random.Random(task.seed)
        self._devices = [
            Device(
                book,
                ledger,
                partial(port, is_direct=book.promises_by_puback),
                random.Random(chance.random()),
            )
            for book in ledger.books
        ]
        self._direct = [device for device in self._devices if device.book.promises_by_puback]
        self._bad = 0
        self._is_over = False
        self._repeat_s = 0.0

    @property
    def is_done(self) -> bool:
        """Whether the gateway has promised everything."""
        return all(device.is_done for device in self._devices)

    @property
    def is_bad_done(self) -> bool:
        """Whether every bad message has a PUBACK that counts."""
        return len(self._ledger.bad_promised) >= self._bad

    @property
    def waiting(self) -> list[str]:
        """Devices that were not promised everything."""
        return [device.book.name for device in self._devices if not device.is_done]

    def stop_reading(self) -> None:
        """Take no more readings; go on sending what there is."""
        self._is_over = True

    def send_last_bad(self) -> None:
        """Send bad messages through the broker, which now is held to deliver them."""
        through_broker = [device for device in self._devices if device not in self._direct]
        for _ in range(LAST_BAD):
            self._send_bad(through_broker, is_native=True)

    def close(self) -> None:
        """Hang up."""
        for device in self._devices:
            device.close()

    async def run(self) -> None:
        """Let time pass until cancelled."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        taken = 0
        while True:
            await asyncio.sleep(TICK_S)
            now_s = loop.time()
            passed_s = min(now_s - began_s, self._task.seconds)
            if not self._is_over:
                taken += self._read(int(passed_s * self._task.rate) - taken)
                while self._bad < passed_s * self._task.bad_rate:
                    self._send_bad(self._direct, is_native=False)
            if passed_s >= self._task.seconds:
                self._repeat(now_s)
            for device in self._devices:
                device.tick(now_s)

    def _read(self, due: int) -> int:
        """Let each device take its share of what is due; return how many that are."""
        each = due // len(self._devices)
        for device in self._devices:
            device.take_readings(each, self._clock())
        return each * len(self._devices)

    def _repeat(self, now_s: float) -> None:
        if now_s - self._repeat_s > REPEAT_S:
            self._repeat_s = now_s
            for device in self._devices:
                if not device.is_done:
                    device.repeat_last()

    def _send_bad(self, devices: Sequence[Device], *, is_native: bool) -> None:
        self._bad += 1
        bad = bad_message(self._task.seed, self._bad, is_native=is_native)
        devices[self._bad % len(devices)].bad_waiting.append(bad)
