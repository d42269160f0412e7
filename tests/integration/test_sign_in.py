"""Signing in: a form for people, a cookie that proves it, and nothing else changes for programs."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from gateway.api.guard import Guard
from gateway.api.keys import Keys, People
from gateway.api.signin import COOKIE, FORM_BYTES, proof_of, proof_of_account
from gateway.api.turns import MOST_OF_ONE_PEER, MOST_WAITING
from gateway.board.speaking import Speaking
from gateway.store.accounts import FILE_NAME, Accounts, Role, new_account
from gateway.views.visitor import Visitor
from tests.support.browser import browser, needs_chromium
from tests.support.stores import NOW_MS
from tests.support.web import V1, app_of, client_of, filled
from tests.support.web_process import web_process

PAGE = {"accept": "text/html"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    secrets = {"anna": "a-token-of-anna", "token": "s3cret-to-look"}
    for name, text in secrets.items():
        keep(tmp_path / name, text)
    http: dict[str, Any] = {"token": {"file": str(tmp_path / "token")}}
    http["operator"] = [{"name": "Anna", "token": {"file": str(tmp_path / "anna")}}]
    folder = tmp_path / "data"
    folder.mkdir()
    async with client_of(app_of(filled(folder), http=http)) as client:
        yield client


def keep(file: Path, secret: str) -> None:
    file.write_text(secret)
    file.chmod(0o600)


async def signed_in(client: httpx.AsyncClient, token: str, to: str = "/") -> httpx.Response:
    return await client.post(f"/sign-in?next={to}", data={"token": token})


async def test_a_person_is_sent_to_the_form_and_back_to_his_page(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/energy/load?range=7d", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fenergy%2Fload%3Frange%3D7d"
    form = await client.get(answer.headers["location"], headers=PAGE)
    assert form.status_code == 200
    assert "Sign in" in form.text
    assert "Đăng nhập" in form.text
    assert "frame-ancestors 'none'" in form.headers["content-security-policy"]
    answer = await signed_in(client, "s3cret-to-look", "%2Fenergy%2Fload%3Frange%3D7d")
    assert (answer.status_code, answer.headers["location"]) == (303, "/energy/load?range=7d")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
    assert "s3cret" not in cookie


async def test_the_cookie_opens_what_the_token_does(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{V1}/accounting")).status_code == 401
    await signed_in(client, "s3cret-to-look")
    assert (await client.get(f"{V1}/accounting")).status_code == 200


@pytest.mark.parametrize(("token", "may"), [("a-token-of-anna", True), ("s3cret-to-look", False)])
async def test_who_signed_in_may_what_his_token_may(
    client: httpx.AsyncClient, token: str, *, may: bool
) -> None:
    await signed_in(client, token)
    word = {"subject": "all", "from": "2026-11-22", "to": "2026-11-23", "reason": "x"}
    answer = await client.post(f"{V1}/maintenance", json=word)
    assert (answer.status_code == 403) is not may


async def test_a_wrong_token_takes_a_second_and_opens_nothing(client: httpx.AsyncClient) -> None:
    answer = await signed_in(client, "wrong")
    assert answer.elapsed.total_seconds() >= 1
    assert answer.status_code == 401
    assert "Wrong name, password or token" in answer.text
    assert "set-cookie" not in answer.headers
    for body in ("", "token=", "token=" + "x" * 2 * FORM_BYTES, "=&&&=%ff"):
        answer = await client.post("/sign-in", content=body)
        assert answer.status_code == 401


@pytest.mark.parametrize(
    "cookie",
    ["", "x", proof_of(""), proof_of("wrong"), "s3cret-to-look", "=;;=\x01", "a" * 20_000],
)
async def test_a_made_up_cookie_opens_nothing(client: httpx.AsyncClient, cookie: str) -> None:
    headers = {"cookie": f"{COOKIE}={cookie}"}
    assert (await client.get(f"{V1}/accounting", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "next_page", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", ""]
)
async def test_a_link_from_elsewhere_does_not_lead_elsewhere(
    client: httpx.AsyncClient, next_page: str
) -> None:
    answer = await client.post(
        "/sign-in", params={"next": next_page}, data={"token": "s3cret-to-look"}
    )
    assert answer.headers["location"] == "/"


async def test_a_page_of_another_origin_cannot_sign_anybody_in(client: httpx.AsyncClient) -> None:
    data = {"token": "s3cret-to-look"}
    for origin in ("https://evil.example", "null"):
        answer = await client.post("/sign-in", data=data, headers={"origin": origin})
        assert answer.status_code == 403


async def test_programs_are_told_as_before(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", headers={"accept": "*/*"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    api = await client.get(f"{V1}/accounting", headers=PAGE)
    assert api.status_code == 401
    assert api.headers["www-authenticate"].startswith("Bearer")


# -- people with a name and a password --

WORD = "mật khẩu của tôi"
WORK = {"subject": "all", "end": str(NOW_MS + 60_000), "reason": "x"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    accounts = Accounts(filled(folder))
    accounts.put(new_account("Anna", Role.OPERATOR, WORD, NOW_MS))
    accounts.put(new_account("Minh", Role.VIEWER, WORD, NOW_MS))
    return folder


@pytest.fixture
async def site(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Beyond loopback, without any token."""
    http = {"listen": "192.0.2.7:8443", "cert": "gateway.pem", "key": "gateway.key"}
    async with client_of(app_of(folder, http=http)) as client:
        yield client


