"""The accounts are those of this moment: what was acknowledged is in them."""

from pathlib import Path

from gateway.cli.loopback import free_port
from tests.support.load import Load
from tests.support.running import listener, running, wait_until


def test_what_has_its_puback_is_received(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listener(port)) as gateway, Load(port, 1000) as load:
        for _ in range(30):
            before = load.acked_count
            wait_until(lambda n=before: load.acked_count > n + 20, what="more PUBACKs", every_s=0)
            acked = load.acked_count
            assert gateway.accounting()["received"] >= acked
        load.pause(quiet_s=0)
        assert gateway.accounting()["received"] == load.total()


def test_what_is_received_stays_so_over_a_restart(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, listener(port)) as gateway, Load(port, 1000) as load:
        wait_until(lambda: load.acked_count > 300, what="a load")
        load.pause(quiet_s=0)
        gateway.kill()
        gateway.start()
        assert gateway.accounting()["received"] == load.total()
