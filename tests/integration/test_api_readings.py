"""Readings and aggregates of a real store, through the API."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyarrow import parquet

from gateway.model import Position
from gateway.store import Store
from tests.support.stores import METER_ROW, NOW_MS, Rows, fill
from tests.support.web import V1, app_of, client_of, filled, read, read_problem

FROM_START = "from=2026-11-21T21:00:00Z"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("data"))


@pytest.fixture
async def client(data_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_of(data_dir)) as client:
        yield client


async def test_a_reading_is_in_engineering_units_with_grade_and_reasons(
    client: httpx.AsyncClient,
) -> None:
    body = await read(client, f"{V1}/readings?device=meter-1&{FROM_START}")
    assert len(body["readings"]) == 60
    assert body["next"] is None
    assert body["readings"][0] == {
        "time": "2026-11-21T21:30:00.000Z",
        "device": "meter-1",
        "log": 7,
        "seq": 1,
        "ea_imp": 1_234_567,
        "ea_exp": 0,
        "p": -812,
        "u": 230.4,
        "i": 3.71,
        "pf": 0.982,
        "status": 0,
        "quality": 1,
        "reasons": [],
    }
    graded = body["readings"][30]
    assert graded["u"] is None
    assert (graded["quality"], graded["reasons"]) == (8, ["spike", "null_value"])
    answer = await client.get(f"{V1}/readings?device=meter-1&{FROM_START}&limit=1")
    assert '"u":230.4,"i":3.71' in answer.text  # no 230.40000000000003 in the bytes either


async def test_a_reading_without_sequence_number_has_null(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{V1}/readings?device=lane-1&limit=1")
    assert body["readings"][0]["seq"] is None


async def test_from_is_inclusive_and_to_exclusive(client: httpx.AsyncClient) -> None:
    window = "from=2026-11-21T21:30:00Z&to=2026-11-21T21:33:00.000Z"
    body = await read(client, f"{V1}/readings?device=meter-1&{window}")
    assert [one["seq"] for one in body["readings"]] == [1, 2, 3]


@pytest.mark.parametrize("limit", [1, 7, 59, 60, 61])
async def test_pages_add_up_to_the_whole(client: httpx.AsyncClient, limit: int) -> None:
    whole = (await read(client, f"{V1}/readings?device=meter-1"))["readings"]
    found: list[Any] = []
    token = ""
    while True:
        body = await read(client, f"{V1}/readings?device=meter-1&limit={limit}{token}")
        found += body["readings"]
        if body["next"] is None:
            break
        assert len(body["readings"]) == limit
        token = f"&after={body['next']}"
    assert found == whole


async def test_the_profile_may_be_left_out_if_the_device_has_one(client: httpx.AsyncClient) -> None:
    assert (await read(client, f"{V1}/readings?device=meter-1&limit=1"))["profile"] == "em1"
    problem = await read_problem(client, f"{V1}/readings?device=twice-1", 422)
    assert problem["parameter"] == "profile"
    assert "em1, tl1" in problem["detail"]
    body = await read(client, f"{V1}/readings?device=twice-1&profile=tl1")
    assert len(body["readings"]) == 3


async def test_without_device_all_devices_of_a_profile_come(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{V1}/readings?profile=em1")
    assert {one["device"] for one in body["readings"]} == {"meter-1", "twice-1"}
    assert (await read_problem(client, f"{V1}/readings", 422))["parameter"] == "device"


@pytest.mark.clause("1437.II.2.d.iv")
async def test_lineage_shows_where_a_reading_came_from(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{V1}/readings?device=meter-1&limit=1&lineage=true")
    assert body["readings"][0]["record"] == 1
    assert body["readings"][0]["received"] == "2026-11-21T21:30:00.250Z"


@pytest.mark.clause("942.V.4.a-1")
async def test_every_format_has_the_rows_of_json(client: httpx.AsyncClient) -> None:
    base = f"{V1}/readings?device=meter-1&limit=40&lineage=true"
    whole = await read(client, base)
    rows = whole["readings"]

    answer = await client.get(f"{base}&format=ndjson")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.text.splitlines()] == rows
    assert answer.headers["x-next-after"] == whole["next"]

    answer = await client.get(f"{base}&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["x-next-after"] == whole["next"]
    cells = list(csv.DictReader(io.StringIO(answer.text)))
    for cell, row in zip(cells, rows, strict=True):
        for name, value in row.items():
            wanted = " ".join(value) if name == "reasons" else "" if value is None else str(value)
            assert cell[name] == wanted

    answer = await client.get(f"{base}&format=parquet")
    table = parquet.read_table(io.BytesIO(answer.content))
    assert table.schema.field("u").metadata == {b"unit": b"V"}
    assert str(table.schema.field("time").type) == "timestamp[ms, tz=UTC]"
    for cell, row in zip(table.to_pylist(), rows, strict=True):
        for name in ("time", "received"):
            cell[name] = cell[name].isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert cell == row


async def test_a_hundred_thousand_rows_are_the_limit(tmp_path: Path) -> None:
    fill(tmp_path)
    from_ms = NOW_MS - 100_001 * 200
    big = Rows("em1", 0, METER_ROW, 100_001, step_ms=200, first=1000).batch()
    big.record[:] = 100
    store = Store.open(tmp_path)
    checkpoint = store.load()
    store.write([big], [])
    store.checkpoint(checkpoint._replace(position=Position(1000)))
    store.close()
    async with client_of(app_of(tmp_path)) as client:
        url = f"{V1}/readings?device=meter-1&from={from_ms}"
        body = await read(client, f"{url}&limit=100000")
        assert len(body["readings"]) == 100_000
        assert body["next"] is not None
        rest = await read(client, f"{url}&limit=100000&after={body['next']}")
        assert rest["next"] is None
        times = {one["time"] for one in (*body["readings"], *rest["readings"])}
        assert len(times) == len(body["readings"]) + len(rest["readings"])
        assert (await read_problem(client, f"{url}&limit=100001", 422))["parameter"] == "limit"


# aggregate


async def test_an_increase_adds_up_to_the_growth_of_the_register(client: httpx.AsyncClient) -> None:
    body = await read(
        client,
        f"{V1}/aggregate?device=meter-1&column=ea_imp&fn=increase&every=15m"
        "&from=2026-11-21T21:45:00Z&to=2026-11-21T22:15:00Z",
    )
    assert body["unit"] == "Wh"
    # one register step a minute but for the failed reading at 22:01, whose step the next one has
    assert [(b["time"][11:16], b["value"]) for b in body["buckets"]] == [
        ("21:45", 15),
        ("22:00", 15),
    ]


async def test_functions_of_a_gauge_follow_the_readings(client: httpx.AsyncClient) -> None:
    async def value(fn: str, column: str = "u") -> Any:
        query = f"device=meter-1&column={column}&fn={fn}&from=2026-11-21T22:00:00Z"
        body = await read(client, f"{V1}/aggregate?{query}")
        assert len(body["buckets"]) == 1
        return body["buckets"][0]["value"], body["buckets"][0]["n"], body["unit"]

    # 22:00 has no voltage, 22:01 failed: 28 of 30 are left
    assert await value("mean") == (230.4, 28, "V")
    assert await value("min") == (230.4, 28, "V")
    assert await value("count") == (28, 28, "1")
    assert await value("sum", "p") == (-812 * 29, 29, "W")
    energy, n, unit = await value("integral", "p")
    assert (n, unit) == (29, "Wh")
    assert energy < 0


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("device=meter-1&column=nix&fn=sum", "column"),
        ("device=meter-1&column=u&fn=median", "fn"),
        ("device=meter-1&column=u&fn=increase", "fn"),
        ("device=meter-1&column=u&fn=sum&every=7x", "every"),
        ("device=meter-1&column=u&fn=sum&tz=Mars/Olympus", "tz"),
        ("device=meter-1&column=u&fn=sum&tz=../../etc/passwd", "tz"),
        ("column=u&fn=sum", "device"),
    ],
)
async def test_a_wrong_aggregate_names_the_parameter(
    client: httpx.AsyncClient, query: str, parameter: str
) -> None:
    problem = await read_problem(client, f"{V1}/aggregate?{query}", 422)
    assert problem["parameter"] == parameter