async def as_somebody(site: httpx.AsyncClient, name: str, word: str) -> httpx.Response:
    return await site.post("/sign-in", data={"name": name, "token": word})


async def test_beyond_loopback_nobody_looks_who_has_not_signed_in(site: httpx.AsyncClient) -> None:
    assert (await site.get(f"{V1}/accounting")).status_code == 401
    assert (await site.get("/", headers=PAGE)).headers["location"].startswith("/sign-in")
    answer = await as_somebody(site, "Anna", WORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert WORD not in answer.headers["set-cookie"]
    assert (await site.get(f"{V1}/accounting")).status_code == 200


@pytest.mark.parametrize(("name", "may"), [("Anna", True), ("Minh", False)])
async def test_a_role_says_what_somebody_may(
    site: httpx.AsyncClient, name: str, *, may: bool
) -> None:
    await as_somebody(site, name, WORD)
    answer = await site.post(f"{V1}/maintenance", json=WORK)
    assert answer.status_code == (202 if may else 403)  # kept; no annunciator runs here
    if not may:
        assert "takes an operator" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "word"),
    [("Anna", "wrong word of hers"), ("anna", WORD), ("", WORD), ("Nobody", WORD), ("Anna", "")],
)
async def test_who_does_not_know_the_password_is_nobody(
    site: httpx.AsyncClient, name: str, word: str
) -> None:
    answer = await as_somebody(site, name, word)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_another_password_or_none_ends_what_was_signed_in(
    site: httpx.AsyncClient, folder: Path
) -> None:
    accounts = Accounts(folder)
    await as_somebody(site, "Anna", WORD)
    accounts.put(new_account("Anna", Role.OPERATOR, f"{WORD} 2", NOW_MS))
    assert (await site.get(f"{V1}/accounting")).status_code == 401
    await as_somebody(site, "Anna", f"{WORD} 2")
    assert (await site.get(f"{V1}/accounting")).status_code == 200
    accounts.remove("Anna")
    assert (await site.get(f"{V1}/accounting")).status_code == 401


async def test_who_signs_out_is_nobody_again_and_a_link_signs_nobody_out(
    site: httpx.AsyncClient,
) -> None:
    await as_somebody(site, "Anna", WORD)
    form = await site.get("/sign-in")
    assert "<b>Anna</b>" in form.text
    assert "Sign out" in form.text
    await site.get("/sign-out")
    assert (await site.get(f"{V1}/accounting")).status_code == 200
    await site.post("/sign-out")
    assert (await site.get(f"{V1}/accounting")).status_code == 401


async def test_accounts_that_cannot_be_read_open_nothing(
    site: httpx.AsyncClient, folder: Path
) -> None:
    """Also on loopback, where without any account whoever comes is an operator."""
    await as_somebody(site, "Anna", WORD)
    (folder / FILE_NAME).chmod(0o644)
    assert (await site.get(f"{V1}/accounting")).status_code == 401
    async with client_of(app_of(folder)) as near:
        assert (await near.post(f"{V1}/maintenance", json=WORK)).status_code == 403


@pytest.mark.parametrize("hash_of_anna", ["", "no hex"])
async def test_a_damaged_record_opens_nothing_not_even_to_who_was_in(
    site: httpx.AsyncClient, folder: Path, hash_of_anna: str
) -> None:
    """Minh is removed and Anna's record is damaged: neither is anybody, nor who knows no key."""
    await as_somebody(site, "Minh", WORD)
    Accounts(folder).remove("Minh")
    file = folder / FILE_NAME
    known = json.loads(file.read_bytes())
    known["accounts"][0]["hash"] = hash_of_anna
    file.write_text(json.dumps(known))
    for _ in range(2):
        assert (await site.get(f"{V1}/accounting")).status_code == 401
    site.cookies.clear()
    headers = {"cookie": f"{COOKIE}={proof_of('')}"}
    assert (await site.get(f"{V1}/accounting", headers=headers)).status_code == 401


