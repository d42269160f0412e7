"""A stop ends everything in order, whatever there was to do."""

import os
import signal
import time
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from tests.support.running import Gateway, listener, wait_until
from tests.support.town import Town

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("is_killed_before", [False, True], ids=["busy", "nothing-new"])
def test_a_stop_waits_for_the_rest_and_restarts_nobody(
    tmp_path: Path, *, is_killed_before: bool
) -> None:
    port = free_port()
    gateway = Gateway(tmp_path, listener(port))
    gateway.start()
    town = Town(port, time.time_ns() // 1_000_000 - 3_600_000)
    town.send(4000)
    if is_killed_before:
        gateway.settle(messages=town.messages)
        gateway.kill()
        gateway.start()
    begun_s = time.monotonic()
    assert gateway.stop() == 0
    took_s = time.monotonic() - begun_s
    town.close()
    assert took_s < 5
    assert "starting it again" not in gateway.log.read_text()
    gateway.start()
    accounts = gateway.settle()
    gateway.stop()
    assert accounts["readings"]["stored"] == 4000


def test_a_peer_that_has_gone_is_an_error_and_never_a_signal(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, listener(free_port()))
    gateway.start()
    wait_until(lambda: "analyst" in gateway.roles(), what="all processes")
    roles = gateway.roles()
    assert set(roles) == {
        *("intake", "nursery", "processor", "keeper", "analyst", "annunciator", "web")
    }
    ignored = [ignores_sigpipe(pid) for pid in roles.values()]
    gateway.stop()
    assert all(ignored)


def test_what_may_wait_stands_back_for_what_may_not(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, listener(free_port()))
    gateway.start()
    wait_until(lambda: "analyst" in gateway.roles(), what="all processes")
    nice = {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in gateway.roles().items()}
    gateway.stop()
    assert nice["intake"] < nice["processor"] < nice["web"] < nice["analyst"] < nice["keeper"]


def ignores_sigpipe(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask.split()[1], 16) >> (signal.SIGPIPE - 1) & 1)
