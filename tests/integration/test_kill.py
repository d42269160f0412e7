"""SIGKILL at any moment: what was acknowledged is there, once, and right.

Safety and liveness are judged apart: faults end, the gateway runs quietly, then we count.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.brokers import mosquitto
from tests.support.running import (
    Device,
    Gateway,
    broker,
    check_stored,
    free_port,
    listener,
    wait_until,
)

pytestmark = [pytest.mark.servers, pytest.mark.slow]

RATE_PER_S = 300


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def publish_while(devices: list[Device], until_s: float, numbers: dict[str, int]) -> None:
    """Publish at a steady rate from every device until the clock says so."""
    while time.monotonic() < until_s:
        for device in devices:
            numbers[device.name] += 1
            device.send(numbers[device.name], now_ms())
        time.sleep(len(devices) / RATE_PER_S)


def drive(gateway: Gateway, devices: list[Device], kills: int, rng: random.Random) -> list[float]:
    """Kill the gateway again and again under load; return how long each return took."""
    numbers = {device.name: 0 for device in devices}
    recoveries_s = []
    for _ in range(kills):
        publish_while(devices, time.monotonic() + rng.uniform(0.05, 0.8), numbers)
        gateway.kill()
        began_s = time.monotonic()
        gateway.start(wait=False)
        publish_while(devices, began_s + rng.uniform(0, 0.3), numbers)
        wait_until(lambda: gateway.get("/readyz"), 20, "ready after a kill")
        recoveries_s.append(time.monotonic() - began_s)
    return recoveries_s


def judge(
    gateway: Gateway, devices: list[Device], obligations: Callable[[Device], set[int]]
) -> None:
    gateway.settle(60)
    for device in devices:
        check_stored(gateway, device, obligations(device))


@pytest.mark.timeout(3000)
def test_no_receipted_reading_is_lost_by_kills_behind_mosquitto(
    tmp_path: Path, record_property: Callable[[str, object], None], *, soak: bool
) -> None:
    kills = 200 if soak else 5
    port = free_port()
    with mosquitto(port):
        gateway = Gateway(tmp_path, broker(port))
        gateway.start()
        devices = [Device(f"meter-{index:03}", port) for index in range(5)]
        try:
            recoveries_s = drive(gateway, devices, kills, random.Random(1))
            time.sleep(1)
            for device in devices:
                device.resend()
            wait_until(lambda: all(d.receipted == max(d.sent) for d in devices), 60, "receipts")
            judge(gateway, devices, lambda d: {s for s in d.sent if s <= d.receipted})
        finally:
            for device in devices:
                device.close()
            gateway.stop()
    record_property("recovery_slowest_s", round(max(recoveries_s), 2))


@pytest.mark.timeout(3000)
def test_no_acknowledged_reading_is_lost_by_kills_on_the_listener(
    tmp_path: Path, *, soak: bool
) -> None:
    kills = 200 if soak else 5
    port = free_port()
    gateway = Gateway(tmp_path, listener(port))
    gateway.start()
    devices = [Device(f"meter-{index:03}", port) for index in range(5)]
    try:
        drive(gateway, devices, kills, random.Random(2))
        time.sleep(2)
        judge(gateway, devices, lambda d: set(d.acked))
        for device in devices:
            device.resend()
        wait_until(lambda: all(d.receipted == max(d.sent) for d in devices), 60, "receipts")
        judge(gateway, devices, lambda d: set(d.sent))
    finally:
        for device in devices:
            device.close()
        gateway.stop()
