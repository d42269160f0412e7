"""SIGKILL of one part at a time: the broker, or a single process of the gateway."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from tests.brokers import mosquitto
from tests.faults import quick_or_soak
from tests.support.killing import judge_readings, watched
from tests.support.load import Load, publishes
from tests.support.running import broker, listener, running, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(900)]


def resend_until(load: Load, has_receipts: Callable[[], bool]) -> None:
    """Insist: a new broker acknowledges, and forgets, what comes before the gateway is back."""

    def insist() -> bool:
        load.resend()
        return has_receipts()

    # reconnecting takes up to 30 s of jitter: the broker did not last long the last times
    wait_until(insist, 60, "receipts after a kill", 1.0)


def test_no_receipted_reading_is_lost_by_kills_of_the_broker(tmp_path: Path) -> None:
    """It keeps nothing on disk, so every PUBACK of it is worth nothing."""
    port, rng = free_port(), random.Random(3)
    with (
        mosquitto(port) as server,
        running(tmp_path, broker(port)) as gateway,
        Load(port) as load,
        watched(gateway),
    ):
        wait_until(lambda: "analyst" in gateway.roles(), what="all processes")
        pids = gateway.roles()
        for _ in range(quick_or_soak(4, 20)):
            time.sleep(rng.uniform(0.1, 1.0))
            server.kill()
            time.sleep(rng.uniform(0.0, 0.5))
            server.start()
            resend_until(load, load.receipts_after_now())
        load.pause()
        receipted = {device.name: device.receipted for device in load.devices}
        judge_readings(gateway, load, lambda name: set(range(1, receipted[name] + 1)))
        load.resend_until_receipted()
        judge_readings(gateway, load, load.sent)
        assert gateway.roles() == pids, gateway.log.read_text()


def test_each_process_may_be_killed_alone(tmp_path: Path) -> None:
    port, rng = free_port(), random.Random(4)
    with running(tmp_path, listener(port)) as gateway, Load(port) as load, watched(gateway):
        intake = gateway.process
        assert intake is not None
        for _ in range(quick_or_soak(2, 7)):  # each comes back a little later
            for role in ("processor", "keeper", "analyst", "web"):
                time.sleep(rng.uniform(0.1, 0.8))
                killed = gateway.kill_role(role)
                # the intake goes on meanwhile: its PUBACKs wait for no other process
                assert publishes(port, load)
                wait_until(lambda r=role, k=killed: gateway.roles().get(r, k) != k, 20, role)
                wait_until(load.receipts_after_now(), 20, f"receipts after a {role}", 0.01)
        load.pause()
        judge_readings(gateway, load, load.acked)
        load.resend_until_receipted()
        judge_readings(gateway, load, load.sent)
        assert intake.poll() is None
