"""A few devices that publish all the time, and what each of them is owed."""

import json
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from gateway.mqtt import (
    FLAG_QOS1,
    V311,
    ConnAck,
    Connect,
    encode,
    encode_pubacks,
    encode_publish,
)
from tests.support.running import Device, row, wait_until

WELCOME = encode(ConnAck(), V311)
RATE_PER_S = 300  # of all together
DEVICES = 5


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Load:
    """Publishes from the moment it is made until ``pause``."""

    def __init__(self, port: int, rate_per_s: float = RATE_PER_S) -> None:
        self.devices = [Device(f"meter-{index:03}", port) for index in range(DEVICES)]
        self.probes = 0  # single readings of another device, see ``publishes``
        self._pause_s = DEVICES / rate_per_s
        self._done = threading.Event()
        self._again = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        number = 0
        while not self._done.wait(self._pause_s):
            number += 1
            for device in self.devices:
                device.send(number, now_ms())
            if self._again.is_set():
                self._again.clear()
                for device in self.devices:
                    device.resend()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        for device in self.devices:
            device.close()

    def pause(self, quiet_s: float = 1.5) -> None:
        """Stop publishing and let what is on its way arrive."""
        self._done.set()
        self._thread.join()
        wait_until(lambda: self.acked_count == self.total(), 60, "PUBACKs for all")
        time.sleep(quiet_s)

    @property
    def acked_count(self) -> int:
        """How many PUBACKs the devices have."""
        return sum(len(device.acked) for device in self.devices)

    def resend(self) -> None:
        """Send again soon what no receipt covers yet, as a device does that was cut off."""
        self._again.set()

    def resend_until_receipted(self) -> None:
        """Send again what no receipt covers yet; nothing may be left in the end."""
        for device in self.devices:
            device.resend()
        wait_until(lambda: all(d.receipted == max(d.sent) for d in self.devices), 60, "receipts")

    def acked(self, name: str) -> set[int]:
        """Return the numbers for which a device has a PUBACK."""
        return next(set(device.acked) for device in self.devices if device.name == name)

    def sent(self, name: str) -> set[int]:
        """Return all numbers of a device."""
        return next(set(device.sent) for device in self.devices if device.name == name)

    def total(self) -> int:
        """Return how many readings were sent."""
        return sum(len(device.sent) for device in self.devices)

    def receipts_after_now(self) -> Callable[[], bool]:
        """Return a question: has a device got a receipt that says more than it had just now?"""
        before = {device.name: device.receipted for device in self.devices}
        return lambda: any(device.receipted > before[device.name] for device in self.devices)


def publishes(port: int, load: Load) -> bool:
    """Connect, publish one reading at QoS 1 and return whether its PUBACK came."""
    # the same reading until one is acknowledged: what came twice is stored once
    payload = json.dumps(row(load.probes + 1, now_ms())).encode()
    with socket.create_connection(("127.0.0.1", port), 1) as sock:
        sock.settimeout(2)
        sock.sendall(encode(Connect(V311, "probe"), V311))
        if sock.recv(len(WELCOME)) != WELCOME:
            return False
        packet = (1, FLAG_QOS1, b"tg/1/evn/energy/probe/t", payload)
        sock.sendall(encode_publish(packet, V311))
        wanted = encode_pubacks([1])
        if sock.recv(len(wanted)) != wanted:
            return False
    load.probes += 1
    return True
