"""SIGKILL at any moment: what was acknowledged is there, once, and right.

Safety and liveness are judged apart: faults end, the gateway runs quietly, then we count.
"""

import contextlib
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.brokers import mosquitto
from tests.support.load import Load, publishes
from tests.support.running import Gateway, broker, check_stored, free_port, listener, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

Record = Callable[[str, object], None]
RECOVERY_S = 1.0  # 99 of 100
ORPHANS_S = 1.0
TWICE = 0.2  # of the kills strike again while the gateway starts


class AccountsWatch:
    """Polls the accounts of a gateway all the time; whatever is wrong is in ``errors``."""

    def __init__(self, gateway: Gateway) -> None:
        self.polls = 0
        self.errors: list[str] = []
        self._gateway = gateway
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        stored = 0
        while not self._done.wait(0.1):
            try:
                accounts = self._gateway.accounting()
            except OSError as error:
                if hasattr(error, "code"):  # an answer, and not a good one
                    self.errors.append(repr(error))
                continue
            except AssertionError as error:
                self.errors.append(str(error))
                continue
            self.polls += 1
            if accounts["stored"] < stored:
                self.errors.append(f"stored fell from {stored} to {accounts}")
            stored = accounts["stored"]

    def close(self) -> None:
        self._done.set()
        self._thread.join()


@contextlib.contextmanager
def watched(gateway: Gateway) -> Iterator[None]:
    """Keep the books under watch for as long as the block lasts."""
    watch = AccountsWatch(gateway)
    try:
        yield
    finally:
        watch.close()
    assert not watch.errors, watch.errors[:3]
    assert watch.polls > 3


def import_s() -> float:
    """How long this machine takes just now for what most of a start is: importing."""
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", "import numpy, fastapi, uvicorn"], check=True)
    return time.monotonic() - began_s


def kill_and_return(
    gateway: Gateway, kills: int, rng: random.Random, watch: Callable[[], Callable[[], bool]]
) -> list[float]:
    """Kill a gateway under load again and again; return how long each return took.

    ``watch`` returns a question: has it taken a message after this moment?
    """
    recoveries_s = []
    for _ in range(kills):
        time.sleep(rng.uniform(0.05, 0.8))
        assert gateway.kill() < ORPHANS_S
        if rng.random() < TWICE:
            gateway.start(wait=False)
            time.sleep(rng.uniform(0, 0.8))
            assert gateway.kill() < ORPHANS_S
        takes_messages = watch()
        began_s = time.monotonic()
        gateway.start(wait=False)
        wait_until(takes_messages, 20, "messages taken after a kill", 0.01)
        wait_until(lambda: gateway.get("/readyz"), 20, "ready after a kill", 0.01)
        recoveries_s.append(time.monotonic() - began_s)
    return recoveries_s


def judge_recovery(recoveries_s: list[float], record: Record) -> None:
    """99 of 100 within a second, or what that is on a machine that others keep busy."""
    recoveries_s.sort()
    p99_s = recoveries_s[round(0.99 * (len(recoveries_s) - 1))]
    reference_s = statistics.median(import_s() for _ in range(5))
    figures = {
        "recovery_p50_s": round(statistics.median(recoveries_s), 2),
        "recovery_p99_s": round(p99_s, 2),
        "recovery_slowest_s": round(recoveries_s[-1], 2),
        "imports_s": round(reference_s, 2),
    }
    sys.stdout.write(f"{figures}\n")
    for name, value in figures.items():
        record(name, value)
    # on the idle machine the imports take 0.4 s and a recovery twice that
    assert p99_s < max(RECOVERY_S, 3.0 * reference_s)


def judge_readings(gateway: Gateway, load: Load, wanted: Callable[[str], set[int]]) -> None:
    """Everything wanted is stored once and right, nothing else is, and the books say the same."""
    accounts = gateway.settle(60)
    found = sum(check_stored(gateway, device, wanted(device.name)) for device in load.devices)
    assert accounts["stored"] == found + load.probes
    assert accounts["quarantined"] == 0


@pytest.mark.timeout(3000)
def test_no_receipted_reading_is_lost_by_kills_behind_mosquitto(
    tmp_path: Path, record_property: Record, *, soak: bool
) -> None:
    port = free_port()
    with mosquitto(port):
        gateway = Gateway(tmp_path, broker(port))
        gateway.start()
        with Load(port) as load, watched(gateway):
            recoveries_s = kill_and_return(
                gateway, 200 if soak else 5, random.Random(1), load.receipts_after_now
            )
            load.pause()
            receipted = {device.name: device.receipted for device in load.devices}
            judge_readings(gateway, load, lambda name: set(range(1, receipted[name] + 1)))
            load.resend_until_receipted()
            judge_readings(gateway, load, load.sent)
        assert gateway.stop() == 0
    judge_recovery(recoveries_s, record_property)


@pytest.mark.timeout(3000)
def test_no_acknowledged_reading_is_lost_by_kills_on_the_listener(
    tmp_path: Path, record_property: Record, *, soak: bool
) -> None:
    port = free_port()
    gateway = Gateway(tmp_path, listener(port))
    gateway.start()
    with Load(port) as load, watched(gateway):
        recoveries_s = kill_and_return(
            gateway, 200 if soak else 5, random.Random(2), lambda: lambda: publishes(port, load)
        )
        load.pause()
        judge_readings(gateway, load, load.acked)
        load.resend_until_receipted()
        judge_readings(gateway, load, load.sent)
    assert gateway.stop() == 0
    judge_recovery(recoveries_s, record_property)
