"""The whole gateway: rollups of what a meter sent in InfluxDB, and again when it sends late."""

import time
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.loopback import free_port
from tests.servers import influxd
from tests.support.databases import Points, influx_points, ms_of
from tests.support.running import Gateway, listener, running, wait_until
from tests.support.town import Town

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

QUARTER_MS = 900_000
STEP_MS = 300_000  # three readings in a bucket
READINGS = 24
LATE = 10  # its number; it comes last


def body(start_ms: int, first: int, last: int) -> dict[str, Any]:
    rows = [
        [(seq - first) * STEP_MS, 1000 + 100 * seq, 0, 10 * seq, 2300, 100, 990, 0]
        for seq in range(first, last + 1)
    ]
    return {"p": "em1", "log": 1, "b": 1, "n": first, "t": start_ms + first * STEP_MS, "r": rows}


def shown(gateway: Gateway) -> Points:
    """Every value of every rollup that the API shows, but for the names of reasons."""
    answer = gateway.get("/api/v1/rollups?profile=em1&from=0&to=4102444800000")
    return {
        (line["device"], name, ms_of(line["time"])): value
        for line in answer["rollups"]
        for name, value in line.items()
        if name not in {"time", "device", "reasons"} and value is not None
    }


def test_a_late_reading_is_in_the_rollups_of_the_api_and_of_influxdb(tmp_path: Path) -> None:
    port = free_port()
    # at 3 min past a border: no reading on one
    start_ms = (time.time_ns() // 1_000_000 - 4 * 3_600_000) // QUARTER_MS * QUARTER_MS + 180_000
    with influxd() as influx:
        sink = f'[[sink]]\nname = "influx"\ntype = "influx1"\nurl = "{influx.url}"\n'
        with running(tmp_path, listener(port), extra=sink) as gateway:
            town = Town(port, start_ms)

            def held() -> Points:
                points = influx_points(influx, "em1_15m").points
                return {key: value for key, value in points.items() if key[1] != "reasons"}

            def is_there(late_n: int) -> bool:
                points = held()
                bucket_ms = (start_ms + LATE * STEP_MS) // QUARTER_MS * QUARTER_MS
                total = sum(value for (_, name, _), value in points.items() if name == "n")
                return points["meter-900", "n", bucket_ms] == late_n and total == 21 + late_n

            town.send_raw("meter-900", "energy", body(start_ms, 0, LATE - 1))
            town.send_raw("meter-900", "energy", body(start_ms, LATE + 1, READINGS - 1))
            wait_until(lambda: is_there(2), 60, "the first rollups")
            assert held() == pytest.approx(shown(gateway))
            increases = [v for (_, name, _), v in held().items() if name == "ea_imp_increase"]
            assert sorted(increases) == [200.0] + [300.0] * 7
            town.send_raw("meter-900", "energy", body(start_ms, LATE, LATE))
            wait_until(lambda: is_there(3), 60, "the late reading in its rollup")
            assert held() == pytest.approx(shown(gateway))
            town.close()
