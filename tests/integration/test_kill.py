"""SIGKILL at any moment: what was acknowledged is there, once, and right.

Safety and liveness are judged apart: faults end, the gateway runs quietly, then we count.
"""

import random
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from tests.brokers import mosquitto
from tests.support.killing import (
    Record,
    judge_readings,
    judge_recovery,
    kill_and_return,
    watched,
)
from tests.support.load import Load, publishes
from tests.support.running import broker, listener, running

pytestmark = [pytest.mark.servers, pytest.mark.slow]


@pytest.mark.timeout(3000)
def test_no_receipted_reading_is_lost_by_kills_behind_mosquitto(
    tmp_path: Path, record_property: Record, *, soak: bool
) -> None:
    port = free_port()
    with (
        mosquitto(port),
        running(tmp_path, broker(port)) as gateway,
        Load(port) as load,
        watched(gateway),
    ):
        recoveries = kill_and_return(
            gateway, 200 if soak else 5, random.Random(1), load.receipts_after_now
        )
        load.pause()
        receipted = {device.name: device.receipted for device in load.devices}
        judge_readings(gateway, load, lambda name: set(range(1, receipted[name] + 1)))
        load.resend_until_receipted()
        judge_readings(gateway, load, load.sent)
    judge_recovery(recoveries, record_property)


@pytest.mark.timeout(3000)
def test_no_acknowledged_reading_is_lost_by_kills_on_the_listener(
    tmp_path: Path, record_property: Record, *, soak: bool
) -> None:
    port = free_port()
    with running(tmp_path, listener(port)) as gateway, Load(port) as load, watched(gateway):
        recoveries = kill_and_return(
            gateway, 200 if soak else 5, random.Random(2), lambda: lambda: publishes(port, load)
        )
        load.pause()
        judge_readings(gateway, load, load.acked)
        load.resend_until_receipted()
        judge_readings(gateway, load, load.sent)
    judge_recovery(recoveries, record_property)
