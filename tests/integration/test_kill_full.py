"""The disk is full: the gateway stays up, acknowledges nothing, and goes on when there is room."""

import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from tests.faults import needs_root, quick_or_soak, small_disk
from tests.support.killing import judge_readings, watched
from tests.support.load import Load, publishes
from tests.support.running import Gateway, listener, wait_until

pytestmark = [pytest.mark.slow, needs_root, pytest.mark.timeout(300)]

DISK_BYTES = 24 << 20
# A sink that is away, so that the outbox fills up as well.
SINK = '[[sink]]\nname = "away"\ntype = "victoriametrics"\nurl = "http://127.0.0.1:9"\n'
LIMITS = "segment_bytes = 1048576\njournal_max_bytes = 16777216\n"
RESUMES_S = 2.0
STOPS_S = 5.0
SETTLES_S = 1.0  # after which what still had room in a file is used up


class Ballast:
    """Takes all that is left of a disk."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "ballast"

    def fill(self) -> None:
        for piece in (1 << 16, 1 << 12, 1):
            while self._takes(piece):
                pass

    def _takes(self, piece: int) -> bool:
        with self._file.open("ab", buffering=0) as file:
            try:
                return file.write(bytes(piece)) == piece
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    return False
                raise

    def drop(self) -> None:
        self._file.unlink()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[tuple[Gateway, Ballast, int]]:
    """A gateway on a small disk, what can fill it, and the port of its listener."""
    port = free_port()
    with small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        data_dir = disk / "data"
        gateway = Gateway(tmp_path, listener(port), data_dir=data_dir, extra=SINK, limits=LIMITS)
        gateway.start()
        yield gateway, Ballast(disk), port
        assert gateway.stop() == 0


def seconds_until_more(load: Load, before: int) -> float:
    began_s = time.monotonic()
    wait_until(lambda: load.acked_count > before, 20, "acknowledged again", 0.01)
    return time.monotonic() - began_s


def test_a_full_disk_stops_acknowledging_and_nothing_else(
    plant: tuple[Gateway, Ballast, int],
) -> None:
    gateway, ballast, _ = plant
    wait_until(lambda: "analyst" in gateway.roles(), what="all processes")
    roles = gateway.roles()
    with Load(plant[2]) as load, watched(gateway):
        wait_until(lambda: load.acked_count > 100, what="a load")
        ballast.fill()
        time.sleep(SETTLES_S)
        before = load.acked_count
        end_s = time.monotonic() + quick_or_soak(3, 30)
        while time.monotonic() < end_s:
            ballast.fill()  # what a merge or a checkpoint has given back
            time.sleep(0.1)
        assert load.acked_count == before
        assert gateway.roles() == roles, gateway.log.read_text()
        ballast.drop()
        assert seconds_until_more(load, before) < RESUMES_S
        load.pause()
        judge_readings(gateway, load, load.acked)
        load.resend_until_receipted()
        judge_readings(gateway, load, load.sent)
    assert gateway.roles() == roles, gateway.log.read_text()


@pytest.mark.parametrize("is_early", [False, True], ids=["late", "early"])
def test_a_gateway_killed_at_a_full_disk_goes_on_when_there_is_room(
    plant: tuple[Gateway, Ballast, int], *, is_early: bool
) -> None:
    gateway, ballast, port = plant
    with Load(port) as load, watched(gateway):
        wait_until(lambda: load.acked_count > 100, what="a load")
        ballast.fill()
        time.sleep(SETTLES_S)
        gateway.kill()
        if is_early:  # before anybody had read of the day: who does now needs room for its index
            for file in gateway.data_dir.rglob("day-*.sqlite-shm"):
                file.unlink()
        ballast.fill()
        gateway.start(wait=False)
        time.sleep(quick_or_soak(3, 10))
        ballast.drop()
        wait_until(lambda: publishes(port, load), 20, "messages taken again", 0.01)
        load.pause()
        judge_readings(gateway, load, load.acked)
        load.resend_until_receipted()
        judge_readings(gateway, load, load.sent)
    assert "child=" not in gateway.log.read_text()


def test_a_gateway_at_a_full_disk_stops_as_any_other(plant: tuple[Gateway, Ballast, int]) -> None:
    gateway, ballast, port = plant
    with Load(port) as load:
        wait_until(lambda: load.acked_count > 100, what="a load")
        ballast.fill()
        time.sleep(SETTLES_S)
        began_s = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began_s < STOPS_S
        ballast.drop()
        gateway.start()
        load.pause()
        judge_readings(gateway, load, load.sent)
