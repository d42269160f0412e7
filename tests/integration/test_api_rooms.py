"""Accounts, devices, events, quarantine, quality, catalogue, health, metrics."""

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.profiles import load_profiles
from gateway.store import Merger, Roller
from tests.support.stores import NOW_MS, PAYLOAD, fill
from tests.support.web import V1, age, app_of, client_of, filled, read, read_problem

FROM_START = "from=2026-11-21T21:00:00Z"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("data"))


@pytest.fixture
async def client(data_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_of(data_dir)) as client:
        yield client


@pytest.mark.clause("942.VI.9.a")
async def test_the_account_balances_in_readings_and_in_messages(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{V1}/accounting")
    assert body["readings"] == {
        "received": 203, "stored": 186, "duplicate": 5, "quarantined": 2, "pending": 10,
    }  # fmt: skip
    assert body["messages"] == {
        "received": 200, "stored": 184, "duplicate": 4, "quarantined": 2, "pending": 10,
    }  # fmt: skip
    assert {name: body[name] for name in body["readings"]} == body["readings"]


async def test_a_device_has_an_account_of_its_own(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{V1}/accounting?device=meter-1")
    assert (body["received"], body["stored"], body["pending"]) == (64, 60, 0)
    assert (await read(client, f"{V1}/accounting?device=quiet-1"))["received"] == 0


# devices


async def test_devices_are_filtered_and_paged_by_id(client: httpx.AsyncClient) -> None:
    async def names(query: str) -> list[str]:
        body = await read(client, f"{V1}/devices?{query}")
        return [device["device"] for device in body["devices"]]

    assert await names("") == ["lane-1", "meter-1", "quiet-1", "twice-1"]
    assert await names("org=vec") == ["lane-1"]
    assert await names("sector=energy&q=IE") == ["quiet-1"]
    assert await names("state=lost") == ["lane-1"]
    assert await names("state=silent") == ["quiet-1"]
    found, token = [], ""
    while True:
        body = await read(client, f"{V1}/devices?limit=3{token}")
        found += [device["device"] for device in body["devices"]]
        if body["next"] is None:
            break
        token = f"&after={body['next']}"
    assert found == ["lane-1", "meter-1", "quiet-1", "twice-1"]


@pytest.mark.clause("749.IV.3-1")
async def test_a_device_shows_its_ledger_with_gaps(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{V1}/devices/meter-1")
    assert body["state"] == "alive"
    assert body["ledger"] == [
        {
            "log": 7,
            "epoch": 0,
            "boot": 17,
            "first": 1,
            "high_water": 60,
            "last_time": "2026-11-21T22:29:00.000Z",
            "gaps": [[61, 63], [71, 72]],
        }
    ]
    assert body["latest"][0]["values"]["u"] == 230.4
    assert body["registry"] is None


async def test_a_device_of_the_registry_shows_its_facts(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "registry.toml"
    file.write_text(
        '[[node]]\nid = "tba-1"\nkind = "transformer"\n'
        "place = { lat = 21.0, lon = 105.8 }\n"
        '[[device]]\nid = "meter-1"\norg = "evn"\nsector = "energy"\nparent = "tba-1"\n'
        'meter = [{ serial = "A1", to = 2026-01-01 }, { serial = "B2", from = 2026-01-01 }]\n'
    )
    async with client_of(app_of(data_dir, registry={"file": str(file)})) as client:
        facts = (await read(client, f"{V1}/devices/meter-1"))["registry"]
        assert facts["parents"] == [{"kind": "transformer", "id": "tba-1"}]
        assert facts["meter"] == {"serial": "B2"}
        assert facts["place"] == {"lat": 21.0, "lon": 105.8}
        assert (await read(client, f"{V1}/devices/lane-1"))["registry"] is None


async def test_events_come_by_time_with_their_detail(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{V1}/events")
    assert [(e["device"], e["code"], e["detail"]) for e in body["events"]] == [
        ("meter-1", 99, {"code": 99}),
        ("lane-1", 0, {"st": "lost"}),
        ("meter-1", 40, "not json"),
    ]
    assert len((await read(client, f"{V1}/events?device=lane-1"))["events"]) == 1
    first = await read(client, f"{V1}/events?limit=2&kind=event")
    assert [e["code"] for e in first["events"]] == [99, 40]


async def test_quarantine_gives_the_payload_back_byte_for_byte(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{V1}/quarantine")
    line = body["quarantine"][0]
    assert line["topic"] == r"tg/1/evn/energy/\xff\x1b[31mevil\\/t"
    assert (line["reason"], line["size"]) == ("topic", len(PAYLOAD))
    answer = await client.get(f"{V1}/quarantine/{line['id']}/payload")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == PAYLOAD
    assert hashlib.sha256(answer.content).hexdigest() == line["sha256"]
    first = await read(client, f"{V1}/quarantine?limit=1")
    second = await read(client, f"{V1}/quarantine?limit=1&after={first['next']}")
    assert [second["quarantine"][0]["device"], second["next"]] == ["meter-1", None]
    only = await read(client, f"{V1}/quarantine?reason=encoding")
    assert [one["id"] for one in only["quarantine"]] == [71]
    await read_problem(client, f"{V1}/quarantine/999/payload", 404)


@pytest.mark.clause("942.IV.4.a")
async def test_quality_counts_grades_and_completeness(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{V1}/quality?device=meter-1&from=2026-11-21T21:30:00Z")
    (day,) = body["days"]
    assert day["readings"] == 60
    assert day["share"] == {
        "valid": pytest.approx(58 / 60, abs=1e-6),
        "suspect": pytest.approx(1 / 60, abs=1e-6),
        "failed": pytest.approx(1 / 60, abs=1e-6),
    }
    assert (day["expected"], day["measured"], day["completeness"]) == (2, 2, 1.0)
    assert day["dimensions"]["usability"] == pytest.approx(58 / 60, abs=1e-6)
    assert day["dimensions"]["accuracy"] == pytest.approx(59 / 60, abs=1e-6)
    assert day["score"] == min(day["groups"].values())
    assert "usability" in day["below"]
    body = await read(client, f"{V1}/quality?device=lane-1&from=2026-11-21T21:00:00Z")
    # 90 minutes of 30 s bins, of which the last 60 are there
    assert body["days"][0]["completeness"] == pytest.approx(120 / 180)


@pytest.mark.clause("1437.II.2.a")
async def test_the_catalogue_has_what_decision_1437_asks_for(client: httpx.AsyncClient) -> None:
    body = await read(client, f"{V1}/catalog")
    assert {"em1", "tl1"} <= {dataset["profile"] for dataset in body["datasets"]}
    for dataset in body["datasets"]:
        for field in ("name", "purpose", "scope", "content", "collection", "updating", "sources"):
            assert dataset[field], (dataset["profile"], field)
        assert dataset["access"]["category"] in {"open", "shared"}
    meters = next(d for d in body["datasets"] if d["profile"] == "em1")
    assert meters["devices"] == 2
    assert meters["columns"][0]["obis"] == "1-0:1.8.0"


@pytest.mark.clause("942.IV.3.e")
async def test_readiness_names_what_is_missing(tmp_path: Path) -> None:
    fill(tmp_path)
    run = tmp_path / "run"
    async with client_of(app_of(tmp_path)) as client:
        age(tmp_path, 5)
        assert (await read(client, "/readyz"))["status"] == "ready"
        os.utime(run / "processor.json", (NOW_MS / 1000 - 6, NOW_MS / 1000 - 6))
        assert "processor" in (await read_problem(client, "/readyz", 503))["detail"]
        (run / "intake.json").unlink()
        assert "intake" in (await read_problem(client, "/readyz", 503))["detail"]
        assert (await read(client, "/healthz"))["status"] == "alive"


async def test_a_congested_journal_is_not_ready(tmp_path: Path) -> None:
    fill(tmp_path)
    intake = tmp_path / "run" / "intake.json"
    quiet = '"infragate_journal_congested", [], '
    intake.write_text(intake.read_text().replace(f"{quiet}0", f"{quiet}1"))
    age(tmp_path, 0)
    async with client_of(app_of(tmp_path)) as client:
        assert "congested" in (await read_problem(client, "/readyz", 503))["detail"]


@pytest.mark.clause("942.IV.3.e")
async def test_metrics_are_an_exposition_that_prometheus_reads(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    values = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert values["infragate_messages_received_total", ()] == 200
    assert values["infragate_readings_stored_total", ()] == 186
    assert values["infragate_quarantined_total", (("reason", "topic"),)] == 1
    buckets = [v for (name, _), v in values.items() if name == "infragate_commit_seconds_bucket"]
    assert sorted(buckets) == buckets
    assert values["infragate_commit_seconds_bucket", (("le", "0.005"),)] == 3
    assert values["infragate_commit_seconds_bucket", (("le", "+Inf"),)] == 4
    assert values["infragate_commit_seconds_count", ()] == 4
    assert "lane-1" not in answer.text  # no device is ever a label


@pytest.fixture(scope="module")
def rolled_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = filled(tmp_path_factory.mktemp("rolled"))
    roller = Roller(folder, load_profiles())
    merger = Merger(folder, roller.look_at)
    day_over_ms = NOW_MS + 2 * 3_600_000
    while merger.merge_once(day_over_ms) | roller.roll_once(day_over_ms + 60_000):
        pass
    return folder


async def test_rollups_of_a_quarter_of_an_hour(rolled_dir: Path) -> None:
    async with client_of(app_of(rolled_dir)) as client:
        body = await read(client, f"{V1}/rollups?device=meter-1&{FROM_START}")
    assert (body["profile"], body["span"], body["next"]) == ("em1", "15m", None)
    assert body["columns"][2] == {"name": "ea_imp_increase", "unit": "Wh"}
    # readings at 21:30, 21:31 …, each 1 Wh more; the first of all ends the bucket before it
    first, second, third, fourth, *_ = body["rollups"]
    assert [first["time"], first["n"], first["ea_imp_increase"]] == [
        "2026-11-21T21:15:00.000Z", 0, None,
    ]  # fmt: skip
    assert (second["time"], second["n"], second["good"]) == ("2026-11-21T21:30:00.000Z", 15, 1)
    assert (second["ea_imp_increase"], second["ea_imp_last"]) == (15, 1_234_582)
    assert (second["u_mean"], second["u_min"], second["p_max"]) == (230.4, 230.4, -812)
    assert (second["quality"], third["n"]) == (1, 15)
    # 22:00 has no voltage and is suspect, 22:01 was failed
    assert (fourth["n"], fourth["good"], fourth["quality"]) == (14, 0.866667, 9)
    assert {"null_value", "spike", "high_low"} <= set(fourth["reasons"])


async def test_rollups_of_a_day_and_pages_of_them(rolled_dir: Path) -> None:
    async with client_of(app_of(rolled_dir)) as client:
        day = await read(client, f"{V1}/rollups?profile=em1&span=1d&from=2026-11-21")
        found = {line["device"]: (line["n"], line["ea_imp_increase"]) for line in day["rollups"]}
        assert found == {"meter-1": (59, 59), "twice-1": (3, 2)}
        every = f"{V1}/rollups?profile=em1&{FROM_START}"
        page = await read(client, f"{every}&limit=2")
        rest = await read(client, f"{every}&after={page['next']}")
        assert len(page["rollups"]) == 2
        assert page["rollups"] + rest["rollups"] == (await read(client, every))["rollups"]
        await read_problem(client, f"{V1}/rollups?device=meter-1&span=1h", 422)
        await read_problem(client, f"{V1}/rollups?profile=em1&after=nonsense", 422)
