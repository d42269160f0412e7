"""docs/scaling.md runs: two gateways share a broker and a database, and either may die."""

import re
import time
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from tests.brokers import mosquitto
from tests.servers import Server, victoria
from tests.support.databases import victoria_points
from tests.support.running import ROOT, Device, Gateway, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow]

READINGS = 100
DOCUMENT = (ROOT / "docs/scaling.md").read_text("utf-8")


def shard(folder: Path, name: str, broker_port: int, database: str) -> Gateway:
    """Return a gateway with the configuration that the document gives it, ports apart."""
    (text,) = re.findall(rf"```toml\n# {name}\.toml\n(.*?)```", DOCUMENT, re.DOTALL)
    (folder / name).mkdir()
    gateway = Gateway(folder / name, "")
    web = f'[http]\nlisten = "127.0.0.1:{gateway.http_port}"\nboard = false\n'
    text = text.replace('data_dir = "', f'receipt_ms = 100\ndata_dir = "{folder}/{name}/')
    text = text.replace("127.0.0.1:1884", f"127.0.0.1:{broker_port}")
    text = text.replace("http://127.0.0.1:8428", database)
    gateway.config.write_text(text + web)
    return gateway


def energy_of(server: Server) -> dict[tuple[str, int], float]:
    """Return the register of each device at each time."""
    points = victoria_points(server).points
    return {(device, time_ms): v for (device, f, time_ms), v in points.items() if f == "ea_imp"}


def test_two_gateways_share_a_city(tmp_path: Path) -> None:
    port = free_port()
    now_ms = time.time_ns() // 1_000_000
    with mosquitto(port), victoria() as database:
        shards = [shard(tmp_path, name, port, database.url) for name in ("north", "south")]
        for gateway in shards:
            gateway.start()
        devices = [Device(f"{name}-1", port, org=f"evn-{name}") for name in ("north", "south")]
        for seq in range(1, READINGS + 1):
            for device in devices:
                device.send(seq, now_ms - 1000 * (READINGS - seq))
            if seq == READINGS // 2:
                shards[0].kill()
        wait_until(lambda: devices[1].receipted == READINGS, what="the south goes on")
        shards[0].start()
        wait_until(lambda: devices[0].receipted == READINGS, what="the north catches up")
        for gateway in shards:
            assert gateway.settle()["stored"] == READINGS
        wanted = {
            (device.name, time_ms): float(1_000_000 + seq)
            for device in devices
            for seq, time_ms in device.sent.items()
        }
        wait_until(lambda: energy_of(database) == wanted, 30, "all in the database")
        for device in devices:
            device.close()
        for gateway in shards:
            assert gateway.stop() == 0