@pytest.mark.parametrize("what", ["removed", "another password"])
async def test_a_stream_ends_once_who_listens_is_nobody_any_more(
    site: httpx.AsyncClient, folder: Path, what: str
) -> None:
    await as_somebody(site, "Anna", WORD)
    listening = asyncio.create_task(site.get(f"{V1}/stream"))
    await asyncio.wait([listening], timeout=0.5)
    assert not listening.done()
    if what == "removed":
        Accounts(folder).remove("Anna")
    else:
        Accounts(folder).put(new_account("Anna", Role.OPERATOR, f"{WORD} 2", NOW_MS))
    answer = await asyncio.wait_for(listening, 10)
    assert "event: accounting" in answer.text


async def test_an_open_page_speaks_for_nobody_once_he_is_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scopes: list[Any] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await Response()(scope, receive, send)

    anna = Accounts(folder).all()["Anna"]
    keys = Keys(people=People(Accounts(folder)), is_open=False)
    async with client_of(Guard(page, keys)) as near:  # type: ignore[arg-type]
        await near.get("/", headers={"cookie": f"{COOKIE}={proof_of_account(anna)}"})
    client = SimpleNamespace(request=SimpleNamespace(scope=scopes[0]))
    context = SimpleNamespace(context=SimpleNamespace(client=client))
    monkeypatch.setattr("gateway.board.speaking.ui", context)
    speaking = Speaking(None)  # type: ignore[arg-type]
    assert speaking.visitor == Visitor("Anna", is_operator=True)
    Accounts(folder).remove("Anna")
    assert speaking.visitor == Visitor("", is_operator=False)


async def test_on_loopback_the_first_account_is_the_end_of_operators_without_a_name(
    folder: Path,
) -> None:
    async with client_of(app_of(folder)) as near:
        assert (await near.get(f"{V1}/accounting")).status_code == 200
        assert (await near.post(f"{V1}/maintenance", json=WORK)).status_code == 403
        await as_somebody(near, "Anna", WORD)
        assert (await near.post(f"{V1}/maintenance", json=WORK)).status_code == 202


async def test_who_guesses_in_parallel_waits_in_a_queue_that_has_an_end(
    site: httpx.AsyncClient,
) -> None:
    answers = await asyncio.gather(
        *(as_somebody(site, f"guess-{k}", "a word of some length") for k in range(MOST_WAITING))
    )
    codes = Counter(answer.status_code for answer in answers)
    assert codes == {401: MOST_OF_ONE_PEER, 429: MOST_WAITING - MOST_OF_ONE_PEER}


async def test_a_token_opens_while_passwords_are_guessed(client: httpx.AsyncClient) -> None:
    """Also where somebody filled in a name beside it."""
    guesses = [
        asyncio.create_task(as_somebody(client, f"guess-{k}", "a word of some length"))
        for k in range(MOST_WAITING)
    ]
    await asyncio.sleep(0.1)
    answer = await as_somebody(client, "Anna", "s3cret-to-look")
    assert answer.status_code == 303
    await asyncio.gather(*guesses)


async def test_where_nobody_has_an_account_the_form_says_how_to_make_one(tmp_path: Path) -> None:
    http = {"listen": "192.0.2.7:8443", "cert": "gateway.pem", "key": "gateway.key"}
    async with client_of(app_of(filled(tmp_path), http=http)) as client:
        assert "infragate operator add" in (await client.get("/sign-in")).text
        assert (await client.get(f"{V1}/accounting")).status_code == 401


@needs_chromium
@pytest.mark.servers
async def test_a_browser_signs_in_and_the_board_lives(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    keep(folder / "token", "s3cret-to-look")
    (folder / "http.json").write_text(json.dumps({"token": {"file": str(folder / "token")}}))
    with web_process(folder) as web:
        async with browser(tmp_path / "profile") as page:
            await page.open(f"{web.url}/gateway?lang=vi")
            await page.wait_for("document.querySelector('#token') !== null", 60)
            await page.evaluate("document.querySelector('#token').focus()")
            await page.call("Input.insertText", text="s3cret-to-look")
            await page.evaluate("document.querySelector('form').requestSubmit()")
            # the page's WebSocket brings the cookie too: else there would be no beat
            await page.wait_for("Number(document.querySelector('.clock')?.dataset.beat) >= 1", 60)
            assert await page.evaluate("location.pathname + location.search") == "/gateway?lang=vi"
            assert page.faults == []
