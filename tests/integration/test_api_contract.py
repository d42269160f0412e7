"""Errors, doors, and whether every answer is what the OpenAPI document says."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api import speaking
from tests.support.alarms import Room, alarm
from tests.support.stores import NOW_MS
from tests.support.web import V1, app_of, client_of, filled, read, read_problem

FROM_START = "from=2026-11-21T21:00:00Z"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = filled(tmp_path_factory.mktemp("data"))
    Room(folder).tell(alarm("overload", "device:meter-1", NOW_MS - 1000))
    return folder


@pytest.fixture
async def client(data_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_of(data_dir)) as client:
        yield client


@pytest.mark.parametrize(
    ("url", "status", "parameter"),
    [
        (f"{V1}/nothing", 404, None),
        (f"{V1}/readings?device=nobody", 404, "device"),
        (f"{V1}/readings?device=meter-1&profile=nix", 404, "profile"),
        (f"{V1}/readings?device=meter-1&from=yesterday", 422, "from"),
        (f"{V1}/readings?device=meter-1&from=2026-11-22&to=2026-11-21", 422, "from"),
        (f"{V1}/readings?device=meter-1&limit=0", 422, "limit"),
        (f"{V1}/readings?device=meter-1&limit=many", 422, "limit"),
        (f"{V1}/readings?device=meter-1&format=xml", 422, "format"),
        (f"{V1}/readings?device=meter-1&after=1.2", 422, "after"),
        (f"{V1}/readings?devcie=meter-1", 422, "devcie"),
        (f"{V1}/events?after=x", 422, "after"),
        (f"{V1}/devices?after=%C3%BC", 422, "after"),
        (f"{V1}/devices?sector=cows", 422, "sector"),
        (f"{V1}/devices/nobody", 404, "device"),
        (f"{V1}/quarantine/x/payload", 422, "id"),
        (f"{V1}/quarantine?after=-1", 422, "after"),
        (f"{V1}/quality", 422, "device"),
    ],
)
async def test_every_error_is_a_problem_that_names_the_parameter(
    client: httpx.AsyncClient, url: str, status: int, parameter: str | None
) -> None:
    problem = await read_problem(client, url, status)
    assert problem.get("parameter") == parameter


@pytest.mark.parametrize("url", [f"{V1}/accounting", "/healthz", f"{V1}/quarantine/70/payload"])
async def test_another_method_is_405_with_what_is_allowed(
    client: httpx.AsyncClient, url: str
) -> None:
    answer = await client.request("DELETE", url)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == "GET"
    assert (await client.head(url)).status_code == 200


async def test_a_broken_store_is_a_problem_without_its_inside(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"not a database, " * 300)
    async with client_of(app_of(tmp_path)) as client:
        problem = await read_problem(client, f"{V1}/accounting", 500)
        assert "state.sqlite" not in json.dumps(problem)


async def test_before_the_first_start_everything_is_empty(tmp_path: Path) -> None:
    async with client_of(app_of(tmp_path)) as client:
        assert (await read(client, f"{V1}/accounting"))["received"] == 0
        assert (await read(client, f"{V1}/devices"))["devices"] == []
        assert (await read(client, f"{V1}/quarantine"))["quarantine"] == []
        assert (await read(client, f"{V1}/readings?profile=em1"))["readings"] == []
        assert (await read(client, f"{V1}/latest"))["latest"] == []


@pytest.mark.clause("749.IV.5-0")
async def test_a_token_is_asked_of_everything_but_healthz(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRAGATE_TEST_TOKEN", "s3cret")
    app = app_of(data_dir, http={"token": {"env": "INFRAGATE_TEST_TOKEN"}})
    async with client_of(app) as client:
        assert (await client.get("/healthz")).status_code == 200
        for url in (f"{V1}/accounting", "/metrics", "/readyz", f"{V1}/openapi.json", "/"):
            answer = await client.get(url)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert "infragate" in answer.headers["www-authenticate"]
        for wrong in ("Bearer s3cre", "Bearer s3cret2", "Bearer", "s3cret"):
            headers = {"Authorization": wrong}
            assert (await client.get(f"{V1}/accounting", headers=headers)).status_code == 401
        right = {"Authorization": "Bearer s3cret"}
        assert (await client.get(f"{V1}/accounting", headers=right)).status_code == 200
        assert (await client.get(f"{V1}/accounting", auth=("any", "s3cret"))).status_code == 200


@pytest.mark.clause("942.III.4.b")
async def test_a_page_of_another_origin_reads_nothing(client: httpx.AsyncClient) -> None:
    foreign = {"Origin": "https://evil.example"}
    assert (await client.get(f"{V1}/accounting", headers=foreign)).status_code == 403
    own = {"Origin": "http://gateway"}
    answer = await client.get(f"{V1}/accounting", headers=own)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


EXAMPLES = {
    f"{V1}/accounting": "",
    f"{V1}/devices": "",
    f"{V1}/devices/{{device}}": "meter-1",
    f"{V1}/latest": "",
    f"{V1}/readings": "?device=meter-1",
    f"{V1}/rollups": "?device=meter-1",
    f"{V1}/aggregate": "?device=meter-1&column=u&fn=mean&every=15m",
    f"{V1}/events": "",
    f"{V1}/quarantine": "",
    f"{V1}/quality": "?device=meter-1",
    f"{V1}/catalog": "",
    f"{V1}/energy/alarms": "",
    f"{V1}/transport/alarms": "",
    f"{V1}/alarms": "",
    f"{V1}/alarms/{{alarm}}": "",  # its id
    f"{V1}/maintenance": "",
    "/healthz": "",
    "/readyz": "",
}
UNTYPED = {f"{V1}/quarantine/{{id}}/payload", f"{V1}/stream", "/metrics"}
UNTYPED |= {f"{V1}/alarms/{{alarm}}/acknowledge", f"{V1}/maintenance/{{window}}"}  # below
UNTYPED |= {f"{V1}/energy/{{series}}", f"{V1}/transport/{{series}}"}  # in test_api_findings
# CSV and XML, in tests/unit/energy/test_exports.py
UNTYPED |= {f"{V1}/energy/export/determinants", f"{V1}/energy/export/green-button"}


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        place: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        schema = place
    return schema


def check(document: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> None:
    """Check a value against a schema; an object may have no property that is not declared."""
    schema = resolve(document, schema)
    if "anyOf" in schema:
        kinds = [resolve(document, one) for one in schema["anyOf"]]
        schema = next((one for one in kinds if fits(one, value)), {"type": "none of these"})
    assert fits(schema, value), f"{where}: {value!r} is no {schema}"
    if schema.get("type") == "array":
        for place, item in enumerate(value):
            check(document, schema["items"], item, f"{where}[{place}]")
    if schema.get("type") == "object":
        assert set(schema.get("required", ())) <= value.keys(), where
        for name, item in value.items():
            check(document, declared(schema, name, where), item, f"{where}.{name}")


def declared(schema: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    properties = schema.get("properties", {})
    if name in properties:
        found: dict[str, Any] = properties[name]
        return found
    more = schema.get("additionalProperties", False)
    assert more is not False, f"{where}.{name} is not declared"
    return more if isinstance(more, dict) else {}


def fits(schema: dict[str, Any], value: Any) -> bool:
    kinds: dict[str, Any] = {
        "string": str, "integer": int, "number": (int, float), "boolean": bool,
        "array": list, "object": dict, "null": type(None), "none of these": (),
    }  # fmt: skip
    if "enum" in schema and value not in schema["enum"]:
        return False
    return "type" not in schema or isinstance(value, kinds[schema["type"]])


@pytest.mark.clause("942.V.4.a-1")
async def test_the_document_is_openapi_3_1_and_every_answer_is_as_it_says(
    client: httpx.AsyncClient,
) -> None:
    document = await read(client, f"{V1}/openapi.json")
    assert document["openapi"].startswith("3.1.")
    assert document["paths"].keys() == EXAMPLES.keys() | UNTYPED
    alarm = (await read(client, f"{V1}/alarms"))["alarms"][0]["id"]
    for path, example in EXAMPLES.items():
        url = path.replace("{device}", example).replace("{alarm}", alarm)
        url += "" if "{" in path else example
        body = await read(client, url)
        operation = document["paths"][path]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        check(document, schema, body, path)
        errors = operation["responses"]["default"]["content"]
        assert list(errors) == ["application/problem+json"]
    problem = await read_problem(client, f"{V1}/quality", 422)
    check(document, {"$ref": "#/components/schemas/Problem"}, problem, "problem")
    operations = [one for path in document["paths"].values() for one in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    writing = {(path, verb) for path, all_ in document["paths"].items() for verb in all_}
    assert {one for one in writing if one[1] != "get"} == SPEAKING.keys()


SPEAKING = {
    (f"{V1}/alarms/{{alarm}}/acknowledge", "post"): {"note": "seen"},
    (f"{V1}/maintenance", "post"): {"subject": "all", "end": "2026-12-24", "reason": "work"},
    (f"{V1}/maintenance/{{window}}", "delete"): None,
}


async def test_answers_to_words_are_as_the_document_says(
    client: httpx.AsyncClient, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaking, "EFFECT_S", 0.1)  # nobody hears them but at the end
    document = await read(client, f"{V1}/openapi.json")
    alarm = (await read(client, f"{V1}/alarms"))["alarms"][0]["id"]
    window = ""
    for (path, verb), body in SPEAKING.items():
        url = path.replace("{alarm}", alarm).replace("{window}", window)
        answer = await client.request(verb, url, json=body)
        assert answer.status_code == 202, answer.text
        schema = document["paths"][path][verb]["responses"]["200"]["content"]["application/json"]
        check(document, schema["schema"], answer.json(), url)
        Room(data_dir).step()
        windows = (await read(client, f"{V1}/maintenance"))["maintenance"]
        window = windows[0]["id"] if windows else ""
    assert not window
