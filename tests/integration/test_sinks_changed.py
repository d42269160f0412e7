"""Sinks come and go: a new one gets what is new, ``infragate backfill`` brings it the rest."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.cli.loopback import free_port
from gateway.config import load_settings
from tests.servers import Server, influxd
from tests.support.databases import (
    influx_count,
    influx_points,
    influx_query,
    metric,
    stored_points,
)
from tests.support.derived import influx_held, measurements, stored
from tests.support.running import ROOT, Gateway, listener, wait_until
from tests.support.town import Town

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]


class Site:
    """A gateway whose sinks an operator changes; one town that goes on sending."""

    def __init__(self, folder: Path, influx: Server) -> None:
        self._port = free_port()
        self._sink = f'[[sink]]\nname = "influx"\ntype = "influx1"\nurl = "{influx.url}"\n'
        self._start_ms = time.time_ns() // 1_000_000 - 7_200_000
        self._sent = 0
        self.gateway = Gateway(folder, listener(self._port))
        self._bare = self.gateway.config.read_text()

    def run(self, readings: int, *, with_sink: bool) -> None:
        """Start with or without the sink, take readings, stop."""
        self.gateway.config.write_text(self._bare + (self._sink if with_sink else ""))
        self.gateway.start()
        town = Town(self._port, self._start_ms)
        town.sent = self._sent
        town.send(readings)
        if not with_sink:
            town.send_slots(0, 48)
        self._sent = town.sent
        self.gateway.settle(messages=town.messages)
        if with_sink:
            wait_until(self._is_empty, 30, "all sent")
        town.close()

    def _is_empty(self) -> bool:
        pending = metric(self.gateway, "infragate_sink_pending_records", sink="influx")
        return pending == 0 and metric(self.gateway, "infragate_sink_written_total") != 0


def rolled(gateway: Gateway) -> int:
    """Return how many readings are in the rollups of 15 minutes."""
    page = gateway.get("/api/v1/rollups?profile=em1&from=0&to=4102444800000&limit=10000")
    return int(sum(line["n"] for line in page["rollups"]))


def backfill(gateway: Gateway, *options: str) -> str:
    command = [sys.executable, "-m", "gateway", "backfill", "influx", "-c", str(gateway.config)]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def has_all_that_was_found(gateway: Gateway, influx: Server) -> int:
    """Assert that a database without any of it gets every finding by the same command."""
    wait_until(lambda: metric(gateway, "infragate_analysis_pending", domain="energy") == 0, 30)
    for name in influx_query(influx, "SHOW MEASUREMENTS")[0]["values"]:
        influx_query(influx, f'DROP MEASUREMENT "{name[0]}"')
    backfill(gateway)
    settings = load_settings(gateway.config)
    expected = stored(settings, time.time_ns() // 1_000_000, halves=True)
    names = measurements(expected)
    assert {"meter_interval", "area_quality"} <= names
    held = influx_held(influx, names)
    assert expected.keys() - held.keys() == set()
    # a half hour that the teller had told before its last rollups came may still be on its way
    wait_until(lambda: influx_held(influx, names).items() >= expected.items(), 90, "right values")
    return len(held)


def test_a_new_sink_gets_what_is_new_and_backfill_brings_the_rest(tmp_path: Path) -> None:
    with influxd() as influx:
        site = Site(tmp_path, influx)
        try:
            site.run(4000, with_sink=False)
            site.gateway.stop()
            site.run(2000, with_sink=True)
            wait_until(lambda: influx_count(influx) == 2000, 10, "the new readings")
            assert backfill(site.gateway).endswith(" lines sent, 0 refused\n")
            assert influx_points(influx) == stored_points(site.gateway)

            site.gateway.stop()
            site.run(1000, with_sink=False)  # out of the configuration for a while
            site.gateway.stop()
            site.run(1000, with_sink=True)
            wait_until(lambda: influx_count(influx) == 7000, 10, "the new readings again")
            wait_until(lambda: rolled(site.gateway) == 8000, 60, "rollups of all of it")
            backfill(site.gateway, "--from", "2020-01-01")
            assert influx_points(influx) == stored_points(site.gateway)
            assert influx_count(influx) == 8000
            quarters = influx_query(influx, "SELECT sum(n) FROM em1_15m")
            assert quarters[0]["values"][0][1] == 8000  # the rollups as well
            assert has_all_that_was_found(site.gateway, influx) > 0
        finally:
            site.gateway.stop()
