"""Alarms and derived series over HTTP: pages, filters, and what is wrong with a question."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.ports import Alarm, Findings, Result
from gateway.store.derived import DerivedStore
from tests.support.stores import MINUTE_MS, NOW_MS
from tests.support.web import V1, app_of, client_of, filled, read, read_problem

ENERGY = f"{V1}/energy"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = filled(tmp_path_factory.mktemp("data"))
    alarms = [
        Alarm("outage", f"transformer:t-{k}", NOW_MS - k * MINUTE_MS, NOW_MS, 0, 3, 0.9, '{"k":1}')
        for k in range(3)
    ]
    over = Alarm("outage", "feeder:f-1", NOW_MS - 2000, NOW_MS - 1500, NOW_MS - 1000, 4, 1.0, "{}")
    results = [
        Result("balance", f"transformer:t-{k}", at, at + MINUTE_MS, f'{{"loss_kwh":{k}.5}}')
        for at in (NOW_MS - 2 * MINUTE_MS, NOW_MS - MINUTE_MS)
        for k in range(2)
    ]
    store = DerivedStore(folder)
    store.commit("energy", Findings([*alarms, over], results, b"state"), 7)
    store.close()
    return folder


@pytest.fixture
async def client(data_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_of(data_dir)) as client:
        yield client


@pytest.mark.clause("749.IV.5.e-1")
async def test_alarms_tell_place_time_and_evidence(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{ENERGY}/alarms?place=transformer:t-0")
    assert body == {
        "alarms": [
            {
                "id": 1,
                "kind": "outage",
                "place": "transformer:t-0",
                "raised": "2026-11-21T22:30:00.000Z",
                "found": "2026-11-21T22:30:00.000Z",
                "cleared": None,
                "severity": 3,
                "confidence": 0.9,
                "evidence": {"k": 1},
            }
        ],
        "next": None,
    }


async def test_alarms_come_in_pages_and_by_filter(client: httpx.AsyncClient) -> None:
    first = await read(client, f"{ENERGY}/alarms?limit=3")
    rest = await read(client, f"{ENERGY}/alarms?limit=3&after={first['next']}")
    assert [one["id"] for one in (*first["alarms"], *rest["alarms"])] == [1, 2, 3, 4]
    assert rest["next"] is None
    last = await read(client, f"{ENERGY}/alarms?open=true")
    assert [one["id"] for one in last["alarms"]] == [1, 2, 3]
    assert not (await read(client, f"{ENERGY}/alarms?kind=theft"))["alarms"]
    assert not (await read(client, f"{V1}/transport/alarms"))["alarms"]
    # an alarm is shown for as long as it lasted, not for when it began
    during = await read(client, f"{ENERGY}/alarms?from={NOW_MS - 500}&to={NOW_MS}")
    assert [one["id"] for one in during["alarms"]] == [2, 3]


async def test_series_come_in_pages_by_time_and_place(client: httpx.AsyncClient) -> None:
    first = await read(client, f"{ENERGY}/balance?limit=3")
    rest = await read(client, f"{ENERGY}/balance?limit=3&after={first['next']}")
    found = [*first["results"], *rest["results"]]
    assert [one["place"] for one in found] == ["transformer:t-0", "transformer:t-1"] * 2
    assert [one["values"]["loss_kwh"] for one in found] == [0.5, 1.5, 0.5, 1.5]
    assert found[0]["begin"] == "2026-11-21T22:28:00.000Z"
    assert found[0]["end"] == "2026-11-21T22:29:00.000Z"
    one = await read(client, f"{ENERGY}/balance?place=transformer:t-1&from={NOW_MS - MINUTE_MS}")
    assert [line["values"]["loss_kwh"] for line in one["results"]] == [1.5]


async def test_wrong_questions_are_told_what_would_be_right(client: httpx.AsyncClient) -> None:
    problem = await read_problem(client, f"{ENERGY}/balances", 404)
    assert "there are: balance" in problem["detail"]
    problem = await read_problem(client, f"{V1}/transport/state", 404)
    assert "none yet" in problem["detail"]
    await read_problem(client, f"{V1}/water/alarms", 404)
    await read_problem(client, f"{ENERGY}/alarms?after=nonsense!", 422)
    await read_problem(client, f"{ENERGY}/balance?after=bm90IGEgdG9rZW4", 422)
    await read_problem(client, f"{ENERGY}/alarms?levle=1", 422)


async def test_exports_say_what_is_wrong_and_what_is_not_there(client: httpx.AsyncClient) -> None:
    problem = await read_problem(client, f"{ENERGY}/export/determinants?month=2026-13", 422)
    assert problem["parameter"] == "month"
    await read_problem(client, f"{ENERGY}/export/determinants?month=2026-03", 404)
    await read_problem(client, f"{ENERGY}/export/green-button?device=nobody&month=2026-03", 404)
