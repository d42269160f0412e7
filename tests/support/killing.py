"""How kill tests judge: books under watch, readings counted, recoveries timed."""

import contextlib
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import NamedTuple

from tests.support.load import Load
from tests.support.running import Gateway, check_stored, wait_until

Record = Callable[[str, object], None]
RECOVERY_S = 1.0  # 99 of 100
BUSY_RATIO = 2.5  # of a recovery to the imports beside it; 1.6 on the idle machine
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
            except HTTPException:
                continue  # killed in the middle of its answer
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
    assert watch.polls > 0


class Recovery(NamedTuple):
    """How long a return took, and what the machine took just then for what a start is made of."""

    took_s: float
    imports_s: float


def import_s() -> float:
    """Return how long two processes take to import at once what a gateway imports."""
    began_s = time.monotonic()
    command = [sys.executable, "-c", "import numpy, fastapi, uvicorn"]
    for process in [subprocess.Popen(command) for _ in range(2)]:
        assert process.wait(30) == 0
    return time.monotonic() - began_s


def kill_and_return(
    gateway: Gateway, kills: int, rng: random.Random, watch: Callable[[], Callable[[], bool]]
) -> list[Recovery]:
    """Kill a gateway under load again and again; return how long each return took.

    ``watch`` returns a question: has it taken a message after this moment?
    """
    recoveries = []
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
        took_s = time.monotonic() - began_s
        recoveries.append(Recovery(took_s, import_s()))
    return recoveries


def judge_recovery(recoveries: list[Recovery], record: Record) -> None:
    """99 of 100 within a second, or what that is on a machine that others keep busy."""
    took_s = sorted(recovery.took_s for recovery in recoveries)
    p99_s = took_s[round(0.99 * (len(took_s) - 1))]
    ratio = statistics.median(one.took_s / one.imports_s for one in recoveries)
    figures = {
        "recovery_p50_s": round(statistics.median(took_s), 2),
        "recovery_p99_s": round(p99_s, 2),
        "recovery_slowest_s": round(took_s[-1], 2),
        "recovery_to_imports": round(ratio, 2),
    }
    sys.stdout.write(f"{figures}\n")
    for name, value in figures.items():
        record(name, value)
    assert p99_s < RECOVERY_S or ratio < BUSY_RATIO, figures


def judge_readings(
    gateway: Gateway, load: Load, wanted: Callable[[str], set[int]], *, torn: bool = False
) -> None:
    """Everything wanted is stored once and right, nothing else is, and the books say the same.

    Where a power cut tears what was not synced, a later sector may be whole behind a torn one:
    then the torn record, of which nobody was told that it is safe, is quarantined by its bytes.
    """
    accounts = gateway.settle(60)
    found = sum(check_stored(gateway, device, wanted(device.name)) for device in load.devices)
    assert accounts["stored"] == found + load.probes, f"{found} + {load.probes} in {accounts}"
    damage = gateway.get("/api/v1/quarantine?reason=journal_damage")["quarantine"] if torn else []
    assert accounts["quarantined"] == len(damage), accounts
