"""Alarms over HTTP: who may look, who may speak, and what a word does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.store.alarmwords import FILE_NAME, words_since
from tests.support.alarms import MINUTE_MS, Room, alarm
from tests.support.stores import NOW_MS
from tests.support.web import V1, app_of, client_of, filled, read

ALARMS, WORK = f"{V1}/alarms", f"{V1}/maintenance"


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = Room(filled(tmp_path))
    room.tell(
        alarm("transformer_outage", "transformer:t-4", NOW_MS - 5 * MINUTE_MS, severity=4),
        alarm("undervoltage", "device:meter-1", NOW_MS - 3 * MINUTE_MS, severity=2),
        alarm("overload", "device:meter-1", NOW_MS - 2 * MINUTE_MS, NOW_MS - MINUTE_MS),
    )
    room.tell(alarm("incident", "section:s-9", NOW_MS - MINUTE_MS), domain="transport")
    return room


@pytest.fixture
async def client(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_of(room.folder)) as client:
        yield client


@pytest.fixture
async def listening(room: Room) -> AsyncIterator[None]:
    """An annunciator that looks twenty times a second."""

    async def look() -> None:
        while True:
            room.step(0)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(look())
    yield
    task.cancel()


async def test_alarms_of_every_domain_are_one_list(client: httpx.AsyncClient) -> None:
    found = (await read(client, ALARMS))["alarms"]
    assert [(one["domain"], one["kind"], one["state"]) for one in found] == [
        ("transport", "incident", "raised"),
        ("energy", "overload", "cleared"),
        ("energy", "undervoltage", "raised"),
        ("energy", "transformer_outage", "raised"),
    ]
    assert found[2] == {
        "id": found[2]["id"],
        "state": "raised",
        "severity": 2,
        "domain": "energy",
        "kind": "undervoltage",
        "place": "device:meter-1",
        "org": "site",
        "raised": "2026-11-21T22:27:00.000Z",
        "found": "2026-11-21T22:27:01.000Z",
        "updated": "2026-11-21T22:30:01.000Z",
        "cleared": None,
        "last_raised": "2026-11-21T22:27:00.000Z",
        "times": 1,
        "confidence": 0.9,
        "acknowledged": None,
        "suppressed": None,
        "evidence": {"n": 1},
        "links": found[2]["links"],
    }
    for one in found:  # the evidence can be fetched where it is said to be
        answer = await client.get(one["links"]["api"])
        assert answer.status_code in {200, 404}, answer.text
        assert answer.status_code == 200 or "no series" in answer.json()["detail"]
        if "/alarms?" in one["links"]["api"]:
            told = answer.json()["alarms"]
            assert [line["kind"] for line in told if line["raised"] == one["raised"]] == [
                one["kind"]
            ]


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("state=open", ["incident", "undervoltage", "transformer_outage"]),
        ("state=cleared", ["overload"]),
        ("severity=3", ["incident", "overload", "transformer_outage"]),
        ("domain=transport", ["incident"]),
        ("kind=overload", ["overload"]),
        ("subject=device:meter-1", ["overload", "undervoltage"]),
        ("subject=feeder:f-1&severity=4", ["transformer_outage"]),
        ("subject=feeder:f-%25", []),
        ("suppressed=true", []),
        (
            f"from={NOW_MS - 90_000}&to={NOW_MS - 70_000}",
            [*("overload", "undervoltage"), "transformer_outage"],
        ),
    ],
)
async def test_alarms_by_filter(client: httpx.AsyncClient, question: str, kinds: list[str]) -> None:
    found = (await read(client, f"{ALARMS}?{question}"))["alarms"]
    assert [one["kind"] for one in found] == kinds


async def test_alarms_come_in_pages(client: httpx.AsyncClient) -> None:
    first = await read(client, f"{ALARMS}?limit=3")
    rest = await read(client, f"{ALARMS}?limit=3&after={first['next']}")
    assert [one["kind"] for one in rest["alarms"]] == ["transformer_outage"]
    assert rest["next"] is None


@pytest.mark.usefixtures("listening")
async def test_to_acknowledge_is_kept_shown_and_told(client: httpx.AsyncClient, room: Room) -> None:
    (outage,) = (await read(client, f"{ALARMS}?severity=4"))["alarms"]
    url = f"{ALARMS}/{outage['id']}"
    answer = await client.post(f"{url}/acknowledge", json={"note": "crew 4 is on its way"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["state"] == "acknowledged"
    assert body["acknowledged"]["by"] == "local"
    assert body["acknowledged"]["note"] == "crew 4 is on its way"
    assert [one["what"] for one in body["history"]] == ["raised", "acknowledged"]
    again = await client.post(f"{url}/acknowledge", json={"note": "crew 4 is on its way"})
    assert again.json()["history"] == body["history"]  # asked again after a lost answer
    assert (await read(client, url))["acknowledged"] == body["acknowledged"]
    assert (room.folder / FILE_NAME).read_text().count("\n") == 2  # the audit has both


async def test_without_an_annunciator_a_word_is_kept_and_answered_202(
    client: httpx.AsyncClient, room: Room
) -> None:
    (outage,) = (await read(client, f"{ALARMS}?severity=4"))["alarms"]
    answer = await client.post(f"{ALARMS}/{outage['id']}/acknowledge", json={})
    assert (answer.status_code, answer.json()["state"]) == (202, "raised")
    room.step()
    assert (await read(client, f"{ALARMS}/{outage['id']}"))["state"] == "acknowledged"


@pytest.mark.usefixtures("listening")
async def test_work_keeps_a_subtree_quiet_until_it_is_over(client: httpx.AsyncClient) -> None:
    span = {"begin": str(NOW_MS - 60_000), "end": str(NOW_MS + 3_600_000)}
    work = {"subject": "feeder:f-1", "reason": "new fuse", **span}
    opened = await client.post(WORK, json=work)
    (window,) = opened.json()["maintenance"]
    assert (window["subject"], window["by"]) == ("feeder:f-1", "local")
    assert len((await read(client, f"{ALARMS}?suppressed=true"))["alarms"]) == 3
    ended = await client.delete(f"{WORK}/{window['id']}")
    assert (ended.status_code, ended.json()["maintenance"]) == (200, [])
    (past,) = (await read(client, f"{WORK}?state=past"))["maintenance"]
    assert (past["id"], past["state"]) == (window["id"], "past")
    assert (past["by"], past["ended_by"]) == ("local", "local")
    assert (await read(client, f"{WORK}?state=all"))["maintenance"] == [past]
    assert not (await read(client, f"{ALARMS}?suppressed=true"))["alarms"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "parameter"),
    [
        ("GET", "/alarms/0123456789ab", None, 404, "alarm"),
        ("GET", "/alarms/../../etc", None, 404, None),
        ("GET", "/alarms/xyz", None, 422, "alarm"),
        ("POST", "/alarms/0123456789ab/acknowledge", {}, 404, "alarm"),
        ("POST", "/alarms/0123456789ab/acknowledge", {"note": "x" * 501}, 422, "note"),
        ("POST", "/alarms/0123456789ab/acknowledge", {"note": "a\nb"}, 422, "note"),
        ("POST", "/alarms/0123456789ab/acknowledge", {"who": "me"}, 422, "who"),
        ("POST", "/maintenance", {"subject": "all", "reason": "x"}, 422, "end"),
        ("POST", "/maintenance", {"subject": "all", "reason": "x", "end": "0"}, 422, "end"),
        ("POST", "/maintenance", {"subject": "a b", "reason": "x", "end": "1"}, 422, "subject"),
        ("DELETE", "/maintenance/01234567", None, 404, "window"),
        ("GET", "/alarms?state=sleeping", None, 422, "state"),
        ("GET", "/maintenance?state=sleeping", None, 422, "state"),
        ("GET", "/alarms?severity=9", None, 422, "severity"),
        ("GET", "/alarms?after=eA", None, 422, "after"),
        ("DELETE", "/alarms/0123456789ab", None, 405, None),
    ],
)
async def test_what_is_wrong_is_a_problem_that_names_it(  # noqa: PLR0917
    client: httpx.AsyncClient,
    room: Room,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    status: int,
    parameter: str | None,
) -> None:
    answer = await client.request(method, f"{V1}{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json().get("parameter") or "").split(".")[-1] == (parameter or "")
    assert not (room.folder / FILE_NAME).exists()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("LOOK", "see")
    monkeypatch.setenv("ANNA", "anna-s-word")
    return {
        "token": {"env": "LOOK"},
        "operator": [{"name": "Anna Nguyễn", "token": {"env": "ANNA"}}],
    }


async def test_only_an_operator_speaks_and_by_his_own_name(
    room: Room, keys: dict[str, Any]
) -> None:
    async with client_of(app_of(room.folder, http=keys)) as client:
        viewer, anna = ({"Authorization": f"Bearer {one}"} for one in ("see", "anna-s-word"))
        assert (await client.get(ALARMS)).status_code == 401
        found = (await client.get(f"{ALARMS}?severity=4", headers=viewer)).json()["alarms"]
        url = f"{ALARMS}/{found[0]['id']}/acknowledge"
        refused = await client.post(url, json={}, headers=viewer)
        assert refused.status_code == 403
        assert "operator" in refused.json()["detail"]
        foreign = {**anna, "Origin": "https://evil.example"}
        assert (await client.post(url, json={}, headers=foreign)).status_code == 403
        assert not (room.folder / FILE_NAME).exists()
        assert (await client.post(url, json={}, headers=anna)).status_code == 202
    ((_, word),), _ = words_since(room.folder, 0)
    assert word.who == "Anna Nguyễn"


async def test_a_long_body_is_refused_before_it_is_read(client: httpx.AsyncClient) -> None:
    url = f"{ALARMS}/0123456789ab/acknowledge"
    answer = await client.post(url, content=b"x" * 70_000)
    assert answer.status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        yield b"{}"

    assert (await client.post(url, content=pieces())).status_code == 413
