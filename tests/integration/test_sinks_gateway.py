"""The whole gateway with real databases behind it: away, killed, back; every value once."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.cli.loopback import free_port
from gateway.config import load_settings
from tests.servers import Server, influxd, victoria
from tests.support.databases import (
    influx_count,
    influx_points,
    influx_query,
    metric,
    stored_points,
    victoria_points,
    victoria_series,
)
from tests.support.derived import influx_held, measurements, stored, victoria_held
from tests.support.running import Gateway, listener, running, wait_until
from tests.support.town import Town

pytestmark = [pytest.mark.clause("749.IV.3.d-3"), pytest.mark.servers, pytest.mark.timeout(900)]

HOUR_MS = 3_600_000


class Plant(NamedTuple):
    """A gateway, its devices and both databases."""

    gateway: Gateway
    town: Town
    influx: Server
    victoria: Server


def sinks(influx: Server, metrics: Server) -> str:
    """The configuration of both; small batches, so that catching up takes a while."""
    return (
        f'[[sink]]\nname = "influx"\ntype = "influx1"\nurl = "{influx.url}"\n'
        'batch = 200\ntimeout = "3s"\n'
        f'[[sink]]\nname = "vm"\ntype = "victoriametrics"\nurl = "{metrics.url}"\n'
        'batch = 1000\ntimeout = "3s"\nreplay_window = "20s"\n'
    )


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    port = free_port()
    with (
        influxd() as influx,
        victoria() as metrics,
        running(tmp_path, listener(port), extra=sinks(influx, metrics)) as gateway,
    ):
        town = Town(port, time.time_ns() // 1_000_000 - 2 * HOUR_MS)
        try:
            yield Plant(gateway, town, influx, metrics)
        finally:
            town.close()


def settle(plant: Plant) -> None:
    """Wait until the store has everything and no sink has anything left to send."""
    plant.gateway.settle(120, messages=plant.town.messages)
    for sink in ("influx", "vm"):
        wait_until(lambda name=sink: is_empty(plant.gateway, name), 120, f"{sink} caught up")


def compare_derived(plant: Plant) -> int:
    """Assert that both hold all that was found, and nothing that was not; return the values."""
    settings = load_settings(plant.gateway.config)

    def is_there() -> bool:
        expected = stored(settings, time.time_ns() // 1_000_000)
        slots = [key for key in expected if key[0] == "meter_interval" and key[2] == "import_wh"]
        if len(slots) < 10 * 43:  # of every meter all half hours that were sent
            return False
        names = measurements(expected)
        # what is left of another second: the analyst had gone on
        held, samples = victoria_held(plant.victoria, names)
        is_whole = influx_held(plant.influx, names) == expected
        return bool(is_whole and held.keys() == expected.keys() and samples == len(held))

    wait_until(is_there, 60, "all findings in both", every_s=1.0)
    assert {"grid_outage", "fleet_state"} <= snapshots(plant.influx)
    return len(stored(settings, time.time_ns() // 1_000_000))


def snapshots(influx: Server) -> set[str]:
    return {row[0] for row in influx_query(influx, "SHOW MEASUREMENTS")[0]["values"]}


def is_empty(gateway: Gateway, sink: str) -> bool:
    is_up = metric(gateway, "infragate_sink_up", sink=sink) == 1
    return is_up and metric(gateway, "infragate_sink_pending_records", sink=sink) == 0


def compare(plant: Plant) -> None:
    """Assert that both databases hold what was sent, every value, once, as the API shows it."""
    stored = stored_points(plant.gateway)
    sent = plant.town.expected()
    assert {key: value for key, value in stored.points.items() if key in sent} == sent
    assert stored.rows == plant.town.readings
    # VictoriaMetrics shows new rows after a second
    wait_until(lambda: victoria_points(plant.victoria).rows == stored.rows, 30, "all of it shown")
    assert victoria_points(plant.victoria) == stored
    assert influx_points(plant.influx) == stored


def test_every_stored_reading_is_in_both_databases_once_with_its_tags_and_types(
    plant: Plant,
) -> None:
    plant.town.send(4000)
    # two vehicles in one millisecond stay two
    now_ms = time.time_ns() // 1_000_000
    rows = [[0, 520 + n, 41, 2, 1, None, 300, 1, 0] for n in range(2)]
    body = {"p": "pv1", "log": 1, "n": 16, "t": now_ms - 5000, "r": rows}
    plant.town.send_raw("lane-001", "transport", body)
    settle(plant)
    compare(plant)
    series = influx_query(plant.influx, "SELECT * FROM pv1 GROUP BY *")
    assert [one["tags"] for one in series] == [
        {"device": "lane-001", "org": "evn", "sector": "transport", "slot": slot}
        for slot in ("0", "1")
    ]
    speeds = [row for one in series for row in one["values"]]
    assert [dict(zip(series[0]["columns"], row, strict=True))["speed"] for row in speeds] == [
        52.0,
        52.1,
    ]
    types = influx_query(plant.influx, "SHOW FIELD KEYS FROM em1")[0]["values"]
    assert {name: kind for name, kind in types if kind == "integer"} == {
        "quality": "integer",
        "reasons": "integer",
    }
    tags = [one["metric"] for one in victoria_series(plant.victoria)]
    assert all(
        (one["org"], one["sector"], one["db"]) == ("evn", "energy", "infragate") for one in tags
    )


def test_after_a_day_without_databases_they_catch_up_through_every_kind_of_kill(
    plant: Plant, record_property: Callable[[str, object], None], *, soak: bool
) -> None:
    plant.town.send(2000)
    plant.town.send_slots(0, 24)
    settle(plant)
    plant.influx.kill()
    plant.victoria.kill()
    plant.town.send_slots(24, 40)
    plant.town.send(500_000 if soak else 30_000)
    plant.gateway.settle(300, messages=plant.town.messages)  # the store goes on without them
    wait_until(lambda: (lag_of(plant.gateway) or 0) > 2, 30, "lag shown")
    assert metric(plant.gateway, "infragate_sink_up", sink="influx") == 0
    plant.influx.start()
    plant.victoria.start()

    wait_until(lambda: influx_count(plant.influx) > 3000, 60, "catching up")
    plant.town.send_slots(40, 44)
    plant.gateway.kill()
    begun = influx_count(plant.influx)
    plant.gateway.start()
    wait_until(lambda: influx_count(plant.influx) > begun + 1000, 60, "catching up again")
    plant.gateway.kill_role("keeper")
    at_keeper = influx_count(plant.influx)
    plant.victoria.kill()
    time.sleep(1)
    plant.victoria.start()
    settle(plant)
    compare(plant)
    record_property("derived_values", compare_derived(plant))
    record_property("rows_at_kill_9", begun)
    record_property("rows_at_keeper_kill", at_keeper)
    assert begun < plant.town.readings  # else it was killed too late to show anything


def lag_of(gateway: Gateway) -> float | None:
    return metric(gateway, "infragate_sink_lag_seconds", sink="influx")


def test_what_victoriametrics_forgot_after_acknowledging_it_is_sent_again(plant: Plant) -> None:
    plant.town.send(2000)
    plant.gateway.settle(messages=plant.town.messages)

    def is_taken() -> bool:
        written = metric(plant.gateway, "infragate_sink_written_total", sink="vm") or 0
        return written >= plant.town.readings

    wait_until(is_taken, 30, "all acknowledged")
    plant.town.send(2000)
    wait_until(is_taken, 30, "all acknowledged")
    plant.victoria.kill()
    plant.victoria.start()
    forgotten = plant.town.readings - victoria_points(plant.victoria).rows
    assert forgotten > 0  # else this shows nothing
    wait_until(
        lambda: metric(plant.gateway, "infragate_sink_replays_total", sink="vm") == 1, 60, "replay"
    )
    settle(plant)
    compare(plant)
