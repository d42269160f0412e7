"""The power goes: of the whole data directory only what was synced is left, the rest torn."""

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from tests.faults import LossyDisk, lossy_disk, needs_lossyfs, needs_root, quick_or_soak
from tests.support.killing import judge_readings, watched
from tests.support.load import Load, publishes
from tests.support.running import Gateway, listener, wait_until

pytestmark = [pytest.mark.slow, needs_lossyfs, needs_root, pytest.mark.timeout(3000)]

UNSYNCED_LEFT = 0.5  # of the sectors that were written and not synced
RATE_PER_S = 100  # every commit goes through a file system in Python


@contextmanager
def elsewhere(folder: Path, real: Path) -> Iterator[None]:
    """Keep a folder on another file system: lossyfs has no sockets."""
    for place in (folder, real):
        place.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(real), str(folder)], check=True, timeout=10)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[tuple[Gateway, LossyDisk, int]]:
    """A gateway whose data is on a disk that forgets, and the port of its listener."""
    port = free_port()
    with lossy_disk(tmp_path) as disk, elsewhere(disk.mount / "data" / "run", tmp_path / "run"):
        gateway = Gateway(tmp_path, listener(port), data_dir=disk.mount / "data")
        gateway.start()
        yield gateway, disk, port
        assert gateway.stop() == 0


@pytest.mark.parametrize("torn", [False, True], ids=["clean", "torn"])
def test_nothing_acknowledged_is_lost_by_power_cuts(
    plant: tuple[Gateway, LossyDisk, int], *, torn: bool
) -> None:
    gateway, disk, port = plant
    rng = random.Random(5)
    with Load(port, RATE_PER_S) as load, watched(gateway):
        for cut in range(quick_or_soak(3, 50)):
            time.sleep(rng.uniform(0.1, 1.5))
            gateway.kill()
            if torn:
                disk.control(f"torn {UNSYNCED_LEFT} {cut}")
            disk.cut_power()
            gateway.start(wait=False)
            wait_until(lambda: publishes(port, load), 20, "messages taken after a cut")
        load.pause()
        judge_readings(gateway, load, load.acked, torn=torn)
        load.resend_until_receipted()
        judge_readings(gateway, load, load.sent, torn=torn)
